-- Classes: single inheritance, property getters and setters, nothing else.
--
--   local Point = class.Object:extend("Point")
--   function Point:init(x) self.x = x end
--   function Point.get:double() return 2 * self.x end
--
-- A name with a getter is never a raw field; assigning to it without a setter is an error.  A class that defines
-- __new_field(self, key) hears of every field the first time it is assigned: that is how layers keep the order of their
-- sublayers, because `pairs` has none.  One that defines __define(key, value) says what becomes of a method that a class
-- below it defines.
local errors = require "kl.errors"

local class = {}

-- Every name that has a getter in some class.  Most have none in any, and looking for one in all classes above an object's
-- would be most of what reading a method costs.
local has_getter = {}

-- The getters or setters of a class; what it does not define comes from the class above.
local function properties(super, on_new)
  return setmetatable({}, {__index = super, __newindex = on_new})
end

local function new_getter(get, name, getter)
  has_getter[name] = true
  rawset(get, name, getter)
end

---@class kl.Object
local Object = {__name = "Object", get = properties(nil, new_getter), set = properties()}
Object.__index = Object
class.Object = Object

local function instance_metatable(cls)
  local get, set = cls.get, cls.set
  local meta = {__name = cls.__name, class = cls}
  function meta.__index(object, key)
    if has_getter[key] then
      local getter = get[key]
      if getter then return getter(object) end
    end
    return cls[key]
  end
  function meta.__newindex(object, key, value)
    local setter = set[key]
    if setter then return setter(object, value) end
    if has_getter[key] and get[key] then errors.fail("'%s' of a %s is computed and cannot be set", tostring(key), cls.__name) end
    local hook = cls.__new_field
    if hook then hook(object, key) end
    rawset(object, key, value)
  end
  function meta.__call(object, ...)
    local call = cls.__call
    if not call then errors.fail("a %s cannot be called", cls.__name) end
    return call(object, ...)
  end
  function meta.__tostring(object) return cls.__tostring(object) end
  return meta
end

-- A class of kl's own whose init takes one argument takes one table.
local function takes_one_table(init)
  local info = debug.getinfo(init, "Su")
  return info.nparams == 2 and not info.isvararg and info.source:sub(1, 4) == "=kl/"
end

local function construct(cls, ...)
  local object = setmetatable({}, rawget(cls, "__instance"))
  if cls.__setup then cls.__setup(object, ...) end
  object:init(...)
  if cls.__ready then cls.__ready(object) end
  return object
end

local function make(cls, ...)
  if select("#", ...) > 1 and takes_one_table(cls.init) then return construct(cls, require "kl.one_table"(cls.__name, ...)) end
  return construct(cls, ...)
end

local function name_of(cls) return "class " .. cls.__name end

-- What a class does not define comes from the one above it: a table as __index costs no call.
local function class_metatable(super)
  local function define(cls, key, value)
    local hook = cls.__define
    rawset(cls, key, hook and hook(key, value) or value)
  end
  return {__index = super, __newindex = define, __call = make, __tostring = name_of, is_class = true}
end

--- A new class below this one.
---@param name string
function Object:extend(name)
  if type(name) ~= "string" or name == "" then
    errors.fail("extend: the name of the class expected, got %s", errors.show(name))
  end
  local cls = {__name = name, super = self}
  cls.get, cls.set = properties(self.get, new_getter), properties(self.set)
  rawset(cls, "__instance", instance_metatable(cls))
  return setmetatable(cls, class_metatable(self))
end

function Object:init() end

function Object:__tostring() return ("<%s>"):format(getmetatable(self).__name) end

--- True if this object is of that class or one below it.
function Object:is(cls) return class.is(self, cls) end

rawset(Object, "__instance", instance_metatable(Object))
setmetatable(Object, class_metatable())

--- The class of an object made by a class, or nil.
function class.of(value)
  if type(value) ~= "table" then return nil end
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.class or nil
end

--- True if `value` is an object of `cls` or of a class below it.
---@return boolean
function class.is(value, cls)
  local own = class.of(value)
  while own do
    if own == cls then return true end
    own = own.super
  end
  return false
end

--- True if `value` is a class (not an object).
---@return boolean
function class.is_class(value)
  if type(value) ~= "table" then return false end
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.is_class or false
end

return class
