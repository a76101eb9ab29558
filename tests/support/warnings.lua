-- What kl warns of.
local core = require "kl.core"

--- Runs f and returns its warnings, a list; an error of f goes on.
return function(f)
  local list, real = {}, core.warn
  core.warn = function(text) list[#list + 1] = text end
  local ok, message = pcall(f)
  core.warn = real
  if not ok then error(message, 0) end
  return list
end
