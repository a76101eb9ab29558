-- Replays: a function that is recorded once per signature and then replayed without running its Lua (tf.function's contract).
--
-- A signature is the structure of the arguments, every argument that is not a tensor by value (variables by identity), and the
-- tensors' dtypes, shapes and strides.  Side effects of the Lua code happen when it is recorded, and only then.
local core = require "kl.core"
local class = require "kl.class"
local run_step = require "kl.step"
local tree = require "kl.tree"

---@class kl.Replay: kl.Object
---@field replayed boolean # the last call ran no Lua: nobody but the caller holds its results
---@field takes_rows boolean # a recording is there that run_ahead can run on rows
local Replay = class.Object:extend("Replay")

local MOST_PER_KEY = 16 -- recordings kept for arguments that differ in shape only; the oldest goes

local slot_metatable = {} -- marks the place of a tensor in a template of results

--- Tensors of a value to `leaves`, everything else to `parts`.
local function describe(value, leaves, parts)
  local kind = core.kind(value)
  if kind == "tensor" then
    leaves[#leaves + 1] = value
    parts[#parts + 1] = "T"
  elseif kind == "variable" then
    parts[#parts + 1] = "V" .. core.id(value)
  elseif type(value) == "table" then
    local names = tree.names(value)
    parts[#parts + 1] = "{"
    for _, name in ipairs(names or {}) do
      parts[#parts + 1] = name
      describe(value[name], leaves, parts)
    end
    for i = 1, #value do describe(value[i], leaves, parts) end
    parts[#parts + 1] = "}"
  else
    parts[#parts + 1] = type(value):sub(1, 1) .. tostring(value)
  end
end

--- The arguments with a fresh view in place of each tensor, and the list of these: two arguments that are one tensor, or an
--- argument that the function also knows by another way, are still different things to the recording.
local function with_views(value, views)
  if core.kind(value) == "tensor" then
    local view = core.ops.stop_gradient(value)
    views[#views + 1] = view
    return view
  end
  if type(value) ~= "table" then return value end
  local names, copy = tree.names(value), {}
  for _, name in ipairs(names or {}) do copy[name] = with_views(value[name], views) end
  for i = 1, #value do copy[i] = with_views(value[i], views) end
  return copy
end

local function template_of(value, index_of)
  if core.kind(value) == "tensor" then return setmetatable({index_of[value]}, slot_metatable) end
  if type(value) ~= "table" or getmetatable(value) ~= nil then return value end
  local template = {}
  for key, v in pairs(value) do template[key] = template_of(v, index_of) end
  return template
end

local function build(template, tensors)
  if type(template) ~= "table" then return template end
  local meta = getmetatable(template)
  if meta == slot_metatable then return tensors[template[1]] end
  if meta ~= nil then return template end
  local value = {}
  for key, v in pairs(template) do value[key] = build(v, tensors) end
  return value
end

---@param f function
---@param ahead? boolean # a prefetch's thread is to run it too, where that can be (run_ahead)
function Replay:init(f, ahead)
  self.f = f
  self.ahead = ahead or false
  self.found = {}
  self.replayed = false
  self.takes_rows = false
end

--- Forgets all recordings.
function Replay:reset() self.found = {} end

local function keep(self, key, ok, replay, handles, ...)
  if not ok then error(replay, 0) end
  local index_of = {}
  for i, handle in ipairs(handles) do index_of[handle] = i end
  local results = table.pack(...)
  local template = {n = results.n}
  for i = 1, results.n do template[i] = template_of(results[i], index_of) end
  local entries = self.found[key]
  if not entries then
    entries = {}
    self.found[key] = entries
  end
  if #entries == MOST_PER_KEY then table.remove(entries) end
  table.insert(entries, 1, {replay = replay, template = template})
  self.takes_rows = self.takes_rows or replay:takes_rows()
  return ...
end

--- f(...), recorded or replayed.
function Replay:__call(...)
  self.replayed = false
  if not core.may_capture() then return run_step(self.f, ...) end
  local leaves, parts = {}, {}
  for i = 1, select("#", ...) do describe((select(i, ...)), leaves, parts) end
  local key = table.concat(parts, ",")
  for _, entry in ipairs(self.found[key] or {}) do
    local tensors = entry.replay:run(leaves)
    if tensors then
      local template = entry.template
      self.replayed = true
      if template.n == 1 then return build(template[1], tensors) end
      local results = {}
      for i = 1, template.n do results[i] = build(template[i], tensors) end
      return table.unpack(results, 1, template.n)
    end
  end
  local arguments, views = table.pack(...), {}
  for i = 1, arguments.n do arguments[i] = with_views(arguments[i], views) end
  return keep(self, key, core.capture_step(run_step.handler, self.f, views, self.ahead, table.unpack(arguments, 1, arguments.n)))
end

--- Has the thread of a prefetch's queue make f(...) of tensors that it will have made by then: a ticket, and the results to
--- come, with their number in `n`.  Nothing where only a call can tell: f was not recorded for such tensors, or depends on more
--- than its arguments.
---@param queue userdata # core.prefetch
---@param arguments any[] # structures of tensors
---@param rows? integer # f of each of so many rows of every tensor; the results are stacked
---@return userdata? ticket, table? results
function Replay:run_ahead(queue, arguments, rows)
  local leaves, parts = {}, {}
  for _, argument in ipairs(arguments) do describe(argument, leaves, parts) end
  for _, entry in ipairs(self.found[table.concat(parts, ",")] or {}) do
    local ticket = queue:run(entry.replay, leaves, rows)
    if ticket then return ticket, build(entry.template, ticket:tensors()) end
  end
end

return Replay
