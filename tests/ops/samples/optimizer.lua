-- Samples of optimizers' update directions; see tests/ops/driver.lua.  Formulas: keras-semantics 2.4.
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

return {
  rmsprop_direction = samples("rmsprop_direction", "gradient", rmsprop),
  adam_direction = samples("adam_direction", "momentum", adam),
}
