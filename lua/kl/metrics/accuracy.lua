-- Accuracies (keras-semantics 4.3).
local args = require "kl.args"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local MeanMetricWrapper = require "kl.metrics.reduction".MeanMetricWrapper

local functions = {}

local function as_like(y_true, y_pred)
  return y_true.dtype == y_pred.dtype and y_true or ops.cast(y_true, y_pred.dtype)
end

--- 1 where y_true = y_pred.
function functions.accuracy(y_true, y_pred)
  y_true, y_pred = Loss.align("accuracy", as_like(y_true, y_pred), y_pred)
  return ops.cast(ops.equal(y_true, y_pred), "float32")
end

--- 1 where y_pred is above the threshold exactly if y_true is 1; averaged over the last axis.
function functions.binary_accuracy(y_true, y_pred, threshold)
  y_true, y_pred = Loss.align("binary_accuracy", as_like(y_true, y_pred), y_pred)
  local right = ops.cast(ops.equal(y_true, ops.cast(ops.greater(y_pred, threshold or 0.5), y_pred.dtype)), "float32")
  return right.ndim == 0 and right or ops.mean(right, -1)
end

--- 1 where the largest entries of both are in the same place.
function functions.categorical_accuracy(y_true, y_pred)
  y_true, y_pred = Loss.align("categorical_accuracy", y_true, y_pred)
  return ops.cast(ops.equal(ops.argmax(y_true, -1), ops.argmax(y_pred, -1)), "float32")
end

--- 1 where the largest entry of y_pred is at the label; labels of shape (n, 1) are taken as (n).
function functions.sparse_categorical_accuracy(y_true, y_pred)
  if y_true.ndim == y_pred.ndim and y_true.shape[y_true.ndim] == 1 then y_true = ops.squeeze(y_true, -1) end
  local best = ops.argmax(y_pred, -1)
  y_true, best = Loss.align("sparse_categorical_accuracy", y_true, best)
  return ops.cast(ops.equal(y_true, best), "float32")
end

--- How often y_true = y_pred.
local Accuracy = MeanMetricWrapper:extend("Accuracy")
function Accuracy:fn(y_true, y_pred) return functions.accuracy(y_true, y_pred) end

--- How often y_pred > threshold agrees with y_true.
local BinaryAccuracy = MeanMetricWrapper:extend("BinaryAccuracy")
BinaryAccuracy.params = args.params{{"threshold", 0.5}}
function BinaryAccuracy:fn(y_true, y_pred) return functions.binary_accuracy(y_true, y_pred, self.threshold) end

--- How often the most probable class is the right one, y_true one-hot.
local CategoricalAccuracy = MeanMetricWrapper:extend("CategoricalAccuracy")
function CategoricalAccuracy:fn(y_true, y_pred) return functions.categorical_accuracy(y_true, y_pred) end

--- How often the most probable class is the right one, y_true a label.
local SparseCategoricalAccuracy = MeanMetricWrapper:extend("SparseCategoricalAccuracy")
function SparseCategoricalAccuracy:fn(y_true, y_pred) return functions.sparse_categorical_accuracy(y_true, y_pred) end

local classes = {Accuracy = Accuracy, BinaryAccuracy = BinaryAccuracy, CategoricalAccuracy = CategoricalAccuracy,
  SparseCategoricalAccuracy = SparseCategoricalAccuracy}
for _, cls in pairs(classes) do cls._direction = "up" end

return {classes = classes, functions = functions}
