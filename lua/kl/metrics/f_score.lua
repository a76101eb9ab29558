-- F-scores: the harmonic mean of precision and recall per class (keras-semantics 4.3).
local args = require "kl.args"
local errors = require "kl.errors"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local Metric = require "kl.metrics.metric"
local columns = require "kl.metrics.columns"

local EPSILON = require "kl.ops.epsilon"
local averages = {micro = true, macro = true, weighted = true}

--- (1 + beta^2) precision recall / (beta^2 precision + recall), every divisor with 1e-7 added.
---@class kl.metrics.FBetaScore: kl.metrics.Metric
local FBetaScore = Metric:extend("FBetaScore")
FBetaScore.params = args.params{{"average"}, {"beta", 1.0}, {"threshold"}}
FBetaScore._direction = "up"
FBetaScore.default_name = "fbeta_score"

--- Options: average nil (a score per class), "micro" (counts of all classes together), "macro" (the mean of scores) or "weighted" (by
--- how often a class is true); beta > 0; threshold in (0, 1], without which the largest prediction of a row is the one that counts.
function FBetaScore:init(given)
  FBetaScore.super.init(self, given)
  local what, average, threshold = getmetatable(self).__name, rawget(self, "average"), rawget(self, "threshold")
  if average ~= nil and not averages[average] then
    errors.fail("%s: 'average' must be nil, micro, macro or weighted, got %s%s", what, errors.show(average),
      type(average) == "string" and errors.nearest(average, averages) or "")
  end
  local beta = self.beta
  if math.type(beta) == nil or beta ~= beta or beta <= 0 then
    errors.fail("%s: 'beta' must be a number > 0, got %s", what, errors.show(beta))
  end
  if threshold ~= nil and (math.type(threshold) == nil or not (threshold > 0 and threshold <= 1)) then
    errors.fail("%s: 'threshold' must be a number > 0 and <= 1, got %s", what, errors.show(threshold))
  end
end

--- y_true and y_pred of shape (n, classes).
function FBetaScore:update_state(y_true, y_pred, sample_weight)
  local micro = rawget(self, "average") == "micro"
  y_true, y_pred = columns.read(self, "classes", y_true, y_pred, function(classes)
    for _, name in ipairs{"true_positives", "false_positives", "false_negatives", "intermediate_weights"} do
      self[name] = self:add_weight{name = name, shape = micro and {} or {classes}}
    end
  end)
  local chosen
  local threshold = rawget(self, "threshold")
  if threshold then
    chosen = ops.greater(y_pred, threshold)
  else
    local nonzero = ops.greater(ops.abs(y_pred), 1e-9) -- Keras's bound: a row of zeros chooses nothing
    chosen = ops.logical_and(ops.greater_equal(y_pred, ops.max(y_pred, -1, true)), nonzero)
  end
  chosen = ops.cast(chosen, self.dtype)
  local weight
  if sample_weight ~= nil then weight = Loss.fit_weight(self.name, sample_weight, y_pred) end
  local function add(variable, values)
    if weight ~= nil then values = values * weight end
    if micro then values = ops.sum(values) else values = ops.sum(values, 1) end
    variable:assign_add(values)
  end
  add(self.true_positives, chosen * y_true)
  add(self.false_positives, chosen * (1 - y_true))
  add(self.false_negatives, (1 - chosen) * y_true)
  add(self.intermediate_weights, y_true)
end

---@return kl.Tensor # a scalar, or (classes) without an average
function FBetaScore:result()
  if not columns.known(self) then return ops.cast(0.0, self.dtype) end
  local average = rawget(self, "average")
  local precision = self.true_positives / (self.true_positives + self.false_positives + EPSILON)
  local recall = self.true_positives / (self.true_positives + self.false_negatives + EPSILON)
  local square = self.beta * self.beta
  local scores = precision * recall / (precision * square + recall + EPSILON) * (1 + square)
  if average == "weighted" then
    return ops.sum(scores * (self.intermediate_weights / (ops.sum(self.intermediate_weights) + EPSILON)))
  end
  return average == "macro" and ops.mean(scores) or scores
end

--- FBetaScore with beta = 1.
---@class kl.metrics.F1Score: kl.metrics.FBetaScore
local F1Score = FBetaScore:extend("F1Score")
F1Score.params = args.params{{"average"}, {"threshold"}}
F1Score.default_name = "f1_score"
F1Score.beta = 1.0

return {classes = {FBetaScore = FBetaScore, F1Score = F1Score}}
