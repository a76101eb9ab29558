-- The base of losses: from per-sample values to one number (keras-semantics 3.1, 3.2).
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local names = require "kl.names"
local ops = require "kl.ops"
local serialize = require "kl.saving.serialize"

---@class kl.losses.Loss: kl.Object
---@field name string
---@field reduction string # sum_over_batch_size (= mean), sum, mean_with_sample_weight, none
---@field takes_labels boolean # of a class: true where y_true is a label per row, and call gets it as it was given
local Loss = class.Object:extend("Loss")
Loss.common = args.params{{"reduction", "sum_over_batch_size"}, {"name"}, {"dtype"}}
Loss.params = args.params{}
Loss.takes_labels = false

local reductions = {sum_over_batch_size = true, mean = true, sum = true, mean_with_sample_weight = true, none = true}

---@param given? table # own params, reduction, name, dtype
function Loss:init(given)
  local what = getmetatable(self).__name
  local own, common = args.read(what, self.params, given, Loss.common)
  args.check_kinds(what, self.params, own)
  if own.axis ~= nil and (math.type(own.axis) ~= "integer" or own.axis == 0) then
    errors.fail("%s: 'axis' must be an integer other than 0, got %s", what, errors.show(own.axis))
  end
  rawset(self, "_config", own)
  for name, value in pairs(own) do self[name] = value end
  self.name = args.check(what .. ": 'name'", common.name or self.default_name or names.snake_case(what), "string")
  if common.reduction == nil or not reductions[common.reduction] then
    errors.fail("%s: reduction must be one of sum_over_batch_size, mean, sum, mean_with_sample_weight, none; got %s%s", what,
      errors.show(common.reduction), type(common.reduction) == "string" and errors.nearest(common.reduction, reductions) or "")
  end
  self.reduction = common.reduction
  self.dtype = common.dtype or "float32"
end

--- Makes the shapes of two arrays agree: where one has one more axis, of length 1, at the end, the other gets it if it has
--- rank 1, else it goes; after that the shapes must be equal.
function Loss.align(what, y_true, y_pred)
  local a, b = y_true.ndim, y_pred.ndim
  if a ~= b and math.abs(a - b) == 1 then
    local longer = a > b and y_true or y_pred
    if longer.shape[longer.ndim] == 1 then
      if math.min(a, b) == 1 then
        if a < b then y_true = ops.expand_dims(y_true, -1) else y_pred = ops.expand_dims(y_pred, -1) end
      else
        if a > b then y_true = ops.squeeze(y_true, -1) else y_pred = ops.squeeze(y_pred, -1) end
      end
    end
  end
  local same = y_true.ndim == y_pred.ndim
  local s, t = y_true.shape, y_pred.shape
  for i = 1, same and #s or 0 do same = same and (s[i] == t[i] or not s[i] or not t[i]) end
  if not same then
    errors.fail("%s: y_true of shape %s does not fit y_pred of shape %s%s", what, core.shape_text(y_true), core.shape_text(y_pred),
      a == b - 1 and " (is it one label per row?  Use a sparse loss or metric, or set takes_labels = true on a class of yours)" or "")
  end
  return y_true, y_pred
end

local function as_tensor(name, value)
  if value == nil then errors.fail("'%s' must be a tensor or a table of numbers, got nil", name) end
  return core.kind(value) and value or core.tensor(value)
end

--- What a function (y_true, y_pred) was given, as tensors.
function Loss.as_tensors(y_true, y_pred)
  if core.are_tensors(y_true, y_pred) then return y_true, y_pred end
  return as_tensor("y_true", y_true), as_tensor("y_pred", y_pred)
end

--- The same as tensors of y_pred's dtype and of one shape.
function Loss.pair(what, y_true, y_pred)
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  if y_true.dtype ~= y_pred.dtype then y_true = ops.cast(y_true, y_pred.dtype) end
  return Loss.align(what, y_true, y_pred)
end

--- For one label per row: labels of shape (..., 1) become (...), which must then be y_pred's shape without the last axis.
function Loss.align_labels(what, y_true, y_pred)
  if core.is_one_per_row(y_true, y_pred) then return y_true end
  if y_true.ndim == y_pred.ndim and core.length(y_true, -1) == 1 then y_true = ops.squeeze(y_true, -1) end
  if not core.is_one_per_row(y_true, y_pred) then
    errors.fail("%s: y_true of shape %s does not fit y_pred of shape %s: one label per row expected", what,
      core.shape_text(y_true), core.shape_text(y_pred))
  end
  return y_true
end

--- sample_weight as a tensor that multiplies per-sample values: trailing axes of length 1 come or go.
function Loss.fit_weight(what, weight, values)
  weight = ops.cast(weight, values.dtype)
  if weight.ndim == values.ndim + 1 and weight.shape[weight.ndim] == 1 then weight = ops.squeeze(weight, -1) end
  while weight.ndim > 0 and weight.ndim < values.ndim do weight = ops.expand_dims(weight, -1) end
  local s, t = weight.shape, values.shape
  local fits = weight.ndim <= values.ndim
  for i = 1, #s do fits = fits and (s[i] == t[i] or s[i] == 1 or not s[i] or not t[i]) end
  if not fits then
    errors.fail("%s: sample_weight of shape %s does not fit values of shape %s", what, core.shape_text(weight), core.shape_text(values))
  end
  return weight
end

--- Values and weights to the final result.  The mean divides by the number of values, not by the sum of weights.
function Loss:reduce(values, weight)
  if weight ~= nil then
    weight = Loss.fit_weight(self.name, weight, values)
    values = values * weight
  end
  local reduction = self.reduction
  if reduction == "none" then return values end
  if reduction == "sum" then return ops.sum(values) end
  if reduction == "mean_with_sample_weight" and weight ~= nil then
    local total = ops.sum(ops.broadcast_to(weight, values.shape))
    return ops.where(ops.equal(total, 0), 0.0, ops.sum(values) / total)
  end
  if core.is_scalar(values) then return values end
  if core.size(values) == 0 then return ops.cast(0.0, values.dtype) end
  return ops.mean(values)
end

--- The loss of a batch.
---@param y_true kl.Tensor
---@param y_pred kl.Tensor
---@param sample_weight? kl.Tensor
---@return kl.Tensor # a scalar, or per-sample values with reduction = "none"
function Loss:__call(y_true, y_pred, sample_weight)
  y_true, y_pred = self:_as_tensors(y_true, y_pred)
  return self:reduce(self:call(y_true, y_pred), sample_weight)
end

function Loss:_as_tensors(y_true, y_pred)
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  if y_pred.dtype ~= self.dtype then y_pred = ops.cast(y_pred, self.dtype) end
  if self.takes_labels then return y_true, y_pred end
  if y_true.dtype ~= self.dtype then y_true = ops.cast(y_true, self.dtype) end
  return Loss.align(self.name, y_true, y_pred)
end

--- Per-sample values; subclasses define it.  Unless the class takes labels, both have one shape and the loss's dtype here.
function Loss:call() errors.fail("%s defines no call(y_true, y_pred)", getmetatable(self).__name) end

function Loss:get_config()
  local config = {name = self.name, reduction = self.reduction}
  if self.dtype ~= "float32" then config.dtype = self.dtype end
  for _, p in ipairs(self.params) do config[p.name] = serialize.value(self._config[p.name]) end
  return config
end

return Loss
