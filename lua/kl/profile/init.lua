-- kl.profile: where the time of a part of a program goes.
--
--   kl.profile(function() model:fit{...} end)      runs it, prints the report, returns it
--   local p <close> = kl.profile()                 the same for the rest of a block
--   local report = kl.profile{print = false} ... :stop()
--
-- `kl run --profile` is the same around a whole script.
--
-- A report has, in seconds and counts: seconds, kernel_seconds, overhead_seconds, calls, steps (recorded_, replayed_ and
-- immediate_steps), per_step (kernel_seconds, overhead_seconds = inside_seconds + between_seconds), peak (flops, bandwidth),
-- of_peak, plans, and the lists ops, layers, lines and kernels, whose rows have name, calls, seconds, forward, backward, update,
-- share, flops, bytes and of_peak.
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local report = require "kl.profile.report"
local trace = require "kl.profile.trace"

---@class kl.Profile
local Profile = {}
Profile.__index = Profile
Profile.__name = "kl.Profile"

local profile_params = args.params{{"print", true}, {"trace"}}

local function start(options)
  local o = args.read("kl.profile", profile_params, options)
  args.check("kl.profile: 'print'", o.print, "boolean")
  local self = setmetatable({print = o.print, peak = {}}, Profile)
  if o.trace ~= nil then self.target = trace.open(o.trace) end
  self.peak.flops, self.peak.bandwidth = core.machine_peak() -- before the clock runs
  core.profile_start(o.trace ~= nil)
  self.first = report.read_first()
  return self
end

--- Ends the profile; prints the report and writes the trace if that was asked for.
---@return table # the report: numbers by name, and as text by tostring
function Profile:stop()
  if self.report then return self.report end
  local last = report.read_last()
  core.profile_stop()
  self.report = report.between(self.first, last, self.peak)
  if self.target then
    self.events = trace.write(self.target, self.first.totals.events + 1, last.totals.events)
  end
  if self.print then print(tostring(self.report)) end
  return self.report
end

Profile.__close = Profile.stop

function Profile:__tostring() return self.report and tostring(self.report) or "<a profile that is running>" end

--- Profiles a function, or, without one, everything until :stop() or the end of the block (`local p <close> = kl.profile()`).
---@param f? function|table
---@param options? table # print = true; trace: the name of a file for a Chrome trace
---@return any # the report of a function's run, or the running profile
local function profile(f, options)
  if f ~= nil and type(f) ~= "function" and type(f) ~= "table" then
    errors.fail("kl.profile: a function or options expected, got %s", errors.show(f))
  end
  if type(f) ~= "function" then return start(f) end
  local p <close> = start(options)
  f()
  return p:stop()
end

return profile
