-- What every class with a config must do.
local kl = require "kl"
local serialize = require "kl.saving.serialize"
local assert = require "luassert"

local objects = {}

--- An object from the JSON text of its config, as a file would hold it.
function objects.reread(object)
  return serialize.deserialize(kl.json.decode(kl.json.encode(serialize.object(object))))
end

--- Asserts that an object survives its config: same class, same config; returns the copy.
function objects.round_trip(object)
  local copy = objects.reread(object)
  assert.equal(getmetatable(object).class, getmetatable(copy).class)
  assert.equal(kl.json.encode(serialize.object(object)), kl.json.encode(serialize.object(copy)))
  return copy
end

--- The names of a table of classes in order.
function objects.names(classes)
  local names = {}
  for name in pairs(classes) do names[#names + 1] = name end
  table.sort(names)
  return names
end

return objects
