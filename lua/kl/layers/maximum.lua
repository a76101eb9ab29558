-- Largest of the inputs, elementwise.
local Merge = require "kl.layers.merge"
local ops = require "kl.ops"

---@class kl.layers.Maximum: kl.Layer
local Maximum = Merge:extend("Maximum")

function Maximum:merge(a, b) return ops.maximum(a, b) end

return Maximum
