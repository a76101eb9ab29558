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

local warned = {}
local function warn_once(what, text)
  if warned[what .. text] then return end
  warned[what .. text] = true
  core.warn(("%s: %s"):format(what, text))
end

--- The logits: those behind probabilities if they are known, else y_pred if it is said to be logits, else nil.
local function logits_of(what, y_pred, kind, from_logits, axis)
  local logits, made_by = core.logits(y_pred)
  if logits and made_by == kind and (axis == -1 or axis == y_pred.ndim) then
    if from_logits then
      warn_once(what, ("from_logits = true, but y_pred is the output of a %s: its own logits are used"):format(kind))
    end
    return logits
  end
  return from_logits and y_pred or nil
end

local function to_axis_last(what, t, axis)
  if axis == -1 or axis == t.ndim then return t end
  if axis > t.ndim or axis < -t.ndim then
    errors.fail("%s: axis %d is not one of y_pred of shape %s", what, axis, core.shape_text(t))
  end
  return ops.moveaxis(t, axis, -1)
end

--- Labels are whole numbers: one per row of y_pred, from 0.
---@return kl.Tensor # -log p[label]
function functions.sparse_categorical_crossentropy(y_true, y_pred, from_logits, ignore_class, axis)
  local what = "sparse_categorical_crossentropy"
  axis = axis or -1
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  local logits = logits_of(what, y_pred, "softmax", from_logits, axis)
  if not logits then logits = ops.log(ops.clip(y_pred, EPSILON, 1 - EPSILON)) end
  logits = to_axis_last(what, logits, axis)
  local classes = core.length(logits, -1) -- nil of a scalar, false where it is not known
  if classes == nil or classes == 0 then
    errors.fail("sparse_categorical_crossentropy: y_pred of shape %s has no classes", core.shape_text(y_pred))
  end
  y_true = Loss.align_labels(what, y_true, logits)
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
  y_true, y_pred = Loss.pair("categorical_crossentropy", y_true, y_pred)
  local classes = y_pred.shape[axis < 0 and y_pred.ndim + axis + 1 or axis]
  if classes == nil then
    errors.fail("categorical_crossentropy: y_pred of shape %s has no axis %d of classes", core.shape_text(y_pred), axis)
  end
  if classes == 1 then
    warn_once("categorical_crossentropy", "y_pred has one class, so the loss is always 0; did you mean binary_crossentropy?")
  end
  if label_smoothing and label_smoothing ~= 0 then y_true = y_true * (1 - label_smoothing) + label_smoothing / classes end
  local logits = logits_of("categorical_crossentropy", y_pred, "softmax", from_logits, axis)
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
  y_true, y_pred = Loss.pair("binary_crossentropy", y_true, y_pred)
  if label_smoothing and label_smoothing ~= 0 then y_true = y_true * (1 - label_smoothing) + 0.5 * label_smoothing end
  local logits = logits_of("binary_crossentropy", y_pred, "sigmoid", from_logits, -1)
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
SparseCategoricalCrossentropy.takes_labels = true
function SparseCategoricalCrossentropy:call(y_true, y_pred)
  return functions.sparse_categorical_crossentropy(y_true, y_pred, self.from_logits, rawget(self, "ignore_class"), self.axis)
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
