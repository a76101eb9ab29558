-- Hooks: functions of the user's that see what a layer gives, and the gradient that comes back to it.
--
-- They see and change nothing: whatever a hook does with what it was shown, the layer's results and all gradients are bit for
-- bit what they are without it.  They run in every mode in which the Lua of a step runs: immediate, kl.jit, the steps of fit,
-- evaluate and predict (a model with a hook is run anew at each step instead of being replayed, training/replays.lua), and for
-- each of a shared layer's calls.  While a functional graph is built they do not run: there is nothing to see.
local core = require "kl.core"
local errors = require "kl.errors"
local tree = require "kl.tree"

-- What a hook is taken back with; it may stand in a variable that is closed.
---@class kl.Hook
local Hook = {__name = "kl.Hook"}
Hook.__index = Hook

--- Takes the hook off; a second time does nothing.
function Hook:remove()
  local layer = self.layer
  self.layer = nil
  local hooks = layer and layer._hooks
  if not hooks then return end
  local left, kept = {}, false
  for kind, list in pairs(hooks) do -- new lists: the old ones may be walked at this moment
    left[kind] = {}
    for _, hook in ipairs(list) do
      if hook.handle ~= self then
        kept = true
        table.insert(left[kind], hook)
      end
    end
  end
  rawset(layer, "_hooks", kept and left)
end
Hook.__close = Hook.remove
function Hook:__tostring() return ("<a hook on %s>"):format(self.layer and tostring(self.layer) or "nothing: it was removed") end

local function add(layer, kind, f)
  local meta = type(f) == "table" and getmetatable(f)
  if type(f) ~= "function" and not (meta and meta.__call) then
    errors.fail("%s: layer '%s': a function expected, got %s", kind, layer.name, errors.show(f))
  end
  local handle = setmetatable({layer = layer}, Hook)
  local hooks = {on_output = {}, on_gradient = {}}
  for k, list in pairs(layer._hooks or {}) do table.move(list, 1, #list, 1, hooks[k]) end
  table.insert(hooks[kind], {f = f, handle = handle})
  rawset(layer, "_hooks", hooks)
  return handle
end

--- A tensor that is t in all respects, but that the hooks see the gradient that arrives at it.
local function watched(layer, hooks, t, index)
  local function rule(gradient)
    if gradient then
      for _, hook in ipairs(hooks) do hook.f(layer, gradient, index) end
    end
    return {gradient}
  end
  local twin = core.custom({t}, {t}, rule)[1]
  local logits = core.logits(t)
  if logits then core.set_logits(twin, core.custom({logits}, {logits}, rule)[1], t) end
  return twin
end

--- Gives the class its hooks.
return function(Layer)
  --- Calls f(layer, inputs, outputs) after each call of the layer on data, with the structures of tensors that `call` got and
  --- gave; what f returns is ignored.  In a recorded step (kl.jit, fit) reading a value there cuts the step, as anywhere else.
  ---@param f function
  ---@return kl.Hook # handle:remove() takes it off; so does `local handle <close> = layer:on_output(f)`
  function Layer:on_output(f) return add(self, "on_output", f) end

  --- Calls f(layer, gradient, index) when tape:gradient, on its way back, arrives at an output of the layer: the gradient of
  --- the target with respect to that output, summed over all that uses it; index is the output's number (1 where there is one).
  --- Behind a softmax or sigmoid whose loss reads its logits, nothing arrives at the probabilities: there f sees the gradient
  --- with respect to the logits.  f is not called where no gradient arrives.
  ---@param f function
  ---@return kl.Hook
  function Layer:on_gradient(f) return add(self, "on_gradient", f) end

  --- Shows the hooks one call; what the call gives from then on.
  function Layer:_run_hooks(inputs, outputs)
    local hooks = self._hooks
    if #hooks.on_gradient > 0 then
      local index = 0
      outputs = tree.map(function(leaf)
        index = index + 1
        if not core.kind(leaf) or not leaf.dtype:find("float") then return leaf end
        return watched(self, hooks.on_gradient, leaf, index)
      end, outputs)
    end
    for _, hook in ipairs(hooks.on_output) do hook.f(self, inputs, outputs) end
    return outputs
  end
end
