-- Samples of movement ops; see tests/ops/driver.lua.  Nothing is computed here, so every bit is right.
local nd = require "nd"
local kl = require "kl"
local ops = kl.core.ops
local samples = dofile "tests/ops/exact.lua"
local exact, with_errors, ones, x = samples.exact, samples.with_errors, samples.ones, samples.x

--- Positions of a window, from 1 or from the end, as offsets from 0.
local function offsets(starts, shape)
  local list = {}
  for i, s in ipairs(starts) do list[i] = s < 0 and shape[i] + s or s - 1 end
  return list
end

local function window(a, o)
  local from, shape = offsets(o.start_indices, a.x.shape), {}
  for i, n in ipairs(o.shape) do shape[i] = n == -1 and a.x.shape[i] - from[i] or n end
  return nd.new(shape, function(_, index)
    local at = {}
    for i, k in ipairs(index) do at[i] = from[i] + k end
    return a.x:at(at)
  end)
end

local function updated(a, o)
  local from = offsets(o.start_indices, a.x.shape)
  return nd.new(a.x.shape, function(i, index)
    local at, inside = {}, true
    for axis, k in ipairs(index) do
      at[axis] = k - from[axis]
      inside = inside and at[axis] >= 0 and at[axis] < a.updates.shape[axis]
    end
    if inside then return a.updates:at(at) else return a.x[i] end
  end)
end

local function joined(a, o)
  local axis = a.xs[1]:axis(o.axis or -1)
  local shape = {table.unpack(a.xs[1].shape)}
  shape[axis] = 0
  for _, part in ipairs(a.xs) do shape[axis] = shape[axis] + part.shape[axis] end
  return nd.new(shape, function(_, index)
    local at = {table.unpack(index)}
    for _, part in ipairs(a.xs) do
      if at[axis] < part.shape[axis] then return part:at(at) end
      at[axis] = at[axis] - part.shape[axis]
    end
  end)
end

local function padded(a, o)
  local shape = {}
  for i, n in ipairs(a.x.shape) do shape[i] = o.before[i] + n + o.after[i] end
  local value = a.value
  if type(value) == "table" then value = value[1] end
  if value == nil then value = 0 end
  return nd.new(shape, function(_, index)
    local at, inside = {}, true
    for axis, k in ipairs(index) do
      at[axis] = k - o.before[axis]
      inside = inside and at[axis] >= 0 and at[axis] < a.x.shape[axis]
    end
    if inside then return a.x:at(at) else return value end
  end)
end

local function list(...)
  local specs = {}
  for i, shape in ipairs{...} do specs[i] = {shape, -2, 2} end
  return {xs = {list = specs}}
end

return {
  slice = with_errors(exact{
    {inputs = x(4, 5), options = {start_indices = {2, 3}, shape = {2, 1}}, reference = window},
    {inputs = x(4, 5), options = {start_indices = {-2, 1}, shape = {2, -1}}, reference = window},
    {inputs = x(4, 5), options = {start_indices = {5, 2}, shape = {0, 3}}, reference = window},
    {inputs = x(4, 5), options = {start_indices = {5, 2}, shape = {-1, 3}}, reference = window},
    {inputs = x(0, 5), options = {start_indices = {1, 2}, shape = {0, 3}}, reference = window},
    {inputs = x(), options = {start_indices = {}, shape = {}}, reference = window},
    {inputs = x(2, 3, 4), options = {start_indices = {1, 2, 2}, shape = {2, 2, 2}}, reference = window},
  },
    {function() kl.slice(ones(4), {4}, {2}) end, "2 elements from position 4 on are not inside axis 1 of shape %(4,%)"},
    {function() kl.slice(ones(4), {-5}, {2}) end, "not inside axis 1 of shape %(4,%)"},
    {function() kl.slice(kl.Input{4}, {math.mininteger, 1}, {-1, 2}) end, "not inside axis 1 of shape %(%?, 4%)"},
    {function() kl.slice(ones(4), {6}, {-1}) end, "not inside axis 1 of shape %(4,%)"},
    {function() kl.slice(ones(4), {1}, {-2}) end, "not inside axis 1"},
    {function() kl.slice(ones(4), {0}, {1}) end, "has a 0: positions count from 1"},
    {function() kl.slice(ones(4), {1, 1}, {1}) end, "the tensor has 1 axes, start_indices 2 and the shape 1"}),
  slice_update = with_errors(exact{
    {inputs = {x = {{4, 5}, -2, 2}, updates = {{2, 3}, -2, 2}}, options = {start_indices = {2, 3}},
     reference = updated},
    {inputs = {x = {{4, 5}, -2, 2}, updates = {{4, 1}, -2, 2}}, options = {start_indices = {1, -1}},
     reference = updated},
    {inputs = {x = {{4, 5}, -2, 2}, updates = {{4, 5}, -2, 2}}, options = {start_indices = {1, 1}},
     reference = updated},
    {inputs = {x = {{4, 5}, -2, 2}, updates = {{0, 2}, -2, 2}}, options = {start_indices = {5, 1}},
     reference = updated},
    {inputs = {x = {{}, -2, 2}, updates = {{}, -2, 2}}, options = {start_indices = {}}, reference = updated},
    {inputs = {x = {{2, 3, 4}, -2, 2}, updates = {{1, 2, 3}, -2, 2}}, options = {start_indices = {2, 1, 2}},
     reference = updated},
  }, {function() kl.slice_update(ones(4), {4}, ones(2)) end, "2 elements from position 4 on are not inside axis 1"},
    {function() kl.slice_update(ones(4), {1}, kl.tensor{1, 2}) end,
     "x is float32, updates are int32: cast one of them"},
    {function() kl.slice_update(ones(4), {1}, ones(1, 2)) end,
     "the tensor has 1 axes, start_indices 1 and the shape 2"}),
  concatenate = with_errors(exact{
    {inputs = list({2, 3}, {2, 1}), reference = joined},
    {inputs = list({2, 3}, {1, 3}, {4, 3}), options = {axis = 1}, reference = joined},
    {inputs = list({2, 3}), options = {axis = 1}, reference = joined},
    {inputs = list({2, 0}, {2, 3}, {2, 0}), options = {axis = 2}, reference = joined},
    {inputs = list({0, 3}, {0, 3}), reference = joined},
    {inputs = list({2, 3, 2}, {2, 1, 2}), options = {axis = -2}, reference = joined},
    {inputs = list({100, 60}, {100, 60}), options = {axis = 2}, reference = joined},
  }, {function() ops.concatenate({ones(2, 3), ones(2, 3, 1)}, 1) end,
      "tensor 2 of shape %(2, 3, 1%) does not fit the first of shape %(2, 3%): all axes but axis 1 must agree"},
    {function() ops.concatenate({ones(2, 3), ones(3, 3)}, 2) end, "all axes but axis 2 must agree"},
    {function() ops.concatenate({ones(), ones()}, 1) end, "axis 1 of a scalar"},
    {function() ops.concatenate{} end, "'xs' "}),
  pad = with_errors(exact{
    {inputs = x(2, 3), options = {before = {1, 0}, after = {0, 2}}, reference = padded},
    {inputs = {x = {{2, 3}, -2, 2}, value = {{}, -2, 2}}, options = {before = {1, 1}, after = {2, 0}},
     reference = padded},
    {inputs = {x = {{2, 3}, -2, 2}, value = 3}, options = {before = {1, 1}, after = {2, 0}}, reference = padded},
    {inputs = {x = {{2, 3}, 0, 9, dtype = "int32"}, value = 3}, options = {before = {1, 1}, after = {2, 0}},
     reference = padded, dtype = "int32"},
    {inputs = x(), options = {before = {}, after = {}}, reference = padded},
    {inputs = x(0, 2), options = {before = {1, 0}, after = {1, 0}}, reference = padded},
    {inputs = x(2, 3, 2), options = {before = {0, 0, 1}, after = {1, 0, 0}}, reference = padded},
  }, {function() ops.pad(ones(2, 3), {1}, {1, 1}) end, "one padding per axis expected: the tensor has 2, got 1 and 2"},
    {function() ops.pad(ones(2), {-1}, {1}) end, "padding of axis 1 must not be negative or huge, got %-1 and 1"},
    {function() ops.pad(ones(2), {1}, {1}, kl.tensor{1.0}) end, "the value to pad with must be a scalar"}),
}
