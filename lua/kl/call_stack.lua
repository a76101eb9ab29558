-- The layer calls that are running, innermost last: what `training`, paths of weights and the words behind an error come from.
--
-- There is one stack per coroutine: a coroutine that dies in the middle of a call takes its frames along.  A frame is closed
-- when its call ends, however it ends: local frame <close>, outer = call_stack.push(layer, training).  Frames are used again
-- by later calls, so nobody keeps one.
local core = require "kl.core"

local call_stack = {}

-- Calls within calls: far more than nested models need or data asks for, far less than Lua's stack holds.
local DEEPEST = 1000

local stacks = setmetatable({}, {__mode = "k"}) -- {n = how many run, subjects = words of call_stack.about, frames...}
local running = coroutine.running

local function own_stack()
  local thread = running()
  local stack = stacks[thread]
  if not stack then
    stack = {n = 0, subjects = {}}
    stacks[thread] = stack
  end
  return stack
end

local frame_metatable = {__close = function(frame)
  frame.stack.n = frame.depth - 1
  frame.layer, frame.shown = false, false
end}

--- The innermost running call {layer, training}, or nil.
function call_stack.top()
  local stack = own_stack()
  return stack[stack.n]
end

--- Begins a call (or the building) of a layer.  training: nil takes that of the call around it.
---@return table, table|nil # the frame, and the one around it
function call_stack.push(layer, training)
  local stack = stacks[running()] or own_stack()
  local depth = stack.n + 1
  local outer, frame = stack[depth - 1], stack[depth]
  if not frame then
    if depth > DEEPEST then call_stack.fail_too_deep(layer) end
    frame = setmetatable({depth = depth, stack = stack, shown = false}, frame_metatable)
    stack[depth] = frame
  end
  if training == nil then training = outer ~= nil and outer.training or false end
  frame.layer, frame.training = layer, training
  stack.n = depth
  return frame, outer
end

--- The names of the running calls joined by "/": as shown, or with `for_keys` as random keys count them.
---@param for_keys? boolean
---@return string
function call_stack.path(for_keys)
  local parts, stack = {}, own_stack()
  for i = 1, stack.n do
    local layer = stack[i].layer
    local name = layer.name -- also takes the automatic name, and with it the key
    parts[i] = for_keys and layer._key or name
  end
  return table.concat(parts, "/")
end

--- The names as shown, for messages and profiles: it takes no name that is not taken, so looking changes nothing.  In an
--- optimizer's update it is the layer of the variable that is being updated.
---@param is_update? boolean
function call_stack.shown_path(is_update)
  if is_update then return core.updating and (core.updating.path or ""):match("^(.*)/[^/]*$") or "" end
  local stack = own_stack()
  local top = stack[stack.n]
  if not top then return "" end
  if not top.shown then
    local parts = {}
    for i = 1, stack.n do parts[i] = rawget(stack[i].layer, "_name") or getmetatable(stack[i].layer).__name end
    top.shown = table.concat(parts, "/")
  end
  return top.shown
end
core.set_layer_path(call_stack.shown_path)

--- Raises because calls of layers go deeper than Lua's stack does; `layer` is the innermost.
function call_stack.fail_too_deep(layer)
  local stack, count, most = own_stack(), {}, layer
  for i = 1, stack.n do
    local l = stack[i].layer
    count[l] = (count[l] or 0) + 1
    if count[l] > (count[most] or 0) then most = l end
  end
  local what = ("layer '%s', a %s"):format(most.name, getmetatable(most).__name)
  if (count[most] or 0) > 3 then
    core.fail(what .. ", is called inside itself without end: does its call call itself, or a layer that holds it?")
  end
  core.fail(("layers are nested too deep: %s, is %d deep"):format(what, stack.n))
end

--- An error of what ran inside a layer goes on; that of Lua's own stack says nothing to a user.
function call_stack.raise_again(layer, message)
  if type(message) == "string" and message:find("stack overflow", 1, true) then call_stack.fail_too_deep(layer) end
  error(message, 0)
end

local subject_end = setmetatable({}, {__close = function() table.remove(own_stack().subjects) end})

--- Until what it returns is closed, errors outside of layers end in these words, in front of those of the calls around:
--- local _ <close> = call_stack.about(words).
---@param words string # " (in the loss of output 'a')"
function call_stack.about(words)
  table.insert(own_stack().subjects, words)
  return subject_end
end

-- " (in layer a/b)" behind every error that arises while layers are called.
core.set_error_context(function()
  local stack = own_stack()
  local top = stack[stack.n]
  if not top then
    local words = {}
    for i = #stack.subjects, 1, -1 do words[#words + 1] = stack.subjects[i] end
    return table.concat(words)
  end
  local path = call_stack.path()
  if stack.n > 16 then
    local function name(i) return stack[i].layer.name end
    path = ("%s/%s/.../%s/%s"):format(name(1), name(2), name(stack.n - 1), name(stack.n))
  end
  local name = getmetatable(top.layer).__name
  return (" (in layer '%s', %s %s)"):format(path, name:find("^[AEIOU]") and "an" or "a", name)
end)

return call_stack
