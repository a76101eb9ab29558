-- A learning rate per epoch, from a function.
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local learning_rate = require "kl.callbacks.learning_rate"
local template = require "kl.callbacks.template"

---@class kl.callbacks.LearningRateScheduler: kl.callbacks.Callback
local LearningRateScheduler = require "kl.callbacks.callback":extend("LearningRateScheduler")
LearningRateScheduler.adds_logs = {"learning_rate"}
LearningRateScheduler.state_fields = {"_epoch"} -- whose rate is set: a run taken up in its middle does not ask again

local params = args.params{"schedule", {"verbose", 0}}

--- Sets the learning rate at the beginning of each epoch to schedule(epoch, rate): the number of the epoch (from 1) and the
--- rate so far.  The epoch's logs get `learning_rate`.
---@param given table # schedule, verbose = 0
function LearningRateScheduler:init(given)
  local what = self:_read(params, given)
  args.check(what .. ": 'schedule'", self.schedule, "function")
end

function LearningRateScheduler:on_train_begin()
  learning_rate.check("LearningRateScheduler", self.model)
  if not self:resumes() then rawset(self, "_epoch", nil) end
end

function LearningRateScheduler:on_epoch_begin(epoch)
  if rawget(self, "_epoch") == epoch then return end
  local rate = self.schedule(epoch, learning_rate.get(self.model))
  if core.kind(rate) and core.is_scalar(rate) then rate = rate:item() end
  if type(rate) ~= "number" or rate ~= rate or rate == math.huge or rate == -math.huge then
    errors.fail("LearningRateScheduler: the schedule must return a number, it gave %s for epoch %d", errors.show(rate), epoch)
  end
  learning_rate.set(self.model, rate)
  rawset(self, "_epoch", epoch)
  if self.verbose > 0 then
    self:print("Epoch %d: LearningRateScheduler setting learning rate to %s.", epoch, template.number(rate))
  end
end

function LearningRateScheduler:on_epoch_end(_, logs) logs.learning_rate = learning_rate.get(self.model) end

return LearningRateScheduler
