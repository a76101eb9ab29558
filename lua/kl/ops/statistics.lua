-- Variance, norms and other reductions composed of primitives.
local core = require "kl.core"
local define = require "kl.ops.define"
local errors = require "kl.errors"

local prim = core.ops
local statistics = {}

--- Mean squared distance from the mean, over the axes (biased: divided by the number of elements).
statistics.var = define("kl.var", {"x", {"axis"}, {"keepdims", false}}, function(x, axis, keepdims)
  local centred = prim.subtract(x, prim.mean(x, axis, true))
  return prim.mean(prim.square(centred), axis, keepdims)
end)

--- Square root of the variance.
statistics.std = define("kl.std", {"x", {"axis"}, {"keepdims", false}}, function(x, axis, keepdims)
  return prim.sqrt(statistics.var(x, axis, keepdims))
end)

--- log(sum(exp(x))) over the axes, shifted by the maximum so that nothing overflows.
statistics.logsumexp = define("kl.logsumexp", {"x", {"axis"}, {"keepdims", false}}, function(x, axis, keepdims)
  local top = prim.stop_gradient(prim.max(x, axis, true))
  top = prim.where(prim.isfinite(top), top, 0.0)
  local sum = prim.log(prim.sum(prim.exp(prim.subtract(x, top)), axis, true))
  local y = prim.add(sum, top)
  return keepdims and y or prim.squeeze(y, axis)
end)

--- Vector norms over one axis or all (ord nil or 2: Euclidean; 1, math.huge, -math.huge, 0 or any number), and the
--- Frobenius norm ("fro", or nil) over two axes.
statistics.norm = define("kl.norm", {"x", {"ord"}, {"axis"}, {"keepdims", false}}, function(x, ord, axis, keepdims)
  local count = axis == nil and x.ndim or type(axis) == "table" and #axis or 1
  if not x.dtype:find("float") then x = prim.cast(x, "float32") end
  if ord == nil or ord == "fro" or (ord == 2 and count == 1) then
    return prim.sqrt(prim.sum(prim.square(x), axis, keepdims))
  end
  if count ~= 1 and not (axis == nil and x.ndim == 1) then
    errors.fail("kl.norm: ord %s over %d axes is not defined here: use \"fro\", or one axis", tostring(ord), count)
  end
  if ord == math.huge then return prim.max(prim.abs(x), axis, keepdims) end
  if ord == -math.huge then return prim.min(prim.abs(x), axis, keepdims) end
  if ord == 0 then return prim.sum(prim.cast(prim.not_equal(x, 0), x.dtype), axis, keepdims) end
  if ord == 1 then return prim.sum(prim.abs(x), axis, keepdims) end
  if type(ord) ~= "number" then errors.fail("kl.norm: ord must be a number or \"fro\", got %s", errors.show(ord)) end
  return prim.power(prim.sum(prim.power(prim.abs(x), ord), axis, keepdims), 1 / ord)
end)

return statistics
