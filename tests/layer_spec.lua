-- What every layer has: weights, options of a call, freezing, losses.
local kl = require "kl"
local assert = require "luassert"
local layer_of = require "layer_of"
local near = require "near"
local raises = require "raises"
local layers, Model = kl.layers, kl.Model

kl.set_seed(11)

describe("layers of one's own", function()
  it("number the weights that they give no name", function()
    local Linear = kl.Layer:extend("Linear")
    function Linear:build(shape)
      self.w = self:add_weight{shape = {shape[#shape], 2}}
      self.scale = self:add_weight{name = "scale", initializer = "ones"}
      self.b = self:add_weight{shape = {2}, initializer = "zeros"}
    end
    function Linear:call(x) return kl.matmul(x, self.w) * self.scale + self.b end
    local layer = Linear{name = "line"}
    layer(kl.ones{1, 3})
    local paths = {}
    for i, w in ipairs(layer.weights) do paths[i] = w.path end
    assert.same({"line/variable", "line/scale", "line/variable_1"}, paths)
  end)

  local x = kl.tensor{{1.0, 2.0}}

  it("may ignore the options of a call, or take any", function()
    local inputs = kl.Input{2}
    local Plain = layer_of(function(t) return t * 2 end)
    local Scaled = layer_of(function(t, options) return t * (options.scale or 1) end)
    near(Model{inputs = inputs, outputs = Plain()(inputs, {training = true})}(x), {{2, 4}}, "ignored")
    near(Scaled()(x, {scale = 3}), {{3, 6}}, "an option of its own")
    near(Model{inputs = inputs, outputs = Scaled()(inputs, {scale = 3})}(x), {{3, 6}}, "is part of the graph")
    near(Model{inputs = inputs, outputs = Scaled()(inputs, {scale = inputs})}(x), {{1, 4}}, "also a tensor of it")
  end)

  it("take and give any structure of tensors", function()
    local Split = layer_of(function(t) return {sum = t.a + t.b[1], parts = {t.a, t.b[1]}} end)
    local a, b = kl.Input{2}, kl.Input{2}
    local y = Split(){a = a, b = {b}}
    local model = Model{inputs = {a, b}, outputs = {y.sum, y.parts[2]}}
    local got = model{x, x * 10}
    near(got[1], {{11, 22}}, "sum")
    near(got[2], {{10, 20}}, "second part")
  end)

  it("return one structure of tensors, and nothing else", function()
    local inputs = kl.Input{2}
    local function returning(f) return layer_of(f){name = "own"} end
    raises(function() local _ = returning(function(t) return t, t end)(x) end,
      "layer 'own': call returned a second value; several outputs are one list")
    raises(function() local _ = returning(function(t) return t, t end)(inputs) end, "call returned a second value")
    raises(function() local _ = returning(function() end)(x) end, "layer 'own': call returned nothing")
    raises(function() local _ = returning(function() return 5 end)(inputs) end,
      "layer 'own': call must return tensors, got integer 5")
    raises(function() local _ = kl.Layer{name = "own"}(x) end, "Layer defines no call .*layer 'own'")
  end)

  it("are told `training` by the outermost call, through models and layers, unless a call in between says otherwise", function()
    local seen
    local Probe = layer_of(function(t, options)
      seen[#seen + 1] = options.training
      return t
    end, "Probe")
    local inner_in, inputs = kl.Input{2}, kl.Input{2}
    seen = {}
    local inner = Model{inputs = inner_in, outputs = Probe()(inner_in)}
    local h = Probe()(inner(inputs), {training = true})
    local model = Model{inputs = inputs, outputs = Probe()(h, {training = false})}
    for _, case in ipairs{{nil, {false, true, false}}, {{training = true}, {true, true, false}}, {{training = false}, {false,
      true, false}}} do
      seen = {}
      model(x, case[1])
      assert.same(case[2], seen)
    end
  end)

  it("that raise an error leave nothing behind", function()
    local fail = true
    local Fails = layer_of(function(t) return fail and error("mine", 0) or t end, "Fails")
    local inputs = kl.Input{2}
    assert.has_error(function() Fails()(inputs) end, "mine")
    assert.has_error(function() Fails()(x) end, "mine")
    assert.equal(0, kl.core.building_depth())
    fail = false
    local v = kl.Variable(0.0)
    v:assign(1)
    assert.equal(1, v:item())
    raises(function() kl.zeros{2, 3}:reshape{7} end, "to %(7,%)$") -- and no layer is named any more
  end)
end)

describe("freezing", function()
  local function model()
    local inner_in, inputs = kl.Input{2}, kl.Input{2}
    local inner = Model{inputs = inner_in, name = "inner",
      outputs = layers.BatchNormalization{name = "bn"}(layers.Dense{2, name = "d", kernel_regularizer = "l2"}(inner_in))}
    return Model{inputs = inputs, outputs = layers.Dense{1, name = "top"}(inner(inputs))}, inner
  end

  it("reaches everything inside, and thawing gives back what was trainable", function()
    local outer, inner = model()
    assert.same({6, 2}, {#outer.trainable_weights, #outer.non_trainable_weights})
    inner.trainable = false
    assert.is_false(inner:get_layer("bn").trainable)
    assert.same({2, 6, 8}, {#outer.trainable_weights, #outer.non_trainable_weights, #outer.weights})
    assert.same({0, 6}, {#inner.trainable_weights, #inner.non_trainable_weights})
    outer.trainable = true
    assert.same({6, 2}, {#outer.trainable_weights, #outer.non_trainable_weights})
    raises(function() outer.trainable = 1 end, "trainable must be a boolean, got integer 1")
  end)

  it("of the whole leaves nothing trainable, whatever a part says", function()
    local outer, inner = model()
    outer.trainable = false
    inner.trainable = true
    assert.same({0, 4}, {#outer.trainable_weights, #inner.trainable_weights})
  end)

  it("of one layer counts in its parents, and takes its penalty out of the losses", function()
    local outer, inner = model()
    assert.equal(1, #outer.losses)
    inner:get_layer("d").trainable = false
    assert.same({4, 4}, {#outer.trainable_weights, #outer.non_trainable_weights})
    assert.equal(0, #outer.losses)
  end)

  it("can be asked for when a layer is made, before it has weights", function()
    local layer = layers.Dense{2, trainable = false}
    layer(kl.ones{1, 2})
    assert.same({0, 2}, {#layer.trainable_weights, #layer.weights})
    layer.trainable = true
    assert.equal(2, #layer.trainable_weights)
  end)
end)

describe("losses of a model", function()
  local x = kl.tensor{{1.0, 2.0}, {3.0, 4.0}}
  local Adds = layer_of(function(t, options, self)
    if not options.quiet then self:add_loss(kl.sum(t)) end
    return t
  end, "Adds")

  it("are those added in the last call, then the penalties of trainable weights", function()
    local inputs = kl.Input{2}
    local h = layers.Dense{2, use_bias = false, kernel_initializer = "ones", kernel_regularizer = kl.regularizers.L2{0.5}}(inputs)
    local model = Model{inputs = inputs, outputs = Adds()(h)}
    assert.equal(1, #model.losses)
    for _ = 1, 2 do
      model(x)
      near(model.losses, {20, 2}, "sum of x W, and 0.5 * 4")
    end
    model(x[{ {1, 1} }])
    near(model.losses, {6, 2}, "of the last call only")
  end)

  it("forget earlier calls also where a call adds none, and where a layer is shared by two models", function()
    local adds = Adds()
    local a, b = kl.Input{2}, kl.Input{2}
    local loud, quiet = Model{inputs = a, outputs = adds(a)}, Model{inputs = b, outputs = adds(b, {quiet = true})}
    loud(x)
    loud(x)
    assert.equal(1, #loud.losses)
    quiet(x)
    assert.equal(0, #quiet.losses)
    loud(x)
    near(loud.losses, {10}, "one")
  end)

  it("hold one value for each place of a shared layer", function()
    local inputs = kl.Input{2}
    local adds = Adds()
    local model = Model{inputs = inputs, outputs = adds(adds(inputs) * 2)}
    model(x)
    near(model.losses, {10, 20}, "two calls")
  end)

  it("are scalars: a vector counts by its mean, a list one by one", function()
    local Many = layer_of(function(t, _, self)
      self:add_loss{kl.sum(t, 2), 5.0}
      return t
    end)
    local many = Many{name = "many"}
    many(x)
    near(many.losses, {5, 5}, "mean of 3 and 7")
    raises(function() many:add_loss("x") end, "add_loss: layer 'many': a tensor or a number expected, got the string \"x\"")
    local input = kl.Input{2}
    local model = Model{inputs = input, outputs = input * 2, name = "graph"}
    raises(function() model:add_loss(kl.mean(input * 2)) end,
      "add_loss: layer 'graph': a tensor of a functional graph has no value: call self:add_loss in the `call` of a layer")
  end)

  it("include activity regularizers, divided by the batch", function()
    local inputs = kl.Input{2}
    local model = Model{inputs = inputs, outputs = layers.Identity{activity_regularizer = kl.regularizers.L1{0.1}}(inputs)}
    assert.equal(0, #model.losses)
    model(x)
    near(model.losses, {0.1 * 10 / 2}, "l1 per sample")
  end)

  it("can be differentiated", function()
    local inputs = kl.Input{2}
    local dense = layers.Dense{1, use_bias = false}
    local model = Model{inputs = inputs, outputs = Adds()(dense(inputs))}
    local tape <close> = kl.GradientTape()
    model(x)
    near(tape:gradient(model.losses[1], dense.kernel), {{4}, {6}}, "column sums of x")
  end)
end)
