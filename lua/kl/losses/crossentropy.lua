-- Cross-entropies (keras-semantics 3.3, 3.4).
--
-- Given the direct output of a softmax or sigmoid, they read its logits and use the stable form, as Keras on TensorFlow
-- does; other probabilities are clipped to [1e-7, 1 - 1e-7].
local core = require "kl.core"
local errors = require "kl.errors"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local family = require "kl.losses.family"()

local EPSILON = require "kl.ops.epsilon"

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
---@return kl.Tensor, kl.Tensor? # -log p[label]; with an ignore_class, which labels are another one
local function sparse_categorical_crossentropy(y_true, y_pred, from_logits, ignore_class, axis)
  local what = "sparse_categorical_crossentropy"
  y_true, y_pred = Loss.as_floats(y_true, y_pred)
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
  return ops.where(ignored, 0.0, values), ops.logical_not(ignored)
end

--- Ignored entries count neither as values nor in the mean.
local Sparse = family.add("SparseCategoricalCrossentropy", "sparse_categorical_crossentropy", sparse_categorical_crossentropy,
  {{"from_logits", false}, {"ignore_class"}, {"axis", -1}})
Sparse.takes_labels = true

--- The pair with one-hot targets moved toward all classes: y (1 - s) + s / classes.
local function smooth_classes(what, y_true, y_pred, label_smoothing, axis)
  y_true, y_pred = Loss.pair(what, y_true, y_pred)
  local classes = y_pred.shape[axis < 0 and y_pred.ndim + axis + 1 or axis]
  if classes == nil then
    errors.fail("%s: y_pred of shape %s has no axis %d of classes", what, core.shape_text(y_pred), axis)
  end
  if classes == 1 then
    warn_once(what, "y_pred has one class, so the loss is always 0; did you mean binary_crossentropy?")
  end
  if label_smoothing ~= 0 then y_true = y_true * (1 - label_smoothing) + label_smoothing / classes end
  return y_true, y_pred
end

--- The pair with targets moved toward one half: y (1 - s) + s / 2.
local function smooth_halves(what, y_true, y_pred, label_smoothing)
  y_true, y_pred = Loss.pair(what, y_true, y_pred)
  if label_smoothing ~= 0 then y_true = y_true * (1 - label_smoothing) + 0.5 * label_smoothing end
  return y_true, y_pred
end

--- -(y log p + (1 - y) log(1 - p)) with p kept within [1e-7, 1 - 1e-7].
local function of_probability(y_true, y_pred)
  local p = ops.clip(y_pred, EPSILON, 1 - EPSILON)
  return ops.negative(y_true * ops.log(p) + (1 - y_true) * ops.log(1 - p))
end

--- y_true gives a weight per class (one-hot, or smoothed).
---@return kl.Tensor # -sum(y log p)
local function categorical_crossentropy(y_true, y_pred, from_logits, label_smoothing, axis)
  y_true, y_pred = smooth_classes("categorical_crossentropy", y_true, y_pred, label_smoothing, axis)
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

family.add("CategoricalCrossentropy", "categorical_crossentropy", categorical_crossentropy,
  {{"from_logits", false}, {"label_smoothing", 0.0}, {"axis", -1}})

--- Each entry of y_pred is the probability of its own yes or no.
---@return kl.Tensor # mean over the axis of -(y log p + (1 - y) log(1 - p))
local function binary_crossentropy(y_true, y_pred, from_logits, label_smoothing, axis)
  y_true, y_pred = smooth_halves("binary_crossentropy", y_true, y_pred, label_smoothing)
  local logits = logits_of("binary_crossentropy", y_pred, "sigmoid", from_logits, -1)
  local values
  if logits then -- max(z, 0) - z y + log(1 + e^-|z|) = softplus(z) - z y
    values = ops.softplus(logits) - logits * y_true
  else
    values = of_probability(y_true, y_pred)
  end
  return values.ndim == 0 and values or ops.mean(values, axis)
end

family.add("BinaryCrossentropy", "binary_crossentropy", binary_crossentropy,
  {{"from_logits", false}, {"label_smoothing", 0.0}, {"axis", -1}})

--- Binary crossentropy that counts what is well classified less (Lin et al., 2017): (1 - p_t)^gamma bce, p_t being the probability
--- of what is true, times alpha for 1 and 1 - alpha for 0 with apply_class_balancing; the mean over the axis.  Logits become
--- probabilities first.
family.add("BinaryFocalCrossentropy", "binary_focal_crossentropy",
  function(y_true, y_pred, apply_class_balancing, alpha, gamma, from_logits, label_smoothing, axis)
    y_true, y_pred = smooth_halves("binary_focal_crossentropy", y_true, y_pred, label_smoothing)
    if from_logits then y_pred = ops.sigmoid(y_pred) end
    local p_true = y_true * y_pred + (1 - y_true) * (1 - y_pred)
    local values = ops.power(1 - p_true, gamma) * of_probability(y_true, y_pred)
    if apply_class_balancing then values = (y_true * alpha + (1 - y_true) * (1 - alpha)) * values end
    return values.ndim == 0 and values or ops.mean(values, axis)
  end, {{"apply_class_balancing", false}, {"alpha", 0.25}, {"gamma", 2.0}, {"from_logits", false}, {"label_smoothing", 0.0},
    {"axis", -1}})

--- Categorical crossentropy that counts what is well classified less: sum(-alpha (1 - p)^gamma y log p), p divided by its sum and
--- kept within [1e-7, 1 - 1e-7].  Logits become probabilities first.
family.add("CategoricalFocalCrossentropy", "categorical_focal_crossentropy",
  function(y_true, y_pred, alpha, gamma, from_logits, label_smoothing, axis)
    y_true, y_pred = smooth_classes("categorical_focal_crossentropy", y_true, y_pred, label_smoothing, axis)
    if from_logits then y_pred = ops.softmax(y_pred, axis) end
    local p = ops.clip(y_pred / ops.sum(y_pred, axis, true), EPSILON, 1 - EPSILON)
    local values = ops.power(1 - p, gamma) * alpha * (y_true * ops.log(p))
    return ops.negative(ops.sum(values, axis))
  end, {{"alpha", 0.25}, {"gamma", 2.0}, {"from_logits", false}, {"label_smoothing", 0.0}, {"axis", -1}})

local function check_q(what, q)
  if math.type(q) == nil or not (q > 0 and q < 1) then
    errors.fail("%s: 'q' must be above 0 and below 1, got %s", what, errors.show(q))
  end
end

--- (1 - p[label]^q) / q: between the crossentropy (q near 0) and the absolute error (q near 1), so that wrong labels weigh less
--- (Zhang and Sabuncu, 2018).  Labels are whole numbers, one per row, from 0.
local function generalized(y_true, y_pred, q)
  local what = "categorical_generalized_cross_entropy"
  check_q(what, q)
  y_true, y_pred = Loss.as_floats(y_true, y_pred)
  y_true = Loss.align_labels(what, y_true, y_pred)
  if y_true.dtype ~= "int32" and y_true.dtype ~= "int64" then y_true = ops.cast(y_true, "int32") end
  local p = ops.squeeze(ops.take_along_axis(y_pred, ops.expand_dims(y_true, -1), -1), -1)
  return (1 - ops.power(p, q)) / q
end

local Generalized = family.add("CategoricalGeneralizedCrossEntropy", "categorical_generalized_cross_entropy", generalized,
  {{"q", 0.5}})
Generalized.takes_labels = true

function Generalized:init(given)
  Generalized.super.init(self, given)
  check_q("CategoricalGeneralizedCrossEntropy", self.q)
end

return family
