-- Samples of tensors made of numbers; see tests/ops/driver.lua.
local nd = require "nd"
local kl = require "kl"
local sequence = kl.core.ops.sequence

local function counted(a, o)
  local start = type(a.start) == "table" and a.start[1] or a.start
  local step = type(a.step) == "table" and a.step[1] or a.step
  return nd.new({o.n}, function(i) return start + (i - 1) * step end)
end

local function truncated(a, o)
  return nd.map(function(v) return math.tointeger(v >= 0 and math.floor(v) or math.ceil(v)) end, counted(a, o))
end

return {
  sequence = {
    {inputs = {start = 3, step = -2}, options = {n = 5, dtype = "int32"}, reference = counted},
    {inputs = {start = 0.5, step = 0.25}, options = {n = 7, dtype = "float64"}, reference = counted},
    {inputs = {start = 0.5, step = 0.25}, options = {n = 7, dtype = "float32"}, reference = counted, ulps = 0},
    {inputs = {start = 0, step = 1}, options = {n = 0, dtype = "float32"}, reference = counted},
    {inputs = {start = 250, step = 1}, options = {n = 6, dtype = "uint8"}, reference = counted},
    {inputs = {start = (1 << 53) + 1, step = 1}, options = {n = 3, dtype = "int64"}, reference = counted},
    {inputs = {start = -1.5, step = 0.75}, options = {n = 5, dtype = "int32"}, reference = truncated},
    {inputs = {start = -1, step = 1}, options = {n = 3, dtype = "bool"},
     reference = function(a, o) return nd.map(function(v) return v ~= 0 end, counted(a, o)) end},
    {inputs = {start = {{}, -2, 2}, step = {{}, -2, 2}}, options = {n = 5, dtype = "float64"}, reference = counted},
    errors = {
      {function() sequence(0, 1, -1, "int32") end, "n >= 0 expected, got n = %-1"},
      {function() sequence(kl.tensor{1, 2}, 1, 3, "int32") end, "a scalar start, a scalar step"},
      {function() sequence(0, 1, 257, "uint8") end, "256 does not fit in uint8"},
      {function() sequence(2147483647, 1, 2, "int32") end, "2147483648 does not fit in int32"},
      {function() sequence(0.0, 1e30, 2, "int32") end, "1e%+30 does not fit in int32"},
      {function() sequence(0.0, 1e30, 2, "int64") end, "1e%+30 does not fit in int64"},
      {function() sequence(0 / 0, 1, 2, "int64") end, "nan does not fit in int64"},
    },
  },
}
