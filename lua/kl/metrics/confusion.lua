-- Metrics of the confusion matrix at thresholds: its four counts, precision, recall, and one rate where another is held
-- (keras-semantics 4.3, 4.4).
local args = require "kl.args"
local ops = require "kl.ops"
local Metric = require "kl.metrics.metric"
local thresholds = require "kl.metrics.thresholds"

local classes = {}

--- One number with one threshold, else one per threshold.
local function per_threshold(metric, values)
  return metric._count == 1 and ops.squeeze(values, 1) or values
end

--- How many samples (or how much of their weights) are true or false positives or negatives.
local function add_count(name, field)
  local cls = Metric:extend(name)
  cls.params = args.params{{"thresholds"}}

  function cls:init(given)
    cls.super.init(self, given)
    local list = thresholds.read(name, rawget(self, "thresholds"), 0.5)
    thresholds.prepare(self, list, thresholds.is_even(list), false)
    self.accumulator = self:add_weight{name = "accumulator", shape = {#list}}
    rawset(self, field, self.accumulator)
  end

  function cls:update_state(y_true, y_pred, sample_weight)
    thresholds.count(self, y_true, y_pred, {sample_weight = sample_weight})
  end

  function cls:result() return per_threshold(self, self.accumulator.value) end
  classes[name] = cls
end

add_count("TruePositives", "_tp")
add_count("TrueNegatives", "_tn")
add_count("FalsePositives", "_fp")
add_count("FalseNegatives", "_fn")

--- tp / (tp + other), other being what `field` counts; 0 of nothing.
local function add_share(name, field)
  local cls = Metric:extend(name)
  cls.params = args.params{{"thresholds"}, {"top_k"}, {"class_id"}}
  cls._direction = "up"

  function cls:init(given)
    cls.super.init(self, given)
    thresholds.check_integer(self, "top_k", 1)
    thresholds.check_integer(self, "class_id", 0)
    local list = thresholds.read(name, rawget(self, "thresholds"), rawget(self, "top_k") and thresholds.NEVER or 0.5)
    thresholds.prepare(self, list, thresholds.is_even(list), false)
    thresholds.add_variables(self, {"_tp", field}, {#list})
  end

  function cls:update_state(y_true, y_pred, sample_weight)
    thresholds.count(self, y_true, y_pred, {sample_weight = sample_weight, top_k = rawget(self, "top_k"),
      class_id = rawget(self, "class_id")})
  end

  function cls:result() return per_threshold(self, ops.divide_no_nan(self._tp, self._tp + self[field])) end
  classes[name] = cls
end

add_share("Precision", "_fp") -- of what was said to be positive, how much is
add_share("Recall", "_fn")    -- of what is positive, how much was said to be

local function rates(metric)
  local tp, fp, tn, fn = metric._tp, metric._fp, metric._tn, metric._fn
  return {
    sensitivity = function() return ops.divide_no_nan(tp, tp + fn) end,
    specificity = function() return ops.divide_no_nan(tn, tn + fp) end,
    recall = function() return ops.divide_no_nan(tp, tp + fn) end,
    precision = function() return ops.divide_no_nan(tp, tp + fp) end,
  }
end

--- The best rate `wanted` over the thresholds at which the rate `held` is at least the value given; 0 where there is none.
local function add_best(name, wanted, held)
  local cls = Metric:extend(name)
  cls.params = args.params{held, {"num_thresholds", 200}, {"class_id"}}
  cls._direction = "up"

  function cls:init(given)
    cls.super.init(self, given)
    args.check(("%s: '%s'"):format(name, held), self[held], "number", 0, 1)
    args.check(name .. ": 'num_thresholds'", self.num_thresholds, "integer", 1)
    thresholds.check_integer(self, "class_id", 0)
    local n = self.num_thresholds
    thresholds.prepare(self, n == 1 and {0.5} or thresholds.even(n), n > 1, false)
    thresholds.add_variables(self, {"_tp", "_fp", "_tn", "_fn"}, {n})
  end

  function cls:update_state(y_true, y_pred, sample_weight)
    thresholds.count(self, y_true, y_pred, {sample_weight = sample_weight, class_id = rawget(self, "class_id")})
  end

  function cls:result()
    local rate = rates(self)
    return ops.maximum(ops.max(ops.where(ops.greater_equal(rate[held](), self[held]), rate[wanted](), 0.0)), 0.0)
  end
  classes[name] = cls
end

add_best("SensitivityAtSpecificity", "sensitivity", "specificity")
add_best("SpecificityAtSensitivity", "specificity", "sensitivity")
add_best("PrecisionAtRecall", "precision", "recall")
add_best("RecallAtPrecision", "recall", "precision")

return {classes = classes}
