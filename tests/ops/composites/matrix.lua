-- Tests of lua/kl/ops/matrix.lua; see tests/ops/composites_spec.lua.
local kl = require "kl"
local gradients = require "gradients"
local nd = require "nd"
local raises = require "raises"
local assert = require "luassert"

local function is(expected, t) assert.same(expected, t:totable()) end

--- A float64 tensor of 0, 1, 2, ... of that shape.
local function count(...) return kl.reshape(kl.arange(0, nd.count{...}, 1, "float64"), {...}) end

local function smooth(f, x) gradients.check(function(xs) return {f(xs[1])} end, {x}) end

local tests = {}

tests.diagonal = {
  ["takes the elements at (i, i + offset)"] = function()
    is({0, 5, 10}, kl.diagonal(count(3, 4)))
    is({1, 6, 11}, kl.diagonal(count(3, 4), 1))
    is({4, 9}, kl.diagonal(count(3, 4), {offset = -1}))
    is({}, kl.diagonal(count(3, 4), 4))
    assert.same({0}, kl.diagonal(count(3, 4), -7).shape)
  end,
  ["puts the diagonal of two axes last"] = function()
    is({{0, 16}, {1, 17}, {2, 18}, {3, 19}}, kl.diagonal(count(2, 3, 4)))
    is({{1, 14}, {5, 18}, {9, 22}}, kl.diagonal(count(2, 3, 4), 1, 1, 3))
    is({{0, 5, 10}, {12, 17, 22}}, kl.diagonal(count(2, 3, 4), {axis1 = -2, axis2 = -1}))
    smooth(function(x) return kl.diagonal(x, -1, 2, 1) end, count(3, 3, 2))
  end,
  ["refuses what has no two axes"] = function()
    raises(function() kl.diagonal(count(3)) end, "kl.diagonal: a tensor with at least two axes expected, got shape %(3,%)")
    raises(function() kl.diagonal(count(3, 3), 0, 1, 1) end, "two different axes expected, got 1 twice")
    raises(function() kl.diagonal(count(3, 3), 0, 1, 3) end, "axis 3 is out of range")
    raises(function() kl.diagonal(count(3, 3), 0.5) end, "'offset'")
  end,
}

tests.trace = {
  ["is the sum of the diagonal"] = function()
    assert.equal(15, kl.trace(count(3, 4)):item())
    assert.equal(18, kl.trace(count(3, 4), 1):item())
    is({16, 18, 20, 22}, kl.trace(count(2, 3, 4)))
  end,
}

tests.diag = {
  ["makes a matrix of a vector"] = function()
    is({{1, 0}, {0, 2}}, kl.diag{1, 2})
    is({{0, 1, 0}, {0, 0, 2}, {0, 0, 0}}, kl.diag({1, 2}, 1))
    is({{0, 0, 0}, {1.5, 0, 0}, {0, 2, 0}}, kl.diag({1.5, 2}, {k = -1}))
    is({{true, false}, {false, true}}, kl.diag{true, true})
    smooth(function(x) return kl.diag(x, 2) end, count(3))
  end,
  ["takes the diagonal of a matrix"] = function()
    is({1, 6, 11}, kl.diag(count(3, 4), 1))
    raises(function() kl.diag(count(2, 2, 2)) end, "a vector or a matrix expected, got shape %(2, 2, 2%)")
  end,
}

tests.tril = {
  ["leaves what is on and below the k-th diagonal"] = function()
    is({{0, 0, 0}, {3, 4, 0}}, kl.tril(count(2, 3)))
    is({{0, 1, 0}, {3, 4, 5}}, kl.tril(count(2, 3), 1))
    is({{0, 0, 0}, {3, 0, 0}}, kl.tril(count(2, 3), {k = -1}))
    is({{{1, 0}, {1, 1}}, {{1, 0}, {1, 1}}}, kl.tril(kl.ones{2, 2, 2}))
    assert.equal("int32", kl.tril{{1, 2}, {3, 4}}.dtype)
    smooth(kl.tril, count(3, 3))
  end,
  ["refuses vectors"] = function() raises(function() kl.tril{1, 2} end, "kl.tril: matrices of known shape expected, got %(2,%)") end,
}

tests.triu = {
  ["leaves what is on and above the k-th diagonal"] = function()
    is({{0, 1, 2}, {0, 4, 5}}, kl.triu(count(2, 3)))
    is({{0, 1, 2}, {0, 0, 5}}, kl.triu(count(2, 3), 1))
    is({{0, 1, 2}, {3, 4, 5}}, kl.triu(count(2, 3), -1))
  end,
}

tests.meshgrid = {
  ["gives the coordinates of a grid: rows for y, columns for x"] = function()
    local x, y = table.unpack(kl.meshgrid({1, 2, 3}, {10, 20}))
    is({{1, 2, 3}, {1, 2, 3}}, x)
    is({{10, 10, 10}, {20, 20, 20}}, y)
    assert.equal(1, #kl.meshgrid{1, 2})
  end,
  ["gives them in the order of the axes with indexing = \"ij\""] = function()
    local x, y, z = table.unpack(kl.meshgrid({1, 2, 3}, {10, 20}, {0.5, 1.5}, {indexing = "ij"}))
    assert.same({3, 2, 2}, x.shape)
    is({{1, 1}, {1, 1}}, x[1])
    is({{10, 10}, {20, 20}}, y[2])
    is({0.5, 1.5}, z[3][2])
  end,
  ["refuses what is no vector or no way to index"] = function()
    raises(function() kl.meshgrid(count(2, 2)) end, "kl.meshgrid: vectors expected, got shape %(2, 2%)")
    raises(function() kl.meshgrid({1, 2}, {indexing = "yx"}) end, "'indexing' must be \"xy\" or \"ij\", got the string \"yx\"")
  end,
}

return tests
