-- Tests of lua/kl/ops/statistics.lua; see tests/ops/composites_spec.lua.  Extreme inputs are in softmax_spec.lua.
local kl = require "kl"
local nd = require "nd"
local gen = require "gen"
local compare = require "compare"
local gradients = require "gradients"
local raises = require "raises"
local assert = require "luassert"

local function mean(values)
  local s = 0
  for _, v in ipairs(values) do s = s + v end
  return s / #values
end
local function variance(values)
  local m, s = mean(values), 0
  for _, v in ipairs(values) do s = s + (v - m) ^ 2 end
  return s / #values
end
local function norm_of(p)
  return function(values)
    local s = 0
    for _, v in ipairs(values) do s = s + math.abs(v) ^ p end
    return s ^ (1 / p)
  end
end

--- Holds f (a kl function of x, axis, keepdims) against a function of the elements that meet, with gradients.
local function check(f, reference)
  gen.restart "statistics"
  for _, entry in ipairs{{{5}}, {{}}, {{2, 3}}, {{2, 3}, 1}, {{2, 3}, -1, true}, {{2, 3, 4}, {1, 3}},
    {{2, 3, 4}, {2, 3}, true}} do
    local array = gen.array(entry[1], 0.5, 3)
    local x = kl.tensor(array:nested(), "float64"):reshape(entry[1])
    local axis, keepdims = entry[2], entry[3]
    compare.values(f(x, axis, keepdims), array:reduce(reference, axis, keepdims), 1e-12, "value")
    local single = f(kl.cast(x, "float32"), axis, keepdims)
    assert.equal("float32", single.dtype)
    compare.values(single, array:reduce(reference, axis, keepdims), 1e-5, "float32 value")
    if #array > 1 then gradients.check(function(xs) return {f(xs[1], axis, keepdims)} end, {x}) end
  end
end

local tests = {
  var = {
    ["is the mean square of the distances from the mean"] = function() check(kl.var, variance) end,
    ["takes options by name"] = function()
      assert.same({{0.25}, {1}}, kl.var(kl.tensor{{1.0, 2.0}, {3.0, 5.0}}, {axis = 2, keepdims = true}):totable())
    end,
    ["of integers is float32"] = function()
      local v = kl.var(kl.tensor{1, 2, 3, 4})
      assert.equal("float32", v.dtype)
      assert.equal(1.25, v:item())
    end,
    ["refuses an axis that is not there"] = function()
      raises(function() kl.var(kl.ones{2, 3}, 3) end, "axis 3 is out of range")
      raises(function() kl.var(kl.ones{2}, {axis = 1, ddof = 1}) end, "kl.var: unknown option 'ddof'")
    end,
  },
  std = {
    ["is the root of the variance"] = function()
      gen.restart "std"
      local x = kl.tensor(gen.array({3, 4}, -1, 1):nested(), "float64")
      compare.bits(kl.std(x, 2), kl.sqrt(kl.var(x, 2)), "std")
      gradients.check(function(xs) return {kl.std(xs[1], 1, true)} end, {x})
    end,
  },
  logsumexp = {
    ["is the logarithm of the sum of exponentials"] = function()
      check(kl.logsumexp, function(values)
        local s = 0
        for _, v in ipairs(values) do s = s + math.exp(v) end
        return math.log(s)
      end)
    end,
    ["keeps axes of length 1 that it does not reduce"] = function()
      assert.same({1, 3}, kl.logsumexp(kl.ones{1, 3, 2}, 3).shape)
      assert.same({3, 1}, kl.logsumexp(kl.ones{3, 1, 1}, 2).shape)
      assert.same({}, kl.logsumexp(kl.ones{1, 1}).shape)
    end,
    ["of integers is float32"] = function() assert.equal("float32", kl.logsumexp(kl.tensor{1, 2}).dtype) end,
    ["refuses an axis that is not there"] = function()
      raises(function() kl.logsumexp(kl.ones{2, 3}, 3) end, "axis 3 is out of range")
    end,
  },
  norm = {
    ["is Euclidean, over all axes or some"] = function()
      check(function(x, axis, keepdims) return kl.norm(x, nil, axis, keepdims) end, norm_of(2))
      check(function(x, axis, keepdims) return kl.norm(x, "fro", axis, keepdims) end, norm_of(2))
    end,
    ["has other orders along one axis"] = function()
      gen.restart "norm"
      local array = gen.array({3, 4}, 0.5, 2)
      local x = kl.tensor(array:nested(), "float64")
      local most = function(values) return math.max(table.unpack(values)) end
      local least = function(values) return math.min(table.unpack(values)) end
      for order, reference in pairs{[1] = norm_of(1), [2] = norm_of(2), [3] = norm_of(3), [0.5] = norm_of(0.5),
                                    [math.huge] = most, [-math.huge] = least} do
        compare.values(kl.norm(-x, order, 2), array:reduce(reference, 2), 1e-12, "order " .. order)
        compare.values(kl.norm(x, {ord = order, axis = 1, keepdims = true}), array:reduce(reference, 1, true), 1e-12,
          "kept")
        gradients.check(function(xs) return {kl.norm(xs[1], order, 2)} end, {x})
      end
    end,
    ["of order 0 counts what is not 0"] = function()
      assert.same({2, 0}, kl.norm(kl.tensor{{0.0, -3.0, 0.5}, {0.0, 0.0, -0.0}}, 0, 2):totable())
    end,
    ["of a vector needs no axis"] = function()
      assert.equal(7, kl.norm(kl.tensor{3.0, -4.0}, 1):item())
      assert.equal(5, kl.norm(kl.tensor{3.0, -4.0}):item())
    end,
    ["of integers is float32 for every order"] = function()
      for _, order in ipairs{0, 1, 2, 3, math.huge, -math.huge} do
        assert.equal("float32", kl.norm(kl.tensor{3, -4}, order).dtype)
      end
    end,
    ["refuses orders over several axes, and what is no order"] = function()
      raises(function() kl.norm(kl.ones{2, 3}, 1) end,
        "kl.norm: ord 1 over 2 axes is not defined here: use \"fro\", or one axis")
      raises(function() kl.norm(kl.ones{3}, "nuc") end,
        "kl.norm: ord must be a number or \"fro\", got the string \"nuc\"")
    end,
  },
}

local function near(expected, t)
  assert(kl.allclose(t, expected, {rtol = 1e-6}), tostring(t))
end

tests.clip_by_norm = {
  ["scales down what has a larger norm, over all axes or those given"] = function()
    near({0.6, 0.8}, kl.clip_by_norm({3.0, 4.0}, 1.0))
    near({3.0, 4.0}, kl.clip_by_norm({3.0, 4.0}, 10))
    near({{3.0, 4.0}, {3.0, 4.0}}, kl.clip_by_norm({{3.0, 4.0}, {6.0, 8.0}}, 5, {axis = 2}))
    near({0, 0}, kl.clip_by_norm({0.0, 0.0}, 1))
    assert.equal("float64", kl.clip_by_norm(kl.tensor({3.0}, "float64"), 1).dtype)
  end,
  ["has gradients, at zeros too"] = function()
    gradients.check(function(xs) return {kl.clip_by_norm(xs[1], 2, 1)} end, {kl.tensor({{3.0, 0.3}, {-4.0, 0.4}}, "float64")})
    local x = kl.Variable{0.0, 0.0}
    local tape <close> = kl.GradientTape()
    assert.same({1, 1}, tape:gradient(kl.clip_by_norm(x, 1), x):totable())
  end,
}

tests.global_norm = {
  ["is the norm of all elements together, without gradients that there are not"] = function()
    assert.equal(13, kl.global_norm({kl.tensor{3.0, 4.0}, false, kl.tensor{{12.0}}}):item())
    raises(function() kl.global_norm{false} end, "kl.global_norm: a list with at least one tensor expected")
    raises(function() kl.global_norm(kl.ones{2}) end, "kl.global_norm: a list of tensors expected, got a float32 tensor")
  end,
}

tests.clip_by_global_norm = {
  ["scales all by one factor and tells the norm before"] = function()
    local clipped, norm = kl.clip_by_global_norm({kl.tensor{3.0, 4.0}, false, kl.tensor{12.0}}, 6.5)
    assert.equal(3, #clipped)
    near({1.5, 2.0}, clipped[1])
    assert.is_false(clipped[2])
    near({6.0}, clipped[3])
    assert.equal(13, norm:item())
    near({3.0, 4.0}, kl.clip_by_global_norm({kl.tensor{3.0, 4.0}}, 100)[1])
    near({1.5, 2.0}, kl.clip_by_global_norm({kl.tensor{3.0, 4.0}}, 5, {use_norm = 10})[1])
  end,
}

tests.count_nonzero = {
  ["counts what is not 0 over the axes"] = function()
    local x = kl.tensor{{0.0, 1.0, -2.0}, {0.0, 0.0, 0 / 0}}
    assert.equal(3, kl.count_nonzero(x):item())
    assert.same({0, 1, 2}, kl.count_nonzero(x, 1):totable())
    assert.same({{2}, {1}}, kl.count_nonzero(x, {axis = 2, keepdims = true}):totable())
    assert.equal("int32", kl.count_nonzero{true, false}.dtype)
  end,
}

tests.average = {
  ["weighs the elements, or the places of an axis"] = function()
    local x = kl.tensor{{1.0, 2.0}, {3.0, 4.0}}
    near(2.5, kl.average(x))
    near({2, 3}, kl.average(x, 1))
    near(3, kl.average(x, {weights = x}))
    near({2.5, 3.5}, kl.average(x, 1, {1, 3}))
    near({1.75, 3.75}, kl.average(x, -1, kl.tensor{1.0, 3.0}))
    raises(function() kl.average(x, nil, {1, 3}) end, "weights of shape %(2,%) for x of shape %(2, 2%)")
  end,
}

--- A check of the checker: the reference arrays' own reduce.
assert(nd.from{{1, 2}, {3, 4}}:reduce(mean, 1)[2] == 3)

return tests
