-- Reading and setting an optimizer's learning rate between steps: what LearningRateScheduler and ReduceLROnPlateau share.
local errors = require "kl.errors"

local learning_rate = {}

--- Raises unless the model has a rate that can be set.
function learning_rate.check(what, model)
  local optimizer = model.optimizer
  if not optimizer then errors.fail("%s: model '%s' has no optimizer: give compile one", what, model.name) end
  if rawget(optimizer, "_schedule") then
    errors.fail("%s: the learning rate of optimizer '%s' comes from a schedule and cannot be set", what, optimizer.name)
  end
end

--- The rate as it is (float32).
---@return number
function learning_rate.get(model) return model.optimizer.learning_rate:item() end

--- Sets it: an assignment to a variable, so steps go on with the plans they have.
function learning_rate.set(model, rate) model.optimizer.learning_rate = rate end

return learning_rate
