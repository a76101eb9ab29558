-- Metrics that add up: Mean, Sum, and the mean of a function (keras-semantics 4.2).
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local ops = require "kl.ops"
local Loss = require "kl.losses.loss"
local Metric = require "kl.metrics.metric"
local serialize = require "kl.saving.serialize"

--- Values as one number per sample: all axes after the batch reduced.
local function per_sample(values, reduce)
  if values.ndim <= 1 then return values end
  local axes = {}
  for i = 2, values.ndim do axes[#axes + 1] = i end
  return reduce(values, axes)
end

local function as_float(values, dtype)
  local own = core.traits(values)
  if own == dtype then return values end
  return ops.cast(own and values or Loss.as_tensor("values", values), dtype)
end

--- Values and weights, one each per sample: (values * weights, weights).  Axes that only the values have are reduced before
--- the product, those that both have after it; so with one weight for all, they are one sample.
local function weighted(metric, values, weight, reduce)
  if weight == nil then return per_sample(values, reduce), nil end
  weight = as_float(weight, values.dtype)
  if values.ndim == 0 and weight.ndim <= 1 then return values * weight, weight end
  if weight.ndim == 0 and values.ndim > 0 then return reduce(values) * weight, weight end
  if values.ndim > weight.ndim then
    local axes = {}
    for i = weight.ndim + 1, values.ndim do axes[#axes + 1] = i end
    values = reduce(values, axes)
  end
  weight = ops.broadcast_to(Loss.fit_weight(metric.name, weight, values), values.shape)
  return per_sample(values * weight, reduce), per_sample(weight, reduce)
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
  if type(sample_weight) == "number" and values.ndim == 0 then -- the loss of a batch: nothing to make a tensor of
    self.total:assign_add(values * sample_weight)
    self.count:assign_add(sample_weight)
    return
  end
  local sums, weights = weighted(self, values, sample_weight, ops.mean)
  self.total:assign_add(ops.sum(sums))
  if weights ~= nil then
    self.count:assign_add(ops.sum(weights))
  else
    self.count:assign_add(core.length(sums, 1) or 1)
  end
end

function Mean:result() return ops.divide_no_nan(self.total, self.count) end

--- The (weighted) sum of everything seen.
---@class kl.metrics.Sum: kl.metrics.Metric
local Sum = Metric:extend("Sum")

function Sum:init(given)
  Sum.super.init(self, given)
  self.total = self:add_weight{name = "total"}
end

function Sum:update_state(values, sample_weight)
  local sums = weighted(self, as_float(values, self.dtype), sample_weight, ops.sum)
  self.total:assign_add(ops.sum(sums))
end

function Sum:result() return self.total.value end

--- The mean of fn(y_true, y_pred) over samples.  A second result of fn is a bool mask: where weights are given, it multiplies them
--- (without weights, entries that do not count are values like any other, as in Keras).
---@class kl.metrics.MeanMetricWrapper: kl.metrics.Mean
---@field takes_labels boolean # of a class: true where y_true is a label per row, and fn gets it as it was given
local MeanMetricWrapper = Mean:extend("MeanMetricWrapper")
MeanMetricWrapper.params = args.params{{"fn"}}
MeanMetricWrapper.takes_labels = false

-- kl's own functions by name and back, so that a metric made of one can be saved, and which way they are better.  Filled by
-- kl.metrics.
local names_of, functions_by_name, directions = {}, {}, {}

--- A class of a function (y_true, y_pred, ...) of kl's own, whose further arguments are the class's params.
---@param direction? string # which values are better: "up" or "down"
---@param takes_labels? boolean
function MeanMetricWrapper.of(name, f, params, direction, takes_labels)
  local cls = MeanMetricWrapper:extend(name)
  local list = args.params(params or {})
  cls.params, cls.axis_params = list, {axis = list.by_name.axis and true or nil}
  cls._direction, cls.takes_labels = direction, takes_labels or false
  local read = Loss.reader(list)
  function cls:fn(y_true, y_pred) return f(y_true, y_pred, read(self)) end
  return cls
end

--- MeanMetricWrapper{fn, name = "..."}, or a subclass with a method `fn`.
function MeanMetricWrapper:init(given)
  MeanMetricWrapper.super.init(self, given)
  Loss.check_options(getmetatable(self).__name, self.params, self._config)
  local f = functions_by_name[self._config.fn] or self._config.fn
  rawset(self, "fn", nil) -- a raw field would hide a subclass's method
  if type(f) ~= "function" and (f ~= nil or self.fn == nil) then
    errors.fail("%s: a function (y_true, y_pred) expected, got %s", getmetatable(self).__name, errors.show(f))
  end
  rawset(self, "_fn", f)
  if directions[f] then rawset(self, "_direction", directions[f]) end
end

--- kl's own functions know whether they take labels; what users give gets both of one shape, never a silent n x n.
function MeanMetricWrapper:update_state(y_true, y_pred, sample_weight)
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  if not self.takes_labels and not names_of[self._fn] then y_true, y_pred = Loss.align(self.name, y_true, y_pred) end
  local values, mask
  if self._fn then
    values, mask = self._fn(y_true, y_pred)
  else
    values, mask = self:fn(y_true, y_pred)
  end
  if not core.kind(values) and type(values) ~= "number" and type(values) ~= "table" then
    errors.fail("metric '%s' must give a tensor, of one value per sample, got %s", self.name, errors.show(values))
  end
  if mask ~= nil and sample_weight ~= nil then
    mask = ops.cast(mask, values.dtype)
    sample_weight = Loss.fit_weight(self.name, as_float(sample_weight, values.dtype), values) * mask
  end
  MeanMetricWrapper.super.update_state(self, values, sample_weight)
end

function MeanMetricWrapper:get_config()
  if self._fn and not names_of[self._fn] and not serialize.function_name(self._fn) then
    errors.fail("the metric '%s' is made of a Lua function, which cannot be saved without a name: kl.register(f, {name = \"...\"}) "
      .. "gives it one", self.name)
  end
  self._config.fn = names_of[self._fn] or self._fn
  return MeanMetricWrapper.super.get_config(self)
end

return {
  classes = {Mean = Mean, Sum = Sum, MeanMetricWrapper = MeanMetricWrapper},
  names_of = names_of, functions_by_name = functions_by_name, directions = directions,
}
