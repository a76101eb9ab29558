-- A case of tests/losses/cases.lua against what Keras gave for it.
local kl = require "kl"
local compare = require "compare"

-- Both sides compute in float32 in another order: 1e-5 of the largest number is a hundred roundings.  Circle multiplies
-- differences of cosines by gamma = 80 before it takes exponentials: a rounding of the cosine is 80 times as large there.
local tolerances = {Circle = 5e-4}

local function close(case, what, got, expected, tolerance)
  if #got ~= #expected then
    error(("%s: %s has %d elements, expected %d: %s"):format(case.object.class_name, what, #got, #expected, kl.json.encode(case)), 0)
  end
  local largest = 1e-3
  for _, x in ipairs(expected) do largest = math.max(largest, x ~= math.huge and x == x and math.abs(x) or 0) end
  for i = 1, #expected do
    if not compare.close(got[i], expected[i], tolerance, tolerance * largest) then
      error(("%s: %s, element %d is %.8g, expected %.8g: %s"):format(case.object.class_name, what, i, got[i], expected[i],
        kl.json.encode(case)), 0)
    end
  end
end

return function(cases, case, answer)
  local tolerance = tolerances[case.object.class_name] or 1e-5
  local value, gradient = cases.run(case)
  close(case, "the value", compare.flat(value), answer.value, tolerance)
  close(case, "the gradient", compare.flat(gradient), answer.gradient, 4 * tolerance)
end
