-- What metrics of thresholds, scores and classes refuse, and how their options read.
local kl = require "kl"
local assert = require "luassert"
local compare = require "compare"
local near = require "near"
local objects = require "objects"
local raises = require "raises"

local metrics = kl.metrics

describe("thresholds", function()
  it("must be numbers within [0, 1]", function()
    for _, name in ipairs{"Precision", "Recall", "TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives", "AUC"} do
      for _, bad in ipairs{{-0.1}, {0.5, 1.5}, {0 / 0}, {"half"}} do
        raises(function() metrics[name]{thresholds = bad} end, name .. ": 'thresholds' must be numbers within %[0, 1%], got")
      end
      raises(function() metrics[name]{thresholds = {}} end, name .. ": 'thresholds' is empty")
    end
    for _, bad in ipairs{0, 1.5, 0 / 0, "half"} do
      raises(function() metrics.F1Score{threshold = bad} end, "F1Score: 'threshold' must be a number > 0 and <= 1, got")
    end
  end)

  it("compare strictly, in buckets as one by one", function()
    local y, p = {1, 1, 1, 1, 1}, {0, 0.25, 0.5, 0.75, 1}
    near(metrics.TruePositives{0.5}(y, p), 2, "one")
    near(metrics.TruePositives{{0, 0.25, 0.5, 0.75, 1}}(y, p), {4, 3, 2, 1, 0}, "evenly spaced")
    near(metrics.TruePositives{{0, 0.25, 0.5, 0.75, 0.9}}(y, p), {4, 3, 2, 1, 1}, "not evenly spaced")
  end)

  it("take predictions that are no numbers for negative ones", function()
    local y, p = kl.tensor{1.0, 0.0}, kl.tensor{0 / 0, 0.9}
    near(metrics.FalseNegatives{}(y, p), 1, "one threshold")
    near(metrics.SensitivityAtSpecificity{0.1}(y, p), 0, "many")
  end)

  it("take predictions outside [0, 1] for the ends", function()
    near(metrics.AUC{}({1, 0}, {7, -3}), 1, "AUC")
  end)
end)

describe("class_id and top_k", function()
  local y, p = {{0, 1, 0}, {1, 0, 0}}, {{.2, .7, .1}, {.3, .4, .3}}

  it("must fit the predictions", function()
    raises(function() metrics.Precision{class_id = 3}(y, p) end, "precision: class_id = 3 %(from 0%), but y_pred has shape %(2, 3%)")
    raises(function() metrics.Recall{class_id = 0}({0, 1}, {.2, .7}) end, "class_id = 0 %(from 0%), but y_pred has shape %(2,%)")
    raises(function() metrics.Recall{top_k = 4}(y, p) end, "recall: top_k = 4, but y_pred has shape %(2, 3%)")
    raises(function() metrics.Recall{top_k = 0} end, "Recall: 'top_k' must be an integer >= 1, got integer 0")
    raises(function() metrics.Precision{class_id = -1} end, "Precision: 'class_id' must be an integer >= 0, got integer %-1")
    raises(function() metrics.TopKCategoricalAccuracy{k = 0} end, "TopKCategoricalAccuracy: 'k' must be an integer >= 1, got 0")
  end)

  it("choose one column, or the largest of each row, the first of equal ones", function()
    near(metrics.Precision{class_id = 0}({{0, 1}, {1, 0}}, {{.9, .1}, {.8, .2}}), 0.5, "class 0")
    local top = metrics.Recall{top_k = 1}
    near(top({{1, 0}, {0, 1}}, {{.5, .5}, {.5, .5}}), 0.5, "ties")
    near(metrics.TopKCategoricalAccuracy{k = 1}({{1, 0}, {0, 1}}, {{.5, .5}, {.5, .5}}), 1, "in_top_k takes all that tie")
  end)

  it("labels outside the classes are in no top", function()
    near(metrics.SparseTopKCategoricalAccuracy{k = 2}({-1, 7, 1}, {{.5, .4, .1}, {.5, .4, .1}, {.5, .4, .1}}), 1 / 3, "outside")
  end)
end)

describe("AUC", function()
  it("refuses options that it does not know or that do not go together", function()
    raises(function() metrics.AUC{curve = "RCO"} end, "AUC: 'curve' must be one of ROC, PR, PRGAIN, got the string \"RCO\"; did you mean")
    raises(function() metrics.AUC{summation_method = "midpoint"} end, "must be one of interpolation, minoring, majoring")
    raises(function() metrics.AUC{num_thresholds = 1} end, "AUC: 'num_thresholds' must be an integer >= 2, got 1")
    raises(function() metrics.AUC{num_labels = 3} end, "'num_labels' is for multi_label = true")
    raises(function() metrics.AUC{multi_label = true, num_labels = 3, label_weights = {1, 2}} end, "2 label_weights for 3 labels")
    raises(function() metrics.AUC{label_weights = {1, -2}} end, "'label_weights' must be numbers >= 0, got integer %-2")
    raises(function() metrics.AUC{label_weights = {1, 2}}({{0, 1, 1}}, {{0, 1, 1}}) end, "2 label_weights, but y_pred has shape %(1, 3%)")
    raises(function() metrics.AUC{multi_label = true}({0, 1}, {.2, .3}) end,
      "y_pred must have shape %(n, labels%) with multi_label, got %(2,%)")
    local auc = metrics.AUC{multi_label = true}
    auc:update_state({{0, 1}}, {{.2, .3}})
    raises(function() auc:update_state({{0, 1, 1}}, {{.2, .3, .3}}) end, "must have shape %(n, 2%)")
  end)

  it("reads its curve in any case, and keeps its thresholds in its config", function()
    assert.equal("PR", metrics.AUC{curve = "pr"}.curve)
    local copy = objects.round_trip(metrics.AUC{thresholds = {0.7, 0.2}, summation_method = "Majoring"})
    assert.equal(4, copy.num_thresholds)
    assert.same({4}, copy.true_positives.shape)
  end)

  it("is 0 before anything was seen, also where its state waits for a shape", function()
    for _, multi_label in ipairs{false, true} do assert.equal(0.0, metrics.AUC{multi_label = multi_label}:result():item()) end
  end)
end)

describe("rates at a rate", function()
  it("must lie within [0, 1]", function()
    for name, rate in pairs{SensitivityAtSpecificity = "specificity", SpecificityAtSensitivity = "sensitivity",
      PrecisionAtRecall = "recall", RecallAtPrecision = "precision"} do
      for _, bad in ipairs{-0.1, 1.1, 0 / 0} do
        raises(function() metrics[name]{bad} end, ("%s: '%s' must be a number >= 0 and <= 1"):format(name, rate))
      end
      raises(function() metrics[name]{0.5, 0} end, name .. ": 'num_thresholds' must be an integer >= 1, got 0")
    end
  end)
end)

describe("scores of classes and columns", function()
  it("refuse averages, betas and shapes that they do not know", function()
    raises(function() metrics.F1Score{average = "makro"} end, "'average' must be nil, micro, macro or weighted.*did you mean 'macro'%?")
    for _, beta in ipairs{0, -1, 0 / 0} do
      raises(function() metrics.FBetaScore{beta = beta} end, "'beta' must be a number > 0")
    end
    raises(function() metrics.F1Score{beta = 2} end, "F1Score: unknown option 'beta'")
    raises(function() metrics.F1Score{}({0, 1}, {0, 1}) end, "f1_score: y_true and y_pred of shape %(n, classes%) expected, got %(2,%)")
    raises(function() metrics.R2Score{class_aggregation = "mean"} end, "'class_aggregation' must be uniform_average, variance")
    raises(function() metrics.R2Score{num_regressors = -1} end, "'num_regressors' must be an integer >= 0")
    local r2 = metrics.R2Score{}
    r2:update_state({{1, 2}}, {{1, 2}})
    raises(function() r2:update_state({{1}}, {{1}}) end, "y_pred of shape %(n, 2%) expected, got %(1, 1%)")
  end)

  it("take (n) beside (n, 1)", function()
    near(metrics.R2Score{}({1, 2, 4}, {{1}, {2}, {3}}), 1 - 1 / (14 / 3), "R2")
  end)

  it("of no aggregation is null in a config, which Keras reads", function()
    local r2 = metrics.R2Score{class_aggregation = "none"}
    assert.equal(kl.json.null, r2:get_config().class_aggregation)
    assert.equal("none", objects.round_trip(r2).class_aggregation)
    assert.equal("uniform_average", objects.round_trip(metrics.R2Score{}).class_aggregation)
    local config = {module = "keras.losses", class_name = "MeanSquaredError", config = {reduction = kl.json.null}}
    assert.equal("none", kl.losses.get(config).reduction)
  end)
end)

describe("intersection over union", function()
  it("refuses classes that there are not", function()
    raises(function() metrics.IoU{2, {0, 2}} end, "IoU: a class of 'target_class_ids' must be an integer >= 0 and <= 1, got 2")
    raises(function() metrics.IoU{2, {}} end, "IoU: 'target_class_ids' must be a list of classes")
    raises(function() metrics.MeanIoU{} end, "MeanIoU: 'num_classes' is missing")
    raises(function() metrics.MeanIoU{0} end, "MeanIoU: 'num_classes' must be an integer >= 1, got 0")
    raises(function() metrics.MeanIoU{1 << 40} end, "too large") -- at once, and not after a list of them
    raises(function() metrics.MeanIoU{2, axis = 0} end, "MeanIoU: 'axis' must be an integer other than 0")
    raises(function() metrics.MeanIoU{2}({0, 1, 1}, {0, 1}) end, "y_true of shape %(3,%) does not fit y_pred of shape %(2,%)")
  end)

  it("leaves out what lies outside the classes, and the ignored one", function()
    near(metrics.MeanIoU{2}({0, 1, 5, 1}, {0, 1, 1, -1}), 1, "outside")
    near(metrics.MeanIoU{2, ignore_class = 0}({0, 1}, {1, 1}), 1, "ignored")
  end)

  it("looks along any axis for the largest score", function()
    local y = kl.tensor{{{0, 1}, {1, 0}}, {{1, 0}, {0, 1}}} -- (n, classes, places)
    near(metrics.OneHotMeanIoU{2, axis = 2}(y, y:cast("float32")), 1, "axis 2")
    assert.equal(1, metrics.OneHotMeanIoU{2, axis = 2}:get_config().axis - 1) -- get_config is Lua's; files have one less
  end)

  it("keeps whole weights in int32 and any in float32", function()
    local cut, kept = metrics.MeanIoU{2}, metrics.MeanIoU{2, dtype = "float32"}
    for _, metric in ipairs{cut, kept} do metric:update_state({0, 1, 1}, {0, 1, 0}, kl.tensor{1.9, 1.9, 1.9}) end
    near(cut.total_cm, {{1, 0}, {1, 1}}, "int32")
    near(kept.total_cm, {{1.9, 0}, {1.9, 1.9}}, "float32")
    assert.equal("float32", objects.round_trip(kept).total_cm.dtype)
  end)
end)

describe("metrics in fit", function()
  it("of every shape of state count the same in replayed and in eager steps", function()
    local function run(eager)
      kl.set_seed(3)
      local model = kl.Sequential{kl.Input{4}, kl.layers.Dense{3, activation = "sigmoid"}}
      model:compile{optimizer = "sgd", loss = kl.losses.BinaryFocalCrossentropy{}, run_eagerly = eager,
        metrics = {metrics.AUC{multi_label = true}, metrics.F1Score{average = "macro"}, metrics.R2Score{}, metrics.Precision{top_k = 1},
          metrics.PrecisionAtRecall{0.5}, metrics.RootMeanSquaredError{}, metrics.OneHotMeanIoU{3}},
        weighted_metrics = {metrics.Recall{class_id = 1}, "kld"}}
      local x, y = kl.random.uniform{32, 4}, kl.one_hot(kl.random.randint({32}, 0, 3), 3)
      local history = model:fit{x, y, sample_weight = kl.random.uniform{32}, epochs = 3, batch_size = 8, verbose = 0}
      local logs = {}
      for name, list in pairs(history.history) do logs[name] = table.concat(list, " ") end
      for _, metric in ipairs(model.metrics) do
        for _, v in ipairs(metric.variables) do logs[v.path] = compare.flat(v.value) end
      end
      return logs
    end
    assert.same(run(true), run(false))
  end)
end)
