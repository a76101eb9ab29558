-- Random cases of every loss with every reduction, answered by real Keras (tests/golden/README.md): values and gradients; and the
-- same in a recorded step, bit for bit.
local kl = require "kl"
local compare = require "compare"
local golden = require "golden_numbers" "losses"
local cases = dofile "tests/losses/cases.lua"
local check = dofile "tests/losses/check.lua"
local serialize = require "kl.saving.serialize"

describe("a loss beside real Keras", function()
  for name in pairs(kl.losses.classes) do
    it(name .. " gives its values and gradients for every reduction", function()
      for _, entry in ipairs(assert(golden[name], "no golden cases")) do check(cases, entry.case, entry.answer) end
    end)

    it(name .. " gives the same bits in a recorded step", function()
      for _, entry in ipairs(golden[name]) do
        local case, loss = entry.case, serialize.deserialize(entry.case.object)
        local function both(y, p, w)
          local tape <close> = kl.GradientTape{watch_accessed_variables = false}
          tape:watch(p)
          local value = loss(y, p, w)
          return value, tape:gradient(value, p)
        end
        local y, p = kl.tensor(case.y_true), kl.tensor(case.y_pred, "float32")
        local weight = case.weight and kl.tensor(case.weight, "float32")
        local value, gradient = both(y, p, weight)
        local step = kl.jit(both)
        for _ = 1, 2 do
          local planned, planned_gradient = step(y, p, weight)
          compare.bits(planned, value, name .. ", the value")
          compare.bits(planned_gradient, gradient, name .. ", the gradient")
        end
      end
    end)
  end
end)
