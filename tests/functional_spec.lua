-- Functional graphs: calls and bare ops as nodes in creation order (design 3), Keras's rules (keras-semantics 9.2).
local kl = require "kl"
local assert = require "luassert"
local compare = require "compare"
local near = require "near"
local raises = require "raises"
local layers, Model = kl.layers, kl.Model

kl.set_seed(11)

--- A layer from a function of (inputs, options).
local function layer_of(f, name)
  local Own = kl.Layer:extend(name or "Own")
  function Own:call(inputs, options) return f(inputs, options, self) end
  return Own
end

local function names(list)
  local text = {}
  for i, l in ipairs(list) do text[i] = l.name end
  return table.concat(text, " ")
end

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
    assert.matches("^input_layer[_%d]* inner top$", names(outer.layers))
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
    assert.equal("a d1 b d2 late unused add", names(model.layers))
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

describe("a subclass of Model", function()
  local x = kl.tensor{{1.0, 2.0}}

  local function subclass()
    local Own = Model:extend("MyModel")
    function Own:init(units)
      self.dense = layers.Dense{units, name = "d"}
      self.scale = kl.Variable(2.0, {name = "scale"})
    end
    function Own:call(t, options) return self.dense(t) * self.scale + (options.training and 1 or 0) end
    return Own
  end

  it("is built by its first call, or by build(shape) without one", function()
    for _, build in ipairs{function(m) m(x) end, function(m) m:build{nil, 2} end} do
      local model = subclass()(3)
      assert.is_false(model.built)
      build(model)
      assert.is_true(model.built)
      assert.equal("scale kernel bias", names(model.weights))
      assert.matches("^my_model[_%d]*$", model.name)
      assert.equal(model.name .. "/d/kernel", model.dense.kernel.path)
    end
    local Two = Model:extend("Two")
    function Two:init() self.d = layers.Dense{1} end
    function Two:call(t) return self.d(t.a) + t.b end
    local two = Two()
    two:build{a = {nil, 3}, b = {nil, 1}}
    assert.equal(4, two:count_params())
  end)

  it("is a layer of a functional model", function()
    local inputs = kl.Input{2}
    local own = subclass()(3)
    local model = Model{inputs = inputs, outputs = own(inputs)}
    compare.bits(model(x), own(x), "the model")
    near(model(x, {training = true}) - model(x), kl.ones{1, 3}, "training", 1e-5, 1e-6)
    assert.equal(3, #model.trainable_weights)
  end)

  it("with inputs and outputs is functional, with steps of its own", function()
    local Own = Model:extend("Custom")
    function Own:train_step() return "mine" end
    local inputs = kl.Input{2}
    local model = Own{inputs = inputs, outputs = layers.Dense{1}(inputs)}
    assert.same({2, 1}, model(kl.ones{2, 2}).shape)
    assert.equal("mine", model:train_step{})
    assert.matches("^custom[_%d]*$", model.name)
  end)

  it("without a call says so", function()
    raises(function() local _ = Model:extend("Empty"){name = "e"}(x) end,
      "model 'e' %(a Empty%) defines no call and has no inputs and outputs")
  end)
end)

describe("Input", function()
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
