-- Mean of the inputs, elementwise.
local Merge = require "kl.layers.merge"

---@class kl.layers.Average: kl.Layer
local Average = Merge:extend("Average")

function Average:merge(a, b) return a + b end

function Average:call(inputs) return Average.super.call(self, inputs) / #inputs end

return Average
