-- Accuracies (keras-semantics 4.3).
local args = require "kl.args"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local MeanMetricWrapper = require "kl.metrics.reduction".classes.MeanMetricWrapper

local functions = {}

--- 1 where y_true = y_pred.
function functions.accuracy(y_true, y_pred)
  y_true, y_pred = Loss.pair("accuracy", y_true, y_pred)
  return ops.cast(ops.equal(y_true, y_pred), "float32")
end

--- 1 where y_pred is above the threshold exactly if y_true is 1.
function functions.binary_accuracy(y_true, y_pred, threshold)
  y_true, y_pred = Loss.pair("binary_accuracy", y_true, y_pred)
  return ops.cast(ops.equal(y_true, ops.cast(ops.greater(y_pred, threshold or 0.5), y_pred.dtype)), "float32")
end

--- 1 where the largest entries of both are in the same place.
function functions.categorical_accuracy(y_true, y_pred)
  y_true, y_pred = Loss.pair("categorical_accuracy", y_true, y_pred)
  return ops.cast(ops.equal(ops.argmax(y_true, -1), ops.argmax(y_pred, -1)), "float32")
end

--- 1 where the largest entry of y_pred is at the label; labels of shape (n, 1) are taken as (n).
function functions.sparse_categorical_accuracy(y_true, y_pred)
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  y_true = Loss.align_labels("sparse_categorical_accuracy", y_true, y_pred)
  return ops.cast(ops.equal(y_true, ops.argmax(y_pred, -1)), "float32")
end

--- How often y_true = y_pred.
local Accuracy = MeanMetricWrapper:extend("Accuracy")
Accuracy.params = args.params{}
function Accuracy:fn(y_true, y_pred) return functions.accuracy(y_true, y_pred) end

--- How often y_pred > threshold agrees with y_true.
local BinaryAccuracy = MeanMetricWrapper:extend("BinaryAccuracy")
BinaryAccuracy.params = args.params{{"threshold", 0.5}}
function BinaryAccuracy:fn(y_true, y_pred) return functions.binary_accuracy(y_true, y_pred, self.threshold) end

--- How often the most probable class is the right one, y_true one-hot.
local CategoricalAccuracy = MeanMetricWrapper:extend("CategoricalAccuracy")
CategoricalAccuracy.params = args.params{}
function CategoricalAccuracy:fn(y_true, y_pred) return functions.categorical_accuracy(y_true, y_pred) end

--- How often the most probable class is the right one, y_true a label.
local SparseCategoricalAccuracy = MeanMetricWrapper:extend("SparseCategoricalAccuracy")
SparseCategoricalAccuracy.params = args.params{}
SparseCategoricalAccuracy.takes_labels = true
function SparseCategoricalAccuracy:fn(y_true, y_pred) return functions.sparse_categorical_accuracy(y_true, y_pred) end

local classes = {Accuracy = Accuracy, BinaryAccuracy = BinaryAccuracy, CategoricalAccuracy = CategoricalAccuracy,
  SparseCategoricalAccuracy = SparseCategoricalAccuracy}
for _, cls in pairs(classes) do cls._direction = "up" end

return {classes = classes, functions = functions}
