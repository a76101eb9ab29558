-- Reading what steps return: the one place of training where values leave the tensors.
local core = require "kl.core"
local errors = require "kl.errors"
local ops = require "kl.ops"
local tree = require "kl.tree"

local logs = {}

local function number(scalar)
  local value = type(scalar) == "number" and scalar or scalar:item()
  if type(value) == "boolean" then return value and 1 or 0 end
  return value
end

local function name_list(scalars)
  local names = logs.sorted_names(scalars)
  return #names > 0 and "{" .. table.concat(names, ", ") .. "}" or "nothing"
end

--- Raises if a step gives other names than the first one of its run did: what bars, History and callbacks show would be of
--- some steps only.
---@param what string # "train_step"
---@param first? table # what the first step gave
function logs.check_names(model, what, first, scalars, step)
  if first == nil or first == scalars then return end
  local same, count = true, 0
  for name in pairs(scalars) do
    same, count = same and first[name] ~= nil, count + 1
  end
  for _ in pairs(first) do count = count - 1 end
  if same and count == 0 then return end
  errors.fail("%s of model '%s' returned %s at step %d, and %s at the first: every step must return the same names",
    what, model.name, name_list(scalars), step, name_list(first))
end

--- A table of scalars as Lua numbers.
---@return table<string, number>
function logs.numbers(scalars)
  local numbers = {}
  for name, value in pairs(scalars) do numbers[name] = number(value) end
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

--- ": sample 3 has ..." if the batch itself has a value that is not finite.
local function bad_sample(data, sample_of)
  for i, what in ipairs{"x", "y", "sample_weight"} do
    for _, leaf in ipairs(data[i] ~= nil and tree.flatten(data[i]) or {}) do
      if core.kind(leaf) and leaf.dtype:find("float") and leaf.ndim > 0 and leaf.shape[1] > 0 then
        local rows = ops.all(ops.isfinite(ops.reshape(leaf, {leaf.shape[1], -1})), 2):totable()
        for row, fine in ipairs(rows) do
          if not fine then
            local sample = sample_of and ("sample %d"):format(sample_of(row)) or ("sample %d of this batch"):format(row)
            return (": %s has a value in %s that is not finite"):format(sample, what)
          end
        end
      end
    end
  end
  return ""
end

--- The words for a loss that is not finite.
---@param value string # "nan"
---@param where? function # gives " at step 3 of epoch 1"
---@param data table # the batch
---@param sample_of? function # from a row of the batch to the number of the sample
---@param state string # what became of the step
---@return string
function logs.bad_loss_text(model, value, where, data, sample_of, state)
  return ("the loss of model '%s' is %s%s%s%s"):format(model.name, value, where and where() or "", bad_sample(data, sample_of), state)
end

--- The loss that a step returned as text if it is not finite, as one may that no gradient was taken of.
---@return string|nil
function logs.bad_loss(scalars)
  if scalars.loss == nil then return nil end
  local value = number(scalars.loss)
  if is_finite(value) then return nil end
  return value ~= value and "nan" or tostring(value)
end

--- What a step shows that ended training by its loss: the metrics as they stand, by the names of the first step.
---@param first? table # what the first step gave
---@param value string # "nan", "inf", "-inf"
---@return table<string, number>
function logs.of_bad_step(model, first, value)
  local nan = -(0 / 0)
  local results = logs.numbers(model:get_metrics_result())
  local numbers = {}
  for name in pairs(first or results) do numbers[name] = results[name] or nan end
  numbers.loss = value:find("nan") and nan or value:find("^%-") and -math.huge or math.huge
  return numbers
end

return logs
