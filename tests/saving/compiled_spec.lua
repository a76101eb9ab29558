-- What compile was given, and the optimizer's state, come back; training goes on as if nothing had happened.
local kl = require "kl"
local objects = require "objects"
local raises = require "raises"
local support = dofile "tests/saving/support.lua"

local L, O, S, losses, metrics = kl.layers, kl.optimizers, kl.optimizers.schedules, kl.losses, kl.metrics
local load_model = kl.models.load_model
kl.set_seed(12)

local x, y = kl.random.normal{6, 4}, kl.softmax(kl.random.normal{6, 2})

local function network()
  return kl.Sequential{kl.Input{4}, L.Dense{3, activation = "tanh", kernel_constraint = "max_norm"}, L.BatchNormalization{},
    L.Dense{2, kernel_regularizer = "l2"}}
end

local function compiled(options)
  local model = network()
  model:compile(options)
  return model
end

local function train(model, steps)
  for _ = 1, steps do model:train_on_batch{x, y} end
end

--- Calls f(path) for a file in a new folder with each of the extensions.
local function with_files(extensions, f)
  local folder <close> = support.folder()
  for _, extension in ipairs(extensions) do f(folder .. "/m." .. extension, extension) end
end

local optimizers = {
  ["SGD"] = function() return O.SGD{0.1} end,
  ["SGD with momentum"] = function() return O.SGD{0.1, momentum = 0.9} end,
  ["SGD with Nesterov's momentum and decay"] = function() return O.SGD{0.1, 0.9, true, weight_decay = 0.01, clipnorm = 0.5} end,
  ["RMSprop"] = function() return O.RMSprop{0.01, name = "mine"} end,
  ["RMSprop, centered, with momentum"] = function() return O.RMSprop{0.01, 0.8, 0.5, centered = true, clipvalue = 0.1} end,
  ["Adam"] = function() return O.Adam{} end,
  ["Adam with amsgrad"] = function() return O.Adam{0.01, 0.8, 0.9, 1e-5, true, global_clipnorm = 1.0} end,
}
local schedules = {
  ExponentialDecay = function() return S.ExponentialDecay{0.1, 2, 0.9, true} end,
  InverseTimeDecay = function() return S.InverseTimeDecay{0.1, 2, 0.5, name = "mine"} end,
  PiecewiseConstantDecay = function() return S.PiecewiseConstantDecay{{1, 4}, {0.1, 0.05, 0.01}} end,
  PolynomialDecay = function() return S.PolynomialDecay{0.1, 5, power = 2.0, cycle = true} end,
  CosineDecay = function() return S.CosineDecay{0.1, 10, 0.1, warmup_target = 0.2, warmup_steps = 2} end,
  CosineDecayRestarts = function() return S.CosineDecayRestarts{0.1, 4, m_mul = 0.5} end,
}
for name, make in pairs(schedules) do
  optimizers["SGD with " .. name] = function() return O.SGD{make(), momentum = 0.5} end
end

describe("a compiled model that is saved and loaded", function()
  it("is tested with every optimizer and schedule", function()
    local found = {}
    for _, make in pairs(optimizers) do found[getmetatable(make()).__name] = true end
    assert.same(objects.names(O.classes), objects.names(found))
    assert.same(objects.names(S.classes), objects.names(schedules))
  end)
  for _, name in ipairs(objects.names(optimizers)) do
    it("trains on with the same bits as without: " .. name, function()
      local model = compiled{optimizer = optimizers[name](), loss = "mse", metrics = {"mae"}}
      train(model, 3)
      with_files({"keras", "h5", "weights.h5"}, function(path, extension)
        local copy
        local going_on = network()
        if extension == "weights.h5" then
          model:save_weights(path)
          copy = compiled{optimizer = optimizers[name](), loss = "mse", metrics = {"mae"}}
          copy:load_weights(path)
        else
          model:save(path)
          copy = load_model(path)
        end
        support.same_state(copy, model, extension)
        assert.equal(3, copy.optimizer.iterations:item())
        local ours, theirs = copy.optimizer:get_config(), model.optimizer:get_config()
        if extension == "weights.h5" then ours.name, theirs.name = nil, nil end
        assert.same(theirs, ours)
        -- on with a third model, so that the first stays for the next file
        going_on:compile{optimizer = optimizers[name](), loss = "mse", metrics = {"mae"}}
        going_on.optimizer:build(going_on.trainable_weights)
        for i, w in ipairs(going_on.weights) do w:assign(model.weights[i]) end
        for i, v in ipairs(going_on.optimizer.variables) do v:assign(model.optimizer.variables[i]) end
        train(copy, 3)
        train(going_on, 3)
        support.same_state(copy, going_on, extension)
      end)
    end)
  end
  it("keeps a learning rate that was set", function()
    local model = compiled{optimizer = "adam", loss = "mse"}
    model.optimizer.learning_rate = 0.125
    with_files({"keras", "h5"}, function(path)
      model:save(path)
      assert.equal(0.125, load_model(path).optimizer.learning_rate:item())
    end)
  end)
  it("may not have been trained yet", function()
    local model = compiled{optimizer = "adam", loss = "mse"}
    with_files({"keras", "h5"}, function(path)
      model:save(path)
      local copy = load_model(path)
      assert.equal(2, #copy.optimizer.variables)
      train(copy, 1)
      train(model, 1)
      support.same_state(copy, model, path)
      model = compiled{optimizer = "adam", loss = "mse"}
    end)
  end)
  it("is not compiled where compile = false asks for that, or nothing was compiled", function()
    with_files({"keras", "h5"}, function(path)
      compiled{optimizer = "sgd", loss = "mse"}:save(path)
      assert.is_false(load_model(path, {compile = false})._compiled)
      network():save(path)
      assert.is_false(load_model(path)._compiled)
    end)
  end)
  it("has the state for the layers that were trained, whatever was frozen or thawed since", function()
    for _, first in ipairs{true, false} do
      local model = network()
      model.layers[1].trainable = first
      model:compile{optimizer = "adam", loss = "mse"}
      train(model, 2)
      model.layers[1].trainable = not first
      with_files({"keras", "h5", "weights.h5"}, function(path, extension)
        local copy = network()
        if extension == "weights.h5" then
          model:save_weights(path)
          copy:compile{optimizer = "adam", loss = "mse"}
          copy.layers[1].trainable = not first
          copy:load_weights(path)
        else
          model:save(path)
          copy = load_model(path)
        end
        support.same_state(copy, model, extension)
      end)
    end
  end)
  it("may have no optimizer state to train frozen layers with", function()
    local model = network()
    model.layers[1].trainable = false
    model:compile{optimizer = "adam", loss = "mse"}
    train(model, 2)
    with_files({"keras", "h5"}, function(path)
      model:save(path)
      support.same_state(load_model(path), model, path)
    end)
  end)
end)

describe("compile options in a file", function()
  local function logs(m) -- as text: a loss of counts may be NaN here
    local texts = {}
    for name, value in pairs(m:evaluate{x, y, verbose = 0, return_dict = true}) do texts[name] = ("%.17g"):format(value) end
    return texts
  end

  --- Loss values and metrics that the copy shows are those of the model, by name.
  local function same_logs(options)
    local model = compiled(options)
    with_files({"keras", "h5"}, function(path)
      model:save(path)
      local copy = load_model(path)
      assert.same(logs(model), logs(copy))
    end)
  end
  local given = {
    ["a loss by its short name"] = {loss = "mse"},
    ["a loss function of kl's"] = {loss = losses.mean_absolute_error},
    ["names of metrics"] = {loss = "mae", metrics = {"mse", "mean_absolute_error", "acc"}, weighted_metrics = {"accuracy"}},
    ["objects with options"] = {
      loss = losses.CategoricalCrossentropy{from_logits = true, label_smoothing = 0.2, reduction = "sum"},
      metrics = {metrics.BinaryAccuracy{threshold = 0.3, name = "mine"}, metrics.MeanSquaredError{}}},
    ["metric functions of kl's"] = {loss = "mse", metrics = {losses.mean_absolute_error}},
    ["no loss at all"] = {metrics = {"mse"}},
  }
  for _, name in ipairs(objects.names(given)) do
    it("comes back: " .. name, function() same_logs(given[name]) end)
  end
  for _, name in ipairs(objects.names(losses.classes)) do
    if not losses.classes[name].takes_labels then
      it("holds the loss as an object: " .. name, function() same_logs{loss = losses.classes[name]{name = "mine"}} end)
    end
  end
  it("holds user's classes that are passed", function()
    local Squares = losses.Loss:extend("Squares")
    function Squares:call(a, b) return kl.mean(kl.square(a - b), -1) end
    local model = compiled{optimizer = "sgd", loss = Squares{}}
    with_files({"keras", "h5"}, function(path)
      model:save(path)
      assert.equal(Squares, getmetatable(load_model(path, {custom_objects = {Squares = Squares}})._compiled.loss).class)
      raises(function() load_model(path) end, "the class 'Squares'.*is not known: pass it in custom_objects or register it")
    end)
  end)
  it("holds user's optimizers and metrics", function()
    local Mine, Total = O.SGD:extend("Mine"), metrics.Metric:extend("Total")
    function Total:init(options)
      Total.super.init(self, options)
      self.total = self:add_weight{name = "total"}
    end
    function Total:update_state(_, p) self.total:assign_add(kl.sum(p)) end
    function Total:result() return self.total.value end
    local mine = {custom_objects = {Mine = Mine, Total = Total}}
    local model = compiled{optimizer = Mine{0.1, momentum = 0.9}, loss = "mse", metrics = {Total{name = "sum of all"}}}
    train(model, 2)
    with_files({"keras", "h5"}, function(path)
      model:save(path)
      local copy = load_model(path, mine)
      assert.equal(Mine, getmetatable(copy.optimizer).class)
      support.same_state(copy, model, path)
      assert.same(logs(model), logs(copy))
    end)
  end)
  it("hold Lua functions that have a name, which is the loss's and the metric's in the logs", function()
    local function squash(v) return kl.tanh(v) * 0.5 end
    local function far(a, b) return kl.mean(kl.abs(a - b), -1) end
    kl.register(squash, {name = "squash"})
    kl.register(far, {package = "mine", name = "far"})
    local model = kl.Sequential{kl.Input{4}, L.Dense{3, activation = squash}, L.Activation{squash}, L.Dense{2}}
    model:compile{optimizer = "sgd", loss = far, metrics = {far, metrics.MeanMetricWrapper{far, name = "object"}}}
    local expected = model:evaluate{x, y, verbose = 0, return_dict = true}
    assert.same({"far", "loss", "object"}, objects.names(expected))
    with_files({"keras", "h5"}, function(path)
      model:save(path)
      local again = load_model(path)
      assert.same(expected, again:evaluate{x, y, verbose = 0, return_dict = true})
      assert.equal(squash, again.layers[1].activation)
      local other = load_model(path, {custom_objects = {squash = kl.tanh, ["mine>far"] = losses.mean_squared_error}})
      assert.equal(kl.tanh, other.layers[1].activation)
      assert.is_not.equal(expected.loss, other:evaluate{x, y, verbose = 0, return_dict = true}.loss)
    end)
    raises(function() kl.register(function() end) end, "a Lua function has no name of its own")
    raises(function() kl.register(1, {name = "one"}) end, "a class or a function expected, got integer 1")
    raises(function() kl.register(squash, {nam = "s"}) end, "unknown option 'nam'; did you mean 'name'")
  end)
  it("cannot hold other Lua functions, which is warned of, and the model is saved", function()
    local model = compiled{optimizer = "sgd", loss = function(a, b) return kl.mean(kl.square(a - b), -1) end}
    with_files({"keras", "h5"}, function(path)
      local warned = support.warnings(function() model:save(path) end)
      assert.matches("the compile options of model '[%w_]+' are not saved: a Lua function cannot be saved", warned)
      assert.is_false(load_model(path)._compiled)
    end)
  end)
end)

describe("optimizer state that does not fit", function()
  local function state_of(options)
    local model = compiled{optimizer = options, loss = "mse"}
    train(model, 2)
    return model
  end
  local cases = {
    ["of another kind with as many variables"] =
      {O.SGD{0.1, 0.9}, O.RMSprop{}, "the state of SGD, the model is compiled with RMSprop"},
    ["of another kind"] = {O.Adam{}, O.SGD{}, "the state of Adam, the model is compiled with SGD"},
    ["of another count"] = {O.SGD{0.1, 0.9}, O.SGD{}, "the file has 8 variables, 'sgd_?%d*' has 2"},
    ["of more"] = {O.Adam{}, O.Adam{amsgrad = true}, "the file has 14 variables, 'adam_?%d*' has 20"},
    ["with a schedule"] = {O.SGD{S.ExponentialDecay{0.1, 2, 0.9}}, O.SGD{}, "the file has 1 variables, 'sgd_?%d*' has 2"},
  }
  for name, case in pairs(cases) do
    it("is an error, and a warning with skip_mismatch: " .. name, function()
      local model = state_of(case[1])
      with_files({"weights.h5"}, function(path)
        model:save_weights(path)
        local other = compiled{optimizer = case[2], loss = "mse"}
        local before = other:get_weights()
        raises(function() other:load_weights(path) end, "m%.weights%.h5 does not fit model '[%w_]+':\n  optimizer: .*" .. case[3])
        support.same_bits(other:get_weights(), before, "after the error")
        if case[3]:find("^the state of") then assert.is_false(other.optimizer.built) end
        assert.equal(0, other.optimizer.iterations:item())
        assert.matches(case[3], support.warnings(function() other:load_weights(path, {skip_mismatch = true}) end))
        support.same_bits(other:get_weights(), model:get_weights(), "with skip_mismatch")
        assert.equal(0, other.optimizer.iterations:item())
        train(other, 1)
      end)
    end)
  end
  it("is ignored by a model that is not compiled", function()
    local model = state_of(O.Adam{})
    with_files({"weights.h5"}, function(path)
      model:save_weights(path)
      local other = network()
      assert.equal("", support.warnings(function() other:load_weights(path) end))
      support.same_bits(other:get_weights(), model:get_weights(), "weights")
    end)
  end)
  it("is missing in files of models that were not compiled, which is warned of", function()
    with_files({"weights.h5"}, function(path)
      network():save_weights(path)
      local other = state_of(O.Adam{})
      assert.matches("m%.weights%.h5 holds no optimizer state: the optimizer of model '[%w_]+' stays as it is",
        support.warnings(function() other:load_weights(path) end))
      assert.equal(2, other.optimizer.iterations:item())
    end)
  end)
end)

describe("what was compiled for several outputs", function()
  local two = kl.softmax(kl.random.normal{6, 3})

  local function network_of_two()
    local input = kl.Input{4}
    local hidden = L.Dense{3}(input)
    return kl.Model{inputs = input, outputs = {L.Dense{2, name = "one"}(hidden), L.Dense{3, activation = "softmax", name = "two"}(hidden)}}
  end

  local Largest = metrics.Metric:extend("Largest")
  function Largest:init(options)
    Largest.super.init(self, options)
    self.value = self:add_weight{name = "value"}
  end
  function Largest:update_state(_, y_pred) self.value:assign(kl.maximum(self.value, kl.max(y_pred))) end
  function Largest:result() return self.value end

  local options = {
    ["by name"] = {loss = {one = "mse", two = "categorical_crossentropy"}, loss_weights = {one = 0.5, two = 2.0},
      metrics = {one = {"mae"}, two = "accuracy"}, weighted_metrics = {two = {"acc"}}},
    ["as lists"] = {loss = {"mse", losses.CategoricalCrossentropy{label_smoothing = 0.1}}, loss_weights = {0.5, 2.0},
      metrics = {{"mae", "mse"}, {"accuracy"}}},
    ["one for all"] = {loss = "mse", loss_weights = 2.0, metrics = "mae"},
    ["with nothing for one, by name"] = {loss = {one = "mse", two = false}, metrics = {one = "mae"}},
    ["with nothing for one, in lists"] = {loss = {"mse", false}, metrics = {{"mae"}, {}}},
    ["with nothing for the first"] = {loss = {nil, "mse"}, metrics = {nil, {"mae"}}},
    ["with metrics of the user's"] = {loss = "mse", metrics = {one = Largest{}, two = {Largest{name = "most"}, "mae"}}},
  }
  for name, given in pairs(options) do
    it("comes back: " .. name, function()
      with_files({"keras", "h5"}, function(path)
        local model = network_of_two()
        local own = {optimizer = O.Adam{}}
        for k, v in pairs(given) do own[k] = v end
        model:compile(own)
        model:train_on_batch{x, {y, two}}
        model:save(path)
        local copy = load_model(path, {custom_objects = {Largest = Largest}})
        assert.same(model:evaluate{x, {y, two}, verbose = 0}, copy:evaluate{x, {y, two}, verbose = 0})
        for _, m in ipairs{model, copy} do m:train_on_batch{x, {y, two}} end
        for i, w in ipairs(model:get_weights()) do assert.is_true(kl.array_equal(w, copy:get_weights()[i])) end
        model:compile{loss = "mse"} -- lets the metrics go
      end)
    end)
  end
end)
