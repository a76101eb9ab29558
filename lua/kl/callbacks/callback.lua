-- The base of callbacks.
local args = require "kl.args"
local class = require "kl.class"
local Every = require "kl.callbacks.every"
local message = require "kl.callbacks.message"

--- The base: a callback overrides the hooks it needs.  Epochs and batches count from 1.
---
--- on_train_end(logs, reason) gets "finished", "stopped" or "interrupted" as the reason; after an error on_train_error(message) is
--- called instead: what a callback holds open is to be flushed and closed in both.  on_bad_loss(info) is called for a training
--- step whose loss is not finite, with {value, message, data, epoch, step, undone}: unless one returns "stop", which ends
--- training as stop_training would, fit raises info.message.
---
--- A run that BackupAndRestore takes up calls set_state with what get_state gave when the backup was made, before on_train_begin
--- (where self:resumes() is true: nothing is to begin anew); in the middle of an epoch also after on_epoch_begin, which is called
--- once more for it.  Name the fields that count in state_fields, or define both methods; a table of hooks may have them too.
---@class kl.callbacks.Callback: kl.Object
---@field model kl.Model
---@field params table # verbose, epochs, steps
---@field state_fields? string[] # of a class: the fields that get_state and set_state are about
---@field adds_logs? string[] # names that the callback adds to an epoch's logs: those behind it may monitor them
local Callback = class.Object:extend("Callback")

Callback.hooks = {
  "on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_train_batch_begin", "on_train_batch_end",
  "on_batch_begin", "on_batch_end", "on_test_begin", "on_test_end", "on_test_batch_begin", "on_test_batch_end",
  "on_predict_begin", "on_predict_end", "on_predict_batch_begin", "on_predict_batch_end", "on_train_error", "on_bad_loss",
}
for _, hook in ipairs(Callback.hooks) do Callback[hook] = function() end end

-- The older names of the training hooks are called by the newer ones.
function Callback:on_train_batch_begin(batch, values) self:on_batch_begin(batch, values) end
function Callback:on_train_batch_end(batch, values) self:on_batch_end(batch, values) end

function Callback:set_model(model) rawset(self, "model", model) end
function Callback:set_params(params) rawset(self, "params", params) end

--- A schedule: `self:every{steps = 500}`, {epochs = 2} or {minutes = 10}; ask its after_step() and after_epoch(epoch).
---@return kl.callbacks.Every
function Callback:every(given) return Every(getmetatable(self).__name, given) end

--- A line on standard output that leaves the progress bar whole.
---@param format string
---@param ... any # as string.format
function Callback:print(format, ...) message.print(format, ...) end

local function copy(value)
  if type(value) ~= "table" or getmetatable(value) ~= nil then return value end
  local result = {}
  for key, v in pairs(value) do result[key] = copy(v) end
  return result
end

--- What the callback has found out so far, as numbers, strings, booleans, tensors, and lists and tables (with string keys) of these:
--- training goes on from it exactly.
---@return table
function Callback:get_state()
  local state = {}
  for _, name in ipairs(self.state_fields or {}) do
    local value = rawget(self, name)
    if class.is(value, Every) then state[name] = value:get_state() else state[name] = copy(value) end
  end
  return state
end

--- Takes up the state of another callback of the class.  It holds for the training that runs, or for the next one.
---@param state table # of get_state
function Callback:set_state(state)
  for _, name in ipairs(self.state_fields or {}) do
    local value = rawget(self, name)
    if class.is(value, Every) then value:set_state(state[name]) else rawset(self, name, copy(state[name])) end
  end
  rawset(self, "_resumes", true)
end

--- For on_train_begin: true if set_state has given what would begin anew otherwise.
function Callback:resumes() return rawget(self, "_resumes") == true end

--- Reads the options of one of kl's own into fields; the class's name for messages.
function Callback:_read(params, given)
  local what = getmetatable(self).__name
  local o = args.read(what, params, given)
  args.check_kinds(what, params, o)
  for name, value in pairs(o) do self[name] = value end
  return what
end

return Callback
