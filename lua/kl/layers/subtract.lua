-- Difference of two inputs, elementwise.
local Merge = require "kl.layers.merge"

---@class kl.layers.Subtract: kl.Layer
local Subtract = Merge:extend("Subtract")

function Subtract:call(inputs)
  inputs = self:_aligned(inputs, 2)
  return inputs[1] - inputs[2]
end

return Subtract
