-- The same elements lying otherwise in memory.  What lies between them is made to show up in a result: NaN, 113 or
-- true.
local ops = require "kl".core.ops

local strides = {}

local function appended(list, value)
  local longer = {table.unpack(list)}
  longer[#longer + 1] = value
  return longer
end

local function garbage(dtype, shape)
  local value = dtype == "bool" and true or dtype:find("float") and 0 / 0 or 113
  return ops.copy{x = ops.broadcast_to{x = ops.cast{x = value, dtype = dtype}, shape = shape}}
end

--- Axes reversed in memory.
local function reversed(t)
  return ops.transpose{x = ops.copy{x = ops.transpose{x = t}}}
end

--- Every second element, from the second on.
local function every_second(t)
  local apart = appended(t.shape, 1)
  local both = ops.concatenate{xs = {garbage(t.dtype, apart), ops.reshape{x = t, newshape = apart}}, axis = -1}
  local starts = {}
  for i = 1, #t.shape do starts[i] = 1 end
  return ops.squeeze{x = ops.slice{x = both, start_indices = appended(starts, 2), shape = apart}, axis = -1}
end

--- Every axis runs backwards in memory.
local function negative(t)
  return ops.flip{x = ops.copy{x = ops.flip{x = t}}}
end

--- A window in a larger tensor.
local function window(t)
  local shape = #t.shape == 0 and {1} or t.shape
  local larger, starts = {}, {}
  for i, n in ipairs(shape) do larger[i], starts[i] = n + 3, 2 end
  local around = ops.slice_update{x = garbage(t.dtype, larger), start_indices = starts,
    updates = ops.reshape{x = t, newshape = shape}}
  return ops.reshape{x = ops.slice{x = around, start_indices = starts, shape = shape}, newshape = t.shape}
end

strides.variants = {
  {name = "axes reversed in memory", make = reversed},
  {name = "every second element", make = every_second},
  {name = "negative strides", make = negative},
  {name = "a window in a larger tensor", make = window},
}

return strides
