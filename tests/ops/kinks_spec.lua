-- Gradients where a function has none by the book: which side is taken, and who gets it when several are chosen.
-- TensorFlow's rules, which models are trained with.
local kl = require "kl"

--- d sum(f(xs...)) / d xs.
local function slopes(f, ...)
  local xs = {}
  for i, values in ipairs{...} do xs[i] = kl.tensor(values, "float64") end
  local tape <close> = kl.GradientTape()
  tape:watch(xs)
  local gradients = tape:gradient(kl.sum(f(table.unpack(xs))), xs)
  for i, g in ipairs(gradients) do gradients[i] = g:totable() end
  return table.unpack(gradients)
end

describe("at a kink", function()
  it("relu and abs have the slope 0", function()
    assert.same({0, 0, 1}, (slopes(kl.relu, {-1.0, 0.0, 1.0})))
    assert.same({-1, 0, 1}, (slopes(kl.abs, {-1.0, 0.0, 1.0})))
  end)

  it("maximum and minimum give everything to the first of two equal numbers", function()
    local a, b = slopes(kl.maximum, {1.0, 2.0, 3.0}, {2.0, 2.0, 2.0})
    assert.same({0, 1, 1}, a)
    assert.same({1, 0, 0}, b)
    a, b = slopes(kl.minimum, {1.0, 2.0, 3.0}, {2.0, 2.0, 2.0})
    assert.same({1, 1, 0}, a)
    assert.same({0, 0, 1}, b)
  end)

  it("max and min share among equal elements", function()
    assert.same({0, 0.5, 0.5}, (slopes(kl.max, {1.0, 3.0, 3.0})))
    assert.same({{0.5, 0.5}, {1, 0}}, (slopes(function(x) return kl.min(x, 2) end, {{2.0, 2.0}, {1.0, 5.0}})))
  end)

  it("sort and top_k give what they took of equal elements to the first ones, in order", function()
    local weights = kl.tensor({1.0, 2.0, 3.0}, "float64")
    assert.same({2, 1, 3}, (slopes(function(x) return kl.sort(x) * weights end, {3.0, 1.0, 3.0})))
    assert.same({1, 0, 2}, (slopes(function(x) return kl.top_k(x, 2)[1] * weights[{{1, 2}}] end, {3.0, 1.0, 3.0})))
    assert.same({0, 1, 0}, (slopes(function(x) return kl.top_k(x, 1)[1] end, {1.0, 3.0, 3.0})))
  end)

  it("clip passes the gradient on its bounds, and to the bound outside", function()
    local x, low, high = slopes(kl.clip, {-2.0, -1.0, 0.0, 1.0, 2.0}, {-1.0, -1.0, -1.0, -1.0, -1.0},
      {1.0, 1.0, 1.0, 1.0, 1.0})
    assert.same({0, 1, 1, 1, 0}, x)
    assert.same({1, 0, 0, 0, 0}, low)
    assert.same({0, 0, 0, 0, 1}, high)
  end)

  it("power with a base that is not positive has no slope in the exponent, and no NaN", function()
    local base, exponent = slopes(kl.power, {0.0, -2.0, 2.0}, {2.0, 3.0, 2.0})
    assert.same({0, 12, 4}, base)
    assert.same({0, 0}, {exponent[1], exponent[2]})
    assert(math.abs(exponent[3] - 4 * math.log(2)) < 1e-14)
  end)

  it("prod has the slope of the product of the others at zeros", function()
    assert.same({6, 0, 0}, (slopes(kl.prod, {0.0, 2.0, 3.0})))
    assert.same({0, 0, 0}, (slopes(kl.prod, {0.0, 0.0, 3.0})))
  end)

  it("where passes nothing to the branch that is not taken, not even a NaN", function()
    local g = slopes(function(x) return kl.where(kl.greater(x, 0), x * 2.0, kl.zeros_like(x)) end, {-1.0, 3.0})
    assert.same({0, 2}, g)
  end)

  it("stop_gradient and integers end the path", function()
    local x = kl.tensor{1.5, 2.5}
    local tape <close> = kl.GradientTape{persistent = true}
    tape:watch(x)
    assert.is_nil(tape:gradient(kl.sum(kl.stop_gradient(x)), x))
    assert.is_nil(tape:gradient(kl.sum(kl.cast(kl.cast(x, "int32"), "float32")), x))
    assert.same({1, 1}, tape:gradient(kl.sum(kl.stop_gradient(x) + x), x):totable())
  end)
end)
