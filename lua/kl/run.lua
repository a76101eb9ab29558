-- What `kl run` does around a script when its options ask for it: --profile, --trace FILE, --steps N.
local dry_run = require "kl.dry_run"
local profile = require "kl.profile"

local run = {}

local function say(format, ...)
  io.stdout:flush()
  io.stderr:write("kl: ", format:format(...), "\n")
end

--- Before the script.  options: profile = true, trace = a file, steps = N.
function run.begin(options)
  if options.steps then
    dry_run.steps = options.steps
    say("dry run: fit stops after one epoch of at most %d batches, evaluate and predict after as many", options.steps)
  end
  if not options.profile and not options.trace then return end
  local running = profile{print = false, trace = options.trace}
  local exit = os.exit
  function run.finish()
    if not running then return end
    local ended = running
    running = nil
    local report = ended:stop()
    io.stdout:flush()
    if options.profile then io.stderr:write(tostring(report), "\n") end
    if options.trace then
      say("%d events are in %s: open it with https://ui.perfetto.dev or chrome://tracing", ended.events, options.trace)
    end
  end
  function os.exit(...) -- luacheck: ignore 122
    local ok, message = pcall(run.finish)
    if not ok then say("%s", message) end
    exit(...)
  end
end

--- After the script, however it ended.
function run.finish() end

return run
