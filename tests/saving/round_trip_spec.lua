-- What is saved comes back: same classes, configs, weights and predictions, bit by bit.
local kl = require "kl"
local objects = require "objects"
local serialize = require "kl.saving.serialize"
local support = dofile "tests/saving/support.lua"

local L, initializers, regularizers, constraints = kl.layers, kl.initializers, kl.regularizers, kl.constraints
local load_model = kl.models.load_model
kl.set_seed(11)

local function config_text(model) return kl.json.encode(require "kl.saving.model_config".object(model)) end

--- Saves the model as .keras, .h5 and .weights.h5, loads each, and asserts that nothing differs; returns the copies.
local function round_trip(model, options)
  local folder <close> = support.folder()
  local x = model._graph and support.inputs(model) or options.x
  local y = model:predict{x, verbose = 0}
  local copies = {}
  for _, extension in ipairs{"keras", "h5"} do
    local path = folder .. "/model." .. extension
    model:save(path)
    local copy = load_model(path, {custom_objects = options and options.custom_objects})
    assert.equal(getmetatable(model).class, getmetatable(copy).class)
    assert.equal(model.name, copy.name)
    assert.equal(config_text(model), config_text(copy))
    support.same_state(copy, model, extension)
    support.same_bits(copy:predict{x, verbose = 0}, y, extension)
    copies[#copies + 1] = copy
  end
  local path = folder .. "/model.weights.h5"
  model:save_weights(path)
  local copy = copies[1]
  for _, v in ipairs(copy.weights) do v:assign(kl.zeros_like(v)) end
  copy:load_weights(path)
  support.same_state(copy, model, "weights.h5")
  support.same_bits(copy:predict{x, verbose = 0}, y, "weights.h5")
  return copies[1], copies[2]
end

-- A model around a layer of each class, with options that are not the defaults: {layer, shape of a sample}, or with two
-- inputs of that shape.
local cases = {
  Activation = {function() return L.Activation{"softplus"} end, {3}},
  BatchNormalization = {function()
    return L.BatchNormalization{axis = 2, momentum = 0.5, epsilon = 0.01, center = false, gamma_initializer = "uniform",
      gamma_regularizer = regularizers.L2{0.1}, gamma_constraint = "unit_norm"}
  end, {2, 3}},
  Dense = {function()
    return L.Dense{2, activation = "elu", kernel_regularizer = regularizers.L1L2{0.1, 0.2}, bias_regularizer = "l2",
      activity_regularizer = regularizers.L1{0.3}, kernel_constraint = constraints.MinMaxNorm{0.1, 2, rate = 0.5, axis = {1, 2}},
      bias_constraint = constraints.MaxNorm{3},
      kernel_initializer = initializers.VarianceScaling{2.0, "fan_out", "uniform", seed = 5},
      bias_initializer = initializers.Constant{0.25}, trainable = false, name = "a dense layer"}
  end, {4, 3}},
  Dropout = {function() return L.Dropout{0.4, noise_shape = {false, 1, 3}, seed = 7} end, {2, 3}},
  ELU = {function() return L.ELU{0.3} end, {3}},
  Flatten = {function() return L.Flatten{} end, {2, 3}},
  Identity = {function() return L.Identity{} end, {3}},
  LeakyReLU = {function() return L.LeakyReLU{0.2} end, {3}},
  PReLU = {function()
    return L.PReLU{shared_axes = {2}, alpha_initializer = "ones", alpha_regularizer = "l1", alpha_constraint = "non_neg"}
  end, {2, 3}},
  Permute = {function() return L.Permute{2, 1} end, {2, 3}},
  ReLU = {function() return L.ReLU{max_value = 1.5, negative_slope = 0.1, threshold = 0.2} end, {3}},
  RepeatVector = {function() return L.RepeatVector{3} end, {2}},
  Reshape = {function() return L.Reshape{3, -1} end, {2, 3}},
  Softmax = {function() return L.Softmax{axis = {2, 3}} end, {2, 3}},
  Add = {function() return L.Add{} end, {3}, true},
  Average = {function() return L.Average{} end, {3}, true},
  Concatenate = {function() return L.Concatenate{axis = 2} end, {2, 3}, true},
  Dot = {function() return L.Dot{axes = {2, 2}, normalize = true} end, {2, 3}, true},
  Maximum = {function() return L.Maximum{} end, {3}, true},
  Minimum = {function() return L.Minimum{} end, {3}, true},
  Multiply = {function() return L.Multiply{} end, {3}, true},
  Subtract = {function() return L.Subtract{} end, {3}, true},
}

local function model_of(case, dtype)
  local make, shape, joins = table.unpack(case)
  local function input() return kl.Input{shape = shape, dtype = dtype} end
  local layer = make()
  if dtype then
    local config = layer:get_config()
    config.dtype = dtype
    layer = getmetatable(layer).class:from_config(config)
  end
  if not joins then return support.scramble(kl.Sequential{input(), layer}) end
  local a, b = input(), input()
  return kl.Model{inputs = {a, b}, outputs = layer{a, b}}
end

describe("a layer in a saved model", function()
  it("is tested below, whatever its class", function()
    local names = objects.names(L.classes)
    local tested = objects.names(cases)
    table.insert(tested, "InputLayer")
    table.insert(tested, "Lambda") -- refused: tests/layers/contract_spec.lua
    table.sort(tested)
    assert.same(names, tested)
  end)
  for _, name in ipairs(objects.names(cases)) do
    it("comes back as it was: " .. name, function() round_trip(model_of(cases[name])) end)
    it("comes back as it was in float64: " .. name, function()
      local copy = round_trip(model_of(cases[name], "float64"))
      assert.equal("float64", copy.outputs.dtype)
    end)
  end
  for _, name in ipairs(objects.names(initializers.classes)) do
    it("keeps its initializer: " .. name, function()
      round_trip(kl.Sequential{kl.Input{2}, L.Dense{2, kernel_initializer = name}})
    end)
  end
  it("keeps a table of values as its initializer", function()
    round_trip(kl.Sequential{kl.Input{2}, L.Dense{2, bias_initializer = initializers.Constant{{1.5, -2}}}})
  end)
  for _, name in ipairs(objects.names(regularizers.classes)) do
    it("keeps its regularizer: " .. name, function()
      local model = kl.Sequential{kl.Input{2}, L.Dense{2, kernel_regularizer = regularizers.classes[name]{}}}
      local copy = round_trip(model)
      support.same_bits(copy.losses, model.losses, name)
    end)
  end
  for _, name in ipairs(objects.names(constraints.classes)) do
    it("keeps its constraint: " .. name, function()
      round_trip(kl.Sequential{kl.Input{2}, L.Dense{2, kernel_constraint = constraints.classes[name]{}}})
    end)
  end
end)

describe("a model that is saved", function()
  local models = {
    ["a Sequential without Input that was called"] = function()
      local model = kl.Sequential{L.Dense{3}, L.Dropout{0.5}, L.Dense{2}}
      model(kl.ones{2, 5})
      return model
    end,
    ["a Sequential that was built with a shape"] = function()
      local model = kl.Sequential{L.Dense{3}, name = "mine"}
      model:build{nil, 2, 5}
      return model
    end,
    ["a graph with a layer that is used three times"] = function()
      local x, shared = kl.Input{3}, L.Dense{3, activation = "tanh"}
      local y = shared(x)
      return kl.Model{inputs = x, outputs = L.Add{}{shared(shared(y)), y, x}}
    end,
    ["a graph with operations between its layers"] = function()
      local a, b = kl.Input{3}, kl.Input{3}
      local h = L.Dense{3, name = "add"}(a) -- the name that an operation would take
      local y = (h * 2.0 + b) / (kl.abs(a) + 1) ^ 2.0 + kl.sigmoid(h) - 1 + (1 - b)
      for _, f in ipairs{kl.exp, kl.tanh, kl.square, kl.sin, kl.negative, kl.softplus, kl.rsqrt, kl.relu} do y = f(y) end
      return kl.Model{inputs = {a, b}, outputs = {L.Dense{2}(y), kl.maximum(h, b), -h}}
    end,
    ["a graph with several inputs and outputs"] = function()
      local a, b = kl.Input{3, name = "a"}, kl.Input{2, name = "b"}
      local both = L.Concatenate{}{a, b}
      return kl.Model{inputs = {a, b}, outputs = {L.Dense{2}(both), both, L.Dense{1}(a)}}
    end,
    ["a graph with inputs and outputs by name"] = function()
      local a, b = kl.Input{3, name = "a"}, kl.Input{3, name = "b"}
      return kl.Model{inputs = {one = b, two = a}, outputs = {sum = L.Add{}{a, b}, other = {L.Dense{2}(a), b}}}
    end,
    ["a graph with one output in a list"] = function()
      local x = kl.Input{3}
      return kl.Model{inputs = {x}, outputs = {L.Dense{2}(x)}}
    end,
    ["a graph with an input that no output needs"] = function()
      local x, y = kl.Input{3}, kl.Input{2}
      return kl.Model{inputs = {x, y}, outputs = L.Dense{2}(x)}
    end,
    ["a graph that calls a layer with training = false"] = function()
      local x = kl.Input{3}
      return kl.Model{inputs = x, outputs = L.BatchNormalization{}(L.Dense{2}(x), {training = false})}
    end,
    ["a graph with an input of integers and a fixed batch"] = function()
      local x = kl.Input{3, dtype = "int32", batch_size = 3}
      return kl.Model{inputs = x, outputs = L.Dense{2}(x)}
    end,
    ["models inside models, one of them used twice"] = function()
      local inner = kl.Sequential{L.Dense{4}, kl.Sequential{L.Dense{3}, L.BatchNormalization{}}}
      local h = kl.Input{3}
      local block = kl.Model{inputs = h, outputs = {L.Dense{3}(h), h}, name = "block"}
      local x = kl.Input{3}
      local first = block(x)
      local second = block(inner(first[1]))
      return kl.Model{inputs = x, outputs = L.Add{}{first[2], second[1], second[2]}}
    end,
    ["a Sequential of models"] = function()
      return kl.Sequential{kl.Input{3}, kl.Sequential{kl.Input{3}, L.Dense{2}}, kl.Sequential{L.Dense{2}}}
    end,
    ["a model with frozen layers, and a frozen model inside"] = function()
      local inner = kl.Sequential{L.Dense{3}, L.BatchNormalization{}, L.BatchNormalization{}}
      local model = kl.Sequential{kl.Input{3}, inner, L.Dense{2}, L.Dense{2}}
      inner.trainable, model.layers[2].trainable = false, false
      return model
    end,
    ["a model with more than ten layers of a class"] = function()
      local model = kl.Sequential{kl.Input{2}}
      for _ = 1, 12 do model:add(L.Dense{2}) end
      return model
    end,
    ["a model with names beyond ASCII"] = function()
      return kl.Sequential{kl.Input{2, name = "Eingabe ä"}, L.Dense{2, name = "größe 2"}, name = "модель"}
    end,
  }
  for _, name in ipairs(objects.names(models)) do
    it("comes back as it was: " .. name, function() round_trip(support.scramble(models[name]())) end)
  end
  it("gives the one output in a list as a tensor, before and after", function()
    local model = models["a graph with one output in a list"]()
    assert.same({3, 2}, model(kl.ones{3, 3}).shape)
    local copy = round_trip(model)
    assert.same({3, 2}, copy(kl.ones{3, 3}).shape)
    assert.equal(1, #copy.outputs)
  end)
  it("comes back from a file that was saved twice over", function()
    local model = support.scramble(kl.Sequential{kl.Input{2}, L.Dense{2}})
    local copy = round_trip(model)
    support.scramble(copy)
    round_trip(copy)
  end)
  it("gives weights to a model with other names and other layers frozen", function()
    local function make(frozen)
      local inner = kl.Sequential{L.BatchNormalization{}, L.BatchNormalization{}}
      local model = kl.Sequential{kl.Input{2}, inner}
      inner.trainable = not frozen
      return model
    end
    local folder <close> = support.folder()
    for _, frozen in ipairs{true, false} do
      local model, other = support.scramble(make(frozen)), make(not frozen)
      for _, file in ipairs{"a.h5", "a.keras", "a.weights.h5"} do
        local path = folder .. "/" .. file
        if file == "a.weights.h5" then model:save_weights(path) else model:save(path) end
        support.scramble(other)
        other:load_weights(path)
        support.same_bits(other:get_weights(), model:get_weights(), file)
      end
    end
  end)
end)

-- Classes of a user's.
local Scale = kl.Layer:extend("Scale")
function Scale:init(factor, negative, more)
  Scale.super.init(self)
  self.factor, self.negative, self.more = factor, negative, more
end
function Scale:build(shape)
  self.w = self:add_weight{shape = {shape[#shape]}, initializer = "ones"}
  self.v = self:add_weight{shape = {shape[#shape]}, initializer = "ones"}
end
function Scale:call(x) return (x * self.w - self.v) * (self.negative and -self.factor or self.factor) end

local Options = kl.Layer:extend("Options")
function Options:init(given)
  Options.super.init(self, {name = given.name})
  self.units, self.sizes = given[1], given.sizes
  self.dense = L.Dense{self.units}
end
function Options:call(x) return self.dense(x) end

local Configured = kl.Layer:extend("Configured")
function Configured:init(given)
  Configured.super.init(self, {name = given.name})
  self.inner = given.inner
end
function Configured:call(x) return self.inner(x) end
function Configured:get_config()
  return {name = self.name, inner = serialize.object(self.inner)}
end

local Doubled = L.Dense:extend("Doubled")
function Doubled:call(x) return Doubled.super.call(self, x) * 2.0 end

local Steps = kl.Model:extend("Steps")

local Own = kl.Model:extend("Own")
function Own:init(units)
  Own.super.init(self)
  self.first = L.Dense{units}
  self.blocks = {{L.Dense{3}, L.BatchNormalization{}}, {L.Dense{3}}, by_name = {b = L.Dense{3}, a = Scale(2)}}
  self.shift = self:add_weight{name = "shift", shape = {3}}
end
function Own:call(x)
  x = self.first(x)
  for _, block in ipairs(self.blocks) do
    for _, layer in ipairs(block) do x = layer(x) end
  end
  return self.blocks.by_name.a(self.blocks.by_name.b(x)) + self.shift
end

describe("a user's class in a saved model", function()
  local mine = {Scale = Scale, Options = Options, Configured = Configured, Doubled = Doubled, Steps = Steps, Own = Own}
  local layers = {
    ["arguments by position, false and a list among them"] = function() return Scale(3, false, {1, {2, "x"}}) end,
    ["nil among the arguments"] = function() return Scale(0.5, nil, true) end,
    ["one table of positions and names"] = function() return Options{2, sizes = {4, 5}, name = "opts"} end,
    ["a config of its own with a layer in it"] = function() return Configured{inner = L.Dense{2, activation = "relu"}} end,
    ["the options of the class above it"] = function() return Doubled{2, activation = "relu", use_bias = false} end,
  }
  for _, name in ipairs(objects.names(layers)) do
    it("is made again: " .. name, function()
      local model = support.scramble(kl.Sequential{kl.Input{3}, layers[name]()})
      local copies = {round_trip(model, {custom_objects = mine})}
      for _, copy in ipairs(copies) do
        for _, key in ipairs{"factor", "negative", "more", "units", "sizes"} do
          assert.same(model.layers[1][key], copy.layers[1][key])
        end
      end
    end)
  end
  it("is frozen as it was", function()
    local model = kl.Sequential{kl.Input{3}, Scale(2)}
    model.layers[1].trainable = false
    round_trip(model, {custom_objects = mine})
  end)
  it("may be a functional model with steps of its own", function()
    local x = kl.Input{3}
    local model = Steps{inputs = x, outputs = L.Dense{2}(x)}
    round_trip(model, {custom_objects = mine})
    assert.equal("custom", require "kl.saving.model_config".object(model).module)
  end)
  it("may be a model with its own call, of layers in nested lists", function()
    local x = kl.random.normal{2, 4}
    local model = Own(5)
    model(x)
    round_trip(support.scramble(model), {custom_objects = mine, x = x})
  end)
  it("is found when it is registered, under its package's name", function()
    local Registered = kl.Layer:extend("Registered")
    function Registered:call(x) return x + 1.0 end
    kl.register(Registered, {package = "pack"})
    local model = kl.Sequential{kl.Input{3}, Registered{}}
    assert.equal("pack>Registered", serialize.object(model.layers[1]).registered_name)
    round_trip(model)
  end)
  it("goes before kl's own class of that name only where the file says custom or custom_objects does", function()
    local Dense = L.Dense:extend("Dense")
    local model = kl.Sequential{kl.Input{3}, Dense{2}}
    round_trip(model, {custom_objects = {Dense = Dense}})
    local folder <close> = support.folder()
    for _, extension in ipairs{"keras", "h5"} do
      model:save(folder .. "/m." .. extension)
      assert.error_matches(function() load_model(folder .. "/m." .. extension) end, "the class 'Dense'.*is not known")
    end
  end)
end)
