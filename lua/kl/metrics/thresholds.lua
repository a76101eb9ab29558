-- Counting true and false positives and negatives at thresholds: what precision, recall, AUC and their kin are made of
-- (keras-semantics 4.4).
--
-- A prediction is positive at a threshold if it is greater.  Thresholds that cut [0, 1] into equal parts are not compared with
-- one by one: a prediction falls into the bucket ceil(p (n - 1)) - 1 of n, and is positive at all thresholds up to there.
local core = require "kl.core"
local class = require "kl.class"
local errors = require "kl.errors"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"

local EPSILON = require "kl.ops.epsilon"

local thresholds = {NEVER = -1e10} -- what top_k makes of all but the k largest

--- The thresholds a user gave (nil, a number or a list) as a list of numbers within [0, 1].
---@param what string
function thresholds.read(what, given, default)
  if given == nil then return {default} end
  local list = type(given) == "table" and getmetatable(given) == nil and given or {given}
  if #list == 0 then errors.fail("%s: 'thresholds' is empty", what) end
  for _, t in ipairs(list) do
    if math.type(t) == nil or not (t >= 0 and t <= 1) then
      errors.fail("%s: 'thresholds' must be numbers within [0, 1], got %s", what, errors.show(t))
    end
  end
  return {table.unpack(list)}
end

--- n numbers from 0 to 1 at equal distances.
function thresholds.even(n)
  local list = {}
  for i = 1, n do list[i] = (i - 1) / (n - 1) end
  return list
end

--- Whether a list of at least 3 is that, but for rounding: by numpy.allclose with Keras's fuzz factor, as Keras asks.
function thresholds.is_even(list)
  if #list < 3 then return false end
  for i, t in ipairs(list) do
    local expected = (i - 1) / (#list - 1)
    if math.abs(t - expected) > EPSILON + 1e-5 * expected then return false end
  end
  return true
end

--- Prepares a metric for counting at these thresholds.
---@param even boolean # they cut [0, 1] into equal parts
---@param outside boolean # the first lies below 0 and the last above 1, so that every prediction is above the first
function thresholds.prepare(metric, list, even, outside)
  metric._count, metric._even, metric._outside = #list, even, outside
  if not even and #list > 1 then metric._list = core.outside(core.tensor, list, "float64") end
  if #list == 1 then metric._single = list[1] + 0.0 end
end

--- The predictions with all but the k largest of each row out of reach; of equal ones the first are taken.
local function only_top(metric, y_pred, k)
  local classes = core.length(y_pred, -1)
  if not classes or k > classes then
    errors.fail("%s: top_k = %d, but y_pred has shape %s", metric.name, k, core.shape_text(y_pred))
  end
  local chosen = ops.any(ops.cast(ops.one_hot(ops.top_k(y_pred, k)[2], classes), "bool"), -2)
  return ops.where(chosen, y_pred, thresholds.NEVER)
end

local function only_class(metric, y_true, y_pred, id)
  local classes = core.length(y_pred, -1)
  if y_pred.ndim < 2 or classes and id >= classes then
    errors.fail("%s: class_id = %d (from 0), but y_pred has shape %s", metric.name, id, core.shape_text(y_pred))
  end
  return ops.expand_dims(ops.take(y_true, id, -1), -1), ops.expand_dims(ops.take(y_pred, id, -1), -1)
end

--- Weights per prediction, flat as the predictions are: those per sample times those per label.
local function flat_weights(metric, y_pred, sample_weight, label_weights, shape)
  local weights
  if sample_weight ~= nil then
    weights = ops.broadcast_to(Loss.fit_weight(metric.name, sample_weight, y_pred), y_pred.shape)
  end
  if label_weights ~= nil then
    if core.length(y_pred, -1) ~= core.length(label_weights, 1) then
      errors.fail("%s: %d label_weights, but y_pred has shape %s", metric.name, core.length(label_weights, 1), core.shape_text(y_pred))
    end
    local of_labels = ops.broadcast_to(ops.cast(label_weights, y_pred.dtype), y_pred.shape)
    weights = weights ~= nil and weights * of_labels or of_labels
  end
  return weights ~= nil and ops.reshape(weights, shape) or nil
end

--- How much of `values` (m or m, labels) is positive at each threshold, or negative: (n) or (n, labels).
local function count_even(metric, y_pred, values, negative)
  local n = metric._count
  local p = ops.clip(ops.where(ops.isnan(y_pred), 0.0, y_pred), 0, 1)
  local bucket = ops.cast(ops.ceil(p * (n - 1)), "int32") -- 0: above no threshold
  if metric._outside then bucket = ops.maximum(bucket, 1) end
  local labels = y_pred.ndim == 2 and core.length(y_pred, 2) or nil
  local flat, shape = bucket, {n + 1}
  if labels then
    flat = bucket * labels + ops.arange(labels)
    shape = {n + 1, labels}
  end
  local zeros = ops.zeros{labels and (n + 1) * labels or n + 1, dtype = values.dtype}
  local sums = ops.scatter_add(zeros, ops.reshape(flat, {-1, 1}), ops.reshape(values, {-1}))
  sums = ops.reshape(sums, shape)[{ {2, -1} }]
  local positives = ops.flip(ops.cumsum(ops.flip(sums, 1), 1), 1)
  return negative and ops.sum(values, 1) - positives or positives
end

local function count_listed(metric, y_pred, values, negative)
  local above
  if metric._single then
    above = ops.expand_dims(ops.greater(y_pred, metric._single), 1)
  else
    local list = ops.reshape(ops.cast(metric._list, y_pred.dtype), y_pred.ndim == 2 and {-1, 1, 1} or {-1, 1})
    above = ops.greater(ops.expand_dims(y_pred, 1), list)
  end
  values = ops.expand_dims(values, 1)
  return ops.sum(negative and ops.where(above, 0.0, values) or ops.where(above, values, 0.0), 2)
end

--- Adds a batch to those of the metric's variables true_positives, false_positives, true_negatives, false_negatives that it has.
---@param metric table     # prepared
---@param o table          # top_k, class_id, sample_weight, multi_label (labels stay apart), label_weights
function thresholds.count(metric, y_true, y_pred, o)
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  y_pred = ops.cast(y_pred, metric.dtype)
  y_true, y_pred = Loss.align(metric.name, ops.cast(y_true, metric.dtype), y_pred)
  if o.top_k then y_pred = only_top(metric, y_pred, o.top_k) end
  if o.class_id then y_true, y_pred = only_class(metric, y_true, y_pred, o.class_id) end
  local shape = o.multi_label and y_pred.shape or {-1}
  local weights = flat_weights(metric, y_pred, o.sample_weight, o.label_weights, shape)
  local flat_true, flat_pred = ops.reshape(y_true, shape), ops.reshape(y_pred, shape)
  local is_true = ops.cast(ops.cast(flat_true, "bool"), metric.dtype)
  local trues, falses = is_true, 1 - is_true
  if weights ~= nil then trues, falses = trues * weights, falses * weights end

  local count = metric._even and count_even or count_listed
  for _, part in ipairs{{"_tp", trues}, {"_fp", falses}, {"_tn", falses, true}, {"_fn", trues, true}} do
    local variable = rawget(metric, part[1])
    if variable then variable:assign_add(count(metric, flat_pred, part[2], part[3])) end
  end
end

--- Makes the variables of such a metric.
---@param order string[] # of "_tp", "_fp", "_tn", "_fn"
function thresholds.add_variables(metric, order, shape)
  local names = {_tp = "true_positives", _fp = "false_positives", _tn = "true_negatives", _fn = "false_negatives"}
  for _, field in ipairs(order) do
    local v = metric:add_weight{name = names[field], shape = shape}
    metric[names[field]] = v
    rawset(metric, field, v)
  end
end

--- An option that is nil or a whole number from `low`.
function thresholds.check_integer(metric, name, low)
  local value = rawget(metric, name)
  if value ~= nil and (math.type(value) ~= "integer" or value < low) then
    errors.fail("%s: '%s' must be an integer >= %d, got %s", class.of(metric).__name, name, low, errors.show(value))
  end
end

return thresholds
