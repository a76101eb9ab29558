-- Going on after a run has ended too early.
--
-- The folder holds latest.weights.h5 (weights and the optimizer's state) and training_metadata.json (how far training was).  The
-- second is written first and also says what it said before: whichever of the two writes was the last that happened, the
-- number of updates in the weights tells which entry is theirs.
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local paths = require "kl.files.paths"
local Every = require "kl.callbacks.every"

---@class kl.callbacks.BackupAndRestore: kl.callbacks.Callback
---@field schedule kl.callbacks.Every
local BackupAndRestore = require "kl.callbacks.callback":extend("BackupAndRestore")
BackupAndRestore.takes_scalars = true -- and reads none
BackupAndRestore.state_fields = {"schedule"}

local params = args.params{"backup_dir", {"save_freq"}, {"double_checkpoint", false}, {"delete_checkpoint", true}, {"every"}}

--- Saves after every epoch, every `save_freq` steps, or as `every` says; when a training begins and the folder holds a backup,
--- it goes on from there: weights, optimizer and the number of epochs done.  (From a backup made in the middle of an epoch: that
--- epoch begins again, with these weights.)  The model must be built.  The files are removed when training has finished or was
--- stopped, unless delete_checkpoint is false; after an error or an interruption they stay.  double_checkpoint keeps the backup
--- before the last one too, for the case that the last cannot be read.
---@param given table # backup_dir, save_freq = "epoch", double_checkpoint = false, delete_checkpoint = true, every
function BackupAndRestore:init(given)
  local what = getmetatable(self).__name
  local o = args.read(what, params, given)
  args.check_kinds(what, params, o)
  args.check(what .. ": 'backup_dir'", o.backup_dir, "string")
  if o.backup_dir == "" then errors.fail("%s: 'backup_dir' is empty: the name of a folder expected", what) end
  self.backup_dir, self.double_checkpoint, self.delete_checkpoint = o.backup_dir, o.double_checkpoint, o.delete_checkpoint
  self.schedule = Every.from(what, o.save_freq, o.every)
  local folder = o.backup_dir:gsub("(.)/+$", "%1") .. "/"
  self._weights, self._metadata = folder .. "latest.weights.h5", folder .. "training_metadata.json"
  self._epoch, self._batch = 0, 0
end

local function updates_of(model)
  return model.optimizer and model.optimizer.iterations:item() or 0
end

--- The entry of the metadata that belongs to these weights.
local function entry_of(self, path)
  if not paths.exists(path) then return nil end
  local ok, found = pcall(core.json.decode, core.io.read_file(path))
  local updates = updates_of(self.model)
  if ok and type(found) == "table" then
    for _, entry in ipairs{found, found.previous} do
      if type(entry) == "table" and math.type(entry.epoch) == "integer" and entry.epoch >= 0 and
        (entry.iterations == nil or entry.iterations == updates) then
        return entry
      end
    end
  end
  errors.fail("BackupAndRestore: %s does not belong to the weights beside it: remove the folder to begin anew", path)
end

function BackupAndRestore:_restore(weights, metadata)
  self.model:load_weights(weights)
  local entry = entry_of(self, metadata)
  if not entry then return end
  rawset(self.model, "_initial_epoch", entry.epoch)
  if math.type(entry.epochs_trained) == "integer" then rawset(self.model, "_epochs_trained", entry.epochs_trained) end
  self._epoch, self._batch = entry.epoch, 0
end

function BackupAndRestore:on_train_begin()
  if not self.model.built then
    errors.fail("BackupAndRestore: model '%s' is not built, so weights cannot be restored: call it on data, or build it with a shape",
      self.model.name)
  end
  rawset(self, "_entry", nil)
  self._epoch, self._batch = 0, 0
  if self.schedule.unit == "minutes" then self.schedule:begin() end
  if not paths.exists(self._weights) then return end
  local ok, message = pcall(self._restore, self, self._weights, self._metadata)
  if ok then return end
  local older = self._weights .. ".bkp"
  if not paths.exists(older) then error(message, 0) end
  core.warn(("BackupAndRestore: %s; going on from the backup before it"):format((tostring(message):gsub("^[^\n]-:%d+: ", "", 1))))
  -- under a name that says what it is
  local name = self._weights:gsub("latest", "previous")
  core.io.write_file(name, core.io.read_file(older))
  local restored, why = pcall(self._restore, self, name, self._metadata .. ".bkp")
  os.remove(name)
  if not restored then error(why, 0) end
end

local function keep_copy(path)
  if paths.exists(path) then core.io.write_file(path .. ".bkp", core.io.read_file(path)) end
end

function BackupAndRestore:_save()
  core.io.make_folder(self.backup_dir)
  if self.double_checkpoint then
    keep_copy(self._weights)
    keep_copy(self._metadata)
  end
  local entry = {epoch = self._epoch, batch = self._batch, iterations = updates_of(self.model),
    epochs_trained = self.model._epochs_trained}
  local full = {previous = rawget(self, "_entry")}
  for name, value in pairs(entry) do full[name] = value end
  core.io.write_file(self._metadata, core.json.encode(full))
  self.model:save_weights(self._weights)
  rawset(self, "_entry", entry)
end

function BackupAndRestore:on_epoch_begin(epoch) self._epoch, self._batch = epoch - 1, 0 end

function BackupAndRestore:on_train_batch_end(batch)
  self._batch = batch
  if self.schedule:after_step() then self:_save() end
end

function BackupAndRestore:on_epoch_end(epoch)
  self._epoch, self._batch = epoch, 0
  if self.schedule:after_epoch(epoch) then self:_save() end
end

function BackupAndRestore:on_train_end(_, reason)
  if not self.delete_checkpoint or (reason ~= "finished" and reason ~= "stopped") then return end
  for _, path in ipairs{self._weights, self._metadata, self._weights .. ".bkp", self._metadata .. ".bkp"} do os.remove(path) end
  os.remove(self.backup_dir) -- if nothing else is in it
end

return BackupAndRestore
