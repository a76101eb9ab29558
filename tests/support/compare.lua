-- Comparing tensors with each other and with reference arrays.  Every function raises, naming the first element that is
-- wrong; integers and booleans are never given a tolerance.
local nd = require "nd"
local core = require "kl.core"
local assert = require "luassert"

local compare = {}

--- The elements in C order.
function compare.flat(t) return t:reshape{-1}:totable() end

local function number(v) return type(v) == "boolean" and (v and 1 or 0) or v end

local function wrong(what, i, got, expected, more)
  local function show(v) return math.type(v) == "float" and ("%.17g"):format(v) or tostring(v) end
  error(("%s: element %d is %s, expected %s%s"):format(what, i, show(got), show(expected), more or ""), 0)
end

--- |a - b| <= absolute + relative |b|, NaN equal to NaN.
function compare.close(a, b, relative, absolute)
  if a ~= a or b ~= b then return a ~= a and b ~= b end
  return a == b or math.abs(a - b) <= (absolute or relative) + relative * math.abs(b)
end

local function same_bits(a, b)
  if a ~= a then return b ~= b end -- which NaN it is says nothing
  return a == b and (type(a) == "boolean" or a ~= 0 or 1 / a == 1 / b)
end

--- Same dtype, shape and bits; a zero's sign counts.
function compare.bits(got, expected, what)
  assert.equal(expected.dtype, got.dtype, what .. ": dtype")
  assert.same(expected.shape, got.shape, what .. ": shape")
  if core.io.raw_bytes(got) == core.io.raw_bytes(expected) then return end -- nearly always, and quickly
  local a, b = compare.flat(got), compare.flat(expected)
  for i = 1, #b do
    if not same_bits(a[i], b[i]) then wrong(what, i, a[i], b[i]) end
  end
end

--- A tensor against a reference array.  A reference of booleans wants a bool tensor.
function compare.values(got, expected, relative, what)
  assert.same(expected.shape, got.shape, what .. ": shape")
  local is_float = got.dtype:find("float") ~= nil
  local flat = compare.flat(got)
  for i = 1, #expected do
    if (type(expected[i]) == "boolean") ~= (got.dtype == "bool") then
      error(("%s: the result is %s, expected %s"):format(what, got.dtype, tostring(expected[i])), 0)
    end
    local a, b = number(flat[i]), number(expected[i])
    if not (is_float and compare.close(a, b, relative) or a == b) then wrong(what, i, a, b) end
  end
end

--- The distance of neighbouring float32 numbers at x; subnormals are flushed, so never below that at the least normal.
function compare.ulp32(x)
  x = math.abs(x)
  if x < 2.0 ^ -126 then return 2.0 ^ -149 end
  local exponent = math.floor(math.log(x, 2))
  if 2.0 ^ exponent > x then exponent = exponent - 1 end -- the logarithm may have been rounded up
  return 2.0 ^ (exponent - 23)
end

--- A float32 tensor against the float64 one that the same numbers give: at most `ulps` apart.
function compare.ulps(got, expected, ulps, what)
  assert.same(expected.shape, got.shape, what .. ": shape")
  local a, b = compare.flat(got), compare.flat(expected)
  for i = 1, #b do
    local x, y = number(a[i]), number(b[i])
    if x ~= y and not (x ~= x and y ~= y) then
      local flushed = x == 0 and math.abs(y) < 2.0 ^ -126
      local distance = math.abs(x - y) / compare.ulp32(y)
      local near = distance <= ulps -- false for NaN
      if not flushed and not near then wrong(what, i, x, y, (" (%.2f ulp)"):format(distance)) end
    end
  end
end

--- Two tensors at most bounds[i] apart; bounds: an array of absolute errors.
function compare.within(got, expected, bounds, what)
  assert.same(expected.shape, got.shape, what .. ": shape")
  local a, b = compare.flat(got), compare.flat(expected)
  for i = 1, #b do
    local near = math.abs(a[i] - b[i]) <= bounds[i] -- false for NaN
    if not near then
      wrong(what, i, a[i], b[i], (", off by %.3g of %.3g allowed"):format(math.abs(a[i] - b[i]), bounds[i]))
    end
  end
end

--- gamma_k = k u / (1 - k u), u = 2^-24: the bound of k roundings in float32 (Higham, Accuracy and Stability, 3.1).
function compare.gamma(k)
  local u = 2.0 ^ -24
  return k * u / (1 - k * u)
end

--- A tensor as a reference array.
function compare.array(t)
  local flat = compare.flat(t)
  return nd.new(t.shape, function(i) return flat[i] end)
end

return compare
