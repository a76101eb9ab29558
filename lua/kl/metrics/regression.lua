-- Errors as metrics.
local losses = require "kl.losses.elementwise".functions
local MeanMetricWrapper = require "kl.metrics.reduction".MeanMetricWrapper

--- Mean of the squared differences.
local MeanSquaredError = MeanMetricWrapper:extend("MeanSquaredError")
function MeanSquaredError:fn(y_true, y_pred) return losses.mean_squared_error(y_true, y_pred) end

--- Mean of the absolute differences.
local MeanAbsoluteError = MeanMetricWrapper:extend("MeanAbsoluteError")
function MeanAbsoluteError:fn(y_true, y_pred) return losses.mean_absolute_error(y_true, y_pred) end

local classes = {MeanSquaredError = MeanSquaredError, MeanAbsoluteError = MeanAbsoluteError}
for _, cls in pairs(classes) do cls._direction = "down" end

return {classes = classes, functions = {}}
