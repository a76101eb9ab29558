-- The layer calls that are running, innermost last: what `training`, paths of weights and the words behind an error come from.
--
-- There is one stack per coroutine: a coroutine that dies in the middle of a call takes its frames along.  A frame is closed
-- when its call ends, however it ends: local frame <close> = call_stack.push(layer, training).
local core = require "kl.core"

local call_stack = {}

local stacks = setmetatable({}, {__mode = "k"})

local function own_stack()
  local thread = coroutine.running()
  local stack = stacks[thread]
  if not stack then
    stack = {}
    stacks[thread] = stack
  end
  return stack
end

local frame_metatable = {__close = function(frame)
  local stack = frame.stack
  for i = #stack, frame.depth, -1 do stack[i] = nil end
end}

--- The innermost running call {layer, training}, or nil; and the outermost.
function call_stack.top()
  local stack = own_stack()
  return stack[#stack], stack[1]
end

--- Begins a call (or the building) of a layer.
function call_stack.push(layer, training)
  local stack = own_stack()
  local depth = #stack + 1
  local frame = setmetatable({layer = layer, training = training, depth = depth, stack = stack}, frame_metatable)
  stack[depth] = frame
  return frame
end

--- The names of the running calls joined by "/": as shown, or with `for_keys` as random keys count them.
---@param for_keys? boolean
---@return string
function call_stack.path(for_keys)
  local parts = {}
  for i, frame in ipairs(own_stack()) do
    local name = frame.layer.name -- also takes the automatic name, and with it the key
    parts[i] = for_keys and frame.layer._key or name
  end
  return table.concat(parts, "/")
end

--- The names as shown, for messages and profiles: it takes no name that is not taken, so looking changes nothing.  In an
--- optimizer's update it is the layer of the variable that is being updated.
---@param is_update? boolean
function call_stack.shown_path(is_update)
  if is_update then return core.updating and (core.updating.path or ""):match("^(.*)/[^/]*$") or "" end
  local stack = own_stack()
  local top = stack[#stack]
  if not top then return "" end
  if not top.shown then
    local parts = {}
    for i, frame in ipairs(stack) do parts[i] = rawget(frame.layer, "_name") or getmetatable(frame.layer).__name end
    top.shown = table.concat(parts, "/")
  end
  return top.shown
end
core.set_layer_path(call_stack.shown_path)

-- " (in layer a/b)" behind every error that arises while layers are called.
core.set_error_context(function()
  local top = call_stack.top()
  if not top then return "" end
  return (" (in layer '%s', a %s)"):format(call_stack.path(), getmetatable(top.layer).__name)
end)

return call_stack
