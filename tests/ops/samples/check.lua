-- Samples of ops that only refuse; see tests/ops/driver.lua.
local nd = require "nd"
local kl = require "kl"

local nan, inf = 0 / 0, math.huge
local function yes() return nd.from(true) end

return {
  check_finite = {
    {inputs = {x = {{3, 4}, -2, 2}}, dtype = "bool", reference = yes},
    {inputs = {x = 0.5}, dtype = "bool", reference = yes},
    {inputs = {x = {{}, -2, 2}}, dtype = "bool", reference = yes},
    {inputs = {x = {{0, 3}, -2, 2}}, dtype = "bool", reference = yes},
    {inputs = {x = {1e-45, -3e38, 3e38}}, options = {what = "target"}, dtype = "bool", reference = yes},
    {inputs = {x = {values = {0, 1, -7}, dtype = "int32"}}, dtype = "bool", reference = yes},
    {inputs = {x = {values = {0, 1, 255}, dtype = "uint8"}}, dtype = "bool", reference = yes},
    {inputs = {x = {values = {0, 1, math.mininteger}, dtype = "int64"}}, dtype = "bool", reference = yes},
    {inputs = {x = {values = {true, false}, dtype = "bool"}}, dtype = "bool", reference = yes},
    errors = {
      {function() kl.check_finite(kl.tensor{{1.0, 2.0}, {3.0, nan}}) end,
        "kl%.check_finite: element 4 of x, of shape %(2, 2%), is nan"},
      {function() kl.check_finite(kl.transpose(kl.tensor{{1.0, 2.0}, {inf, 4.0}})) end,
        "kl%.check_finite: element 2 of x, of shape %(2, 2%), is inf"},
      {function() kl.check_finite(kl.cast(kl.tensor{1.0, -inf, nan}, "float64")) end,
        "kl%.check_finite: element 2 of x, of shape %(3,%), is %-inf"},
      {function() kl.check_finite(-nan) end, "kl%.check_finite: x is nan"},
      {function() kl.check_finite(inf, "target") end, "kl%.check_finite: the target of tape:gradient is inf"},
      {function() kl.check_finite("x") end, "kl%.check_finite: 'x' must be a tensor or a number"},
    },
  },
}
