-- The base of metrics: state in variables, updated by a batch, read at the end (keras-semantics 4.1).
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local names = require "kl.names"
local ops = require "kl.ops"
local serialize = require "kl.saving.serialize"
local variable = require "kl.variable"

---@class kl.metrics.Metric: kl.Object
---@field name string
local Metric = class.Object:extend("Metric")
Metric.common = args.params{{"name"}, {"dtype"}}
Metric.params = args.params{}
Metric._direction = nil -- "up" or "down": which values are better

function Metric.__setup(object)
  rawset(object, "_variables", {})
  rawset(object, "_name", false)
  rawset(object, "_config", {})
  rawset(object, "_order", {})
  rawset(object, "dtype", "float32")
end

--- Fields in the order they were first assigned.
function Metric.__new_field(object, key) table.insert(object._order, key) end

function Metric.__ready(object)
  if not object._name then object._name = object.default_name or names.snake_case(getmetatable(object).__name) end
end

--- Reads the class's own params and name, dtype.
---@param given? table
function Metric:init(given)
  local own, common = args.read(getmetatable(self).__name, self.params, given, Metric.common)
  args.check_kinds(getmetatable(self).__name, self.params, own, true)
  self._config = own
  for name, value in pairs(own) do self[name] = value end
  if common.name ~= nil then self._name = args.check("a metric's name", common.name, "string") end
  if common.dtype ~= nil then
    self.dtype = args.choice(getmetatable(self).__name .. ": 'dtype'", common.dtype, {"float32", "float64"})
  end
end

function Metric.get:name()
  if not self._name then Metric.__ready(self) end
  return self._name
end
function Metric.set:name(name) self._name = args.check("a metric's name", name, "string") end

local function collect(value, list, seen)
  if variable.is(value) then
    if not seen[value] then table.insert(list, value) end
    seen[value] = true
  elseif type(value) == "table" and not seen[value] then
    seen[value] = true
    if class.is(value, Metric) then
      for _, v in ipairs(value._variables) do collect(v, list, seen) end
      for _, key in ipairs(value._order) do collect(rawget(value, key), list, seen) end
    elseif getmetatable(value) == nil then
      for _, v in ipairs(value) do collect(v, list, seen) end
    end
  end
end

--- The state: what add_weight made, then the variables in fields and those of metrics in fields, also in lists there.
---@return kl.Variable[]
function Metric.get:variables()
  local list = {}
  collect(self, list, {})
  return list
end

local weight_params = args.params{{"shape", {}}, {"initializer", "zeros"}, {"dtype"}, {"name", "variable"}}

--- A variable of the state; it is never trained.
---@param given table # shape = {}, initializer = "zeros", dtype, name
---@return kl.Variable
function Metric:add_weight(given)
  local o = args.read("add_weight", weight_params, given)
  local initializer = require "kl.initializers".get(o.initializer)
  local path = self.name:gsub("/", ">") .. "/" .. o.name -- "/" parts names
  local value = core.outside(initializer, o.shape, o.dtype or self.dtype, path)
  local kept = rawget(self, "_kept") and table.remove(self._kept, 1)
  if kept and kept.dtype == value.dtype and core.same_shape(kept, value) then value = kept end
  local v = variable.new(value, {name = o.name, path = path, trainable = false})
  table.insert(self._variables, v)
  return v
end
Metric.add_variable = Metric.add_weight

--- Goes on from saved values of the variables.  Those that the first update will make take theirs then.
---@param values kl.Tensor[]
---@return boolean # false if they are not of this metric
function Metric:_restore(values)
  local variables = self.variables
  for i, v in ipairs(variables) do
    if not values[i] or not core.same_shape(values[i], v) then return false end
  end
  for i, v in ipairs(variables) do v:assign(values[i]) end
  if #values > #variables then rawset(self, "_kept", table.move(values, #variables + 1, #values, 1, {})) end
  return true
end

--- Takes a batch into account; subclasses define it.
function Metric:update_state() errors.fail("metric '%s' defines no update_state", self.name) end

--- The value so far; subclasses define it.
---@return kl.Tensor
function Metric:result() errors.fail("metric '%s' defines no result", self.name) end

--- Forgets everything: every variable becomes 0, those of metrics in fields too.
function Metric:reset_state()
  rawset(self, "_kept", nil)
  for _, v in ipairs(self.variables) do v:assign(ops.zeros_like(v)) end
end

-- Which model a metric is compiled into, while both live.  Not a field: what a metric's fields lead to is watched.
local owners = setmetatable({}, {__mode = "kv"})

--- Raises if another model counts with this metric already, for the two would count into one state.
---@param model table # with a name
function Metric:_check_free(model)
  local owner = owners[self]
  if owner == nil or owner == model then return end
  collectgarbage() -- the other model may be gone
  owner = owners[self]
  if owner == nil then return end
  errors.fail("compile: the metric '%s' is compiled into model '%s' already, and its state would mix both: make a new object for "
    .. "model '%s'", self.name, owner.name, model.name)
end

--- Notes that a model counts with this metric; raises as _check_free.
function Metric:_claim(model)
  self:_check_free(model)
  owners[self] = model
end

--- The model counts with it no longer (compile was given others).
function Metric:_release(model)
  if owners[self] == model then owners[self] = nil end
end

--- metric(...): update_state, then result.
function Metric:__call(...)
  self:update_state(...)
  return self:result()
end

function Metric:get_config()
  local config = {name = self.name, dtype = self.dtype}
  for _, p in ipairs(self.params) do config[p.name] = serialize.value(self._config[p.name]) end
  return config
end

function Metric:__tostring() return ("<%s '%s'>"):format(getmetatable(self).__name, self.name) end

return Metric
