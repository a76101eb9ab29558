-- Dry runs: `kl run --steps N` bounds what fit, evaluate and predict do, so that a whole script is tried in seconds.
local dry_run = {steps = nil} -- nil: no bound

--- The number of batches of one pass: what was asked for (nil: all), or the bound if that is less.
---@param steps? integer
---@return integer?
function dry_run.bound_steps(steps)
  return dry_run.steps and math.min(dry_run.steps, steps or math.maxinteger) or steps
end

--- The last epoch of a fit that begins after `initial_epoch`: in a dry run its first.
function dry_run.bound_epochs(initial_epoch, epochs)
  return dry_run.steps and math.min(epochs, initial_epoch + 1) or epochs
end

return dry_run
