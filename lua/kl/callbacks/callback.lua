-- The base of callbacks.
local class = require "kl.class"

--- The base: a callback overrides the hooks it needs.  Epochs and batches count from 1.  on_train_end(logs, reason) gets
--- "finished" or "stopped" as the reason; after an error on_train_error(message) is called instead.
---@class kl.callbacks.Callback: kl.Object
---@field model kl.Model
---@field params table # verbose, epochs, steps
local Callback = class.Object:extend("Callback")

Callback.hooks = {
  "on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_train_batch_begin", "on_train_batch_end",
  "on_batch_begin", "on_batch_end", "on_test_begin", "on_test_end", "on_test_batch_begin", "on_test_batch_end",
  "on_predict_begin", "on_predict_end", "on_predict_batch_begin", "on_predict_batch_end", "on_train_error",
}
for _, hook in ipairs(Callback.hooks) do Callback[hook] = function() end end

-- The older names of the training hooks are called by the newer ones.
function Callback:on_train_batch_begin(batch, values) self:on_batch_begin(batch, values) end
function Callback:on_train_batch_end(batch, values) self:on_batch_end(batch, values) end

function Callback:set_model(model) rawset(self, "model", model) end
function Callback:set_params(params) rawset(self, "params", params) end

return Callback
