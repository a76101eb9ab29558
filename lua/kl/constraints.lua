-- Constraints: what a weight is moved to after each update (keras-semantics 6.2).  axis counts from 1.
local args = require "kl.args"
local class = require "kl.class"
local core = require "kl.core"
local errors = require "kl.errors"
local lookup = require "kl.lookup"

local ops = core.ops
local EPSILON = require "kl.ops.epsilon"
local constraints = {}

---@class kl.constraints.Constraint: kl.Object
local Constraint = class.Object:extend("Constraint")
Constraint.params = args.params{}
Constraint.axis_params = {axis = true} -- in a config they are one less than in Lua

function Constraint:init(given)
  local what, o = args.configure(self, given)
  for _, axis in ipairs(type(o.axis) == "table" and o.axis or {o.axis}) do
    args.check(what .. ": 'axis'", axis, "integer")
    if axis == 0 then errors.fail("%s: 'axis' is 0: axes count from 1", what) end
  end
end
function Constraint:__call(w) return self:call(w) end

function Constraint:get_config() return args.config_of(self) end

local function norm(w, axis) return ops.sqrt(ops.sum(ops.square(w), axis, true)) end

--- Norms along `axis` at most max_value.
local MaxNorm = Constraint:extend("MaxNorm")
MaxNorm.params = args.params{{"max_value", 2}, {"axis", 1}}
function MaxNorm:call(w)
  local n = norm(w, self.axis)
  return ops.multiply(w, ops.divide(ops.clip(n, 0.0, self.max_value), ops.add(n, EPSILON)))
end

--- Norms along `axis` equal to 1.
local UnitNorm = Constraint:extend("UnitNorm")
UnitNorm.params = args.params{{"axis", 1}}
function UnitNorm:call(w) return ops.divide(w, ops.add(norm(w, self.axis), EPSILON)) end

--- No negative weights.
local NonNeg = Constraint:extend("NonNeg")
function NonNeg:call(w) return ops.maximum(w, 0) end

--- Norms along `axis` moved by `rate` toward [min_value, max_value].
local MinMaxNorm = Constraint:extend("MinMaxNorm")
MinMaxNorm.params = args.params{{"min_value", 0.0}, {"max_value", 1.0}, {"rate", 1.0}, {"axis", 1}}
function MinMaxNorm:call(w)
  local n = norm(w, self.axis)
  local wanted = ops.add(ops.multiply(ops.clip(n, self.min_value, self.max_value), self.rate),
    ops.multiply(n, 1 - self.rate))
  return ops.multiply(w, ops.divide(wanted, ops.add(n, EPSILON)))
end

constraints.Constraint = Constraint
constraints.classes = {MaxNorm = MaxNorm, UnitNorm = UnitNorm, NonNeg = NonNeg, MinMaxNorm = MinMaxNorm}
for name, cls in pairs(constraints.classes) do constraints[name] = cls end

local index = lookup.index(constraints.classes)

--- A constraint from an object, a class, a name or a function.
function constraints.get(given) return lookup.get("constraint", Constraint, index, given) end

return constraints
