-- A smaller learning rate when a value no longer gets better (keras-semantics 12.3).
local args = require "kl.args"
local errors = require "kl.errors"
local learning_rate = require "kl.callbacks.learning_rate"
local monitor = require "kl.callbacks.monitor"
local template = require "kl.callbacks.template"

---@class kl.callbacks.ReduceLROnPlateau: kl.callbacks.Callback
---@field best number|nil
---@field wait integer
---@field cooldown_counter integer # epochs left in which nothing is counted
local ReduceLROnPlateau = require "kl.callbacks.callback":extend("ReduceLROnPlateau")
ReduceLROnPlateau.state_fields = {"best", "wait", "cooldown_counter"}
ReduceLROnPlateau.adds_logs = {"learning_rate"}

local params = args.params{{"monitor", "val_loss"}, {"factor", 0.1}, {"patience", 10}, {"verbose", 0}, {"mode", "auto"},
  {"min_delta", 1e-4}, {"cooldown", 0}, {"min_lr", 0.0}}

--- Multiplies the learning rate by `factor`, down to min_lr, after `patience` epochs in which `monitor` was not better than its
--- best by more than min_delta; then for `cooldown` epochs nothing is counted.  The epoch's logs get `learning_rate`: the rate
--- used in it.
---@param given table # monitor = "val_loss", factor = 0.1, patience = 10, verbose = 0, mode = "auto", min_delta = 1e-4,
---  cooldown = 0, min_lr = 0
function ReduceLROnPlateau:init(given)
  local what = self:_read(params, given)
  monitor.check(self, what)
  if self.factor >= 1 or self.factor < 0 or self.factor ~= self.factor then
    errors.fail("%s: 'factor' must be less than 1 and not negative, got %s", what, tostring(self.factor))
  end
  args.check(what .. ": 'patience'", self.patience, "integer", 0)
  args.check(what .. ": 'cooldown'", self.cooldown, "integer", 0)
  args.check(what .. ": 'min_lr'", self.min_lr, "number", 0)
  self:_begin()
end

--- The names of the logs that it reads.
function ReduceLROnPlateau:_needs() return {self.monitor} end

function ReduceLROnPlateau:_begin()
  self.best, self.wait, self.cooldown_counter = nil, 0, 0
end

function ReduceLROnPlateau:on_train_begin()
  rawset(self, "_direction", nil)
  learning_rate.check("ReduceLROnPlateau", self.model)
  if not self:resumes() then self:_begin() end
end

local function as_float32(value) return (string.unpack("f", string.pack("f", value))) end

--- True if the rate could be reduced.
function ReduceLROnPlateau:_reduce(epoch)
  local old = learning_rate.get(self.model)
  if old <= as_float32(self.min_lr) then return false end
  local rate = math.max(old * self.factor, self.min_lr)
  learning_rate.set(self.model, rate)
  if self.verbose > 0 then
    self:print("Epoch %d: ReduceLROnPlateau reducing learning rate to %s.", epoch, template.number(rate))
  end
  return true
end

function ReduceLROnPlateau:on_epoch_end(epoch, logs)
  logs.learning_rate = learning_rate.get(self.model)
  local value = monitor.value(self, logs)
  if value == nil then return end
  if self.cooldown_counter > 0 then
    self.cooldown_counter, self.wait = self.cooldown_counter - 1, 0
  end
  if monitor.improves(self, value, self.best) then
    self.best, self.wait = value, 0
  elseif self.cooldown_counter == 0 then
    self.wait = self.wait + 1
    if self.wait >= self.patience and self:_reduce(epoch) then
      self.cooldown_counter, self.wait = self.cooldown, 0
    end
  end
end

return ReduceLROnPlateau
