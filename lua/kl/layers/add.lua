-- Sum of the inputs, elementwise.
local Merge = require "kl.layers.merge"

---@class kl.layers.Add: kl.Layer
local Add = Merge:extend("Add")

function Add:merge(a, b) return a + b end

return Add
