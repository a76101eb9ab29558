-- Samples of softmax and its losses; see tests/ops/driver.lua.  Extreme inputs are in special_values_spec.lua.
local nd = require "nd"
local kl = require "kl"

local function ones(...) return kl.broadcast_to(1.0, {...}) end

--- exp(x) / sum exp(x) along an axis; the inputs are small enough not to overflow.
local function softmax(a, o)
  local x = a.x
  local axis = x:axis(o.axis or -1)
  local sums = nd.map(math.exp, x):reduce(function(values)
    local s = 0
    for _, v in ipairs(values) do s = s + v end
    return s
  end, axis, true)
  return nd.map(function(v, sum) return math.exp(v) / sum end, x, sums)
end

local function log_softmax(a, o) return nd.map(math.log, softmax(a, o)) end

local function constant(array, value) return nd.new(array.shape, function() return value end) end

local function softmaxes(reference, precision)
  local list = {}
  for _, entry in ipairs{{{5}}, {{2, 3}}, {{2, 3}, 1}, {{2, 3, 4}, 2}, {{2, 3, 4}, -3}, {{4, 1}}, {{0, 3}}, {{3, 0}},
    {{1}},
                         {{3, 1000}}, {{300, 17}, 1}, {{40, 33}}, {{10, 1000}}} do
    local case = {inputs = {x = {entry[1], -3, 3}}, options = {axis = entry[2]}, reference = reference}
    for k, v in pairs(precision) do case[k] = v end
    list[#list + 1] = case
  end
  return list
end

local function with_errors(name, list)
  list.errors = {{function() kl[name](ones(2, 3), 3) end, "axis 3 is out of range"},
                 {function() kl[name](ones()) end, "axis %-1 of a scalar"}}
  return list
end

--- -log softmax(logits)[label] of each row.
local function cross_entropy(a)
  local log_p = log_softmax({x = a.logits}, {})
  local n = a.logits.shape[#a.logits.shape]
  return nd.new(a.labels.shape, function(i) return -log_p[(i - 1) * n + a.labels[i] // 1 + 1 | 0] end)
end

-- a difference of numbers up to 6 and a logarithm up to 7: each rounding costs at most 2^-22, there are fewer than 8
local function log_bound(a) return constant(a.x, 8 * 2.0 ^ -22) end

local function entropy(labels, logits, more)
  local case = {inputs = {labels = labels, logits = logits}, reference = cross_entropy,
                bound = function(a) return constant(a.labels, 8 * 2.0 ^ -22) end}
  for k, v in pairs(more or {}) do case[k] = v end
  return case
end

--- logits minus 1 at the label of each row.
local function difference(labels, logits, more)
  local case = {inputs = {labels = labels, logits = logits}, ulps = 1, reference = function(a)
    local n = a.logits.shape[#a.logits.shape]
    return nd.new(a.logits.shape, function(i)
      return a.logits[i] - (a.labels[(i - 1) // n + 1] // 1 == (i - 1) % n and 1 or 0)
    end)
  end}
  for k, v in pairs(more or {}) do case[k] = v end
  return case
end

local function loss(labels, logits)
  return function() kl.sparse_softmax_cross_entropy(labels, logits) end
end

return {
  -- e^(x - max) has the rounding of x - max, up to 6 * 2^-24, and 2 ulp; its sum and the division a few more
  softmax = with_errors("softmax", softmaxes(softmax, {ulps = 12})),
  log_softmax = with_errors("log_softmax", softmaxes(log_softmax, {bound = log_bound})),
  sparse_softmax_cross_entropy = {
    entropy({{4}, 0, 2, dtype = "int32"}, {{4, 3}, -3, 3}),
    entropy({{2, 3}, 0, 4, dtype = "int64"}, {{2, 3, 5}, -3, 3}),
    entropy({{4}, 0, 9, dtype = "uint8"}, {{4, 10}, -3, 3}),
    entropy({{4}, 0, 1, dtype = "bool"}, {{4, 2}, -3, 3}, {
      reference = function(a)
        return cross_entropy{logits = a.logits, labels = nd.map(function(b) return b and 1 or 0 end, a.labels)}
      end}),
    entropy({{}, 0, 2, dtype = "int32"}, {{3}, -3, 3}),
    entropy({{0}, 0, 2, dtype = "int32"}, {{0, 3}, -3, 3}),
    entropy({{100}, 0, 99, dtype = "int32"}, {{100, 100}, -3, 3}),
    entropy({values = {2.0, 0.0, 1.0}, dtype = "float32"}, {{3, 3}, -3, 3}, {
      gradient = false, why = "labels of a float type are no variables: their gradient is in special_values_spec"}),
    errors = {
      {loss(kl.tensor{0, 3, 1}, ones(3, 3)), "label 3 of sample 2 is not one of the 3 classes 0 to 2"},
      {loss(kl.tensor{0, -1, 1}, ones(3, 3)), "label %-1 of sample 2 is not one of the 3 classes"},
      {loss(kl.tensor{0, 1.5, 1}, ones(3, 3)), "label 1.5 of sample 2"},
      {loss(kl.tensor{0 / 0}, ones(1, 3)), "label %-?nan of sample 1"},
      {loss(kl.tensor{0, 1}, ones(3, 3)),
       "labels of shape %(2,%) do not fit logits of shape %(3, 3%): one label per row"},
      {loss(kl.tensor{{0}, {1}, {2}}, ones(3, 3)), "labels of shape %(3, 1%) do not fit logits of shape %(3, 3%)"},
      {loss(kl.tensor(1), ones()), "do not fit logits of shape %(%)"},
      {loss(kl.tensor{0, 1}, kl.tensor{{1, 2}, {3, 4}}), "logits must be floats, got int32"},
    },
  },
  subtract_one_hot = {
    difference({{4}, 0, 2, dtype = "int32"}, {{4, 3}, 2, 3}),
    difference({{2, 3}, 0, 4, dtype = "int64"}, {{2, 3, 5}, 2, 3}),
    difference({{}, 0, 2, dtype = "uint8"}, {{3}, -3, -1}),
    difference({{0}, 0, 2, dtype = "int32"}, {{0, 3}, -3, 3}),
    difference({{100}, 0, 99, dtype = "int32"}, {{100, 100}, 2, 3}),
    difference({values = {2.0, 0.0, 1.0}, dtype = "float32"}, {{3, 3}, 2, 3}, {
      gradient = false, why = "labels of a float type are no variables: their gradient is in special_values_spec"}),
    errors = {
      {function() kl.core.ops.subtract_one_hot(kl.tensor{0, 3}, ones(2, 3)) end, "label 3 of sample 2 is not one of the 3 classes"},
      {function() kl.core.ops.subtract_one_hot(kl.tensor{0, 1}, ones(3, 3)) end, "one label per row"},
    },
  },
}
