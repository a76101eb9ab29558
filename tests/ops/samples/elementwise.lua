-- Samples of elementwise ops; see tests/ops/driver.lua.
local nd = require "nd"
local t = function(shape, dtype) return require "kl".cast(require "kl".broadcast_to(1.0, shape), dtype or "float32") end
local function float_to_int(x) return x >= 0 and math.floor(x) or math.ceil(x) end

return {
  add = {
    {elementwise = function(a, b) return a + b end, names = {"x1", "x2"}},
    {inputs = {x1 = {{4}, -9, 9, dtype = "int32"}, x2 = {{4}, -9, 9, dtype = "int64"}}, exact = true,
     reference = function(a) return nd.map(function(x, y) return x + y end, a.x1, a.x2) end},
    errors = {{function(kl) kl.add(t{2, 3}, t{4}) end, "kl.add: shapes do not broadcast: %(2, 3%) and %(4,%)"},
              {function(kl) kl.add(t{2}) end, "'x2' is missing"},
              {function(kl) kl.add(t{2}, "a") end, "'x2' must be a tensor or a number, got a? ?string 'a'"},
              {function(kl) kl.add(t({2}, "uint8"), 300) end, "300 does not fit in uint8"}},
  },
  subtract = {
    {elementwise = function(a, b) return a - b end, names = {"x1", "x2"}},
    errors = {{function(kl) kl.subtract(t({2}, "bool"), t({2}, "bool")) end, "not defined for bool"}},
  },
  multiply = {
    {elementwise = function(a, b) return a * b end, names = {"x1", "x2"}},
    errors = {{function(kl) kl.multiply(t{2}, t{3}) end, "do not broadcast"}},
  },
  cast = {
    {elementwise = float_to_int, names = {"x"}, options = {dtype = "int32"}, low = -5, high = 5, exact = true},
    {elementwise = function(x) return x end, names = {"x"}, options = {dtype = "float64"}},
    {elementwise = function(x) return x ~= 0 end, names = {"x"}, options = {dtype = "bool"}, dtype = "int64", exact = true},
    errors = {{function(kl) kl.cast(t{2}, "float23") end, "'float23' is no dtype kl has .*did you mean 'float3?2?6?4?'"}},
  },
  copy = {
    {elementwise = function(a) return a end, names = {"x"}, exact = true},
    errors = {{function(kl) kl.copy() end, "'x' is missing"}},
  },
}
