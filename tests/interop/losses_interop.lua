-- Every loss with every reduction and weighting beside real Keras: values, and gradients by jax.grad.  KL_TEST_SEED draws others.
local gen = require "gen"
local python = require "python"
local cases = dofile "tests/losses/cases.lua"
local check = dofile "tests/losses/check.lua"

describe("losses beside real Keras", function()
  local list, answers = {}, nil
  setup(function()
    for i, case in ipairs(cases.all()) do -- JAX compiles each: a third of them, another one with another seed
      if i % 3 == gen.seed % 3 then list[#list + 1] = case end
    end
    answers = python.run("losses.py", list)
  end)

  it(("give its values and gradients (KL_TEST_SEED=%d)"):format(gen.seed), function()
    for i, case in ipairs(list) do check(cases, case, answers[i]) end
  end)
end)
