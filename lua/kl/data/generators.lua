-- Generators: functions and coroutines of the user's that give one element after the other, for from_generator and for fit.
local core = require "kl.core"
local errors = require "kl.errors"
local ops = require "kl.ops"
local tree = require "kl.tree"
local values = require "kl.data.values"

local generators = {}

local function raise(message) error(message, 0) end

-- A coroutine's errors carry its own stack: whoever resumes it sees only theirs.
local function with_stack(f)
  local results = table.pack(xpcall(f, errors.traceback))
  if not results[1] then raise(results[2]) end
  return table.unpack(results, 2, results.n)
end

--- What a coroutine yields: a function that gives the next values, and nothing at the end (what it returns there is none), and one
--- that ends it before, with the variables that are to be closed in it.
---@param thread thread
function generators.resume(thread)
  return function()
    if coroutine.status(thread) == "dead" then return nil end
    local results = table.pack(coroutine.resume(thread))
    if not results[1] then raise(results[2]) end
    if coroutine.status(thread) == "dead" then return nil end
    return table.unpack(results, 2, results.n)
  end, function()
    if coroutine.status(thread) ~= "suspended" then return end
    local ok, message = coroutine.close(thread)
    if not ok then raise(message) end
  end
end

local function is_callable(value)
  local meta = type(value) ~= "function" and getmetatable(value)
  return type(value) == "function" or type(meta) == "table" and meta.__call ~= nil
end

--- Begins what a generator function gives: f yields the values of its elements itself, or returns a coroutine that does, or what a
--- for loop takes: a function that gives them at each call and nothing at the end, with its state, control and closing value.
---@return function|nil next_values # gives the values of the next element, and nothing at the end; nil if f gave no generator
---@return function|table|nil # ends it before its end; or what f gave instead, packed
function generators.begin(f)
  local body = coroutine.create(with_stack)
  local first = table.pack(coroutine.resume(body, f))
  if not first[1] then raise(first[2]) end
  if coroutine.status(body) == "suspended" then
    local fresh, following, close = true, generators.resume(body)
    return function()
      if not fresh then return following() end
      fresh = false
      return table.unpack(first, 2, first.n)
    end, close
  end
  local iterate, state, control, closing = table.unpack(first, 2, 5)
  if type(iterate) == "thread" then return generators.resume(iterate) end
  if iterate == nil then return function() end end -- no elements
  if not is_callable(iterate) then return nil, table.pack(table.unpack(first, 2, first.n)) end
  return function()
    local given = table.pack(iterate(state, control))
    control = given[1]
    return table.unpack(given, 1, given.n)
  end, closing ~= nil and function() local _ <close> = closing end or nil
end

--- A function (given, step) that makes an element of the values that a generator gave, packed: tensors, with the structure, dtypes
--- and numbers of axes of the first element that it has seen.
---@param what string # for messages
---@param accepts table # as values.tensors takes it, and names: what the values are called; with `nothing` one may be nil
---@param dtypes? string[] # what tensors of value k are cast to
function generators.reader(what, accepts, dtypes)
  local names = accepts.names or {}
  local first
  return function(given, step)
    local element, forms = {}, {}
    for k = 1, given.n do
      local name = names[k] or "value " .. k
      if given[k] ~= nil then
        element[k] = values.tensors(("%s: at step %d, %s of the generator"):format(what, step, name), given[k], accepts)
        local dtype = dtypes and dtypes[k]
        if dtype then element[k] = tree.map(function(leaf) return core.kind(leaf) and ops.cast(leaf, dtype) or leaf end, element[k]) end
        forms[#forms + 1] = (names[k] and name .. " " or "") .. values.form(element[k])
      elseif not accepts.nothing then
        errors.fail("%s: at step %d, %s of the generator is nil", what, step, name)
      end
    end
    local form = table.concat(forms, ", ")
    first = first or form
    if form ~= first then
      errors.fail("%s: at step %d the generator gave other structures than at first: %s expected, got %s", what, step, first, form)
    end
    return element
  end
end

return generators
