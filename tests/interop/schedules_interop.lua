-- Every learning-rate schedule beside real Keras at many steps.  KL_TEST_SEED draws others.
local kl = require "kl"
local compare = require "compare"
local gen = require "gen"
local python = require "python"
local serialize = require "kl.saving.serialize"

local schedules = kl.optimizers.schedules

local function number(low, high) return low + (high - low) * gen.uniform() end
local function either() return gen.uniform() < 0.5 end

local draws = {
  ExponentialDecay = function()
    return {initial_learning_rate = number(0.001, 1), decay_steps = gen.integer(1, 50), decay_rate = number(0.3, 1), staircase = either()}
  end,
  PolynomialDecay = function()
    return {initial_learning_rate = number(0.01, 1), decay_steps = gen.integer(1, 50), end_learning_rate = number(0, 0.01),
      power = number(0.5, 3), cycle = either()}
  end,
  CosineDecay = function()
    local warm = either()
    return {initial_learning_rate = number(0.001, 0.5), decay_steps = gen.integer(1, 50), alpha = number(0, 0.5),
      warmup_target = warm and number(0.5, 1) or nil, warmup_steps = warm and gen.integer(1, 10) or 0}
  end,
  CosineDecayRestarts = function()
    return {initial_learning_rate = number(0.001, 1), first_decay_steps = gen.integer(3, 30), t_mul = 1.0 + gen.integer(0, 2) / 2,
      m_mul = number(0.5, 1), alpha = number(0, 0.3)}
  end,
  PiecewiseConstantDecay = function()
    local a = gen.integer(1, 20)
    return {boundaries = {a, a + gen.integer(1, 30)}, values = {number(0.5, 1), number(0.1, 0.5), number(0, 0.1)}}
  end,
}
draws.InverseTimeDecay = draws.ExponentialDecay

describe("learning-rate schedules beside real Keras", function()
  for name in pairs(schedules.classes) do
    it(("%s gives its rates (KL_TEST_SEED=%d)"):format(name, gen.seed), function()
      gen.restart(name)
      local list = {}
      for i = 1, 6 do
        local steps = {}
        for step = 0, 40 do steps[#steps + 1] = step end
        for _, step in ipairs{50, 51, 60, 99, 100, 101, 250, 1000} do steps[#steps + 1] = step end
        list[i] = {object = serialize.object(schedules[name](assert(draws[name], "no draw")())), steps = steps}
      end
      for i, rates in ipairs(python.run("schedules.py", list)) do
        local schedule = serialize.deserialize(list[i].object)
        for k, step in ipairs(list[i].steps) do
          local got = schedule(step):item()
          -- rates decay to 0 in float32 there too; powers and cosines differ in their last digits
          if not compare.close(got, rates[k], 2e-5, 1e-7) then
            error(("%s at step %d is %.8g, expected %.8g: %s"):format(name, step, got, rates[k], kl.json.encode(list[i].object)), 0)
          end
        end
      end
    end)
  end
end)
