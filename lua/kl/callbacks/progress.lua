-- The progress bar (on a terminal) or one line per epoch (elsewhere), with Keras's keys in Keras's order.
local core = require "kl.core"
local logs = require "kl.training.logs"
local message = require "kl.callbacks.message"

local WIDTH = 20          -- cells of the bar
local INTERVAL = 0.05     -- seconds between two drawings

---@class kl.callbacks.ProgbarLogger: kl.callbacks.Callback
local Progress = require "kl.callbacks.callback":extend("ProgbarLogger")
Progress.takes_scalars = true
Progress.state_fields = {"seen", "counted"}

local function duration(seconds)
  seconds = math.floor(seconds + 0.5)
  if seconds >= 3600 then return ("%d:%02d:%02d"):format(seconds // 3600, seconds % 3600 // 60, seconds % 60) end
  if seconds >= 60 then return ("%d:%02d"):format(seconds // 60, seconds % 60) end
  return seconds .. "s"
end

local function step_time(seconds)
  if seconds >= 1 then return (" %.0fs/step"):format(seconds) end
  if seconds >= 1e-3 then return (" %.0fms/step"):format(seconds * 1e3) end
  return (" %.0fus/step"):format(seconds * 1e6)
end

local function values_text(numbers, names)
  local parts = {}
  for _, name in ipairs(names) do
    local v = numbers[name]
    parts[#parts + 1] = (" - %s: " .. (math.abs(v) > 1e-3 and "%.4f" or "%.4e")):format(name, v)
  end
  return table.concat(parts)
end

function Progress:_begin(total)
  self.total, self.seen, self.before = total or self.counted, 0, 0
  self.open = false -- whether the cursor stands behind a bar
  self.start = core.clock()
  self.drawn, self.first_step = 0, nil
end

--- Of those that this process has done.
function Progress:_step_seconds()
  local done = self.seen - self.before
  if done > 1 and self.first_step then return (core.clock() - self.first_step) / (done - 1) end
  return (core.clock() - self.start) / math.max(1, done)
end

--- The names in the order shown: sorted, those of validation behind.
local function ordered(numbers)
  local names, validation = {}, {}
  for _, name in ipairs(logs.sorted_names(numbers)) do
    table.insert(name:find("^val_") and validation or names, name)
  end
  for _, name in ipairs(validation) do names[#names + 1] = name end
  return names
end

function Progress:_draw(numbers, final)
  local total = self.total
  local text
  if total then
    local count = ("%" .. #tostring(total) .. "d/%d"):format(self.seen, total)
    local green = self.seen * WIDTH // total
    text = ("\27[1m%s\27[0m \27[32m%s\27[0m\27[37m%s\27[0m "):format(count, ("━"):rep(green), ("━"):rep(WIDTH - green))
  else
    text = ("\27[1m%d/Unknown\27[0m "):format(self.seen)
  end
  local per_step = self:_step_seconds()
  local time = not final and total and per_step * (total - self.seen) or core.clock() - self.start
  text = text .. "\27[1m" .. duration(time) .. "\27[0m" .. step_time(per_step) .. values_text(numbers, ordered(numbers))
  io.stdout:write("\r", text, "\27[K", final and "\n" or "")
  io.stdout:flush()
  self.open = not final
  message.set_bar(self.open)
end

function Progress:_line(numbers)
  local total = self.total or self.seen
  io.stdout:write(("%d/%d - %s -%s%s\n"):format(self.seen, total, duration(core.clock() - self.start),
    step_time(self:_step_seconds()), values_text(numbers, ordered(numbers))))
  io.stdout:flush()
end

function Progress:_after_step(scalars)
  self.seen = self.seen + 1
  local now = core.clock()
  self.first_step = self.first_step or now
  if self.params.verbose == 1 and (now - self.drawn >= INTERVAL) and self.seen ~= self.total then
    self.drawn = now
    self:_draw(logs.numbers(scalars), false)
  end
end

function Progress:_finish(numbers)
  if self.seen == 0 then return end
  if not self.total then self.total, self.counted = self.seen, self.seen end -- the next epoch knows
  if self.params.verbose == 1 then self:_draw(numbers, true) else self:_line(numbers) end
end

function Progress:set_state(state)
  Progress.super.set_state(self, state)
  self.before = self.seen
end

function Progress:on_train_begin() self.training = true end
function Progress:on_train_end() self.training = false end
function Progress:on_train_error()
  if self.open then io.stdout:write("\n") end
  message.set_bar(false)
end
function Progress:on_epoch_begin(epoch)
  if self.params.epochs > 1 then io.stdout:write(("Epoch %d/%d\n"):format(epoch, self.params.epochs)) end
  self:_begin(self.params.steps)
end
function Progress:on_train_batch_end(_, scalars) self:_after_step(scalars) end
function Progress:on_epoch_end(_, numbers) self:_finish(numbers) end

-- Evaluation inside fit shows nothing of its own.
function Progress:on_test_begin()
  if not self.training then self:_begin(self.params.steps) end
end
function Progress:on_test_batch_end(_, scalars)
  if not self.training then self:_after_step(scalars) end
end
function Progress:on_test_end(numbers)
  if not self.training then self:_finish(numbers) end
end
function Progress:on_predict_begin() self:_begin(self.params.steps) end
function Progress:on_predict_batch_end() self:_after_step({}) end
function Progress:on_predict_end() self:_finish({}) end

return Progress
