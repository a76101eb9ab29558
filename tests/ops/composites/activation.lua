-- Tests of lua/kl/ops/activation.lua; see tests/ops/composites_spec.lua.  Keras's values are in tests/activations_spec.lua.
local kl = require "kl"
local nd = require "nd"
local gen = require "gen"
local compare = require "compare"
local gradients = require "gradients"
local raises = require "raises"
local assert = require "luassert"

local function clip(x, low, high) return math.min(math.max(x, low), high) end
local function sigmoid(x) return 1 / (1 + math.exp(-x)) end
local function tanh(x) return 1 - 2 / (math.exp(2 * x) + 1) end

--- The normal distribution function, by its series; good to 1e-12 for |x| <= 3.2.
local function normal(x)
  local sum, term, z = 0.0, 1.0, x / math.sqrt(2)
  for n = 0, 120 do
    sum = sum + term * z / (2 * n + 1)
    term = -term * z * z / (n + 1)
  end
  return 0.5 + sum / math.sqrt(math.pi)
end

--- Holds a function against a formula of one number, in both float types, with gradients away from `kinks`.
local function check(name, formula, kinks, ...)
  local more = {...}
  gen.restart(name)
  local array = gen.array({4, 25}, -3.2, 3.2, {avoid = kinks})
  local expected = nd.map(formula, array)
  local x = kl.tensor(array:nested(), "float64")
  local function f(t) return kl[name](t, table.unpack(more)) end
  compare.values(f(x), expected, 1e-11, name)
  local single = f(kl.cast(x, "float32"))
  assert.equal("float32", single.dtype)
  -- a few functions of 2 ulp and roundings, on numbers up to 3.2
  compare.values(single, expected, 3e-6, name .. " in float32")
  gradients.check(function(xs) return {f(xs[1])} end, {x})
  assert.same({}, f(kl.zeros{0}):totable())
  assert.same({}, f(kl.tensor(0.5)).shape)
end

--- Tests of one function: the formula with default and other parameters (a list of argument lists).
local function tests_of(name, formula, kinks, parameters)
  local tests = {
    ["is its formula, with its slopes"] = function()
      check(name, formula, kinks and kinks() or {})
      for _, more in ipairs(parameters or {}) do
        check(name, function(x) return formula(x, table.unpack(more)) end, kinks and kinks(table.unpack(more)),
          table.unpack(more))
      end
    end,
    ["refuses what it does not know"] = function()
      raises(function() kl[name]() end, "kl%." .. name .. ": 'x' is missing")
      raises(function() kl[name]("x") end, "kl%." .. name .. ": 'x' must be a tensor or a number")
      raises(function() kl[name](1.0, {slop = 1}) end, "kl%." .. name .. ": unknown option 'slop'")
      raises(function() kl[name](1.0, 1, 1, 1) end, "kl%." .. name .. " takes ")
    end,
  }
  return tests
end

local function kink(...)
  local list = {...}
  return function() return list end
end

local tests = {
  leaky_relu = tests_of("leaky_relu", function(x, slope) return x > 0 and x or (slope or 0.2) * x end, kink(0),
    {{0.01}, {-0.5}}),
  relu6 = tests_of("relu6", function(x) return clip(x, 0, 6) end, kink(0, 6)),
  elu = tests_of("elu", function(x, alpha) return x > 0 and x or (alpha or 1) * (math.exp(x) - 1) end, kink(0),
    {{0.3}}),
  selu = tests_of("selu", function(x)
    return 1.0507009873554805 * (x > 0 and x or 1.6732632423543772 * (math.exp(x) - 1))
  end, kink(0)),
  celu = tests_of("celu", function(x, alpha)
    alpha = alpha or 1
    return math.max(x, 0) + math.min(0, alpha * (math.exp(x / alpha) - 1))
  end, kink(0), {{2.5}, {0.5}}),
  gelu = tests_of("gelu", function(x, approximate)
    if not approximate then return x * normal(x) end
    return 0.5 * x * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ^ 3)))
  end, nil, {{true}}),
  silu = tests_of("silu", function(x) return x * sigmoid(x) end),
  log_sigmoid = tests_of("log_sigmoid", function(x) return math.log(sigmoid(x)) end),
  softsign = tests_of("softsign", function(x) return x / (1 + math.abs(x)) end, kink(0)),
  hard_sigmoid = tests_of("hard_sigmoid", function(x) return clip(x + 3, 0, 6) / 6 end, kink(-3, 3)),
  hard_silu = tests_of("hard_silu", function(x) return x * clip(x + 3, 0, 6) / 6 end, kink(-3, 3)),
  hard_tanh = tests_of("hard_tanh", function(x) return clip(x, -1, 1) end, kink(-1, 1)),
  mish = tests_of("mish", function(x) return x * tanh(math.log(1 + math.exp(x))) end),
  hard_shrink = tests_of("hard_shrink", function(x, t) return math.abs(x) > (t or 0.5) and x or 0 end,
    function(t) return {t or 0.5, -(t or 0.5)} end, {{1.25}}),
  soft_shrink = tests_of("soft_shrink", function(x, t)
    t = t or 0.5
    return x > t and x - t or x < -t and x + t or 0
  end, function(t) return {t or 0.5, -(t or 0.5)} end, {{1.25}}),
  tanh_shrink = tests_of("tanh_shrink", function(x) return x - tanh(x) end),
  squareplus = tests_of("squareplus", function(x, b) return (x + math.sqrt(x * x + (b or 4))) / 2 end, nil, {{0.5}}),
  sparse_plus = tests_of("sparse_plus", function(x)
    return x <= -1 and 0 or x >= 1 and x or (x + 1) ^ 2 / 4
  end, kink(-1, 1)),
  sparse_sigmoid = tests_of("sparse_sigmoid", function(x) return clip((x + 1) / 2, 0, 1) end, kink(-1, 1)),

  threshold = {
    ["is x above the threshold and the default value elsewhere"] = function()
      check("threshold", function(x) return x > 0.5 and x or -7 end, {0.5}, 0.5, -7)
      assert.same({-7, -7, 0.75}, kl.threshold(kl.tensor{-1.0, 0.5, 0.75},
        {threshold = 0.5, default_value = -7}):totable())
    end,
    ["needs both of its numbers"] = function()
      raises(function() kl.threshold(kl.ones{2}, 1) end, "kl.threshold: 'default_value' is missing")
    end,
  },

  glu = {
    ["is the first half of an axis times the sigmoid of the second"] = function()
      gen.restart "glu"
      local array = gen.array({2, 4, 3}, -2, 2)
      local x = kl.tensor(array:nested(), "float64")
      compare.values(kl.glu(x, 2), nd.new({2, 2, 3}, function(_, at)
        return array:at(at) * sigmoid(array:at{at[1], at[2] + 2, at[3]})
      end), 1e-12, "glu")
      compare.bits(kl.glu(kl.transpose(x, {1, 3, 2})), kl.transpose(kl.glu(x, 2), {1, 3, 2}), "along the last axis")
      gradients.check(function(xs) return {kl.glu(xs[1], {axis = 2})} end, {x})
    end,
    ["refuses an axis of odd length"] = function()
      raises(function() kl.glu(kl.ones{2, 3}) end, "an axis of length 3 does not split into 2 equal parts")
    end,
  },

  exponential = {
    ["is exp"] = function() assert.equal(kl.exp, kl.exponential) end,
  },
}

return tests
