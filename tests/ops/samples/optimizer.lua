-- Samples of optimizers' updates and update directions; see tests/ops/driver.lua.  Formulas: keras-semantics 2.4.
local kl = require "kl"
local ops = kl.core.ops

local function rmsprop(gradient, velocity, rate, epsilon) return rate * gradient / math.sqrt(velocity + epsilon) end
local function adam(momentum, velocity, rate, epsilon) return rate * momentum / (math.sqrt(velocity) + epsilon) end

-- Signed gradients, velocities well above 0, positive rates, and an epsilon large enough to be seen.
local domains = {{}, {low = 0.2, high = 2}, {low = 0.01, high = 1}, {low = 0.05, high = 0.2}}

local function samples(name, first, f)
  local names = {first, "velocity", "learning_rate", "epsilon"}
  local function refused(...)
    local arguments = {...}
    return function() ops[name](table.unpack(arguments)) end
  end
  return {
    -- a product, a sum, a reciprocal (square root) of 1.5 ulp through an estimate, and another product
    {elementwise = f, names = names, domains = domains, ulps = 4},
    {inputs = {[first] = {{33}, -2, 2}, velocity = {{33}, 0.2, 2}, learning_rate = 0.125, epsilon = 0.5}, ulps = 4,
     reference = function(a)
       return require "nd".map(function(g, v) return f(g, v, 0.125, 0.5) end, a[first], a.velocity)
     end},
    errors = {{refused(kl.tensor{1.0, 2.0}, kl.tensor{1.0, 2.0, 3.0}, 0.1, 0.1), "shapes do not broadcast"},
              {refused(kl.tensor{1.0, 2.0}, kl.tensor{1.0, 2.0}, 0.1), "'epsilon' is missing"}},
  }
end

-- Updates: several results, one per variable and slot.  Shapes of the tensors; the other inputs are numbers or {1} tensors.
local function updates(name, tensors, scalars, results)
  local function case(shapes, as_tensors)
    local inputs = {}
    for i, tensor in ipairs(tensors) do
      inputs[tensor] = {shapes[i] or shapes[1], tensor == "velocity" and 0.2 or -2, 2}
    end
    for scalar, value in pairs(scalars) do inputs[scalar] = as_tensors and {values = {value}} or value end
    local function each(a, f)
      local nd, lists, found = require "nd", {}, {}
      for i, tensor in ipairs(tensors) do lists[i] = a[tensor] end
      for k = 1, #results do found[k] = nd.map(f(k), table.unpack(lists)) end
      return found
    end
    return {inputs = inputs, reference = function(a) return each(a, function(k) return results[k] end) end,
      -- at most five roundings of numbers below 4, 2.4e-7 each, which differences do not make smaller
      bound = function(a) return each(a, function() return function() return 1.2e-6 end end)[1] end}
  end
  local function refused(...)
    local arguments = {...}
    return function() ops[name](table.unpack(arguments)) end
  end
  local x = kl.tensor{1.0, 2.0}
  local enough = {}
  for i = 1, #tensors do enough[i] = x end
  return {
    case{{}}, case{{7}}, case{{0, 3}}, case{{5, 300}}, case{{40, 500}}, case({{33}}, true),
    case{{2, 3}, {3}, {2, 1}},
    errors = {{refused(kl.tensor{1.0, 2.0, 3.0}, table.unpack(enough, 2)), "is missing"},
              {refused(table.unpack(enough)), "'[%w_]+' is missing"}},
  }
end

-- With the values of the numbers below.
local function new_velocity(g, v) return v * 0.875 + g * g * 0.125 end
local function rmsprop_variable(g, w, v) return w - 0.125 * g / math.sqrt(new_velocity(g, v) + 0.5) end
local function new_m(g, m) return m + (g - m) * 0.25 end
local function new_v(g, v) return v + (g * g - v) * 0.125 end
local function adam_variable(g, w, m, v) return w - 0.125 * new_m(g, m) / (math.sqrt(new_v(g, v)) + 0.5) end

return {
  rmsprop_update = updates("rmsprop_update", {"gradient", "variable", "velocity"},
    {learning_rate = 0.125, rho = 0.875, one_minus_rho = 0.125, epsilon = 0.5},
    {rmsprop_variable, function(g, _, v) return new_velocity(g, v) end}),
  adam_update = updates("adam_update", {"gradient", "variable", "momentum", "velocity"},
    {alpha = 0.125, one_minus_beta_1 = 0.25, one_minus_beta_2 = 0.125, epsilon = 0.5},
    {adam_variable, function(g, _, m) return new_m(g, m) end, function(g, _, _, v) return new_v(g, v) end}),
  rmsprop_direction = samples("rmsprop_direction", "gradient", rmsprop),
  adam_direction = samples("adam_direction", "momentum", adam),
}
