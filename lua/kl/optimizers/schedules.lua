-- Learning-rate schedules: functions of the number of updates done, from 0 (keras-semantics 2.7), as operations.
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local ops = require "kl.ops"

local schedules = {}

---@class kl.optimizers.LearningRateSchedule: kl.Object
local Schedule = class.Object:extend("LearningRateSchedule")
Schedule.params = args.params{}

function Schedule:init(given)
  local what = getmetatable(self).__name
  local o = args.read(what, self.params, given)
  args.check_kinds(what, self.params, o)
  for _, name in ipairs{"initial_learning_rate", "decay_rate"} do
    if o[name] ~= nil then args.check(what .. ": '" .. name .. "'", o[name], "number") end
  end
  if o.name == nil then o.name = self.default_name or what end
  rawset(self, "_config", o)
  for name, value in pairs(o) do self[name] = value end
  for _, name in ipairs{"decay_steps", "first_decay_steps"} do
    if o[name] ~= nil and not (type(o[name]) == "number" and o[name] > 0) then
      errors.fail("%s: '%s' must be positive, got %s", what, name, errors.show(o[name]))
    end
  end
end

--- The rate at a step: a Lua number, a variable or a tensor.
---@return kl.Tensor
function Schedule:__call(step)
  return self:call(ops.cast(step, "float32"))
end

function Schedule:get_config()
  local config = {name = self.name}
  for _, p in ipairs(self.params) do config[p.name] = require "kl.saving.serialize".value(self._config[p.name]) end
  return config
end

--- lr0 rate^(s / D); staircase: the exponent's floor.
local ExponentialDecay = Schedule:extend("ExponentialDecay")
ExponentialDecay.params = args.params{"initial_learning_rate", "decay_steps", "decay_rate", {"staircase", false}, {"name"}}
function ExponentialDecay:call(step)
  local p = step / self.decay_steps
  if self.staircase then p = ops.floor(p) end
  return ops.power(self.decay_rate + 0.0, p) * self.initial_learning_rate
end

--- lr0 / (1 + rate s / D); staircase: floor of s / D.
local InverseTimeDecay = Schedule:extend("InverseTimeDecay")
InverseTimeDecay.params = ExponentialDecay.params
function InverseTimeDecay:call(step)
  local p = step / self.decay_steps
  if self.staircase then p = ops.floor(p) end
  return (self.initial_learning_rate + 0.0) / (p * self.decay_rate + 1.0)
end

--- values[1] up to and with boundaries[1], values[i] up to and with boundaries[i], the last beyond.
local PiecewiseConstantDecay = Schedule:extend("PiecewiseConstantDecay")
PiecewiseConstantDecay.default_name = "PiecewiseConstant"
PiecewiseConstantDecay.params = args.params{"boundaries", "values", {"name"}}
function PiecewiseConstantDecay:init(given)
  PiecewiseConstantDecay.super.init(self, given)
  for _, name in ipairs{"boundaries", "values"} do
    args.check("PiecewiseConstantDecay: '" .. name .. "'", self[name], "table")
    for i, v in ipairs(self[name]) do args.check(("PiecewiseConstantDecay: %s[%d]"):format(name, i), v, "number") end
  end
  if #self.values ~= #self.boundaries + 1 then
    errors.fail("PiecewiseConstantDecay: %d boundaries need %d values, got %d", #self.boundaries, #self.boundaries + 1, #self.values)
  end
end
function PiecewiseConstantDecay:call(step)
  local rate = ops.cast(self.values[#self.values], "float32")
  for i = #self.boundaries, 1, -1 do
    rate = ops.where(ops.less_equal(step, self.boundaries[i]), self.values[i] + 0.0, rate)
  end
  return rate
end

--- (lr0 - end)(1 - s/D)^power + end, s at most D; cycle: D becomes D max(1, ceil(s/D)).
local PolynomialDecay = Schedule:extend("PolynomialDecay")
PolynomialDecay.params = args.params{"initial_learning_rate", "decay_steps", {"end_learning_rate", 1e-4}, {"power", 1.0},
  {"cycle", false}, {"name"}}
function PolynomialDecay:call(step)
  local total = self.decay_steps + 0.0
  local p
  if self.cycle then
    p = step / (ops.maximum(ops.ceil(step / total), 1.0) * total)
  else
    p = ops.minimum(step, total) / total
  end
  return ops.power(1.0 - p, self.power) * (self.initial_learning_rate - self.end_learning_rate) + self.end_learning_rate
end

--- lr0 ((1 - alpha) (1 + cos(pi s/D)) / 2 + alpha), s at most D.  With warmup_target: linear from lr0 to the target over
--- warmup_steps, then the cosine from the target.
local CosineDecay = Schedule:extend("CosineDecay")
CosineDecay.params = args.params{"initial_learning_rate", "decay_steps", {"alpha", 0.0}, {"name"}, {"warmup_target"},
  {"warmup_steps", 0}}
function CosineDecay:call(step)
  local function cosine(s, from)
    local fraction = ops.minimum(s, self.decay_steps + 0.0) / self.decay_steps
    local wave = (ops.cos(fraction * math.pi) + 1.0) * 0.5
    return (wave * (1 - self.alpha) + self.alpha) * from
  end
  if self.warmup_target == nil then return cosine(step, self.initial_learning_rate) end
  local rising = step / math.max(self.warmup_steps, 1) * (self.warmup_target - self.initial_learning_rate) + self.initial_learning_rate
  return ops.where(ops.less(step, self.warmup_steps), rising, cosine(step - self.warmup_steps, self.warmup_target))
end

--- Cosines over periods of length D t_mul^i with amplitude m_mul^i.
local CosineDecayRestarts = Schedule:extend("CosineDecayRestarts")
CosineDecayRestarts.default_name = "SGDRDecay"
CosineDecayRestarts.params = args.params{"initial_learning_rate", "first_decay_steps", {"t_mul", 2.0}, {"m_mul", 1.0},
  {"alpha", 0.0}, {"name"}}
function CosineDecayRestarts:call(step)
  local t = step / self.first_decay_steps
  local period, fraction
  if self.t_mul == 1 then
    period = ops.floor(t)
    fraction = t - period
  else
    -- t = (t_mul^i - 1)/(t_mul - 1) at the start of period i
    period = ops.floor(ops.log(1.0 - t * (1 - self.t_mul)) / math.log(self.t_mul))
    local scale = ops.power(self.t_mul + 0.0, period)
    fraction = (t - (1.0 - scale) / (1.0 - self.t_mul)) / scale
  end
  local wave = (ops.cos(fraction * math.pi) + 1.0) * 0.5 * ops.power(self.m_mul + 0.0, period)
  return (wave * (1 - self.alpha) + self.alpha) * self.initial_learning_rate
end

schedules.LearningRateSchedule = Schedule
schedules.classes = {ExponentialDecay = ExponentialDecay, InverseTimeDecay = InverseTimeDecay,
  PiecewiseConstantDecay = PiecewiseConstantDecay, PolynomialDecay = PolynomialDecay, CosineDecay = CosineDecay,
  CosineDecayRestarts = CosineDecayRestarts}
for name, cls in pairs(schedules.classes) do schedules[name] = cls end

return schedules
