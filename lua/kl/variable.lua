-- Variables: the values that training changes.
local core = require "kl.core"
local args = require "kl.args"
local names = require "kl.names"

local variable = {}

local params = args.params{{"name"}, {"trainable", true}, {"dtype"}}

--- A variable that starts with a copy of `initial` (a number, nested tables, or a tensor).  Numbers become float32
--- unless dtype says otherwise.
---@param initial any
---@param options? table # name, trainable = true, dtype
---@return kl.Variable
function variable.Variable(initial, options)
  local o = args.read("Variable", params, options)
  local value = core.tensor(initial, o.dtype)
  if o.dtype == nil and type(initial) == "number" then value = core.ops.cast(value, "float32") end
  return variable.new(value, {name = o.name or names.unique("variable"), trainable = o.trainable})
end

--- The same for kl's own use: `value` is a tensor, `fields` what the variable carries besides.
function variable.new(value, fields)
  local trainable = fields.trainable ~= false
  return core.variable(value, trainable, {
    name = fields.name, path = fields.path or fields.name, declared_trainable = trainable,
    regularizer = fields.regularizer or false, constraint = fields.constraint or false,
  })
end

--- True for a variable.
---@return boolean
function variable.is(value) return core.kind(value) == "variable" end

return variable
