-- Samples of elementary functions; see tests/ops/driver.lua.
local nd = require "nd"
local kl = require "kl"

-- Correctly rounded: libm in double, rounded once (and the float64 value it is held against is rounded too).
local rounded = 0.5000001

--- 2/sqrt(pi) sum (-1)^n x^(2n+1) / (n! (2n+1)): good to 1e-13 for |x| <= 2.5.
local function erf(x)
  local sum, term = 0.0, x
  for n = 0, 80 do
    sum = sum + term / (2 * n + 1)
    term = -term * x * x / (n + 1)
  end
  return 2 / math.sqrt(math.pi) * sum
end

local function half_even(x)
  local below = math.floor(x)
  local rest = x - below
  if rest == 0.5 then return below % 2 == 0 and below or below + 1 end
  return rest < 0.5 and below or below + 1
end

--- Cases of a function of one float; what more says is added to the sample.
local function of(f, more)
  local sample = {elementwise = f}
  for key, value in pairs(more or {}) do sample[key] = value end
  return {sample, errors = {
    {function() kl[more.name]() end, "kl%." .. more.name .. ": 'x' is missing"},
    {function() kl[more.name](kl.tensor{1.0}, kl.tensor{1.0}) end, "kl%." .. more.name .. " takes 1 argument, got 2"},
  }}
end

local function relu(x) return x > 0 and x or 0 end
local function same(x) return x end

return {
  sqrt = of(math.sqrt, {name = "sqrt", low = 0.1, high = 4, ulps = rounded}),
  rsqrt = of(function(x) return 1 / math.sqrt(x) end, {name = "rsqrt", low = 0.1, high = 4}),
  exp = of(math.exp, {name = "exp", low = -20, high = 20}),
  expm1 = of(function(x) return math.exp(x) - 1 end, {name = "expm1", low = -3, high = 3}),
  log = of(math.log, {name = "log", low = 0.01, high = 100}),
  log1p = of(function(x) return math.log(1 + x) end, {name = "log1p", low = -0.9, high = 9}),
  log2 = of(function(x) return math.log(x, 2) end, {name = "log2", low = 0.01, high = 100}),
  log10 = of(function(x) return math.log(x, 10) end, {name = "log10", low = 0.01, high = 100, ulps = rounded}),
  sin = of(math.sin, {name = "sin", low = -20, high = 20}),
  cos = of(math.cos, {name = "cos", low = -20, high = 20}),
  tan = of(math.tan, {name = "tan", low = -1.3, high = 1.3, ulps = rounded}),
  arcsin = of(math.asin, {name = "arcsin", low = -0.9, high = 0.9, ulps = rounded}),
  arccos = of(math.acos, {name = "arccos", low = -0.9, high = 0.9, ulps = rounded}),
  arctan = of(math.atan, {name = "arctan", low = -5, high = 5, ulps = rounded}),
  arctan2 = {
    {elementwise = function(y, x) return math.atan(y, x) end, names = {"x1", "x2"}, ulps = rounded,
     domains = {{low = -2, high = 2}, {low = 0.3, high = 2}}},
    {elementwise = function(y, x) return math.atan(y, x) end, names = {"x1", "x2"}, ulps = rounded,
     domains = {{low = 0.3, high = 2}, {low = -2, high = 2}}},
    {elementwise = function(y, x) return math.atan(y, x) end, names = {"x1", "x2"}, ulps = rounded,
     domains = {{low = -2, high = -0.3}, {low = -2, high = 2}}},
    errors = {{function() kl.arctan2(kl.tensor{1.0, 2.0}, kl.tensor{1.0, 2.0, 3.0}) end,
               "kl.arctan2: shapes do not broadcast: %(2,%) and %(3,%)"},
              {function() kl.arctan2(kl.tensor{1.0}) end, "kl.arctan2: 'x2' is missing"}},
  },
  sinh = of(function(x) return (math.exp(x) - math.exp(-x)) / 2 end,
    {name = "sinh", low = -5, high = 5, ulps = rounded}),
  cosh = of(function(x) return (math.exp(x) + math.exp(-x)) / 2 end,
    {name = "cosh", low = -5, high = 5, ulps = rounded}),
  tanh = of(function(x) return 1 - 2 / (math.exp(2 * x) + 1) end, {name = "tanh", low = -5, high = 5}),
  sigmoid = of(function(x) return 1 / (1 + math.exp(-x)) end, {name = "sigmoid", low = -10, high = 10}),
  softplus = of(function(x) return math.log(1 + math.exp(x)) end, {name = "softplus", low = -10, high = 20}),
  erf = of(erf, {name = "erf", low = -2.5, high = 2.5}),
  floor = of(math.floor, {name = "floor", low = -5, high = 5, ulps = 0}),
  ceil = of(math.ceil, {name = "ceil", low = -5, high = 5, ulps = 0}),
  round = {
    {elementwise = half_even, low = -5, high = 5, ulps = 0, integers = same, booleans = same},
    {inputs = {x = {-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 8388607.5}}, ulps = 0,
     reference = function(a) return nd.map(half_even, a.x) end},
    errors = {{function() kl.round() end, "kl.round: 'x' is missing"}},
  },
  relu = {
    {elementwise = relu, avoid = {0}, ulps = 0, integers = relu},
    errors = {{function() kl.relu(kl.tensor{true}) end, "kl.relu: not defined for bool"}},
  },
}
