-- Samples of sorting and of the largest elements; see tests/ops/driver.lua.  NaNs and zeros of both signs are in
-- tests/ops/sort_spec.lua.
local nd = require "nd"
local kl = require "kl"

local function ones(...) return kl.broadcast_to(1.0, {...}) end

local function number(v) return v == true and 1 or v == false and 0 or v end

--- The positions, from 0, of a line's elements in order: values first, then positions.
local function order_of(values, descending)
  local order = {}
  for i = 1, #values do order[i] = i - 1 end
  table.sort(order, function(a, b)
    local x, y = number(values[a + 1]), number(values[b + 1])
    if x ~= y then return (x < y) ~= (descending or false) end
    return a < b
  end)
  return order
end

--- Lines along an axis: the first `count` places of each; f(values, order, place).
local function lines(x, axis, count, descending, f)
  local shape = {table.unpack(x.shape)}
  shape[axis] = count or shape[axis]
  local orders = {}
  return nd.new(shape, function(_, index)
    local at, key = {table.unpack(index)}, {table.unpack(index)}
    key[axis] = -1
    key = table.concat(key, ",")
    if not orders[key] then
      local values = {}
      for i = 0, x.shape[axis] - 1 do
        at[axis] = i
        values[i + 1] = x:at(at)
      end
      orders[key] = {values, order_of(values, descending)}
    end
    return f(orders[key][1], orders[key][2], index[axis] + 1)
  end)
end

local function value(values, order, place) return values[order[place] + 1] end
local function position(_, order, place) return order[place] end

local tied = "equal elements change places under a difference"

local function sorts(name, f, dtype)
  local list = {}
  local function add(spec, axis)
    local case = {inputs = {x = spec}, options = {axis = axis}, dtype = dtype or spec.dtype,
                  reference = function(a, o) return lines(a.x, a.x:axis(o.axis or -1), nil, false, f) end}
    if spec.step then case.gradient, case.why = false, tied end
    list[#list + 1] = case
  end
  local function distinct(shape) return {shape, -2, 2, distinct = true} end
  add(distinct{1})
  add(distinct{7})
  add(distinct{3, 4})
  add(distinct{3, 4}, 1)
  add(distinct{2, 3, 4}, -2)
  add(distinct{2, 20, 3}, 2)
  add(distinct{0, 3}, 1)
  add(distinct{3, 0})
  add{{60}, -2, 2, step = 1}
  add({{40, 30}, -2, 2, step = 0.5}, 1)
  add{{9000}, -2, 2, step = 2 ^ -9}
  add({{2, 70000}, -2, 2, step = 2 ^ -9}, -1) -- longer than what is sorted at a time
  for _, integers in ipairs{"bool", "uint8", "int32", "int64"} do
    add({{6, 20}, 0, 9, dtype = integers}, 1)
    add{{500}, 0, integers == "bool" and 1 or 200, dtype = integers}
  end
  add{{900}, -2 ^ 31 | 0, 2 ^ 31 - 1 | 0, dtype = "int32"}
  add{{900}, math.mininteger, math.maxinteger, dtype = "int64"}
  list.errors = {
    {function() kl[name](ones(2, 3), 3) end, "axis 3 is out of range: the tensor has 2 axes"},
    {function() kl[name](ones()) end, "axis %-1 of a scalar, which has no axes"},
    {function() kl[name](ones(2, 3), {1, 2}) end, "'axis' must be an axis"},
  }
  return list
end

local function largest(spec, k, sorted)
  local case = {inputs = {x = spec}, options = {k = k, sorted = sorted}, dtype = spec.dtype and {spec.dtype, "int32"},
                reference = function(a, o)
                  return {lines(a.x, #a.x.shape, o.k, true, value), lines(a.x, #a.x.shape, o.k, true, position)}
                end}
  if spec.step then case.gradient, case.why = false, tied end
  return case
end

local function search(sequence, values, side)
  return {inputs = {sorted_sequence = sequence, values = values}, options = {side = side}, dtype = "int32",
          reference = function(a, o)
            return nd.map(function(v)
              local n = 0
              for _, s in ipairs(a.sorted_sequence) do
                if number(s) < number(v) or o.side == "right" and s == v then n = n + 1 end
              end
              return n
            end, a.values)
          end}
end

return {
  sort = sorts("sort", value),
  argsort = sorts("argsort", position, "int32"),
  top_k = {
    largest({{1}, -2, 2}, 1),
    largest({{7}, -2, 2, distinct = true}, 3),
    largest({{7}, -2, 2, distinct = true}, 7, false),
    largest({{3, 4}, -2, 2, distinct = true}, 2),
    largest({{2, 3, 30}, -2, 2, distinct = true}, 3, true),
    largest({{3, 4}, -2, 2}, 0),
    largest({{0, 4}, -2, 2}, 2),
    largest({{3, 0}, -2, 2}, 0),
    largest({{5, 60}, -2, 2, step = 1}, 4),
    largest({{5, 60}, -2, 2, step = 1}, 50),
    largest({{30, 1000}, -2, 2, step = 2 ^ -9}, 300),
    largest({{2, 70000}, -2, 2, step = 2 ^ -9}, 20), -- longer than what is sorted at a time
    largest({{70000}, -2, 2, step = 2 ^ -9}, 9000),
    largest({{4, 50}, 0, 1, dtype = "bool"}, 20),
    largest({{4, 50}, 0, 255, dtype = "uint8"}, 5),
    largest({{4, 50}, -2 ^ 31 | 0, 2 ^ 31 - 1 | 0, dtype = "int32"}, 5),
    largest({{4, 50}, math.mininteger, math.maxinteger, dtype = "int64"}, 20),
    errors = {
      {function() kl.top_k(ones(2, 3), 4) end, "kl.top_k: 'k' is 4, but the last axis of shape %(2, 3%) has 3 elements"},
      {function() kl.top_k(ones(2, 3), -1) end, "kl.top_k: 'k' must be at least 0, got %-1"},
      {function() kl.top_k(ones(), 1) end, "at least one axis expected"},
      {function() kl.top_k(ones(2, 3), 1.5) end, "'k' must be an integer"},
    },
  },
  searchsorted = {
    search({values = {-1.0, 0, 0, 2}}, {{3, 4}, -2, 3}),
    search({values = {-1.0, 0, 0, 2}}, {values = {0.0, -1, 2, -5, 5, 1, -0.0}}, "right"),
    search({values = {-1.0, 0, 0, 2}}, {values = {0.0, -1, 2, -5, 5, 1, -0.0}}, "left"),
    search({values = {}, shape = {0}}, {{5}, -2, 2}),
    search({values = {1.0}}, {{0, 3}, -2, 2}),
    search({values = {1.0}}, {{}, -2, 2}, "right"),
    search({values = {1, 3, 3, 200}, dtype = "uint8"}, {{100, 200}, 0, 255, dtype = "uint8"}, "right"),
    search({values = {-7, 1, 3, 3, 5}, dtype = "int32"}, {{40}, -9, 9, dtype = "int32"}),
    search({values = {math.mininteger, 0, math.maxinteger}, dtype = "int64"},
      {values = {math.maxinteger, 1, -1, math.mininteger}, dtype = "int64"}),
    search({values = {false, true}, dtype = "bool"}, {{9}, 0, 1, dtype = "bool"}, "right"),
    errors = {
      {function() kl.searchsorted(ones(2, 3), 1.0) end,
       "kl.searchsorted: a sorted sequence with one axis expected, got one of shape %(2, 3%)"},
      {function() kl.searchsorted(ones(3), 1.0, "middle") end, "'side' has no choice 'middle'"},
    },
  },
}
