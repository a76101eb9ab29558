-- Every metric of the list: values, state, configs, what a plan may record; and finding a metric by name.
local kl = require "kl"
local assert = require "luassert"
local compare = require "compare"
local near = require "near"
local objects = require "objects"
local raises = require "raises"
local traced = require "tracing"
local values = dofile "tests/metrics/values.lua"

local metrics = kl.metrics

before_each(function() kl.set_seed(1) end)

local function append(arguments, weight)
  local list = {table.unpack(arguments)}
  list[#list + 1] = weight
  return table.unpack(list)
end

--- Options with more of them.
local function with(options, more)
  local o = {}
  for _, t in ipairs{options, more} do
    for key, value in pairs(t) do o[key] = value end
  end
  return o
end

--- True where batches add up in a mean over samples.
local function is_mean(name, cls)
  while cls and cls ~= metrics.Mean do cls = cls.super end
  return cls ~= nil and name ~= "RootMeanSquaredError"
end

local function all_zero(t, what)
  for _, x in ipairs(compare.flat(t)) do assert.equal(0, x, what) end
end

describe("every metric", function()
  for _, name in ipairs(objects.names(metrics.classes)) do
    local cls = metrics.classes[name]
    it(name .. " has check values", function() assert.is_table(values[name]) end)

    for i, sample in ipairs(values[name] or {}) do
      local options, arguments, plain, weighted, weights = table.unpack(sample)
      local what = ("%s, sample %d,"):format(name, i)

      it(what .. " gives Keras's values", function()
        near(cls(options)(append(arguments)), plain, "without weights")
        if weights then near(cls(options)(append(arguments, weights)), weighted, "with weights") end
      end)

      it(what .. " adds batches up, and forgets all of them at reset_state", function()
        local metric = cls(options)
        for _ = 1, 2 do
          all_zero(metric:result(), "before anything was seen")
          metric:update_state(append(arguments))
          if weights then metric:update_state(append(arguments, weights)) end
          if weights and (is_mean(name, cls) or name == "Sum") and not options.ignore_class then
            local n, total = #arguments[1], 0
            for _, weight in ipairs(weights) do total = total + weight end
            near(metric:result(), name == "Sum" and plain + weighted or (n * plain + total * weighted) / (n + total), "two batches")
          end
          metric:reset_state()
          for _, v in ipairs(metric.variables) do all_zero(v.value, v.path) end
        end
      end)

      it(what .. " reads no value, so that it can be recorded", function()
        local metric, tensors = cls(options), {}
        for k, a in ipairs(arguments) do tensors[k] = kl.tensor(a) end
        local weight = weights and kl.tensor(weights)
        near(traced(function() return metric(append(tensors, weight)) end), weights and weighted or plain, "recorded")
      end)
    end

    it(name .. " has state that is not trained, under its name", function()
      local options, arguments = table.unpack(values[name][1])
      local metric = cls(with(options, {name = "its/own"}))
      metric:update_state(table.unpack(arguments))
      local counts = name:find("IoU") and "int32" or "float32"
      assert.is_true(#metric.variables > 0)
      for _, v in ipairs(metric.variables) do
        assert.equal("its>own/" .. v.name, v.path)
        assert.equal(counts, v.dtype)
        assert.is_false(v.trainable)
      end
    end)

    it(name .. " refuses unknown options and values of the wrong type", function()
      raises(function() cls{nmae = "x"} end, name .. ": unknown option 'nmae'; did you mean 'name'%?")
      local options = with(values[name][1][1], {name = 5})
      raises(function() cls(options) end, "a metric's name must be a string")
      options.name, options.dtype = nil, "float46"
      raises(function() cls(options) end, ": 'dtype' must be .*, got the string \"float46\"")
    end)

    if name ~= "MeanMetricWrapper" then
      it(name .. " survives its config", function()
        for _, sample in ipairs(values[name]) do
          local metric = cls(with(sample[1], {name = "mine"}))
          local copy = objects.round_trip(metric)
          assert.equal("mine", copy.name)
          near(copy(table.unpack(sample[2])), metric(table.unpack(sample[2])), "the copy")
        end
      end)
    end
  end

  it("keeps its state to itself, also beside another of its class", function()
    local a, b = metrics.Mean{}, metrics.Mean{}
    a:update_state(3)
    b:update_state(5)
    assert.equal(3.0, a:result():item())
    assert.equal(5.0, b:result():item())
  end)

  it("refuses shapes that do not fit, naming them", function()
    for _, name in ipairs{"Accuracy", "BinaryAccuracy", "CategoricalAccuracy", "MeanSquaredError", "MeanAbsoluteError"} do
      local metric = metrics[name]{}
      raises(function() metric:update_state(kl.ones{3}, kl.ones{3, 3}) end,
        "y_true of shape %(3,%) does not fit y_pred of shape %(3, 3%)")
    end
    local sparse = metrics.SparseCategoricalAccuracy{}
    raises(function() sparse:update_state(kl.ones{3}, kl.ones{2, 3}) end, "y_true of shape %(3,%) .* one label per row expected")
    raises(function() sparse:update_state(kl.ones{2, 3}, kl.ones{2, 3}) end, "one label per row expected")
  end)
end)

describe("accuracy of one number per sample", function()
  it("takes (n) beside (n, 1): no silent n x n", function()
    local y, p = kl.tensor{1.0, 0.0, 1.0}, kl.tensor{{.9}, {.2}, {.3}}
    for _, name in ipairs{"BinaryAccuracy", "MeanSquaredError", "MeanAbsoluteError", "Accuracy"} do
      near(metrics[name]{}(y, p), metrics[name]{}(kl.expand_dims(y, -1), p), name)
    end
    near(metrics.BinaryAccuracy{}(y, p), 2 / 3, "binary")
  end)

  it("counts a probability of exactly the threshold as no", function()
    near(metrics.BinaryAccuracy{}({1, 1, 0}, {.5, .5, .5}), 1 / 3, "strictly greater")
    near(metrics.BinaryAccuracy{0.25}({1, 1, 0}, {.5, .5, .5}), 2 / 3, "the threshold comes first")
  end)
end)

describe("a metric by name", function()
  -- The default name, then more; what needs arguments is not made by name.
  local spellings = {
    Mean = {"mean"}, Sum = {"sum"}, Accuracy = {"accuracy"}, BinaryAccuracy = {"binary_accuracy"},
    CategoricalAccuracy = {"categorical_accuracy"}, SparseCategoricalAccuracy = {"sparse_categorical_accuracy"},
    TopKCategoricalAccuracy = {"top_k_categorical_accuracy"}, SparseTopKCategoricalAccuracy = {"sparse_top_k_categorical_accuracy"},
    MeanSquaredError = {"mean_squared_error", "mse", "MSE"}, MeanAbsoluteError = {"mean_absolute_error", "mae", "MAE"},
    MeanAbsolutePercentageError = {"mean_absolute_percentage_error", "mape", "MAPE"},
    MeanSquaredLogarithmicError = {"mean_squared_logarithmic_error", "msle", "MSLE"},
    RootMeanSquaredError = {"root_mean_squared_error", "rmse", "RMSE"}, CosineSimilarity = {"cosine_similarity"},
    LogCoshError = {"logcosh", "log_cosh_error", "log_cosh"}, Hinge = {"hinge"}, SquaredHinge = {"squared_hinge"},
    CategoricalHinge = {"categorical_hinge"}, KLDivergence = {"kl_divergence", "kld", "KLD", "kullback_leibler_divergence"},
    Poisson = {"poisson"}, BinaryCrossentropy = {"binary_crossentropy", "bce", "BCE"},
    CategoricalCrossentropy = {"categorical_crossentropy"}, SparseCategoricalCrossentropy = {"sparse_categorical_crossentropy"},
    PearsonCorrelation = {"pearson_correlation"}, ConcordanceCorrelation = {"concordance_correlation"}, Precision = {"precision"},
    Recall = {"recall"}, TruePositives = {"true_positives"}, FalsePositives = {"false_positives"},
    TrueNegatives = {"true_negatives"}, FalseNegatives = {"false_negatives"}, AUC = {"auc"}, F1Score = {"f1_score"},
    FBetaScore = {"fbeta_score", "f_beta_score"}, R2Score = {"r2_score"}, BinaryIoU = {"binary_io_u", "binary_iou"},
    IoU = {"io_u", "iou"}, MeanIoU = {"mean_io_u", "mean_iou"}, OneHotIoU = {"one_hot_io_u", "one_hot_iou"},
    OneHotMeanIoU = {"one_hot_mean_io_u", "one_hot_mean_iou"}, SensitivityAtSpecificity = {"sensitivity_at_specificity"},
    SpecificityAtSensitivity = {"specificity_at_sensitivity"}, PrecisionAtRecall = {"precision_at_recall"},
    RecallAtPrecision = {"recall_at_precision"},
  }
  for _, name in ipairs(objects.names(metrics.classes)) do
    if name ~= "MeanMetricWrapper" then -- it needs a function
      it(("is found in every spelling of %s, and is called as it was asked for"):format(name), function()
        for _, spelling in ipairs{name, table.unpack(spellings[name])} do
          local ok, metric = pcall(metrics.get, spelling)
          if not ok then
            assert.matches(name .. ": '%w+' is missing", (metric:gsub("_", "")))
            metric = metrics.classes[name](with(values[name][1][1], {name = spelling}))
          end
          assert.equal(metrics.classes[name], getmetatable(metric).class)
          assert.equal(spelling, metric.name)
        end
        assert.equal(spellings[name][1], metrics.classes[name](values[name][1][1]).name)
      end)
    end
  end

  it("is an error that names the nearest one where it is misspelt", function()
    raises(function() metrics.get("acuracy") end, "there is no metric 'acuracy'; did you mean 'accuracy'%?")
    raises(function() metrics.get("mean_squared_eror") end, "did you mean 'mean_squared_error'%?")
    raises(function() metrics.get("mean_io") end, "did you mean 'mean_io_?u'%?")
    raises(function() metrics.get("acc") end, "there is no metric 'acc'") -- only compile knows what it stands for
    raises(function() metrics.get(5) end, "a metric must be a name, an object or a function, got integer 5")
  end)

  it("may also be an object, a class, a config or nothing", function()
    local metric = metrics.Mean{}
    assert.equal(metric, metrics.get(metric))
    assert.equal(metrics.Sum, getmetatable(metrics.get(metrics.Sum)).class)
    assert.equal(metrics.Sum, getmetatable(metrics.get{class_name = "Sum", config = {}, module = "keras.metrics"}).class)
    assert.is_nil(metrics.get(nil))
  end)

  it("may be one of kl's functions, and is then called like it and can be saved", function()
    for _, functions in ipairs{metrics.functions, kl.losses.functions} do
      for name, f in pairs(functions) do
        local metric = metrics.get(f)
        assert.equal(name, metric.name)
        assert.equal(name, objects.round_trip(metric).name)
      end
    end
    local copy = objects.reread(metrics.get(metrics.sparse_categorical_accuracy))
    near(copy({1, 0}, {{.2, .7, .1}, {.3, .4, .3}}), 0.5, "the copy takes labels")
  end)
end)

describe("the metric \"accuracy\" of compile", function()
  -- keras-semantics 4.5: by shapes, the loss is not asked
  local cases = {
    {"one output per sample", 1, {4}, "binary"}, {"one output and targets (n, 1)", 1, {4, 1}, "binary"},
    {"labels (n)", 3, {4}, "sparse"}, {"labels (n, 1)", 3, {4, 1}, "sparse"}, {"one-hot targets", 3, {4, 3}, "categorical"},
  }
  local chosen = {binary = "BinaryAccuracy", sparse = "SparseCategoricalAccuracy", categorical = "CategoricalAccuracy"}
  for _, case in ipairs(cases) do
    for _, spelling in ipairs{"accuracy", "acc", "Accuracy", "ACC"} do
      it(("is %s for %s, and keeps its name '%s'"):format(chosen[case[4]], case[1], spelling), function()
        local model = kl.Sequential{kl.Input{2}, kl.layers.Dense{case[2]}}
        model:compile{optimizer = "sgd", loss = "mse", metrics = {spelling}}
        local x = kl.ones{4, 2}
        model:compute_metrics{x = x, y = kl.zeros(case[3]), y_pred = model(x)}
        local found
        for _, m in ipairs(model.metrics) do found = m.name == spelling and m or found end
        assert.equal(metrics[chosen[case[4]]], getmetatable(found).class)
      end)
    end
  end
end)
