-- Values: keras-semantics 8.4.
local kl = require "kl"
local assert = require "luassert"
local near = require "near"
local BatchNormalization = kl.layers.BatchNormalization

local x = kl.tensor{{1.0, 2.0}, {3.0, 6.0}}

describe("BatchNormalization", function()
  it("normalizes by the batch while training, and moves its statistics by 1 - momentum, with the biased variance", function()
    local layer = BatchNormalization{}
    near(layer(x, {training = true}), {{-0.9995004, -0.9998751}, {0.9995004, 0.9998751}}, "training")
    near(layer.moving_mean, {0.02, 0.04}, "moving mean")
    near(layer.moving_variance, {1, 1.03}, "moving variance")
    near(layer(x), {{0.9795104, 1.9303086}, {2.9785111, 5.8697138}}, "inference")
    near(layer.moving_mean, {0.02, 0.04}, "inference moves nothing")
  end)

  it("uses the moving statistics while it is frozen, also with training = true", function()
    local layer = BatchNormalization{}
    layer(x, {training = true})
    layer.trainable = false
    near(layer(x, {training = true}), {{0.9795104, 1.9303086}, {2.9785111, 5.8697138}}, "frozen")
    near(layer.moving_mean, {0.02, 0.04}, "nothing moved")
    layer.trainable = true
    near(layer(x, {training = true}), {{-0.9995004, -0.9998751}, {0.9995004, 0.9998751}}, "thawed")
    assert.equal(2, #layer.trainable_weights)
  end)

  it("keeps statistics per place of its axis, over all others", function()
    local image = kl.tensor{{{1.0, 2.0}, {3.0, 6.0}}, {{1.0, 2.0}, {3.0, 6.0}}}
    local last, second = BatchNormalization{momentum = 0}, BatchNormalization{axis = 2, momentum = 0}
    last(image, {training = true})
    second(image, {training = true})
    near(last.moving_mean, {2, 4}, "mean along the last axis")
    near(last.moving_variance, {1, 4}, "variance along the last axis")
    near(second.moving_mean, {1.5, 4.5}, "mean along axis 2")
    near(second.moving_variance, {0.25, 2.25}, "variance along axis 2")
  end)

  it("scales by gamma and shifts by beta where it has them", function()
    local layer = BatchNormalization{gamma_initializer = "zeros", beta_initializer = kl.initializers.Constant{3}}
    near(layer(x, {training = true}), {{3, 3}, {3, 3}}, "0 x + 3")
    local bare = BatchNormalization{center = false, scale = false}
    bare(x)
    assert.equal(2, #bare.weights)
  end)

  it("leaves masked positions out of the statistics", function()
    local layer = BatchNormalization{momentum = 0}
    local sequence = kl.tensor{{{1.0}, {100.0}}, {{3.0}, {5.0}}}
    layer(sequence, {training = true, mask = kl.tensor{{true, false}, {true, true}}})
    near(layer.moving_mean, {3}, "mean of 1, 3 and 5")
    near(layer.moving_variance, {8 / 3}, "their variance")
  end)

  it("moves nothing while a functional graph is built with training = true", function()
    local layer = BatchNormalization{}
    local inputs = kl.Input{2}
    local model = kl.Model{inputs = inputs, outputs = layer(inputs, {training = true})}
    near(layer.moving_variance, {1, 1}, "built")
    model(x)
    near(layer.moving_variance, {1, 1.03}, "called")
  end)
end)
