-- Variance, norms and other reductions composed of primitives, and clipping by norms.
local core = require "kl.core"
local args = require "kl.args"
local create = require "kl.ops.create"
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

--- x scaled down to the norm `clip_norm` where its norm over all axes, or those given, is larger (tf.clip_by_norm).
statistics.clip_by_norm = define("kl.clip_by_norm", {"x", "clip_norm", {"axis"}}, function(x, clip_norm, axis)
  -- of zeros the norm has no gradient, and nothing is scaled
  local sum = prim.sum(prim.square(x), axis, true)
  local norm = prim.where(prim.greater(sum, 0), prim.sqrt(prim.where(prim.greater(sum, 0), sum, 1)), sum)
  return prim.divide(prim.multiply(x, clip_norm), prim.maximum(norm, clip_norm))
end)

local function check_list(what, xs)
  if type(xs) ~= "table" or getmetatable(xs) ~= nil then
    errors.fail("%s: a list of tensors expected, got %s", what, errors.show(xs))
  end
end

--- The norm of all elements of the tensors of a list together; a gradient that is false (there is none) counts as 0.
statistics.global_norm = define("kl.global_norm", {"xs"}, function(xs)
  check_list("kl.global_norm", xs)
  local sum
  for _, x in ipairs(xs) do
    if x then
      local square = prim.sum(prim.square(x))
      sum = sum and prim.add(sum, square) or square
    end
  end
  if not sum then errors.fail("kl.global_norm: a list with at least one tensor expected") end
  return prim.sqrt(sum)
end)

--- The tensors of a list, all scaled by one factor so that their norm together is at most `clip_norm`, and that norm
--- before (tf.clip_by_global_norm).  A gradient that is false stays so.
---@return kl.Tensor[], kl.Tensor
statistics.clip_by_global_norm = define("kl.clip_by_global_norm", {"xs", "clip_norm", {"use_norm"}}, function(xs, clip_norm, norm)
  check_list("kl.clip_by_global_norm", xs)
  norm = norm or statistics.global_norm(xs)
  local factor, clipped = prim.divide(clip_norm, prim.maximum(norm, clip_norm)), {}
  for i, x in ipairs(xs) do clipped[i] = x and prim.multiply(x, factor) end
  return clipped, norm
end)

--- How many elements over the axes are not 0: int32.
statistics.count_nonzero = define("kl.count_nonzero", {"x", {"axis"}, {"keepdims", false}}, function(x, axis, keepdims)
  return prim.sum(prim.cast(prim.cast(x, "bool"), "int32"), axis, keepdims)
end)

--- The mean over the axes, each element counted by its weight (of the shape of x, or of the axis).
statistics.average = define("kl.average", {"x", {"axis"}, {"weights"}}, function(x, axis, weights)
  if weights == nil then return prim.mean(x, axis) end
  if not core.kind(weights) then weights = core.tensor(weights) end
  if weights.ndim ~= x.ndim then
    if math.type(axis) ~= "integer" or weights.ndim ~= 1 then
      errors.fail("kl.average: weights of shape %s for x of shape %s: one for each element, or for each along one axis",
        core.shape_text(weights), core.shape_text(x))
    end
    local wide = {}
    for i = 1, x.ndim do wide[i] = i == args.axis("kl.average", axis, x.ndim) and -1 or 1 end
    weights = prim.reshape(weights, wide)
  end
  local counted = prim.multiply(create.ones_like(x, weights.dtype), weights)
  return prim.divide(prim.sum(prim.multiply(x, weights), axis), prim.sum(counted, axis))
end)

statistics.reduce_variance, statistics.reduce_std = statistics.var, statistics.std
statistics.reduce_logsumexp = statistics.logsumexp

return statistics
