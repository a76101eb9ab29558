-- Where things lie in a file: Keras's places (formats 3.1 to 3.6), and nothing besides but /kl/manifest.
local kl = require "kl"
local support = dofile "tests/saving/support.lua"

local L, core = kl.layers, kl.core
kl.set_seed(13)

--- All groups and datasets of an HDF5 file, each "path" or "path shape", sorted; without /kl.
local function tree_of(file)
  local list, shapes = {}, {}
  for _, d in ipairs(file:datasets()) do shapes[d.path] = d.dtype .. "(" .. table.concat(d.shape, ",") .. ")" end
  local function visit(path)
    for _, name in ipairs(file:children(path)) do
      local child = path == "/" and "/" .. name or path .. "/" .. name
      if child ~= "/kl" then
        list[#list + 1] = shapes[child] and child .. " " .. shapes[child] or child
        if not shapes[child] then visit(child) end
      end
    end
  end
  visit("/")
  return list
end

local function open_written(model, extension)
  local folder <close> = support.folder()
  local path = folder .. "/m." .. extension
  if extension == "weights.h5" then model:save_weights(path) else model:save(path) end
  return extension == "keras" and core.io.zip_open(path) or core.io.h5_open(path)
end

--- The lines of a text, without what is around them.
local function lines(text)
  local list = {}
  for line in text:gmatch("[^\n]+") do list[#list + 1] = line:match("^%s*(.-)%s*$") end
  return list
end

local function mlp()
  local model = kl.Sequential{kl.Input{4}, L.Dense{3, activation = "relu", name = "first"}, L.BatchNormalization{},
    L.Dropout{0.5}, L.Dense{2}, name = "mlp"}
  model:compile{optimizer = kl.optimizers.SGD{0.1, momentum = 0.9, name = "descent"}, loss = "mse"}
  return model
end

describe("a .weights.h5 file", function()
  it("has the tree of Keras's own file", function()
    local model = kl.Sequential{kl.Input{4}, L.Dense{3}, L.BatchNormalization{}, L.Dropout{0.5}, L.Dense{2}}
    model:compile{optimizer = "adam", loss = "mse"}
    model.optimizer:build(model.trainable_weights)
    local ours <close> = open_written(model, "weights.h5")
    local theirs <close> = core.io.h5_open("tests/golden/keras_mlp.weights.h5")
    local a, b = tree_of(ours), tree_of(theirs)
    for _, list in ipairs{a, b} do
      for i, line in ipairs(list) do list[i] = line:gsub("^(/optimizer/vars/0) int%d+", "%1 int") end -- 3.3: 32 or 64 bits
    end
    assert.same(b, a)
  end)
  it("keys layers by class, in the order of the model, with variables in order and names as attributes", function()
    local model = mlp()
    model:train_on_batch{kl.ones{2, 4}, kl.ones{2, 2}}
    local file <close> = open_written(model, "weights.h5")
    assert.same(lines[[
      /layers
      /layers/batch_normalization
      /layers/batch_normalization/vars
      /layers/batch_normalization/vars/0 float32(3)
      /layers/batch_normalization/vars/1 float32(3)
      /layers/batch_normalization/vars/2 float32(3)
      /layers/batch_normalization/vars/3 float32(3)
      /layers/dense
      /layers/dense/vars
      /layers/dense/vars/0 float32(4,3)
      /layers/dense/vars/1 float32(3)
      /layers/dense_1
      /layers/dense_1/vars
      /layers/dense_1/vars/0 float32(3,2)
      /layers/dense_1/vars/1 float32(2)
      /layers/dropout
      /layers/dropout/vars
      /optimizer
      /optimizer/vars
      /optimizer/vars/0 int64()
      /optimizer/vars/1 float32()
      /optimizer/vars/2 float32(4,3)
      /optimizer/vars/3 float32(3)
      /optimizer/vars/4 float32(3)
      /optimizer/vars/5 float32(3)
      /optimizer/vars/6 float32(3,2)
      /optimizer/vars/7 float32(2)
      /vars]], tree_of(file))
    assert.equal("first", file:attribute("/layers/dense/vars", "name"))
    assert.equal("mlp", file:attribute("/vars", "name"))
    assert.equal("descent", file:attribute("/optimizer/vars", "name"))
    for i, v in ipairs(model.layers[2].weights) do
      assert.same(v.value:totable(), file:read("/layers/batch_normalization/vars/" .. i - 1):totable())
    end
  end)
  it("gives graphs, models inside and words of several capitals Keras's keys", function()
    local x = kl.Input{3}
    local inner = kl.Sequential{L.PReLU{}, L.Dense{3}}
    local h = kl.Input{3}
    local block = kl.Model{inputs = h, outputs = L.ReLU{}(h), name = "block"}
    local y = L.ELU{}(L.LeakyReLU{}(block(inner(x))))
    local file <close> = open_written(kl.Model{inputs = x, outputs = y}, "weights.h5")
    assert.same({"elu", "functional", "input_layer", "leaky_re_lu", "sequential"}, file:children("/layers"))
    assert.same({"dense", "p_re_lu"}, file:children("/layers/sequential/layers"))
    assert.same({"input_layer", "re_lu"}, file:children("/layers/functional/layers"))
  end)
  it("keeps a layer that is used twice once, and counts repeats in each container", function()
    local x, shared = kl.Input{3}, L.Dense{3}
    local y = L.Add{}{shared(x), shared(L.Dense{3}(x))}
    local file <close> = open_written(kl.Model{inputs = x, outputs = y}, "weights.h5")
    assert.same({"add", "dense", "dense_1", "input_layer"}, file:children("/layers"))
  end)
  it("names fields of a subclass in their alphabetical order, underscores last, lists by class", function()
    local Model = kl.Model:extend("Fields")
    function Model:init()
      Model.super.init(self)
      self._last = L.Dense{1}
      self.b = L.Dense{1}
      self.a = {L.Dense{1}, {L.Dense{1}}, L.ReLU{}, L.Dense{1}}
      self.again, self._again = self.b, self.b
      self.own = self:add_weight{name = "own", shape = {2}}
    end
    function Model:call(t)
      return self._last(self.a[4](self.a[3](self.a[2][1](self.a[1](self.b(t))))))
    end
    local model = Model()
    model(kl.ones{2, 1})
    local file <close> = open_written(model, "weights.h5")
    assert.same({"_last", "a", "again", "kl", "vars"}, file:children("/")) -- the first path of a shared layer
    assert.same({"container", "dense", "dense_1", "re_lu"}, file:children("/a"))
    assert.same({"dense"}, file:children("/a/container"))
    assert.same({"0"}, file:children("/vars"))
  end)
  it("has a whole manifest, and nothing else beside Keras's tree", function()
    local file <close> = open_written(mlp(), "weights.h5")
    assert.is_true(file:check_manifest())
    assert.same({"kl", "layers", "optimizer", "vars"}, file:children("/"))
    assert.same({"manifest"}, file:children("/kl"))
    assert.equal("kl-checkpoint", file:attribute("/kl", "format"))
    assert.equal(1, file:attribute("/kl", "format_version"))
    local manifest = kl.json.decode(file:bytes("/kl/manifest"))
    assert.equal("SGD", manifest.optimizer)
    assert.equal(#file:datasets() - 1, #manifest.datasets)
  end)
  it("is the same, bit by bit, for the same state, but for the time", function()
    local function bytes(model)
      local folder <close> = support.folder()
      model:save_weights(folder .. "/m.weights.h5")
      return support.read(folder .. "/m.weights.h5"):gsub('"created":"[^"]*"', ""):gsub('"manifest_crc32c":"%x+"', "")
    end
    local model = mlp()
    local a, b = bytes(model), bytes(model)
    local differing = 0
    assert.equal(#a, #b)
    for i = 1, #a do differing = differing + (a:byte(i) ~= b:byte(i) and 1 or 0) end
    assert.is_true(differing <= 4, differing .. " bytes differ") -- a checksum of the library's
  end)
end)

describe("a .keras file", function()
  local zip = open_written(mlp(), "keras")
  local config = kl.json.decode(zip:read("config.json"))
  it("holds three stored entries in order", function()
    assert.same({"metadata.json", "config.json", "model.weights.h5"}, zip:names())
    local metadata = kl.json.decode(zip:read("metadata.json"))
    assert.matches("^3%.%d+%.%d+$", metadata.keras_version)
    assert.matches("^%d%d%d%d%-%d%d%-%d%d@%d%d:%d%d:%d%d$", metadata.date_saved)
    local file <close> = core.io.h5_open(zip:read("model.weights.h5"))
    assert.is_true(file:check_manifest())
    assert.same({"batch_normalization", "dense", "dense_1", "dropout"}, file:children("/layers"))
  end)
  it("describes a Sequential with Keras's keys", function()
    assert.same({"keras", "Sequential"}, {config.module, config.class_name})
    assert.equal(kl.json.null, config.registered_name)
    assert.same({"InputLayer", "Dense", "BatchNormalization", "Dropout", "Dense"}, (function()
      local names = {}
      for i, layer in ipairs(config.config.layers) do
        names[i] = layer.class_name
        assert.equal("keras.layers", layer.module)
      end
      return names
    end)())
    local dense = config.config.layers[2]
    assert.same({"first", "relu", 3}, {dense.config.name, dense.config.activation, dense.config.units})
    assert.equal("float32", dense.config.dtype.config.name)
    assert.equal("[null,4]", kl.json.encode(dense.build_config.input_shape))
    assert.equal("[null,4]", kl.json.encode(config.config.build_input_shape))
    assert.same({"keras.optimizers", "SGD", "mse"}, {config.compile_config.optimizer.module,
      config.compile_config.optimizer.class_name, config.compile_config.loss})
  end)
  it("describes a graph by the calls of its layers, with axes one less than in Lua", function()
    local a, b = kl.Input{2, 3, name = "a"}, kl.Input{2, 3, name = "b"}
    local shared = L.Dense{3, name = "shared"}
    local y = L.Concatenate{axis = 2, name = "join"}{shared(a), shared(b), a}
    local model = kl.Model{inputs = {a, b}, outputs = {y, shared.output}, name = "graph"}
    local file <close> = open_written(model, "keras")
    local object = kl.json.decode(file:read("config.json"))
    assert.same({"keras.src.models.functional", "Functional", "Functional"},
      {object.module, object.class_name, object.registered_name})
    assert.equal('[["a",0,0],["b",0,0]]', kl.json.encode(object.config.input_layers))
    assert.equal('[["join",0,0],["shared",0,0]]', kl.json.encode(object.config.output_layers))
    local by_name = {}
    for _, layer in ipairs(object.config.layers) do by_name[layer.name] = layer end
    assert.equal(1, by_name.join.config.axis)
    assert.equal(2, #by_name.shared.inbound_nodes)
    local histories = {}
    for i, t in ipairs(by_name.join.inbound_nodes[1].args[1]) do
      assert.equal("__keras_tensor__", t.class_name)
      histories[i] = kl.json.encode(t.config.keras_history)
    end
    assert.same({'["shared",0,0]', '["shared",1,0]', '["a",0,0]'}, histories)
    assert.equal("[]", kl.json.encode(by_name.a.inbound_nodes))
  end)
  it("writes an axis that is open as null", function()
    local file <close> = open_written(kl.Sequential{kl.Input{false, 2}, L.Dropout{0.1, noise_shape = {false, 1, false}}}, "keras")
    local layers = kl.json.decode(file:read("config.json")).config.layers
    assert.equal("[null,null,2]", kl.json.encode(layers[1].config.batch_shape))
    assert.equal("[null,1,null]", kl.json.encode(layers[2].config.noise_shape))
  end)
end)

describe("a .h5 file", function()
  local model = mlp()
  model:train_on_batch{kl.ones{2, 4}, kl.ones{2, 2}}
  local file = open_written(model, "h5")
  it("lists layers and weights in the order of the model", function()
    assert.same({"first", "batch_normalization", "dropout", "dense"}, (function()
      local names = file:attribute("/model_weights", "layer_names")
      for i, name in ipairs(names) do names[i] = name:gsub("_%d+$", "") end
      return names
    end)())
    assert.same({"mlp/first/kernel", "mlp/first/bias"}, file:attribute("/model_weights/first", "weight_names"))
    assert.same({}, file:attribute("/model_weights/" .. model.layers[3].name, "weight_names"))
    assert.same(model.layers[1].kernel.value:totable(), file:read("/model_weights/first/mlp/first/kernel"):totable())
    assert.same({}, file:attribute("/model_weights/top_level_model_weights", "weight_names"))
    local names = file:attribute("/optimizer_weights", "weight_names")
    assert.same({"descent/iteration", "descent/learning_rate", "descent/mlp_first_kernel_momentum"}, {table.unpack(names, 1, 3)})
    for _, name in ipairs(names) do assert.equal("dataset", file:kind("/optimizer_weights/" .. name)) end
  end)
  it("has the configs as text, in the flat form", function()
    local config = kl.json.decode(file:attribute("/", "model_config"))
    assert.equal("Sequential", config.class_name)
    assert.is_nil(config.module)
    assert.is_nil(config.config.layers[2].module)
    local training = kl.json.decode(file:attribute("/", "training_config"))
    assert.equal("SGD", training.optimizer_config.class_name)
    assert.equal("mean_squared_error", training.loss) -- Keras knows no short names here
    assert.matches("^3%.", file:attribute("/", "keras_version"))
    assert.matches("^3%.", file:attribute("/model_weights", "keras_version"))
    assert.is_true(file:check_manifest())
  end)
  it("writes weights of one name apart", function()
    local Twins = kl.Layer:extend("Twins")
    function Twins:build()
      self.a, self.b = self:add_weight{shape = {1}}, self:add_weight{shape = {2}}
    end
    function Twins:call(x) return x end
    local twins <close> = open_written(kl.Sequential{kl.Input{1}, Twins{name = "twins"}, name = "m"}, "h5")
    assert.same({"m/twins/variable", "m/twins/variable_1"}, twins:attribute("/model_weights/twins", "weight_names"))
  end)
  it("splits a list of names that is too long for one attribute, and reads it again", function()
    local big = kl.Sequential{kl.Input{1}, name = "big"}
    local names = {}
    for i = 1, 80 do
      names[i] = ("n"):rep(900) .. i
      big:add(L.Dense{1, name = names[i]})
    end
    support.scramble(big)
    local folder <close> = support.folder()
    big:save(folder .. "/big.h5")
    local written <close> = core.io.h5_open(folder .. "/big.h5")
    assert.is_nil(written:attribute("/model_weights", "layer_names"))
    assert.equal(names[1], written:attribute("/model_weights", "layer_names0")[1])
    support.same_state(kl.models.load_model(folder .. "/big.h5"), big, "big")
  end)
end)
