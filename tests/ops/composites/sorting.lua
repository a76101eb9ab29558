-- Tests of lua/kl/ops/sorting.lua; see tests/ops/composites_spec.lua.
local kl = require "kl"
local gen = require "gen"
local gradients = require "gradients"
local compare = require "compare"
local raises = require "raises"
local assert = require "luassert"

local nan, inf = 0 / 0, math.huge

--- Asserts that a step gives the bits of immediate mode.
local function in_a_step(f)
  local now, step = f(), kl.jit(f)
  for _ = 1, 2 do compare.bits(step(), now, "as a step") end
  return now
end

return {
  in_top_k = {
    ["is true where the class is among the k largest of its row"] = function()
      local predictions = kl.tensor{{0.1, 0.9, 0.8, 0.8}, {0.8, 0.95, 0.9, 1}}
      local function of(targets, k) return in_a_step(function() return kl.in_top_k(targets, predictions, k) end):totable() end
      assert.same({false, false}, of(kl.tensor{0, 0}, 3))
      assert.same({true, true}, of(kl.tensor{1, 3}, 1))
      assert.same({true, false}, of(kl.tensor{3, 0}, 2)) -- the tie for the second place is won by both
      assert.same({true, true}, of(kl.tensor({2, 2}, "int64"), {k = 3}))
      assert.same({false, false}, of(kl.tensor{1, 3}, 0))
    end,
    ["takes rows of any rank"] = function()
      local targets, predictions = kl.tensor{{0, 1}, {1, 0}}, kl.tensor{{{1, 2}, {1, 2}}, {{2, 1}, {2, 1}}}
      assert.same({{false, true}, {false, true}}, kl.in_top_k(targets, predictions, 1):totable())
      assert.is_true(kl.in_top_k(kl.tensor(1), kl.tensor{1, 2}, 1):item())
      assert.same({0}, kl.in_top_k(kl.zeros{0, dtype = "int32"}, kl.zeros{0, 3}, 1).shape)
      assert.same({false, false}, kl.in_top_k(kl.tensor{0, 1}, kl.zeros{2, 0}, 1):totable())
    end,
    ["is false for a NaN and for what is no class, and a NaN elsewhere does not count"] = function()
      local predictions = kl.tensor{{nan, 1, 2}, {nan, 1, 2}, {-inf, 1, inf}, {1, 2, 3}, {1, 2, 3}}
      assert.same({false, true, false, false, false},
        kl.in_top_k(kl.tensor{0, 1, 0, 3, -1}, predictions, 2):totable())
      assert.is_false(kl.in_top_k(kl.tensor(3), kl.tensor{1, 2, 3}, 9):item())
    end,
    ["is part of a graph"] = function()
      local y = kl.Input{4}
      local rank = kl.Model{inputs = y, outputs = kl.cast(kl.in_top_k(kl.argmax(y, -1), y, 1), "float32")}
      assert.same({1, 1}, rank(kl.tensor{{1, 2, 3, 4}, {4.0, 3, 2, 1}}):totable())
    end,
    ["refuses what does not fit"] = function()
      raises(function() kl.in_top_k(kl.tensor{1.5}, kl.ones{1, 2}, 1) end, "kl.in_top_k: targets must be integers, got float32")
      raises(function() kl.in_top_k(kl.tensor{1, 2}, kl.ones{3, 2}, 1) end,
        "kl.in_top_k: targets of shape %(2,%) do not fit predictions of shape %(3, 2%): one class per row expected")
      raises(function() kl.in_top_k(kl.tensor{1}, kl.ones{1, 2}, 1.5) end, "kl.in_top_k: 'k' must be an integer, got float 1.5")
      raises(function() kl.in_top_k(kl.tensor{1}, kl.ones{1, 2}) end, "kl.in_top_k: 'k' is missing")
    end,
  },
  digitize = {
    ["puts what lies on a boundary into the upper bin"] = function()
      local bins = {0.0, 1, 2.5, 4, 10}
      assert.same({1, 4, 3, 2, 0, 5}, in_a_step(function() return kl.digitize({0.2, 6.4, 3, 1, -1, 10}, bins) end):totable())
      assert.same({{0, 5}}, kl.digitize(kl.tensor{{-inf, nan}}, bins):totable())
      assert.equal("int32", kl.digitize(kl.tensor{1, 2}, {2}).dtype)
    end,
    ["refuses boundaries of two axes"] = function()
      raises(function() kl.digitize({1.0}, {{1.0}}) end, "a sorted sequence with one axis expected, got one of shape %(1, 1%)")
    end,
  },
  quantile = {
    ["interpolates between sorted elements, by five methods"] = function()
      local x = kl.tensor({10.0, 1, 3, 2}, "float64")
      local expected = {linear = 2.25, lower = 2, higher = 3, midpoint = 2.5, nearest = 2}
      for method, value in pairs(expected) do
        assert.near(value, in_a_step(function() return kl.quantile(x, 1.25 / 3, {method = method}) end):item(), 1e-12)
        assert.equal(1, kl.quantile(x, 0, nil, method):item())
        assert.equal(10, kl.quantile(x, 1, nil, method):item())
        assert.equal(3, kl.quantile(x, {2 / 3}, nil, method):totable()[1])
      end
      assert.equal(2, kl.quantile(x, 0.5, {method = "nearest"}):item()) -- the lower one in the middle
    end,
    ["takes axes, lists of probabilities and keepdims"] = function()
      local x = kl.reshape(kl.arange(24.0), {2, 3, 4})
      assert.same({3, 2, 3}, kl.quantile(x, {0, 0.5, 1}, -1).shape)
      assert.same({{{0, 4, 8}, {12, 16, 20}}, {{3, 7, 11}, {15, 19, 23}}}, kl.quantile(x, {0, 1}, 3):totable())
      assert.same({{{0, 1, 2, 3}}, {{12, 13, 14, 15}}}, kl.quantile(x, 0, 2, "lower", true):totable())
      assert.same({{{{0}, {4}, {8}}}, {{{15}, {19}, {23}}}}, kl.quantile(x, {0, 1}, {axis = {1, 3}, keepdims = true}):totable())
      assert.same({1, 1, 1}, kl.quantile(x, 0.3, {keepdims = true}).shape)
      assert.same({2, 1, 1, 1}, kl.quantile(x, kl.tensor{0.3, 1}, {keepdims = true}).shape)
      assert.same({1, 3, 4}, kl.quantile(x, kl.tensor{0.25}, 1).shape)
      assert.equal(2.5, kl.quantile(2.5, 0.3):item())
      assert.same({0, 3}, kl.quantile(kl.zeros{0, 3, 2}, 0.5, 3).shape)
    end,
    ["is NaN where an element is, and infinite only where that counts"] = function()
      local x = kl.tensor{{1, nan, 2}, {1, 2, inf}}
      local q = kl.quantile(x, 0.5, 2):totable()
      assert.is_true(q[1] ~= q[1])
      assert.equal(2, q[2])
      assert.equal(inf, kl.quantile(x[2], 0.6):item())
    end,
    ["of integers is float32"] = function()
      for _, dtype in ipairs{"uint8", "int32", "int64", "bool"} do
        assert.equal("float32", kl.quantile(kl.cast({1, 0}, dtype), 0.5).dtype)
      end
    end,
    ["has gradients"] = function()
      gen.restart "quantile"
      local x = kl.tensor(gen.array({3, 7}, -2, 2, {distinct = true}):nested(), "float64")
      for _, method in ipairs{"linear", "lower", "midpoint", "nearest"} do
        gradients.check(function(xs) return {kl.square(kl.quantile(xs[1], {0.15, 0.6}, 2, method))} end, {x})
        gradients.check(function(xs) return {kl.quantile(xs[1], 0.4, nil, method)} end, {x})
      end
    end,
    ["is part of a graph whose batch is unknown"] = function()
      local x = kl.Input{4, 2}
      local model = kl.Model{inputs = x, outputs = kl.quantile(x, 0.5, {2, 3})}
      assert.same({4.5, 12.5}, model(kl.reshape(kl.arange(1.0, 17), {2, 4, 2})):totable())
      raises(function() kl.quantile(x, 0.5, 1) end, "kl.quantile: axis 1 has an unknown length")
    end,
    ["refuses what is no probability, method or axis, and lines of nothing"] = function()
      local x = kl.ones{2, 3}
      raises(function() kl.quantile(x, 1.5) end, "'q' must be probabilities from 0 to 1, got float 1.5")
      raises(function() kl.quantile(x, {0.5, -1}) end, "'q' must be probabilities from 0 to 1, got integer %-1")
      raises(function() kl.quantile(x, kl.ones{1, 1}) end, "one probability or a list of them, got shape %(1, 1%)")
      raises(function() kl.quantile(x, 0.5, {method = "lineal"}) end, "no method 'lineal'; did you mean 'linear'%?")
      raises(function() kl.quantile(x, 0.5, 3) end, "axis 3 is out of range: the tensor has 2 axes")
      raises(function() kl.quantile(x, 0.5, {1, -2}) end, "axis 1 is given twice")
      raises(function() kl.quantile(kl.zeros{0, 3}, 0.5, 1) end, "no elements along the axes of shape %(0, 3%)")
    end,
  },
  median = {
    ["is the middle, or the mean of the two in the middle"] = function()
      assert.equal(2, kl.median{3.0, 1, 2}:item())
      assert.equal(2.5, kl.median{3.0, 1, 2, 10}:item())
      assert.same({{2}, {5}}, kl.median(kl.tensor{{1, 2, 9}, {7, 5, 0}}, {axis = 2, keepdims = true}):totable())
      assert.same({4, 3.5, 4.5}, in_a_step(function() return kl.median({{1, 2, 9}, {7, 5, 0}}, 1) end):totable())
    end,
  },
}
