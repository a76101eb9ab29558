-- Raising errors that blame the user's line: the first frame outside kl's own files (their chunks are named "=kl/...").
local core = require "kl.core"

local errors = {}

--- Raises a formatted message with the user's file and line in front.
---@param format string
---@param ... any # as string.format
function errors.fail(format, ...)
  core.fail(select("#", ...) > 0 and format:format(...) or format)
end

--- "; did you mean 'x'?" for the name of `known` (a list, or a table with string keys) nearest to `wrong`, or "".
---@return string
function errors.nearest(wrong, known)
  local names = {}
  for key, value in pairs(known) do
    names[type(key) == "string" and key or tostring(value)] = true
  end
  return core.nearest(tostring(wrong), names)
end

--- A value in a few words, for "expected ..., got ...".
---@return string
function errors.show(value)
  local kind = math.type(value) or type(value)
  if kind == "string" then return ("the string %q"):format(value) end
  if value ~= value then return "float nan" end -- the C library's spelling has a sign
  if kind == "integer" or kind == "float" or kind == "boolean" then return ("%s %s"):format(kind, value) end
  if kind == "userdata" then
    local ok, shape = pcall(function() return core.shape_text(value) end)
    return ok and ("a %s tensor of shape %s"):format(value.dtype, shape) or "a userdata"
  end
  if kind == "table" then
    local meta = getmetatable(value)
    if meta and meta.is_class then return ("the class %s (an object of it expected: %s{...})"):format(value.__name, value.__name) end
    return meta and meta.__name and "a " .. meta.__name or "a table"
  end
  return kind == "nil" and "nil" or "a " .. kind
end

--- An error's words without the file and line in front, to be put into another message.
---@return string
function errors.words(message) return (tostring(message):gsub("^[^\n]-:%d+: ", "", 1)) end

--- A message handler: adds, once, the user's frames of the stack (kl's own are left out).
errors.traceback = core.traceback

return errors
