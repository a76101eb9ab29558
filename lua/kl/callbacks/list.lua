-- The callbacks of one fit, evaluate or predict: the user's in their order, then History, then the bar.
--
-- While a hook runs the list knows whose it is, so that an error in it names the hook and the callback.
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local logs = require "kl.training.logs"
local monitor = require "kl.callbacks.monitor"
local own_code = require "kl.own_code"
local Callback = require "kl.callbacks.callback"
local History = require "kl.callbacks.history"
local ProgbarLogger = require "kl.callbacks.progress"

---@class kl.callbacks.List
local List = {}
List.__index = List

-- A plain table with hooks as methods: the hooks it has are called on it.
local Plain = Callback:extend("PlainCallback")
Plain.calls_user_code = true

local known = {set_model = true, set_params = true}
for _, hook in ipairs(Callback.hooks) do known[hook] = true end

function Plain:init(object)
  self.object = object
  for name, f in pairs(object) do
    if type(name) == "string" and name:find("^on_") and not known[name] then
      errors.fail("callbacks have no hook '%s'%s", name, errors.nearest(name, known))
    end
    if known[name] then
      args.check("callbacks: '" .. name .. "'", f, "function")
      rawset(self, name, function(_, ...) return f(object, ...) end)
    end
  end
  self.adds_logs = object.adds_logs
end

function Plain:get_state() return self.object.get_state and self.object:get_state() end
function Plain:set_state(state)
  if self.object.set_state then self.object:set_state(state) end
end

function Plain:set_model(model) self.object.model = model end
function Plain:set_params(params) self.object.params = params end

--- A callback from an object, a class, or a plain table with hooks.
local function to_callback(i, given)
  if class.is(given, Callback) then return given end
  if class.is_class(given) then
    local object = given{}
    if class.is(object, Callback) then return object end
  elseif type(given) == "table" and getmetatable(given) == nil and next(given) ~= nil and #given == 0 then
    return Plain(given)
  end
  errors.fail("callback %d must be a kl.callbacks.Callback or a table of hooks, got %s", i,
    class.is_class(given) and tostring(given) or errors.show(given))
end

--- params: verbose, epochs, steps, no_history; validates: fit has validation data.
local function new(model, given, params)
  if given == nil then given = {} end
  if type(given) ~= "table" or getmetatable(given) ~= nil or #given == 0 and next(given) ~= nil then given = {given} end
  local all, history = {}, nil
  for i = 1, #given do all[i] = to_callback(i, given[i]) end
  if not params.no_history then
    history = History{}
    rawset(model, "history", history)
    all[#all + 1] = history
  end
  if params.verbose ~= 0 then all[#all + 1] = ProgbarLogger{} end
  local public = {verbose = params.verbose, epochs = params.epochs, steps = params.steps}
  local keepers = {} -- those that save where the run stands
  for i, callback in ipairs(all) do
    if callback._back_up then keepers[#keepers + 1] = i end
    callback:set_params(public)
    callback:set_model(model)
    rawset(callback, "_validates", params.validates or false)
    rawset(callback, "_position", i)
  end
  return setmetatable({all = all, users = #given, model = model, validates = params.validates, keepers = keepers, history = history}, List)
end

--- "on_epoch_end of callback 2, a CSVLogger", or nil while no hook runs.
local function running(self)
  if not self.hook then return nil end
  local callback = self.all[self.at]
  local name = class.is(callback, Plain) and "table of hooks" or getmetatable(callback).__name
  if self.at > self.users then return ("%s of the %s"):format(self.hook, name) end
  return ("%s of callback %d, a%s %s"):format(self.hook, self.at, name:find("^[AEIOU]") and "n" or "", name)
end

--- What becomes of an error: it names the hook it came from, and has one traceback.
local function handler_of(self)
  return function(message)
    if type(message) ~= "string" then return message end
    local where = running(self)
    if where then
      local at = message:find("\nstack:", 1, true) or #message + 1
      message = ("%s (in %s)%s"):format(message:sub(1, at - 1), where, message:sub(at))
    end
    return errors.traceback(message)
  end
end

--- Runs the body; a Lua error gets its traceback once.
function List:run(body)
  local ok, result = xpcall(body, handler_of(self))
  self.hook = nil
  if not ok then error(result, 0) end
  return result
end

--- The same for training: after an error every callback may put things in order.
function List:train(body)
  local handler = handler_of(self)
  local ok, message = xpcall(body, handler)
  if not ok then
    self.hook = "on_train_error"
    for i, callback in ipairs(self.all) do
      self.at = i
      local fine, another = xpcall(callback.on_train_error, handler, callback, message)
      if not fine then core.warn("on_train_error of a callback failed: " .. tostring(another)) end
    end
  end
  self.hook = nil
  rawset(self.model, "history", self.history) -- a fit inside this one had its own
  for _, callback in ipairs(self.all) do rawset(callback, "_resumes", nil) end
  if not ok then error(message, 0) end
end

--- Calls a hook of every callback.
function List:call(hook, ...)
  self.hook = hook
  for i, callback in ipairs(self.all) do
    self.at = i
    callback[hook](callback, ...)
  end
  self.hook = nil
end

--- f(callback, name) for each: its class, and the how-manieth of it it is.
local function each_named(self, f)
  local counts = {}
  for _, callback in ipairs(self.all) do
    local name = getmetatable(callback).__name
    counts[name] = (counts[name] or 0) + 1
    f(callback, ("%s %d"):format(name, counts[name]))
  end
end

--- What all callbacks have found out so far, by class and number.
---@return table<string, table>
function List:get_state()
  local states = {}
  each_named(self, function(callback, name) states[name] = callback:get_state() end)
  return states
end

--- Gives every callback the state of the one of its class and number.
function List:set_state(states)
  each_named(self, function(callback, name)
    if states[name] ~= nil then callback:set_state(states[name]) end
  end)
end

--- Before anything else: callbacks that have kept an earlier run take it up.
---@param run kl.RunState
function List:take_up(run)
  self.hook = "the beginning"
  for _, i in ipairs(self.keepers) do
    self.at = i
    self.all[i]:_take_up(run)
  end
  self.hook = nil
end

--- After everything that belongs to a step or to an epoch: they save it now, if it is time or the run is about to end.
---@param run kl.RunState
---@param ends? boolean
function List:keep(run, ends)
  self.hook = "a backup"
  for _, i in ipairs(self.keepers) do
    self.at = i
    self.all[i]:_back_up(run, ends)
  end
  self.hook = nil
end

local function overrides(callback, hook)
  local own = callback[hook]
  if own ~= Callback[hook] then return true end
  local older = hook:find("^on_train_batch") and hook:gsub("train_", "")
  return older and callback[older] ~= Callback[older]
end

local function is_users(callback) return callback.calls_user_code or not own_code.is_own_object(callback) end

--- True if code of the user's runs between two steps: in a callback that is not one of kl's own.
---@param kind "train"|"test"|"predict"
function List:runs_user_code(kind)
  local first, last = ("on_%s_batch_begin"):format(kind), ("on_%s_batch_end"):format(kind)
  for _, callback in ipairs(self.all) do
    if (overrides(callback, first) or overrides(callback, last)) and is_users(callback) then return true end
  end
  return false
end

--- Calls a hook that gets the results of a step.  They are read, as numbers, only if somebody looks.
function List:call_with_scalars(hook, step, scalars)
  if hook == "on_train_batch_end" and not self.checked then self:_check_after_step(scalars) end
  local numbers
  self.hook = hook
  for i, callback in ipairs(self.all) do
    self.at = i
    if callback.takes_scalars and own_code.is_own_function(callback[hook]) then
      callback[hook](callback, step, scalars)
    elseif overrides(callback, hook) then
      numbers = numbers or logs.numbers(scalars)
      callback[hook](callback, step, numbers)
    end
  end
  self.hook = nil
end

--- Tells the callbacks of a training step whose loss is not finite: true if one of them has dealt with it.
function List:bad_loss(info)
  local stops = false
  self.hook = "on_bad_loss"
  for i, callback in ipairs(self.all) do
    self.at = i
    local answer = callback:on_bad_loss(info)
    if answer ~= nil and answer ~= "stop" then
      errors.fail("on_bad_loss must return nothing or \"stop\", got %s", errors.show(answer))
    end
    stops = stops or answer == "stop"
  end
  self.hook = nil
  return stops
end

--- Raises for a name that a callback reads and the logs will not have.  `names`: those the logs will have; `relevant` tells
--- which of the names read are to be looked for.  What a callback in front adds is taken into account; of a user's own that
--- says nothing about it (adds_logs) everything may come: those behind it find out at the end of the first epoch.
local function check_names(self, names, relevant)
  local there = {}
  for _, name in ipairs(names) do there[name] = true end
  for i, callback in ipairs(self.all) do
    for _, name in ipairs(callback.adds_logs or {}) do there[name] = true end
    if callback._needs then
      for _, name in ipairs(callback:_needs()) do
        if not there[name] and relevant(name) then
          monitor.unknown(callback, i, name, logs.sorted_names(there), self.validates)
        end
      end
    end
    if not callback.adds_logs and is_users(callback) and overrides(callback, "on_epoch_end") then return end
  end
end

--- Checks the names that callbacks monitor and use, and whether it is known which values are better, before the first step;
--- where the model cannot say yet what its steps return, after it.
function List:check_names()
  local names = self.model:_log_names(self.validates)
  if names then
    check_names(self, names, function() return true end)
    self:_check_directions(true)
  end
  self.checked = names ~= nil
end

function List:_check_after_step(scalars)
  self.checked = true
  check_names(self, logs.sorted_names(scalars), function(name) return not (self.validates and name:find("^val_")) end)
  self:_check_directions(false)
end

function List:_check_directions(may_wait)
  for _, callback in ipairs(self.all) do
    if callback._needs and callback.monitor and callback.save_best_only ~= false then monitor.resolve(callback, may_wait) end
  end
end

return new
