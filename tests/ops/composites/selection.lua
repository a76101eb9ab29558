-- Tests of lua/kl/ops/selection.lua; see tests/ops/composites_spec.lua.
local kl = require "kl"
local compare = require "compare"
local gradients = require "gradients"
local raises = require "raises"
local assert = require "luassert"

local t = kl.reshape(kl.arange(12.0), {2, 3, 2})

--- Holds a function of tensors that gives a list of tensors, in a step, against itself; the second call has other
--- values, and another number of them.
local function same_in_a_step(f, first, second)
  local step = kl.jit(f)
  for _, x in ipairs{first, first, second, first} do
    local now = f(x)
    for i, r in ipairs(step(x)) do compare.bits(r, now[i], "as a step") end
  end
end

return {
  nonzero = {
    ["is a list of int32 positions, one tensor for each axis"] = function()
      local places = kl.nonzero{{0, 1, 0}, {2, 0, 0 / 0}}
      assert.equal(2, #places)
      assert.equal("int32", places[1].dtype)
      assert.same({0, 1, 1}, places[1]:totable())
      assert.same({1, 0, 2}, places[2]:totable())
      assert.same({{1, 2}}, {kl.nonzero(kl.tensor{false, true, true})[1]:totable()})
      assert.same({0}, kl.nonzero(kl.zeros{4})[1].shape)
      assert.same({0}, kl.nonzero(kl.zeros{0, 2})[2].shape)
    end,
    ["sees through strides"] = function()
      local x = kl.transpose(kl.tensor{{0, 1, 0}, {1, 0, 1}})
      assert.same({0, 1, 2}, kl.nonzero(x)[1]:totable())
      assert.same({1, 0, 1}, kl.nonzero(x)[2]:totable())
    end,
    ["of a variable is that of what it holds in a step"] = function()
      local v = kl.Variable{0.0, 1, 0, 2}
      local step = kl.jit(function()
        v:assign_add(kl.tensor{1.0, -1, 0, 0})
        return kl.nonzero(v)[1]
      end)
      assert.same({0, 3}, step():totable())
      assert.same({0, 1, 3}, step():totable())
    end,
    ["in a step runs what was recorded and goes on recording"] = function()
      same_in_a_step(function(x)
        local y = kl.sin(x * 3)
        local at = kl.nonzero(kl.greater(y, 0.25))
        return {at[1], at[2], kl.take(kl.reshape(y, {-1}), at[1] * 3 + at[2]) * 2, kl.sum(y)}
      end, kl.random.normal{5, 3}, kl.random.normal{5, 3} + 0.3)
    end,
    ["gives one after the other in one step"] = function()
      local step = kl.jit(function(x)
        local a = kl.nonzero(x)[1]
        local b = kl.nonzero(kl.greater(a, 1))[1]
        return kl.nonzero(b)[1]
      end)
      assert.same({0, 1, 2}, step(kl.tensor{1, 0, 1, 1, 1}):totable())
    end,
    ["refuses to be replayed, graphs and scalars"] = function()
      local f = kl.jit(function(x) return kl.nonzero(x) end, {replay = true})
      local ok, message = pcall(f, kl.tensor{1, 2})
      assert.is_false(ok)
      assert.matches("kl.nonzero: the shape of its result depends on values, and this step is to be replayed", message)
      raises(function() kl.nonzero(kl.Input{3}) end,
        "kl.nonzero: the shape of its result depends on values, which a functional graph does not have")
      raises(function() kl.nonzero(1.0) end, "at least one axis expected, got one of shape %(%)")
    end,
  },
  boolean_mask = {
    ["takes what is true, along any axes"] = function()
      assert.same({6, 7, 8, 9, 10, 11}, t[kl.greater(t, 5)]:totable())
      assert.same({{{6, 7}, {8, 9}, {10, 11}}}, t[kl.tensor{false, true}]:totable())
      assert.same({{2, 3}, {6, 7}}, t[kl.tensor{{false, true, false}, {true, false, false}}]:totable())
      assert.same({{{2, 3}}, {{8, 9}}}, kl.boolean_mask(t, {false, true, false}, 2):totable())
      assert.same({{1}, {7}}, kl.boolean_mask(t, {{false, true}, {false, false}, {false, false}}, {axis = 2}):totable())
      assert.same({{{1}, {3}, {5}}, {{7}, {9}, {11}}}, kl.boolean_mask(t, {false, true}, -1):totable())
    end,
    ["of nothing is empty, of whatever dtype"] = function()
      assert.same({0, 3, 2}, t[kl.tensor{false, false}].shape)
      for _, dtype in ipairs{"bool", "uint8", "int32", "int64", "float64"} do
        local x = kl.cast(kl.tensor{3, 0, 1}, dtype)
        compare.bits(x[kl.tensor{true, false, true}], kl.take(x, kl.tensor{0, 2}), dtype)
      end
    end,
    ["sends gradients to the places it took, twice too"] = function()
      local x, mask = kl.cast(t, "float64") / 5, kl.greater(kl.sin(t), 0)
      gradients.check(function(xs) return {kl.exp(xs[1][mask])} end, {x})
      gradients.check(function(xs) return {kl.square(xs[1][kl.tensor{false, true}])} end, {x})
      gradients.check(function(xs) return {kl.square(kl.boolean_mask(xs[1], {true, false, true}, 2))} end, {x})
    end,
    ["in a step runs what was recorded and goes on recording, with gradients"] = function()
      same_in_a_step(function(x)
        local tape <close> = kl.GradientTape()
        tape:watch(x)
        local y = kl.tanh(x) * 2
        local chosen = y[kl.greater(y, 0)]
        return {chosen, tape:gradient(kl.sum(kl.square(chosen)), x)}
      end, kl.random.normal{4, 3}, kl.random.normal{4, 3} + 0.5)
    end,
    ["of a variable is a part of what it holds"] = function()
      local v = kl.Variable{1.0, 5, 3}
      assert.same({5, 3}, v[kl.greater(v, 2)]:totable())
    end,
    ["trains in a step of fit's"] = function()
      local Chosen = kl.Model:extend("Chosen")
      function Chosen:init() self.dense = kl.layers.Dense(1) end
      function Chosen:call(x) return self.dense(x) end
      function Chosen:train_step(data)
        local tape <close> = kl.GradientTape()
        local error = kl.square(self(data[1], {training = true}) - data[2])
        local loss = kl.mean(error[kl.greater(data[2], 0)])
        self.optimizer:apply_gradients(tape:gradient(loss, self.trainable_weights), self.trainable_weights)
        return {loss = loss}
      end
      local x = kl.random.normal({32, 3}, {seed = 4})
      local y = kl.sum(x, 2, true)
      local weights = {}
      for i, eager in ipairs{true, false} do
        kl.set_seed(3)
        local model = Chosen()
        model:compile{optimizer = "sgd", run_eagerly = eager}
        model:fit{x, y, epochs = 2, batch_size = 8, verbose = 0}
        weights[i] = model.weights[1].value
      end
      compare.bits(weights[2], weights[1], "trained in steps")
    end,
    ["refuses masks that do not fit or are none"] = function()
      raises(function() return t[kl.tensor{true}] end,
        "kl.boolean_mask: a mask of shape %(1,%) does not fit axis 1 of a tensor of shape %(2, 3, 2%)")
      raises(function() kl.boolean_mask(t, {{true}}, 2) end, "does not fit axis 2 to 3 of a tensor")
      raises(function() kl.boolean_mask(t, {1, 0}) end, "'mask' must be a bool tensor, got a int32 tensor")
      raises(function() kl.boolean_mask(t, {true, false}, 4) end, "axis 4 is out of range: the tensor has 3 axes")
      raises(function() return t[kl.tensor(true)] end, "a mask of shape %(%) does not fit")
      raises(function() return kl.Input{3}[kl.Input{3, dtype = "bool"}] end,
        "kl.boolean_mask: the shape of its result depends on values, which a functional graph does not have")
      raises(function() return t[kl.tensor{1, 0}] end, "kl.take gathers by a tensor")
    end,
  },
  confusion_matrix = {
    ["counts labels in rows and predictions in columns"] = function()
      assert.same({{1, 1}, {0, 2}}, kl.confusion_matrix({0, 0, 1, 1}, {0, 1, 1, 1}):totable())
      assert.same({{0, 0, 0}, {0, 0, 2}, {0, 0, 1}}, kl.confusion_matrix({1, 2, 1}, kl.tensor{2.0, 2.0, 2.0}):totable())
      assert.same({{1, 0, 0}, {0, 0, 0}, {0, 0, 0}}, kl.confusion_matrix({0}, {0}, {num_classes = 3}):totable())
      assert.same({{0, 1.5}, {0, 2}}, kl.confusion_matrix({{0}, {1}}, {{1}, {1}}, {weights = {1.5, 2}, dtype = "float32"}):totable())
      assert.same({{0}}, kl.confusion_matrix(kl.zeros{0}, kl.zeros{0}):totable())
      assert.equal("int32", kl.confusion_matrix({0}, {1}).dtype)
    end,
    ["refuses classes that there are not, and lists of two lengths"] = function()
      raises(function() kl.confusion_matrix({0, 3}, {0, 1}, 3) end, "index 3 .*is outside an axis of length 3")
      raises(function() kl.confusion_matrix({0, 1}, {0}) end, "kl.confusion_matrix: 2 labels and 1 predictions")
      raises(function() kl.confusion_matrix({0}, {0}, 0) end, "'num_classes'")
    end,
  },
  bincount = {
    ["counts, or sums weights, up to the largest or minlength"] = function()
      assert.same({0, 1, 2, 0, 0, 1}, kl.bincount({1, 2, 2, 5}):totable())
      assert.equal("int32", kl.bincount(kl.tensor({1, 2}, "uint8")).dtype)
      assert.same({0, 1.5, 2.5}, kl.bincount({1, 2, 2}, {1.5, 2, 0.5}):totable())
      assert.same({0, 1, 0, 0}, kl.bincount({1}, {minlength = 4}):totable())
      assert.same({0, 0}, kl.bincount(kl.zeros{0, dtype = "int32"}, nil, 2):totable())
      assert.same({{0, 1, 1}, {2, 0, 0}}, kl.bincount({{1, 2}, {0, 0}}):totable())
      assert.same({{0, 1.5, 2, 0}, {4, 0, 0, 0}}, kl.bincount({{1, 2}, {0, 0}}, {{1.5, 2}, {1, 3}}, 4):totable())
    end,
    ["in a step runs what was recorded and goes on recording"] = function()
      same_in_a_step(function(x)
        local n = kl.bincount(kl.cast(kl.abs(x) * 3, "int32"), kl.sin(x))
        return {n * 2, kl.sum(n)}
      end, kl.random.normal{40}, kl.random.normal{40} * 2)
    end,
    ["gives the weights their gradient"] = function()
      local w = kl.tensor({0.5, 2, 1}, "float64")
      gradients.check(function(xs) return {kl.square(kl.bincount({1, 0, 1}, xs[1]))} end, {w})
    end,
    ["refuses negative numbers, other types and shapes, and graphs"] = function()
      raises(function() kl.bincount{1, -2} end, "kl.bincount: x must not be negative, got %-2")
      raises(function() kl.bincount{1.5} end, "kl.bincount: x must be integers, got float32")
      raises(function() kl.bincount(1) end, "must have one axis or two, got shape %(%)")
      raises(function() kl.bincount({1, 2}, {1.0}) end, "weights of shape %(1,%) for x of shape %(2,%)")
      raises(function() kl.bincount({1, 2}, nil, -1) end, "'minlength'")
      raises(function() kl.bincount(kl.Input{dtype = "int32", shape = {}}) end, "which a functional graph does not have")
    end,
  },
}
