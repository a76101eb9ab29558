local kl = require "kl"
local assert = require "luassert"
local compare = require "compare"
local names_of = require "names_of"
local near = require "near"
local raises = require "raises"
local layers, Sequential = kl.layers, kl.Sequential

kl.set_seed(12)

describe("Sequential", function()
  local x = kl.tensor{{1.0, 2.0}, {3.0, 4.0}}

  it("with an Input is built at once: layers without the InputLayer, weights in the order of the stack", function()
    local model = Sequential{kl.Input{2}, layers.Dense{3, name = "a"}, layers.Dense{1, name = "b"}, name = "stack"}
    assert.is_true(model.built)
    assert.equal("a b", names_of(model.layers))
    assert.equal("stack/a/kernel", model.weights[1].path)
    assert.equal(13, model:count_params())
    assert.same({false, 1}, model.outputs.shape)
    compare.bits(model(x), model:get_layer("b")(model:get_layer("a")(x)), "the model")
  end)

  it("without one is built by the first call, or by build(shape), for any batch", function()
    for _, build in ipairs{function(m) m(x) end, function(m) m:build{nil, 2} end, function(m) m:build{7, 2} end} do
      local model = Sequential{layers.Dense{3}, layers.Dense{1}}
      assert.is_false(model.built)
      assert.same({}, model.weights)
      raises(function() model:count_params() end, "is not built yet")
      raises(function() local _ = model.inputs end, "has no inputs: it is not functional, or not built yet")
      build(model)
      assert.is_true(model.built)
      assert.equal(4, #model.weights)
      assert.same({5, 1}, model(kl.ones{5, 2}).shape)
      assert.same({false, 1}, model.outputs.shape)
    end
  end)

  it("whose first layer is a graph with one input is built at once, and has its own ends where it is no part of a graph", function()
    local base = Sequential{kl.Input{2, dtype = "float64"}, layers.Dense{3}}
    local model = Sequential{base, layers.Dense{1}}
    assert.is_true(model.built)
    assert.same({{false, 2}, {false, 1}, "float64"}, {model.input_shape, model.output_shape, model.input.dtype})
    near(model(x), model.layers[2](base(x)):totable(), "the model")
    assert.is_true(kl.Model{inputs = model.input, outputs = model.output}.layers[2] == base)
    local outer = kl.Input{2}
    local called = model(outer)
    assert.is_true(model.output == called and model.input == outer)
    model:pop()
    assert.same({false, 3}, model.output_shape)
    model:pop()
    raises(function() return model.input_shape end, "model 'sequential.*' has no input_shape: it is not functional, or not built yet")
    model:add(layers.Dense{4})
    assert.is_false(model.built)
    assert.same({2, 4}, model(x).shape)
  end)

  it("is named after its class, and takes its layers as a list too", function()
    assert.matches("^sequential[_%d]*$", Sequential{}.name)
    assert.equal("mine", Sequential{{layers.Dense{1}}, name = "mine"}.name)
    assert.equal(2, #Sequential{{layers.Dense{1}, layers.Dense{2}}}.layers)
    assert.equal(1, #Sequential{layers.InputLayer{batch_shape = {false, 2}}, layers.Dense{1}}.weights[2].shape)
  end)

  it("is a functional model as soon as it is built: inner tensors, training, losses", function()
    local model = Sequential{kl.Input{2}, layers.Dense{3, name = "h", kernel_regularizer = "l2"}, layers.Dropout{1}}
    local features = kl.Model{inputs = model.inputs, outputs = model:get_layer("h").output}
    compare.bits(features(x), model(x), "before the dropout")
    near(model(x, {training = true}), kl.zeros{2, 3}, "training reaches the dropout")
    assert.equal(1, #model.losses)
  end)

  it("grows by add and shrinks by pop, before and after it is built", function()
    local model = Sequential{}
    model:add(kl.Input{2})
    model:add(layers.Dense{3, name = "a"})
    local kernel = model:get_layer("a").kernel
    model:add(layers.Dense{1, name = "b"})
    assert.same({2, 1}, model(x).shape)
    assert.equal(kernel, model.weights[1])
    assert.equal("b", model:pop().name)
    assert.same({2, 3}, model(x).shape)
    assert.equal(2, #model.weights)
    local late = Sequential{layers.Dense{3}}
    late:add(layers.Dense{2})
    late(x)
    late:add(layers.Dense{1})
    assert.same({2, 1}, late(x).shape)
    late:pop()
    late:pop()
    late:pop()
    raises(function() late:pop() end, "has no layers to remove")
  end)

  it("refuses a layer that does not fit, and stays what it was", function()
    local model = Sequential{kl.Input{2}, layers.Dense{3, name = "a"}, name = "m"}
    raises(function() model:add(layers.Reshape{7, name = "r"}) end,
      "samples of 3 elements do not fit the shape %(7%) .*layer 'm/r'")
    assert.equal("a", names_of(model.layers))
    assert.same({2, 3}, model(x).shape)
    local open = Sequential{layers.Dense{3}, layers.Reshape{7}}
    raises(function() open(x) end, "do not fit")
    assert.is_false(open.built)
    raises(function() open(x) end, "do not fit")
  end)

  it("refuses what is no layer, two of one name, and a second Input", function()
    local function a() return layers.Dense{1, name = "a"} end
    raises(function() Sequential{a(), 5} end, "Sequential: layer 2 must be a layer, got integer 5")
    raises(function() Sequential{a(), layers.Dense} end,
      "layer 2 must be a layer, got the class Dense %(an object of it expected: Dense{...}%)")
    raises(function() Sequential{kl.Input{2}, nil, a()} end, "element 2 of a list is nil")
    raises(function() Sequential(5) end, "Sequential: a table of layers expected, got integer 5")
    raises(function() Sequential(a()) end, "Sequential: a table of layers expected, got a Dense")
    raises(function() Sequential{a(), a()} end, "two layers called 'a'")
    raises(function() Sequential{a(), kl.Input{2}} end, "an Input can only be the first layer")
    raises(function() Sequential{kl.Input{2}, kl.Input{2}} end, "an Input can only be the first layer")
    raises(function() Sequential{a()(kl.Input{2})} end, "a tensor that is not an Input cannot be added")
    raises(function() layers.Dense{2, input_shape = {4}} end, "Dense: 'input_shape' is no option of layers: begin .* with a kl.Input")
    raises(function() Sequential{a(), nmae = "x"} end, "Sequential: unknown option 'nmae'; did you mean 'name'")
    raises(function() Sequential{name = "e"}(x) end, "Sequential 'e' has no layers")
    raises(function() Sequential{a(), name = "m"}{x, x} end, "Sequential 'm' takes one tensor with a batch axis, got 2 inputs")
    raises(function() Sequential{a(), name = "m"}{p = x} end, "got a table by name")
    raises(function() Sequential{a(), name = "m"}(kl.tensor(1.0)) end, "got a scalar")
    raises(function() Sequential{kl.Input{2}, a(), name = "m"}(kl.ones{2, 3}) end,
      "has shape %(%?, 2%), got %(2, 3%) .*layer 'm'")
  end)

  it("is a layer of other models, also while it is not built", function()
    local inner = Sequential{layers.Dense{3}, name = "inner"}
    local outer = Sequential{kl.Input{2}, inner, layers.Dense{1, name = "top"}, name = "outer"}
    assert.is_true(inner.built)
    assert.matches("^outer/inner/dense[_%d]*/kernel$", inner.weights[1].path)
    compare.bits(outer(x), outer:get_layer("top")(inner(x)), "nested")
    local inputs = kl.Input{2}
    compare.bits(kl.Model{inputs = inputs, outputs = outer(inputs)}(x), outer(x), "functional")
  end)

  it("takes data in the dtype of its first layer, at every call", function()
    local model = Sequential{layers.Identity{dtype = "float64"}}
    for _ = 1, 2 do assert.equal(0.1, model(kl.tensor({{0.1}}, "float64")):item()) end
  end)

  it("draws the same first weights after the same seed, whether it is built now or later", function()
    local function made(now)
      kl.set_seed(4)
      local model = now and Sequential{kl.Input{2}, layers.Dense{3}} or Sequential{layers.Dense{3}}
      if not now then model:build{nil, 2} end
      return model.weights[1].value
    end
    assert.is_true(kl.array_equal(made(true), made(true)))
    assert.is_true(kl.array_equal(made(true), made(false)))
  end)
end)
