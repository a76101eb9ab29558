-- kl.summary: what TensorBoard shows.
--
--   local w <close> = kl.summary.create_file_writer("logs/mine")
--   w:scalar("loss", loss, {step = model.optimizer.iterations})
--
-- With a default writer the functions of the module do the same, and without one nothing, as TensorFlow's:
--
--   local default <close> = w:as_default()
--   kl.summary.scalar("loss", loss, {step = 3})
local Writer = require "kl.summary.writer"

local summary = {Writer = Writer}

--- A writer of a new event file in the folder, which is made if need be.
--- Options: max_queue = 10 (records that may wait), flush_seconds = 120 (how long), filename_suffix = "", start_step (where a
--- run goes on: readers drop what earlier files of the folder hold from that step on), wall_time (of the file's beginning).
---@param logdir string
---@param options? table
---@return kl.summary.Writer
function summary.create_file_writer(logdir, options) return Writer(logdir, options) end

local defaults = {} -- {writer, step}, innermost last

local function remove(guard)
  for i = #defaults, 1, -1 do
    if defaults[i] == guard then table.remove(defaults, i) end
  end
end
local guard_metatable = {__close = remove, __index = {close = remove}}

--- writer: false for none, whatever is around it.
function summary._push(writer, step)
  local guard = setmetatable({writer = writer, step = step}, guard_metatable)
  defaults[#defaults + 1] = guard
  return guard
end

--- A closed writer is nobody's default.
function summary._forget(writer)
  for i = #defaults, 1, -1 do
    if defaults[i].writer == writer then table.remove(defaults, i) end
  end
end

--- The default writer, or nil.
---@return kl.summary.Writer|nil
function summary.default_writer()
  local top = defaults[#defaults]
  return top and top.writer or nil
end

for _, kind in ipairs{"scalar", "histogram", "image", "text"} do
  summary[kind] = function(name, value, options)
    local top = defaults[#defaults]
    if not top or not top.writer then return false end
    if top.step and (options == nil or type(options) == "table" and getmetatable(options) == nil and options.step == nil) then
      local given = {step = top.step}
      for key, v in pairs(options or {}) do given[key] = v end
      options = given
    end
    top.writer[kind](top.writer, name, value, options)
    return true
  end
end

--- Writes what the default writer has waiting.
function summary.flush()
  local writer = summary.default_writer()
  if writer then writer:flush() end
end

return summary
