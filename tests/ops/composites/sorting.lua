-- Tests of lua/kl/ops/sorting.lua; see tests/ops/composites_spec.lua.
local kl = require "kl"
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
}
