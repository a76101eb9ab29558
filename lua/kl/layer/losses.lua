-- The losses of a layer: those its calls add, and the penalties of its weights.
local core = require "kl.core"
local Module = require "kl.module"
local errors = require "kl.errors"
local tree = require "kl.tree"

-- Layers that hold losses of their last call.
local loss_holders = setmetatable({}, {__mode = "k"})

--- Gives the class its losses.
return function(Layer)
  --- A loss made inside a call, for this call alone: a scalar tensor or a list of them.
  function Layer:add_loss(loss)
    if core.building_depth() > 0 then return end
    loss_holders[self] = true
    for _, value in ipairs(tree.flatten(loss)) do
      if not core.kind(value) and type(value) ~= "number" then
        errors.fail("add_loss: layer '%s': a tensor or a number expected, got %s", self.name, errors.show(value))
      end
      if select(3, core.traits(value)) then
        errors.fail("add_loss: layer '%s': a tensor of a functional graph has no value: call self:add_loss in the `call` of a layer, and "
          .. "put that layer into the graph", self.name)
      end
      if core.kind(value) and #value.shape > 0 then value = core.ops.mean(value) end
      table.insert(self._losses, value)
    end
  end

  --- At the start of an outermost call: the losses of this layer and all inside are those of earlier calls.
  function Layer:_forget_losses()
    if not next(loss_holders) then return end
    for _, module in ipairs(self:_census().modules) do
      if loss_holders[module] then
        module._losses = {}
        loss_holders[module] = nil
      end
    end
  end

  --- The losses of the last outermost call: those added, own first, then the penalties of trainable weights.
  function Layer.get:losses()
    local list = {}
    if not next(loss_holders) and not core.any_regularized() then return list end -- nobody has one: nothing to walk for
    local census = Module._census(self)
    if next(loss_holders) then
      for _, module in ipairs(census.modules) do
        if loss_holders[module] then table.move(module._losses, 1, #module._losses, #list + 1, list) end
      end
    end
    for _, w in ipairs(census.variables) do
      local regularizer = w.regularizer
      if regularizer and w.trainable then list[#list + 1] = regularizer(w) end
    end
    return list
  end
end
