-- Operations: the primitives bound from C, and composites written with them (no gradient rule needed).
local core = require "kl.core"

local ops = {}
for name, f in pairs(core.ops) do ops[name] = f end

--- Zeros of the shape of x, and of its dtype unless another is given.
---@param x kl.Tensor
---@param dtype? string
---@return kl.Tensor
function ops.zeros_like(x, dtype) return ops.broadcast_to(ops.cast(0, dtype or x.dtype), x.shape) end

return ops
