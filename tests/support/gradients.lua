-- Gradients against central differences along random directions, in float64.  reliability.md 9 asks for 1e-5 + 1e-3
-- |value|; samples of moderate numbers allow 1e-6 of both, which sees a constant that is wrong in its fourth digit.
local kl = require "kl"
local gen = require "gen"
local compare = require "compare"
local assert = require "luassert"

local gradients = {}

local function random_like(x)
  return kl.tensor(gen.array(x.shape, -1, 1):nested(), "float64"):reshape(x.shape)
end

local function is_float(t) return t.dtype:find("float") ~= nil end

local function dot(a, b) return kl.sum(a * b) end

--- Sum of products along a list; 0 for an empty one.
local function along(direction, list)
  local total = 0.0
  for i, g in ipairs(list) do total = total + dot(g, direction[i]) end
  return total
end

--- d loss / d xs for loss = sum of w * the float results of f.
local function gradient_of(f, w)
  return function(xs)
    local tape <close> = kl.GradientTape{watch_accessed_variables = false}
    tape:watch(xs)
    local floats = {}
    for _, r in ipairs(f(xs)) do
      if is_float(r) then floats[#floats + 1] = r end
    end
    return tape:gradient(along(w, floats), xs, {unconnected_gradients = "zero"})
  end
end

local function check(kind, analytic, numeric)
  if not compare.close(analytic, numeric, 1e-6) then
    error(("%s gradient: %.10g, central difference %.10g"):format(kind, analytic, numeric), 0)
  end
end

--- Checks first and (unless options.second is false) second order gradients of f, which takes a list of float64 tensors
--- and returns a list of tensors, at xs.
function gradients.check(f, xs, options)
  local weights, d1, d2 = {}, {}, {}
  for _, r in ipairs(f(xs)) do
    if is_float(r) then weights[#weights + 1] = random_like(r) end
  end
  if #weights == 0 then return end
  for i, x in ipairs(xs) do d1[i], d2[i] = random_like(x), random_like(x) end
  local function loss(values)
    local floats = {}
    for _, r in ipairs(f(values)) do
      if is_float(r) then floats[#floats + 1] = r end
    end
    return along(weights, floats)
  end
  local function moved(direction, h)
    local values = {}
    for i, v in ipairs(xs) do values[i] = v + direction[i] * h end
    return values
  end
  local gradient = gradient_of(f, weights)
  local first = gradient(xs)
  for i, g in ipairs(first) do
    assert.same(xs[i].shape, g.shape, "shape of gradient " .. i)
    assert.equal(xs[i].dtype, g.dtype, "dtype of gradient " .. i)
  end
  local h = 1e-6
  check("first", along(d1, first):item(), (loss(moved(d1, h)) - loss(moved(d1, -h))):item() / (2 * h))
  if options and options.second == false then return end
  local tape <close> = kl.GradientTape{watch_accessed_variables = false}
  tape:watch(xs)
  local second = tape:gradient(along(d1, gradient(xs)), xs, {unconnected_gradients = "zero"})
  h = 1e-5 -- a difference of gradients: half of the digits are gone anyway, a longer step loses less to rounding
  local numeric = (along(d1, gradient(moved(d2, h))) - along(d1, gradient(moved(d2, -h)))):item() / (2 * h)
  check("second", along(d2, second):item(), numeric)
end

--- In float32 a gradient has its source's type and shape, whatever numbers the rule is written with.
function gradients.check_types(f, xs)
  local tape <close> = kl.GradientTape{watch_accessed_variables = false}
  tape:watch(xs)
  local targets = {}
  for _, r in ipairs(f(xs)) do
    if is_float(r) then targets[#targets + 1] = r end
  end
  if #targets == 0 then return end
  for i, g in ipairs(tape:gradient(targets, xs, {unconnected_gradients = "zero"})) do
    assert.same(xs[i].shape, g.shape, "shape of gradient " .. i)
    assert.equal(xs[i].dtype, g.dtype, "dtype of gradient " .. i)
  end
end

--- A constant op: no path leads through it, and the tape names the op and the reason (unless what the op saw was
--- converted to bool first: the recording ends there already).
function gradients.check_constant(f, xs, name, reason)
  local tape <close> = kl.GradientTape{persistent = true, watch_accessed_variables = false}
  tape:watch(xs)
  for _, r in ipairs(f(xs)) do
    for _, g in ipairs(tape:gradient(r, xs)) do assert.is_false(g, "a gradient of a constant op") end
    local told = tape:why(r, xs[1])
    if told ~= "the source was used, but nothing computed from it reaches the target" then
      assert.equal(("the path is cut at kl.%s: %s"):format(name, reason), told)
    end
  end
end

return gradients
