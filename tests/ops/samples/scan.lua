-- Samples of running sums and positions; see tests/ops/driver.lua.
local nd = require "nd"
local kl = require "kl"

local function ones(...) return kl.broadcast_to(1.0, {...}) end

local function number(v) return v == true and 1 or v or 0 end

--- The position, from 0, of the first element that no other beats.
local function position(beats)
  return function(values)
    local best = 1
    for i, v in ipairs(values) do
      if beats(number(v), number(values[best])) then best = i end
    end
    return best - 1
  end
end

local function positions(name, beats)
  local f = position(beats)
  local list = {}
  local function add(spec, axis, keepdims)
    list[#list + 1] = {inputs = {x = spec}, options = {axis = axis, keepdims = keepdims}, dtype = "int32",
                       reference = function(a, o) return a.x:reduce(f, o.axis, o.keepdims) end}
  end
  add{{}, -2, 2}
  add{{7}, -2, 2}
  add{{3, 4}, -2, 2}
  add({{3, 4}, -2, 2}, 1)
  add({{3, 4}, -2, 2}, -1, true)
  add({{3, 4}, -2, 2}, nil, true)
  add({{2, 3, 4}, -2, 2}, 2)
  add({{2, 3, 4}, -2, 2, step = 1}, 3) -- with equal ones
  add({{0, 4}, -2, 2}, 2)
  add({{4, 1}, -2, 2}, 2)
  add({{5, 4000}, -2, 2}, 2)
  add({{4000, 5}, -2, 2}, 1)
  for _, dtype in ipairs{"bool", "uint8", "int32", "int64"} do
    add({{6, 20}, 0, 9, dtype = dtype}, 2)
    add{{6, 20}, 0, 9, dtype = dtype}
  end
  add({{6, 20}, -2 ^ 62 | 0, 2 ^ 62 | 0, dtype = "int64"}, 1)
  list.errors = {
    {function() kl[name](ones(2, 3), 3) end, "axis 3 is out of range: the tensor has 2 axes"},
    {function() kl[name](ones(2, 0), 2) end, "no elements along axis 2"},
    {function() kl[name](ones(0)) end, "no elements along axis 1"},
    {function() kl[name](ones(2, 3), {1, 2}) end, "'axis' must be an axis"},
  }
  return list
end

--- Running sums, one line after the other.
local function cumsum(a, o)
  local x = a.x
  if not o.axis then x = nd.new({#x}, function(i) return x[i] end) end
  local axis = x:axis(o.axis or 1)
  return nd.new(x.shape, function(_, index)
    local from = {table.unpack(index)}
    local s = 0
    for i = o.reverse and index[axis] or 0, o.reverse and x.shape[axis] - 1 or index[axis] do
      from[axis] = i
      s = s + x:at(from)
    end
    return s
  end)
end

local function int32(v) return (v + 0x80000000 & 0xffffffff) - 0x80000000 end

local function running(spec, options, cut)
  return {inputs = {x = spec}, options = options, dtype = spec.dtype,
          ulps = 0.5000001, -- summed in double, rounded once
          reference = function(a, o) return cut and nd.map(cut, cumsum(a, o)) or cumsum(a, o) end}
end

return {
  argmax = positions("argmax", function(a, b) return a > b end),
  argmin = positions("argmin", function(a, b) return a < b end),
  cumsum = {
    running{{}, -2, 2},
    running{{6}, -2, 2},
    running{{2, 3}, -2, 2},
    running({{2, 3}, -2, 2}, {reverse = true}),
    running({{2, 3}, -2, 2}, {axis = 1}),
    running({{2, 3}, -2, 2}, {axis = -1, reverse = true}),
    running({{2, 3, 4}, -2, 2}, {axis = 2}),
    running({{0, 3}, -2, 2}, {axis = 1}),
    running({{3, 0}, -2, 2}),
    running({{200, 50}, -2, 2}, {axis = 1}),
    running({{20, 30}, 0, 255, dtype = "uint8"}, {axis = 2}, function(v) return v & 0xff end),
    running({{20, 30}, -2 ^ 31 | 0, 2 ^ 31 - 1 | 0, dtype = "int32"}, {axis = 1}, int32),
    running({{20, 30}, -2 ^ 62 | 0, 2 ^ 62 | 0, dtype = "int64"}, {reverse = true}),
    errors = {{function() kl.cumsum(ones(2, 3), 3) end, "axis 3 is out of range"},
              {function() kl.cumsum(ones(2, 3):cast("bool")) end, "kl.cumsum: not defined for bool"}},
  },
}
