-- Callbacks: what happens around training.
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local logs = require "kl.training.logs"
local own_code = require "kl.own_code"

local callbacks = {}

local Callback = require "kl.callbacks.callback"
callbacks.Callback = Callback

--- Made of functions: LambdaCallback{on_epoch_end = function(epoch, logs) ... end}.
local LambdaCallback = Callback:extend("LambdaCallback")
LambdaCallback.calls_user_code = true
callbacks.LambdaCallback = LambdaCallback
local lambda_params = {}
for i, hook in ipairs(Callback.hooks) do lambda_params[i] = {hook} end
lambda_params = args.params(lambda_params)

function LambdaCallback:init(given)
  for hook, f in pairs((args.read("LambdaCallback", lambda_params, given))) do
    args.check("LambdaCallback: '" .. hook .. "'", f, "function")
    self[hook] = function(_, ...) return f(...) end
  end
end

callbacks.History = require "kl.callbacks.history"
callbacks.ProgbarLogger = require "kl.callbacks.progress"
callbacks.TensorBoard = require "kl.callbacks.tensorboard"

--- The callbacks of one fit, evaluate or predict: the user's in their order, then History, then the bar.
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

function callbacks.List(model, given, params)
  if given == nil then given = {} end
  if type(given) ~= "table" or getmetatable(given) ~= nil or #given == 0 and next(given) ~= nil then given = {given} end
  local all = {}
  for i = 1, #given do all[i] = to_callback(i, given[i]) end
  if not params.no_history then
    local history = callbacks.History{}
    rawset(model, "history", history)
    all[#all + 1] = history
  end
  if params.verbose ~= 0 then all[#all + 1] = callbacks.ProgbarLogger{} end
  local public = {verbose = params.verbose, epochs = params.epochs, steps = params.steps}
  for _, callback in ipairs(all) do
    callback:set_params(public)
    callback:set_model(model)
  end
  return setmetatable({all = all}, List)
end

local function handler(message) return type(message) == "string" and errors.traceback(message) or message end

--- Runs the body; a Lua error gets its traceback once.
function List:run(body)
  local ok, result = xpcall(body, handler)
  if not ok then error(result, 0) end
  return result
end

--- The same for training: after an error every callback may put things in order.
function List:train(body)
  local ok, message = xpcall(body, handler)
  if ok then return end
  for _, callback in ipairs(self.all) do
    local fine, another = xpcall(callback.on_train_error, handler, callback, message)
    if not fine then core.warn("on_train_error of a callback failed: " .. tostring(another)) end
  end
  error(message, 0)
end

--- Calls a hook of every callback.
function List:call(hook, ...)
  for _, callback in ipairs(self.all) do callback[hook](callback, ...) end
end

--- True if a callback is not one of kl's own, or calls functions of the user's.
function List:runs_user_code()
  for _, callback in ipairs(self.all) do
    if callback.calls_user_code or not own_code.is_own_object(callback) then return true end
  end
  return false
end

local function overrides(callback, hook)
  local own = callback[hook]
  if own ~= Callback[hook] then return true end
  local older = hook:find("^on_train_batch") and hook:gsub("train_", "")
  return older and callback[older] ~= Callback[older]
end

--- Calls a hook that gets the results of a step.  They are read, as numbers, only if somebody looks.
function List:call_with_scalars(hook, step, scalars)
  local numbers
  for _, callback in ipairs(self.all) do
    if callback.takes_scalars then
      callback[hook](callback, step, scalars)
    elseif overrides(callback, hook) then
      numbers = numbers or logs.numbers(scalars)
      callback[hook](callback, step, numbers)
    end
  end
end

return callbacks
