-- Every metric with every weighting over several updates with a reset between them, beside real Keras: results, state and its
-- names.  KL_TEST_SEED draws others.
local gen = require "gen"
local python = require "python"
local cases = dofile "tests/metrics/cases.lua"
local check = dofile "tests/metrics/check.lua"

describe("metrics beside real Keras", function()
  local list, answers = {}, nil
  setup(function()
    for _, case in ipairs(cases.all(2)) do
      -- Keras itself cannot broadcast weights per sample against its mask of ignored labels
      local config = case.object.config
      local ignores = case.object.class_name == "SparseCategoricalCrossentropy" and math.type(config.ignore_class) ~= nil
      if not ignores or case.updates[1].weight == nil then list[#list + 1] = case end
    end
    answers = python.run("metrics.py", list)
  end)

  it(("give its results and state (KL_TEST_SEED=%d)"):format(gen.seed), function()
    for i, case in ipairs(list) do
      check(case, answers[i], function(metric, _, ...)
        metric:update_state(...)
        return metric:result()
      end)
    end
  end)
end)
