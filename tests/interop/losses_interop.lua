-- Every loss with every reduction and weighting beside real Keras: values, and gradients by jax.grad.  KL_TEST_SEED draws others.
local gen = require "gen"
local python = require "python"
local cases = dofile "tests/losses/cases.lua"
local check = dofile "tests/losses/check.lua"

describe("losses beside real Keras", function()
  local list, answers
  setup(function()
    list = cases.all()
    answers = python.run("losses.py", list)
  end)

  it(("give its values and gradients (KL_TEST_SEED=%d)"):format(gen.seed), function()
    for i, case in ipairs(list) do check(cases, case, answers[i]) end
  end)
end)
