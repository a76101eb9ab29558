-- Losses that are means of elementwise differences over the last axis (keras-semantics 3.3).
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"

local functions = {}

local function last_mean(x) return x.ndim == 0 and x or ops.mean(x, -1) end

--- mean((y_true - y_pred)^2) over the last axis.
function functions.mean_squared_error(y_true, y_pred)
  y_true, y_pred = Loss.pair("mean_squared_error", y_true, y_pred)
  return last_mean(ops.square(y_true - y_pred))
end

--- mean(|y_true - y_pred|) over the last axis.
function functions.mean_absolute_error(y_true, y_pred)
  y_true, y_pred = Loss.pair("mean_absolute_error", y_true, y_pred)
  return last_mean(ops.abs(y_true - y_pred))
end

--- The mean of the squared differences.
---@class kl.losses.MeanSquaredError: kl.losses.Loss
local MeanSquaredError = Loss:extend("MeanSquaredError")
function MeanSquaredError:call(y_true, y_pred) return functions.mean_squared_error(y_true, y_pred) end

--- The mean of the absolute differences.
---@class kl.losses.MeanAbsoluteError: kl.losses.Loss
local MeanAbsoluteError = Loss:extend("MeanAbsoluteError")
function MeanAbsoluteError:call(y_true, y_pred) return functions.mean_absolute_error(y_true, y_pred) end

return {functions = functions, classes = {MeanSquaredError = MeanSquaredError, MeanAbsoluteError = MeanAbsoluteError}}
