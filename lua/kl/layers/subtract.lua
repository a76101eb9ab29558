-- Difference of two inputs, elementwise.
local Merge = require "kl.layers.merge"
local errors = require "kl.errors"

---@class kl.layers.Subtract: kl.Layer
local Subtract = Merge:extend("Subtract")

function Subtract:call(inputs)
  inputs = self:_aligned(inputs)
  if #inputs ~= 2 then errors.fail("Subtract takes exactly two tensors, got %d", #inputs) end
  return inputs[1] - inputs[2]
end

return Subtract
