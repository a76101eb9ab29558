-- Models within models, every way round: weights, summary, files, clones, pictures, and plan = immediate.
local kl = require "kl"
local assert = require "luassert"
local compare = require "compare"
local raises = require "raises"
local tree = require "kl.tree"
local support = dofile "tests/saving/support.lua"
local L, Model = kl.layers, kl.Model

local Wrap = Model:extend("Wrap") -- a subclass around any layer
function Wrap:init(inner)
  Wrap.super.init(self)
  self.first = L.Dense{3, activation = "tanh"}
  self.parts = {inner, {last = L.Dense{3}}}
end
function Wrap:call(x) return self.parts[2].last(self.parts[1](self.first(x))) end
-- holds an object, so its class says what it is made of
function Wrap:get_config() return {name = self.name, inner = require "kl.saving.serialize".object(self.parts[1])} end
function Wrap.from_config(cls, config)
  local model = cls(config.inner)
  model.name = config.name
  return model
end

-- Ways to put a layer (n, 3) -> (n, 3) into a model of the same shapes.
local ways = {
  sequential = function(inner) return kl.Sequential{L.Dense{3, activation = "relu"}, inner, L.BatchNormalization{}} end,
  built_sequential = function(inner) return kl.Sequential{kl.Input{3}, inner, L.Dense{3}} end,
  functional = function(inner)
    local inputs = kl.Input{3}
    return Model{inputs = inputs, outputs = L.Add{}{inner(L.Dense{3}(inputs)), inputs}}
  end,
  shared = function(inner)
    local inputs = kl.Input{3}
    return Model{inputs = inputs, outputs = L.Concatenate{axis = 2}{inner(inputs), inner(inner(inputs))}[{ {}, {1, 3} }] * 1}
  end,
  subclass = function(inner) return Wrap(inner) end,
}
local names = {}
for name in pairs(ways) do names[#names + 1] = name end
table.sort(names)

local x = kl.tensor{{1.0, -2.0, 0.5}, {3.0, 4.0, -1.0}}

local function count(model)
  local n = 0
  for _, w in ipairs(model.weights) do n = n + kl.core.size(w) end
  return n
end

local function summary(model, o)
  local text
  o = o or {}
  o.print_fn = function(t) text = t end
  model:summary(o)
  return text
end

describe("a model in a model in a model", function()
  for _, outer in ipairs(names) do
    for _, middle in ipairs(names) do
      for _, inner in ipairs(names) do
        local what = outer .. " of " .. middle .. " of " .. inner
        it(what, function()
          kl.set_seed(2)
          local core_layer = L.Dense{3, name = "core"}
          local model = ways[outer](ways[middle](ways[inner](core_layer)))
          local y = model(x)
          compare.bits(kl.jit(function(t) return model(t) end)(x), y, "jitted")
          local text = summary(model, {expand_nested = true, show_trainable = true, line_length = 200})
          assert.matches("core %(Dense%)", text)
          assert.matches("Total params: " .. count(model), text)
          assert.matches('"[^"\n]*core" %[label', kl.utils.model_to_dot{model, expand_nested = true})
          local all = outer .. middle .. inner
          if all:find("shared") and all:find("subclass") then return end -- the subclass's config would hold a slice
          local copy = kl.models.clone_model(model)
          copy(x)
          copy:set_weights(model:get_weights())
          compare.bits(copy(x), y, "cloned")
          if all:find("shared") then return end -- a slice between layers has no place in a file
          local folder <close> = support.folder()
          model:save(folder .. "/m.keras")
          local again = kl.models.load_model(folder .. "/m.keras", {custom_objects = {Wrap = Wrap}})
          support.same_state(again, model, what)
          compare.bits(again(x), y, "loaded")
          local other = kl.models.model_from_json(model:to_json(), {custom_objects = {Wrap = Wrap}})
          other(x)
          assert.equal(#model.weights, #other.weights)
        end)
      end
    end
  end
end)

describe("summary", function()
  local function chain(...)
    return kl.Sequential{kl.Input{4}, L.Dense{8, name = "d1"}, L.BatchNormalization{name = "bn"}, L.Dropout{0.5, name = "drop"},
      L.Dense{3, name = "d2"}, name = "a", ...}
  end

  it("is Keras's, to the letter", function() -- of Keras 3.15.1
    assert.equal([[
Model: "a"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━┓
┃ Layer (type)                         ┃ Output Shape                ┃         Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━┩
│ d1 (Dense)                           │ (None, 8)                   │              40 │
├──────────────────────────────────────┼─────────────────────────────┼─────────────────┤
│ bn (BatchNormalization)              │ (None, 8)                   │              32 │
├──────────────────────────────────────┼─────────────────────────────┼─────────────────┤
│ drop (Dropout)                       │ (None, 8)                   │               0 │
├──────────────────────────────────────┼─────────────────────────────┼─────────────────┤
│ d2 (Dense)                           │ (None, 3)                   │              27 │
└──────────────────────────────────────┴─────────────────────────────┴─────────────────┘
 Total params: 99 (396.00 B)
 Trainable params: 83 (332.00 B)
 Non-trainable params: 16 (64.00 B)]], summary(chain()))
  end)

  it("says what is trainable, what the optimizer holds, and what is connected to what", function()
    local model = chain()
    model.layers[1].trainable = false
    model:compile{optimizer = "adam", loss = "mse"}
    model.optimizer:build(model.trainable_variables)
    local text = summary(model, {show_trainable = true})
    assert.matches("d1 %(Dense%) .*40 │ +N +│", text)
    assert.matches("drop %(Dropout%) [^\n]*0 │ +%- +│", text)
    assert.matches("Total params: 187 ", text)
    assert.matches("Optimizer params: 88 ", text)
    local a, b = kl.Input{3, name = "a"}, kl.Input{3, name = "b"}
    local shared = L.Dense{4, name = "sh"}
    local sa = shared(a)
    local graph = Model{inputs = {a, b}, outputs = L.Dense{1, name = "o"}(L.Add{name = "sum"}{sa, shared(b)}) * 2.0}
    text = summary(graph)
    assert.matches("sum %(Add%) [^\n]*│ sh%[0%]%[0%], sh%[1%]%[0%]", text)
    assert.matches("sh %(Dense%) [^\n]*│ a%[0%]%[0%], b%[0%]%[0%]", text)
    assert.matches("multiply %(Multiply%) [^\n]*│ o%[0%]%[0%]", text)
    assert.matches("a %(InputLayer%) [^\n]*│ %- ", text)
    text = summary(graph, {layer_range = {"sh", "sum"}})
    assert.is_nil(text:find("InputLayer", 1, true))
    assert.matches("sum %(Add%)", text)
    raises(function() graph:summary{layer_range = {"shh", "sum"}} end, "has no layer 'shh'; did you mean 'sh'%?")
    raises(function() graph:summary{layer_range = 1} end, "'layer_range' must be a list of two layer names")
  end)

  it("shows models that are not built as far as they are known", function()
    local text = summary(kl.Sequential{L.Dense{2, name = "d"}, L.Dropout{0.5, name = "drop"}})
    assert.matches("d %(Dense%) +│ %? +│ +0 %(unbuilt%) │", text)
    assert.matches("drop %(Dropout%) +│ %? +│ +0 │", text)
    assert.matches("Total params: 0 %(0%.00 B%)", text)
    assert.matches("core %(Dense%)", summary(Wrap(L.Dense{3, name = "core"})))
  end)

  it("cuts nothing: every name can be put together again from its lines", function()
    local long = ("very_long_"):rep(12)
    local wide = ("密な層"):rep(15)
    local model = kl.Sequential{kl.Input{2}, L.Dense{2, name = long}, L.Dense{2, name = wide}, L.Dense{1, name = "naïve é"},
      L.Identity{name = "two\nlines\xff"}}
    for _, length in ipairs{20, 33, 60, 88, 300} do
      local cells, width = {}, nil
      for line in summary(model, {line_length = length}):gmatch("[^\n]+") do
        local cell = line:match("^│ (.-) *│")
        if cell then cells[#cells + 1] = cell end
        if line:find("^[┏│┃┡├└]") then
          local own = require "kl.utils.text_table".width(line)
          width = width or own
          assert.equal(width, own, line)
        end
      end
      local all = table.concat(cells):gsub(" ", "")
      assert(all:find(long, 1, true) and all:find(wide, 1, true) and all:find("naïveé", 1, true), all)
      assert(all:find("two\\nlines\\xFF", 1, true), all)
    end
    raises(function() model:summary{line_lenght = 3} end, "unknown option 'line_lenght'; did you mean 'line_length'")
    raises(function() model:summary{line_length = 3} end, "'line_length' must be an integer >= 20")
    raises(function() model:summary{positions = {0.5}} end, "'positions' must be a list of 3 numbers")
    raises(function() model:summary{positions = {0.5, 0.4, 1}} end, "must be numbers that grow, got float 0.4 as number 2")
  end)
end)

describe("what a table of kl's does not have", function()
  local cases = {{"layers", "Dens", "layer 'Dens' in kl.layers; did you mean 'Dense'%?"},
    {"losses", "MeanSquaredEror", "loss 'MeanSquaredEror' in kl.losses; did you mean 'MeanSquaredError'"},
    {"metrics", "Acuracy", "metric 'Acuracy' in kl.metrics; did you mean 'Accuracy'"},
    {"optimizers", "Adamm", "optimizer 'Adamm' in kl.optimizers; did you mean 'Adam'"},
    {"callbacks", "Calback", "callback 'Calback' in kl.callbacks; did you mean 'Callback'"},
    {"initializers", "Zeroes", "initializer 'Zeroes'"}, {"regularizers", "L3", "regularizer 'L3'"},
    {"constraints", "NonNegg", "constraint 'NonNegg'"}, {"activations", "rellu", "activation 'rellu'"},
    {"utils", "plot_modle", "function 'plot_modle' in kl.utils; did you mean 'plot_model'"},
    {"random", "nromal", "function 'nromal' in kl.random; did you mean 'normal'"}, {"datasets", "minst", "data set 'minst' in kl.datasets"},
    {"summary", "scalr", "function 'scalr' in kl.summary; did you mean 'scalar'"}}
  for _, case in ipairs(cases) do
    it("is an error that names the nearest: kl." .. case[1], function()
      raises(function() return kl[case[1]][case[2]] end, "there is no " .. case[3])
      assert.is_nil(rawget(kl[case[1]], case[2]))
      assert.is_nil(kl[case[1]][1])
      local own = 0
      for _ in pairs(kl[case[1]]) do own = own + 1 end
      assert(own > 3)
    end)
  end
end)

describe("a model that holds itself", function()
  it("has each weight once, and is refused when it is called", function()
    local Ring = Model:extend("Ring")
    function Ring:init()
      Ring.super.init(self)
      self.dense, self.me = L.Dense{3}, self
    end
    function Ring:call(t) return self.me(self.dense(t)) end
    local ring = Ring{}
    for _, input in ipairs{x, kl.Input{3}} do
      local ok, message = pcall(ring, input)
      assert.is_false(ok)
      assert.matches("^tests/model_styles_spec.lua:%d+: layer 'ring[_%d]*', a Ring, is called inside itself without end", message)
    end
    assert.equal(2, #ring.weights)
    assert.matches("dense", summary(ring, {expand_nested = true}))
    local inner = kl.Sequential{L.Dense{3}}
    local outer = kl.Sequential{inner}
    raises(function() inner:add(outer) end, "a model cannot be inside itself")
    raises(function() inner:add(inner) end, "a model cannot be inside itself")
  end)
end)

describe("clone_model", function()
  it("takes other inputs and other layers, and makes functions anew", function()
    local inputs = kl.Input{3, name = "in"}
    local f = L.Lambda{function(t) return t * 2 end, name = "double"}
    local model = Model{inputs = inputs, outputs = L.Dense{2, activation = function(t) return t + 1 end, name = "d"}(f(inputs)),
      name = "m"}
    local copy = kl.models.clone_model(model)
    assert.equal("m", copy.name)
    assert.same({"in", "double", "d"}, {copy.layers[1].name, copy.layers[2].name, copy.layers[3].name})
    assert.is_false(kl.array_equal(copy.weights[1], model.weights[1]))
    copy:set_weights(model:get_weights())
    compare.bits(copy(x), model(x), "the clone")
    local other = kl.Input{3, name = "other"}
    local kept = kl.models.clone_model{model, input_tensors = other, clone_function = function(l) return l end}
    assert.same({"other"}, kept.input_names)
    assert.equal(model.weights[1], kept.weights[1])
    raises(function() kl.models.clone_model(model, {clone_function = function() return 1 end}) end,
      "clone_function must return a layer; for 'double' it returned integer 1")
    raises(function() kl.models.clone_model(model, {input_tensors = {other, other}}) end, "has 1 inputs, input_tensors 2")
    raises(function() kl.models.clone_model(5) end, "a model expected, got integer 5")
    model.layers[3].trainable = false
    assert.equal(0, #kl.models.clone_model(model).trainable_weights)
  end)

  it("and configs keep the class and the trainable flags of models", function()
    local Own = Model:extend("Own")
    local inputs = kl.Input{3}
    local own = Own{inputs = inputs, outputs = L.Dense{1}(inputs)}
    assert.equal(Own, getmetatable(kl.models.clone_model(own)).class)
    assert.equal(Own, getmetatable(Own:from_config(own:get_config())).class)
    local seq = kl.Sequential{kl.Input{3}, L.BatchNormalization{axis = 2}, L.Dense{1}, name = "s"}
    seq.trainable = false
    local Known = kl.Layer:extend("Known")
    function Known:call(v) return v + 1 end
    local config = kl.Sequential{kl.Input{2}, Known{}}:get_config()
    raises(function() kl.Sequential:from_config(config) end, "the class 'Known' .*is not known: pass it in custom_objects")
    assert.equal(Known, getmetatable(kl.Sequential:from_config(config, {custom_objects = {Known = Known}}).layers[1]).class)
    do
      local outer <close> = kl.utils.custom_object_scope{Known = Known}
      do
        local inner <close> = kl.utils.custom_object_scope{Other = Known}
        assert.equal(Known, getmetatable(kl.Sequential:from_config(config).layers[1]).class)
        local _ = inner
      end
      assert.equal(Known, getmetatable(kl.Sequential:from_config(config).layers[1]).class)
      local _ = outer
    end
    raises(function() kl.Sequential:from_config(config) end, "is not known")
    local written = L.serialize(Known{name = "k"})
    assert.same({"Known", "k"}, {written.class_name, written.config.name})
    assert.equal("k", L.deserialize(written, {custom_objects = {Known = Known}}).name)
    raises(function() L.deserialize(written) end, "the class 'Known' .*is not known")
    assert.equal(2, L.deserialize(L.serialize(L.BatchNormalization{axis = 2})).axis) -- in between it counts from 0
    raises(function() kl.utils.custom_object_scope(Known) end, "a table of classes and functions by name expected")
    raises(function() kl.Sequential:from_config(config, {custom = {}}) end, "from_config: unknown option 'custom'")
    local again = kl.Sequential:from_config(seq:get_config())
    assert.same({"s", 6, 0}, {again.name, #again.weights, #again.trainable_weights})
    raises(function() kl.models.model_from_json("{}") end, "the text holds no model")
    raises(function() kl.models.model_from_json("{") end, "model_from_json: kl.json.decode")
    raises(function() kl.models.model_from_json(1) end, "a JSON text expected")
    assert.equal(1, #tree.flatten(again.outputs))
  end)
end)
