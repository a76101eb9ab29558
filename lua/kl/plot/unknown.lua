-- A name that figures and axes do not have is an error that says what they have, as in kl.layers and its like.
local elsewhere = require "kl.elsewhere"
local errors = require "kl.errors"

local unknown = {}

--- Gives the objects of a class that behaviour: of these a field that was not set is an error.
function unknown.refuse(cls)
  local meta = rawget(cls, "__instance")
  local found = meta.__index
  function meta.__index(object, key)
    local value = found(object, key)
    if value ~= nil or type(key) ~= "string" or key:find("^__") then return value end
    local known = {}
    for name, entry in pairs(cls) do
      if type(entry) == "function" and not name:find("^_") then known[#known + 1] = name end
    end
    errors.fail("%s have no method '%s'%s", cls.__name == "Axes" and "axes" or "figures", key,
      elsewhere.hint("kl.plot", key) or errors.nearest(key, known))
  end
end

return unknown
