-- Tables of names that a script reads (kl.layers, kl.losses, ...): a name they do not have is an error with the nearest one,
-- where the script's line is, and not a nil that fails somewhere later.  rawget, pairs and next see the table as it is.
local errors = require "kl.errors"

--- Gives a table that behaviour.
---@param t table
---@param path string # "kl.layers"
---@param what string # "layer"
return function(t, path, what)
  return setmetatable(t, {__name = path, __index = function(_, key)
    if type(key) ~= "string" then return nil end
    local known = {}
    for name, value in next, t do
      if type(name) == "string" and type(value) ~= "table" or getmetatable(value) ~= nil then known[#known + 1] = name end
    end
    errors.fail("there is no %s '%s' in %s%s", what, key, path, require "kl.elsewhere".hint(path, key) or errors.nearest(key, known))
  end})
end
