-- Samples of gathering and scattering; see tests/ops/driver.lua.  Indices count from 0, negative ones from the end.
local nd = require "nd"
local kl = require "kl"

local function ones(...) return kl.broadcast_to(1.0, {...}) end

local function ints(values, dtype, shape) return {values = values, dtype = dtype or "int32", shape = shape} end

local function from_start(k, n) return k < 0 and k + n or k end

--- The slices of x at the indices: index axes take the place of the axis.
local function take(a, o)
  local x, at = a.x, a.indices
  if not o.axis then return nd.map(function(k) return x[from_start(k, #x) + 1] end, at) end
  local axis = x:axis(o.axis)
  local shape = {table.unpack(x.shape, 1, axis - 1)}
  for _, n in ipairs(at.shape) do shape[#shape + 1] = n end
  for i = axis + 1, #x.shape do shape[#shape + 1] = x.shape[i] end
  return nd.new(shape, function(_, index)
    local k = at:at({table.unpack(index, axis, axis + #at.shape - 1)})
    local from = {table.unpack(index, 1, axis - 1)}
    from[axis] = from_start(k, x.shape[axis])
    for i = axis + #at.shape, #index do from[#from + 1] = index[i] end
    return x:at(from)
  end)
end

local function take_along(a, o)
  local axis = a.x:axis(o.axis or -1)
  return nd.new(a.indices.shape, function(i, index)
    local from = {table.unpack(index)}
    from[axis] = from_start(a.indices[i], a.x.shape[axis])
    return a.x:at(from)
  end)
end

local function flat_of(shape, index)
  local at = 0
  for axis, n in ipairs(shape) do at = at * n + index[axis] end
  return at + 1
end

--- x with update i added at place indices[i]: its first k axes.
local function scatter(a)
  local x, at, updates = a.x, a.indices, a.updates
  local y = nd.new(x.shape, function(i) return x[i] end)
  local k = at.shape[2]
  nd.new(updates.shape, function(i, index)
    local place = {}
    for axis = 1, k do place[axis] = from_start(at:at{index[1], axis - 1}, x.shape[axis]) end
    for axis = k + 1, #x.shape do place[axis] = index[axis - k + 1] end
    local flat = flat_of(x.shape, place)
    y[flat] = y[flat] + updates[i]
  end)
  return y
end

local function scatter_along(a, o)
  local axis = a.x:axis(o.axis or -1)
  local y = nd.new(a.x.shape, function(i) return a.x[i] end)
  nd.new(a.indices.shape, function(i, index)
    local place = {table.unpack(index)}
    place[axis] = from_start(a.indices[i], a.x.shape[axis])
    local flat = flat_of(y.shape, place)
    y[flat] = y[flat] + a.updates[i]
  end)
  return y
end

local function one_hot(a, o)
  local x = a.x
  local shape = {table.unpack(x.shape)}
  local axis = (o.axis or -1) < 0 and #shape + 2 + (o.axis or -1) or o.axis
  table.insert(shape, axis, o.num_classes)
  return nd.new(shape, function(_, index)
    local from = {table.unpack(index)}
    local hit = table.remove(from, axis)
    local k = x:at(from)
    if type(k) == "boolean" then k = k and 1 or 0 end
    if o.dtype == "bool" then return hit == k end
    return hit == k and 1 or 0
  end)
end

-- Sums of at most four numbers below 2: four roundings of 2^-23.
local function few_terms(a) return nd.new(a.x.shape, function() return 4 * 2.0 ^ -23 end) end

--- The second case with other types of x (and updates).
local function typed(list, from, names)
  for _, dtype in ipairs(names) do
    local like, inputs = list[from], {}
    for name, spec in pairs(like.inputs) do
      inputs[name] = name == "indices" and spec or {spec[1], 0, 60, dtype = dtype}
    end
    list[#list + 1] = {inputs = inputs, options = like.options, reference = like.reference, dtype = dtype, ulps = 0}
  end
  return list
end

local takes = typed({
  {inputs = {x = {{4, 3}, -2, 2}, indices = ints{2, 0, -1, 2}}, options = {axis = 1}, reference = take, ulps = 0},
  {inputs = {x = {{4, 3}, -2, 2}, indices = ints{{2, 0}, {-1, 1}}}, options = {axis = 2}, reference = take, ulps = 0},
  {inputs = {x = {{2, 3, 4}, -2, 2}, indices = ints{1, 1, -3}}, options = {axis = -2}, reference = take, ulps = 0},
  {inputs = {x = {{4, 3}, -2, 2}, indices = ints{{7, -12}, {0, 11}}}, reference = take, ulps = 0},
  {inputs = {x = {{4, 3}, -2, 2}, indices = ints(2)}, options = {axis = 1}, reference = take, ulps = 0},
  {inputs = {x = {{4, 3}, -2, 2}, indices = -1}, options = {axis = 1}, ulps = 0,
   reference = function(a) return nd.new({3}, function(i) return a.x[9 + i] end) end},
  {inputs = {x = {{4, 3}, -2, 2}, indices = ints({}, "int32", {0})}, options = {axis = 1}, reference = take, ulps = 0},
  {inputs = {x = {{0, 3}, -2, 2}, indices = ints{1, 2}}, options = {axis = 2}, reference = take, ulps = 0},
  {inputs = {x = {{5}, -2, 2}, indices = ints({4, 0}, "uint8")}, options = {axis = 1}, reference = take, ulps = 0},
  {inputs = {x = {{5}, -2, 2}, indices = ints({4, -5}, "int64")}, options = {axis = 1}, reference = take, ulps = 0},
  {inputs = {x = {{60, 70}, -2, 2}, indices = {{200}, -60, 59, dtype = "int32"}}, options = {axis = 1},
   reference = take,
   ulps = 0},
}, 2, {"bool", "uint8", "int32", "int64"})
takes.errors = {
  {function() kl.take(ones(4), kl.tensor{0, 4}, 1) end, "index 4 at position 1 is outside an axis of length 4"},
  {function() kl.take(ones(4), kl.tensor{-5}, 1) end, "index %-5 at position 0 is outside an axis of length 4"},
  {function() kl.take(ones(4), kl.tensor{1.0}, 1) end, "indices must be integers, got float32"},
  {function() kl.take(ones(4), kl.tensor{true}, 1) end, "indices must be integers, got bool"},
  {function() kl.take(ones(4), kl.tensor{1}, 2) end, "axis 2 is out of range"},
  {function() kl.take(ones(1, 1, 1, 1, 1, 1), kl.cast(ones(1, 1, 1, 1), "int32"), 1) end,
   "the result would have 9 axes, the largest rank is 8"},
}

local alongs = typed({
  {inputs = {x = {{3, 4}, -2, 2}, indices = ints{{0, -1}, {3, 3}, {1, 0}}}, reference = take_along, ulps = 0},
  {inputs = {x = {{3, 4}, -2, 2}, indices = ints{{0, -1, 2, 1}}}, options = {axis = 1}, reference = take_along,
   ulps = 0},
  {inputs = {x = {{2, 3, 2}, -2, 2}, indices = ints{{{0, 1}}, {{2, -1}}}}, options = {axis = 2}, reference = take_along,
   ulps = 0},
  {inputs = {x = {{5}, -2, 2}, indices = ints({}, "int64", {0})}, reference = take_along, ulps = 0},
  {inputs = {x = {{5}, -2, 2}, indices = ints({4, 0}, "uint8")}, reference = take_along, ulps = 0},
}, 2, {"bool", "uint8", "int32", "int64"})
alongs.errors = {
  {function() kl.take_along_axis(ones(3, 4), kl.tensor{{4}, {0}, {0}}, 2) end,
   "index 4 at position 0 is outside an axis"},
  {function() kl.take_along_axis(ones(3, 4), kl.tensor{{1}, {0}}, 2) end,
   "x of shape %(3, 4%) and indices of shape %(2, 1%) must agree in all axes but axis 2"},
  {function() kl.take_along_axis(ones(3, 4), kl.tensor{1}, 2) end, "must agree in all axes"},
  {function() kl.take_along_axis(ones(3), kl.tensor{0.0}) end, "indices must be integers"},
}

local scatters = typed({
  {inputs = {x = {{4, 3}, -2, 2}, indices = ints{{2}, {0}, {-2}}, updates = {{3, 3}, -2, 2}}, reference = scatter,
   bound = few_terms},
  {inputs = {x = {{4, 3}, -2, 2}, indices = ints{{2, 1}, {0, -1}, {2, 1}, {3, 0}}, updates = {{4}, -2, 2}},
   reference = scatter, bound = few_terms},
  {inputs = {x = {{2, 3, 4}, -2, 2}, indices = ints{{1, 2}, {-2, 0}}, updates = {{2, 4}, -2, 2}}, reference = scatter,
   bound = few_terms},
  {inputs = {x = {{4, 3}, -2, 2}, indices = ints({}, "int32", {0, 1}), updates = {{0, 3}, -2, 2}}, reference = scatter,
   ulps = 0},
  {inputs = {x = {{4, 0}, -2, 2}, indices = ints{{1}, {3}}, updates = {{2, 0}, -2, 2}}, reference = scatter, ulps = 0},
  {inputs = {x = {{3}, -2, 2}, indices = ints({{1}, {1}}, "uint8"), updates = {{2}, -2, 2}}, reference = scatter,
   bound = few_terms},
  {inputs = {x = {{3}, -2, 2}, indices = ints({{1}, {-1}}, "int64"), updates = {{2}, -2, 2}}, reference = scatter,
   bound = few_terms},
}, 2, {"uint8", "int32", "int64"})
scatters.errors = {
  {function() kl.scatter_add(ones(4), kl.tensor{{4}}, ones(1)) end,
   "index 4 at position 0 is outside an axis of length 4"},
  {function() kl.scatter_add(ones(4, 2), kl.tensor{{1, 2}}, ones(1)) end,
   "index 2 at position 1 is outside an axis of length 2"},
  {function() kl.scatter_add(ones(4), kl.tensor{1}, ones(1)) end,
   "indices must have shape %(n, k%) with k from 1 to 1"},
  {function() kl.scatter_add(ones(4), kl.tensor{{1, 2}}, ones(1)) end,
   "indices must have shape %(n, k%) with k from 1 to 1"},
  {function() kl.scatter_add(ones(4), kl.tensor{{1}}, ones(2)) end, "updates must have shape %(1,%), got %(2,%)"},
  {function() kl.scatter_add(ones(4), kl.tensor{{1}}, kl.tensor{1}) end, "x is float32, updates are int32: cast one"},
  {function() kl.scatter_add(ones(4), ones(1, 1), ones(1)) end, "indices must be integers, got float32"},
  {function() kl.scatter_add(kl.tensor{true}, kl.tensor{{0}}, kl.tensor{true}) end, "not defined for bool"},
}

local scatter_alongs = typed({
  {inputs = {x = {{3, 4}, -2, 2}, indices = ints{{0, -1}, {3, 3}, {1, 0}}, updates = {{3, 2}, -2, 2}},
   reference = scatter_along, bound = few_terms},
  {inputs = {x = {{3, 4}, -2, 2}, indices = ints{{0, -1, 2, 1}}, updates = {{1, 4}, -2, 2}}, options = {axis = 1},
   reference = scatter_along, bound = few_terms},
  {inputs = {x = {{5}, -2, 2}, indices = ints({}, "int64", {0}), updates = {{0}, -2, 2}}, reference = scatter_along,
   ulps = 0},
  {inputs = {x = {{5}, -2, 2}, indices = ints({4, 0}, "uint8"), updates = {{2}, -2, 2}}, reference = scatter_along,
   bound = few_terms},
}, 2, {"uint8", "int32", "int64"})
scatter_alongs.errors = {
  {function() kl.scatter_add_along_axis(ones(3), kl.tensor{3}, ones(1)) end,
   "index 3 at position 0 is outside an axis"},
  {function() kl.scatter_add_along_axis(ones(3, 2), kl.tensor{{1}}, ones(1, 1)) end,
   "must agree in all axes but axis 2"},
  {function() kl.scatter_add_along_axis(ones(3), kl.tensor{1}, ones(2)) end,
   "updates must have shape %(1,%), got %(2,%)"},
  {function() kl.scatter_add_along_axis(kl.tensor{true}, kl.tensor{0}, kl.tensor{true}) end, "not defined for bool"},
}

local function hot(x, options) -- the result is float32 unless asked otherwise
  return {inputs = {x = x}, options = options, dtype = options.dtype or "float32", reference = one_hot, ulps = 0}
end

--- The positions of what is not 0, a row for each axis.
local function nonzero(a, o)
  local found = {}
  nd.new(a.x.shape, function(i, index)
    if a.x[i] ~= 0 and a.x[i] ~= false then found[#found + 1] = {table.unpack(index)} end
    return 0
  end)
  return nd.new({#a.x.shape, o.size}, function(_, index) return found[index[2] + 1][index[1] + 1] end)
end

local function places(x, size)
  return {inputs = {x = x}, options = {size = size}, dtype = "int32", reference = nonzero}
end

local every = {values = {}, dtype = "int32"} -- more than are looked through at a time
for i = 1, 70000 do every.values[i] = i % 7 == 3 and i or 0 end

return {
  take = takes,
  take_along_axis = alongs,
  scatter_add = scatters,
  scatter_add_along_axis = scatter_alongs,
  one_hot = {
    hot(ints{0, 2, 1}, {num_classes = 3}),
    hot(ints{{0, 2}, {1, -1}}, {num_classes = 3, axis = 1}),
    hot(ints{{0, 2}, {1, 7}}, {num_classes = 3, axis = 2, dtype = "int32"}),
    hot(ints{{0, 2}, {1, 7}}, {num_classes = 3, axis = -3, dtype = "bool"}),
    hot(ints(1), {num_classes = 2, dtype = "float64"}),
    hot(ints({}, "int32", {0, 2}), {num_classes = 4, dtype = "uint8"}),
    hot(ints({3, 0}, "uint8"), {num_classes = 4, dtype = "int64"}),
    hot(ints({3, -1, 1 << 40}, "int64"), {num_classes = 4}),
    hot({values = {true, false}, dtype = "bool"}, {num_classes = 2}),
    errors = {
      {function() kl.one_hot(ones(2), 3) end, "classes must be integers, got float32"},
      {function() kl.one_hot(kl.tensor{0, 1}, 0) end, "num_classes must be positive, got 0"},
      {function() kl.one_hot(kl.tensor{0, 1}, 3, 3) end, "axis 3 is out of range"},
      {function() kl.one_hot(kl.cast(ones(1, 1, 1, 1, 1, 1, 1, 1), "int32"), 3) end,
       "8 axes already, the largest rank"},
    },
  },
  nonzero = {
    places({values = {0.0, 1.5, -0.0, -2}}, 2),
    places({values = {{0.0, 1, 1}, {0, 0, 1}}}, 3),
    places({values = {{{0, 3}, {1, 0}, {255, 2}}, {{0, 0}, {9, 0}, {0, 1}}}, dtype = "uint8"}, 6),
    places({values = {{0, 0}, {0, 0}}, dtype = "int32"}, 0),
    places({values = {1 << 40, 0, math.mininteger}, dtype = "int64"}, 2),
    places({values = {{true, false}, {true, true}}, dtype = "bool"}, 3),
    places({values = {}, shape = {0, 3}}, 0),
    places(every, 10000),
    errors = {
      {function() kl.core.ops.nonzero(ones(2, 3), 5) end, "kl.nonzero: 6 elements are not 0, 'size' is 5"},
      {function() kl.core.ops.nonzero(ones(2, 3), -1) end, "'size' must be at least 0, got %-1"},
      {function() kl.core.ops.nonzero(ones(), 1) end, "at least one axis expected"},
      {function() kl.nonzero(ones()) end, "at least one axis expected"},
    },
  },
}
