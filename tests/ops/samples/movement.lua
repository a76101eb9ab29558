-- Samples of movement ops; see tests/ops/driver.lua.  Nothing is computed here, so every bit is right.
local nd = require "nd"
local kl = require "kl"
local ops = kl.core.ops

local function ones(...) return kl.broadcast_to(1.0, {...}) end
local function x(...) return {x = {{...}, -2, 2}} end

--- Cases of one op, and one of each type that is no float, like the second case.
local function exact(list)
  local like = list[2]
  for _, dtype in ipairs{"bool", "uint8", "int32", "int64"} do
    local inputs = {}
    for name, spec in pairs(like.inputs) do
      local function typed(s) return {s[1], 0, 100, dtype = dtype} end
      if type(spec) ~= "table" then
        inputs[name] = spec
      elseif spec.list then
        inputs[name] = {list = {}}
        for i, s in ipairs(spec.list) do inputs[name].list[i] = typed(s) end
      else
        inputs[name] = typed(spec)
      end
    end
    list[#list + 1] = {inputs = inputs, options = like.options, reference = like.reference, dtype = dtype}
  end
  for _, case in ipairs(list) do case.ulps = 0 end
  return list
end

--- The elements of x in C order in another shape.
local function reshaped(...)
  local shape = {...}
  return function(a) return nd.new(shape, function(i) return a.x[i] end) end
end

local function permuted(...)
  local axes = {...}
  return function(a)
    local shape = {}
    for i, axis in ipairs(axes) do shape[i] = a.x.shape[axis] end
    return nd.new(shape, function(_, index)
      local from = {}
      for i, axis in ipairs(axes) do from[axis] = index[i] end
      return a.x:at(from)
    end)
  end
end

local function broadcast(a, o)
  return nd.map(function(v) return v end, a.x, nd.new(o.shape, function() return 0 end))
end

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

local function flipped(a, o)
  local set = a.x:axes(o.axis)
  return nd.new(a.x.shape, function(_, index)
    local at = {}
    for i, k in ipairs(index) do at[i] = set[i] and a.x.shape[i] - 1 - k or k end
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

local function with_errors(cases, ...)
  cases.errors = {...}
  return cases
end

return {
  reshape = with_errors(exact{
    {inputs = x(2, 6), options = {newshape = {3, 4}}, reference = reshaped(3, 4)},
    {inputs = x(2, 6), options = {newshape = {-1, 2, 2}}, reference = reshaped(3, 2, 2)},
    {inputs = x(2, 3, 4), options = {newshape = {6, 4}}, reference = reshaped(6, 4)},
    {inputs = x(2, 3, 4), options = {newshape = {2, 1, 12, 1}}, reference = reshaped(2, 1, 12, 1)},
    {inputs = x(6), options = {newshape = {1, 2, 1, 3}}, reference = reshaped(1, 2, 1, 3)},
    {inputs = x(1, 1), options = {newshape = {}}, reference = reshaped()},
    {inputs = x(), options = {newshape = {1, 1}}, reference = reshaped(1, 1)},
    {inputs = x(0, 3), options = {newshape = {3, 0}}, reference = reshaped(3, 0)},
    {inputs = x(0, 3), options = {newshape = {3, -1}}, reference = reshaped(3, 0)},
    {inputs = x(4, 3), options = {newshape = -1}, reference = reshaped(12)},
  }, {function() kl.reshape(ones(2, 3), {4}) end, "cannot reshape %(2, 3%), 6 elements, to %(4,%)"},
    {function() kl.reshape(ones(2, 3), {-1, -1}) end, "only one axis"},
    {function() kl.reshape(ones(2, 3), {-1, 4}) end, "cannot reshape %(2, 3%), 6 elements, to %(%?, 4%)"},
    {function() kl.reshape(ones(0), {-1, 0}) end, "cannot reshape"},
    {function() kl.reshape(ones(2, 3), {-2, 3}) end, "negative axis %-2 in the new shape"},
    {function() kl.reshape(ones(2, 3), {1 << 62, 1 << 62}) end, "too large"}),
  transpose = with_errors(exact{
    {inputs = x(2, 3, 4), reference = permuted(3, 2, 1)},
    {inputs = x(2, 3, 4), options = {axes = {2, 1, -1}}, reference = permuted(2, 1, 3)},
    {inputs = x(2, 3, 4, 2), options = {axes = {3, 1, 4, 2}}, reference = permuted(3, 1, 4, 2)},
    {inputs = x(), reference = permuted()},
    {inputs = x(4), reference = permuted(1)},
    {inputs = x(0, 3), reference = permuted(2, 1)},
  }, {function() kl.transpose(ones(2, 3), {1}) end, "must name every one of the tensor's 2 axes once"},
    {function() kl.transpose(ones(2, 3), {1, 3}) end, "axis 3 is out of range"},
    {function() kl.transpose(ones(2, 3), {1, 1}) end, "named twice"}),
  expand_dims = with_errors(exact{
    {inputs = x(2, 3), options = {axis = 1}, reference = reshaped(1, 2, 3)},
    {inputs = x(2, 3), options = {axis = 2}, reference = reshaped(2, 1, 3)},
    {inputs = x(2, 3), options = {axis = -1}, reference = reshaped(2, 3, 1)},
    {inputs = x(2, 1, 3), options = {axis = 3}, reference = reshaped(2, 1, 1, 3)},
    {inputs = x(), options = {axis = 1}, reference = reshaped(1)},
    {inputs = x(0, 2), options = {axis = -3}, reference = reshaped(1, 0, 2)},
  }, {function() kl.expand_dims(ones(2, 3), 4) end, "axis 4 is out of range"},
    {function() kl.expand_dims(ones(1, 1, 1, 1, 1, 1, 1, 1), 1) end,
     "the tensor has 8 axes already, the largest rank"}),
  squeeze = with_errors(exact{
    {inputs = x(1, 2, 1, 3), reference = reshaped(2, 3)},
    {inputs = x(1, 2, 1, 3), options = {axis = 1}, reference = reshaped(2, 1, 3)},
    {inputs = x(1, 2, 1, 3), options = {axis = {1, -2}}, reference = reshaped(2, 3)},
    {inputs = x(1, 1), reference = reshaped()},
    {inputs = x(), reference = reshaped()},
    {inputs = x(0, 1), reference = reshaped(0)},
  }, {function() kl.squeeze(ones(2, 1), 1) end, "axis 1 of shape %(2, 1%) has length 2: only axes of length 1 can go"},
    {function() kl.squeeze(ones(2, 1), 3) end, "axis 3 is out of range"}),
  broadcast_to = with_errors(exact{
    {inputs = x(3), options = {shape = {2, 3}}, reference = broadcast},
    {inputs = x(2, 1), options = {shape = {4, 2, 3}}, reference = broadcast},
    {inputs = x(), options = {shape = {2}}, reference = broadcast},
    {inputs = x(), options = {shape = {}}, reference = broadcast},
    {inputs = x(1), options = {shape = {0}}, reference = broadcast},
    {inputs = x(1, 3, 1), options = {shape = {2, 3, 4}}, reference = broadcast},
  }, {function() kl.broadcast_to(ones(2, 3), {2, 4}) end, "shape %(2, 3%) does not broadcast to %(2, 4%)"},
    {function() kl.broadcast_to(ones(2, 3), {3}) end, "shape %(2, 3%) does not broadcast to %(3,%)"},
    {function() kl.broadcast_to(ones(1, 3), {-1, 1, 3}) end, "kl.broadcast_to: .*negative"},
    {function() kl.broadcast_to(ones(1, 3), {-5, 3}) end, "kl.broadcast_to: .*negative"},
    {function() kl.broadcast_to(ones(1, 1), {1 << 62, 1 << 62}) end, "kl.broadcast_to: .*too large"}),
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
  flip = with_errors(exact{
    {inputs = x(2, 3), reference = flipped},
    {inputs = x(2, 3, 2), options = {axis = {1, -1}}, reference = flipped},
    {inputs = x(2, 3), options = {axis = 2}, reference = flipped},
    {inputs = x(2, 3), options = {axis = {}}, reference = flipped},
    {inputs = x(), reference = flipped},
    {inputs = x(0, 3), reference = flipped},
  }, {function() kl.flip(ones(2, 3), 3) end, "axis 3 is out of range"}),
  stop_gradient = with_errors(exact{
    {inputs = x(2, 3), reference = function(a) return a.x end},
    {inputs = x(2, 3, 2), reference = function(a) return a.x end},
    {inputs = x(), reference = function(a) return a.x end},
  }, {function() kl.stop_gradient() end, "'x' is missing"}),
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
