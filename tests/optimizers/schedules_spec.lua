-- Learning-rate schedules: values of keras-semantics 2.7 and 2.8.
local kl = require "kl"
local assert = require "luassert"
local near = require "near"
local objects = require "objects"
local raises = require "raises"
local traced = require "tracing"

local schedules = kl.optimizers.schedules

local at = {0, 1, 5, 6, 10, 11, 15, 25, 30}
local values = {
  ExponentialDecay = {
    {{.1, 10, .5}, {.1, .0933033, .07071068, .06597539, .05, .04665165, .03535534, .01767767, .0125}},
    {{.1, 10, .5, staircase = true}, {.1, .1, .1, .1, .05, .05, .05, .025, .0125}},
  },
  PiecewiseConstantDecay = {{{{5, 10}, {.1, .05, .01}}, {.1, .1, .1, .05, .05, .01, .01, .01, .01}}},
  PolynomialDecay = {
    {{.1, 10}, {.1, .09001, .05005, .04006, .0001, .0001, .0001, .0001, .0001}},
    {{.1, 10, power = 2.0, cycle = true}, {.1, .081019, .025075, .016084, .0001, .02032975, .00634375, .002875001, .0001}},
    {{.1, 10, end_learning_rate = 0.05}, {.1, .095, .075, .07, .05, .05, .05, .05, .05}}, -- by hand
  },
  InverseTimeDecay = {
    {{.1, 10, .5}, {.1, .0952381, .08, .07692308, .06666667, .06451613, .05714286, .04444445, .04}},
    {{.1, 10, .5, staircase = true}, {.1, .1, .1, .1, .1 / 1.5, .1 / 1.5, .1 / 1.5, .05, .04}}, -- by hand
  },
  CosineDecay = {
    {{.1, 10}, {.1, .09755283, .05, .03454914, 0, 0, 0, 0, 0}},
    {{0.0, 10, alpha = .1, warmup_target = .1, warmup_steps = 5},
      {0, .02, .1, .09779754, .055, .04109422, .01, .01, .01}},
  },
  CosineDecayRestarts = {
    {{.1, 10}, {.1, .09755283, .05, .03454914, .1, .09938442, .08535534, .01464466, .1}},
    {{.1, 10, m_mul = .5, alpha = .1}, {.1, .09779754, .055, .04109422, .055, .05472299, .04840991, .0165901, .0325}},
    {{.1, 10, t_mul = 1.0}, {.1, .09755283, .05, .03454914, .1, .09755283, .05, .05, .1}}, -- the same period again
  },
}

describe("every schedule", function()
  for _, name in ipairs(objects.names(schedules.classes)) do
    local cls = schedules.classes[name]
    it(name .. " has check values that try every option", function()
      local seen = {name = true}
      for _, case in ipairs(values[name]) do
        for key in pairs(case[1]) do seen[math.type(key) and cls.params[key].name or key] = true end
      end
      for _, p in ipairs(cls.params) do assert.is_true(seen[p.name], p.name) end
    end)

    for i, case in ipairs(values[name] or {}) do
      it(("%s, case %d, gives Keras's rates for numbers, tensors and the counter"):format(name, i), function()
        local schedule = cls(case[1])
        for k, s in ipairs(at) do
          -- 1e-5 of the largest rate: near the end of a cosine the rest is a difference of larger numbers
          near(schedule(s), case[2][k], "step " .. s, 1e-5, 1e-7)
          near(schedule(kl.Variable(kl.tensor(s, "int64"))), case[2][k], "variable " .. s)
        end
        assert.equal("float32", schedule(3).dtype)
        local step = kl.tensor(5, "int64")
        near(traced(function() return schedule(step) end), case[2][3], "recorded")
      end)

      it(("%s, case %d, survives its config"):format(name, i), function()
        local copy = objects.round_trip(cls(case[1]))
        for k, s in ipairs(at) do near(copy(s), case[2][k], "step " .. s) end
      end)
    end

    it(name .. " refuses missing and unknown arguments and values of the wrong kind", function()
      raises(function() cls{} end, name .. ": '[%w_]+' is missing")
      raises(function() cls{1.0, 10, nam = "x"} end, name .. ": unknown option 'nam'; did you mean 'name'%?")
      for _, option in ipairs{"decay_steps", "first_decay_steps"} do
        if cls.params.by_name[option] then
          for _, wrong in ipairs{0, -1} do
            raises(function() cls{initial_learning_rate = .1, decay_rate = cls.params.by_name.decay_rate and .5, [option] = wrong} end,
              ("%s: '%s' must be positive, got integer %d"):format(name, option, wrong):gsub("%-", "%%-"))
          end
          raises(function() cls{"x", 10, .5} end, name .. ": 'initial_learning_rate' must be a number")
        end
      end
    end)
  end

  it("with restarts begins each period where it should, for any factor", function()
    for _, factor in ipairs{1.5, 2.0, 3.0} do
      local schedule, start, length = schedules.CosineDecayRestarts{.1, 1000, t_mul = factor}, 0, 1000
      for _ = 1, 6 do
        near(schedule(start), .1, ("factor %g, step %g"):format(factor, start))
        near(schedule(start + length - 1), 0.0, "one step earlier", 0, 1e-6)
        start, length = start + length, length * factor
      end
    end
  end)

  it("with constant pieces wants one more value than boundaries", function()
    raises(function() schedules.PiecewiseConstantDecay{{5, 10}, {.1, .05}} end, "2 boundaries need 3 values, got 2")
    raises(function() schedules.PiecewiseConstantDecay{5, {.1, .05}} end, "PiecewiseConstantDecay: 'boundaries' must be a table")
    raises(function() schedules.PiecewiseConstantDecay{{5}, {.1, "x"}} end, "values%[2%] must be a number")
  end)

  it("of the user's own is a class with call(step)", function()
    local Halving = schedules.LearningRateSchedule:extend("Halving")
    function Halving:call(step) return kl.power(0.5, step) end
    local w, optimizer = kl.Variable{0.0}, kl.optimizers.SGD{learning_rate = Halving{}}
    for _ = 1, 3 do optimizer:apply_gradients({kl.tensor{-1.0}}, {w}) end
    near(w, 1.75, "1 + 1/2 + 1/4")
  end)
end)
