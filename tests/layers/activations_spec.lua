-- ReLU, LeakyReLU, PReLU, ELU, Softmax and Activation: values of keras-semantics 7 and 8.6.
local kl = require "kl"
local assert = require "luassert"
local near = require "near"
local raises = require "raises"
local layers = kl.layers

local x = kl.tensor{{-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0}}

describe("activation layers", function()
  local cases = {
    {"ReLU", {}, {0, 0, 0, 0, 0.5, 1, 3}},
    {"ReLU", {2, 0.1}, {-0.3, -0.1, -0.05, 0, 0.5, 1, 2}},
    {"ReLU", {threshold = 0.75, negative_slope = 0.5}, {-1.875, -0.875, -0.625, -0.375, -0.125, 1, 3}},
    {"LeakyReLU", {}, {-0.9, -0.3, -0.15, 0, 0.5, 1, 3}}, -- the layer's slope is 0.3, the function's 0.2
    {"LeakyReLU", {0.01}, {-0.03, -0.01, -0.005, 0, 0.5, 1, 3}},
    {"PReLU", {}, {0, 0, 0, 0, 0.5, 1, 3}},
    {"PReLU", {alpha_initializer = kl.initializers.Constant{0.5}}, {-1.5, -0.5, -0.25, 0, 0.5, 1, 3}},
    {"ELU", {}, {-0.950213, -0.632121, -0.393469, 0, 0.5, 1, 3}},
    {"Softmax", {}, {0.00188, 0.013894, 0.022908, 0.037769, 0.062271, 0.102667, 0.758611}},
    {"Activation", {"leaky_relu"}, {-0.6, -0.2, -0.1, 0, 0.5, 1, 3}},
    {"Activation", {function(t) return t * 2 end}, {-6, -2, -1, 0, 1, 2, 6}},
  }
  for i, case in ipairs(cases) do
    it(("%s gives Keras's values (%d)"):format(case[1], i), function() near(layers[case[1]](case[2])(x), {case[3]}, case[1],
      5e-5, 1e-6) end)
  end

  it("PReLU shares its slopes along shared_axes, which count from 1 without the batch", function()
    local layer = layers.PReLU{shared_axes = {1, 2}}
    layer(kl.ones{2, 4, 5, 3})
    assert.same({1, 1, 3}, layer.alpha.shape)
    layer:set_weights{{{{0.1, 0.2, 0.3}}}}
    near(layer(-kl.ones{1, 1, 1, 3}:broadcast_to{1, 4, 5, 3})[{1, 1, 1}], {-0.1, -0.2, -0.3}, "slopes")
    raises(function() layers.PReLU{shared_axes = {3}}(kl.ones{2, 4}) end, "shared axis 3 of samples with 1 axes")
    raises(function() layers.PReLU{}(kl.Input{nil, 3}) end, "axis 1 of a sample must be known, or shared")
  end)

  it("Softmax gives 0 where the mask is false, and divides by the sum of the rest", function()
    local y = layers.Softmax{}(kl.tensor{{1.0, 2.0, 1.0}}, {mask = kl.tensor{{true, false, true}}})
    near(y, {{0.5, 0, 0.5}}, "masked")
    near(layers.Softmax{}(kl.tensor{{1.0, 2.0}}, {mask = kl.tensor{{false, false}}}), {{0, 0}}, "all masked")
    local inputs, mask = kl.Input{3}, kl.Input{3, dtype = "bool"}
    local model = kl.Model{inputs = {inputs, mask}, outputs = layers.Softmax{}(inputs, {mask = mask})}
    near(model{kl.tensor{{1.0, 2.0, 1.0}}, kl.tensor{{true, false, true}}}, {{0.5, 0, 0.5}}, "a mask that is part of the graph")
  end)

  it("Softmax runs over one axis or several", function()
    local t = kl.tensor{{{0.0, 0.0}, {0.0, math.log(5)}}}
    near(layers.Softmax{axis = {2, 3}}(t), {{{0.125, 0.125}, {0.125, 0.625}}}, "two axes")
    near(layers.Softmax{axis = 2}(t), {{{0.5, 1 / 6}, {0.5, 5 / 6}}}, "axis 2")
  end)
end)
