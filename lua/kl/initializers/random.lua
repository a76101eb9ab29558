-- Random initializers with fixed bounds.
local args = require "kl.args"
local core = require "kl.core"
local Initializer = require "kl.initializers.initializer"

local ops = core.ops

local function numel(shape)
  local n = 1
  for _, d in ipairs(shape) do n = n * d end
  return n
end

--- Normal with mean 0 and stddev 0.05.
local RandomNormal = Initializer:extend("RandomNormal")
RandomNormal.params = args.params{{"mean", 0.0}, {"stddev", 0.05}, {"seed"}}
function RandomNormal:call(shape, dtype, path)
  return ops.random_normal(self:_generator(path):next(numel(shape)), shape, self.mean, self.stddev, dtype)
end

--- Normal, cut at two standard deviations.
local TruncatedNormal = Initializer:extend("TruncatedNormal")
TruncatedNormal.params = RandomNormal.params
function TruncatedNormal:call(shape, dtype, path)
  return ops.random_truncated_normal(self:_generator(path):next(numel(shape)), shape, self.mean, self.stddev, dtype)
end

--- Uniform in [-0.05, 0.05); integer dtypes draw integers.
local RandomUniform = Initializer:extend("RandomUniform")
RandomUniform.params = args.params{{"minval", -0.05}, {"maxval", 0.05}, {"seed"}}
function RandomUniform:call(shape, dtype, path)
  local key = self:_generator(path):next(numel(shape))
  if dtype:find("int") then return ops.random_randint(key, shape, self.minval, self.maxval, dtype) end
  return ops.random_uniform(key, shape, self.minval, self.maxval, dtype)
end

return {RandomNormal = RandomNormal, TruncatedNormal = TruncatedNormal, RandomUniform = RandomUniform}
