-- Telling kl's own functions and classes from the user's.
--
-- What is kl's own is known not to have side effects that a replay would lose, nor to change what a step depends on.
local class = require "kl.class"

local own_code = {}

local known = setmetatable({}, {__mode = "k"})

--- True if a function is kl's own (or C's).
function own_code.is_own_function(f)
  local own = known[f]
  if own == nil then
    local info = debug.getinfo(f, "S")
    own = info.what == "C" or info.source:sub(1, 4) == "=kl/"
    known[f] = own
  end
  return own
end

local function all_own(t)
  for _, value in next, t do
    if type(value) == "function" and not own_code.is_own_function(value) then return false end
  end
  return true
end

-- Classes that had a function of the user's in their chain: they stay the user's.
local users = setmetatable({}, {__mode = "k"})

--- True if no class of the chain defines a function of the user's.
function own_code.is_own_class(cls)
  if users[cls] then return false end
  local above = cls
  while above do
    if not (all_own(above) and all_own(above.get) and all_own(above.set)) then
      users[cls] = true
      return false
    end
    above = above.super
  end
  return true
end

--- The same of an object: its class, and the functions in its own fields.
function own_code.is_own_object(object)
  return all_own(object) and own_code.is_own_class(class.of(object))
end

return own_code
