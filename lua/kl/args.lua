-- Reading the one table that constructors take: positional arguments in its array part, named ones in its hash part.
local class = require "kl.class"
local errors = require "kl.errors"

local args = {}

--- Declares parameters in their positional order: a bare name is required, {name} is optional, {name, default} has a
--- default.
---@param list (string|table)[]
function args.params(list)
  local params = {by_name = {}}
  for i, entry in ipairs(list) do
    local p = type(entry) == "string" and {name = entry, required = true} or {name = entry[1], default = entry[2]}
    p.position = i
    params[i], params.by_name[p.name] = p, p
  end
  return params
end

--- A plain table is a table of arguments; everything else (a number, an object, a tensor) is one bare value.
local function is_table_of_arguments(given)
  return type(given) == "table" and getmetatable(given) == nil
end

--- True for what may be a last table of named arguments: plain, not empty, all keys strings.
function args.is_options(value)
  if not is_table_of_arguments(value) or next(value) == nil then return false end
  for key in next, value do
    if type(key) ~= "string" then return false end
  end
  return true
end

local function unknown(what, name, params, more)
  if more and more.refused and more.refused[name] then errors.fail("%s: '%s' %s", what, name, more.refused[name]) end
  local names = {}
  for _, p in ipairs(params) do names[#names + 1] = p.name end
  for _, p in ipairs(more or {}) do names[#names + 1] = p.name end
  errors.fail("%s: unknown option '%s'%s (known: %s)", what, tostring(name), errors.nearest(name, names),
    table.concat(names, ", "))
end

--- The arguments by name, defaults filled in.
---@param what string      # "Dense", for messages
---@param params table     # of args.params
---@param given any        # what the constructor got
---@param more? table      # parameters that are read too, by name only; they are returned in a second table.  Its field `refused`
---                        # has the words for names that users bring from elsewhere
---@return table, table
function args.read(what, params, given, more)
  if given == nil then given = {} end
  if not is_table_of_arguments(given) then given = {given} end
  local values, others = {}, {}
  for key, value in pairs(given) do
    local positional = math.type(key) == "integer"
    local p = positional and params[key] or params.by_name[key]
    if positional then
      if not p then
        errors.fail("%s takes at most %d positional argument%s, got argument %d", what, #params,
          #params == 1 and "" or "s", key)
      end
      if given[p.name] ~= nil then
        errors.fail("%s: '%s' is given twice, by position and by name", what, p.name)
      end
      values[p.name] = value
    elseif p then
      values[key] = value
    elseif more and more.by_name[key] then
      others[key] = value
    else
      unknown(what, key, params, more)
    end
  end
  for _, p in ipairs(params) do
    if values[p.name] == nil then
      if p.required then errors.fail("%s: '%s' is missing", what, p.name) end
      values[p.name] = p.default
    end
  end
  for _, p in ipairs(more or {}) do
    if others[p.name] == nil then others[p.name] = p.default end
  end
  return values, others
end

--- The same where no default matters: arguments that are all given by name are taken as they are, without a copy.  For what
--- every step of training calls.
---@return table
function args.named(what, params, given)
  if not is_table_of_arguments(given) then return (args.read(what, params, given)) end
  local by_name = params.by_name
  for name in next, given do
    if not by_name[name] then return (args.read(what, params, given)) end
  end
  return given
end

--- Raises where a number was given for a true or false, a string for a number, and so on: what the default is tells what is
--- expected.  Tables, tensors and objects pass, and so does what has no default; with `strict` plain tables and functions do not.
---@param values table<string, any>
---@param strict? boolean
function args.check_kinds(what, params, values, strict)
  local kinds = {number = true, boolean = true, string = true}
  for _, p in ipairs(params) do
    local value = values[p.name]
    local expected, got = type(p.default), type(value)
    local refused = kinds[got] or strict and (got == "function" or got == "table" and getmetatable(value) == nil)
    if kinds[expected] and refused and expected ~= got then
      errors.fail("%s: '%s' must be a %s, got %s", what, p.name, expected, errors.show(values[p.name]))
    end
  end
end

--- Makes an object of its class's `params`: they become its fields, and stay together in _config.
---@return string, table # the class's name for messages, the arguments
function args.configure(object, given)
  local what = getmetatable(object).__name
  local o = args.read(what, object.params, given)
  args.check_kinds(what, object.params, o)
  object._config = o
  for name, value in pairs(o) do object[name] = value end
  return what, o
end

--- What such an object was made of, by name.
function args.config_of(object)
  local config = {}
  for _, p in ipairs(object.params) do config[p.name] = object._config[p.name] end
  return config
end

--- Joins declarations: those of `a`, then those of `b`.
function args.join(a, b)
  local list = {by_name = {}}
  for _, params in ipairs{a, b} do
    for _, p in ipairs(params) do
      list[#list + 1] = p
      list.by_name[p.name] = p
    end
  end
  return list
end

local checks = {
  integer = function(v) return math.type(v) == "integer" end,
  number = function(v) return math.type(v) ~= nil end,
  boolean = function(v) return type(v) == "boolean" end,
  string = function(v) return type(v) == "string" end,
  ["function"] = function(v) return type(v) == "function" or class.of(v) ~= nil end,
  table = function(v) return type(v) == "table" end,
}

--- Raises unless value is one of a list.
---@param what string # "plot_model: 'rankdir'"
---@param list any[]  # strings, true or false
---@return any # value
function args.choice(what, value, list)
  local shown, names = {}, {}
  for i, allowed in ipairs(list) do
    if value == allowed then return value end
    shown[i] = type(allowed) == "string" and ("%q"):format(allowed) or tostring(allowed)
    if type(allowed) == "string" then names[#names + 1] = allowed end
  end
  errors.fail("%s must be one of %s, got %s%s", what, table.concat(shown, ", "), errors.show(value),
    type(value) == "string" and errors.nearest(value, names) or "")
end

--- A position along an axis (from 1 or -1) of a tensor of rank `ndim`, as 1 .. ndim.
---@return integer
function args.axis(what, axis, ndim)
  if math.type(axis) ~= "integer" or axis == 0 or axis > ndim or axis < -ndim then
    errors.fail("%s: axis %s is out of range: the tensor has %d axes (1 to %d, or -1 to -%d)", what, tostring(axis), ndim, ndim, ndim)
  end
  return axis < 0 and ndim + axis + 1 or axis
end

--- Raises unless value is of that kind (and, for numbers, within [low, high]).
---@param what string # "Dense: 'units'"
function args.check(what, value, kind, low, high)
  local ok = checks[kind](value)
  if ok and (low and value < low or high and value > high or (low or high) and value ~= value) then -- NaN is in no range
    errors.fail("%s must be %s%s%s, got %s", what, kind == "integer" and "an integer" or "a " .. kind,
      low and (" >= %s"):format(low) or "", high and (" %s<= %s"):format(low and "and " or "", high) or "",
      tostring(value))
  end
  if not ok then
    errors.fail("%s must be %s, got %s", what, kind == "integer" and "an integer" or "a " .. kind, errors.show(value))
  end
  return value
end

return args
