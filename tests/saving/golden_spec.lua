-- Files that real Keras made: keras_mlp.* with weights by a rule, keras_models/ of scripts/dev/golden/keras_models.py.
local kl = require "kl"
local compare = require "compare"
local raises = require "raises"
local support = dofile "tests/saving/support.lua"

local L = kl.layers
local load_model = kl.models.load_model
local golden = "tests/golden/"

--- The numbers in two nested lists differ by at most `limit`, relative where they are above 1.
local function within(got, expected, limit, what)
  if kl.core.kind(got) then got = got.ndim > 0 and got:totable() or got:item() end
  if type(expected) == "number" then
    local close = compare.close(got, expected, 0, limit * math.max(1, math.abs(expected)))
    assert(close, ("%s: %.9g, expected %.9g"):format(what, got, expected))
    return
  end
  for key, part in pairs(expected) do within(got[key], part, limit, what) end
end

--- value[i] = ((7 i + 3 k) mod 11 - 5) / 8 for the k-th variable (tests/golden/README.md).
local function rule(k, i) return ((7 * i + 3 * k) % 11 - 5) / 8 end

local function check_rule(variables, first, change)
  for n, v in ipairs(variables) do
    local flat = compare.flat(v.value)
    for i, got in ipairs(flat) do
      local expected = change(rule(first + n - 1, i - 1), v)
      assert(got == expected, ("%s: element %d is %g, expected %g"):format(v.path, i, got, expected))
    end
  end
end

local function mlp()
  return kl.Sequential{kl.Input{4}, L.Dense{3, activation = "relu"}, L.BatchNormalization{}, L.Dropout{0.5},
    L.Dense{2, activation = "softmax"}}
end

--- Everything that is known about the model of keras_mlp.*, but for the optimizer.
local function check_mlp(model)
  local k = 0
  for _, layer in ipairs(model.layers) do -- variables are counted in the order of the layers
    check_rule(layer.weights, k, function(value, v) return v.name == "moving_variance" and math.abs(value) + 0.5 or value end)
    k = k + #layer.weights
  end
  assert.equal(8, k)
  local zip <close> = kl.core.io.zip_open(golden .. "keras_mlp_io.npz")
  local x, y = support.npy(zip:read("x.npy")), support.npy(zip:read("y.npy"))
  within(model:predict{x, verbose = 0}, y:totable(), 1e-6, "y")
end

local function check_mlp_optimizer(optimizer)
  local variables = optimizer.variables
  assert.equal(2 + 2 * 6, #variables)
  assert.equal(17, optimizer.iterations:item())
  local slots = {table.unpack(variables, 3)}
  check_rule(slots, 102, function(value) return math.abs(value) end)
  assert.matches("kernel_momentum$", slots[1].name)
  assert.matches("kernel_velocity$", slots[2].name)
end

describe("keras_mlp, made by Keras 3.16", function()
  it("is loaded from .keras with weights, optimizer slots and compile options, and predicts the same", function()
    local model = load_model(golden .. "keras_mlp.keras")
    check_mlp(model)
    assert.equal("Adam", getmetatable(model.optimizer).__name)
    check_mlp_optimizer(model.optimizer)
  end)
  it("is loaded without being compiled when asked", function()
    local model = load_model(golden .. "keras_mlp.keras", {compile = false})
    check_mlp(model)
    assert.is_false(model.optimizer)
  end)
  for _, file in ipairs{"keras_mlp.weights.h5", "keras_mlp.keras"} do
    it("gives the weights in " .. file .. " to a model that was built by hand", function()
      local model = mlp()
      model:load_weights(golden .. file)
      check_mlp(model)
      model:compile{optimizer = "adam", loss = "mse"}
      model:load_weights(golden .. file)
      check_mlp_optimizer(model.optimizer)
    end)
  end
  it("trains on after loading", function()
    local model = load_model(golden .. "keras_mlp.keras")
    local labels = kl.tensor{0, 1, 0}
    model:compile{optimizer = model.optimizer, loss = "sparse_categorical_crossentropy"}
    model:train_on_batch{kl.random.normal{3, 4}, labels}
    assert.equal(18, model.optimizer.iterations:item())
  end)
  it("cannot be read from Keras's legacy .h5 yet, which is said", function()
    for _, f in ipairs{function() load_model(golden .. "keras_mlp_legacy.h5") end,
      function() mlp():load_weights(golden .. "keras_mlp_legacy.h5") end} do
      raises(f, "keras_mlp_legacy%.h5 is a legacy file of Keras's.*save it as %.keras")
    end
  end)
end)

describe("a model of real Keras", function()
  for _, name in ipairs{"options", "merges", "nested", "by_name", "adam", "rmsprop", "sgd", "double", "operations"} do
    it("predicts the same here: " .. name, function()
      local base = golden .. "keras_models/" .. name
      local stored = kl.json.decode(support.read(base .. ".json"))
      local model
      local warned = support.warnings(function() model = load_model(base .. ".keras") end)
      assert.equal("", warned)
      local x = support.tensors(model.inputs, stored.inputs)
      within(model:predict{x, verbose = 0}, stored.outputs, 1e-6, name)
      assert.equal(stored.optimizer == nil, not model.optimizer)
      for i, v in ipairs(stored.optimizer and model.optimizer.variables or {}) do within(v, stored.optimizer[i], 1e-6, v.path) end
      assert.equal(#(stored.optimizer or {}), model.optimizer and #model.optimizer.variables or 0)
    end)
  end
  it("keeps the compile options: adam", function()
    local model = load_model(golden .. "keras_models/adam.keras")
    local config = model.optimizer:get_config()
    assert.same({true, 0.1, 1.0}, {config.amsgrad, config.weight_decay, config.global_clipnorm})
    assert.near(0.01, config.learning_rate, 1e-9)
    local logs = model:train_on_batch{kl.ones{3, 4}, kl.ones{3, 2}, return_dict = true}
    assert.same({"loss", "mae", "second"}, (require "objects".names(logs)))
  end)
  it("keeps schedules: rmsprop, sgd", function()
    local model = load_model(golden .. "keras_models/rmsprop.keras")
    assert.near(0.01 * 0.9, model.optimizer.learning_rate:item(), 1e-8) -- after 3 of 2 steps, staircase
    assert.near(0.01, load_model(golden .. "keras_models/sgd.keras").optimizer.learning_rate:item(), 1e-8)
  end)
  it("keeps regularizers, constraints, initializers and axes: options", function()
    local model = load_model(golden .. "keras_models/options.keras")
    local first, norm = model:get_layer("first"), model.layers[2]
    assert.same({"L1L2", "MaxNorm", "HeNormal", "NonNeg", "Constant"}, {getmetatable(first.kernel_regularizer).__name,
      getmetatable(first.kernel_constraint).__name, getmetatable(first.kernel_initializer).__name,
      getmetatable(first.bias_constraint).__name, getmetatable(first.bias_initializer).__name})
    assert.same({2, 2, 3}, {first.kernel_constraint.axis, norm.axis, #model.losses})
  end)
end)
