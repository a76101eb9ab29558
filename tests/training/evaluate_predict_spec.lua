-- lua/kl/training/fit.lua: evaluate, predict and the forms for one batch.
local kl = require "kl"
local raises = require "raises"
local training = require "training"
local column = training.column
local Dataset = kl.data.Dataset

local x, y = column{1, 2, 3}, column{2, 4, 3} -- squared errors of y = x: 1, 4, 0

describe("evaluate", function()
  it("gives loss and metrics over all samples as numbers by name, and trains nothing", function()
    local model = training.line(1, {metrics = {"mae"}})
    for _, batch_size in ipairs{1, 2, 3, 32} do
      local results = model:evaluate{x, y, batch_size = batch_size, verbose = 0, return_dict = true}
      assert.near(5 / 3, results.loss, 1e-6)
      assert.near(1, results.mae, 1e-6)
    end
    assert.equal(1, training.weight(model))
    assert.equal(0, model.optimizer.iterations:item())
  end)

  it("starts anew at each call", function()
    local model = training.line(1)
    model:evaluate{x, y * 100, verbose = 0}
    assert.same({loss = 1.0}, model:evaluate{column{1}, column{2}, verbose = 0})
  end)

  it("takes a data set, sample weights, and only `steps` batches", function()
    local model = training.line(1)
    local ds = Dataset.from_tensor_slices(x, y):batch(1)
    assert.near(5 / 3, model:evaluate{ds, verbose = 0}.loss, 1e-6)
    assert.same({loss = 2.5}, model:evaluate{ds, steps = 2, verbose = 0})
    assert.same({loss = 1.0}, model:evaluate{ds:repeat_():take(1), verbose = 0})
    assert.same({loss = 1.0}, model:evaluate{ds:repeat_(), steps = 1, verbose = 0})
    assert.same({loss = 2.5}, model:evaluate{x, y, batch_size = 1, steps = 2, verbose = 0})
    assert.near(1, model:evaluate{x, y, sample_weight = {3.0, 0.0, 1.0}, verbose = 0}.loss, 1e-6)
    assert.near(5 / 3, model:evaluate{x, y, steps = 2, verbose = 0}.loss, 1e-6)
  end)

  it("runs layers as in inference", function()
    local model = kl.Sequential{kl.Input{1}, kl.layers.Dropout{0.9}}
    model:compile{loss = "mse"}
    assert.same({loss = 0.0}, model:evaluate{x, x, verbose = 0})
  end)

  for _, case in ipairs{
    {{x, y, steps = 0}, "evaluate: 'steps' must be a positive integer, got integer 0"},
    {{x, y, return_dict = false}, "evaluate: results come by name: return_dict can only be true"},
    {{x, y, verbose = 3}, "evaluate: verbose must be 0, 1, 2 or \"auto\", got integer 3"},
    {{x, y, batchsize = 3}, "evaluate: unknown option 'batchsize'; did you mean 'batch_size'"},
    {{x, y, batch_size = 0}, "evaluate: batch_size must be a positive integer, got integer 0"},
    {{y = y}, "evaluate: there is no data: x is missing"},
    {{Dataset.from_tensor_slices(x, y):batch(1), y}, "a data set yields its own targets: y cannot be given too"},
    {{Dataset.from_tensor_slices(x, y):batch(1):skip(5)}, "evaluate: the data set gave no batch"},
    {{Dataset.from_tensor_slices(x, y):batch(1):repeat_()}, "the data set has no end: say how many batches to take %(steps%)"},
  } do
    it("refuses what is wrong: " .. case[2], function()
      local model = training.line(1)
      case[1].verbose = case[1].verbose or 0
      raises(function() model:evaluate(case[1]) end, case[2])
      assert.near(5 / 3, model:evaluate{x, y, verbose = 0}.loss, 1e-6)
    end)
  end
end)

describe("predict", function()
  it("joins the outputs of all batches in order", function()
    local model = training.line(2)
    for _, batch_size in ipairs{1, 2, 3, 32} do
      assert.same({{2.0}, {4.0}, {6.0}}, model:predict{x, batch_size = batch_size, verbose = 0}:totable())
    end
  end)

  it("needs no compile, and takes a bare tensor or a data set, whose targets it ignores", function()
    local model = kl.Sequential{kl.Input{1}, kl.layers.Identity{}}
    local _, outputs = training.output_of(function() return model:predict(x) end)
    assert.is_true(kl.array_equal(x, outputs))
    assert.is_true(kl.array_equal(x, model:predict{Dataset.from_tensor_slices(x, y):batch(2), verbose = 0}))
    assert.same({{1.0}, {2.0}}, model:predict{Dataset.from_tensor_slices(x):batch(1), steps = 2, verbose = 0}:totable())
  end)

  it("keeps the structure of the outputs", function()
    local Model = kl.Model:extend("Splitting")
    function Model:call(inputs) return {twice = inputs * 2, both = {inputs, -inputs}} end
    local outputs = Model():predict{x, batch_size = 2, verbose = 0}
    assert.same({{2.0}, {4.0}, {6.0}}, outputs.twice:totable())
    assert.same({{-1.0}, {-2.0}, {-3.0}}, outputs.both[2]:totable())
  end)

  it("takes inputs as a list or by name", function()
    local a, b = kl.Input{1, name = "a"}, kl.Input{1, name = "b"}
    local model = kl.Model{inputs = {a, b}, outputs = a - b}
    assert.same({{-1.0}, {-2.0}, {0.0}}, model:predict{{x, y}, verbose = 0}:totable())
    local named = kl.Model{inputs = {a = a, b = b}, outputs = a - b}
    assert.same({{-1.0}, {-2.0}, {0.0}}, named:predict{{a = x, b = y}, batch_size = 2, verbose = 0}:totable())
  end)

  it("runs an overridden predict_step, whose scalars are stacked", function()
    local Model = kl.Model:extend("Summing")
    function Model:predict_step(data) return kl.sum(data[1]) end
    assert.same({3.0, 3.0}, Model():predict{x, batch_size = 2, verbose = 0}:totable())
  end)

  it("says what is wrong", function()
    local model = training.line(1)
    raises(function() model:predict{x, y} end, "predict: batch_size must be a positive integer, got a float32 tensor of shape %(3, 1%)")
    raises(function() model:predict{verbose = 0} end, "predict: there is no data: x is missing")
    raises(function() model:predict{kl.ones{2, 3}, verbose = 0} end, "of the model has shape %(%?, 1%), got %(2, 3%)")
    raises(function() model:predict{Dataset.from_tensor_slices(x):batch(1):take(0), verbose = 0} end, "predict: the data set gave no batch")
    local Model = kl.Model:extend("Wrong")
    function Model:predict_step() return {1, "a"} end
    raises(function() Model():predict{x, verbose = 0} end, "predict_step of model 'wrong' must return tensors, got integer 1")
    assert.same({{1.0}, {2.0}, {3.0}}, model:predict{x, verbose = 0}:totable())
  end)
end)

describe("train_on_batch", function()
  it("updates once and gives the results from before the update, without those of earlier batches", function()
    local model = training.line(1, {metrics = {"mae"}})
    local results = model:train_on_batch{x, y}
    assert.near(5 / 3, results.loss, 1e-6)
    assert.near(1, results.mae, 1e-6)
    assert.near(1 + 0.1 * 2 * (1 * 1 + 2 * 2) / 3, training.weight(model), 1e-6)
    assert.equal(1, model.optimizer.iterations:item())
    training.line(1):train_on_batch{x, y * 100}
    model:set_weights{ {{1.0}} }
    assert.near(5 / 3, model:train_on_batch{x, y}.loss, 1e-6)
  end)

  it("weighs samples and classes", function()
    local model = training.line(1)
    assert.near(1, model:train_on_batch{x, y, sample_weight = {3.0, 0.0, 1.0}}.loss, 1e-6)
    model = training.line(1)
    assert.near(5.5 / 3, model:train_on_batch{x, y, class_weight = {[2] = 1.5, [3] = 7}}.loss, 1e-6)
  end)
end)

describe("test_on_batch", function()
  it("gives the results and changes nothing", function()
    local model = training.line(1, {weighted_metrics = {"mae"}})
    local results = model:test_on_batch{x, y, sample_weight = {1.0, 1.0, 0.0}}
    assert.near(5 / 3, results.loss, 1e-6)
    assert.near(1.5, results.mae, 1e-6)
    assert.equal(1, training.weight(model))
  end)

  it("knows no class_weight", function()
    raises(function() training.line(1):test_on_batch{x, y, class_weight = {}} end, "test_on_batch: unknown option 'class_weight'")
  end)
end)

describe("predict_on_batch", function()
  it("gives the outputs for one batch, however it is given", function()
    local model = training.line(2)
    for _, given in ipairs{x, {x}, {x = x}, {{{1}, {2}, {3}}}} do
      assert.same({{2.0}, {4.0}, {6.0}}, model:predict_on_batch(given):totable())
    end
  end)
end)

for _, name in ipairs{"train_on_batch", "test_on_batch"} do
  describe(name, function()
    it("refuses what is wrong", function()
      local model = training.line(1)
      raises(function() model[name](model, {x, column{1}}) end, name .. ": the arrays have different numbers of samples: x has 3, y has 1")
      raises(function() model[name](model, {x}) end, "the model has a loss but the data has no targets")
      raises(function() model[name](model, {x, y, return_dict = false}) end, "results come by name")
      raises(function() kl.Sequential{kl.layers.Dense{1}}[name](training.watched(), {x, labels = y}) end, "unknown option 'labels'")
      assert.near(5 / 3, model[name](model, {x, y}).loss, 1e-6)
    end)
  end)
end

for _, name in ipairs{"fit", "evaluate", "train_on_batch", "test_on_batch"} do
  it(name .. " needs a compiled model and says how to get one", function()
    local model = kl.Sequential{kl.Input{1}, kl.layers.Dense{1}}
    raises(function() model[name](model, {x, y}) end,
      name .. ": model 'sequential.*' is not compiled: call model:compile{optimizer = %.%.%., loss = %.%.%.} first")
  end)
end
