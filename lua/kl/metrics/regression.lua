-- Metrics that are means of losses, the root of one, and correlations (keras-semantics 4.3).
local define = require "kl.ops.define"
local ops = require "kl.ops"
local losses = require "kl.losses"
local Loss = require "kl.losses.loss"
local reduction = require "kl.metrics.reduction".classes

local functions, classes = {}, {}
local raw = losses.raw
local of = reduction.MeanMetricWrapper.of
local EPSILON = require "kl.ops.epsilon"

for class_name, name in pairs{MeanSquaredError = "mean_squared_error", MeanAbsoluteError = "mean_absolute_error",
  MeanAbsolutePercentageError = "mean_absolute_percentage_error", MeanSquaredLogarithmicError = "mean_squared_logarithmic_error",
  LogCoshError = "log_cosh", Hinge = "hinge", SquaredHinge = "squared_hinge", CategoricalHinge = "categorical_hinge",
  KLDivergence = "kl_divergence", Poisson = "poisson"} do
  classes[class_name] = of(class_name, raw[name], nil, "down")
end
classes.LogCoshError.default_name = "logcosh"

classes.BinaryCrossentropy = of("BinaryCrossentropy", function(y_true, y_pred, from_logits, label_smoothing)
  return raw.binary_crossentropy(y_true, y_pred, from_logits, label_smoothing, -1)
end, {{"from_logits", false}, {"label_smoothing", 0.0}}, "down")
classes.CategoricalCrossentropy = of("CategoricalCrossentropy", raw.categorical_crossentropy,
  {{"from_logits", false}, {"label_smoothing", 0.0}, {"axis", -1}}, "down")
classes.SparseCategoricalCrossentropy = of("SparseCategoricalCrossentropy", raw.sparse_categorical_crossentropy,
  {{"from_logits", false}, {"ignore_class"}, {"axis", -1}}, "down", true)

-- The cosine itself, where the loss is its negative.
classes.CosineSimilarity = of("CosineSimilarity", function(y_true, y_pred, axis)
  return ops.negative(raw.cosine_similarity(y_true, y_pred, axis))
end, {{"axis", -1}}, "up")

-- What Keras offers as functions of its metrics too.
for _, name in ipairs{"mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error",
  "mean_squared_logarithmic_error", "log_cosh", "huber", "hinge", "squared_hinge", "categorical_hinge", "kl_divergence", "poisson",
  "binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy",
  "sparse_categorical_crossentropy"} do
  functions[name] = losses.functions[name]
end

--- The root of the mean squared error of all that was seen.
---@class kl.metrics.RootMeanSquaredError: kl.metrics.Mean
local RootMeanSquaredError = reduction.Mean:extend("RootMeanSquaredError")
RootMeanSquaredError._direction = "down"
classes.RootMeanSquaredError = RootMeanSquaredError

function RootMeanSquaredError:update_state(y_true, y_pred, sample_weight)
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  y_true, y_pred = Loss.pair(self.name, y_true, ops.cast(y_pred, self.dtype))
  RootMeanSquaredError.super.update_state(self, ops.square(y_pred - y_true), sample_weight)
end

function RootMeanSquaredError:result() return ops.sqrt(RootMeanSquaredError.super.result(self)) end

local function add(class_name, name, f)
  functions[name] = define("kl.metrics." .. name, {"y_true", "y_pred", {"axis", -1}}, f)
  classes[class_name] = of(class_name, f, {{"axis", -1}}, "up")
end

local function standardized(x, axis)
  x = x - ops.mean(x, axis, true)
  return x / ops.std(x, axis, true)
end

--- Pearson's correlation of y_true and y_pred along an axis; NaN where one of them is constant.
add("PearsonCorrelation", "pearson_correlation", function(y_true, y_pred, axis)
  y_true, y_pred = Loss.pair("pearson_correlation", y_true, y_pred)
  return ops.mean(standardized(y_true, axis) * standardized(y_pred, axis), axis)
end)

--- Lin's concordance correlation (1989) along an axis: 2 covariance / (sum of variances + squared distance of means + 1e-7).
add("ConcordanceCorrelation", "concordance_correlation", function(y_true, y_pred, axis)
  y_true, y_pred = Loss.pair("concordance_correlation", y_true, y_pred)
  local mean_true, mean_pred = ops.mean(y_true, axis, true), ops.mean(y_pred, axis, true)
  local spread = ops.var(y_true, axis, true) + ops.var(y_pred, axis, true) + ops.square(mean_true - mean_pred)
  -- what y_true is taken from does not matter: the other factor has the mean 0
  local product = (y_true - mean_pred) * (y_pred - mean_pred)
  return ops.mean(product * 2 / (spread + EPSILON), axis)
end)

return {classes = classes, functions = functions}
