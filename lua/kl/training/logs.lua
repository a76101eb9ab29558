-- Reading what steps return: the one place of training where values leave the tensors.
local core = require "kl.core"
local errors = require "kl.errors"
local ops = require "kl.ops"
local tree = require "kl.tree"

local logs = {}

--- A table of scalars as Lua numbers.
---@return table<string, number>
function logs.numbers(scalars)
  local numbers = {}
  for name, value in pairs(scalars) do numbers[name] = type(value) == "number" and value or value:item() end
  return numbers
end

--- Names in the order in which they are shown.
function logs.sorted_names(scalars)
  local names = {}
  for name in pairs(scalars) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function is_finite(v) return v == v and v ~= math.huge and v ~= -math.huge end

--- " (sample 3 of y is nan)" if the batch itself has a value that is not finite.
local function bad_sample(data)
  for i, what in ipairs{"x", "y", "sample_weight"} do
    for _, leaf in ipairs(data[i] ~= nil and tree.flatten(data[i]) or {}) do
      if core.kind(leaf) and leaf.dtype:find("float") and leaf.ndim > 0 and leaf.shape[1] > 0 then
        local rows = ops.all(ops.isfinite(ops.reshape(leaf, {leaf.shape[1], -1})), 2):totable()
        for row, fine in ipairs(rows) do
          if not fine then return (": sample %d of this batch has a value in %s that is not finite"):format(row, what) end
        end
      end
    end
  end
  return ""
end

--- Raises if the loss of a step is not finite.
function logs.check_finite(model, scalars, data, epoch, step)
  local loss = scalars.loss
  if loss == nil then return end
  local value = type(loss) == "number" and loss or loss:item()
  if not is_finite(value) then
    errors.fail("the loss of model '%s' is %s at step %d of epoch %d%s", model.name, value ~= value and "nan" or tostring(value),
      step, epoch, bad_sample(data))
  end
end

return logs
