-- The area under a curve of two rates over all thresholds (keras-semantics 4.3, 4.4).
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local Metric = require "kl.metrics.metric"
local thresholds = require "kl.metrics.thresholds"

local EPSILON = require "kl.ops.epsilon"

--- The area under the ROC curve (recall over false positive rate), the precision-recall curve or that of their gains (Flach and
--- Kull, 2015), as a sum over thresholds.
---@class kl.metrics.AUC: kl.metrics.Metric
local AUC = Metric:extend("AUC")
AUC.params = args.params{{"num_thresholds", 200}, {"curve", "ROC"}, {"summation_method", "interpolation"}, {"thresholds"},
  {"multi_label", false}, {"num_labels"}, {"label_weights"}, {"from_logits", false}}
AUC._direction = "up"

local function choose(name, given, known)
  for _, choice in ipairs(known) do
    if type(given) == "string" and given:lower() == choice:lower() then return choice end
  end
  errors.fail("AUC: '%s' must be one of %s, got %s%s", name, table.concat(known, ", "), errors.show(given),
    errors.nearest(tostring(given), known))
end

--- Options: num_thresholds = 200 at equal distances, or thresholds = {...} within [0, 1], to which one below 0 and one above 1 are
--- added; curve "ROC", "PR" or "PRGAIN"; summation_method "interpolation", "minoring" or "majoring"; multi_label = true for an area
--- per label, averaged with label_weights (num_labels makes the state at once); without it label_weights weigh what is counted;
--- from_logits = true takes the sigmoid of predictions.
function AUC:init(given)
  AUC.super.init(self, given)
  self.curve = choose("curve", self.curve, {"ROC", "PR", "PRGAIN"})
  self.summation_method = choose("summation_method", self.summation_method, {"interpolation", "minoring", "majoring"})
  local list, even
  if rawget(self, "thresholds") ~= nil then
    list = thresholds.read("AUC", self.thresholds)
    table.sort(list)
    table.insert(list, 1, 0.0)
    table.insert(list, 1.0)
    even = thresholds.is_even(list)
    self.num_thresholds = #list
  else
    args.check("AUC: 'num_thresholds'", self.num_thresholds, "integer", 2)
    list, even = thresholds.even(self.num_thresholds), true
  end
  list[1], list[#list] = -EPSILON, 1 + EPSILON
  thresholds.prepare(self, list, even, true)
  thresholds.check_integer(self, "num_labels", 1)
  local weights = rawget(self, "label_weights")
  if weights ~= nil then
    if type(weights) ~= "table" or #weights == 0 then
      errors.fail("AUC: 'label_weights' must be a list of numbers, got %s", errors.show(weights))
    end
    for _, weight in ipairs(weights) do
      if math.type(weight) == nil or weight ~= weight or weight < 0 then
        errors.fail("AUC: 'label_weights' must be numbers >= 0, got %s", errors.show(weight))
      end
    end
    self._weights = core.outside(core.tensor, weights, self.dtype)
  end
  local labels = rawget(self, "num_labels")
  if labels ~= nil and not self.multi_label then errors.fail("AUC: 'num_labels' is for multi_label = true") end
  if not self.multi_label then
    self:_build({self.num_thresholds})
  elseif labels then
    self:_build({self.num_thresholds, labels})
  end
end

function AUC:_build(shape)
  local weights = rawget(self, "label_weights")
  if weights and self.multi_label and #weights ~= shape[2] then
    errors.fail("AUC: %d label_weights for %d labels", #weights, shape[2])
  end
  thresholds.add_variables(self, {"_tp", "_fp", "_tn", "_fn"}, shape)
end

--- y_true of 0 and 1, y_pred of probabilities: shapes alike, of multi_label (n, labels).
function AUC:update_state(y_true, y_pred, sample_weight)
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  if self.multi_label then
    local labels = core.length(y_pred, -1)
    local known = rawget(self, "_tp") and core.length(self._tp, 2)
    if y_pred.ndim ~= 2 or not labels or known and labels ~= known then
      errors.fail("%s: y_pred must have shape (n, %s) with multi_label, got %s", self.name, known or "labels",
        core.shape_text(y_pred))
    end
    if not known then self:_build({self.num_thresholds, labels}) end
  end
  if self.from_logits then y_pred = ops.sigmoid(ops.cast(y_pred, self.dtype)) end
  thresholds.count(self, y_true, y_pred, {sample_weight = sample_weight, multi_label = self.multi_label,
    label_weights = not self.multi_label and rawget(self, "_weights") or nil})
end

-- A rate at each threshold but the last, and at each but the first.
local function sides(values) return values[{ {1, -2} }], values[{ {2, -1} }] end

--- Davis and Goadrich (2006): between two thresholds true and false positives grow in a fixed ratio, so that precision is no line.
function AUC:_interpolated_pr()
  local tp, above_tp = sides(self._tp.value)
  local p, above_p = sides(self._tp + self._fp)
  local gained = tp - above_tp
  local slope = ops.divide_no_nan(gained, ops.maximum(p - above_p, 0))
  local intercept = above_tp - slope * above_p
  local both = ops.logical_and(ops.greater(p, 0), ops.greater(above_p, 0))
  local ratio = ops.where(both, ops.divide_no_nan(p, ops.maximum(above_p, 0)), 1.0)
  local _, above_fn = sides(self._fn.value)
  return ops.divide_no_nan(slope * (gained + intercept * ops.log(ratio)), ops.maximum(above_tp + above_fn, 0))
end

--- The two rates that the curve is drawn of.
function AUC:_rates()
  local tp, fp, tn, fn = self._tp, self._fp, self._tn, self._fn
  local recall = ops.divide_no_nan(tp, tp + fn)
  if self.curve == "ROC" then return ops.divide_no_nan(fp, fp + tn), recall end
  if self.curve == "PR" then return recall, ops.divide_no_nan(tp, tp + fp) end
  local scale, none = ops.divide_no_nan(tp + fn, tn + fp), ops.equal(tp, 0)
  local recall_gain = ops.where(none, 0.0, 1 - scale * ops.divide_no_nan(fn, tp))
  local precision_gain = ops.where(none, 1.0, 1 - scale * ops.divide_no_nan(fp, tp))
  return ops.maximum(recall_gain, 0), precision_gain
end

function AUC:result()
  if not rawget(self, "_tp") then return ops.cast(0.0, self.dtype) end
  local areas
  if self.curve == "PR" and self.summation_method == "interpolation" then
    areas = self:_interpolated_pr()
  else
    local x, y = self:_rates()
    local left, right = sides(y)
    local x_left, x_right = sides(x)
    local height
    if self.summation_method == "interpolation" then
      height = (left + right) / 2
    else
      height = self.summation_method == "minoring" and ops.minimum(left, right) or ops.maximum(left, right)
    end
    areas = (x_left - x_right) * height
  end
  if not self.multi_label then return ops.sum(areas) end
  local by_label, weights = ops.sum(areas, 1), rawget(self, "_weights")
  if not weights then return ops.mean(by_label) end
  return ops.divide_no_nan(ops.sum(by_label * weights), ops.sum(weights))
end

function AUC:get_config()
  local config = AUC.super.get_config(self)
  config.curve, config.summation_method, config.num_thresholds = self.curve, self.summation_method, self.num_thresholds
  return config
end

return {classes = {AUC = AUC}}
