-- Random cases of every metric over several updates with a reset between them, answered by real Keras (tests/golden/README.md):
-- results, state and its names; and the same in recorded steps, bit for bit.
local kl = require "kl"
local compare = require "compare"
local golden = require "golden_numbers" "metrics"
local cases = dofile "tests/metrics/cases.lua"
local check = dofile "tests/metrics/check.lua"

local function immediate(metric, _, ...)
  metric:update_state(...)
  return metric:result()
end

describe("a metric beside real Keras", function()
  for _, name in ipairs(cases.names) do
    it(name .. " gives its results and state over updates", function()
      for _, entry in ipairs(assert(golden[name], "no golden cases")) do check(entry.case, entry.answer, immediate) end
    end)

    it(name .. " gives the same in recorded steps, bit for bit, and in replays", function()
      for _, entry in ipairs(golden[name]) do
        for _, replay in ipairs{false, true} do
          local steps, built = {}, false
          check(entry.case, entry.answer, function(metric, other, ...)
            if replay and not built then -- variables cannot be made in a replay
              metric:update_state(...)
              metric:reset_state()
              built = true
            end
            local count = select("#", ...)
            steps[count] = steps[count] or kl.jit(function(...) return immediate(metric, nil, ...) end, {replay = replay})
            local expected, got = immediate(other, nil, ...), steps[count](...)
            compare.bits(got, expected, name)
            return got
          end)
        end
      end
    end)
  end
end)
