-- R2, the coefficient of determination (keras-semantics 4.3).
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local Metric = require "kl.metrics.metric"
local columns = require "kl.metrics.columns"

local aggregations = {uniform_average = true, variance_weighted_average = true, none = true}

--- 1 - residual sum of squares / total sum of squares, per column of the targets.
---@class kl.metrics.R2Score: kl.metrics.Metric
local R2Score = Metric:extend("R2Score")
R2Score.params = args.params{{"class_aggregation", "uniform_average"}, {"num_regressors", 0}}
R2Score.null_options = {class_aggregation = "none"}
R2Score._direction = "up"

--- Options: class_aggregation "uniform_average", "variance_weighted_average" or "none" (a score per column); num_regressors > 0 gives
--- the adjusted score, where there are more samples than that (else the plain one).
function R2Score:init(given)
  R2Score.super.init(self, given)
  if not aggregations[self.class_aggregation] then
    errors.fail("R2Score: 'class_aggregation' must be uniform_average, variance_weighted_average or none, got %s%s",
      errors.show(self.class_aggregation), errors.nearest(self.class_aggregation, aggregations))
  end
  args.check("R2Score: 'num_regressors'", self.num_regressors, "integer", 0)
  self.num_samples = self:add_weight{name = "num_samples"}
end

--- y_true and y_pred of shape (n, columns), or one of them (n) where there is one column.
function R2Score:update_state(y_true, y_pred, sample_weight)
  y_true, y_pred = columns.read(self, "columns", y_true, y_pred, function(count)
    for field, name in ("squared_sum=squared_sum sum=sum total_mse=residual count=count"):gmatch("(%S+)=(%S+)") do
      self[field] = self:add_weight{name = name, shape = {count}}
    end
  end)
  local weight = Loss.fit_weight(self.name, sample_weight == nil and 1.0 or sample_weight, y_true)
  weight = ops.broadcast_to(weight, y_true.shape)
  local weighted = y_true * weight
  self.sum:assign_add(ops.sum(weighted, 1))
  self.squared_sum:assign_add(ops.sum(y_true * weighted, 1))
  self.total_mse:assign_add(ops.sum(ops.square(y_true - y_pred) * weight, 1))
  self.count:assign_add(ops.sum(weight, 1))
  self.num_samples:assign_add(core.size(y_true) or ops.sum(ops.ones_like(y_true))) -- values, not rows, as Keras counts them
end

---@return kl.Tensor # a scalar, or (columns) with class_aggregation = "none"; NaN where all targets are equal and met
function R2Score:result()
  if not columns.known(self) then return ops.cast(0.0, self.dtype) end
  local total = self.squared_sum - self.sum * ops.divide_no_nan(self.sum, self.count)
  local scores = 1 - self.total_mse / total
  scores = ops.where(ops.logical_or(ops.isinf(scores), ops.equal(self.count, 0)), 0.0, scores)
  local score = scores
  if self.class_aggregation == "uniform_average" then
    score = ops.mean(scores)
  elseif self.class_aggregation == "variance_weighted_average" then
    score = ops.where(ops.equal(self.num_samples, 0), 0.0, ops.sum(total * scores) / ops.sum(total))
  end
  local p = self.num_regressors
  if p == 0 then return score end
  local n = self.num_samples
  local adjusted = 1 - (1 - score) * (n - 1) / (n - p - 1)
  return ops.where(ops.greater(n, p + 1), adjusted, score)
end

function R2Score:get_config()
  local config = R2Score.super.get_config(self)
  if self.class_aggregation == "none" then config.class_aggregation = core.json.null end
  return config
end

return {classes = {R2Score = R2Score}}
