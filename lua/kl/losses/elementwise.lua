-- Losses of regression: means over the last axis of what each pair of numbers gives, and the cosine of two vectors
-- (keras-semantics 3.3).
local core = require "kl.core"
local errors = require "kl.errors"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local family = require "kl.losses.family"()

local EPSILON = require "kl.ops.epsilon"
local LOG_2 = math.log(2)

local last_mean = Loss.last_mean

--- mean((y_true - y_pred)^2) over the last axis.
family.add("MeanSquaredError", "mean_squared_error", function(y_true, y_pred)
  y_true, y_pred = Loss.pair("mean_squared_error", y_true, y_pred)
  return last_mean(ops.square(y_true - y_pred))
end)

--- mean(|y_true - y_pred|) over the last axis.
family.add("MeanAbsoluteError", "mean_absolute_error", function(y_true, y_pred)
  y_true, y_pred = Loss.pair("mean_absolute_error", y_true, y_pred)
  return last_mean(ops.abs(y_true - y_pred))
end)

--- 100 mean(|y_true - y_pred| / max(|y_true|, 1e-7)) over the last axis.
family.add("MeanAbsolutePercentageError", "mean_absolute_percentage_error", function(y_true, y_pred)
  y_true, y_pred = Loss.pair("mean_absolute_percentage_error", y_true, y_pred)
  return last_mean(ops.abs((y_true - y_pred) / ops.maximum(ops.abs(y_true), EPSILON))) * 100
end)

--- mean((log(y_true + 1) - log(y_pred + 1))^2) over the last axis, both kept at or above 1e-7.
family.add("MeanSquaredLogarithmicError", "mean_squared_logarithmic_error", function(y_true, y_pred)
  y_true, y_pred = Loss.pair("mean_squared_logarithmic_error", y_true, y_pred)
  local a = ops.log(ops.maximum(y_true, EPSILON) + 1)
  local b = ops.log(ops.maximum(y_pred, EPSILON) + 1)
  return last_mean(ops.square(b - a))
end)

--- Huber (1964): half the square of the error up to delta, beyond it delta |e| - delta^2 / 2; the mean over the last axis.
local Huber = family.add("Huber", "huber", function(y_true, y_pred, delta)
  y_true, y_pred = Loss.pair("huber", y_true, y_pred)
  local e = y_pred - y_true
  local size = ops.abs(e)
  return last_mean(ops.where(ops.less_equal(size, delta), ops.square(e) * 0.5, size * delta - 0.5 * delta * delta))
end, {{"delta", 1.0}})
Huber.default_name = "huber_loss"

--- mean(log cosh(y_pred - y_true)) over the last axis, as e + softplus(-2 e) - log 2.
family.add("LogCosh", "log_cosh", function(y_true, y_pred)
  y_true, y_pred = Loss.pair("log_cosh", y_true, y_pred)
  local e = y_pred - y_true
  return last_mean(e + ops.softplus(e * -2) - LOG_2)
end)

--- x divided by its length along an axis, which is kept at or above 1e-7.
local function unit(x, axis)
  return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis, true), EPSILON * EPSILON))
end

--- The cosine of the angle between two vectors along an axis, negative: -1 where they point the same way.
family.add("CosineSimilarity", "cosine_similarity", function(y_true, y_pred, axis)
  y_true, y_pred = Loss.pair("cosine_similarity", y_true, y_pred)
  if math.abs(axis) > y_pred.ndim then
    errors.fail("cosine_similarity: axis %d is not one of y_pred of shape %s", axis, core.shape_text(y_pred))
  end
  return ops.negative(ops.sum(unit(y_true, axis) * unit(y_pred, axis), axis))
end, {{"axis", -1}})

return family
