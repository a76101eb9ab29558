-- A case of tests/metrics/cases.lua against what Keras gave for it.
local kl = require "kl"
local compare = require "compare"
local serialize = require "kl.saving.serialize"

local special = {nan = 0 / 0, inf = math.huge, ["-inf"] = -math.huge}

-- Both sides compute in float32 in another order: 1e-5 is a hundred roundings.
local function close(case, what, got, expected)
  if #got ~= #expected then
    error(("%s: %s has %d elements, expected %d: %s"):format(case.object.class_name, what, #got, #expected, kl.json.encode(case)), 0)
  end
  for i = 1, #expected do
    local e = special[expected[i]] or expected[i]
    if not compare.close(got[i], e, 1e-5, 2e-6) then
      error(("%s: %s, element %d is %.8g, expected %.8g: %s"):format(case.object.class_name, what, i, got[i], e, kl.json.encode(case)), 0)
    end
  end
end

--- Runs the case with `update`, a function (metric, another of the same kind, arguments and weight as tensors) -> result.
return function(case, answer, update)
  local metric = serialize.deserialize(kl.json.decode(kl.json.encode(case.object)))
  local other = serialize.deserialize(case.object)
  local at = 0
  for _, step in ipairs(case.updates) do
    if step.reset then
      metric:reset_state()
      other:reset_state()
    else
      at = at + 1
      local list = {}
      for i, a in ipairs(step.arguments) do list[i] = kl.tensor(a) end
      list[#list + 1] = step.weight and kl.tensor(step.weight) or nil
      close(case, "the result after update " .. at, compare.flat(update(metric, other, table.unpack(list))), answer.results[at])
    end
  end
  local variables = metric.variables
  if #variables ~= #answer.state then
    error(("%s: %d variables, expected %d"):format(metric.name, #variables, #answer.state), 0)
  end
  for i, expected in ipairs(answer.state) do
    local v = variables[i]
    if v.path ~= expected.path or v.dtype ~= expected.dtype or #v.shape ~= #expected.shape then
      error(("the variable %s of %s and rank %d, expected %s of %s and rank %d"):format(v.path, v.dtype, #v.shape, expected.path,
        expected.dtype, #expected.shape), 0)
    end
    close(case, v.path, compare.flat(v.value), expected.value)
  end
  if answer.direction ~= kl.json.null and metric._direction ~= answer.direction then
    error(("%s: better is %s, expected %s"):format(metric.name, metric._direction, answer.direction), 0)
  end
end
