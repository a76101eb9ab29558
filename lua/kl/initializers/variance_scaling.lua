-- Initializers that keep the variance of what passes through a layer (keras-semantics 5.2).
local args = require "kl.args"
local core = require "kl.core"
local errors = require "kl.errors"
local Initializer = require "kl.initializers.initializer"

local ops = core.ops

--- fan_in and fan_out of a kernel: the last two axes times the product of those before.
local function fans(shape)
  if #shape == 0 then return 1, 1 end
  if #shape == 1 then return shape[1], shape[1] end
  local field = 1
  for i = 1, #shape - 2 do field = field * shape[i] end
  return field * shape[#shape - 1], field * shape[#shape]
end

--- Standard deviation of a normal distribution cut at two of its own, for unit variance after the cut.
local CUT = 0.87962566103423978

---@class kl.initializers.VarianceScaling: kl.initializers.Initializer
local VarianceScaling = Initializer:extend("VarianceScaling")
VarianceScaling.params = args.params{{"scale", 1.0}, {"mode", "fan_in"}, {"distribution", "truncated_normal"}, {"seed"}}

function VarianceScaling:init(given)
  VarianceScaling.super.init(self, given)
  if self.params == VarianceScaling.params then
    args.check("VarianceScaling: 'scale'", self.scale, "number")
    if self.scale <= 0 then errors.fail("VarianceScaling: scale must be positive, got %s", self.scale) end
    if not ({fan_in = true, fan_out = true, fan_avg = true})[self.mode] then
      errors.fail("VarianceScaling: mode must be fan_in, fan_out or fan_avg, got %s", errors.show(self.mode))
    end
    if not ({truncated_normal = true, untruncated_normal = true, uniform = true})[self.distribution] then
      errors.fail("VarianceScaling: distribution must be truncated_normal, untruncated_normal or uniform, got %s",
        errors.show(self.distribution))
    end
  end
end

function VarianceScaling:call(shape, dtype, path)
  local fan_in, fan_out = fans(shape)
  local fan = self.mode == "fan_in" and fan_in or self.mode == "fan_out" and fan_out or (fan_in + fan_out) / 2
  local variance = self.scale / math.max(1, fan)
  local n = 1
  for _, d in ipairs(shape) do n = n * d end
  local key = self:_generator(path):next(n)
  if self.distribution == "uniform" then
    local limit = math.sqrt(3 * variance)
    return ops.random_uniform(key, shape, -limit, limit, dtype)
  elseif self.distribution == "truncated_normal" then
    return ops.random_truncated_normal(key, shape, 0.0, math.sqrt(variance) / CUT, dtype)
  end
  return ops.random_normal(key, shape, 0.0, math.sqrt(variance), dtype)
end

local family = {VarianceScaling = VarianceScaling}

--- Glorot & Bengio 2010; He et al. 2015; LeCun et al. 1998.
for name, setting in pairs{Glorot = {1.0, "fan_avg"}, He = {2.0, "fan_in"}, Lecun = {1.0, "fan_in"}} do
  for suffix, distribution in pairs{Uniform = "uniform", Normal = "truncated_normal"} do
    local cls = VarianceScaling:extend(name .. suffix)
    cls.params = args.params{{"seed"}}
    cls.scale, cls.mode, cls.distribution = setting[1], setting[2], distribution
    family[name .. suffix] = cls
  end
end

return family
