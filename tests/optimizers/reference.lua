-- The update rules of keras-semantics 2.4 in plain Lua doubles, one number at a time: slow and obvious, nothing of kl.
--
-- reference(class name, options, weights, gradients) returns the weights after all steps.  weights: lists of numbers, one per
-- variable; gradients[step][variable] alike.
local nd = require "nd"

local rules = {}

-- Each: (o, w, g, s, t, lr) -> the new weight; s is the slots of that number, empty before the first step.
function rules.SGD(o, w, g, s, _, lr)
  if o.momentum == 0 then return w - lr * g end
  s.m = o.momentum * (s.m or 0) - lr * g
  return o.nesterov and w + o.momentum * s.m - lr * g or w + s.m
end

function rules.RMSprop(o, w, g, s, _, lr)
  s.v = o.rho * (s.v or 0) + (1 - o.rho) * g * g
  local d = s.v + o.epsilon
  if o.centered then
    s.a = o.rho * (s.a or 0) + (1 - o.rho) * g
    d = s.v - s.a * s.a + o.epsilon
  end
  local step = lr * g / math.sqrt(d)
  if o.momentum > 0 then
    s.m = o.momentum * (s.m or 0) + step
    step = s.m
  end
  return w - step
end

function rules.Adam(o, w, g, s, t, lr)
  local alpha = lr * math.sqrt(1 - o.beta_2 ^ t) / (1 - o.beta_1 ^ t)
  s.m = (s.m or 0) + (g - (s.m or 0)) * (1 - o.beta_1)
  s.v = (s.v or 0) + (g * g - (s.v or 0)) * (1 - o.beta_2)
  local v = s.v
  if o.amsgrad then
    s.max = math.max(s.max or 0, s.v)
    v = s.max
  end
  return w - alpha * s.m / (math.sqrt(v) + o.epsilon)
end

local defaults = {
  SGD = {learning_rate = 0.01, momentum = 0, nesterov = false},
  RMSprop = {learning_rate = 0.001, rho = 0.9, momentum = 0, epsilon = 1e-7, centered = false},
  Adam = {learning_rate = 0.001, beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7, amsgrad = false},
}

local function squares(list)
  local sum = 0
  for _, g in ipairs(list) do sum = sum + g * g end
  return sum
end

local function clip(o, gradients)
  local all = 0
  for _, g in ipairs(gradients) do all = all + squares(g) end
  local clipped = {}
  for i, list in ipairs(gradients) do
    clipped[i] = {}
    for k, g in ipairs(list) do
      if o.clipvalue then g = math.max(-o.clipvalue, math.min(o.clipvalue, g)) end
      if o.clipnorm then g = g * o.clipnorm / math.max(math.sqrt(squares(list)), o.clipnorm) end
      if o.global_clipnorm then g = g * o.global_clipnorm * math.min(1 / math.sqrt(all), 1 / o.global_clipnorm) end
      clipped[i][k] = g
    end
  end
  return clipped
end

return function(name, options, weights, gradients)
  local o = {}
  for key, value in pairs(defaults[name]) do o[key] = value end
  for key, value in pairs(options) do o[key] = value end
  local lr = nd.float32(o.learning_rate) -- the variable that holds it is a float32 one
  local w, slots = {}, {}
  for i, list in ipairs(weights) do w[i], slots[i] = {table.unpack(list)}, {} end
  for t, step in ipairs(gradients) do
    for i, list in ipairs(clip(o, step)) do
      for k, g in ipairs(list) do
        slots[i][k] = slots[i][k] or {}
        if o.weight_decay then w[i][k] = w[i][k] - w[i][k] * o.weight_decay * lr end
        w[i][k] = rules[name](o, w[i][k], g, slots[i][k], t, lr)
      end
    end
  end
  return w
end
