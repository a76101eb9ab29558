-- The base of losses: from per-sample values to one number (keras-semantics 3.1, 3.2).
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local names = require "kl.names"
local ops = require "kl.ops"
local serialize = require "kl.saving.serialize"
local tree = require "kl.tree"

---@class kl.losses.Loss: kl.Object
---@field name string
---@field reduction string # sum_over_batch_size (= mean), sum, mean_with_sample_weight, none
---@field takes_labels boolean # of a class: true where y_true is a label per row, and call gets it as it was given
local Loss = class.Object:extend("Loss")
Loss.common = args.params{{"reduction", "sum_over_batch_size"}, {"name"}, {"dtype"}}
Loss.params = args.params{}
Loss.takes_labels = false

local reductions = {sum_over_batch_size = true, mean = true, sum = true, mean_with_sample_weight = true, none = true}
Loss.null_options = {reduction = "none"} -- what null in a config means

--- Raises unless an axis is an integer other than 0 or, where several may be given, nil or a list of such.
local function check_axis(what, axis, several)
  local list = several and type(axis) == "table" and axis or {axis}
  local good = several or axis ~= nil
  for _, a in ipairs(list) do good = good and math.type(a) == "integer" and a ~= 0 end
  if not good then
    errors.fail("%s: 'axis' must be an integer other than 0%s, got %s", what, several and " or a list of such" or "", errors.show(axis))
  end
end

--- Raises where options of losses and of metrics made of them are not what they can be: of other types, an axis that is none, a
--- label_smoothing outside [0, 1].
function Loss.check_options(what, params, own)
  args.check_kinds(what, params, own, true)
  if params.by_name.axis then check_axis(what, own.axis, params.by_name.axis.default == nil) end
  if type(own.label_smoothing) == "number" then args.check(what .. ": 'label_smoothing'", own.label_smoothing, "number", 0, 1) end
end

---@param given? table # own params, reduction, name, dtype
function Loss:init(given)
  local what = getmetatable(self).__name
  local own, common = args.read(what, self.params, given, Loss.common)
  Loss.check_options(what, self.params, own)
  rawset(self, "_config", own)
  for name, value in pairs(own) do self[name] = value end
  self.name = args.check(what .. ": 'name'", common.name or self.default_name or names.snake_case(what), "string")
  if common.reduction == nil or not reductions[common.reduction] then
    errors.fail("%s: reduction must be one of sum_over_batch_size, mean, sum, mean_with_sample_weight, none; got %s%s", what,
      errors.show(common.reduction), type(common.reduction) == "string" and errors.nearest(common.reduction, reductions) or "")
  end
  self.reduction = common.reduction
  self.dtype = args.choice(what .. ": 'dtype'", common.dtype or "float32", {"float32", "float64"})
end

--- A function that gives an object's options in the order of its params; every step calls it, so few of them make no table.
function Loss.reader(list)
  local n = #list
  if n == 0 then return function() end end
  local a, b, c = list[1].name, n > 1 and list[2].name or "", n > 2 and list[3].name or ""
  if n <= 3 then return function(object) return rawget(object, a), rawget(object, b), rawget(object, c) end end
  return function(object)
    local own = {}
    for i = 1, n do own[i] = rawget(object, list[i].name) end
    return table.unpack(own, 1, n)
  end
end

--- The class of a function (y_true, y_pred, ...) -> per-sample values, whose further arguments are the class's params.
---@param name string
---@param f function
---@param params? table # as args.params takes them, in the function's order
function Loss.of(name, f, params)
  local cls = Loss:extend(name)
  local list = args.params(params or {})
  cls.params, cls.axis_params = list, {axis = list.by_name.axis and true or nil}
  local read = Loss.reader(list)
  function cls:call(y_true, y_pred) return f(y_true, y_pred, read(self)) end
  return cls
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

--- What a loss or metric was given, as a tensor.
function Loss.as_tensor(name, value)
  if value == nil then errors.fail("'%s' must be a tensor or a table of numbers, got nil", name) end
  if core.kind(value) then return value end
  if type(value) == "table" and core.kind(tree.flatten(value)[1]) then
    errors.fail("'%s' must be one tensor, got a structure %s (for several outputs, model:compute_metrics gives each metric its own)", name,
      tree.form(value))
  end
  return core.tensor(value)
end

--- What a function (y_true, y_pred) was given, as tensors.
function Loss.as_tensors(y_true, y_pred)
  if core.are_tensors(y_true, y_pred) then return y_true, y_pred end
  return Loss.as_tensor("y_true", y_true), Loss.as_tensor("y_pred", y_pred)
end

--- The same with floats as y_pred: whole numbers become float32.
function Loss.as_floats(y_true, y_pred)
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  local dtype = y_pred.dtype
  if dtype ~= "float32" and dtype ~= "float64" then y_pred = ops.cast(y_pred, "float32") end
  return y_true, y_pred
end

--- The same where both are to be floats of y_pred's dtype and of one shape.
function Loss.pair(what, y_true, y_pred)
  y_true, y_pred = Loss.as_floats(y_true, y_pred)
  if y_true.dtype ~= y_pred.dtype then y_true = ops.cast(y_true, y_pred.dtype) end
  return Loss.align(what, y_true, y_pred)
end

--- The mean over the last axis; of a number itself.
function Loss.last_mean(x) return x.ndim == 0 and x or ops.mean(x, -1) end

--- Raises where y_pred is one number and classes are expected.
function Loss.need_axis(what, y_pred)
  if y_pred.ndim == 0 then errors.fail("%s: y_pred of shape () has no axis of classes", what) end
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

--- sample_weight as a tensor that multiplies per-sample values: trailing axes of length 1 come or go.  One number for all
--- samples may have any weights: it is multiplied by each.
---@param weight kl.Tensor|number|table
function Loss.fit_weight(what, weight, values)
  weight = ops.cast(weight, values.dtype)
  if values.ndim == 0 then return weight end
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

--- Weights that leave masked entries out.  Where the mean over all entries follows, the valid ones count total / valid each, so
--- that it becomes the mean over valid entries; 0 where none is valid.
local function masked_weight(self, weight, mask, values)
  mask = ops.cast(ops.cast(mask, "bool"), values.dtype)
  if self.reduction == "sum_over_batch_size" or self.reduction == "mean" then
    local total = core.size(mask) or ops.sum(ops.ones_like(mask))
    mask = mask * (total / ops.maximum(ops.sum(mask), 1.0))
  end
  mask = Loss.fit_weight(self.name, mask, values)
  return weight == nil and mask or Loss.fit_weight(self.name, weight, values) * mask
end

--- Values, weights and a mask (true where an entry counts) to the final result.  The mean divides by the number of values, not by
--- the sum of weights; mean_with_sample_weight by the sum of the weights as they were given, also where they are fewer than the
--- values (as Keras does).
function Loss:reduce(values, weight, mask)
  if mask ~= nil then weight = masked_weight(self, weight, mask, values) end
  if weight ~= nil then
    weight = Loss.fit_weight(self.name, weight, values)
    values = values * weight
  end
  local reduction = self.reduction
  if reduction == "none" or core.is_scalar(values) then return values end
  if reduction == "sum" then return ops.sum(values) end
  if reduction == "mean_with_sample_weight" and weight ~= nil then return ops.divide_no_nan(ops.sum(values), ops.sum(weight)) end
  if core.size(values) == 0 then return ops.cast(0.0, values.dtype) end
  return ops.mean(values)
end

--- The loss of a batch.
---@param y_true kl.Tensor
---@param y_pred kl.Tensor
---@param sample_weight? kl.Tensor # per sample, or per value
---@param mask? kl.Tensor # true where an entry of the per-sample values counts
---@return kl.Tensor # a scalar, or per-sample values with reduction = "none"
function Loss:__call(y_true, y_pred, sample_weight, mask)
  y_true, y_pred = self:_as_tensors(y_true, y_pred)
  local values, own_mask = self:call(y_true, y_pred)
  if not core.kind(values) then
    errors.fail("loss '%s' must give a tensor, of one value per sample, got %s", self.name, errors.show(values))
  end
  if own_mask ~= nil then mask = mask ~= nil and ops.logical_and(ops.cast(mask, "bool"), own_mask) or own_mask end
  return self:reduce(values, sample_weight, mask)
end

function Loss:_as_tensors(y_true, y_pred)
  y_true, y_pred = Loss.as_tensors(y_true, y_pred)
  if y_pred.dtype ~= self.dtype then y_pred = ops.cast(y_pred, self.dtype) end
  if self.takes_labels then return y_true, y_pred end
  if y_true.dtype ~= self.dtype then y_true = ops.cast(y_true, self.dtype) end
  return Loss.align(self.name, y_true, y_pred)
end

--- Per-sample values and, if some of them do not count, a bool mask of them; subclasses define it.  Unless the class takes
--- labels, both arguments have one shape and the loss's dtype here.
function Loss:call() errors.fail("%s defines no call(y_true, y_pred)", getmetatable(self).__name) end

function Loss:get_config()
  local config = {name = self.name, reduction = self.reduction}
  if self.dtype ~= "float32" then config.dtype = self.dtype end
  for _, p in ipairs(self.params) do config[p.name] = serialize.value(self._config[p.name]) end
  return config
end

return Loss
