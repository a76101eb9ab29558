-- Finding a class or function by what a user wrote: an object, a class, a name in any of Keras's spellings.
local class = require "kl.class"
local errors = require "kl.errors"
local names = require "kl.names"

local lookup = {}

--- A table from every accepted spelling to the entry: the name itself, its snake case, its lower case, and aliases.
---@param entries table<string, any>
---@param aliases? table<string, string> # spelling -> name in entries
function lookup.index(entries, aliases)
  local index = {}
  for name, entry in pairs(entries) do
    index[name] = entry
    index[names.snake_case(name)] = entry
    index[name:lower()] = entry
  end
  for spelling, name in pairs(aliases or {}) do index[spelling] = entries[name] end
  return index
end

--- Adds Keras's short names, which losses and metrics share, to aliases; also in capitals.
---@param aliases table<string, string>
function lookup.add_short_names(aliases)
  for short, name in pairs{mse = "MeanSquaredError", mae = "MeanAbsoluteError", mape = "MeanAbsolutePercentageError",
    msle = "MeanSquaredLogarithmicError", bce = "BinaryCrossentropy", kld = "KLDivergence"} do
    aliases[short], aliases[short:upper()] = name, name
  end
  return aliases
end

--- The entry of a name, or an error with the nearest one.
---@param what string # "loss", for the message
function lookup.find(what, index, name)
  local entry = index[name]
  if entry == nil then
    local known = {}
    for spelling in pairs(index) do known[spelling] = true end
    errors.fail("there is no %s '%s'%s", what, tostring(name), errors.nearest(name, known))
  end
  return entry
end

--- An object of `base` from an object, a class, a name, or a function (left as it is).
function lookup.get(what, base, index, given)
  if given == nil or class.is(given, base) or type(given) == "function" then return given end
  if type(given) == "string" then
    local entry = lookup.find(what, index, given)
    return class.is_class(entry) and entry() or entry
  end
  if class.is_class(given) then return given() end
  if type(given) == "table" and given.class_name then
    return require "kl.saving.serialize".deserialize(given)
  end
  errors.fail("%s %s must be a name, an object or a function, got %s", what:find("^[aeiou]") and "an" or "a", what,
    errors.show(given))
end

return lookup
