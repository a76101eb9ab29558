-- Tests of lua/kl/ops/elementwise.lua; see tests/ops/composites_spec.lua.
local kl = require "kl"
local gradients = require "gradients"
local raises = require "raises"
local assert = require "luassert"

local inf, nan = math.huge, 0 / 0

local function near(expected, t)
  local got = t:totable()
  assert.equal(#expected, #got)
  for i, value in ipairs(expected) do
    local same = value == got[i] or (value ~= value and got[i] ~= got[i])
    assert(same or math.abs(value - got[i]) <= 1e-6 * math.max(1, math.abs(value)), ("element %d: %s, not %s"):format(i, got[i], value))
  end
end

local tests = {}

tests.squared_difference = {
  ["is the square of the difference"] = function()
    near({4, 0.25}, kl.squared_difference({1.0, 2.0}, {3.0, 1.5}))
    gradients.check(function(xs) return {kl.squared_difference(xs[1], xs[2])} end,
      {kl.tensor({1.0, 2.0}, "float64"), kl.tensor({3.0, 1.5}, "float64")})
  end,
}

tests.reciprocal = {
  ["is 1 / x"] = function()
    near({0.5, -4}, kl.reciprocal{2.0, -0.25})
    near({0.5}, kl.reciprocal{2})
    gradients.check(function(xs) return {kl.reciprocal(xs[1])} end, {kl.tensor({1.0, -2.0}, "float64")})
  end,
}

tests.logaddexp = {
  ["adds in the space of exponentials, without overflow"] = function()
    near({2.31326169, 1000.6931472, -999.6867383}, kl.logaddexp({1.0, 1000.0, -1000.0}, {2.0, 1000.0, -1001.0}))
  end,
  ["is numpy's of infinities and NaN"] = function()
    near({-inf, inf, inf, inf, 1, nan}, kl.logaddexp({-inf, inf, inf, -inf, -inf, nan}, {-inf, inf, -inf, inf, 1.0, 1.0}))
  end,
  ["has a gradient"] = function()
    gradients.check(function(xs) return {kl.logaddexp(xs[1], xs[2])} end,
      {kl.tensor({1.0, -20.0}, "float64"), kl.tensor({1.5, 3.0}, "float64")})
  end,
}

tests.nan_to_num = {
  ["replaces what is not finite by 0 and the largest numbers, or by what is given"] = function()
    near({0, 0x1.fffffep127, -0x1.fffffep127, 1.5}, kl.nan_to_num{nan, inf, -inf, 1.5})
    near({0x1.fffffffffffffp1023}, kl.nan_to_num(kl.tensor({inf}, "float64")))
    near({7, 8, 9}, kl.nan_to_num({nan, inf, -inf}, {nan = 7, posinf = 8, neginf = 9}))
    assert.same({1, 2}, kl.nan_to_num({1, 2}):totable())
  end,
}

tests.isclose = {
  ["compares within rtol |x2| + atol"] = function()
    assert.same({true, false, true, false}, kl.isclose({1.0, 1.0, 0.0, 0.0}, {1.000009, 1.00002, 1e-9, 1e-7}):totable())
    assert.same({true, true}, kl.isclose({1.0, 0.0}, {1.05, 0.05}, {rtol = 0.1, atol = 0.1}):totable())
  end,
  ["takes an infinity as close to itself, and NaN if told so"] = function()
    assert.same({true, false, false, false, false}, kl.isclose({inf, inf, inf, 1.0, nan}, {inf, -inf, 1.0, inf, nan}):totable())
    assert.same({true, false}, kl.isclose({nan, nan}, {nan, 1.0}, {equal_nan = true}):totable())
  end,
}

tests.allclose = {
  ["is one boolean over all elements"] = function()
    assert.is_true(kl.allclose({1.0, 2.0}, {1.0, 2.000001}))
    assert.is_false(kl.allclose({1.0, 2.0}, {1.0, 2.1}))
    assert.is_true(kl.allclose({1.0, 2.0}, {1.0, 2.1}, {atol = 0.2}))
    raises(function() kl.allclose({1.0}, {1.0}, {tol = 1}) end, "unknown option 'tol'")
  end,
}

return tests
