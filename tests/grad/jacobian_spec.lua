-- tape:jacobian and tape:batch_jacobian (keras-semantics 14).
local kl = require "kl"
local compare = require "compare"
local gen = require "gen"
local raises = require "raises"

local function tensor(shape) return kl.tensor(gen.array(shape, -1, 1):nested(), "float64"):reshape(shape) end

--- d f(x) / d x by central differences, one element of x after the other.
local function differences(f, x)
  local h, rows, n = 1e-6, {}, kl.core.size(x)
  for i = 1, n do
    local step = kl.reshape(kl.cast(kl.equal(kl.arange(n), i - 1), "float64"), x.shape) * h
    rows[i] = kl.reshape((f(x + step) - f(x - step)) / (2 * h), {-1})
  end
  local y = f(x)
  local shape = y.shape
  table.move(x.shape, 1, x.ndim, #shape + 1, shape)
  return kl.reshape(kl.transpose(kl.stack(rows)), shape)
end

local function near(a, b) assert.is_true(kl.max(kl.abs(a - b)):item() < 1e-8) end

local function jacobian_of(f, x, options)
  local tape <close> = kl.GradientTape()
  tape:watch(x)
  return tape:jacobian(f(x), x, options)
end

describe("tape:jacobian", function()
  it("has the target's shape, then the source's, and the numbers of differences", function()
    gen.restart "jacobian"
    local w = tensor{3, 2}
    local functions = {
      function(x) return kl.matmul(kl.tanh(x), w) * kl.sum(x) end,
      function(x) return kl.sum(kl.square(x)) end,
      function(x) return kl.cumsum(kl.sin(x), 1) end,
      function(x) return kl.sort(kl.exp(x), 1)[1] end,
    }
    for _, f in ipairs(functions) do
      local x = tensor{2, 3}
      local j, expected = jacobian_of(f, x), differences(f, x)
      assert.same(expected.shape, j.shape)
      assert.equal("float64", j.dtype)
      near(j, expected)
    end
  end)

  it("takes scalars on either side", function()
    local x = kl.tensor(3.0)
    assert.equal(6, jacobian_of(function(t) return t * t end, x):item())
    assert.same({1, 6}, jacobian_of(function(t) return kl.stack{t, t * t} end, x):totable())
  end)

  it("keeps the structure of the sources, tensors and variables, and says false where there is no path", function()
    local a, b, v = kl.tensor{1.0, 2}, kl.tensor{3.0}, kl.Variable{{1.0, 2}, {3, 4}}
    local tape <close> = kl.GradientTape{persistent = true}
    tape:watch{a, b}
    local y = kl.matmul(v, kl.reshape(a, {2, 1})):reshape{2}
    local j = tape:jacobian(y, {first = a, rest = {b, v}})
    assert.same({{1, 2}, {3, 4}}, j.first:totable())
    assert.is_false(j.rest[1])
    assert.same({{{1, 2}, {0, 0}}, {{0, 0}, {1, 2}}}, j.rest[2]:totable())
    assert.is_nil(tape:jacobian(y, b))
    assert.same({{0}, {0}}, tape:jacobian(y, b, {unconnected_gradients = "zero"}):totable())
    assert.same({}, tape:jacobian(y, {}))
  end)

  it("of nothing is empty, and of a source with respect to itself the identity", function()
    assert.same({0, 2}, jacobian_of(function(x) return x[{ {1, 0} }] end, kl.tensor{1.0, 2}).shape)
    assert.same({2, 0}, jacobian_of(function(x) return kl.ones{2} * kl.sum(x) end, kl.zeros{0}).shape)
    assert.same({{1, 0}, {0, 1}}, jacobian_of(function(x) return x end, kl.tensor{1.0, 2}):totable())
  end)

  it("takes the place of one gradient, and of any number on a persistent tape", function()
    local x = kl.tensor{1.0, 2}
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    local y = x * x
    assert.same({{2, 0}, {0, 4}}, tape:jacobian(y, x):totable())
    assert.is_false(tape:is_recording())
    raises(function() tape:gradient(y, x) end, "this tape has given its one gradient")
    raises(function() tape:jacobian(y, x) end, "this tape has given its one gradient")
    local lasting <close> = kl.GradientTape{persistent = true}
    lasting:watch(x)
    local z = x ^ 3
    for _ = 1, 2 do assert.same({{3, 0}, {0, 12}}, lasting:jacobian(z, x):totable()) end
    assert.same({3, 12}, lasting:gradient(z, x):totable())
  end)

  it("is recorded by an outer tape, and by its own if that is persistent", function()
    local x = kl.tensor({0.5, -1}, "float64")
    local outer <close> = kl.GradientTape()
    outer:watch(x)
    local inner <close> = kl.GradientTape{persistent = true}
    inner:watch(x)
    local y = x ^ 3 * kl.flip(x)
    local j = inner:jacobian(y, x)
    local function f(t) return jacobian_of(function(u) return u ^ 3 * kl.flip(u) end, t) end
    near(outer:jacobian(j, x), differences(f, x))
    near(inner:jacobian(j, x), differences(f, x))
  end)

  it("gives the Hessian as the Jacobian of a gradient", function()
    local x = kl.tensor({1.0, 2}, "float64")
    local outer <close> = kl.GradientTape()
    outer:watch(x)
    local inner <close> = kl.GradientTape()
    inner:watch(x)
    local g = inner:gradient(x[1] ^ 2 * x[2] ^ 3, x)
    assert.same({{16, 24}, {24, 12}}, outer:jacobian(g, x):totable())
  end)

  it("goes through custom gradients", function()
    local square = kl.custom_gradient(function(x) return x * x, function(u) return u * 10 end end)
    for _ = 1, 2 do assert.same({{10, 0}, {0, 10}}, jacobian_of(square, kl.tensor{1.0, 2}):totable()) end
  end)

  it("in a step, replayed too, has the bits of immediate mode", function()
    local w = kl.Variable(kl.random.normal{3, 4})
    local function f(x)
      local tape <close> = kl.GradientTape()
      tape:watch(x)
      local y = kl.softmax(kl.matmul(x, w))
      local j = tape:jacobian(y, {x, w})
      return j[1], j[2]
    end
    for _, options in ipairs{{}, {replay = true}} do
      local step = kl.jit(f, options)
      for _ = 1, 3 do
        local x = kl.random.normal{2, 3}
        local a, b = f(x)
        local c, d = step(x)
        compare.bits(c, a, "by the tensor")
        compare.bits(d, b, "by the variable")
      end
    end
  end)

  it("sweeps what was recorded once for each element: time grows with it, not with its square", function()
    local x = kl.random.normal{200}
    local tape <close> = kl.GradientTape{persistent = true}
    tape:watch(x)
    local y = kl.tanh(x) * 2
    local nodes = tape:_count()
    assert.same({200, 200}, tape:jacobian(y, x).shape)
    assert.is_true(tape:_count() - nodes < 200 * 12) -- what one sweep of two nodes records, and the stacking
  end)

  it("refuses what it cannot take", function()
    local x = kl.tensor{1.0}
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    local y = x * 2
    raises(function() tape:jacobian({y, y}, x) end, "jacobian: the target must be one tensor or variable, got a table")
    raises(function() tape:jacobian(nil, x) end, "jacobian: the target must be one tensor or variable, got nil")
    raises(function() tape:jacobian(y) end, "jacobian: source %(a tensor, a variable or a structure%) expected, got nil")
    raises(function() tape:jacobian(y, {x, 5}) end, "jacobian: source 2 must be one tensor or variable, got integer 5")
    raises(function() tape:jacobian(y, x, {unconnected = "zero"}) end, "unconnected")
    raises(function() tape:jacobian(y, x, {unconnected_gradients = "zeros"}) end, "must be \"none\" or \"zero\"")
    raises(function() tape:jacobian(kl.ones{1, 1, 1, 1, 1}, kl.ones{1, 1, 1, 1}) end,
      "the result would have 9 axes, the largest rank is 8")
    raises(function() tape:jacobian(kl.Input{3}, x) end, "the target has a shape that is not known, %(%?, 3%)")
    assert.same({{2}}, tape:jacobian(y, x):totable())
  end)
end)

describe("tape:batch_jacobian", function()
  it("has the Jacobian of each example", function()
    gen.restart "batch"
    local w = tensor{3, 2}
    for _, case in ipairs{
      {function(x) return kl.matmul(kl.tanh(x), w) end, {4, 3}, {4, 2, 3}},
      {function(x) return kl.sum(kl.square(x), {2, 3}) end, {4, 3, 2}, {4, 3, 2}},
      {function(x) return kl.reshape(kl.exp(x), {4, 1, 3}) * kl.reshape(x, {4, 3, 1}) end, {4, 3}, {4, 3, 3, 3}},
      {function(x) return kl.square(x) end, {4}, {4}},
    } do
      local f, x = case[1], tensor(case[2])
      local tape <close> = kl.GradientTape{persistent = true}
      tape:watch(x)
      local y = f(x)
      local j = tape:batch_jacobian(y, x)
      assert.same(case[3], j.shape)
      local whole = tape:jacobian(y, x)
      for b = 1, 4 do
        local index = {b}
        for i = 2, y.ndim do index[i] = {} end
        index[y.ndim + 1] = b
        near(j[b], whole[index])
      end
    end
  end)

  it("in a step has the bits of immediate mode, and is differentiated again", function()
    local function f(x)
      local outer <close> = kl.GradientTape()
      outer:watch(x)
      local inner <close> = kl.GradientTape()
      inner:watch(x)
      local j = inner:batch_jacobian(kl.cumsum(x ^ 3, 2), x)
      return j, outer:gradient(kl.sum(j), x)
    end
    local x = kl.random.normal{3, 4}
    local j, g = f(x)
    local a, b = kl.jit(f)(x)
    compare.bits(a, j, "Jacobian")
    compare.bits(b, g, "its gradient")
    assert.is_true(kl.max(kl.abs(g - 6 * x * kl.tensor{4, 3, 2, 1})):item() < 1e-4)
  end)

  it("is nil without a path, zeros where they are asked for, and empty for no examples", function()
    local x = kl.ones{2, 3}
    local tape <close> = kl.GradientTape{persistent = true}
    tape:watch(x)
    assert.is_nil(tape:batch_jacobian(kl.ones{2, 4}, x))
    assert.same({2, 4, 3}, tape:batch_jacobian(kl.ones{2, 4}, x, {unconnected_gradients = "zero"}).shape)
    local none = kl.ones{0, 3}
    tape:watch(none)
    assert.same({0, 3, 3}, tape:batch_jacobian(none * 2, none).shape)
  end)

  it("refuses first axes that differ", function()
    local tape <close> = kl.GradientTape{persistent = true}
    raises(function() tape:batch_jacobian(kl.ones{4, 2}, kl.ones{3, 2}) end,
      "target of shape %(4, 2%) and source of shape %(3, 2%) must have a first axis of the same length")
    raises(function() tape:batch_jacobian(kl.tensor(1.0), kl.ones{3}) end, "must have a first axis of the same length")
    raises(function() tape:batch_jacobian(kl.ones{3}, {kl.ones{3}}) end, "the source must be one tensor or variable, got a table")
  end)
end)
