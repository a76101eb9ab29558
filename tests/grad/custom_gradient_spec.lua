-- kl.custom_gradient and kl.gradcheck.
local kl = require "kl"
local raises = require "raises"

local function live() return kl.core.memory_stats().live_tensors end

--- The gradient of f at the given values, as Lua numbers or nested tables.
local function gradient_of(f, ...)
  local xs = {...}
  local tape <close> = kl.GradientTape()
  tape:watch(xs)
  local list = tape:gradient(f(table.unpack(xs)), xs)
  for i, g in ipairs(list) do list[i] = g and g:totable() end
  return table.unpack(list)
end

local clipped = kl.custom_gradient(function(x)
  return x * x, function(upstream) return upstream * 100 end
end)

describe("custom_gradient", function()
  it("computes the function and takes the given gradient instead of its own", function()
    assert.equal(9, clipped(kl.tensor(3.0)):item())
    assert.equal(100, gradient_of(clipped, kl.tensor(3.0)))
  end)

  it("passes on the upstream gradient", function()
    assert.equal(700, gradient_of(function(x) return clipped(x * 7) end, kl.tensor(1.0)))
    assert.equal(500, gradient_of(function(x) return clipped(x) * 5 end, kl.tensor(1.0)))
  end)

  it("takes several tensors, and other arguments as they are", function()
    local f = kl.custom_gradient(function(x, n, y, word)
      assert.equal("word", word)
      return x * n + y, function(u) return {u * 2, false} end
    end)
    local g, none = gradient_of(function(x, y) return f(x, 10, y, "word") end, kl.tensor(1.0), kl.tensor(1.0))
    assert.same({2, false}, {g, none})
  end)

  it("gives several values and gets one upstream gradient for each, zeros where none arrives", function()
    local f = kl.custom_gradient(function(x)
      return {x + 1, x + 2}, function(a, b) return a * 10 + b * 100 end
    end)
    local values = f(kl.tensor(1.0))
    assert.same({2, 3}, {values[1]:item(), values[2]:item()})
    assert.equal(110, gradient_of(function(x) local v = f(x); return v[1] + v[2] end, kl.tensor(1.0)))
    assert.equal(100, gradient_of(function(x) return f(x)[2] end, kl.tensor(1.0)))
  end)

  it("gives structures by name", function()
    local f = kl.custom_gradient(function(x) return {a = x, b = x * 2}, function(a, b) return a + b * 10 end end)
    assert.equal(10, gradient_of(function(x) return f(x).b end, kl.tensor(1.0)))
  end)

  it("asks for the gradients of the variables that the function reads", function()
    local w = kl.Variable{2.0, 3.0}
    local f = kl.custom_gradient(function(x)
      return x * w, function(u, variables)
        assert.same({w}, variables)
        return u * 7, {u * 5}
      end
    end)
    local x = kl.tensor{1.0, 1.0}
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    local g = tape:gradient(f(x), {x, w})
    assert.same({{7, 7}, {5, 5}}, {g[1]:totable(), g[2]:totable()})
  end)

  it("does not count a variable twice that is an argument", function()
    local w = kl.Variable(2.0)
    local f = kl.custom_gradient(function(v) return v * 1, function(u, more)
      assert.is_nil(more)
      return u * 9
    end end)
    local tape <close> = kl.GradientTape()
    assert.equal(9, tape:gradient(f(w), w):item())
  end)

  it("may be nested, and be part of a second order gradient", function()
    local inner = kl.custom_gradient(function(x) return x ^ 3, function(u) return u * 2 * x end end)
    local outer = kl.custom_gradient(function(x)
      local y = inner(x)
      return y, function(u)
        local tape <close> = kl.GradientTape()
        tape:watch(x)
        return u * tape:gradient(inner(x), x) * 10
      end
    end)
    assert.equal(60, gradient_of(outer, kl.tensor(3.0)))
    local function slope(x)
      local tape <close> = kl.GradientTape()
      tape:watch(x)
      return tape:gradient(inner(x), x)
    end
    assert.equal(2, gradient_of(slope, kl.tensor(3.0)))
  end)

  it("casts the gradient to the argument's type", function()
    local f = kl.custom_gradient(function(x) return x * 1, function() return kl.tensor{1, 2} end end)
    local x = kl.tensor{1.0, 1.0}
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    local g = tape:gradient(f(x), x)
    assert.same({"float32", {1, 2}}, {g.dtype, g:totable()})
  end)

  it("works without a tape, with a paused one, and with a persistent one twice", function()
    local x = kl.tensor(3.0)
    local tape <close> = kl.GradientTape{persistent = true}
    tape:watch(x)
    local quiet
    do
      local pause <close> = tape:stop_recording()
      quiet = clipped(x)
      local _ = pause
    end
    local y = clipped(x)
    assert.is_nil(tape:gradient(quiet, x))
    assert.equal(100, tape:gradient(y, x):item())
    assert.equal(100, tape:gradient(y, x):item())
  end)

  it("keeps the layer that uses it trainable", function()
    local Twice = kl.Layer:extend("TwiceTheGradient")
    local f = kl.custom_gradient(function(x) return x * 1, function(u) return u * 2 end end)
    function Twice:call(x) return f(x) end
    local dense = kl.layers.Dense{1, use_bias = false, kernel_initializer = "ones"}
    local model = kl.Sequential{dense, Twice{}}
    local tape <close> = kl.GradientTape()
    local y = model(kl.tensor{{3.0}})
    assert.same({{6}}, tape:gradient(y, dense.kernel):totable())
  end)

  for what, case in pairs{
    ["the function gives no gradient function"] = {function(x) return x end,
      "must return its value and a gradient function, got nil"},
    ["the function gives no value"] = {function() return nil, function() end end, "a gradient function, got .*and no value"},
    ["the value is a number"] = {function() return 1, function() end end, "custom_gradient: value 1 must be a tensor"},
    ["the value has a false in it"] = {function(x) return {x, false}, function() end end,
      "custom_gradient: value 2 must be a tensor"},
    ["too many gradients"] = {function(x) return x * 1, function(u) return {u, u} end end,
      "returned 2 gradients for 1 tensor arguments"},
    ["a number as gradient"] = {function(x) return x * 1, function() return 3.0 end end,
      "gradient 1 must be a tensor, or false for none, got number"},
    ["a gradient of another shape"] = {function(x) return x * 1, function() return kl.ones{3} end end,
      "custom_gradient: gradient 1 must have the shape of its argument, %(2,%), got %(3,%)"},
    ["the gradient function raises"] = {function(x) return x * 1, function() error("my own words") end end, "my own words"},
  } do
    it("is an error: " .. what, function()
      local f = kl.custom_gradient(case[1])
      assert.error_matches(function() gradient_of(f, kl.tensor{1.0, 2.0}) end, case[2])
      assert.equal(100, gradient_of(clipped, kl.tensor(3.0))) -- nothing is left open
    end)
  end

  it("is an error where variables are read and the second list is missing", function()
    local w = kl.Variable(1.0)
    local f = kl.custom_gradient(function(x) return x * w, function(u) return u end end)
    assert.error_matches(function() gradient_of(f, kl.tensor(1.0)) end, "reads 1 variables: .* second list")
  end)

  it("is an error for anything but a function", function()
    raises(function() kl.custom_gradient(3) end, "custom_gradient: a function expected, got integer 3")
  end)

  it("that fails leaves a tape that says it is used up, and a persistent one that can be asked again", function()
    local fail = true
    local f = kl.custom_gradient(function(x) return x * 1, function(u)
      if fail then error("not now") end
      return u * 4
    end end)
    local x = kl.tensor(1.0)
    local once <close> = kl.GradientTape()
    local many <close> = kl.GradientTape{persistent = true}
    once:watch(x)
    many:watch(x)
    local y = f(x) * 2
    assert.error_matches(function() once:gradient(y, x) end, "not now")
    assert.error_matches(function() many:gradient(y, x) end, "not now")
    fail = false
    assert.error_matches(function() once:gradient(y, x) end, "has given its one gradient")
    assert.equal(8, many:gradient(y, x):item())
  end)

  it("leaves nothing behind, also where the function captures the tape and its own results", function()
    local function round()
      local x = kl.tensor(3.0)
      local tape = kl.GradientTape{persistent = true}
      tape:watch(x)
      local y
      local f = kl.custom_gradient(function(v) return v * 1, function(u) return u * (y and tape and 2) end end)
      y = f(x)
      assert.equal(2, tape:gradient(y, x):item())
      pcall(gradient_of, kl.custom_gradient(function(v) return v * 1, function() error("x") end end), x)
    end
    round()
    collectgarbage()
    collectgarbage()
    local before = live()
    for _ = 1, 20 do round() end
    collectgarbage()
    collectgarbage()
    assert.equal(before, live())
  end)
end)

describe("gradcheck", function()
  it("accepts a right gradient, of one tensor and of several", function()
    assert.is_true(kl.gradcheck(function(x) return kl.tanh(x) * x end, kl.tensor{0.3, -0.7}))
    assert.is_true(kl.gradcheck(function(a, b) return kl.matmul(a, b) end, {kl.ones{2, 3}, kl.ones{3, 2} * 0.5}))
    local right = kl.custom_gradient(function(x) return x ^ 3, function(u) return u * 3 * x ^ 2 end end)
    assert.is_true(kl.gradcheck(right, kl.tensor{1.0, 2.0}))
  end)

  it("refuses a wrong one and says what differs", function()
    local wrong = kl.custom_gradient(function(x) return x ^ 3, function(u) return u * 3.01 * x ^ 2 end end)
    local ok, told = kl.gradcheck(wrong, kl.tensor{1.0, 2.0})
    assert.is_false(ok)
    assert.matches("direction %d: the gradient gives .*, differences give ", told)
    assert.is_false((kl.gradcheck(function(x) return kl.stop_gradient(x) * x end, kl.tensor{1.0, 2.0})))
    local nan = kl.custom_gradient(function(x) return x * 1, function(u) return u * (0 / 0) end end)
    assert.is_false((kl.gradcheck(nan, kl.tensor(1.0))))
    raises(function() kl.gradcheck(5, kl.tensor(1.0)) end, "gradcheck: a function expected, got integer 5")
  end)
end)
