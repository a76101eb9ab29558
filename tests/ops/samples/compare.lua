-- Samples of comparisons and logic; see tests/ops/driver.lua.
local nd = require "nd"
local kl = require "kl"

local two = {"x1", "x2"}
local meeting = {{step = 0.5}, {step = 0.5}} -- numbers that are often equal
local few = {{0, 3}, {0, 3}}                 -- integers likewise

local function refuses_shapes(name)
  return {{function() kl[name](kl.tensor{1, 2}, kl.tensor{1, 2, 3}) end,
           "kl%." .. name .. ": shapes do not broadcast: %(2,%) and %(3,%)"},
          {function() kl[name](kl.tensor{1, 2}) end, "kl%." .. name .. ": 'x2' is missing"}}
end

--- A comparison; f is that of numbers, booleans that of truth values.
local function comparison(name, f, booleans)
  return {{elementwise = f, names = two, domains = meeting, dtype = "bool", integers = f, integer_domains = few,
           booleans = booleans},
          {inputs = {x1 = {{3, 4}, -2, 2, step = 0.5}, x2 = 0.5}, dtype = "bool",
           reference = function(a) return nd.map(function(x) return f(x, 0.5) end, a.x1) end},
          {inputs = {x1 = {values = {-(1 << 53) - 1, 1 << 53, (1 << 53) + 1}, dtype = "int64"},
                     x2 = {values = {-(1 << 53), 1 << 53, 1 << 53}, dtype = "int64"}}, dtype = "bool",
           reference = function(a) return nd.map(f, a.x1, a.x2) end}, -- not by way of float64
          errors = refuses_shapes(name)}
end

local function is_true(x) return x == true or type(x) == "number" and x ~= 0 end

--- A logical operation on truth values, which numbers are where they are not 0.
local function logic(name, f)
  local function g(a, b) return f(is_true(a), is_true(b)) end
  return {{elementwise = g, names = two, domains = {{low = 0, step = 1}, {low = 0, step = 1}}, dtype = "bool",
           integers = g, integer_domains = few, booleans = g},
          errors = refuses_shapes(name)}
end

local nan, inf = 0 / 0, math.huge

--- A class of floats: true of `some` among these.
local function class(name, f)
  return {{elementwise = f, dtype = "bool"},
          {inputs = {x = {0.0, -0.0, 1.5, -2.5, inf, -inf, nan, 1e30}}, dtype = "bool",
           reference = function(a) return nd.map(f, a.x) end},
          {inputs = {x = {values = {0, 1, -7}, dtype = "int32"}}, dtype = "bool",
           reference = function(a) return nd.map(f, a.x) end},
          {inputs = {x = {values = {0, 1, 255}, dtype = "uint8"}}, dtype = "bool",
           reference = function(a) return nd.map(f, a.x) end},
          {inputs = {x = {values = {0, 1, math.mininteger}, dtype = "int64"}}, dtype = "bool",
           reference = function(a) return nd.map(f, a.x) end},
          {inputs = {x = {values = {true, false}, dtype = "bool"}}, dtype = "bool",
           reference = function(a) return nd.map(function() return f(0) end, a.x) end},
          errors = {{function() kl[name]("x") end, "kl%." .. name .. ": 'x' must be a tensor or a number"}}}
end

local function order(f)
  local function value(x) return x and 1 or 0 end
  return function(a, b) return f(value(a), value(b)) end
end
local function less(a, b) return a < b end
local function less_equal(a, b) return a <= b end
local function greater(a, b) return a > b end
local function greater_equal(a, b) return a >= b end
local function equal(a, b) return a == b end
local function not_equal(a, b) return a ~= b end
local function negated(x) return not is_true(x) end

return {
  equal = comparison("equal", equal, equal),
  not_equal = comparison("not_equal", not_equal, not_equal),
  less = comparison("less", less, order(less)),
  less_equal = comparison("less_equal", less_equal, order(less_equal)),
  greater = comparison("greater", greater, order(greater)),
  greater_equal = comparison("greater_equal", greater_equal, order(greater_equal)),
  logical_and = logic("logical_and", function(a, b) return a and b end),
  logical_or = logic("logical_or", function(a, b) return a or b end),
  logical_not = {
    {elementwise = negated, low = 0, high = 2, dtype = "bool", integers = negated, integer_domains = {few[1]},
     booleans = negated},
    {inputs = {x = {0.0, -0.0, 0.5, nan}}, dtype = "bool",
     reference = function(a) return nd.map(function(x) return x == 0 end, a.x) end},
    errors = {{function() kl.logical_not() end, "kl.logical_not: 'x' is missing"}},
  },
  isnan = class("isnan", function(x) return x ~= x end),
  isinf = class("isinf", function(x) return x == inf or x == -inf end),
  isfinite = class("isfinite", function(x) return x == x and x ~= inf and x ~= -inf end),
}
