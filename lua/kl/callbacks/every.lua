-- Schedules: every so many training steps, epochs or minutes, by one rule.
--
--   local every = Every("MyCallback", {steps = 500})
--   every:after_step()       true at training steps 500, 1000, ... counted over all epochs
--   every:after_epoch(epoch) true at the ends of epochs n, 2n, ... for {epochs = n}
--
-- For {minutes = m} both are true once m minutes have passed since it began or was last due.
local core = require "kl.core"
local class = require "kl.class"
local errors = require "kl.errors"

---@class kl.callbacks.Every: kl.Object
---@field unit string # "steps", "epochs" or "minutes"
---@field count number
local Every = class.Object:extend("Every")

local units = {steps = "integer", epochs = "integer", minutes = "number"}

--- Every(what, {steps = 500}), {epochs = 2} or {minutes = 10}.
---@param what string # the callback, for messages
---@param given table
function Every:init(what, given)
  local unit, count
  if type(given) == "table" and getmetatable(given) == nil then
    unit, count = next(given)
    if unit ~= nil and not units[unit] then
      errors.fail("%s: 'every' counts steps, epochs or minutes, got '%s'%s", what, tostring(unit), errors.nearest(unit, units))
    end
  end
  if unit == nil or next(given, unit) ~= nil then
    errors.fail("%s: 'every' must be one of {steps = n}, {epochs = n} and {minutes = n}, got %s", what,
      unit and "several" or errors.show(given))
  end
  local fits = math.type(count) and count > 0 and count < math.huge and (unit == "minutes" or math.type(count) == "integer")
  if not fits then
    errors.fail("%s: 'every' must be a positive %s of %s, got %s", what, units[unit], unit, errors.show(count))
  end
  self.unit, self.count = unit, count
  self.seen = 0 -- steps since it was last due, or seconds before `since`
end

--- From here on it is due as if `steps` training steps had been counted from the beginning: a run that goes on keeps its rhythm.
---@param steps integer
function Every:align(steps)
  if self.unit == "steps" then self.seen = steps % self.count end
end

--- Starts the clock anew; what was counted stays.
function Every:begin() rawset(self, "since", core.clock()) end

local function minutes_passed(self)
  local now = core.clock()
  if not self.since then rawset(self, "since", now) end
  if self.seen + (now - self.since) < self.count * 60 then return false end
  self.seen = 0
  rawset(self, "since", now)
  return true
end

--- To be called after each training step (or after n of them).
---@param n? integer
---@return boolean # true if it is due
function Every:after_step(n)
  if self.unit == "minutes" then return minutes_passed(self) end
  if self.unit ~= "steps" then return false end
  self.seen = self.seen + (n or 1)
  if self.seen < self.count then return false end
  self.seen = 0
  return true
end

--- To be called at the end of each epoch.
---@param epoch integer # from 1
---@return boolean
function Every:after_epoch(epoch)
  if self.unit == "minutes" then return minutes_passed(self) end
  return self.unit == "epochs" and epoch % self.count == 0
end

--- What was counted: for saving with a callback's state.
function Every:get_state()
  if self.unit == "minutes" then return {seen = self.seen + (self.since and core.clock() - self.since or 0)} end
  return {seen = self.seen}
end

function Every:set_state(state)
  self.seen = state.seen
  if self.unit == "minutes" then self:begin() end
end

--- A schedule from Keras's save_freq ("epoch" or a number of steps) or from `every`; every epoch if neither is given.
---@return kl.callbacks.Every
function Every.from(what, save_freq, given)
  if save_freq ~= nil and given ~= nil then
    errors.fail("%s: 'save_freq' and 'every' say the same: give one of them", what)
  end
  if given ~= nil then return Every(what, given) end
  if save_freq == nil or save_freq == "epoch" then return Every(what, {epochs = 1}) end
  if math.type(save_freq) ~= "integer" or save_freq < 1 then
    errors.fail("%s: 'save_freq' must be \"epoch\" or a positive number of steps, got %s", what, errors.show(save_freq))
  end
  return Every(what, {steps = save_freq})
end

return Every
