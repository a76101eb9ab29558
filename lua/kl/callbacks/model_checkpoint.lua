-- Saving the model while it is trained.
local args = require "kl.args"
local errors = require "kl.errors"
local paths = require "kl.files.paths"
local logs = require "kl.training.logs"
local monitor = require "kl.callbacks.monitor"
local template = require "kl.callbacks.template"
local Every = require "kl.callbacks.every"

---@class kl.callbacks.ModelCheckpoint: kl.callbacks.Callback
---@field best number|nil # of the values saved so far
---@field schedule kl.callbacks.Every
local ModelCheckpoint = require "kl.callbacks.callback":extend("ModelCheckpoint")
ModelCheckpoint.state_fields = {"best", "schedule", "_batch"}
ModelCheckpoint.takes_scalars = true -- values are read only for a step that saves

local params = args.params{"filepath", {"monitor", "val_loss"}, {"verbose", 0}, {"save_best_only", false},
  {"save_weights_only", false}, {"mode", "auto"}, {"save_freq"}, {"initial_value_threshold"}, {"every"}}

--- Saves the model to `filepath` after every epoch, every `save_freq` steps, or as `every` says.  The name may hold {epoch}
--- (from 1), {batch} and any name of the logs, with formats as in {epoch:02d}-{val_loss:.2f}; it ends in .keras or .h5, with
--- save_weights_only in .weights.h5.  Folders are made.  A file is whole or not there: a failed save raises, and what was there
--- stays.  With save_best_only it saves only what is better than all before (and than initial_value_threshold); what is not
--- finite never is.
---@param given table # filepath, monitor = "val_loss", verbose = 0, save_best_only = false, save_weights_only = false,
---  mode = "auto", save_freq = "epoch", initial_value_threshold, every
function ModelCheckpoint:init(given)
  local what = getmetatable(self).__name
  local o = args.read(what, params, given)
  args.check_kinds(what, params, o)
  for name, value in pairs(o) do
    if name ~= "every" then self[name] = value end -- a method of callbacks
  end
  monitor.check(self, what)
  args.check(what .. ": 'filepath'", self.filepath, "string")
  if self.save_weights_only then
    if not self.filepath:find("%.weights%.h5$") then
      errors.fail("%s: with save_weights_only the file's name must end in .weights.h5, got '%s'", what, self.filepath)
    end
  elseif not self.filepath:find("%.keras$") and (not self.filepath:find("%.h5$") or self.filepath:find("%.weights%.h5$")) then
    errors.fail("%s: the file's name must end in .keras or .h5%s, got '%s'", what,
      self.filepath:find("%.weights%.h5$") and " (or set save_weights_only)" or "", self.filepath)
  end
  if o.initial_value_threshold ~= nil then
    args.check(what .. ": 'initial_value_threshold'", o.initial_value_threshold, "number")
  end
  self.best = o.initial_value_threshold
  self.schedule = Every.from(what, o.save_freq, o.every)
  self._name = template.parse(what .. ": 'filepath'", self.filepath)
  for _, name in ipairs(self._name.names) do
    if name == "batch" and self.schedule.unit == "epochs" then
      errors.fail("%s: '{batch}' in the file's name: it saves at the end of epochs, not of batches", what)
    end
  end
  for _, name in ipairs(self:_needs()) do
    if name:find("^val_") then
      if self.schedule.unit == "steps" then
        errors.fail("%s: '%s' is known at the end of an epoch only, and it saves after every %d steps", what, name,
          self.schedule.count)
      end
      self._at_epochs = true -- every so many minutes, but when the value is there
    end
  end
end

--- The names of the logs that it reads.
function ModelCheckpoint:_needs()
  local names = {}
  if self.save_best_only then names[1] = self.monitor end
  for _, name in ipairs(self._name.names) do
    if name ~= "epoch" and name ~= "batch" then names[#names + 1] = name end
  end
  return names
end

function ModelCheckpoint:on_train_begin()
  rawset(self, "_direction", nil)
  if self.schedule.unit == "minutes" and not self:resumes() then self.schedule:begin() end
end

function ModelCheckpoint:on_epoch_begin(epoch)
  rawset(self, "_epoch", epoch)
  rawset(self, "_batch", 0)
end

function ModelCheckpoint:on_train_batch_end(batch, scalars)
  rawset(self, "_batch", batch)
  if not self._at_epochs and self.schedule:after_step() then self:_save(self._epoch, logs.numbers(scalars)) end
end

function ModelCheckpoint:on_epoch_end(epoch, values)
  if self.schedule:after_epoch(epoch) then self:_save(epoch, values) end
end

--- Whether the values are good enough; says so.
function ModelCheckpoint:_is_wanted(epoch, values, path)
  if not self.save_best_only then
    if self.verbose > 0 then self:print("Epoch %d: saving model to %s", epoch, path) end
    return true
  end
  local value, best = monitor.value(self, values), self.best
  if value == nil then return false end
  local shown = best and ("%.5f"):format(best) or "None"
  if not monitor.improves(self, value, best) then
    if self.verbose > 0 then self:print("Epoch %d: %s did not improve from %s", epoch, self.monitor, shown) end
    return false
  end
  if self.verbose > 0 then
    self:print("Epoch %d: %s improved from %s to %.5f, saving model to %s", epoch, self.monitor, shown, value, path)
  end
  return true
end

function ModelCheckpoint:_save(epoch, values)
  local what = "ModelCheckpoint: 'filepath'"
  if self.save_best_only and monitor.value(self, values) == nil then return end
  local fields = {}
  for name, value in pairs(values) do fields[name] = value end
  fields.epoch = epoch
  if fields.batch == nil then fields.batch = rawget(self, "_batch") end
  local path = template.fill(what, self._name, fields)
  if not self:_is_wanted(epoch, values, path) then return end
  paths.make_parent(path)
  if self.save_weights_only then self.model:save_weights(path) else self.model:save(path) end
  if self.save_best_only then self.best = values[self.monitor] end -- saved: only now it is the best file's
  if self.verbose > 0 then self:print("Epoch %d: finished saving model to %s", epoch, path) end
end

return ModelCheckpoint
