-- Samples of reductions; see tests/ops/driver.lua.
local nd = require "nd"
local kl = require "kl"
local compare = require "compare"

local function ones(...) return kl.broadcast_to(1.0, {...}) end

local function sum(values)
  local s = 0
  for _, v in ipairs(values) do s = s + (v == true and 1 or v or 0) end
  return s
end
local function mean(values) return sum(values) / #values end
local function product(values)
  local p = 1
  for _, v in ipairs(values) do p = p * (v == true and 1 or v or 0) end
  return p
end
local function wrapped(f) -- to int32
  return function(values) return (f(values) + 0x80000000 & 0xffffffff) - 0x80000000 end
end
local function number(v) return v == true and 1 or v or 0 end
local function extremum(better)
  return function(values)
    local best = values[1]
    for _, v in ipairs(values) do
      if better(number(v), number(best)) then best = v end
    end
    return best
  end
end
local largest = extremum(function(a, b) return a > b end)
local smallest = extremum(function(a, b) return a < b end)

local function is_true(v) return v == true or type(v) == "number" and v ~= 0 end
local function any(values)
  for _, v in ipairs(values) do
    if is_true(v) then return true end
  end
  return false
end
local function all(values)
  for _, v in ipairs(values) do
    if not is_true(v) then return false end
  end
  return true
end

local function copy(t, more)
  local c = {}
  for k, v in pairs(t) do c[k] = v end
  for k, v in pairs(more or {}) do c[k] = v end
  return c
end

--- The cases every reduction has: rank 0, all axes, one, several, from the end, kept, none of many, axes of length 1,
--- rows and columns longer than a chunk of the walk (4096 elements, 256 rows), kept axes on both sides, nothing.
local function cases(f, spec, extra)
  local list = {}
  local function add(shape, axis, keepdims, more)
    local x = copy(spec)
    x[1] = shape
    list[#list + 1] = copy(copy(extra), {
      inputs = {x = x}, options = {axis = axis, keepdims = keepdims},
      reference = function(a, o) return a.x:reduce(f, o.axis, o.keepdims) end,
    })
    for k, v in pairs(more or {}) do list[#list][k] = v end
  end
  add({})
  add({5})
  add({2, 3})
  add({2, 3}, 1)
  add({2, 3}, -1, true)
  add({2, 3}, {})
  add({2, 3, 4}, {1, 3})
  add({2, 3, 4}, {1, 3}, true)
  add({2, 3, 4}, 2)
  add({2, 1, 3, 1}, {2, 4})
  add({2, 3, 2, 3}, {2, 4})
  add({2, 3, 2, 3}, {1, 3})
  add({3, 0}, 1)
  add({3, 4097}, 2)
  add({300, 3}, 1)
  add({70, 2, 270}, {1})
  add({9000})
  return list
end

--- Exact cases of a type that is no float.
local function typed(f, dtype, low, high, result)
  local function case(shape, axis, keepdims)
    return {inputs = {x = {shape, low, high, dtype = dtype}}, options = {axis = axis, keepdims = keepdims},
            dtype = result or dtype, reference = function(a, o) return a.x:reduce(f, o.axis, o.keepdims) end}
  end
  return case({40, 30}, 1), case({4, 5000}, 2), case({3, 4, 5}, {1, 3}, true)
end

local function append(list, ...)
  for _, case in ipairs{...} do list[#list + 1] = case end
  return list
end

local function with_errors(name, list, ...)
  local f = kl[name]
  list.errors = {
    {function() f(ones(2, 3), 3) end, "axis 3 is out of range: the tensor has 2 axes %(1 to 2, or %-1 to %-2%)"},
    {function() f(ones(2, 3), {1, 1}) end, "axis 1 is named twice"},
    {function() f(ones(2, 3), {-1, 2}) end, "axis 2 is named twice"},
    {function() f(ones(2, 3), 0) end, "axes count from 1"},
    {function() f(ones(2, 3), {axsi = 1}) end, "unknown option 'axsi'; did you mean 'axis'%?"},
    {function() f(ones(), 1) end, "axis 1 of a scalar, which has no axes"},
    ...,
  }
  return list
end

--- The error bound of a sum of n floats, gamma_k times the sum of their sizes (reliability.md 9).  k: a chunk of 4096
--- goes through 16 or more accumulators, columns through one per 256 rows; what joins those is a few additions more.
local function sum_bound(divide)
  return function(a, o)
    return a.x:reduce(function(values)
      local sizes = 0
      for _, v in ipairs(values) do sizes = sizes + math.abs(v) end
      return compare.gamma(math.min(#values, 256) + 8) * sizes / (divide and #values or 1)
    end, o.axis, o.keepdims)
  end
end

local sums = cases(sum, {nil, -2, 2}, {bound = sum_bound(false)})
append(sums, typed(wrapped(sum), "uint8", 0, 255, "int32"))
append(sums, typed(sum, "bool", 0, 1, "int32"))
append(sums, typed(wrapped(sum), "int32", -2 ^ 31 | 0, 2 ^ 31 - 1 | 0))
append(sums, typed(sum, "int64", -2 ^ 62 | 0, 2 ^ 62 | 0))
append(sums, {inputs = {x = {{0, 3}, -1, 1}}, options = {axis = 1}, ulps = 0,
              reference = function() return nd.new({3}, function() return 0 end) end})

local means = cases(mean, {nil, -2, 2}, {bound = sum_bound(true)})
append(means, {inputs = {x = {{0, 3}, -1, 1}}, options = {axis = 1}, ulps = 0,
               gradient = false, why = "the mean of nothing is NaN",
               reference = function() return nd.new({3}, function() return 0 / 0 end) end})

-- Factors near 1, so that thousands of them neither overflow nor vanish.  Multiplied in double and rounded once.
local products = cases(product, {nil, 0.98, 1.02}, {ulps = 0.5000001})
append(products, typed(wrapped(product), "uint8", 0, 255, "int32"))
append(products, typed(product, "bool", 0, 1, "int32"))
append(products, typed(wrapped(product), "int32", -3, 3))
append(products, typed(product, "int64", -9, 9))
-- With none, one and two zeros: the slope is the product of the others, not y / x.
append(products, {inputs = {x = {{1.5, -2.0, 0.5}, {0.0, 3.0, -1.5}, {0.0, 2.0, 0.0}}}, options = {axis = 2}, ulps = 0,
                  reference = function(a, o) return a.x:reduce(product, o.axis) end})
append(products, {inputs = {x = {{0, 3}, -1, 1}}, options = {axis = 1}, ulps = 0,
                  reference = function() return nd.new({3}, function() return 1 end) end})

local function extrema(name, f)
  local list = {}
  for _, case in ipairs(cases(f, {nil, -2, 2, distinct = true}, {ulps = 0})) do
    -- there is no largest of nothing: {3, 0} is reduced along the axis that is not empty
    list[#list + 1] = case
  end
  append(list, typed(f, "uint8", 0, 255))
  append(list, typed(f, "bool", 0, 1))
  append(list, typed(f, "int32", -2 ^ 31 | 0, 2 ^ 31 - 1 | 0))
  append(list, typed(f, "int64", -2 ^ 62 | 0, 2 ^ 62 | 0))
  return with_errors(name, list, {function() kl[name](ones(2, 0), 2) end, "no elements along axis 2 of shape %(2, 0%)"},
    {function() kl[name](ones(0)) end, "no elements along axis 1 of shape %(0,%)"})
end

local function truths(name, f)
  local list = cases(f, {nil, 0, 1.2, step = 1}, {dtype = "bool"})
  -- mostly true and mostly false, so that both answers occur over long axes
  append(list, {inputs = {x = {{50, 300}, 0, 1.001, step = 1}}, options = {axis = 2}, dtype = "bool",
                reference = function(a) return a.x:reduce(f, 2) end})
  for _, dtype in ipairs{"bool", "uint8", "int32", "int64"} do append(list, typed(f, dtype, 0, 1, "bool")) end
  append(list, {inputs = {x = {values = {{256, 0}, {0, 0}, {1 << 40, -1}}, dtype = "int64"}}, options = {axis = 2},
                dtype = "bool", reference = function(a) return a.x:reduce(f, 2) end})
  return with_errors(name, list)
end

return {
  sum = with_errors("sum", sums), mean = with_errors("mean", means), prod = with_errors("prod", products),
  max = extrema("max", largest), min = extrema("min", smallest), any = truths("any", any), all = truths("all", all),
}
