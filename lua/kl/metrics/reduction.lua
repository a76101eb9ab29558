-- Metrics that add up: Mean, Sum, and the mean of a function (keras-semantics 4.2).
local core = require "kl.core"
local errors = require "kl.errors"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local Metric = require "kl.metrics.metric"

--- Values as one number per sample: all axes after the batch reduced.
local function per_sample(values, reduce)
  if values.ndim <= 1 then return values end
  local axes = {}
  for i = 2, values.ndim do axes[#axes + 1] = i end
  return reduce(values, axes)
end

local function as_float(values, dtype)
  if not core.kind(values) then values = core.tensor(values) end
  return values.dtype == dtype and values or ops.cast(values, dtype)
end

--- Values and weights with the weights broadcast: (values * weights, weights), one each per sample.
local function weighted(what, values, weight, reduce)
  if weight == nil then return per_sample(values, reduce), nil end
  weight = as_float(weight, values.dtype)
  if values.ndim == 0 and weight.ndim <= 1 then return values * ops.sum(weight), ops.sum(weight) end
  if values.ndim > weight.ndim then
    local axes = {}
    for i = weight.ndim + 1, values.ndim do axes[#axes + 1] = i end
    if weight.ndim > 0 and weight.shape[weight.ndim] == 1 and #axes == 0 then axes = {} end
    if weight.ndim > 0 then values = reduce(values, axes) end
  end
  weight = Loss.fit_weight(what, weight, values)
  return values * weight, ops.broadcast_to(weight, values.shape)
end

--- The (weighted) mean of everything seen; 0 before anything was.
---@class kl.metrics.Mean: kl.metrics.Metric
local Mean = Metric:extend("Mean")

function Mean:init(given)
  Mean.super.init(self, given)
  self.total = self:add_weight{name = "total"}
  self.count = self:add_weight{name = "count"}
end

--- values: a scalar, or one entry per sample (further axes are averaged).
function Mean:update_state(values, sample_weight)
  values = as_float(values, self.dtype)
  local sums, weights = weighted(self.name, values, sample_weight, ops.mean)
  self.total:assign_add(ops.sum(sums))
  if weights ~= nil then
    self.count:assign_add(ops.sum(weights))
  else
    self.count:assign_add(sums.ndim == 0 and 1 or sums.shape[1])
  end
end

function Mean:result()
  local count = self.count
  return ops.where(ops.equal(count, 0), 0.0, self.total / ops.maximum(count, 1e-37))
end

--- The (weighted) sum of everything seen.
---@class kl.metrics.Sum: kl.metrics.Metric
local Sum = Metric:extend("Sum")

function Sum:init(given)
  Sum.super.init(self, given)
  self.total = self:add_weight{name = "total"}
end

function Sum:update_state(values, sample_weight)
  local sums = weighted(self.name, as_float(values, self.dtype), sample_weight, ops.sum)
  self.total:assign_add(ops.sum(sums))
end

function Sum:result() return self.total.value end

--- The mean of fn(y_true, y_pred) over samples.
---@class kl.metrics.MeanMetricWrapper: kl.metrics.Mean
local MeanMetricWrapper = Mean:extend("MeanMetricWrapper")

--- MeanMetricWrapper{fn, name = "..."}, or a subclass with a method `fn`.
function MeanMetricWrapper:init(given)
  local options = {}
  for key, value in pairs(type(given) == "table" and getmetatable(given) == nil and given or {given}) do
    if key == 1 and type(value) == "function" or key == "fn" then
      rawset(self, "_fn", value)
    else
      options[key] = value
    end
  end
  MeanMetricWrapper.super.init(self, options)
  if not self._fn and not getmetatable(self).class.fn then
    errors.fail("MeanMetricWrapper: a function (y_true, y_pred) expected")
  end
end

function MeanMetricWrapper:update_state(y_true, y_pred, sample_weight)
  if not core.kind(y_true) then y_true = core.tensor(y_true) end
  if not core.kind(y_pred) then y_pred = core.tensor(y_pred) end
  local values
  if self._fn then
    values = self._fn(y_true, y_pred)
  else
    values = self:fn(y_true, y_pred)
  end
  MeanMetricWrapper.super.update_state(self, values, sample_weight)
end

return {Mean = Mean, Sum = Sum, MeanMetricWrapper = MeanMetricWrapper}
