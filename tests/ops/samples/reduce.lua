-- Samples of reductions; see tests/ops/driver.lua.
local nd = require "nd"
local function ones(...) return require "kl".broadcast_to(1.0, {...}) end

local function sum(values)
  local s = 0
  for _, v in ipairs(values) do s = s + v end
  return s
end
local function mean(values) return sum(values) / #values end

--- The cases every reduction has: rank 0, all axes, one, several, from the end, kept, rows and columns longer than a chunk.
local function cases(f, extra)
  local list = {}
  local function add(shape, axis, keepdims)
    local case = {inputs = {x = {shape, -2, 2}}, options = {axis = axis, keepdims = keepdims},
      reference = function(a, o) return a.x:reduce(f, o.axis, o.keepdims) end, tolerance = 1e-5}
    for k, v in pairs(extra or {}) do case[k] = v end
    list[#list + 1] = case
  end
  add({})
  add({5})
  add({2, 3})
  add({2, 3}, 1)
  add({2, 3}, -1, true)
  add({2, 3, 4}, {1, 3})
  add({2, 3, 4}, {1, 3}, true)
  add({2, 3, 4}, 2)
  add({2, 1, 3, 1}, {2, 4})
  add({3, 4097}, 2)
  add({300, 3}, 1)
  add({260, 2, 270}, {1})
  return list
end

local function with_errors(list)
  list.errors = {
    {function(kl) kl.sum(ones(2, 3), 3) end, "axis 3 is out of range: the tensor has 2 axes"},
    {function(kl) kl.sum(ones(2, 3), {1, 1}) end, "axis 1 is named twice"},
    {function(kl) kl.sum(ones(2, 3), 0) end, "axes count from 1"},
    {function(kl) kl.mean(ones(2, 3), {axsi = 1}) end, "unknown option 'axsi'; did you mean 'axis'%?"},
  }
  return list
end

local sums = with_errors(cases(sum))
sums[#sums + 1] = {inputs = {x = {{40, 30}, 0, 255, dtype = "uint8"}}, exact = true, options = {axis = 1},
  reference = function(a, o) return a.x:reduce(sum, o.axis) end}
sums[#sums + 1] = {inputs = {x = {{0, 3}, -1, 1}}, options = {axis = 1},
  reference = function(a, o) return nd.new({3}, function() return 0 end) end}

return {sum = sums, mean = with_errors(cases(mean))}
