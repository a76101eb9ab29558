-- Watching one value of the logs: what EarlyStopping, ModelCheckpoint and ReduceLROnPlateau share.
--
-- A callback that monitors has the fields monitor (a name), mode ("auto", "min", "max") and min_delta.  The names a training
-- will show are checked before its first step where they are known then (list.lua); here is what remains to be found out
-- while it runs.
local args = require "kl.args"
local compiled = require "kl.training.compiled"
local errors = require "kl.errors"
local logs = require "kl.training.logs"

local monitor = {}

--- Checks the options.
---@param self kl.callbacks.Callback
---@param what string
function monitor.check(self, what)
  args.check(what .. ": 'monitor'", self.monitor, "string")
  args.choice(what .. ": 'mode'", self.mode, {"auto", "min", "max"})
  self.min_delta = math.abs(args.check(what .. ": 'min_delta'", self.min_delta or 0, "number"))
end

--- The direction ("up", "down") of the model's metric with that name in the logs; nil if it says none.  A second result is
--- true while it cannot be told: what "accuracy" means is known after the first step.
local function direction_of(model, name)
  if name == "loss" then return "down" end
  local c = model._compiled
  local entries = c and compiled.entries(c)
  for _, entry in ipairs(entries or {}) do
    if entry.name == name then
      if type(entry.metric) == "string" then return "up" end -- an accuracy, whichever it will be
      return entry.metric._direction
    end
  end
  for _, m in ipairs(model.metrics) do
    if (c and c.names_of[m] or m.name) == name then return m._direction end
  end
  return nil, c and not entries
end

--- Settles whether lower or higher is better: by mode, else by the metric.  Raises if neither tells; does nothing while it
--- cannot be known yet.
---@param self kl.callbacks.Callback
---@param may_wait? boolean
function monitor.resolve(self, may_wait)
  if self.mode ~= "auto" then
    rawset(self, "_direction", self.mode == "min" and "down" or "up")
    return
  end
  local direction, later = direction_of(self.model, (self.monitor:gsub("^val_", "")))
  if not direction and not (later and may_wait) then
    errors.fail("%s: whether '%s' is better low or high is not known: say mode = \"min\" or mode = \"max\"",
      getmetatable(self).__name, self.monitor)
  end
  rawset(self, "_direction", direction)
end

--- ": expected names" for a name that the logs do not have.
---@param names string[] # those there are
function monitor.unknown(self, position, name, names, validates)
  local where = position and (" (callback %d)"):format(position) or ""
  local why = name:find("^val_") and not validates and "; there is no validation data" or ""
  errors.fail("%s%s: there is no '%s' in the logs%s%s (there are: %s)", getmetatable(self).__name, where, name,
    errors.nearest(name, names), why, table.concat(names, ", "))
end

--- The monitored value; nil in an epoch without the validation that it comes from.
---@param values table<string, number> # logs
---@return number|nil
function monitor.value(self, values)
  local value = values[self.monitor]
  if value == nil then
    local names, validated = logs.sorted_names(values), false
    for _, name in ipairs(names) do validated = validated or name:find("^val_") ~= nil end
    local validates = rawget(self, "_validates")
    if validates and not validated and self.monitor:find("^val_") then return nil end
    monitor.unknown(self, rawget(self, "_position"), self.monitor, names, validates)
  end
  if type(value) ~= "number" then
    errors.fail("%s: '%s' must be a number to be monitored, got %s", getmetatable(self).__name, self.monitor, errors.show(value))
  end
  return value
end

--- True if a value is better than another by more than min_delta; anything finite is better than nothing (nil).  What is not
--- finite never is better.
---@param value number
---@param reference number|nil
---@return boolean
function monitor.improves(self, value, reference)
  if not rawget(self, "_direction") then monitor.resolve(self) end
  if value ~= value or value == math.huge or value == -math.huge then return false end
  if reference == nil then return true end
  if self._direction == "down" then return value + self.min_delta < reference end
  return value - self.min_delta > reference
end

return monitor
