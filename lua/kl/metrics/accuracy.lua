-- Accuracies (keras-semantics 4.3).
local core = require "kl.core"
local args = require "kl.args"
local define = require "kl.ops.define"
local errors = require "kl.errors"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local MeanMetricWrapper = require "kl.metrics.reduction".classes.MeanMetricWrapper

local functions, classes = {}, {}

local function add(class_name, name, f, params, takes_labels)
  functions[name] = define("kl.metrics." .. name, {"y_true", "y_pred", table.unpack(params or {})}, f)
  classes[class_name] = MeanMetricWrapper.of(class_name, f, params, "up", takes_labels)
  return classes[class_name]
end

--- 1 where y_true = y_pred.
add("Accuracy", "accuracy", function(y_true, y_pred)
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  if y_true.dtype ~= y_pred.dtype then y_true = ops.cast(y_true, y_pred.dtype) end
  y_true, y_pred = Loss.align("accuracy", y_true, y_pred)
  return ops.cast(ops.equal(y_true, y_pred), "float32")
end)

--- 1 where y_pred is above the threshold exactly if y_true is 1.
add("BinaryAccuracy", "binary_accuracy", function(y_true, y_pred, threshold)
  y_true, y_pred = Loss.pair("binary_accuracy", y_true, y_pred)
  return ops.cast(ops.equal(y_true, ops.cast(ops.greater(y_pred, threshold), y_pred.dtype)), "float32")
end, {{"threshold", 0.5}})

--- 1 where the largest entries of both are in the same place.
add("CategoricalAccuracy", "categorical_accuracy", function(y_true, y_pred)
  y_true, y_pred = Loss.pair("categorical_accuracy", y_true, y_pred)
  Loss.need_axis("categorical_accuracy", y_pred)
  return ops.cast(ops.equal(ops.argmax(y_true, -1), ops.argmax(y_pred, -1)), "float32")
end)

--- 1 where the largest entry of y_pred is at the label; labels of shape (n, 1) are taken as (n).
add("SparseCategoricalAccuracy", "sparse_categorical_accuracy", function(y_true, y_pred)
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  y_true = Loss.align_labels("sparse_categorical_accuracy", y_true, y_pred)
  return ops.cast(ops.equal(y_true, ops.argmax(y_pred, -1)), "float32")
end, nil, true)

local function check_k(what, k)
  if math.type(k) ~= "integer" or k < 1 then errors.fail("%s: 'k' must be an integer >= 1, got %s", what, errors.show(k)) end
end

--- 1 where the largest entry of y_true is at one of the k largest of y_pred: fewer than k are larger, so that equal ones are in.
local TopK = add("TopKCategoricalAccuracy", "top_k_categorical_accuracy", function(y_true, y_pred, k)
  check_k("top_k_categorical_accuracy", k)
  y_true, y_pred = Loss.pair("top_k_categorical_accuracy", y_true, y_pred)
  Loss.need_axis("top_k_categorical_accuracy", y_pred)
  return ops.cast(ops.in_top_k(ops.argmax(y_true, -1), y_pred, k), "float32")
end, {{"k", 5}})

--- 1 where the label is one of the k largest of y_pred: fewer than k are larger, so that equal ones are in; from_sorted_ids = true:
--- where it is one of the first k of y_pred, which then holds classes, best first.
local SparseTopK = add("SparseTopKCategoricalAccuracy", "sparse_top_k_categorical_accuracy",
  function(y_true, y_pred, k, from_sorted_ids)
    check_k("sparse_top_k_categorical_accuracy", k)
    y_true, y_pred = Loss.as_tensors(y_true, y_pred)
    y_true = Loss.align_labels("sparse_top_k_categorical_accuracy", y_true, y_pred)
    if not from_sorted_ids then
      if not y_true.dtype:find("int") then y_true = ops.cast(y_true, "int32") end
      return ops.cast(ops.in_top_k(y_true, y_pred, k), "float32")
    end
    local hits = ops.equal(ops.expand_dims(ops.cast(y_true, y_pred.dtype), -1), y_pred)
    local first = ops.less(ops.arange(core.length(y_pred, -1)), k)
    return ops.cast(ops.any(ops.logical_and(hits, first), -1), "float32")
  end, {{"k", 5}, {"from_sorted_ids", false}}, true)

for name, cls in pairs{TopKCategoricalAccuracy = TopK, SparseTopKCategoricalAccuracy = SparseTopK} do
  function cls:init(given)
    cls.super.init(self, given)
    args.check(name .. ": 'k'", self.k, "integer", 1)
  end
end

return {classes = classes, functions = functions}
