-- Operations between the layers of a graph, as Keras's configs hold them: those that are told by their arguments alone, tensors
-- and numbers, without options.
local core = require "kl.core"
local errors = require "kl.errors"

local operations = {}
local null = core.json.null

-- kl's name -> Keras's module, below keras.src.ops.
local modules = {matmul = "numpy", rsqrt = "math", sigmoid = "nn", relu = "nn", softplus = "nn"}
for _, name in ipairs{"abs", "add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "negative", "exp", "log", "sqrt",
  "square", "tanh", "sin", "cos", "reciprocal", "sign", "floor", "ceil"} do
  modules[name] = "numpy"
end

-- kl's name -> Keras's class, and back.
local class_of, name_of = {abs = "Absolute"}, {Absolute = "abs", TrueDivide = "divide"}
for name in pairs(modules) do
  local class_name = class_of[name] or ("_" .. name):gsub("_(%a)", string.upper)
  class_of[name], name_of[class_name] = class_name, name
end

--- The entry of such an operation in a graph's layers.
---@param model kl.Model
---@param origin table # {op, inputs}
---@param name string  # in the graph
---@param arguments table # in the form of the config
---@return table
function operations.object(model, origin, name, arguments)
  local class_name = class_of[origin.op]
  if not class_name then
    errors.fail("model '%s' cannot be saved: the result of kl.%s between its layers has no place in Keras's config; put the "
      .. "operation into a layer", model.name, origin.op)
  end
  return {module = "keras.src.ops." .. modules[origin.op], class_name = class_name, config = {name = name}, registered_name = class_name,
    name = name, inbound_nodes = core.json.array{{args = core.json.array(arguments), kwargs = {}}}}
end

--- True if an entry is an operation, of whatever kind.
function operations.is(object) return type(object.module) == "string" and object.module:find("^keras%.src%.ops%.") ~= nil end

--- An entry that is such an operation: a function of its arguments; else nil.
---@return function|nil
function operations.of(object)
  if not operations.is(object) then return nil end
  local f = name_of[object.class_name]
  f = f and require "kl.ops"[f]
  if not f then
    errors.fail("the operation %s between layers (%s) is not read: only elementwise ones without options are", object.class_name,
      tostring(object.name))
  end
  if type(object.config) ~= "table" then
    errors.fail("the operation %s between layers (%s) has no config", object.class_name, tostring(object.name))
  end
  for key, value in pairs(object.config) do
    if key ~= "name" and key ~= "dtype" and value ~= null then
      errors.fail("the operation %s between layers has the option %s, which is not supported", object.class_name, key)
    end
  end
  return f
end

return operations
