-- f(a, b, {name = c}) for what takes one table, f{a, b, name = c}: constructors of layers, losses, optimizers and their like, and
-- compile, fit, evaluate and predict.  Nothing that is given is left out in silence.
local args = require "kl.args"
local errors = require "kl.errors"

local function is_plain(value) return type(value) == "table" and getmetatable(value) == nil end

--- The one table: the arguments by position (a single one that is a plain table is that table), and the options at the end.
---@param what string # "Dense", for messages
---@return any
return function(what, ...)
  local given, n = {...}, select("#", ...)
  while n > 1 and given[n] == nil do n = n - 1 end
  if n < 2 then return given[1] end
  local last = given[n]
  local options = (args.is_options(last) or is_plain(last) and next(last) == nil) and last or nil
  if options then given[n], n = nil, n - 1 end
  local all = {}
  if n == 1 and is_plain(given[1]) then
    for key, value in pairs(given[1]) do all[key] = value end
  else
    for i = 1, n do all[i] = given[i] end
  end
  for name, value in pairs(options or {}) do
    if all[name] ~= nil then errors.fail("%s: '%s' is given twice", what, name) end
    all[name] = value
  end
  return all
end
