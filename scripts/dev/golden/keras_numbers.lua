-- What real Keras gives for random losses, metrics and schedules: writes tests/golden/keras_numbers/*.json.
-- Usage: KL_PYTHON=build/interop/bin/python KERAS_BACKEND=jax build/kl run scripts/dev/golden/keras_numbers.lua [FAMILY...]
package.path = "tests/support/?.lua;" .. package.path
local kl = require "kl"
local python = require "python"

local families = #arg > 0 and {table.unpack(arg)} or {"losses", "metrics"}
for _, family in ipairs(families) do
  local cases = dofile(("tests/%s/cases.lua"):format(family)).some()
  local answers = python.run(family .. ".py", cases)
  local lines = {}
  for i, case in ipairs(cases) do lines[i] = kl.json.encode{case = case, answer = answers[i]} end
  local file <close> = assert(io.open(("tests/golden/keras_numbers/%s.json"):format(family), "w"))
  file:write("[\n", table.concat(lines, ",\n"), "\n]\n")
  print(("%s: %d cases"):format(family, #cases))
end
