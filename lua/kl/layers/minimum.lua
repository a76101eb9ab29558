-- Smallest of the inputs, elementwise.
local Merge = require "kl.layers.merge"
local ops = require "kl.ops"

---@class kl.layers.Minimum: kl.Layer
local Minimum = Merge:extend("Minimum")

function Minimum:merge(a, b) return ops.minimum(a, b) end

return Minimum
