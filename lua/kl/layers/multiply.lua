-- Product of the inputs, elementwise.
local Merge = require "kl.layers.merge"

---@class kl.layers.Multiply: kl.Layer
local Multiply = Merge:extend("Multiply")

function Multiply:merge(a, b) return a * b end

return Multiply
