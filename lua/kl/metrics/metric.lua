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
  rawset(object, "dtype", "float32")
end

function Metric.__ready(object)
  if not object._name then object._name = object.default_name or names.snake_case(getmetatable(object).__name) end
end

--- Reads the class's own params and name, dtype.
---@param given? table
function Metric:init(given)
  local own, common = args.read(getmetatable(self).__name, self.params, given, Metric.common)
  args.check_kinds(getmetatable(self).__name, self.params, own)
  self._config = own
  for name, value in pairs(own) do self[name] = value end
  if common.name ~= nil then self._name = args.check("a metric's name", common.name, "string") end
  if common.dtype ~= nil then self.dtype = common.dtype end
end

function Metric.get:name()
  if not self._name then Metric.__ready(self) end
  return self._name
end
function Metric.set:name(name) self._name = args.check("a metric's name", name, "string") end

--- The state.
---@return kl.Variable[]
function Metric.get:variables() return {table.unpack(self._variables)} end

local weight_params = args.params{{"shape", {}}, {"initializer", "zeros"}, {"dtype"}, {"name", "variable"}}

--- A variable of the state; it is never trained.
---@param given table # shape = {}, initializer = "zeros", dtype, name
---@return kl.Variable
function Metric:add_weight(given)
  local o = args.read("add_weight", weight_params, given)
  local initializer = require "kl.initializers".get(o.initializer)
  local value = core.outside(initializer, o.shape, o.dtype or self.dtype, self.name .. "/" .. o.name)
  local v = variable.new(value, {name = o.name, path = self.name .. "/" .. o.name, trainable = false})
  table.insert(self._variables, v)
  return v
end
Metric.add_variable = Metric.add_weight

--- Takes a batch into account; subclasses define it.
function Metric:update_state() errors.fail("metric '%s' defines no update_state", self.name) end

--- The value so far; subclasses define it.
---@return kl.Tensor
function Metric:result() errors.fail("metric '%s' defines no result", self.name) end

--- Forgets everything: every variable becomes 0.
function Metric:reset_state()
  for _, v in ipairs(self._variables) do v:assign(ops.zeros_like(v)) end
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
