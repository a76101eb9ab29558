-- The base of layers that join several inputs elementwise.
local core = require "kl.core"
local Layer = require "kl.layer"
local errors = require "kl.errors"
local ops = require "kl.ops"

---@class kl.layers.Merge: kl.Layer
local Merge = Layer:extend("Merge")

--- A list of tensors: `count` of them, or at least one.
function Merge.check_list(layer, inputs, count)
  local is_list = type(inputs) == "table" and getmetatable(inputs) == nil
  if not is_list or #inputs < 1 or count and #inputs ~= count then
    errors.fail("%s takes a list of %s, got %s", getmetatable(layer).__name, count and "exactly two tensors" or "tensors",
      is_list and #inputs > 0 and #inputs or errors.show(inputs))
  end
  for i, t in ipairs(inputs) do
    if not core.kind(t) then
      errors.fail("%s: input %d must be a tensor, got %s", getmetatable(layer).__name, i, errors.show(t))
    end
  end
end

--- The inputs with equal rank: axes are inserted behind the batch.
function Merge:_aligned(inputs, count)
  Merge.check_list(self, inputs, count)
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
