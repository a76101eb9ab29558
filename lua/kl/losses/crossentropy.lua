-- Cross-entropies (keras-semantics 3.3, 3.4).
--
-- Given the direct output of a softmax or sigmoid, they read its logits and use the stable form, as Keras on TensorFlow
-- does; other probabilities are clipped to [1e-7, 1 - 1e-7].
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"

local EPSILON = 1e-7
local functions = {}

--- The logits behind probabilities, if they are known.
local function recovered(y_pred, kind)
  local logits, made_by = core.logits(y_pred)
  if logits and made_by == kind then return logits end
end

local function to_axis_last(t, axis)
  if axis == -1 or axis == t.ndim then return t end
  return ops.moveaxis(t, axis, -1)
end

local function as_float(y_true, like)
  return y_true.dtype == like.dtype and y_true or ops.cast(y_true, like.dtype)
end

--- Labels are whole numbers: one per row of y_pred, from 0.
---@return kl.Tensor # -log p[label]
function functions.sparse_categorical_crossentropy(y_true, y_pred, from_logits, ignore_class, axis)
  axis = axis or -1
  local logits = from_logits and y_pred or (axis == -1 or axis == y_pred.ndim) and recovered(y_pred, "softmax")
  if not logits then logits = ops.log(ops.clip(y_pred, EPSILON, 1 - EPSILON)) end
  logits = to_axis_last(logits, axis)
  if logits.ndim < 1 or logits.shape[logits.ndim] == 0 then
    errors.fail("sparse_categorical_crossentropy: y_pred of shape %s has no classes", core.shape_text(y_pred))
  end
  if y_true.ndim == logits.ndim and y_true.shape[y_true.ndim] == 1 then y_true = ops.squeeze(y_true, -1) end
  local expected = logits.shape
  local fits = y_true.ndim == logits.ndim - 1
  for i, n in ipairs(y_true.shape) do fits = fits and (n == expected[i] or not n or not expected[i]) end
  if not fits then
    errors.fail("sparse_categorical_crossentropy: y_true of shape %s does not fit y_pred of shape %s: one label per row expected",
      core.shape_text(y_true), core.shape_text(y_pred))
  end
  if ignore_class == nil then return core.ops.sparse_softmax_cross_entropy(y_true, logits) end
  local ignored = ops.equal(y_true, ignore_class)
  local safe = ops.where(ignored, ops.zeros_like(y_true), y_true)
  local values = core.ops.sparse_softmax_cross_entropy(safe, logits)
  local valid = ops.cast(ops.logical_not(ignored), values.dtype)
  return ops.where(ignored, 0.0, values), valid
end

--- y_true gives a weight per class (one-hot, or smoothed).
---@return kl.Tensor # -sum(y log p)
function functions.categorical_crossentropy(y_true, y_pred, from_logits, label_smoothing, axis)
  axis = axis or -1
  y_true = as_float(y_true, y_pred)
  y_true, y_pred = Loss.align("categorical_crossentropy", y_true, y_pred)
  local classes = y_pred.shape[axis < 0 and y_pred.ndim + axis + 1 or axis]
  if label_smoothing and label_smoothing ~= 0 then y_true = y_true * (1 - label_smoothing) + label_smoothing / classes end
  local logits = from_logits and y_pred or (axis == -1 or axis == y_pred.ndim) and recovered(y_pred, "softmax")
  local log_p
  if logits then
    log_p = ops.log_softmax(logits, axis)
  else
    local p = y_pred / ops.sum(y_pred, axis, true)
    log_p = ops.log(ops.clip(p, EPSILON, 1 - EPSILON))
  end
  return ops.negative(ops.sum(y_true * log_p, axis))
end

--- Each entry of y_pred is the probability of its own yes or no.
---@return kl.Tensor # mean over the axis of -(y log p + (1 - y) log(1 - p))
function functions.binary_crossentropy(y_true, y_pred, from_logits, label_smoothing, axis)
  y_true = as_float(y_true, y_pred)
  y_true, y_pred = Loss.align("binary_crossentropy", y_true, y_pred)
  if label_smoothing and label_smoothing ~= 0 then y_true = y_true * (1 - label_smoothing) + 0.5 * label_smoothing end
  local logits = from_logits and y_pred or recovered(y_pred, "sigmoid")
  local values
  if logits then -- max(z, 0) - z y + log(1 + e^-|z|) = softplus(z) - z y
    values = ops.softplus(logits) - logits * y_true
  else
    local p = ops.clip(y_pred, EPSILON, 1 - EPSILON)
    values = ops.negative(y_true * ops.log(p) + (1 - y_true) * ops.log(1 - p))
  end
  return values.ndim == 0 and values or ops.mean(values, axis or -1)
end

---@class kl.losses.BinaryCrossentropy: kl.losses.Loss
local BinaryCrossentropy = Loss:extend("BinaryCrossentropy")
BinaryCrossentropy.params = args.params{{"from_logits", false}, {"label_smoothing", 0.0}, {"axis", -1}}
BinaryCrossentropy.axis_params = {axis = true}
function BinaryCrossentropy:call(y_true, y_pred)
  return functions.binary_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing, self.axis)
end

---@class kl.losses.CategoricalCrossentropy: kl.losses.Loss
local CategoricalCrossentropy = Loss:extend("CategoricalCrossentropy")
CategoricalCrossentropy.params = args.params{{"from_logits", false}, {"label_smoothing", 0.0}, {"axis", -1}}
CategoricalCrossentropy.axis_params = {axis = true}
function CategoricalCrossentropy:call(y_true, y_pred)
  return functions.categorical_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing, self.axis)
end

---@class kl.losses.SparseCategoricalCrossentropy: kl.losses.Loss
local SparseCategoricalCrossentropy = Loss:extend("SparseCategoricalCrossentropy")
SparseCategoricalCrossentropy.params = args.params{{"from_logits", false}, {"ignore_class"}, {"axis", -1}}
SparseCategoricalCrossentropy.axis_params = {axis = true}
function SparseCategoricalCrossentropy:call(y_true, y_pred)
  return functions.sparse_categorical_crossentropy(y_true, y_pred, self.from_logits, self.ignore_class, self.axis)
end

--- Ignored entries count neither as values nor in the mean: valid ones get the weight total / valid.
function SparseCategoricalCrossentropy:__call(y_true, y_pred, sample_weight)
  y_true, y_pred = self:_as_tensors(y_true, y_pred)
  local values, valid = self:call(y_true, y_pred)
  if valid then
    local scale = valid
    if self.reduction == "sum_over_batch_size" or self.reduction == "mean" then
      local total = 1
      for _, n in ipairs(valid.shape) do total = total * n end
      scale = valid * (total / ops.maximum(ops.sum(valid), 1.0))
    end
    sample_weight = sample_weight == nil and scale or Loss.fit_weight(self.name, sample_weight, values) * scale
  end
  return self:reduce(values, sample_weight)
end

return {functions = functions, classes = {
  BinaryCrossentropy = BinaryCrossentropy, CategoricalCrossentropy = CategoricalCrossentropy,
  SparseCategoricalCrossentropy = SparseCategoricalCrossentropy,
}}
