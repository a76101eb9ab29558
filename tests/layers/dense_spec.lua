local kl = require "kl"
local assert = require "luassert"
local near = require "near"
local raises = require "raises"
local Dense = kl.layers.Dense

describe("Dense", function()
  local x = kl.tensor{{1.0, -2.0}, {0.5, 3.0}}

  it("computes activation(x W + b) over the last axis, for any number of axes before it", function()
    local layer = Dense{2, activation = "relu"}
    layer:build{nil, 2}
    layer:set_weights{{{1, 2}, {-1, 0.5}}, {0.25, -2}}
    near(layer(x), {{3.25, 0}, {0, 0.5}}, "rank 2")
    near(layer(x:reshape{1, 2, 2}), {{{3.25, 0}, {0, 0.5}}}, "rank 3")
  end)

  it("starts with Glorot's uniform kernel and a bias of zeros", function()
    kl.set_seed(2)
    local layer = Dense{300}
    layer:build{nil, 200}
    local limit = math.sqrt(6 / 500)
    assert.is_true(kl.max(kl.abs(layer.kernel)):item() <= limit)
    assert.is_true(kl.max(kl.abs(layer.kernel)):item() > 0.99 * limit)
    near(kl.sum(kl.abs(layer.bias)), 0, "bias")
  end)

  it("draws other kernels for other layers, and the same ones after the same seed", function()
    local function pair()
      kl.set_seed(9)
      local a, b = Dense{4}, Dense{4}
      a:build{nil, 3}
      b:build{nil, 3}
      return a.kernel.value, b.kernel.value
    end
    local a, b = pair()
    assert.is_false(kl.array_equal(a, b))
    local c, d = pair()
    assert.is_true(kl.array_equal(a, c) and kl.array_equal(b, d))
  end)

  it("takes initializers, regularizers and constraints as names, objects or functions", function()
    local layer = Dense{2, kernel_initializer = kl.initializers.Constant{2}, bias_initializer = "ones", kernel_regularizer = "l2",
      bias_regularizer = function(b) return kl.sum(b) * 3.0 end, kernel_constraint = kl.constraints.NonNeg{}}
    near(layer(kl.tensor{{1.0, 1.0}}), {{5, 5}}, "2 + 2 + 1")
    near(layer.losses[1], 0.01 * 4 * 4, "kernel penalty")
    near(layer.losses[2], 6, "bias penalty")
    assert.is_true(layer.kernel.constraint:is(kl.constraints.NonNeg))
  end)

  it("needs to know the length of the last axis when it is built", function()
    raises(function() Dense{2, name = "d"}(kl.Input{false}) end, "the last axis of the input must be known .*layer 'd'")
  end)

  it("is built by build(shape) too, with its own name in the paths, and then refuses further weights", function()
    local layer = Dense{2, name = "own"}
    layer:build{nil, 3}
    assert.is_true(layer.built)
    assert.equal("own/kernel", layer.kernel.path)
    assert.equal(8, layer:count_params())
    raises(function() layer:add_weight{name = "late", shape = {1}} end,
      "own: weights are made in init or build; this layer is built")
  end)
end)
