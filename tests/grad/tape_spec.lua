-- kl.GradientTape (keras-semantics 14).
local kl = require "kl"
local raises = require "raises"
local warnings = require "warnings"

local function value(t) return t and t:item() end

describe("a gradient tape", function()
  it("gives the gradient of what was computed from a watched tensor", function()
    local x = kl.tensor{1.0, 2.0, 3.0}
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    assert.same({2, 4, 6}, tape:gradient(x * x, x):totable())
  end)

  it("watches trainable variables when they are read, and nothing else", function()
    local v, frozen, constant = kl.Variable(3.0), kl.Variable(3.0, {trainable = false}), kl.tensor(3.0)
    local tape <close> = kl.GradientTape()
    local g = tape:gradient(v ^ 2 + frozen ^ 2 + constant ^ 2, {v = v, frozen = frozen, constant = constant})
    assert.equal(6, value(g.v))
    assert.is_false(g.frozen)
    assert.is_false(g.constant)
  end)

  it("watches nothing by itself with watch_accessed_variables = false", function()
    local a, b = kl.Variable(2.0), kl.Variable(5.0)
    local tape <close> = kl.GradientTape{watch_accessed_variables = false}
    tape:watch(b)
    local g = tape:gradient(a ^ 2 + b ^ 2, {a, b})
    assert.same({false, 10}, {g[1], value(g[2])})
  end)

  it("watches structures of tensors and variables, frozen ones too", function()
    local x, frozen, y = kl.tensor(2.0), kl.Variable(3.0, {trainable = false}), kl.tensor(4.0)
    local tape <close> = kl.GradientTape()
    tape:watch{first = x, rest = {frozen, y}}
    local g = tape:gradient(x ^ 2 + frozen ^ 2 + y ^ 2, {x, frozen, y})
    assert.same({4, 6, 8}, {value(g[1]), value(g[2]), value(g[3])})
  end)

  it("warns where an integer is watched, and gives it no gradient", function()
    local n = kl.tensor{1, 2}
    local tape <close> = kl.GradientTape{persistent = true}
    local told = warnings(function() tape:watch{n, kl.tensor(1.0)} end)
    assert.same({"watch: a tensor of int32 has no gradient: only floats do"}, told)
    assert.is_nil(tape:gradient(n * n, n))
    assert.is_nil(tape:gradient(n, n))
    assert.is_nil(tape:gradient(n * 2.0, n))
    assert.matches("int32: only floats have gradients", tape:why(n * 2.0, n))
  end)

  it("lists the variables it watches in the order of their first reading", function()
    local a, b, c = kl.Variable(1.0), kl.Variable(2.0), kl.Variable(3.0)
    local frozen = kl.Variable(4.0, {trainable = false})
    local tape <close> = kl.GradientTape()
    local _ = c + a + frozen + c + b
    assert.same({c, a, b}, tape:watched_variables())
    tape:reset()
    assert.same({}, tape:watched_variables())
    _ = b + a
    assert.same({b, a}, tape:watched_variables())
  end)

  it("does not take an assignment for a reading, whether the variable's storage is held or not", function()
    for _, hold in ipairs{false, true} do
      local v = kl.Variable{1.0, 2.0}
      local held = hold and v.value
      local tape <close> = kl.GradientTape()
      v:assign_add(kl.ones{2})
      v:assign{5.0, 6.0}
      v:assign_sub(1)
      assert.same({}, tape:watched_variables())
      assert.same({4, 5}, v.value:totable())
      assert.same(hold and {1, 2} or false, held and held:totable())
    end
  end)

  it("records no more after close, and gives its gradient still", function()
    local x = kl.Variable(3.0)
    local tape = kl.GradientTape()
    local y = x * x
    tape:close()
    local z = x * x
    assert.is_false(tape:is_recording())
    assert.equal(6, tape:gradient(y, x):item())
    local again <close> = kl.GradientTape{persistent = true}
    z = x * x + z
    again:close()
    again:close()
    assert.equal(6, again:gradient(z, x):item())
  end)

  it("records nothing while stop_recording is open, which nests", function()
    local x = kl.tensor(3.0)
    local tape <close> = kl.GradientTape{persistent = true}
    tape:watch(x)
    local a, b, c
    do
      local pause <close> = tape:stop_recording()
      do
        local inner <close> = tape:stop_recording()
        a = x * x
        local _ = inner
      end
      b = x * x
      local _ = pause
    end
    c = x * x
    assert.is_nil(tape:gradient(a, x))
    assert.is_nil(tape:gradient(b, x))
    assert.equal(6, value(tape:gradient(c, x)))
  end)

  it("goes on recording when the pause is ended by an error", function()
    local x = kl.tensor(3.0)
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    pcall(function()
      local pause <close> = tape:stop_recording()
      error(pause)
    end)
    assert.equal(6, value(tape:gradient(x * x, x)))
  end)

  it("forgets everything at reset and goes on recording", function()
    local x = kl.tensor(3.0)
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    local before = x * x
    tape:reset()
    assert.is_true(tape:is_recording())
    tape:watch(x)
    local after = x * x * x
    local g = tape:gradient(before + after, x)
    assert.equal(27, value(g))
  end)

  it("ends with its block, and its gradient may be asked afterwards", function()
    local x = kl.tensor(3.0)
    local y, outer
    do
      local tape <close> = kl.GradientTape{persistent = true}
      tape:watch(x)
      y = x * x
      outer = tape
    end
    local late = x * x
    assert.is_false(outer:is_recording())
    assert.equal(6, value(outer:gradient(y, x)))
    assert.is_nil(outer:gradient(late, x))
  end)
end)

describe("tape:gradient", function()
  local function square(options)
    local x = kl.tensor{1.0, 2.0}
    local tape <close> = kl.GradientTape(options)
    tape:watch(x)
    return tape, x, x * x
  end

  it("weighs the target with output_gradients", function()
    local tape, x, y = square()
    assert.same({20, 400}, tape:gradient(y, x, {output_gradients = kl.tensor{10.0, 100.0}}):totable())
  end)

  it("casts and broadcasts output_gradients, and takes false in a list as ones", function()
    local tape, x, y = square{persistent = true}
    assert.same({6, 12}, tape:gradient(y, x, {output_gradients = kl.tensor(3)}):totable())
    local z = kl.tensor{0.0, 0.0}
    assert.same({4, 8}, tape:gradient({y, y, z}, x, {output_gradients = {false, kl.tensor(1.0), false}}):totable())
  end)

  it("adds the gradients of several targets, in any structure", function()
    local tape, x, y = square{persistent = true}
    assert.same({4, 8}, tape:gradient({y, y}, x):totable())
    assert.same({3, 5}, tape:gradient({a = y, b = {x}}, x):totable())
  end)

  it("keeps the structure of the sources", function()
    local a, b, c = kl.Variable(2.0), kl.Variable(3.0), kl.Variable(5.0)
    local tape <close> = kl.GradientTape()
    local g = tape:gradient(a * b * c, {deep = {x = a, list = {b, {c}}}, again = a})
    assert.equal(15, value(g.deep.x))
    assert.equal(10, value(g.deep.list[1]))
    assert.equal(6, value(g.deep.list[2][1]))
    assert.equal(15, value(g.again))
  end)

  it("gives nil for a single source without a path, false in a structure, zeros where they are asked for", function()
    local tape, x, y = square{persistent = true}
    local alone = kl.Variable{{1.0, 2.0}}
    assert.is_nil(tape:gradient(y, alone))
    assert.is_false(tape:gradient(y, {x, alone})[2])
    local zeros = tape:gradient(y, {x, alone}, {unconnected_gradients = "zero"})
    assert.same({2, 4}, zeros[1]:totable())
    assert.same({{0, 0}}, zeros[2]:totable())
    assert.same({{0, 0}}, tape:gradient(y, alone, {unconnected_gradients = "zero"}):totable())
  end)

  it("gives an empty structure for no sources", function()
    local tape, _, y = square()
    assert.same({}, tape:gradient(y, {}))
  end)

  it("adds what arrives at a source used several times", function()
    local x = kl.tensor(2.0)
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    local y = x
    for _ = 1, 5 do y = y + x end
    assert.equal(6, value(tape:gradient(y, x)))
  end)

  it("of a source with respect to itself is one, also where another source is computed from it", function()
    local x = kl.tensor(2.0)
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    local h = x * 3
    local g = tape:gradient(h * h, {x, h})
    assert.same({36, 12}, {value(g[1]), value(g[2])})
    local other <close> = kl.GradientTape()
    other:watch(x)
    assert.equal(1, value(other:gradient(x, x)))
  end)

  it("follows only the branches that ran", function()
    local x = kl.tensor(2.0)
    for _, case in ipairs{{true, 4}, {false, 12}} do
      local tape <close> = kl.GradientTape()
      tape:watch(x)
      local y = case[1] and x * x or x * x * x
      assert.equal(case[2], value(tape:gradient(y, x)))
    end
  end)

  it("passes a chain of fifty thousand operations without using the C stack", function()
    local x = kl.tensor(1.0)
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    local y = x
    for _ = 1, 50000 do y = y + 0.0 end
    assert.equal(1, value(tape:gradient(y, x)))
  end)

  it("of a tape that is not persistent is given once, and stops the recording", function()
    local tape, x, y = square()
    local inside = kl.GradientTape()
    inside:watch(x)
    local z = x * x
    assert.same({2, 4}, inside:gradient(z, x):totable())
    assert.is_false(inside:is_recording())
    raises(function() inside:gradient(z, x) end, "this tape has given its one gradient.*persistent = true")
    assert.same({2, 4}, tape:gradient(y, x):totable())
  end)

  it("of a persistent tape may be asked any number of times, and goes on recording", function()
    local x = kl.tensor(3.0)
    local tape <close> = kl.GradientTape{persistent = true}
    tape:watch(x)
    local y = x * x
    local z = y * y
    assert.equal(108, value(tape:gradient(z, x)))
    assert.equal(6, value(tape:gradient(y, x)))
    assert.equal(108, value(tape:gradient(z, x)))
    assert.is_true(tape:is_recording())
    local g = tape:gradient(z, x)
    assert.equal(108, value(tape:gradient(g, x))) -- of 4 x^3: the gradient's own operations are on the tape
  end)

  it("is the same before and after the variable is assigned: the tape holds the value it read", function()
    local v = kl.Variable{1.0, 2.0}
    local tape <close> = kl.GradientTape()
    local y = v * v
    v:assign{100.0, 100.0}
    v:assign_add(kl.ones{2})
    assert.same({2, 4}, tape:gradient(y, v):totable())
  end)

  it("does not go through an assignment: a later reading is a new start", function()
    local v, w = kl.Variable(2.0), kl.Variable(0.0)
    local tape <close> = kl.GradientTape()
    w:assign(v * v)
    local g = tape:gradient(w * 3, {v, w})
    assert.is_false(g[1])
    assert.equal(3, value(g[2]))
  end)

  it("is missing where a variable was replaced by a tensor made before the tape", function()
    local x = kl.Variable(2.0) + 1.0
    local tape <close> = kl.GradientTape()
    assert.is_nil(tape:gradient(x * x, x))
  end)

  it("is missing where a variable's value was taken before the tape, by .value or by kl.tensor", function()
    local v = kl.Variable(2.0)
    for _, taken in ipairs{v.value, kl.tensor(v)} do
      local tape <close> = kl.GradientTape()
      assert.is_nil(tape:gradient(taken * taken, v))
    end
  end)

  it("is missing there also while another tape records, which gives it", function()
    local function check()
      local v = kl.Variable{2.0, 3.0}
      local outer <close> = kl.GradientTape{persistent = true}
      v:assign_add(kl.ones{2})
      for _, taken in ipairs{v.value, kl.tensor(v)} do
        local tape <close> = kl.GradientTape()
        local y = taken * taken
        assert.is_nil(tape:gradient(y, v))
        assert.same({6, 8}, outer:gradient(y, v):totable())
        assert.same({6, 8}, outer:gradient(y, taken):totable())
      end
      assert.same({v}, outer:watched_variables())
    end
    check()
    kl.jit(check)()
  end)

  it("has the dtype of its source", function()
    local x, d = kl.tensor({1.0, 2.0}), kl.tensor({1.0, 2.0}, "float64")
    local tape <close> = kl.GradientTape()
    tape:watch{x, d}
    local g = tape:gradient(kl.sum(x * d), {x, d})
    assert.same({"float32", "float64"}, {g[1].dtype, g[2].dtype})
  end)
end)

describe("nested tapes", function()
  it("give second and third order gradients", function()
    local x = kl.tensor(2.0)
    local third <close> = kl.GradientTape()
    third:watch(x)
    local g1, g2
    do
      local second <close> = kl.GradientTape()
      second:watch(x)
      do
        local first <close> = kl.GradientTape()
        first:watch(x)
        g1 = first:gradient(x ^ 4, x)
      end
      g2 = second:gradient(g1, x)
    end
    assert.same({32, 48, 48}, {value(g1), value(g2), value(third:gradient(g2, x))})
  end)

  it("of variables give a Hessian-vector product", function()
    local v = kl.Variable{1.0, 2.0}
    local outer <close> = kl.GradientTape()
    local inner <close> = kl.GradientTape()
    local g = inner:gradient(kl.sum(v ^ 3), v)
    assert.same({6, 24}, outer:gradient(g, v, {output_gradients = kl.tensor{1.0, 2.0}}):totable())
  end)

  it("may be closed in any order", function()
    local x = kl.tensor(3.0)
    local a, b = kl.GradientTape(), kl.GradientTape()
    a:watch(x)
    b:watch(x)
    local y = x * x
    assert.equal(6, value(a:gradient(y, x)))
    local z = y * x
    assert.equal(27, value(b:gradient(z, x)))
    assert.is_false(a:is_recording() or b:is_recording())
  end)
end)

describe("stop_gradient", function()
  it("is the identity, and no path leads through it", function()
    local x = kl.tensor(3.0)
    local tape <close> = kl.GradientTape{persistent = true}
    tape:watch(x)
    local stopped = kl.stop_gradient(x * x)
    assert.equal(9, value(stopped))
    assert.equal(9, value(tape:gradient(stopped * x, x)))
    assert.is_nil(tape:gradient(stopped, x))
    assert.matches("cut at kl%.stop_gradient", tape:why(stopped, x))
  end)
end)

describe("tape:why", function()
  local x, other = kl.tensor(3.0), kl.tensor(1.0)

  local function told(f, source)
    local tape <close> = kl.GradientTape{persistent = true}
    tape:watch(x)
    return tape:why(f(), source or x)
  end

  for _, case in ipairs{
    {"there is a path", function() return x * x end, "there is a gradient"},
    {"an operation is constant", function() return kl.argmax(x * kl.ones{3}) * 1.0 end, "the path is cut at kl%.argmax: "},
    {"nothing used the source", function() return other * 2 end, "no recorded operation used the source"},
    {"the source leads elsewhere", function() return x * 2 and other end, "nothing computed from it reaches the target"},
  } do
    it("says that " .. case[1], function() assert.matches(case[3], told(case[2])) end)
  end

  it("says that the operations are forgotten after the gradient", function()
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    local y = x * x
    tape:gradient(y, other)
    assert.matches("has given its gradient and forgotten", tape:why(y, x))
  end)
end)

describe("misuse of a tape", function()
  local x = kl.tensor{1.0, 2.0}
  local tape

  before_each(function()
    tape = kl.GradientTape{persistent = true}
    tape:watch(x)
  end)
  after_each(function() tape = nil end) -- it is still recording

  for what, case in pairs{
    ["watching nil"] = {function() tape:watch(nil) end, "watch: a tensor or variable expected, got nil"},
    ["watching a number"] = {function() tape:watch{x, 1} end, "watch: a tensor or variable expected, got number"},
    ["watching with a dot"] = {function() tape.watch(x, x) end, "a kl%.GradientTape expected, got userdata"},
    ["no target"] = {function() tape:gradient(nil, x) end, "gradient: a target .*expected, got nil"},
    ["no source"] = {function() tape:gradient(x, nil) end, "gradient: a source .*expected, got nil"},
    ["a number as target"] = {function() tape:gradient({x, 1}, x) end,
      "gradient: target 2 must be a tensor or a variable, got number"},
    ["false as target"] = {function() tape:gradient(false, x) end,
      "gradient: target 1 must be a tensor or a variable, got boolean"},
    ["false as source"] = {function() tape:gradient(x, {x, false}) end,
      "gradient: source 2 must be a tensor or a variable, got boolean"},
    ["a string as source"] = {function() tape:gradient(x, "x") end,
      "gradient: source 1 must be a tensor or a variable, got string"},
    ["a dot instead of a colon"] = {function() tape.gradient(x, x, {}) end, "a kl%.GradientTape expected, got userdata"},
    ["an unknown option"] = {function() tape:gradient(x, x, {output_gradient = x}) end,
      "unknown option 'output_gradient'; did you mean 'output_gradients'%?"},
    ["a wrong choice"] = {function() tape:gradient(x, x, {unconnected_gradients = "zeros"}) end,
      'unconnected_gradients must be "none" or "zero", got the string "zeros"'},
    ["too few output gradients"] = {function() tape:gradient({x, x}, x, {output_gradients = {x}}) end,
      "output_gradients has 1 entries for 2 targets"},
    ["an output gradient of another shape"] = {function() tape:gradient(x * x, x, {output_gradients = kl.ones{3}}) end,
      "%(3,%).*%(2,%)"},
    ["an unknown option of the tape"] = {function() kl.GradientTape{persist = true} end,
      "GradientTape: unknown option 'persist'; did you mean 'persistent'%?"},
    ["why of nothing"] = {function() tape:why(x) end, "why: a target and a source expected"},
  } do
    it("is an error: " .. what, function() raises(case[1], case[2]) end)
  end

  it("leaves the tape usable", function()
    local once <close> = kl.GradientTape()
    once:watch(x)
    local y = x * x
    assert.has_error(function() once:gradient(y, {1}) end)
    assert.has_error(function() once:gradient(y, x, {output_gradients = kl.ones{3}}) end)
    assert.same({2, 4}, once:gradient(y, x):totable())
  end)
end)

describe("tapes and coroutines", function()
  local x = kl.tensor(3.0)

  it("record what their own coroutine computes", function()
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    local inside = coroutine.wrap(function()
      local y = x * x
      coroutine.yield(y)
    end)()
    local g = tape:gradient(inside + x, x)
    assert.equal(1, value(g))
  end)

  it("stay apart when coroutines take turns", function()
    local function run(n)
      return coroutine.wrap(function()
        local tape <close> = kl.GradientTape()
        tape:watch(x)
        local y = x
        for _ = 1, n - 1 do
          y = y * x
          coroutine.yield()
        end
        coroutine.yield(value(tape:gradient(y, x)))
      end)
    end
    local two, three = run(2), run(3)
    two()
    three()
    assert.equal(6, two())
    three()
    assert.equal(27, three())
  end)

  it("give their gradient to another coroutine after their own has ended", function()
    local tape, y
    coroutine.wrap(function()
      tape = kl.GradientTape()
      tape:watch(x)
      y = x * x
    end)()
    collectgarbage()
    assert.equal(6, value(tape:gradient(y, x)))
  end)

  it("do not hear of coroutines abandoned with their tapes open", function()
    for _ = 1, 100 do
      local watched
      coroutine.wrap(function()
        local tape = kl.GradientTape{persistent = true}
        local v = kl.Variable(1.0)
        local _ = v * v
        watched = #tape:watched_variables()
        coroutine.yield()
      end)()
      assert.equal(1, watched)
    end
    collectgarbage()
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    assert.equal(6, value(tape:gradient(x * x, x)))
  end)

  it("find nothing of a dead coroutine that had the same address, not even in finalizers", function()
    local depths, alive = {}, {}
    coroutine.wrap(function()
      kl.core.building(7)
      coroutine.yield()
    end)()
    setmetatable({}, {__gc = function() -- the coroutine is gone, its context not yet
      for i = 1, 20 do
        alive[i] = coroutine.wrap(function()
          depths[i] = kl.core.building_depth()
          coroutine.yield()
        end)
        alive[i]()
      end
    end})
    collectgarbage()
    assert.equal(20, #depths)
    for _, depth in ipairs(depths) do assert.equal(0, depth) end
  end)

  it("may end, be collected or begin while weights are made inside a recording", function()
    local Odd = kl.Layer:extend("OddInitializer")
    local outer = kl.GradientTape()
    outer:watch(x)
    local y = x * x
    do
      local forgotten = kl.GradientTape()
      forgotten:watch(x)
    end
    function Odd:build()
      self:add_weight{name = "w", shape = {2}, initializer = function(shape)
        local _ = kl.GradientTape() -- left open
        assert.equal(6, outer:gradient(y, x):item())
        collectgarbage()
        collectgarbage()
        return kl.ones(shape)
      end}
    end
    function Odd:call(inputs) return inputs end
    Odd{}(kl.ones{1, 2})
    collectgarbage()
    assert.is_false(outer:is_recording())
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    assert.equal(6, value(tape:gradient(x * x, x)))
  end)
end)
