-- Samples of random ops; see tests/ops/driver.lua.  Values have no closed form, so a case asserts properties: keys are
-- fixed, so a statistic that lies within five standard errors once always does.
local nd = require "nd"
local kl = require "kl"
local compare = require "compare"
local assert = require "luassert"
local ops = kl.core.ops

local N = 100000 -- draws for a statistic

local function key(a, b) return {values = {a or 7, b or 0}, dtype = "int64"} end
local function key_tensor(a, b) return kl.tensor({a, b}, "int64") end

local function moments(values)
  local mean, variance = 0, 0
  for _, v in ipairs(values) do mean = mean + v / #values end
  for _, v in ipairs(values) do variance = variance + (v - mean) ^ 2 / #values end
  return mean, variance
end

local function assert_near(expected, got, standard_error, what)
  if math.abs(got - expected) > 5 * standard_error then
    error(("%s: %.6g, expected %.6g +- %.2g"):format(what, got, expected, 5 * standard_error), 0)
  end
end

--- Values that follow each other in memory have no correlation (1 / sqrt(n) is its standard error).
local function assert_uncorrelated(values, mean, variance)
  for _, lag in ipairs{1, 2, 4} do
    local sum = 0
    for i = 1, #values - lag do sum = sum + (values[i] - mean) * (values[i + lag] - mean) end
    assert_near(0, sum / #values / variance, (#values) ^ -0.5, "correlation at lag " .. lag)
  end
end

--- Mean and variance of a distribution; fourth: its fourth central moment over the variance squared.
local function assert_moments(values, mean, variance, fourth)
  local got_mean, got_variance = moments(values)
  assert_near(mean, got_mean, math.sqrt(variance / #values), "mean")
  assert_near(variance, got_variance, variance * math.sqrt((fourth - 1) / #values), "variance")
  assert_uncorrelated(values, mean, variance)
end

--- Counts in equal bins against equal shares; chi squared with k - 1 degrees of freedom has mean k - 1 and variance
--- 2 (k - 1).
local function assert_equal_shares(counts, bins, n)
  local chi2 = 0
  for i = 1, bins do chi2 = chi2 + ((counts[i] or 0) - n / bins) ^ 2 / (n / bins) end
  assert_near(bins - 1, chi2, math.sqrt(2 * (bins - 1)), "chi squared")
end

--- Adds what holds for every draw: shape; the same key gives the same bits, another key or counter others.
local function draw(name, case, check)
  case.property = function(results, _, arrays)
    local arguments, parameters = {}, {}
    for k, v in pairs(arrays) do
      parameters[k] = type(v) == "table" and nd.float32(v[1]) or v -- the property is asked of float32 inputs
      arguments[k] = parameters[k]
    end
    for k, v in pairs(case.options) do arguments[k] = v end
    local function with_key(k)
      arguments.key = key_tensor(table.unpack(k))
      return ops[name](arguments)
    end
    local k = arrays.key
    assert.same(case.options.shape or {case.options.n}, results[1].shape)
    compare.bits(with_key{k[1], k[2]}, results[1], "the same key again")
    local values = compare.flat(results[1])
    if #values >= 10 then
      for _, other in ipairs{{k[1] + 1, k[2]}, {k[1], k[2] + 1}, {k[1] + (1 << 32), k[2]}, {k[1], k[2] + (1 << 32)}} do
        assert.is_false(kl.array_equal(with_key(other), results[1]), "another key gives the same numbers")
      end
    end
    if check then check(values, parameters) end
  end
  return case
end

local function uniform(options, inputs)
  inputs = inputs or {}
  inputs.key = inputs.key or key()
  return draw("random_uniform", {inputs = inputs, options = options, dtype = options.dtype or "float32"},
    function(values, a)
      local low, high = a.minval or 0, a.maxval or 1
      local counts = {}
      for _, v in ipairs(values) do
        assert(v >= low and v < high, "outside [minval, maxval): " .. v)
        local bin = math.floor((v - low) / (high - low) * 64) + 1
        counts[bin] = (counts[bin] or 0) + 1
      end
      if #values < N then return end
      assert_moments(values, (low + high) / 2, (high - low) ^ 2 / 12, 1.8)
      assert_equal_shares(counts, 64, #values)
    end)
end

local function normal(options, inputs)
  inputs = inputs or {}
  inputs.key = key(11)
  return draw("random_normal", {inputs = inputs, options = options, dtype = options.dtype or "float32"},
    function(values, a)
      if #values < N then return end
      local mean, stddev = a.mean or 0, a.stddev or 1
      assert_moments(values, mean, stddev ^ 2, 3)
      local beyond = 0 -- P(|z| > 2) = 0.0455
      for _, v in ipairs(values) do beyond = beyond + (math.abs(v - mean) > 2 * stddev and 1 or 0) end
      assert_near(0.045500264, beyond / #values, math.sqrt(0.0455 * 0.9545 / #values), "share beyond two sigma")
    end)
end

--- Variance 0.7737413 and fourth moment 1.4161887 of the normal distribution cut at +-2: with phi(2) = 0.05399097 and
--- Phi(2) - Phi(-2) = 0.95449974, var = 1 - 4 phi / P, E z^4 = 3 - (16 + 12) phi / P.
local function truncated(options, inputs)
  inputs = inputs or {}
  inputs.key = key(13)
  return draw("random_truncated_normal", {inputs = inputs, options = options, dtype = options.dtype or "float32"},
    function(values, a)
      local mean, stddev = a.mean or 0, a.stddev or 1
      for _, v in ipairs(values) do assert(math.abs(v - mean) <= 2 * stddev, "beyond two sigma: " .. v) end
      if #values < N then return end
      local variance = 1 - 4 * 0.05399097 / 0.95449974
      assert_moments(values, mean, variance * stddev ^ 2, (3 - 28 * 0.05399097 / 0.95449974) / variance ^ 2)
    end)
end

local function randint(low, high, options)
  return draw("random_randint", {inputs = {key = key(17), minval = low, maxval = high}, options = options,
                                 dtype = options.dtype or "int32"},
    function(values)
      local counts = {}
      for _, v in ipairs(values) do
        assert(v >= low and v < high, "outside [minval, maxval): " .. v)
        counts[math.tointeger(v) - low + 1] = (counts[math.tointeger(v) - low + 1] or 0) + 1
      end
      if #values >= N and high - low < 1000 and high > low then assert_equal_shares(counts, high - low, #values) end
    end)
end

local function bernoulli(options, p)
  return draw("random_bernoulli", {inputs = {key = key(19), p = p}, options = options,
    dtype = options.dtype or "float32"},
    function(values)
      local ones, share = 0, math.max(0, math.min(1, p or 0.5))
      for _, v in ipairs(values) do
        assert(v == 0 or v == 1, "neither 0 nor 1")
        ones = ones + v
      end
      if #values > 0 then
        assert_near(share, ones / #values, math.sqrt(share * (1 - share) / #values), "share of ones")
      end
    end)
end

local function permutation(n)
  return draw("random_permutation", {inputs = {key = key(23)}, options = {n = n}, dtype = "int32"}, function(values)
    local seen, fixed, rank = {}, 0, 0
    for i, v in ipairs(values) do
      assert(v >= 0 and v < n and not seen[v], "no permutation: " .. v)
      seen[v] = true
      fixed = fixed + (v == i - 1 and 1 or 0)
      rank = rank + (i - (n + 1) / 2) * (v - (n - 1) / 2)
    end
    if n < 1000 then return end
    assert_near(1, fixed, 1, "elements in their place") -- Poisson with mean 1
    local variance = (n * n - 1) / 12
    assert_near(0, rank / n / variance, (n - 1) ^ -0.5, "correlation of rank and place")
  end)
end

--- Of three elements each of the six orders comes about equally often.
local function small_permutations()
  local case = permutation(3)
  local basic = case.property
  case.property = function(results, c, arrays)
    basic(results, c, arrays)
    local counts, orders = {}, {}
    for counter = 1, 3000 do
      local order = table.concat(compare.flat(ops.random_permutation(key_tensor(29, counter * 10), 3)))
      counts[order] = (counts[order] or 0) + 1
    end
    for _, n in pairs(counts) do orders[#orders + 1] = n end
    assert.equal(6, #orders)
    assert_equal_shares(orders, 6, 3000)
  end
  return case
end

local function dropout(shape, rate, dtype)
  return {inputs = {x = {shape, 0.5, 2, dtype = dtype}, key = key(31), rate = rate}, dtype = dtype,
    gradient = dtype and false,
    why = dtype and "the type is fixed, so differences would be taken in float32",
    property = function(results, _, arrays)
      local kept = 0
      local keep = results[1].dtype == "float32" and nd.float32 or function(v) return v end
      for i, y in ipairs(compare.flat(results[1])) do
        local x = keep(arrays.x[i])
        if y ~= 0 then
          kept = kept + 1
          -- a product with a rounded factor: two roundings
          assert(compare.close(y, x / (1 - rate), results[1].dtype == "float32" and 2 ^ -23 or 2 ^ -51, 0),
            "not x / (1 - rate)")
        end
      end
      local n = #arrays.x
      if n > 0 then assert_near(1 - rate, kept / n, math.sqrt(rate * (1 - rate) / n), "share of what is kept") end
    end}
end

--- Errors that all distributions share.
local function errors_of(name, options, ...)
  local function call(k, more)
    local arguments = {key = k}
    for key_, value in pairs(options) do arguments[key_] = value end
    for key_, value in pairs(more or {}) do arguments[key_] = value end
    return function() ops[name](arguments) end
  end
  local list = {
    {call(kl.tensor{1, 2}), "the key must be an int64 tensor of shape %(2,%), got int32 %(2,%)"},
    {call(kl.tensor({1, 2, 3}, "int64")), "the key must be an int64 tensor of shape %(2,%), got int64 %(3,%)"},
  }
  if options.shape then
    list[#list + 1] = {call(key_tensor(1, 2), {shape = {2, -3}}), "negative or unknown axis in the shape"}
    list[#list + 1] = {call(key_tensor(1, 2), {dtype = "bool"}), "expected as dtype, got bool"}
    list[#list + 1] = {call(key_tensor(1, 2), {shape = {1 << 62, 4}}), "too large"}
  end
  for _, e in ipairs{...} do list[#list + 1] = {call(key_tensor(1, 2), e[1]), e[2]} end
  return list
end

local scalar_only = "parameters of a distribution must be scalars"

return {
  random_uniform = {
    uniform{shape = {N}},
    uniform({shape = {N}, dtype = "float64"}, {minval = -3, maxval = 5.5}),
    uniform({shape = {3, 5}}, {minval = {{}, -2, -1}, maxval = 2.0}),
    uniform{shape = {}},
    uniform{shape = {0, 3}},
    uniform{shape = {2, 3, 4}, dtype = "float32"},
    uniform({shape = {100}}, {key = key(-1, -1)}),
    errors = errors_of("random_uniform", {shape = {2}}, {{dtype = "int32"},
      "a float type expected as dtype, got int32"},
      {{minval = kl.tensor{0.0}}, scalar_only}),
  },
  random_normal = {
    normal{shape = {N}},
    normal({shape = {N}, dtype = "float64"}, {mean = 2, stddev = 0.5}),
    normal{shape = {}},
    normal{shape = {0}},
    normal{shape = {3, 7}, dtype = "float32"},
    errors = errors_of("random_normal", {shape = {2}}, {{dtype = "int64"}, "a float type expected"},
      {{stddev = kl.tensor{1.0}}, scalar_only}),
  },
  random_truncated_normal = {
    truncated{shape = {N}},
    truncated({shape = {N}, dtype = "float64"}, {mean = -1, stddev = 3}),
    truncated{shape = {}},
    truncated{shape = {0}},
    truncated{shape = {3, 7}, dtype = "float32"},
    errors = errors_of("random_truncated_normal", {shape = {2}}, {{dtype = "uint8"}, "a float type expected"},
      {{mean = kl.tensor{1.0}}, scalar_only}),
  },
  random_randint = {
    randint(0, 10, {shape = {N}}),
    randint(-7, 93, {shape = {N}, dtype = "int64"}),
    randint(0, 256, {shape = {N}, dtype = "uint8"}),
    randint(0, 2, {shape = {4, 5}, dtype = "float32"}),
    randint(math.mininteger, math.maxinteger, {shape = {50}, dtype = "int64"}),
    randint(-2147483648, 2147483648, {shape = {50}}),
    randint(3, 4, {shape = {}}),
    randint(3, 9, {shape = {0}}),
    errors = errors_of("random_randint", {shape = {2}, minval = 0, maxval = 10},
      {{maxval = 0}, "minval 0 must be below maxval 0"}, {{minval = 300, maxval = 400, dtype = "uint8"},
       "does not fit in uint8"},
      {{maxval = 1 << 40}, "does not fit in int32"}, {{maxval = kl.tensor{1}}, scalar_only}),
  },
  random_bernoulli = {
    bernoulli({shape = {N}}),
    bernoulli({shape = {N}, dtype = "int32"}, 0.1),
    bernoulli({shape = {50}, dtype = "uint8"}, 0.7),
    bernoulli({shape = {9}}, 0.0),
    bernoulli({shape = {9}}, 1.0),
    bernoulli{shape = {}},
    bernoulli{shape = {0}},
    errors = errors_of("random_bernoulli", {shape = {2}}, {{p = kl.tensor{0.5}}, scalar_only}),
  },
  random_permutation = {
    permutation(20000),
    permutation(20),
    permutation(1),
    permutation(0),
    small_permutations(),
    errors = errors_of("random_permutation", {n = 3}, {{n = -1}, "0 to 2147483647 elements expected, got %-1"}),
  },
  dropout = {
    dropout({100, 200}, 0.25),
    dropout({100, 200}, 0.5, "float64"),
    dropout({2, 3}, 0.5),
    dropout({5}, 0.0),
    dropout({}, 0.5),
    dropout({0, 3}, 0.5),
    errors = errors_of("dropout", {x = kl.tensor{1.0, 2.0}, rate = 0.5},
      {{x = kl.tensor{1, 2}}, "a float tensor expected, got int32"},
       {{rate = kl.tensor{0.5}}, "the rate must be a scalar"}),
  },
}
