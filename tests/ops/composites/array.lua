-- Tests of lua/kl/ops/array.lua; see tests/ops/composites_spec.lua.
local kl = require "kl"
local nd = require "nd"
local raises = require "raises"
local gradients = require "gradients"
local assert = require "luassert"

local function is(expected, t) assert.same(expected, t:totable()) end

--- A float64 tensor of 1, 2, 3, ... of that shape.
local function count(...)
  local n = nd.count{...}
  return kl.reshape(kl.arange(1, n + 1, 1, "float64"), {...})
end

--- Gradients of a function of one tensor that gives one, or a list.
local function smooth(f, x)
  gradients.check(function(xs)
    local y = f(xs[1])
    return type(y) == "table" and y or {y}
  end, {x})
end

local tests = {__getitem = "indexing_spec.lua"}

tests.concatenate = {
  ["joins along the last axis, or the one named"] = function()
    is({{1, 2, 1, 2}, {3, 4, 3, 4}}, kl.concatenate{count(2, 2), count(2, 2)})
    is({{1, 2}, {1, 2}, {3, 4}}, kl.concatenate({count(1, 2), count(2, 2)}, 1))
    is({{1, 2}, {1, 2}, {3, 4}}, kl.concatenate({count(1, 2), count(2, 2)}, {axis = -2}))
  end,
  ["joins more tensors than the primitive takes, in order"] = function()
    for _, n in ipairs{64, 65, 130, 5000} do
      local list = {}
      for i = 1, n do list[i] = kl.tensor{i, -i} end
      local joined = kl.concatenate(list, 1)
      assert.same({2 * n}, joined.shape)
      is({n, -n}, joined[{ {-2, -1} }])
      assert.equal(0, kl.sum(joined):item())
    end
  end,
  ["promotes"] = function() assert.equal("float32", kl.concat{kl.tensor{1}, kl.tensor{0.5}}.dtype) end,
  ["refuses what is no list of tensors that fit"] = function()
    raises(function() kl.concatenate(count(2)) end, "kl.concatenate: a list of tensors expected, got a float64 tensor")
    raises(function() kl.concatenate{} end, "kl.concatenate: 'xs' ")
    raises(function() kl.concatenate({count(2), "x"}, 1) end, "entry 2")
    raises(function() kl.concatenate({count(2, 1), count(3, 2)}, 2) end, "all axes but axis 2 must agree")
  end,
}

tests.stack = {
  ["puts tensors side by side along a new axis"] = function()
    is({{1, 2}, {1, 2}}, kl.stack{count(2), count(2)})
    is({{1, 1}, {2, 2}}, kl.stack({count(2), count(2)}, -1))
    is({{1, 1}, {2, 2}}, kl.stack({count(2), count(2)}, {axis = 2}))
    is({1, 1}, kl.stack{count(), count()})
    smooth(function(x) return kl.stack({x, x * 2.0}, 2) end, count(2, 3))
  end,
  ["refuses what is no list of tensors of one shape"] = function()
    raises(function() kl.stack(count(2)) end,
      "kl.stack: a list of tensors expected, got a float64 tensor of shape %(2,%)")
    raises(function() kl.stack{} end, "kl%.%w+: 'xs' ")
    raises(function() kl.stack{count(2), count(3)} end, "all axes but axis 1 must agree")
    raises(function() kl.stack({count(2), count(2)}, 3) end, "axis 3 is out of range")
  end,
}

tests.vstack = {
  ["puts tensors one below the other, vectors as rows"] = function()
    is({{1, 2}, {1, 2}}, kl.vstack{count(2), count(2)})
    is({{1, 2}, {1, 2}, {3, 4}}, kl.vstack{{1, 2}, count(2, 2)})
    raises(function() kl.vstack(count(2)) end, "kl.vstack: a list of tensors expected")
  end,
}

tests.hstack = {
  ["puts tensors beside each other"] = function()
    is({1, 2, 1, 2, 3}, kl.hstack{count(2), count(3)})
    is({{1, 2, 1, 2}, {3, 4, 3, 4}}, kl.hstack{count(2, 2), count(2, 2)})
    is({1, 2}, kl.hstack{1, 2})
    raises(function() kl.hstack(count(2)) end, "kl.hstack: a list of tensors expected")
  end,
}

tests.ravel = {
  ["gives a vector"] = function()
    is({1, 2, 3, 4}, kl.ravel(count(2, 2)))
    is({5}, kl.flatten(5))
  end,
}

tests.split = {
  ["cuts into equal parts"] = function()
    local parts = kl.split(count(4, 3), 2)
    assert.equal(2, #parts)
    is({{1, 2, 3}, {4, 5, 6}}, parts[1])
    is({{7, 8, 9}, {10, 11, 12}}, parts[2])
    is({{3}, {6}}, kl.split(count(2, 3), 3, 2)[3])
    is({{3}, {6}}, kl.split(count(2, 3), 3, {axis = -1})[3])
    smooth(function(x) return kl.split(x, 2, 2) end, count(2, 4))
  end,
  ["cuts after the rows of a list"] = function()
    local parts = kl.split(count(5), {1, 4})
    is({1}, parts[1])
    is({2, 3, 4}, parts[2])
    is({5}, parts[3])
    parts = kl.split(count(2), {0, 2})
    is({}, parts[1])
    is({1, 2}, parts[2])
    is({}, parts[3])
    is({1, 2}, kl.split(count(2), {})[1])
  end,
  ["takes nested tables and variables as tensors"] = function()
    is({3, 4}, kl.split({1, 2, 3, 4}, 2)[2])
    is({3, 4}, kl.split(kl.Variable{1.0, 2.0, 3.0, 4.0}, 2)[2])
  end,
  ["refuses parts that do not come out"] = function()
    raises(function() kl.split(count(5), 2) end, "kl.split: an axis of length 5 does not split into 2 equal parts")
    raises(function() kl.split(count(5), 0) end, "does not split into 0 equal parts")
    raises(function() kl.split(count(5), {3, 2}) end, "kl.split: the cut after row 2 is out of order")
    raises(function() kl.split(count(5), {6}) end, "kl.split: the cut after row 6 is out of order or outside")
    raises(function() kl.split(count(5), 2.5) end,
      "kl.split: a number of parts or a list of rows expected, got float 2.5")
    raises(function() kl.split(count(5), 1, 2) end, "kl.split: axis 2 is out of range: the tensor has 1 axes")
    raises(function() kl.split(count(), 1) end, "kl.split: axis 1 is out of range")
  end,
}

tests.unstack = {
  ["gives the slices along an axis without it"] = function()
    local rows = kl.unstack(count(2, 3))
    assert.equal(2, #rows)
    is({4, 5, 6}, rows[2])
    is({2, 5}, kl.unstack(count(2, 3), nil, 2)[2])
    is({3, 6}, kl.unstack(count(2, 3), 3, {axis = -1})[3])
    is(2, kl.unstack(count(2))[2])
    assert.same({}, kl.unstack(kl.zeros{0, 2}))
    assert.same({1, 2}, kl.unstack(kl.zeros{1, 3, 2}, {axis = 2})[1].shape)
    smooth(function(x) return kl.unstack(x, {axis = 2}) end, count(2, 3))
  end,
  ["refuses another number of slices than there are"] = function()
    raises(function() kl.unstack(count(2, 3), 3) end, "kl.unstack: num is 3, the axis has length 2")
    raises(function() kl.unstack(count(2), nil, 0) end, "kl.unstack: axis 0 is out of range")
  end,
}

tests.roll = {
  ["moves elements around the end"] = function()
    is({4, 5, 1, 2, 3}, kl.roll(count(5), 2))
    is({3, 4, 5, 1, 2}, kl.roll(count(5), -2))
    is({5, 1, 2, 3, 4}, kl.roll(count(5), 11))
    is({1, 2}, kl.roll(count(2), 4))
    smooth(function(x) return kl.roll(x, 1, 2) end, count(2, 3))
  end,
  ["rolls flat without an axis, and each axis by its own shift"] = function()
    is({{6, 1, 2}, {3, 4, 5}}, kl.roll(count(2, 3), 1))
    is({{3, 1, 2}, {6, 4, 5}}, kl.roll(count(2, 3), 1, 2))
    is({{6, 4, 5}, {3, 1, 2}}, kl.roll(count(2, 3), {1, 1}, {1, -1}))
    is({{6, 4, 5}, {3, 1, 2}}, kl.roll(count(2, 3), 1, {axis = {1, 2}}))
    is({}, kl.roll(kl.zeros{0}, 3))
  end,
  ["refuses shifts that are no integers, one per axis"] = function()
    raises(function() kl.roll(count(3), 1.5) end, "kl.roll: 'shift' must be an integer, or one per axis, got float 1.5")
    raises(function() kl.roll(count(2, 3), {1}, {1, 2}) end, "kl.roll: 'shift' must be an integer, or one per axis")
    raises(function() kl.roll(count(3), 1, 2) end, "kl.roll: axis 2 is out of range")
  end,
}

tests.tile = {
  ["repeats as a whole"] = function()
    is({1, 2, 1, 2, 1, 2}, kl.tile(count(2), 3))
    is({{1, 2, 1, 2}, {3, 4, 3, 4}}, kl.tile(count(2, 2), {1, 2}))
    is({{1, 2}, {1, 2}}, kl.tile(count(2), {2, 1}))
    is({{1, 2, 1, 2}}, kl.tile(count(1, 2), 2))
    is({1, 1}, kl.tile(count(), 2))
    is({}, kl.tile(count(2), 0))
    smooth(function(x) return kl.tile(x, {2, 3}) end, count(2, 2))
  end,
  ["goes axis by axis where there are too many for one broadcast"] = function()
    local x = count(2, 1, 3, 1, 2)
    local y = kl.tile(x, {1, 2, 1, 3, 2})
    assert.same({2, 2, 3, 3, 4}, y.shape)
    is(x[{2, 1, 2, 1}]:totable(), y[{2, 2, 2, 3, {3, 4}}])
    assert.same({2, 1, 0, 1, 2}, kl.tile(x, {1, 1, 0, 1, 1}).shape)
    assert.same({3, 1, 1, 1, 2}, kl.tile(count(2), {3, 1, 1, 1, 1}).shape)
  end,
  ["refuses repeats that are no counts"] = function()
    raises(function() kl.tile(count(2), -1) end, "kl.tile: repeats must be integers >= 0, got %-1")
    raises(function() kl.tile(count(2), {1, 0.5}) end, "kl.tile: repeats must be integers >= 0, got 0.5")
  end,
}

tests.repeat_ = {
  ["repeats each element"] = function()
    is({1, 1, 2, 2, 3, 3}, kl.repeat_(count(3), 2))
    is({1, 1, 2, 2, 3, 3, 4, 4}, kl.repeat_(count(2, 2), 2))
    is({{1, 2}, {1, 2}, {3, 4}, {3, 4}}, kl.repeat_(count(2, 2), 2, 1))
    is({{2, 2, 2}, {4, 4, 4}}, kl.repeat_(count(2, 2), {0, 3}, {axis = -1}))
    is({}, kl.repeat_(count(3), 0))
    smooth(function(x) return kl.repeat_(x, {2, 1, 0}, 2) end, count(2, 3))
  end,
  ["refuses repeats that are no counts"] = function()
    raises(function() kl.repeat_(count(3), {1, 2}) end, "kl.repeat_: an integer or a list of 3 integers expected")
    raises(function() kl.repeat_(count(3), 1.5) end,
      "kl.repeat_: an integer or a list of 3 integers expected, got float 1.5")
    raises(function() kl.repeat_(count(3), -1) end, "kl.repeat_: repeats must be integers >= 0, got integer %-1")
    raises(function() kl.repeat_(count(2), {1, "a"}) end, "kl.repeat_: repeats must be integers >= 0, got the string")
    raises(function() kl.repeat_(count(2), 2, 3) end, "kl.repeat_: axis 3 is out of range")
  end,
}

tests.swapaxes = {
  ["exchanges two axes"] = function()
    assert.same({4, 3, 2}, kl.swapaxes(count(2, 3, 4), 1, -1).shape)
    is({{1, 3}, {2, 4}}, kl.swapaxes(count(2, 2), 2, 1))
    is({1, 2}, kl.swapaxes(count(2), 1, 1))
    smooth(function(x) return kl.swapaxes(x, 1, 3) end, count(2, 3, 2))
  end,
  ["refuses axes that are not there"] = function()
    raises(function() kl.swapaxes(count(2), 1, 2) end, "kl.swapaxes: axis 2 is out of range")
    raises(function() kl.swapaxes(count(2), "1", 1) end, "kl.swapaxes: axis 1 is out of range")
  end,
}

tests.moveaxis = {
  ["moves one axis and keeps the order of the others"] = function()
    assert.same({3, 4, 2}, kl.moveaxis(count(2, 3, 4), 1, -1).shape)
    assert.same({4, 2, 3}, kl.moveaxis(count(2, 3, 4), 3, 1).shape)
    assert.same({2, 4, 3}, kl.moveaxis(count(2, 3, 4), 2, 3).shape)
    is({{1, 4}, {2, 5}, {3, 6}}, kl.moveaxis(count(2, 3), 1, 2))
  end,
  ["refuses axes that are not there"] = function()
    raises(function() kl.moveaxis(count(2), 2, 1) end, "kl.moveaxis: axis 2 is out of range")
  end,
}

tests.pad = {
  ["surrounds with a value"] = function()
    is({0, 1, 2, 0}, kl.pad(count(2), 1))
    is({0, 1, 2, 0, 0}, kl.pad(count(2), {1, 2}))
    is({{7, 7, 7}, {1, 2, 7}}, kl.pad(count(1, 2), {{1, 0}, {0, 1}}, "constant", 7))
    is({{0, 0, 0}, {0, 1, 0}, {0, 0, 0}}, kl.pad(count(1, 1), {{1, 1}}, {constant_values = 0}))
    smooth(function(x) return kl.pad(x, 1) end, count(2, 2))
  end,
  ["keeps the type of what it surrounds"] = function()
    assert.equal("uint8", kl.pad(kl.tensor({1}, "uint8"), 1).dtype)
    is({false, true, false}, kl.pad(kl.tensor{true}, 1))
    is({true, false, true}, kl.pad(kl.tensor{false}, 1, {constant_values = true}))
  end,
  ["mirrors, with and without the edge, repeats the edge, or wraps, as numpy does"] = function()
    is({3, 2, 1, 2, 3, 2, 1}, kl.pad(count(3), 2, "reflect"))
    is({2, 1, 1, 2, 3, 3, 2}, kl.pad(count(3), 2, "symmetric"))
    is({1, 1, 1, 2, 3, 3, 3}, kl.pad(count(3), 2, "edge"))
    is({2, 3, 1, 2, 3, 1, 2}, kl.pad(count(3), 2, "wrap"))
    is({1, 2, 1, 2, 1, 2, 1}, kl.pad(count(2), {2, 3}, {mode = "reflect"})) -- again and again
    is({2, 2, 1, 1, 2, 2, 1, 1}, kl.pad(count(2), 3, "symmetric"))
    is({1, 1, 1}, kl.pad(count(1), 1, "reflect"))
    is({{2, 1, 2}, {4, 3, 4}}, kl.pad(count(2, 2), {{0, 0}, {1, 0}}, "reflect"))
    smooth(function(x) return kl.pad(x, {{1, 0}, {2, 1}}, "reflect") end, count(3, 3))
  end,
  ["refuses widths that are none and modes it does not know"] = function()
    raises(function() kl.pad(count(2, 2), {{1, 1}, {1}}) end,
      "kl.pad: one {before, after} per axis expected, axis 2 has none")
    raises(function() kl.pad(count(2, 2), "1") end, "kl.pad: one {before, after} per axis expected")
    raises(function() kl.pad(count(2, 2, 2), {{1, 1}, {1, 1}}) end,
      "kl.pad: one {before, after} per axis expected, axis 3")
    raises(function() kl.pad(count(2), -1) end, "kl.pad: .*axis 1 .*%-1")
    raises(function() kl.pad(count(2), {0, -1}, "reflect") end, "kl.pad: .*axis 1 .*%-1")
    raises(function() kl.pad(count(2), 0.5, "edge") end, "kl.pad: .*axis 1 .*0.5")
    raises(function() kl.pad(count(2), 1, "reflekt") end, "kl.pad: no mode 'reflekt'; did you mean 'reflect'%?")
    raises(function() kl.pad(kl.zeros{0}, 1, "edge") end,
      "kl.pad: axis 1 is empty: there is nothing to take for mode 'edge'")
    raises(function() kl.pad(kl.tensor{1}, 1, "constant", "x") end, "'value' must be a tensor or a number")
  end,
}

tests.array_equal = {
  ["compares shape, type and values"] = function()
    assert.is_true(kl.array_equal(count(2, 2), count(2, 2)))
    assert.is_false(kl.array_equal(count(2, 2), count(4)))
    assert.is_false(kl.array_equal(count(4), count(2)))
    assert.is_false(kl.array_equal(count(2), kl.cast(count(2), "float32")))
    assert.is_false(kl.array_equal(count(2), kl.tensor({1, 3}, "float64")))
    assert.is_true(kl.array_equal(kl.zeros{0, 3}, kl.zeros{0, 3}))
    assert.is_true(kl.array_equal(count(2), kl.Variable(count(2))))
  end,
  ["finds NaN equal to nothing"] = function()
    local x = kl.tensor{0 / 0}
    assert.is_false(kl.array_equal(x, x))
  end,
}

return tests
