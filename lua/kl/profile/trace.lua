-- A profile's events as a Chrome trace: what chrome://tracing and https://ui.perfetto.dev open.  The format is a JSON array of
-- "complete" events ("ph": "X") with times in microseconds.
local core = require "kl.core"
local errors = require "kl.errors"

local trace = {}

--- Opens the file at once, so that a path that cannot be written is an error before anything was run.
function trace.open(path)
  if type(path) ~= "string" or path == "" then errors.fail("kl.profile: 'trace' must be the name of a file, got %s", errors.show(path)) end
  local file, message = io.open(path, "w")
  if not file then errors.fail("kl.profile: the trace cannot be written: %s", message) end
  return {path = path, file = file}
end

local quoted = setmetatable({}, {__mode = "k"})

local function quote(text)
  local q = quoted[text]
  if not q then
    q = core.json.encode(text)
    quoted[text] = q
  end
  return q
end

local function args_of(line, layer, phase)
  local parts = {}
  if line ~= "" then parts[#parts + 1] = '"line":' .. quote(line) end
  if layer ~= "" then parts[#parts + 1] = '"layer":' .. quote(layer) end
  parts[#parts + 1] = '"phase":' .. quote(phase)
  return table.concat(parts, ",")
end

--- Writes events first .. last and closes the file.
---@return integer # the number of events
function trace.write(target, first, last)
  local file = target.file
  local ok, message = file:write('[\n{"name":"process_name","ph":"M","pid":1,"tid":1,"args":{"name":"kl"}}')
  for i = first, last do
    local name, category, begin, duration, line, layer, phase = core.profile_event(i)
    if not ok then break end
    local args = category == "kernel" and args_of(line, layer, phase) or ""
    ok, message = file:write((',\n{"name":%s,"cat":"%s","ph":"X","ts":%.3f,"dur":%.3f,"pid":1,"tid":1,"args":{%s}}'):format(quote(name),
      category, begin, duration, args))
  end
  if ok then ok, message = file:write("\n]\n") end
  local closed, close_message = file:close()
  if not ok or not closed then errors.fail("kl.profile: the trace %s: %s", target.path, message or close_message) end
  return last - first + 1
end

return trace
