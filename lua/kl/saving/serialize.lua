-- Configs: objects as plain tables in Keras's form {module, class_name, config, registered_name}, and back (formats 3.5).
--
-- Reading builds only kl's own classes, and those passed as custom_objects or registered with kl.register; nothing named in
-- a file is looked up anywhere else.  Lua functions are the same: one that is registered is written by its name.  Axes in a
-- config are one less than in Lua.
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"

local serialize = {}

local null, array = core.json.null, core.json.array

-- Keras's module and kl's table of classes for each kind, loaded when needed (they load this file).
local kinds = {
  {module = "keras.layers", base = "kl.layer", classes = function() return require "kl.layers".classes end},
  {module = "keras.initializers", base = "kl.initializers.initializer", classes = function() return require "kl.initializers".classes end},
  {module = "keras.regularizers", base = function() return require "kl.regularizers".Regularizer end,
    classes = function() return require "kl.regularizers".classes end},
  {module = "keras.constraints", base = function() return require "kl.constraints".Constraint end,
    classes = function() return require "kl.constraints".classes end},
  {module = "keras.losses", base = "kl.losses.loss", classes = function() return require "kl.losses".classes end},
  {module = "keras.metrics", base = "kl.metrics.metric", classes = function() return require "kl.metrics".classes end},
  {module = "keras.optimizers", base = "kl.optimizers.optimizer", classes = function() return require "kl.optimizers".classes end},
  {module = "keras.optimizers.schedules", base = function() return require "kl.optimizers.schedules".LearningRateSchedule end,
    classes = function() return require "kl.optimizers.schedules".classes end},
}

-- Classes and functions a script has registered: "package>Name" -> class or function.
local registered, registered_names = {}, setmetatable({}, {__mode = "k"})

local register_params = args.params{{"package", "Custom"}, {"name"}}

--- Lets files name a class of the user's, or a function, which needs a name to be called by: kl.register(MyLayer),
--- kl.register(MyLayer, {package = "Custom", name = "MyLayer"}), kl.register(f, {name = "my_activation"}).
function serialize.register(object, options)
  local o = args.read("kl.register", register_params, options)
  if type(object) ~= "function" and not class.is_class(object) then
    errors.fail("kl.register: a class or a function expected, got %s", errors.show(object))
  end
  if o.name == nil and type(object) == "function" then
    errors.fail("kl.register: a Lua function has no name of its own: kl.register(f, {name = \"my_function\"})")
  end
  args.check("kl.register: 'package'", o.package, "string")
  local full = ("%s>%s"):format(o.package, o.name and args.check("kl.register: 'name'", o.name, "string") or object.__name)
  registered[full], registered_names[object] = object, full
  return object
end

--- What a function was registered as, without its package; nil if it was not.
function serialize.function_name(f) return registered_names[f] and registered_names[f]:match(">(.*)$") end

--- The kind (row of `kinds`) of one of kl's own classes, or nil.
local function own_kind(cls)
  for _, kind in ipairs(kinds) do
    if kind.classes()[cls.__name] == cls then return kind end
  end
end

--- The dtype as Keras writes it.
function serialize.policy(dtype)
  return {module = "keras", class_name = "DTypePolicy", config = {name = dtype}, registered_name = null}
end

local function to_config_axis(value)
  if type(value) == "table" then
    local list = {}
    for i, a in ipairs(value) do list[i] = to_config_axis(a) end
    return array(list)
  end
  return math.type(value) == "integer" and value > 0 and value - 1 or value
end

local function from_config_axis(value)
  if type(value) == "table" then
    local list = {}
    for i, a in ipairs(value) do list[i] = from_config_axis(a) end
    return list
  end
  return math.type(value) == "integer" and value >= 0 and value + 1 or value
end

--- A value inside a config.
function serialize.value(value)
  local kind = type(value)
  if value == nil then return null end
  if kind == "boolean" or kind == "number" or kind == "string" or value == null then return value end
  if kind == "function" then
    local name = require "kl.activations".name_of(value)
    if name then return name end
    for _, module in ipairs{"kl.losses", "kl.metrics"} do
      for spelling, f in pairs(require(module).functions) do
        if f == value then return spelling end
      end
    end
    if registered_names[value] then
      return {module = "builtins", class_name = "function", config = registered_names[value], registered_name = "function"}
    end
    errors.fail("a Lua function cannot be saved without a name: kl.register(f, {name = \"...\"}) gives it one")
  end
  if kind == "table" then
    if class.of(value) and value.get_config then return serialize.object(value) end
    if getmetatable(value) == nil or core.json.is_array(value) then
      local result, names = {}, false
      for key, v in pairs(value) do
        result[key] = v == false and type(key) ~= "string" and null or serialize.value(v) -- an axis that is open
        names = names or type(key) == "string"
      end
      return names and result or array(result)
    end
  end
  errors.fail("%s cannot be saved in a config", errors.show(value))
end

local function is_plain(value)
  local kind = type(value)
  if kind == "boolean" or kind == "number" or kind == "string" or value == nil then return true end
  if kind ~= "table" or getmetatable(value) ~= nil then return false end
  for key, v in pairs(value) do
    local fits = type(key) == "string" and key ~= "kl_list" or math.type(key) == "integer" and key >= 1 and key <= #value
    if not fits or not is_plain(v) then return false end
  end
  return true
end

--- A plain value as JSON can hold it: of a table with positions and names, the positions are its member kl_list.
local function pack(value)
  if value == nil then return null end
  if type(value) ~= "table" then return value end
  local list, named = {}, {}
  for key, v in pairs(value) do
    if type(key) == "string" then named[key] = pack(v) else list[key] = pack(v) end
  end
  if next(named) == nil then return array(list) end
  if #list > 0 then named.kl_list = array(list) end
  return named
end

local function unpack_value(value)
  if value == null then return nil end
  if type(value) ~= "table" then return value end
  local result = {}
  for key, v in pairs(value) do
    if key ~= "kl_list" then result[key] = unpack_value(v) end
  end
  for i, v in ipairs(value.kl_list or {}) do result[i] = unpack_value(v) end
  return result
end

--- The config of an object.  A user's class with its own init and no get_config of its own is remembered by the arguments it
--- was made with, if they are plain values.
local function config_of(object)
  local cls = class.of(object)
  local config = object:get_config()
  for name in pairs(cls.axis_params or {}) do config[name] = to_config_axis(config[name]) end
  local given = object._init_args
  if given and not own_kind(cls) then
    local own_init, own_config = cls.init, cls.get_config
    local base = cls
    while base.super and not own_kind(base) and base.super.init == own_init do base = base.super end
    local defines_init = rawget(base, "init") ~= nil and not own_kind(base)
    local automatic = own_config == require "kl.layer".get_config or own_config == require "kl.model".get_config
    if defines_init and not rawget(cls, "get_config") and automatic then
      for i = 1, given.n do
        if not is_plain(given[i]) then
          errors.fail("%s '%s' cannot be saved: its class takes arguments that are not plain values and defines no get_config",
            cls.__name, tostring(object.name))
        end
      end
      local list = {}
      for i = 1, given.n do list[i] = pack(given[i]) end
      config.kl_args = array(list)
    end
  end
  return config
end

--- An object as {module, class_name, config, registered_name}.
---@return table
function serialize.object(object)
  if object._stack or object._graph then return require "kl.saving.model_config".object(object) end
  local cls = class.of(object)
  local kind = own_kind(cls)
  return {
    module = kind and kind.module or "custom",
    class_name = cls.__name,
    config = config_of(object),
    registered_name = not kind and serialize.object_name(cls) or null,
  }
end

--- The name under which a user's class is written.
function serialize.object_name(cls) return registered_names[cls] or cls.__name end

-- The custom objects of the file that is being read, and of the scopes around.
local custom_objects

--- Classes and functions by name that files may mention, until the result is closed; those of scopes around it stay known.
function serialize.custom_object_scope(objects)
  if type(objects) ~= "table" or getmetatable(objects) ~= nil then
    errors.fail("custom_objects: a table of classes and functions by name expected, got %s", errors.show(objects))
  end
  local outer = custom_objects
  custom_objects = {}
  for _, known in ipairs{outer or {}, objects} do
    for name, object in pairs(known) do custom_objects[name] = object end
  end
  return setmetatable({}, {__close = function() custom_objects = outer end})
end

--- Runs f in such a scope.
function serialize.with_custom_objects(objects, f, ...)
  local scope <close> = serialize.custom_object_scope(objects or {})
  local results = table.pack(f(...))
  local _ = scope
  return table.unpack(results, 1, results.n)
end

--- f(...), with the name of the file in front of the message if it fails.
function serialize.named(name, f, ...)
  local results = table.pack(pcall(f, ...))
  if not results[1] then errors.fail("%s: %s", name, errors.words(results[2])) end
  return table.unpack(results, 2, results.n)
end

local function known_names()
  local list = {}
  for name in pairs(custom_objects or {}) do list[#list + 1] = name end
  for name in pairs(registered) do list[#list + 1] = name end
  for _, kind in ipairs(kinds) do
    for name in pairs(kind.classes()) do list[#list + 1] = name end
  end
  return list
end

--- The class an object in a config names: custom_objects first, then registered ones, then kl's own.
---@return table
function serialize.class_of(object)
  local name, full = object.class_name, object.registered_name
  if full == null then full = nil end
  local cls = custom_objects and (custom_objects[full or name] or custom_objects[name]) or registered[full or name] or
    registered["Custom>" .. tostring(name)]
  if cls then return cls end
  local module = object.module
  if name == "Lambda" then errors.fail("a Lambda layer holds code and is not loaded: replace it by a class and register it") end
  if module == nil or module == null or (type(module) == "string" and module:find("^keras")) then
    for _, kind in ipairs(kinds) do
      local own = kind.classes()[name]
      local family = kind.module:gsub("^keras%.", "")
      if own and (type(module) ~= "string" and full == nil or module == kind.module or module == "keras" or
        type(module) == "string" and module:find("keras.src." .. family, 1, true) == 1) then
        return own
      end
    end
  end
  errors.fail("the class '%s'%s is not known: pass it in custom_objects or register it%s", tostring(full or name),
    type(module) == "string" and " of module " .. module or "", errors.nearest(name, known_names()))
end

--- The function an object in a config names: looked for as classes are, then among kl's own.
local function function_of(object)
  local full = object.config
  if object.class_name == "__lambda__" or type(full) ~= "string" then errors.fail("a lambda of Python's is code and is not loaded") end
  local name = full:match(">(.*)$") or full
  local f = custom_objects and (custom_objects[full] or custom_objects[name]) or registered[full] or registered["Custom>" .. name]
  for _, module in ipairs{"kl.losses", "kl.metrics"} do f = f or full == name and require(module).functions[name] end
  if type(f) == "function" then return f end
  errors.fail("the function '%s' is not known: pass it in custom_objects or register it%s", full, errors.nearest(full, known_names()))
end

-- Lists have no holes: null in one (an unknown axis of a shape) is false.
local function decode(value)
  if value == null then return nil end
  if type(value) ~= "table" then return value end
  if value.class_name == "DTypePolicy" or value.class_name == "__tensor__" then return value end
  if value.class_name then return serialize.deserialize(value) end
  local result = {}
  if core.json.is_array(value) then
    for i, v in ipairs(value) do result[i] = decode(v) or false end
  else
    for key, v in pairs(value) do result[key] = decode(v) end
  end
  return result
end

local function dtype_of(value)
  if type(value) == "table" then value = value.config and value.config.name end
  if value == nil or value == null or value == "float32" or value == "float64" then return value ~= null and value or nil end
  errors.fail("the dtype policy '%s' is not supported: float32 and float64 are", tostring(value))
end

--- An object of a class from its config; keys the class does not know must say nothing (null, false).  of_file: axes are as
--- in a file, one less than in Lua and in what get_config gives.
function serialize.construct(cls, config, what, of_file)
  local given = {}
  if config.kl_args then
    local list = {}
    for i, v in ipairs(config.kl_args) do list[i] = unpack_value(v) end
    local object = cls(table.unpack(list, 1, #config.kl_args))
    if type(config.name) == "string" then object.name = config.name end
    if config.trainable == false and object.trainable then object.trainable = false end
    return object
  end
  local known = cls.params and cls.params.by_name or {}
  local common = cls.common and cls.common.by_name or {}
  local axes = cls.axis_params or {}
  local own = own_kind(cls)
  for key, value in pairs(config) do
    if key == "dtype" and not known.dtype then -- a policy; an InputLayer's own is a plain dtype
      given.dtype = common.dtype and dtype_of(value) or nil
    elseif known[key] or common[key] or not own then
      if value == null and cls.null_options then value = cls.null_options[key] else value = decode(value) end
      if of_file and axes[key] then value = from_config_axis(value) end
      given[key] = value
    elseif value ~= null and value ~= false then
      errors.fail("%s has the option %s = %s, which is not supported", what or cls.__name, key, errors.show(value))
    end
  end
  return cls(given)
end

--- A new object of the same class from the config of one, whether or not the class is known by its name.
function serialize.again(object)
  local cls = class.of(object)
  local config = core.json.decode(core.json.encode(config_of(object)))
  local name = serialize.object_name(cls)
  return serialize.with_custom_objects({[name] = cls}, serialize.deserialize,
    {class_name = cls.__name, registered_name = name, module = "custom", config = config})
end

--- An object from its {class_name, config, ...}.
function serialize.deserialize(object)
  if type(object) == "string" then return object end
  if object.class_name == "function" or object.class_name == "__lambda__" then return function_of(object) end
  if type(object.config) ~= "table" then errors.fail("the object of class '%s' has no config", tostring(object.class_name)) end
  local model = require "kl.saving.model_config".deserialize(object)
  if model then return model end
  local cls = serialize.class_of(object)
  local what = ("%s '%s'"):format(cls.__name, tostring(object.config.name))
  local from_config = rawget(cls, "from_config")
  if from_config then
    local config = decode(object.config)
    for name in pairs(cls.axis_params or {}) do config[name] = from_config_axis(config[name]) end
    return from_config(cls, config)
  end
  return serialize.construct(cls, object.config, what, true)
end

return serialize
