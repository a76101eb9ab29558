-- t[i] and t[{...}] (lua/kl/ops/array.lua): positions count from 1, negative ones from the end, ranges hold both ends.
local kl = require "kl"
local gradients = require "gradients"
local raises = require "raises"

local t = kl.reshape(kl.arange(1, 25), {2, 3, 4}) -- t[{i, j, k}] = 12 (i - 1) + 4 (j - 1) + k

local function is(expected, got) assert.same(expected, got:totable()) end

describe("an integer", function()
  it("takes one position of the first axis and drops the axis", function()
    assert.same({3, 4}, t[1].shape)
    is({13, 14, 15, 16}, t[2][1])
    is(24, t[2][3][4])
    is({21, 22, 23, 24}, t[-1][-1])
  end)

  it("in a table stands for its own axis", function()
    is(19, t[{2, 2, 3}])
    is({{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}}, t[{1}])
    is({5, 6, 7, 8}, t[{1, 2}])
    is({8, 20}, t[{ {}, 2, -1 }])
  end)

  it("outside the axis is an error that names axis and length", function()
    raises(function() return t[3] end, "index 3 is outside axis 1 of length 2 %(positions count from 1")
    raises(function() return t[0] end, "index 0 is outside axis 1 of length 2")
    raises(function() return t[-3] end, "index %-3 is outside axis 1 of length 2")
    raises(function() return t[{1, 4}] end, "index 4 is outside axis 2 of length 3")
    raises(function() return kl.zeros{0, 2}[1] end, "index 1 is outside axis 1 of length 0")
  end)
end)

describe("a range", function()
  it("keeps the axis and holds both its ends", function()
    is({{5, 6, 7, 8}, {9, 10, 11, 12}}, t[{1, {2, 3}}])
    is({{{2, 3}}, {{14, 15}}}, t[{ {}, {1, 1}, {2, 3} }])
    is({{22, 23, 24}}, t[{2, {-1, -1}, {-3, -1}}])
    is({{9, 10, 11, 12}}, t[{1, {-1, 3}}])
  end)

  it("of nothing is the whole axis, as is what is left out at the end", function()
    assert.same({2, 3, 4}, t[{}].shape)
    assert.same({2, 3, 4}, t[{ {}, {}, {} }].shape)
    assert.same({2, 2, 4}, t[{ {}, {1, 2} }].shape)
  end)

  it("that ends one before it begins is empty, anywhere in the axis and behind it", function()
    assert.same({0, 3, 4}, t[{ {1, 0} }].shape)
    assert.same({0, 3, 4}, t[{ {2, 1} }].shape)
    assert.same({0, 3, 4}, t[{ {3, 2} }].shape)
    assert.same({2, 0}, kl.zeros{2, 0}[{ {}, {1, 0} }].shape)
    assert.same({2, 0}, kl.zeros{2, 0}[{ {} }].shape)
  end)

  it("outside the axis or backwards is an error", function()
    raises(function() return t[{ {1, 3} }] end, "index 3 is outside axis 1 of length 2")
    raises(function() return t[{ {0, 1} }] end, "index 0 is outside axis 1")
    raises(function() return t[{ {}, {3, 1} }] end, "the range {3, 1} ends before it begins")
    raises(function() return t[{ {}, {-1, -3} }] end, "the range {%-1, %-3} ends before it begins")
    raises(function() return t[{ {1, 2, 1, 1} }] end, "index 1: a range is {first, last} or {first, last, step}, got 4 entries")
    raises(function() return t[{ {1, 1.5} }] end,
      "index 1: an integer or a range {first, last} expected, got float 1.5")
  end)
end)

describe("a range of one position", function()
  it("keeps its axis", function()
    is({{{5, 6, 7, 8}}}, t[{ {1}, {2} }])
    is({{4}, {8}, {12}}, t[{1, {}, {-1}}])
    raises(function() return t[{ {3} }] end, "index 3 is outside axis 1 of length 2 %(positions count from 1%)$")
  end)
end)

describe("a range with a step", function()
  local ten = kl.arange(1, 11)
  it("takes every step-th position from the first to the last", function()
    is({1, 3, 5, 7, 9}, ten[{ {1, -1, 2} }])
    is({2, 5, 8}, ten[{ {2, 8, 3} }])
    is({3}, ten[{ {3, 3, 5} }])
    is({{1, 3}, {9, 11}}, t[{1, {1, 3, 2}, {1, -1, 2}}])
  end)

  it("goes backwards where it is below 0", function()
    is(kl.flip(ten):totable(), ten[{ {-1, 1, -1} }])
    is({10, 6, 2}, ten[{ {10, 1, -4} }])
    is({{16, 14}, {4, 2}}, t[{ {2, 1, -1}, 1, {4, 1, -2}}])
  end)

  it("passes gradients to what was taken", function()
    gradients.check(function(xs) return {xs[1][{ {2, 1, -1}, {}, {1, 4, 3} }]} end, {kl.cast(t, "float64")})
  end)

  it("that leads nowhere is an error", function()
    raises(function() return ten[{ {1, 5, -1} }] end, "index 1: steps of %-1 do not lead from 1 to 5")
    raises(function() return ten[{ {5, 1, 1} }] end, "index 1: steps of 1 do not lead from 5 to 1")
    raises(function() return ten[{ {1, 5, 0} }] end, "the step of a range must be an integer other than 0, got integer 0")
    raises(function() return ten[{ {1, 5, 0.5} }] end, "other than 0, got float 0.5")
    raises(function() return kl.Input{3}[{ {1, -1, 2} }] end, "axis 1 has an unknown length: a range in it has no step")
  end)
end)

describe("a loop by ipairs", function()
  it("ends in an error that says how to loop", function()
    raises(function()
      for _ in ipairs(t) do end
    end, "index 3 is outside axis 1 of length 2 .*ipairs goes on to it: loop over 1 to #t, or ipairs%(t:unstack%(%)%)")
  end)
end)

describe("an index", function()
  it("that is neither is an error that says what to do", function()
    raises(function() return t[1.0] end,
      "a tensor is indexed by an integer, a table of integers and ranges or a bool tensor, got float 1.0")
    raises(function() return t[true] end, "a tensor is indexed by an integer, a table")
    raises(function() return t[kl.tensor{1}] end, "got a int32 tensor of shape %(1,%); kl.take gathers by a tensor")
    raises(function() return t[{1, "2"}] end,
      "index 2: an integer or a range {first, last} expected, got the string \"2\"")
    raises(function() return t[{1, 1, 1, 1}] end, "4 indices for a tensor of rank 3, shape %(2, 3, 4%)")
    raises(function() return kl.tensor(1.0)[1] end, "1 indices for a tensor of rank 0, shape %(%)")
    raises(function() return t[{first = 1}] end, "index 'first': positions are expected, not names")
  end)

  it("gives a view: the elements are those of the tensor, with any strides", function()
    local reversed = kl.flip(kl.transpose(t))
    is({24, 12}, reversed[{1, 1}])
    is({{21, 9}}, reversed[{ {4, 4}, 1 }])
    is({{17, 5}, {13, 1}}, reversed[{-1, {2, 3}}])
  end)

  it("works on variables and passes gradients to the elements taken", function()
    local v = kl.Variable{{1.0, 2.0}, {3.0, 4.0}}
    local tape <close> = kl.GradientTape()
    local loss = v[{2, 1}] * 3.0 + kl.sum(v[1])
    assert.same({{1, 1}, {3, 0}}, tape:gradient(loss, v):totable())
    gradients.check(function(xs) return {xs[1][{ {}, {2, 3}, -1 }]} end, {kl.cast(t, "float64")})
  end)

  it("cannot be assigned to", function()
    raises(function() t[1] = 5 end, "tensors never change: use kl.slice_update")
  end)
end)
