-- Tests of lua/kl/ops/places.lua; see tests/ops/composites_spec.lua.
local kl = require "kl"
local gradients = require "gradients"
local raises = require "raises"
local assert = require "luassert"

local function is(expected, t) assert.same(expected, t:totable()) end

local x = kl.reshape(kl.arange(0, 12, 1, "float64"), {2, 3, 2})

local tests = {}

tests.gather_nd = {
  ["takes parts at places in the first axes"] = function()
    is({{{6, 7}, {8, 9}, {10, 11}}}, kl.gather_nd(x, {{1}}))
    is({{0, 1}, {10, 11}}, kl.gather_nd(x, {{0, 0}, {1, 2}}))
    is({5, 6}, kl.gather_nd(x, {{0, 2, 1}, {1, 0, 0}}))
    is({{{0, 1}, {4, 5}}, {{6, 7}, {10, 11}}}, kl.gather_nd(x, {{{0, 0}, {0, 2}}, {{1, 0}, {1, 2}}}))
    assert.equal(9, kl.gather_nd(x, {1, 1, 1}):item())
    is({{10, 11}}, kl.gather_nd(x, {{-1, -1}}))
    assert.same({0, 2}, kl.gather_nd(x, kl.zeros({0, 2}, {dtype = "int32"})).shape)
  end,
  ["passes gradients to what was taken"] = function()
    gradients.check(function(xs) return {kl.gather_nd(xs[1], {{1, 2}, {0, 1}, {1, 2}})} end, {x})
  end,
  ["refuses places that are not there"] = function()
    raises(function() kl.gather_nd(x, {{0, 3}}) end, "index 3 at position 0 is outside an axis of length 3")
    raises(function() kl.gather_nd(x, {{0, 0, 0, 0}}) end, "indices name places in 4 axes, x has shape %(2, 3, 2%)")
    raises(function() kl.gather_nd(x, 1) end, "indices of shape %(..., k%) expected, got %(%)")
  end,
}

tests.scatter = {
  ["adds values at places to zeros"] = function()
    is({0, 2, 0, 4, 0}, kl.scatter({{1}, {3}}, {2, 4}, {5}))
    is({{0, 0, 5}, {0, 0, 0}}, kl.scatter({{0, 2}, {0, 2}}, {2, 3}, {2, 3}))
    is({{0, 0}, {1.5, 2}}, kl.scatter_nd({{1}}, {{1.5, 2.0}}, {2, 2}))
    is({1, 1, 1}, kl.scatter({{{0}, {1}}, {{2}, {-2}}}, {{1, 0}, {1, 1}}, {3}))
    is({0, 7, 7}, kl.scatter({{1}, {2}}, 7, {3}))
    assert.equal("float64", kl.scatter({{0}}, kl.tensor({1}, "float64"), {2}).dtype)
  end,
  ["gives back what gather_nd took"] = function()
    local at = kl.tensor{{0, 1}, {1, 2}}
    is({{{0, 0}, {2, 3}, {0, 0}}, {{0, 0}, {0, 0}, {10, 11}}}, kl.scatter(at, kl.gather_nd(x, at), {2, 3, 2}))
    gradients.check(function(xs) return {kl.scatter(at, xs[1], {2, 3})} end, {kl.tensor({1.0, 2.0}, "float64")})
  end,
  ["refuses places that are not there"] = function()
    raises(function() kl.scatter({{5}}, {1}, {5}) end, "is outside an axis of length 5")
    raises(function() kl.scatter({{0, 1}}, {1}, {5}) end, "indices name places in 2 axes, the shape has 1")
    raises(function() kl.scatter({{0}}, {1}, 5) end, "'shape' must be a list of integers, got integer 5")
  end,
}

return tests
