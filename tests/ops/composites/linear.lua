-- Tests of lua/kl/ops/linear.lua; see tests/ops/composites_spec.lua.
local kl = require "kl"
local gradients = require "gradients"
local nd = require "nd"
local raises = require "raises"
local assert = require "luassert"

local function is(expected, t) assert.same(expected, t:totable()) end

local function near(expected, t, tolerance)
  assert.same(expected.shape, t.shape)
  assert(kl.allclose(t, expected, {rtol = tolerance, atol = tolerance}), tostring(t))
end

--- A float64 tensor of 1, 2, 3, ... of that shape.
local function count(...) return kl.reshape(kl.arange(1, nd.count{...} + 1, 1, "float64"), {...}) end

local function smooth(f, ...) gradients.check(function(xs) return {f(table.unpack(xs))} end, {...}) end

local tests = {}

tests.dot = {
  ["is the sum of products of vectors, the product of matrices, and a multiple"] = function()
    assert.equal(14, kl.dot(count(3), count(3)):item())
    is({{22, 28}, {49, 64}}, kl.dot(count(2, 3), count(3, 2)))
    is({14, 32}, kl.dot(count(2, 3), count(3)))
    is({2, 4}, kl.dot(2, {1, 2}))
  end,
  ["sums over the last axis of x1 and the last but one of x2"] = function()
    local a, b = count(2, 3), count(2, 3, 4)
    local y = kl.dot(a, b)
    assert.same({2, 2, 4}, y.shape)
    assert.equal(kl.sum(a[2] * b[{2, {}, 3}]):item(), y[{2, 2, 3}]:item())
  end,
}

tests.inner = {
  ["sums over the last axes"] = function()
    is({{14, 32}, {32, 77}}, kl.inner(count(2, 3), count(2, 3)))
    assert.equal(14, kl.inner({1, 2, 3}, {1, 2, 3}):item())
    is({3, 6}, kl.inner({1, 2}, 3))
  end,
}

tests.vdot = {
  ["sums the products of all elements"] = function() assert.equal(91, kl.vdot(count(2, 3), count(6)):item()) end,
}

tests.outer = {
  ["multiplies each element with each"] = function()
    is({{3, 4}, {6, 8}, {9, 12}}, kl.outer({1, 2, 3}, {3, 4}))
    is({{1}, {2}, {3}, {4}}, kl.outer(count(2, 2), {1.0}))
    smooth(kl.outer, count(3), count(2))
  end,
}

tests.tensordot = {
  ["sums over the last axes of x1 and the first of x2"] = function()
    is({{22, 28}, {49, 64}}, kl.tensordot(count(2, 3), count(3, 2), 1))
    assert.equal(91, kl.tensordot(count(2, 3), count(2, 3)):item())
    is({{3, 4}, {6, 8}}, kl.tensordot({1, 2}, {3, 4}, {axes = 0}))
  end,
  ["sums over the axes of two lists"] = function()
    is({{17, 22, 27}, {22, 29, 36}, {27, 36, 45}}, kl.tensordot(count(2, 3), count(2, 3), {{1}, {1}}))
    local y = kl.tensordot(count(2, 3, 4), count(4, 3, 5), {{3, 2}, {1, -2}})
    assert.same({2, 5}, y.shape)
    is(kl.einsum("ijk,kjl->il", count(2, 3, 4), count(4, 3, 5)):totable(), y)
    smooth(function(a, b) return kl.tensordot(a, b, {{2, 3}, {2, 1}}) end, count(2, 3, 2), count(2, 3, 2))
  end,
  ["refuses axes that do not fit"] = function()
    raises(function() kl.tensordot(count(2, 3), count(2, 3), 1) end, "axis 2 of x1 has length 3, axis 1 of x2 2")
    raises(function() kl.tensordot(count(2), count(2), 2) end, "axes = 2 for tensors of shape %(2,%) and %(2,%)")
    raises(function() kl.tensordot(count(2, 2), count(2, 2), {{1, 1}, {1, 2}}) end, "an axis is named twice")
    raises(function() kl.tensordot(count(2, 2), count(2, 2), {{1}, {1, 2}}) end, "1 axes of x1 and 2 of x2")
    raises(function() kl.tensordot(count(2, 2), count(2, 2), {{3}, {1}}) end, "axis 3 is out of range")
    raises(function() kl.tensordot(count(2, 2), count(2, 2), "x") end, "'axes' must be an integer or two lists of axes")
  end,
}

--- einsum by its definition: a sum over every combination of the letters.
local function slow_einsum(subscripts, ...)
  local inputs, output = subscripts:match("^(.*)%->(.*)$")
  local lists, lengths, letters = {}, {}, {}
  for part in (inputs .. ","):gmatch("([^,]*),") do
    lists[#lists + 1] = part
    local x = select(#lists, ...)
    for axis = 1, #part do
      local letter = part:sub(axis, axis)
      if not lengths[letter] then letters[#letters + 1] = letter end
      lengths[letter] = x.shape[axis]
    end
  end
  local operands, shape = {...}, {}
  for i = 1, #output do shape[i] = lengths[output:sub(i, i)] end
  local values = {}
  for i, x in ipairs(operands) do values[i] = #x.shape == 0 and x:item() or x:totable() end
  local function at(value, part, index)
    for axis = 1, #part do value = value[index[part:sub(axis, axis)]] end
    return value
  end
  local sums, index = {}, {}
  local function visit(n)
    if n > #letters then
      local product, place = 1, 0
      for i, part in ipairs(lists) do product = product * at(values[i], part, index) end
      for i = 1, #output do place = place * shape[i] + index[output:sub(i, i)] - 1 end
      sums[place + 1] = (sums[place + 1] or 0) + product
      return
    end
    for k = 1, lengths[letters[n]] do
      index[letters[n]] = k
      visit(n + 1)
    end
  end
  visit(1)
  return kl.reshape(kl.tensor(sums, "float64"), shape)
end

local sizes = {a = 2, b = 3, i = 2, j = 3, k = 4, l = 2}

tests.einsum = {
  ["sums products as its subscripts say"] = function()
    for _, subscripts in ipairs{"ij,jk->ik", "ij,kj->ki", "ij->ji", "ij->", "ij->j", "i,j->ij", "i,i->", "bij,bjk->bik", "bij,jk->bik",
      "ij,jk,kl->il", "ij,j,ia->a", "ijk,jil->kl", "ii->i", "ii->", "iij->ij", "iji->j", "abab->ab", "bab,ai->bi", "iii->i", "ij,ij->i",
      "ij,k->i", "abi,abj->aij", "ij,ji->", "i->i", ",i->i", "ijk->kij"} do
      local operands = {}
      for part in (subscripts:match("^(.*)%->") .. ","):gmatch("([^,]*),") do
        local shape = {}
        for axis = 1, #part do shape[axis] = sizes[part:sub(axis, axis)] end
        operands[#operands + 1] = kl.sin(count(table.unpack(shape)))
      end
      near(slow_einsum(subscripts, table.unpack(operands)), kl.einsum(subscripts, table.unpack(operands)), 1e-12)
    end
  end,
  ["names the result itself where it is not told: what stands once, in the order of the alphabet"] = function()
    is({{22, 28}, {49, 64}}, kl.einsum("ij,jk", count(2, 3), count(3, 2)))
    is({{1, 4}, {2, 5}, {3, 6}}, kl.einsum("ba", count(2, 3)))
    assert.equal(5, kl.einsum("ii", count(2, 2)):item())
  end,
  ["takes '...' for all other axes"] = function()
    local a, b = count(2, 2, 3), count(2, 3, 2)
    is(kl.matmul(a, b):totable(), kl.einsum("...ij,...jk->...ik", a, b))
    is(kl.matmul(a, b):totable(), kl.einsum("...ij,...jk", a, b))
    is(kl.sum(a, {axis = {2, 3}}):totable(), kl.einsum("...ij->...", a))
    is(kl.sum(a, 1):totable(), kl.einsum("i...->...", a))
    is(kl.matmul(a, b[1]):totable(), kl.einsum("...i,ij->...j", a, b[1]))
  end,
  ["has gradients, and runs in functional graphs"] = function()
    smooth(function(a, b) return kl.einsum("bij,bkj->bik", a, b) end, count(2, 2, 3), count(2, 2, 3))
    smooth(function(a) return kl.einsum("iij->ij", a) end, count(2, 2, 3))
    local inputs = kl.Input{3}
    local model = kl.Model{inputs = inputs, outputs = kl.einsum("bi,bj->bij", inputs, inputs)}
    is({{{1, 2, 3}, {2, 4, 6}, {3, 6, 9}}}, model(kl.tensor{{1.0, 2.0, 3.0}}))
  end,
  ["refuses subscripts that do not fit"] = function()
    local m = count(2, 3)
    for subscripts, message in pairs{
      ["ij,jk->ik"] = "'ij,jk%->ik' has subscripts for 2 operands, got 1", ["ij->ijk"] = "the result's 'k' is in no operand",
      ["ijk->i"] = "'ijk' names 3 axes, operand 1 has shape %(2, 3%)", ["ij->ii"] = "the result names 'i' twice",
      ["i1"] = "letters and one '...' expected in the subscripts, got '1'",
      ["ii"] = "'i' is an axis of length 2, and of length 3 in operand 1",
    } do
      raises(function() kl.einsum(subscripts, m) end, "kl.einsum: " .. message)
    end
    raises(function() kl.einsum(m) end, "subscripts such as \"ij,jk%->ik\" expected, got a float64 tensor")
  end,
}

tests.solve = {
  ["gives the x with a x = b"] = function()
    local a = kl.tensor({{0.0, 2.0, 1.0}, {1.0, 1.0, 1.0}, {2.0, 1.0, -1.0}}, "float64") -- no pivot at (1, 1)
    local x = count(3)
    near(x, kl.solve(a, kl.matmul(a, x)), 1e-12)
    near(count(3, 2), kl.solve(a, kl.matmul(a, count(3, 2))), 1e-12)
    near(kl.eye(3, {dtype = "float64"}), kl.matmul(a, kl.solve(a, kl.eye(3, {dtype = "float64"}))), 1e-12)
    is({2.5}, kl.solve({{2}}, {5}))
  end,
  ["chooses pivots by size, so that little is lost"] = function()
    near(kl.tensor{1.0, 1.0}, kl.solve({{1e-7, 1.0}, {1.0, 1.0}}, {1.0, 2.0}), 1e-6)
  end,
  ["has gradients"] = function()
    smooth(kl.solve, kl.tensor({{0.0, 2.0}, {1.0, 3.0}}, "float64"), kl.tensor({1.0, -1.0}, "float64"))
  end,
  ["refuses what is no system of equations"] = function()
    raises(function() kl.solve(count(2, 3), count(2)) end, "kl.solve: 'a' must be square, got %(2, 3%)")
    raises(function() kl.solve(count(2, 2), count(3)) end, "'b' must have shape %(2,%) or %(2, m%), got %(3,%)")
  end,
}

return tests
