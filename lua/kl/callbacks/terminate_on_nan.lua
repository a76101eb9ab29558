-- Ending training at a loss that is not finite, and saying where it came from.
--
-- fit's guard (training/steps.lua) finds the loss before anything is written and takes the step back.  By default it raises;
-- this callback makes an end of training of it.  The batch is then run once more, operation by operation, as it is in
-- compile{run_eagerly = true}, and everything that run changes is taken back too; only side effects of a user's own Lua code
-- happen twice.
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local ops = require "kl.ops"
local run_step = require "kl.step"

---@class kl.callbacks.TerminateOnNaN: kl.callbacks.Callback
---@field found table|nil # of the last bad loss: weight (a path), nan and infinity ({op, layer, line})
local TerminateOnNaN = require "kl.callbacks.callback":extend("TerminateOnNaN")

local params = args.params{{"raise_error", false}}

--- Stops training at the first batch whose loss is NaN or infinite, with a message that names the batch, and the first layer,
--- operation and line (of the user's program) whose result was not finite.  raise_error = true raises that message instead, so
--- that on_train_end is not called and backups stay.
---@param given table # raise_error = false
function TerminateOnNaN:init(given) self:_read(params, given) end

--- The path of the first weight that is not finite itself, or nil.
local function bad_weight(model)
  for _, w in ipairs(model.weights) do
    if w.dtype:find("float") and not ops.all(ops.isfinite(w)):item() then return w.path end
  end
end

--- Which weight, and the results of which operations, are the first that are not finite when the step runs on this batch.
function TerminateOnNaN.diagnose(model, data)
  local guard <close> = core.guard():open(true)
  local found = core.find_not_finite(function() run_step(function() model:train_step(data) end) end)
  guard:undo()
  found.weight = bad_weight(model)
  return found
end

local function describe(kind, f)
  local layer = f.layer and f.layer ~= "" and (" in layer '%s'"):format(f.layer) or ""
  local line = f.line and f.line ~= "" and " at " .. f.line or ""
  local phase = f.phase == "backward" and " (in the gradient)" or f.phase == "update" and " (in the optimizer's update)" or ""
  return ("the first %s is a result of kl.%s%s%s%s"):format(kind, f.op, layer, line, phase)
end

local function explain(found)
  local parts = {}
  if found.weight then parts[#parts + 1] = ("the weight '%s' is not finite"):format(found.weight) end
  if found.infinity then parts[#parts + 1] = describe("infinity", found.infinity) end
  if found.nan then parts[#parts + 1] = describe("NaN", found.nan) end
  if #parts == 0 then return "run once more, the step had finite results only" end
  return table.concat(parts, "; ")
end

function TerminateOnNaN:on_bad_loss(info)
  self.found = TerminateOnNaN.diagnose(self.model, info.data)
  local why = explain(self.found)
  if self.raise_error then errors.fail("%s; %s", info.message, why) end
  self:print("Batch %d: Invalid loss, terminating training", info.step)
  self:print("  %s", info.message)
  self:print("  %s", why)
  return "stop"
end

return TerminateOnNaN
