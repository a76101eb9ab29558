-- lua/kl/jit.lua and step.lua
local kl = require "kl"
local raises = require "raises"
local layers = kl.layers

--- A training step of a small model and its weights; `wrap` is kl.jit or nothing.
local function run(wrap)
  kl.set_seed(5)
  local model = kl.Sequential{kl.Input{3}, layers.Dense{8, activation = "relu"}, layers.Dropout{0.5}, layers.Dense{1}}
  local loss_fn, optimizer, tracker = kl.losses.MeanSquaredError{}, kl.optimizers.Adam{}, kl.metrics.Mean{}
  local calls = 0
  local step = wrap(function(x, y)
    calls = calls + 1
    local tape <close> = kl.GradientTape()
    local loss = loss_fn(y, model(x, {training = true}))
    optimizer:apply_gradients(tape:gradient(loss, model.trainable_weights), model.trainable_weights)
    tracker:update_state(loss)
    return {loss = loss, mean = tracker:result()}
  end)
  local x, y = kl.random.normal{12, 3}, kl.random.normal{12, 1}
  local results = {}
  for a, b in kl.data.Dataset.from_tensor_slices(x, y):batch(5):each() do
    local logs = step(a, b)
    results[#results + 1] = logs.loss:item()
    results[#results + 1] = logs.mean:item()
  end
  for _, w in ipairs(model.weights) do table.move(w:reshape{-1}:totable(), 1, 1000, #results + 1, results) end
  return results, calls
end

describe("a jitted function", function()
  it("gives the bits of the plain one, and its Lua runs at every call", function()
    local plain, jitted, nested = {run(function(f) return f end)}, {run(kl.jit)}, {run(function(f) return kl.jit(kl.jit(f)) end)}
    assert.same(plain, jitted)
    assert.same(plain, nested)
    assert.equal(3, jitted[2])
  end)

  it("takes and gives structures of tensors, numbers, strings, booleans and nil, as many as it likes", function()
    local f = kl.jit(function(...) return ... end)
    local t = kl.ones{2}
    local given = {a = t, b = {t, kl.Variable(1.0)}, c = {d = 1, e = "x", f = false}}
    local results = table.pack(f(given, nil, 1.5, "s", true, nil))
    assert.equal(6, results.n)
    assert.equal(given, results[1])
    assert.same({1.5, "s", true}, {results[3], results[4], results[5]})
    assert.equal(0, select("#", f()))
  end)

  it("says which argument or result is something else", function()
    local identity = kl.jit(function(...) return ... end)
    raises(function() identity(1, {a = {1, print}}) end,
      "kl.jit: arguments must be a structure of tensors .*; argument 2.a%[2%] is a function")
    raises(function() identity(layers.Dense{1}) end, "argument 1 is a Dense")
    raises(function() identity{[1.5] = 2} end, "a structure's keys must be positions or names, got a number")
    raises(function() identity{1, a = 2} end, "has both positions and names %('a'%)")
    local made = kl.jit(function() return 1, {x = {kl.ones{1}, coroutine.create(print)}} end)
    raises(function() made() end, "kl.jit: results must be a structure of tensors .*; result 2.x%[2%] is a thread")
    assert.equal(3, identity(3))
  end)

  it("is made of a function and known options only", function()
    raises(function() kl.jit(5) end, "kl.jit: a function expected, got integer 5")
    raises(function() kl.jit(layers.Dense{1}) end, "kl.jit: a function expected, got a Dense")
    raises(function() kl.jit(print, {reply = true}) end, "kl.jit: unknown option 'reply'; did you mean 'replay'")
    raises(function() kl.jit(print, {replay = "yes"}) end, "kl.jit: 'replay' must be a boolean, got the string \"yes\"")
    assert.equal(2, kl.jit(function(x) return x end, {replay = true})(2))
  end)

  it("may call others, with the inner results at hand in the outer one", function()
    local inner = kl.jit(function(x) return x * 2, x + 1 end)
    local outer = kl.jit(function(x)
      local twice = inner(x)
      return inner(twice)
    end)
    local a, b = outer(kl.tensor(3.0))
    assert.same({12.0, 7.0}, {a:item(), b:item()})
  end)

  it("reads values and assigns to variables as written", function()
    local v = kl.Variable(1.0)
    local f = kl.jit(function(x)
      v:assign_add(x)
      local seen = v:item()
      if seen > 2 then v:assign(0.0) end
      return seen
    end)
    assert.same({2.0, 3.0, 1.0}, {f(1.0), f(1.0), f(1.0)})
  end)

  it("differentiates, also across its border", function()
    local x = kl.Variable(3.0)
    local cube = kl.jit(function() return x * x * x end)
    local tape <close> = kl.GradientTape()
    local y = cube()
    assert.equal(27.0, tape:gradient(y, x):item())
  end)
end)

describe("an error in a jitted function", function()
  it("keeps its line and stack, and any Lua value as it is", function()
    local function broken() error("mine") end
    local line = debug.getinfo(broken, "S").linedefined
    local nested = kl.jit(kl.jit(broken))
    local message = select(2, pcall(nested))
    assert.matches(("^tests/jit_spec.lua:%d: mine\nstack:\n  tests/jit_spec.lua:%d: in "):format(line, line), message)
    assert.equal(1, select(2, message:gsub("stack:", "")))
    local mark = {}
    assert.equal(mark, select(2, pcall(kl.jit(function() error(mark) end))))
  end)

  it("leaves what was done before it, and everything can be used again", function()
    local v, armed = kl.Variable(1.0), true
    local Failing = kl.Layer:extend("FailingInside")
    function Failing:call(inputs)
      if armed and inputs.shape[1] == 2 then error("inside") end
      return inputs
    end
    local model = kl.Sequential{Failing{}, layers.Dense{1}}
    model(kl.ones{1, 3})
    local f = kl.jit(function(x)
      v:assign(5.0)
      local tape <close> = kl.GradientTape()
      local y = kl.sum(model(x))
      return tape:gradient(y, model.trainable_weights)[1]
    end)
    assert.matches("^tests/jit_spec.lua:%d+: inside", select(2, pcall(f, kl.ones{2, 3})))
    assert.equal(5.0, v:item())
    armed = false
    assert.same({{2.0}, {2.0}, {2.0}}, f(kl.ones{2, 3}):totable())
    raises(function() return kl.ones{2} + kl.ones{3} end, "%(2,%) and %(3,%)$") -- no layer is named
  end)

  it("closes the calls it was in, in a coroutine too", function()
    local Failing = kl.Layer:extend("FailingInCoroutine")
    function Failing:call() error("inside") end
    local failing = kl.Sequential{Failing{}}
    local co = coroutine.create(kl.jit(function(x) return failing(x, {training = true}) end))
    assert.is_false(coroutine.resume(co, kl.ones{1, 1}))
    local told
    local Telling = kl.Layer:extend("TellingOutside")
    function Telling:call(inputs, options)
      told = options.training
      return inputs
    end
    Telling{}(kl.ones{1})
    assert.is_false(told, "the next call is not inside the one that failed")
  end)
end)

describe("a yield", function()
  local words = "^tests/jit_spec.lua:%d+: a step %(kl.jit, or one of fit, evaluate and predict%) cannot be left by a yield: "
    .. "only coroutines made inside it may yield\nstack:"

  it("out of a step is an error at the line of the yield", function()
    local function yielding() coroutine.yield(1) end
    local line = debug.getinfo(yielding, "S").linedefined
    local ok, message = coroutine.resume(coroutine.create(kl.jit(yielding)))
    assert.is_false(ok)
    assert.matches(words, message)
    assert.matches(("^tests/jit_spec.lua:%d:"):format(line), message)
    assert.matches(words, select(2, coroutine.resume(coroutine.create(kl.jit(kl.jit(yielding))))))
  end)

  it("out of a train_step is one too; callbacks and data sets may yield", function()
    local Model = kl.Model:extend("Yielding")
    function Model:train_step() return {loss = coroutine.yield("step") or 0.0} end
    local model = Model()
    model:compile{}
    local ok, message = coroutine.resume(coroutine.create(function() model:fit{kl.ones{2, 1}, verbose = 0} end))
    assert.is_false(ok)
    assert.matches(words, message)
    function model.train_step() return {loss = 1.0} end
    local got = {}
    local ds = kl.data.Dataset.from_tensor_slices(kl.ones{2, 1}):batch(2):map(function(x)
      coroutine.yield("map")
      return x
    end)
    for what in coroutine.wrap(function()
      model:fit{ds, verbose = 0, callbacks = {on_epoch_end = function() coroutine.yield("hook") end}}
    end) do
      got[#got + 1] = what
    end
    assert.same({"map", "hook"}, got)
  end)

  it("within a coroutine made inside a step is fine", function()
    local f = kl.jit(function(x)
      local total = x
      for i in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do total = total + i end
      return total
    end)
    assert.equal(7.0, f(kl.tensor(1.0)):item())
    assert.equal(8.0, coroutine.wrap(f)(kl.tensor(2.0)):item())
  end)
end)
