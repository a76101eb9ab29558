-- Going on after a run has ended too early, with the same bits as if it had not.
--
-- Everything is in one file, written whole or not at all: weights and optimizer where other programs look for them, the rest of
-- where the run stands in the group /kl (training/run_state.lua says what that is).
local core = require "kl.core"
local args = require "kl.args"
local dry_run = require "kl.dry_run"
local errors = require "kl.errors"
local paths = require "kl.files.paths"
local Every = require "kl.callbacks.every"

---@class kl.callbacks.BackupAndRestore: kl.callbacks.Callback
---@field schedule kl.callbacks.Every
local BackupAndRestore = require "kl.callbacks.callback":extend("BackupAndRestore")
BackupAndRestore.takes_scalars = true -- and reads none
BackupAndRestore.state_fields = {"schedule"}

local params = args.params{"backup_dir", {"save_freq"}, {"double_checkpoint", false}, {"delete_checkpoint", true}, {"every"}}

--- Saves after every epoch, every `save_freq` steps, or as `every` says, when all callbacks are done with that step or epoch; a fit
--- that finds a backup goes on from there, also in the middle of an epoch, and ends with the bits of a run that never stopped:
--- weights, optimizer, History (with the earlier epochs), logs, the callbacks' own states.  See Callback for what one's own must
--- have for that; a model, layer, metric or an object that gives batches may have get_state and set_state too.  The model must be
--- built.
---
--- backup_dir: a folder, for latest.weights.h5; or a name that ends in .weights.h5, for that file.  Each fit of a script needs one
--- of its own.  It is removed when training has finished or was stopped, unless delete_checkpoint is false; after an error or an
--- interruption it stays.  double_checkpoint keeps the backup before the last one too, for the case that the last cannot be read.
---@param given table # backup_dir, save_freq = "epoch", double_checkpoint = false, delete_checkpoint = true, every
function BackupAndRestore:init(given)
  local what = getmetatable(self).__name
  local o = args.read(what, params, given)
  args.check_kinds(what, params, o)
  args.check(what .. ": 'backup_dir'", o.backup_dir, "string")
  if o.backup_dir == "" then errors.fail("%s: 'backup_dir' is empty: the name of a folder, or of a .weights.h5, expected", what) end
  self.backup_dir, self.double_checkpoint, self.delete_checkpoint = o.backup_dir, o.double_checkpoint, o.delete_checkpoint
  self.schedule = Every.from(what, o.save_freq, o.every)
  self._is_file = o.backup_dir:find("%.weights%.h5$") ~= nil
  self._path = self._is_file and o.backup_dir or o.backup_dir:gsub("(.)/+$", "%1") .. "/latest.weights.h5"
  self._due = false
end

local function say(format, ...)
  io.stdout:flush()
  io.stderr:write("kl: BackupAndRestore: ", format:format(...), "\n")
end

--- Called by fit before training begins.
---@param run kl.RunState
function BackupAndRestore:_take_up(run)
  if not self.model.built then
    errors.fail("BackupAndRestore: model '%s' is not built, so weights cannot be restored: call it on data, or build it with a shape",
      self.model.name)
  end
  self._due = false
  if dry_run.steps then return end -- the backup of a real run stays as it is
  local path, older = self._path, self._path .. ".bkp"
  local has_older = self.double_checkpoint and paths.exists(older)
  if not paths.exists(path) then
    if not has_older then return end
    path = older
  end
  local ok, message = pcall(run.load, run, path)
  if not ok then
    if not has_older or path == older then error(message, 0) end
    core.warn(("BackupAndRestore: %s; going on from the backup before it"):format(errors.words(message)))
    path = older
    run:load(path)
  end
  say("going on %s of the run kept in %s", run:place("from the beginning"), path)
end

--- Called by fit when everything that belongs to a step or an epoch was done, and when it is interrupted.
---@param run kl.RunState
---@param ends? boolean
function BackupAndRestore:_back_up(run, ends)
  if not (self._due or ends) or dry_run.steps then return end
  self._due = false
  paths.make_parent(self._path)
  if self.double_checkpoint and paths.exists(self._path) then
    core.io.write_file(self._path .. ".bkp", core.io.read_file(self._path))
  end
  run:save(self._path)
  if ends then say("the run is kept in %s: the same script goes on from there", self._path) end
end

function BackupAndRestore:on_train_begin()
  if self.schedule.unit == "minutes" and not self:resumes() then self.schedule:begin() end
end

function BackupAndRestore:on_train_batch_end() self._due = self.schedule:after_step() or self._due end

function BackupAndRestore:on_epoch_end(epoch) self._due = self.schedule:after_epoch(epoch) or self._due end

function BackupAndRestore:on_train_end(_, reason)
  if dry_run.steps or not self.delete_checkpoint or (reason ~= "finished" and reason ~= "stopped") then return end
  for _, path in ipairs{self._path, self._path .. ".bkp"} do os.remove(path) end
  if not self._is_file then os.remove(self.backup_dir) end -- if nothing else is in it
end

return BackupAndRestore
