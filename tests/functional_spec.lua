-- Functional graphs: calls and bare ops as nodes in creation order (design 3), Keras's rules (keras-semantics 9.2).
local kl = require "kl"
local assert = require "luassert"
local compare = require "compare"
local layer_of = require "layer_of"
local names_of = require "names_of"
local near = require "near"
local raises = require "raises"
local layers, Model = kl.layers, kl.Model

kl.set_seed(11)

describe("a functional model", function()
  local x = kl.tensor{{1.0, 2.0}, {3.0, 4.0}}

  it("computes what its layers compute", function()
    local inputs = kl.Input{2}
    local a, b = layers.Dense{3, activation = "tanh"}, layers.Dense{1}
    local model = Model{inputs, b(a(inputs))}
    compare.bits(model(x), b(a(x)), "the model")
    assert.same({false, 1}, model.outputs.shape)
    assert.is_true(model.built)
    assert.matches("^functional[_%d]*$", model.name)
    assert.equal("named", Model{inputs = inputs, outputs = inputs, name = "named"}.name)
  end)

  it("calls a shared layer at each of its places, with one set of weights", function()
    local p, q = kl.Input{2}, kl.Input{2}
    local shared = layers.Dense{3}
    local model = Model{inputs = {p, q}, outputs = shared(p) - shared(q * 2)}
    assert.equal(2, #model.weights)
    compare.bits(model{x, x}, shared(x) - shared(x * 2), "the model")
    assert.equal(p, shared.input) -- of the first call
  end)

  it("gives gradients that add up over the places of a shared layer", function()
    local inputs = kl.Input{1}
    local shared = layers.Dense{1, use_bias = false}
    local model = Model{inputs = inputs, outputs = shared(shared(inputs))}
    shared:set_weights{{{3}}}
    local tape <close> = kl.GradientTape()
    near(tape:gradient(model(kl.tensor{{2.0}}), shared.kernel), {{12}}, "d(w w x) = 2 w x")
  end)

  it("may hold models: their layers are shared, not copied", function()
    local inner_in = kl.Input{2, name = "inner_in"}
    local inner = Model{inputs = inner_in, outputs = layers.Dense{2, name = "hidden"}(inner_in), name = "inner"}
    local outer_in = kl.Input{2}
    local outer = Model{inputs = outer_in, outputs = layers.Dense{1, name = "top"}(inner(inner(outer_in)))}
    assert.matches("^input_layer[_%d]* inner top$", names_of(outer.layers))
    assert.equal(4, #outer.weights)
    assert.equal(inner.weights[1], outer.weights[1])
    compare.bits(outer(x), outer:get_layer("top")(inner(inner(x))), "the model")
    inner:get_layer("hidden"):set_weights{kl.zeros{2, 2}, kl.zeros{2}}
    near(outer(x), outer:get_layer("top")(kl.zeros{2, 2}), "after a change inside")
    local both = kl.Sequential{kl.Input{2}, inner, outer:get_layer("top")}
    compare.bits(both(x), outer(x), "in a Sequential")
  end)

  it("takes bare operations and variables between its layers, and reads variables anew", function()
    local inputs = kl.Input{2}
    local v = kl.Variable{10.0, 20.0}
    local y = kl.concatenate({inputs * 2 + v, -inputs[{ {}, {1, 1} }]}, {axis = -1})
    local model = Model{inputs = inputs, outputs = kl.sum(y, -1)}
    near(model(x), {35, 41}, "2 x + v, minus x1")
    v:assign{0.0, 0.0}
    near(model(x), {5, 11}, "after the assignment")
    local tape <close> = kl.GradientTape()
    near(tape:gradient(model(x), v), {2, 2}, "gradient of the variable")
  end)

  it("takes operations whose shapes involve the unknown batch", function()
    local inputs = kl.Input{2, 3}
    local t = kl.arange(12, {dtype = "float32"}):reshape{2, 2, 3}
    local cases = {
      {kl.reshape(inputs, {inputs.shape[1], -1}), kl.reshape(t, {2, 6})}, {kl.reshape(inputs, {-1}), kl.reshape(t, {-1})},
      {kl.zeros_like(inputs) + kl.ones_like(inputs), kl.ones{2, 2, 3}}, {kl.full_like(inputs, 3), kl.full({2, 2, 3}, 3.0)},
      {kl.broadcast_to(inputs[{ {}, {1, 1} }], {inputs.shape[1], 4, 3}), kl.broadcast_to(t[{ {}, {1, 1} }], {2, 4, 3})},
      {kl.squeeze(inputs[{ {}, {1, 1} }]), t[{ {}, 1 }]}, {inputs[-1], t[-1]}, {inputs[{ {-2, -1} }], t}, {inputs[{ {2, -1} }],
        t[{ {2, 2} }]},
      {kl.transpose(inputs, {3, 1, 2}), kl.transpose(t, {3, 1, 2})}, {kl.mean(inputs, 1), kl.mean(t, 1)}, {kl.argmax(inputs),
        kl.argmax(t)},
      {kl.flip(inputs, 1), kl.flip(t, 1)}, {kl.take(inputs, kl.tensor{0, 1}, -1), kl.take(t, kl.tensor{0, 1}, -1)},
    }
    for i, case in ipairs(cases) do compare.bits(Model{inputs = inputs, outputs = case[1]}(t), case[2], "case " .. i) end
    local one = Model{inputs = inputs, outputs = kl.squeeze(inputs[{ {}, {1, 1} }])}(t[{ {1, 1} }])
    assert.same({1, 3}, one.shape) -- a batch of one stays a batch
    raises(function() local _ = kl.reshape(kl.Input{2, 3}, {kl.Input{1}.shape[1], -1, 5}) end,
      "cannot reshape %(%?, 2, 3%) to %(%?, %?, 5%)")
  end)

  describe("with several inputs and outputs", function()
    local function pair()
      local a, b = kl.Input{2, name = "left"}, kl.Input{1, name = "right"}
      return a, b, layers.Dense{1, name = "sum"}(layers.Concatenate{name = "joined"}{a, b}), layers.Identity{name = "copy"}(b)
    end
    local r = kl.tensor{{5.0}, {6.0}}

    it("takes and gives lists by position, and tables by name", function()
      local a, b, s, c = pair()
      local model = Model{inputs = {a, b}, outputs = {s, c}}
      assert.same({{"left", "right"}, {"sum", "copy"}}, {model.input_names, model.output_names})
      local y = model{x, r}
      assert.equal(2, #y)
      near(y[2], r, "second output")
      compare.bits(model{right = r, left = x, ignored = x}[1], y[1], "by input name")
      local named = Model{inputs = {q = a, p = b}, outputs = {total = s, same = c}}
      assert.same({"same", "total"}, named.output_names)
      local z = named{q = x, p = r, more = x}
      compare.bits(z.total, y[1], "by the names of the structure")
      compare.bits(z.same, r, "and out by name")
      local nested = Model{inputs = {pair = {a, b}}, outputs = {{s}, c}}
      compare.bits(nested{pair = {x, r}}[1][1], y[1], "nested")
      compare.bits(Model{inputs = {a, b}, outputs = {s}}{x, r}, y[1], "of a list of one, the one")
    end)

    it("refuses what does not fit the structure", function()
      local a, b, s = pair()
      local model = Model{inputs = {a, b}, outputs = s, name = "m"}
      local named = Model{inputs = {q = a, p = b}, outputs = s}
      raises(function() model(x) end, "the model has 2 inputs %(left, right%), got one tensor .*layer 'm'")
      raises(function() model{x} end, "the inputs %(left, right%) do not fit: the model takes %[%*, %*%], got %[%*%]")
      raises(function() model{x, r, r} end, "got %[%*, %*, %*%]")
      raises(function() model{left = x, rihgt = r} end,
        "input 'right' is missing: the model takes %(left, right%), got %(left, rihgt%)")
      raises(function() named{q = x} end, "input 'p' is missing: the model takes {p: %*, q: %*}, got {q: %*}")
      raises(function() named{x, r} end, "input 'p' is missing: .*got %[%*, %*%]") -- Keras only warns
      raises(function() named{q = {x}, p = r} end, "input 'q': one tensor expected, got a structure %[%*%]")
    end)
  end)

  it("repairs the last axis of its inputs, casts them, and refuses other shapes", function()
    local column = kl.Input{1, name = "column"}
    local model = Model{inputs = column, outputs = column * 1}
    assert.same({3, 1}, model(kl.tensor{1, 2, 3}).shape)
    assert.equal("float32", model(kl.tensor{1, 2, 3}).dtype)
    local flat = kl.Input{batch_shape = {nil, 2}}
    assert.same({3, 2}, Model{inputs = flat, outputs = flat * 1}(kl.ones{3, 2, 1}).shape)
    raises(function() local _ = model(kl.ones{3, 2}) end, "input 'column' of the model has shape %(%?, 1%), got %(3, 2%)")
    local fixed = kl.Input{2, batch_size = 4} -- a declared batch size binds nobody, as in Keras
    assert.same({2, 2}, Model{inputs = fixed, outputs = fixed * 1}(x).shape)
    local double = kl.Input{1, dtype = "float64"} -- declared: not rounded on the way in
    assert.equal(0.1, Model{inputs = double, outputs = layers.Identity{dtype = "float64"}(double)}(kl.tensor({{0.1}},
      "float64")):item())
    local integers = kl.Input{1, dtype = "int32"}
    assert.equal("int32", Model{inputs = integers, outputs = integers + 1}(kl.tensor{{1.0}}).dtype)
  end)

  it("lists its layers as Keras does: by depth, deepest first, then in the order the outputs reach them", function()
    local a, b, unused = kl.Input{2, name = "a"}, kl.Input{2, name = "b"}, kl.Input{2, name = "unused"}
    local function dense(name) return layers.Dense{2, name = name} end
    local late = dense("late")(b)
    local deep = dense("d2")(dense("d1")(a))
    local model = Model{inputs = {b, a, unused}, outputs = layers.Add{name = "add"}{deep, late}}
    assert.equal("a d1 b d2 late unused add", names_of(model.layers))
    local paths = {}
    for i, w in ipairs(model.weights) do paths[i] = w.path end
    assert.equal("d1/kernel d1/bias d2/kernel d2/bias late/kernel late/bias", table.concat(paths, " "))
  end)

  it("finds layers by name and by index", function()
    local inputs = kl.Input{2, name = "in"}
    local model = Model{inputs = inputs, outputs = layers.Dense{1, name = "out"}(layers.Dense{2, name = "hidden"}(inputs)),
      name = "m"}
    assert.equal("hidden", model:get_layer("hidden").name)
    assert.equal("in", model:get_layer{index = 1}.name)
    assert.equal("out", model:get_layer{index = -1}.name)
    assert.equal("out", model:get_layer{name = "out"}.name)
    raises(function() model:get_layer("hiden") end,
      "model 'm' has no layer 'hiden'; did you mean 'hidden'%? %(layers: in, hidden, out%)")
    raises(function() model:get_layer{index = 4} end, "index 4 is outside the model's 3 layers")
    raises(function() model:get_layer{index = 0} end, "index 0 is outside")
    raises(function() model:get_layer{name = "out", index = 1} end, "both are given")
    raises(function() model:get_layer() end, "a name, or {index = i}, expected")
  end)

  it("gives its parts: input and output of the first call, models of inner tensors", function()
    local inputs = kl.Input{2}
    local hidden = layers.Dense{3}
    local model = Model{inputs = inputs, outputs = layers.Dense{1}(hidden(inputs))}
    local features = Model{inputs = model.inputs, outputs = hidden.output}
    compare.bits(features(x), hidden(x), "features")
    assert.equal(inputs, hidden.input)
    assert.equal(hidden.weights[1], features.weights[1])
    local tail = Model{inputs = hidden.output, outputs = model.outputs}
    compare.bits(tail(hidden(x)), model(x), "from an inner tensor on")
    raises(function() local _ = layers.Dense{1, name = "d"}.output end,
      "layer 'd' has no output: it has not been called in a functional graph")
    raises(function() local _ = kl.Model:extend("S")().inputs end, "has no inputs: it is not functional")
  end)

  it("has its own ends and their shapes, also where it is called in another graph", function()
    local a, b = kl.Input{2, name = "a"}, kl.Input{false, 4, name = "b"}
    local model = Model{inputs = {a = a, b = {b}}, outputs = {layers.Dense{3}(a)}}
    assert.same({a = {false, 2}, b = {{false, false, 4}}}, model.input_shape)
    assert.same({false, 3}, model.output_shape)
    model{a = kl.Input{2}, b = {kl.Input{5, 4}}}
    assert.is_true(model.input.a == a and model.output[1] == model.outputs[1])
    raises(function() local _ = kl.Model:extend("S")().output_shape end, "has no output_shape: it is not functional")
  end)

  it("refuses graphs that do not connect, and layers of one name", function()
    local a, b = kl.Input{2, name = "a"}, kl.Input{2, name = "b"}
    local function two() return layers.Dense{2, name = "same"} end
    raises(function() Model{inputs = a, outputs = layers.Add{}{a, b}} end,
      "the graph is not connected: the output of layer 'b' is not among the model's inputs but is needed for its outputs")
    raises(function() Model{inputs = a, outputs = two()(two()(a))} end, "two layers of the model are called 'same'")
    raises(function() Model{inputs = a} end, "a functional model needs both inputs and outputs")
    raises(function() Model{inputs = x, outputs = a} end,
      "input 1 of the model must be a tensor made by kl.Input, got a float32 tensor of shape %(2, 2%)")
    raises(function() Model{inputs = a, outputs = kl.ones{2}} end,
      "output 1 of the model must come from its inputs through layers")
    raises(function() Model{inputs = a, output = a} end, "unknown option 'output'; did you mean 'outputs'")
    raises(function() Model(a) end, "a table of options expected, got a float32 tensor")
  end)

  it("gives and takes all its weights, in the order of layers", function()
    local inputs = kl.Input{2}
    local model = Model{inputs = inputs, outputs = layers.Dense{1, name = "o"}(inputs), name = "m"}
    local held = model:get_weights()
    model:set_weights{{{1}, {2}}, {3}}
    near(model(x), {{8}, {14}}, "x1 + 2 x2 + 3")
    near(held[2], {0}, "what was got does not change")
    raises(function() model:set_weights{{{1}, {2}}} end, "set_weights: layer 'm' has 2 weights, got 1 values")
    raises(function() model:set_weights(5) end, "set_weights: a list of arrays expected, got integer 5")
    raises(function() model:set_weights{{{1}, {2}}, {3, 4}} end, "weight 2, 'o/bias', has shape %(1,%), got %(2,%)")
    near(model(x), {{8}, {14}}, "unchanged by what failed")
    assert.equal(3, model:count_params())
  end)
end)

describe("while a graph is built", function()
  it("there is no value to read", function()
    local inputs = kl.Input{2, name = "in"}
    local Reads = layer_of(function(t) return t * t:sum():item() end)
    local ok, message = pcall(Reads{name = "reads"}, inputs)
    assert.is_false(ok)
    assert.matches("^tests/functional_spec.lua:%d+: .* belongs to a functional graph and has no value", message)
    assert.matches("call the model on data .*layer 'reads'", message)
    raises(function() inputs:totable() end, "has no value")
    raises(function() kl.array_equal(inputs, inputs) end, "has no value")
    assert.matches("%?, 2", tostring(inputs))
  end)

  it("assignments, metrics, added losses and generators do nothing", function()
    local count, mean, calls = kl.Variable(0.0), kl.metrics.Mean{}, 0
    local Busy = layer_of(function(t, _, self)
      calls = calls + 1
      count:assign_add(1)
      mean:update_state(kl.sum(t))
      self:add_loss(kl.sum(t))
      return t + kl.random.normal{2}
    end)
    kl.set_seed(5)
    local first = kl.random.normal{2}
    kl.set_seed(5)
    local inputs = kl.Input{2}
    local busy = Busy()
    local model = Model{inputs = inputs, outputs = busy(inputs)}
    assert.equal(1, calls)
    assert.equal(0, count:item())
    assert.same({}, busy.losses)
    near(model(kl.zeros{1, 2}), {first:totable()}, "the first draw is that of the first real call")
    assert.equal(1, count:item())
    assert.equal(1, #model.losses)
  end)

  it("layers are built at once, and outside of the graph", function()
    local Own = kl.Layer:extend("Own")
    function Own:build(shape)
      self.w = self:add_weight{name = "w", shape = {shape[2]}, initializer = "ones"}
      self.w:assign(self.w * 5) -- has its effect
    end
    function Own:call(t) return t * self.w end
    local own = Own()
    own(kl.Input{2})
    near(own.w, {5, 5}, "the weight")
  end)
end)

describe("Input", function()
  it("is in a model once", function()
    local input = kl.Input{2}
    raises(function() kl.Model{inputs = {input, input}, outputs = layers.Dense{1}(input)} end, "input 2 of the model is given twice")
  end)

  it("is a tensor of unknown batch, named by its layer", function()
    local cases = {{{3}, {false, 3}}, {3, {false, 3}}, {{}, {false}}, {{28, 28, 1}, {false, 28, 28, 1}}, {{nil, 3}, {false,
      false, 3}},
      {{shape = {2, false}}, {false, 2, false}}, {{{2, 3}}, {false, 2, 3}}, {{3, batch_size = 5}, {5, 3}}, {{batch_shape = {4,
        3}}, {4, 3}}}
    for _, case in ipairs(cases) do
      local t = kl.Input(case[1])
      assert.same(case[2], t.shape)
      assert.equal("float32", t.dtype)
    end
    local image = kl.Input{2, dtype = "uint8", name = "image"}
    assert.equal("uint8", image.dtype)
    assert.equal("image", kl.core.origin(image).layer.name)
    assert.is_true(image == kl.core.origin(image).layer.output)
  end)

  it("refuses what is no shape", function()
    raises(function() kl.Input("x") end, "Input: a shape expected, got the string \"x\"")
    raises(function() kl.Input(kl.ones{2}) end, "Input: a shape expected, got a float32 tensor")
    raises(function() kl.Input{2.5} end,
      "Input: axis 1 of the shape must be a length, or false where it is unknown, got float 2.5")
    raises(function() kl.Input{3, -1} end, "axis 2 of the shape must be a length")
    raises(function() kl.Input{3, dtpye = "int32"} end, "unknown option 'dtpye'; did you mean 'dtype'")
    raises(function() kl.Input{3, dtype = "flaot32"} end, "'flaot32' is no dtype")
    raises(function() kl.Input{3, sparse = true} end, "sparse, ragged and optional inputs are not supported")
  end)
end)
