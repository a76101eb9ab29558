-- Defining composite operations: functions with positional arguments and at most one last table of named ones.
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local to_tensor = require "kl.ops.to_tensor"

--- Wraps f, whose parameters are all positional, so that it can be called with options.  A parameter named x is a
--- tensor.
---@param name string      # "kl.leaky_relu", for messages
---@param list table       # parameters as args.params takes them
---@param f function
---@return function
local function define(name, list, f)
  local params = args.params(list)
  local count = #params
  local function full(n, ...)
    local given = {...}
    local options = n > 0 and args.is_options(given[n]) and given[n] or nil
    if options then
      given[n] = nil
      n = n - 1
    end
    if n > count then
      errors.fail("%s takes at most %d argument%s, got %d", name, count, count == 1 and "" or "s", n)
    end
    for key, value in pairs(options or {}) do
      local p = params.by_name[key]
      if not p then
        local known = {}
        for i, q in ipairs(params) do known[i] = q.name end
        errors.fail("%s: unknown option '%s'%s", name, key, errors.nearest(key, known))
      end
      if given[p.position] ~= nil then errors.fail("%s: '%s' is given twice, by position and by name", name, key) end
      given[p.position] = value
    end
    for i, p in ipairs(params) do
      if given[i] == nil then
        if p.required then errors.fail("%s: '%s' is missing", name, p.name) end
        given[i] = p.default
      elseif p.name == "x" then
        given[i] = to_tensor(name, "x", given[i])
      end
    end
    return f(table.unpack(given, 1, count))
  end
  local first = params[1]
  local alone = first and first.name == "x" -- a function of one tensor, as activations are: most calls give just that
  for i = 2, count do alone = alone and not params[i].required end
  if not alone then return function(...) return full(select("#", ...), ...) end end
  local defaults = {}
  for i = 2, count do defaults[i] = params[i].default end
  return function(x, ...)
    if select("#", ...) == 0 and core.kind(x) then return f(x, table.unpack(defaults, 2, count)) end
    return full(1 + select("#", ...), x, ...)
  end
end

return define
