-- Callbacks: what happens around training.
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local logs = require "kl.training.logs"

local callbacks = {}

local Callback = require "kl.callbacks.callback"
callbacks.Callback = Callback

--- Made of functions: LambdaCallback{on_epoch_end = function(epoch, logs) ... end}.
local LambdaCallback = Callback:extend("LambdaCallback")
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

--- The callbacks of one fit, evaluate or predict: the user's in their order, then History, then the bar.
---@class kl.callbacks.List
local List = {}
List.__index = List

function callbacks.List(model, given, params)
  if given ~= nil and (type(given) ~= "table" or class.is(given, Callback)) then given = {given} end
  local all = {}
  for i, callback in ipairs(given or {}) do
    if not class.is(callback, Callback) then
      errors.fail("callback %d must be a kl.callbacks.Callback, got %s", i, errors.show(callback))
    end
    all[i] = callback
  end
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

--- Runs the body; a Lua error gets its traceback once and every callback may put things in order.
function List:run(body)
  local results = table.pack(xpcall(body, errors.traceback))
  if results[1] then return table.unpack(results, 2, results.n) end
  for _, callback in ipairs(self.all) do
    if callback.on_train_error then pcall(callback.on_train_error, callback, results[2]) end
  end
  error(results[2], 0)
end

--- Calls a hook of every callback.
function List:call(hook, ...)
  for _, callback in ipairs(self.all) do callback[hook](callback, ...) end
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
