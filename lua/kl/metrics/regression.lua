-- Errors as metrics.
local args = require "kl.args"
local losses = require "kl.losses.elementwise".functions
local MeanMetricWrapper = require "kl.metrics.reduction".classes.MeanMetricWrapper

--- Mean of the squared differences.
local MeanSquaredError = MeanMetricWrapper:extend("MeanSquaredError")
MeanSquaredError.params = args.params{}
function MeanSquaredError:fn(y_true, y_pred) return losses.mean_squared_error(y_true, y_pred) end

--- Mean of the absolute differences.
local MeanAbsoluteError = MeanMetricWrapper:extend("MeanAbsoluteError")
MeanAbsoluteError.params = args.params{}
function MeanAbsoluteError:fn(y_true, y_pred) return losses.mean_absolute_error(y_true, y_pred) end

local classes = {MeanSquaredError = MeanSquaredError, MeanAbsoluteError = MeanAbsoluteError}
for _, cls in pairs(classes) do cls._direction = "down" end

return {classes = classes, functions = {mean_squared_error = losses.mean_squared_error, mean_absolute_error = losses.mean_absolute_error}}
