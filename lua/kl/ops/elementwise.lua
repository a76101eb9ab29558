-- Functions of each element composed of primitives, and comparisons within a tolerance.
local core = require "kl.core"
local define = require "kl.ops.define"

local prim = core.ops
local elementwise = {}

--- (x1 - x2)^2.
elementwise.squared_difference = define("kl.squared_difference", {"x1", "x2"}, function(x1, x2)
  return prim.square(prim.subtract(x1, x2))
end)

--- 1 / x.
elementwise.reciprocal = define("kl.reciprocal", {"x"}, function(x) return prim.divide(1, x) end)

--- log(e^x1 + e^x2), without overflow.
elementwise.logaddexp = define("kl.logaddexp", {"x1", "x2"}, function(x1, x2)
  local difference = prim.subtract(x1, x2)
  -- where both are the same infinity their difference is no number
  local apart = prim.where(prim.isnan(difference), prim.add(x1, x2), prim.softplus(prim.negative(prim.abs(difference))))
  return prim.where(prim.isfinite(difference), prim.add(prim.maximum(x1, x2), apart), prim.where(prim.isnan(difference), apart,
    prim.maximum(x1, x2)))
end)

--- x with NaN and infinities replaced: by 0 and the largest numbers of its dtype, or by what is given.
elementwise.nan_to_num = define("kl.nan_to_num", {"x", {"nan", 0.0}, {"posinf"}, {"neginf"}}, function(x, nan, posinf, neginf)
  if not x.dtype:find("float") then return x end
  local largest = x.dtype == "float64" and 0x1.fffffffffffffp1023 or 0x1.fffffep127
  local y = prim.where(prim.isnan(x), nan, x)
  y = prim.where(prim.equal(x, math.huge), posinf or largest, y)
  return prim.where(prim.equal(x, -math.huge), neginf or -largest, y)
end)

--- True where |x1 - x2| <= atol + rtol |x2| (numpy's isclose); infinities are close to themselves, NaN to NaN with
--- equal_nan = true.
elementwise.isclose = define("kl.isclose", {"x1", "x2", {"rtol", 1e-5}, {"atol", 1e-8}, {"equal_nan", false}},
  function(x1, x2, rtol, atol, equal_nan)
    local a, b = prim.cast(x1, "float64"), prim.cast(x2, "float64")
    local within = prim.less_equal(prim.abs(prim.subtract(a, b)), prim.add(prim.multiply(prim.abs(b), rtol), atol))
    local close = prim.logical_or(prim.logical_and(within, prim.isfinite(b)), prim.equal(a, b))
    return equal_nan and prim.logical_or(close, prim.logical_and(prim.isnan(a), prim.isnan(b))) or close
  end)

--- True if kl.isclose is true of all elements.  Reads the values.
---@return boolean
function elementwise.allclose(...)
  return prim.all(elementwise.isclose(...)):item()
end

return elementwise
