-- Stopping when a value no longer gets better (keras-semantics 12.3).
local args = require "kl.args"
local monitor = require "kl.callbacks.monitor"

---@class kl.callbacks.EarlyStopping: kl.callbacks.Callback
---@field best number|nil
---@field best_epoch integer # from 1; 0 before there is one
---@field wait integer # epochs since the best
---@field stopped_epoch integer # from 1; 0 if it has not stopped
local EarlyStopping = require "kl.callbacks.callback":extend("EarlyStopping")
EarlyStopping.state_fields = {"wait", "stopped_epoch", "best", "best_epoch", "best_weights"}

local params = args.params{{"monitor", "val_loss"}, {"min_delta", 0}, {"patience", 0}, {"verbose", 0}, {"mode", "auto"},
  {"baseline"}, {"restore_best_weights", false}, {"start_from_epoch", 1}}

--- Stops after `patience` epochs in which `monitor` was not better than its best by more than min_delta.  Never in the first
--- epoch.  With a baseline, only an epoch that also beats the baseline starts the count anew.  Epochs before start_from_epoch
--- (counted from 1) are not looked at.  restore_best_weights sets the weights (not the optimizer's state) of the best epoch
--- when training ends, also if it was not stopped here; not after an interruption.
---@param given table # monitor = "val_loss", min_delta = 0, patience = 0, verbose = 0, mode = "auto", baseline,
---  restore_best_weights = false, start_from_epoch = 1
function EarlyStopping:init(given)
  local what = self:_read(params, given)
  monitor.check(self, what)
  args.check(what .. ": 'patience'", self.patience, "integer", 0)
  args.check(what .. ": 'start_from_epoch'", self.start_from_epoch, "integer", 0)
  if self.baseline ~= nil then args.check(what .. ": 'baseline'", self.baseline, "number") end
  self:_begin()
end

--- The names of the logs that it reads.
function EarlyStopping:_needs() return {self.monitor} end

function EarlyStopping:_begin()
  self.wait, self.stopped_epoch, self.best_epoch = 0, 0, 0
  self.best, self.best_weights = nil, nil
end

function EarlyStopping:on_train_begin()
  rawset(self, "_direction", nil)
  if not self:resumes() then self:_begin() end
end

function EarlyStopping:_keep(epoch)
  self.best_epoch = epoch
  if self.restore_best_weights then self.best_weights = self.model:get_weights() end
end

function EarlyStopping:on_epoch_end(epoch, logs)
  local value = monitor.value(self, logs)
  if value == nil or epoch < self.start_from_epoch then return end
  if self.restore_best_weights and self.best_weights == nil then self:_keep(epoch) end
  self.wait = self.wait + 1
  if monitor.improves(self, value, self.best) then
    self.best = value
    self:_keep(epoch)
    if self.baseline == nil or monitor.improves(self, value, self.baseline) then self.wait = 0 end
    return
  end
  if self.wait >= self.patience and epoch > 1 then
    self.stopped_epoch = epoch
    self.model.stop_training = true
  end
end

function EarlyStopping:on_train_end(_, reason)
  if self.stopped_epoch > 0 and self.verbose > 0 then self:print("Epoch %d: early stopping", self.stopped_epoch) end
  if self.best_weights and (reason == "finished" or reason == "stopped") then
    if self.verbose > 0 then
      self:print("Restoring model weights from the end of the best epoch: %d.", self.best_epoch)
    end
    self.model:set_weights(self.best_weights)
  end
end

return EarlyStopping
