-- The base of layers that join several inputs elementwise.
local Layer = require "kl.layer"
local errors = require "kl.errors"
local ops = require "kl.ops"

---@class kl.layers.Merge: kl.Layer
local Merge = Layer:extend("Merge")

--- The inputs with equal rank: axes are inserted behind the batch.
function Merge:_aligned(inputs)
  if getmetatable(inputs) ~= nil or type(inputs) ~= "table" or #inputs < 1 then
    errors.fail("%s takes a list of tensors", getmetatable(self).__name)
  end
  local rank = 0
  for _, t in ipairs(inputs) do rank = math.max(rank, t.ndim) end
  local aligned = {}
  for i, t in ipairs(inputs) do
    while t.ndim < rank do t = ops.expand_dims(t, math.min(2, t.ndim + 1)) end
    aligned[i] = t
  end
  return aligned
end

--- self:merge(a, b) over the list.
function Merge:call(inputs)
  inputs = self:_aligned(inputs)
  local y = inputs[1]
  for i = 2, #inputs do y = self:merge(y, inputs[i]) end
  return y
end

return Merge
