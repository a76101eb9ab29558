-- A callback made of functions.
local args = require "kl.args"
local Callback = require "kl.callbacks.callback"

---@class kl.callbacks.LambdaCallback: kl.callbacks.Callback
local LambdaCallback = Callback:extend("LambdaCallback")
LambdaCallback.calls_user_code = true
local params = {}
for i, hook in ipairs(Callback.hooks) do params[i] = {hook} end
params = args.params(params)

--- LambdaCallback{on_epoch_end = function(epoch, logs) ... end}: any hooks, without self.
function LambdaCallback:init(given)
  for hook, f in pairs((args.read("LambdaCallback", params, given))) do
    args.check("LambdaCallback: '" .. hook .. "'", f, "function")
    self[hook] = function(_, ...) return f(...) end
  end
end

return LambdaCallback
