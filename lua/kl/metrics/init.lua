-- All metrics.
local class = require "kl.class"
local errors = require "kl.errors"
local losses = require "kl.losses"
local lookup = require "kl.lookup"
local names = require "kl.names"
local reduction = require "kl.metrics.reduction"
local serialize = require "kl.saving.serialize"

local metrics = {Metric = require "kl.metrics.metric", classes = {}, functions = {}}

for _, name in ipairs{"reduction", "accuracy", "regression", "confusion", "auc", "f_score", "r2", "iou"} do
  local family = require("kl.metrics." .. name)
  for class_name, cls in pairs(family.classes) do metrics[class_name], metrics.classes[class_name] = cls, cls end
  for function_name, f in pairs(family.functions or {}) do
    metrics[function_name], metrics.functions[function_name] = f, f
    reduction.directions[f] = "up" -- but for those that are losses, below
  end
end

local names_of, functions_by_name = reduction.names_of, reduction.functions_by_name
for _, functions in ipairs{metrics.functions, losses.functions} do
  for name, f in pairs(functions) do names_of[f], functions_by_name[name] = name, f end
end
for _, f in pairs(losses.functions) do reduction.directions[f] = "down" end

-- Keras's, and names that look valid there but are not.
local aliases = {logcosh = "LogCoshError", log_cosh = "LogCoshError", rmse = "RootMeanSquaredError", RMSE = "RootMeanSquaredError",
  kullback_leibler_divergence = "KLDivergence", fbeta_score = "FBetaScore", iou = "IoU", mean_iou = "MeanIoU",
  binary_iou = "BinaryIoU", one_hot_iou = "OneHotIoU", one_hot_mean_iou = "OneHotMeanIoU"}
local index = lookup.index(metrics.classes, lookup.add_short_names(aliases))

--- A metric from an object, a class, a name in any spelling (the metric then has the name as given), or a function
--- (y_true, y_pred) -> per-sample values, of which the mean is shown by the function's name: as it was defined, else that of a
--- variable that holds it, else "metric".
function metrics.get(given)
  if given == nil or class.is(given, metrics.Metric) then return given end
  if type(given) == "string" then return lookup.find("metric", index, given){name = given} end
  if type(given) == "function" then
    local name = names_of[given] or serialize.function_name(given) or names.of_function(given) or "metric"
    return metrics.MeanMetricWrapper{given, name = name}
  end
  if class.is_class(given) then return given{} end
  if type(given) == "table" and given.class_name then return serialize.deserialize(given) end
  errors.fail("a metric must be a name, an object or a function, got %s", errors.show(given))
end

return metrics
