-- All metrics.
local class = require "kl.class"
local errors = require "kl.errors"
local lookup = require "kl.lookup"
local reduction = require "kl.metrics.reduction"

local metrics = {Metric = require "kl.metrics.metric", classes = {}, functions = {}}

for _, family in ipairs{reduction, (require "kl.metrics.accuracy"), (require "kl.metrics.regression")} do
  for name, cls in pairs(family.classes) do metrics[name], metrics.classes[name] = cls, cls end
  for name, f in pairs(family.functions or {}) do metrics[name], metrics.functions[name] = f, f end
end

local names_of, functions_by_name = reduction.names_of, reduction.functions_by_name
for _, functions in ipairs{metrics.functions, (require "kl.losses".functions)} do
  for name, f in pairs(functions) do names_of[f], functions_by_name[name] = name, f end
end

local index = lookup.index(metrics.classes, {
  mse = "MeanSquaredError", MSE = "MeanSquaredError", mae = "MeanAbsoluteError", MAE = "MeanAbsoluteError",
})

--- A metric from an object, a class, a name in any spelling (the metric then has the name as given), or a function
--- (y_true, y_pred) -> per-sample values.
function metrics.get(given)
  if given == nil or class.is(given, metrics.Metric) then return given end
  if type(given) == "string" then return lookup.find("metric", index, given){name = given} end
  if type(given) == "function" then
    return metrics.MeanMetricWrapper{given, name = names_of[given]}
  end
  if class.is_class(given) then return given{} end
  if type(given) == "table" and given.class_name then return require "kl.saving.serialize".deserialize(given) end
  errors.fail("a metric must be a name, an object or a function, got %s", errors.show(given))
end

return metrics
