-- lua/kl/training/compile.lua
local kl = require "kl"
local raises = require "raises"
local training = require "training"

local x, y = training.column{1, 2}, training.column{2, 4}

describe("compile", function()
  for what, case in pairs{
    ["names"] = {loss = "mean_squared_error", optimizer = "sgd", metrics = {"mae"}},
    ["Keras's other spellings"] = {loss = "MeanSquaredError", optimizer = "SGD", metrics = {"MeanAbsoluteError"}},
    ["objects"] = {loss = kl.losses.MeanSquaredError{}, optimizer = kl.optimizers.SGD{}, metrics = {kl.metrics.MeanAbsoluteError{}}},
    ["classes"] = {loss = kl.losses.MeanSquaredError, optimizer = kl.optimizers.SGD, metrics = {kl.metrics.MeanAbsoluteError}},
    ["functions"] = {optimizer = kl.optimizers.SGD{}, loss = function(a, b) return kl.mean(kl.square(a - b), -1) end,
      metrics = {function(a, b) return kl.mean(kl.abs(a - b), -1) end}},
    ["functions of the library"] = {loss = kl.losses.mean_squared_error, optimizer = "sgd", metrics = {kl.metrics.mean_absolute_error}},
  } do
    it("takes loss, optimizer and metrics as " .. what, function()
      local model = training.line(1)
      model:compile(case)
      local results = model:evaluate{x, y, verbose = 0}
      local metric
      for name, value in pairs(results) do
        if name ~= "loss" then metric = value end
      end
      assert.equal(2.5, results.loss)
      assert.equal(1.5, metric)
      model:fit{x, y, verbose = 0}
      assert.near(1 + 0.01 * 5, training.weight(model), 1e-6) -- the gradient is -mean(2 x (y - x)) = -5
    end)
  end

  it("takes rmsprop where no optimizer is given", function()
    local model = training.line(1)
    model:compile{loss = "mse"}
    assert.is_true(model.optimizer:is(kl.optimizers.RMSprop))
  end)

  it("lets one bare metric stand for a list", function()
    assert.equal(1.5, training.line(1, {metrics = "mae"}):evaluate{x, y, verbose = 0}.mae)
  end)

  for given, case in pairs{
    [{0.0, 1.0}] = {"binary_accuracy", {{0.4}, {0.6}}, 1},
    [{{0.0, 1.0}, {1.0, 0.0}}] = {"categorical_accuracy", {{0.4, 0.6}, {0.3, 0.7}}, 0.5},
    [{1, 0}] = {"sparse_categorical_accuracy", {{0.4, 0.6}, {0.3, 0.7}}, 0.5},
  } do
    it("takes 'accuracy' as " .. case[1] .. " where the shapes say so, and calls it as it was given", function()
      for _, name in ipairs{"accuracy", "acc"} do
        local model = kl.Sequential{kl.Input{#case[2][1]}, kl.layers.Identity{}}
        local sparse = case[1]:find("sparse")
        model:compile{loss = sparse and "sparse_categorical_crossentropy" or "mse", metrics = {name}}
        assert.equal(case[3], model:evaluate{kl.tensor(case[2]), kl.tensor(given), verbose = 0}[name])
      end
    end)
  end

  it("numbers metrics of the same name and prefixes weighted ones", function()
    local model = training.line(1, {metrics = {"mae", "mae"}, weighted_metrics = {"mae"}})
    local results = model:evaluate{x, y, sample_weight = kl.tensor{1.0, 3.0}, verbose = 0}
    assert.equal(1.5, results.mae)
    assert.equal(1.5, results.mae_1)
    assert.equal((1 + 3 * 2) / 4, results.weighted_mae) -- divided by the sum of the weights
    assert.equal((1 + 3 * 4) / 2, results.loss)         -- divided by the number of samples
  end)

  it("keeps what was compiled before if it fails", function()
    local model = training.line(1)
    local optimizer = model.optimizer
    raises(function() model:compile{optimizer = "adam", loss = "msee"} end, "no loss 'msee'")
    assert.equal(optimizer, model.optimizer)
    model:fit{x, y, verbose = 0}
  end)

  it("forgets the metrics of an earlier compile", function()
    local model = training.line(1, {metrics = {"mae"}})
    model:evaluate{x, y, verbose = 0}
    model:compile{loss = "mse"}
    assert.same({loss = 2.5}, model:evaluate{x, y, verbose = 0})
  end)

  for _, case in ipairs{
    {{loss = "mean_squared_eror"}, "there is no loss 'mean_squared_eror'; did you mean 'mean_squared_error'"},
    {{optimizer = "adm"}, "there is no optimizer 'adm'; did you mean 'adam'"},
    {{metrics = {"acuracy"}}, "there is no metric 'acuracy'; did you mean 'accuracy'"},
    {{metric = {"mae"}}, "compile: unknown option 'metric'; did you mean 'metrics'"},
    {{loss = 5}, "a loss must be a name, an object or a function, got integer 5"},
    {{loss = {"mse", "mse"}}, "compile: 'loss': the model has 1 output %('dense[_0-9]*'%), 2 are given"},
    {{loss = {a = "mse"}}, "compile: 'loss': the model has no output 'a' %(its outputs: 'dense[_0-9]*'%)"},
    {{loss = "mse", metrics = {a = {"mae"}}}, "compile: 'metrics': the model has no output 'a'"},
    {{loss = "mse", loss_weights = {1, 2}}, "compile: 'loss_weights': the model has 1 output"},
    {{loss = "mse", loss_weights = "2"}, "compile: 'loss_weights' must be numbers, got the string \"2\""},
    {{loss_weights = 2}, "'loss_weights' weigh losses, but no loss is given"},
    {{steps_per_execution = 0}, "compile: 'steps_per_execution' must be an integer >= 1, got 0"},
    {{run_eagerly = 1}, "compile: 'run_eagerly' must be a boolean, got integer 1"},
  } do
    it("refuses: " .. case[2], function()
      local model = training.line(1)
      raises(function() model:compile(case[1]) end, case[2])
    end)
  end
end)

describe("compute_loss", function()
  it("gives the compiled loss plus the losses of the layers", function()
    local model = kl.Sequential{kl.Input{1}, kl.layers.Dense{1, use_bias = false, kernel_regularizer = kl.regularizers.L2{0.5}}}
    model:set_weights{ {{2.0}} }
    model:compile{loss = "mse"}
    assert.equal(4 * 0.5, model:compute_loss{y = y, y_pred = model(x)}:item()) -- the predictions are right
  end)

  it("says what is missing", function()
    raises(function() training.line(1):compute_loss{y_pred = x} end, "the model has a loss but the data has no targets %(y%)")
    raises(function() training.line(1):compute_loss{y = y, y_pred = {x, x}} end,
      "has other outputs %(%[%*, %*%]%) than when it was compiled: dense[_0-9]*; compile it again")
    raises(function() training.line(1, {metrics = {"mae"}}):compute_metrics{x = x, y_pred = x} end,
      "compute_metrics: the model has metrics but the data has no targets %(y%)")
    raises(function() training.watched():compute_loss{y = y, y_pred = x} end, "has no loss to compute: give compile a loss")
  end)
end)

describe("metrics", function()
  it("are the loss tracker, the compiled ones and those in fields of the model and its layers", function()
    local Layer = kl.Layer:extend("Counting")
    function Layer:init(given)
      Layer.super.init(self, given)
      self.inner = kl.metrics.Sum{name = "inner"}
    end
    function Layer:call(inputs)
      self.inner:update_state(inputs)
      return inputs
    end
    local model = kl.Sequential{kl.Input{1}, Layer{}}
    model.own = kl.metrics.Mean{name = "own"}
    model:compile{loss = "mse", metrics = {"mae"}}
    assert.same({loss = 2.5, mae = 1.5, inner = 3.0, own = 0.0}, model:evaluate{x, y, verbose = 0})
    local names = {}
    for i, m in ipairs(model.metrics) do names[i] = m.name end
    assert.same({"loss", "mae", "own", "inner"}, names)
    model:reset_metrics()
    for name, value in pairs(model:get_metrics_result()) do assert.equal(0, value:item(), name) end
  end)

  it("whose result is a table are merged in", function()
    local Two = kl.metrics.Metric:extend("Two")
    function Two:update_state() end
    function Two:result() return {low = kl.tensor(1.0), high = kl.tensor(2.0)} end
    local model = training.line(1)
    model.two = Two{}
    assert.same({loss = 2.5, low = 1.0, high = 2.0}, model:evaluate{x, y, verbose = 0})
  end)

  it("of the same name are an error", function()
    local model = training.line(1)
    model.other = kl.metrics.Mean{name = "loss"}
    raises(function() model:evaluate{x, y, verbose = 0} end, "two metrics of model '.*' are called 'loss': give one another name")
  end)

  it("of a user's get targets with the axes of the predictions", function()
    local shapes
    local model = training.line(1, {metrics = {function(a, b)
      shapes = {#a.shape, #b.shape}
      return kl.mean(kl.abs(a - b), -1)
    end}})
    model:evaluate{x, kl.tensor{2.0, 4.0}, verbose = 0}
    assert.same({2, 2}, shapes)
  end)
end)
