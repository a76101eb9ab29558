-- Arguments of composites as primitives take them.
local core = require "kl.core"
local errors = require "kl.errors"

--- A tensor or variable as it is, a number, a boolean or nested tables as a tensor; all else is refused as primitives do.
---@param what string # "kl.dot", for messages
---@param name string # of the argument
return function(what, name, x)
  if core.kind(x) then return x end
  local kind = type(x)
  if kind ~= "number" and kind ~= "boolean" and (kind ~= "table" or getmetatable(x) ~= nil) then
    errors.fail("%s: '%s' must be a tensor or a number, got %s", what, name, errors.show(x))
  end
  return core.tensor(x)
end
