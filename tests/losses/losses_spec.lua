-- Every loss of the list: values, gradients, configs, what a plan may record; and finding a loss by name.
local kl = require "kl"
local assert = require "luassert"
local gradients = require "gradients"
local near = require "near"
local objects = require "objects"
local raises = require "raises"
local traced = require "tracing"
local values = dofile "tests/losses/values.lua"

local losses = kl.losses

local function options_text(o)
  local key, value = next(o)
  return key and ("with %s = %s"):format(key, value) or "by default"
end

describe("every loss", function()
  for _, name in ipairs(objects.names(losses.classes)) do
    local cls = losses.classes[name]

    it(name .. " has check values", function() assert.is_table(values[name]) end)

    for _, sample in ipairs(values[name] or {}) do
      local options, y, p, plain, weighted, weights = table.unpack(sample)
      weights = weights or {1, 3}

      it(("%s gives Keras's values %s"):format(name, options_text(options)), function()
        near(cls(options)(y, p), plain, "without weights")
        near(cls(options)(y, p, weights), weighted, "with weights")
      end)

      it(("%s %s reads no value, so that it can be recorded"):format(name, options_text(options)), function()
        local loss, targets, scores = cls(options), kl.tensor(y), kl.tensor(p, "float32")
        near(traced(function() return loss(targets, scores, kl.tensor(weights, "float32")) end), weighted, "recorded")
      end)

      it(("%s %s has the gradient that differences show"):format(name, options_text(options)), function()
        local o = {dtype = "float64"}
        for key, value in pairs(options) do o[key] = value end
        local loss = cls(o)
        local x = kl.tensor(p, "float64") * 1.07 -- away from the edges of hinges
        gradients.check(function(xs) return {loss(y, xs[1], weights)} end, {x})
      end)

      it(("%s survives its config %s"):format(name, options_text(options)), function()
        local o = {name = "mine", reduction = "sum", dtype = "float64"}
        for key, value in pairs(options) do o[key] = value end
        local loss = cls(o)
        local copy = objects.round_trip(loss)
        assert.equal("mine", copy.name)
        assert.equal("sum", copy.reduction)
        assert.equal("float64", copy(y, p).dtype)
        near(copy(y, p), loss(y, p), "the copy")
      end)
    end

    it(name .. " takes Lua tables, integers and tensors of any type alike", function()
      local options, y, p, plain = table.unpack(values[name][1])
      for _, dtype in ipairs{"int32", "int64", "float32", "float64"} do
        near(cls(options)(kl.tensor(y, dtype), kl.tensor(p, "float64")), plain, dtype)
      end
    end)

    it(name .. " refuses unknown options, reductions, types and names of the wrong kind", function()
      raises(function() cls{reductoin = "sum"} end, name .. ": unknown option 'reductoin'; did you mean 'reduction'%?")
      raises(function() cls{reduction = "meen"} end, name .. ": reduction must be one of sum_over_batch_size.*did you mean 'mean'%?")
      raises(function() cls{name = 5} end, name .. ": 'name' must be a string, got integer 5")
    end)

    it(name .. " refuses an empty call and shapes that do not fit, naming both", function()
      local loss = cls{}
      raises(function() loss(nil, kl.ones{2, 3}) end, "'y_true' must be a tensor or a table of numbers, got nil")
      raises(function() loss(kl.ones{2, 3}) end, "'y_pred' must be a tensor or a table of numbers, got nil")
      raises(function() loss(kl.ones{3, 4}, kl.ones{2, 4}) end,
        "y_true of shape %(3, 4%) does not fit y_pred of shape %(2, 4%)")
      raises(function() loss(kl.ones{2, 3, 4}, kl.ones{2}) end, "does not fit y_pred")
    end)
  end

  it("refuses options of the wrong type", function()
    raises(function() losses.BinaryCrossentropy{from_logits = "yes"} end,
      "BinaryCrossentropy: 'from_logits' must be a boolean, got the string \"yes\"")
    raises(function() losses.CategoricalCrossentropy{label_smoothing = true} end,
      "'label_smoothing' must be a number, got boolean true")
    raises(function() losses.SparseCategoricalCrossentropy{axis = "last"} end, "'axis' must be a number")
  end)

  it("refuses options outside of what they can be", function()
    for _, q in ipairs{0, 1, -0.5, 0 / 0} do
      raises(function() losses.CategoricalGeneralizedCrossEntropy{q} end, "'q' must be above 0 and below 1")
    end
    raises(function() losses.BinaryCrossentropy{label_smoothing = 1.5} end, "'label_smoothing' must be a number >= 0 and <= 1, got 1.5")
    raises(function() losses.BinaryCrossentropy{label_smoothing = {}} end, "'label_smoothing' must be a number, got a table")
    raises(function() kl.metrics.CategoricalCrossentropy{axis = 1.5} end, "CategoricalCrossentropy: 'axis' must be an integer other")
    raises(function() losses.Dice{axis = {1, 0}} end, "Dice: 'axis' must be an integer other than 0 or a list of such")
    raises(function() losses.CosineSimilarity{axis = 0} end, "CosineSimilarity: 'axis' must be an integer other than 0, got")
    raises(function() losses.CosineSimilarity{axis = 3}({{1, 0}}, {{1, 0}}) end, "axis 3 is not one of y_pred of shape %(1, 2%)")
    raises(function() losses.MeanSquaredError{dtype = "float46"} end, "MeanSquaredError: 'dtype' must be one of .*did you mean 'float64'")
    raises(function() losses.circle({0, 0}, {{1, 0}, {0, 1}}, {ref_labels = {1}}) end, "ref_labels and ref_embeddings belong together")
    raises(function() losses.circle({0, 0}, {{1, 0}, {0, 1}}, {ref_labels = {1, 2}, ref_embeddings = {{1, 0}}}) end,
      "ref_labels of shape %(2,%) does not fit ref_embeddings of shape %(1, 2%)")
    raises(function() losses.huber({1}, {2}, {dleta = 2}) end, "unknown option 'dleta'; did you mean 'delta'%?")
    raises(function() losses.CTC{}({{1, 5}}, kl.zeros{1, 4, 3}) end, "5")
  end)

  it("takes its arguments in Keras's order", function()
    assert.is_true(losses.BinaryCrossentropy(true).from_logits)
    assert.equal(0.2, losses.CategoricalCrossentropy{false, 0.2}.label_smoothing)
    assert.equal(7, losses.SparseCategoricalCrossentropy{false, 7}.ignore_class)
    assert.equal(0.5, losses.Huber{0.5}.delta)
    assert.equal(0.9, losses.Circle{8.0, 0.9}.margin)
  end)
end)

describe("a loss by name", function()
  local spellings = {
    MeanSquaredError = {"mean_squared_error", "mse", "MSE"}, MeanAbsoluteError = {"mean_absolute_error", "mae", "MAE"},
    MeanAbsolutePercentageError = {"mean_absolute_percentage_error", "mape", "MAPE"},
    MeanSquaredLogarithmicError = {"mean_squared_logarithmic_error", "msle", "MSLE"},
    CosineSimilarity = {"cosine_similarity"}, Huber = {"huber", "huber_loss"}, LogCosh = {"log_cosh", "logcosh"},
    Hinge = {"hinge"}, SquaredHinge = {"squared_hinge"}, CategoricalHinge = {"categorical_hinge"},
    KLDivergence = {"kl_divergence", "kld", "KLD", "kullback_leibler_divergence"}, Poisson = {"poisson"},
    BinaryCrossentropy = {"binary_crossentropy", "bce", "BCE"}, BinaryFocalCrossentropy = {"binary_focal_crossentropy"},
    CategoricalCrossentropy = {"categorical_crossentropy"}, CategoricalFocalCrossentropy = {"categorical_focal_crossentropy"},
    SparseCategoricalCrossentropy = {"sparse_categorical_crossentropy"}, CTC = {"ctc"}, Dice = {"dice"}, Tversky = {"tversky"},
    Circle = {"circle"}, CategoricalGeneralizedCrossEntropy = {"categorical_generalized_cross_entropy"},
  }
  local default_names = {Huber = "huber_loss"}
  for _, name in ipairs(objects.names(losses.classes)) do
    it(("is found in every spelling of %s, and is called as it was asked for"):format(name), function()
      for _, spelling in ipairs{name, table.unpack(spellings[name])} do
        local loss = losses.get(spelling)
        assert.equal(losses.classes[name], getmetatable(loss).class)
        assert.equal(spelling, loss.name)
      end
      assert.equal(default_names[name] or spellings[name][1], losses.classes[name]{}.name)
    end)

    it(("has its function beside %s"):format(name), function()
      local f = losses.functions[spellings[name][1]]
      local _, y, p, plain = table.unpack(values[name][1])
      near(kl.mean((f(y, p))), plain, "the mean of the function's values")
      assert.equal(losses.classes[name], getmetatable(losses.get(f)).class)
    end)
  end

  it("is an error that names the nearest one where it is misspelt", function()
    raises(function() losses.get("mean_square_error") end,
      "there is no loss 'mean_square_error'; did you mean 'mean_squared_error'%?")
    raises(function() losses.get("BinaryCrossEntropy") end, "did you mean 'BinaryCrossentropy'%?")
    raises(function() losses.get(5) end, "a loss must be a name, an object or a function, got integer 5")
  end)

  it("may also be an object, a class, a config or nothing", function()
    local loss = losses.MeanSquaredError{}
    assert.equal(loss, losses.get(loss))
    assert.equal(losses.MeanSquaredError, getmetatable(losses.get(losses.MeanSquaredError)).class)
    assert.equal(losses.MeanSquaredError,
      getmetatable(losses.get{class_name = "MeanSquaredError", config = {}, module = "keras.losses"}).class)
    assert.is_nil(losses.get(nil))
  end)
end)
