-- Steps (kl.jit, fit) as a user sees them: design 3.
local kl = require "kl"
local raises = require "raises"
local compare = require "compare"
local program = require "program"
local layers = kl.layers

kl.set_seed(20261128)

local function step(f) return kl.jit(f) end

local function live()
  collectgarbage()
  collectgarbage()
  return kl.core.memory_stats().live_tensors
end

--- How many plans were made while f ran.
local function plans_made(f)
  local before = kl.core.plans().misses
  f()
  return kl.core.plans().misses - before
end

describe("what leaves a step", function()
  it("is what it returns, also in nested tables and twice", function()
    local r = step(function(x)
      local y = x * 2
      return {a = {y, {b = x + 1}}, c = y}, y, kl.transpose(y)
    end)
    local x = kl.tensor{{1.0, 2.0}, {3.0, 4.0}}
    local list, y, turned = r(x)
    assert.same({{2.0, 4.0}, {6.0, 8.0}}, list.a[1]:totable())
    assert.same({{2.0, 3.0}, {4.0, 5.0}}, list.a[2].b:totable())
    assert.same(list.c:totable(), y:totable())
    assert.same({{2.0, 6.0}, {4.0, 8.0}}, turned:totable())
  end)

  it("is what it assigns to variables", function()
    local v, w = kl.Variable{1.0, 2.0}, kl.Variable(0.0)
    step(function(x)
      v:assign(x * 2)
      w:assign_add(kl.sum(v))
    end)(kl.tensor{3.0, 4.0})
    assert.same({6.0, 8.0}, v:totable())
    assert.equal(14.0, w:item())
  end)

  it("is what it reads: item, totable, printing, array_equal; each stays usable", function()
    local a, b, c, d
    step(function(x)
      a, b, c, d = kl.sum(x), x + 1, x * 3, x - 1
      assert.equal(3.0, a:item())
      assert.same({2.0, 3.0}, b:totable())
      assert.matches("3.*6", tostring(c))
      assert.is_true(kl.array_equal(d, kl.tensor{0.0, 1.0}))
    end)(kl.tensor{1.0, 2.0})
    assert.same({3.0, {2.0, 3.0}, {3.0, 6.0}}, {a:item(), b:totable(), c:totable()})
  end)

  it("is what is kept, also when the step fails later", function()
    local a, b
    step(function(x) a = (x * 2):keep() end)(kl.tensor{1.0, 2.0})
    assert.same({2.0, 4.0}, a:totable())
    assert.is_false(pcall(step(function(x)
      b = (x * 3):keep()
      error("later")
    end), kl.tensor{1.0}))
    assert.same({3.0}, b:totable())
  end)

  it("is nothing else: a handle left over is dead, and its use is an error at the user's line", function()
    local left, view
    step(function(x)
      left, view = x * 2, kl.transpose(x + 1)
      return x
    end)(kl.ones{2, 2})
    local words = "belongs to a finished step: it is gone unless the step returns it, assigns it"
    raises(function() return left + 1 end, words)
    raises(function() local _ = left:item() end, words)
    raises(function() local _ = view:totable() end, words)
    raises(function() local _ = kl.concatenate{kl.ones{2, 2}, left} end, words)
    raises(function() kl.Variable(1.0):assign(left) end, words)
    raises(function() left:keep() end, words)
    local again = step(function() return left * 2 end)
    assert.matches(words, select(2, pcall(again)))
  end)

  it("is no result of a later step that returns a handle left over, which stays dead", function()
    local left
    step(function(x)
      left = x * 2
      return x
    end)(kl.ones{2})
    local again = step(function(x) return left, {x + 1, left} end)
    for _ = 1, 3 do
      local a, list = again(kl.ones{2})
      assert.same({2, 2}, list[1]:totable())
      raises(function() a:item() end, "belongs to a finished step")
      raises(function() list[2]:item() end, "belongs to a finished step")
    end
  end)

  it("stays as it is when the step runs again", function()
    local v = kl.Variable{1.0, 2.0}
    local f = step(function(x)
      local before, view = v.value, kl.flip(v.value)
      v:assign_add(x)
      return {before, view, v.value, kl.flip(v.value), x * 2, kl.flip(x), x}
    end)
    local function values(list)
      local r = {}
      for i, t in ipairs(list) do r[i] = t:totable() end
      return r
    end
    local first = f(kl.tensor{1.0, 1.0})
    local seen = values(first)
    assert.same({{1.0, 2.0}, {2.0, 1.0}, {2.0, 3.0}, {3.0, 2.0}, {2.0, 2.0}, {1.0, 1.0}, {1.0, 1.0}}, seen)
    for _ = 1, 3 do f(kl.tensor{10.0, 20.0}) end
    assert.same(seen, values(first))
    assert.same({32.0, 63.0}, v:totable())
  end)
end)

describe("reading in the middle of a step", function()
  it("gives the value at that point, several times, and recording goes on", function()
    local v = kl.Variable(1.0)
    local f = step(function(x)
      local y = x * 2
      local first = y:item()
      v:assign_add(y)
      local second = v:item()
      v:assign(v * first)
      local z = y + v
      local third = z:item()
      v:assign_sub(second)
      return {z * third, v.value, y}, first, second, third
    end)
    local immediate = kl.Variable(1.0)
    for call = 1, 3 do
      local list, first, second, third = f(kl.tensor(call + 0.0))
      local y = 2.0 * call
      immediate:assign_add(y)
      assert.same({y, immediate:item()}, {first, second})
      immediate:assign(immediate * y)
      assert.equal(y + immediate:item(), third)
      assert.equal(third * third, list[1]:item())
      immediate:assign_sub(second)
      assert.same({immediate:item(), immediate:item(), y}, {v:item(), list[2]:item(), list[3]:item()})
    end
  end)

  it("sees assignments of the same step, through v, v.value and get_weights", function()
    local layer = layers.Dense{1, use_bias = false}
    layer(kl.ones{1, 2})
    step(function()
      layer.kernel:assign{{5.0}, {6.0}}
      assert.same({{5.0}, {6.0}}, layer.kernel:totable())
      assert.same({{5.0}, {6.0}}, layer.kernel.value:totable())
      assert.same({{5.0}, {6.0}}, layer:get_weights()[1]:totable())
    end)()
  end)

  it("steers Lua", function()
    local f = step(function(x)
      local steps = 0
      while kl.sum(x):item() < 100 do x, steps = x * 2, steps + 1 end
      return x, steps
    end)
    local x, steps = f(kl.tensor{1.0, 2.0})
    assert.same({{64.0, 128.0}, 6}, {x:totable(), steps})
  end)
end)

describe("an assignment in a step", function()
  it("does not change what the user holds from before", function()
    local v = kl.Variable{1.0, 2.0}
    local layer = layers.Dense{1, use_bias = false, kernel_initializer = "ones"}
    layer(kl.ones{1, 2})
    local held, view, weights = v.value, v.value[1], layer:get_weights()[1]
    local tape <close> = kl.GradientTape{persistent = true}
    local y = v * v
    getmetatable(tape).__close(tape)
    step(function()
      v:assign_add{10.0, 10.0}
      layer.kernel:assign(layer.kernel * 3)
    end)()
    assert.same({{1.0, 2.0}, 1.0, {{1.0}, {1.0}}}, {held:totable(), view:item(), weights:totable()})
    assert.same({2.0, 4.0}, tape:gradient(y, v):totable())
    assert.same({{11.0, 12.0}, {{3.0}, {3.0}}}, {v:totable(), layer.kernel:totable()})
  end)

  it("may swap two variables, and rotate three", function()
    local a, b, c = kl.Variable{1.0, 2.0}, kl.Variable{3.0, 4.0}, kl.Variable{5.0, 6.0}
    local swap = step(function()
      local x, y = a.value, b.value
      a:assign(y)
      b:assign(x)
    end)
    swap()
    assert.same({{3.0, 4.0}, {1.0, 2.0}}, {a:totable(), b:totable()})
    swap()
    assert.same({{1.0, 2.0}, {3.0, 4.0}}, {a:totable(), b:totable()})
    local rotate = step(function()
      local x = a * 1
      a:assign(b)
      b:assign(c)
      c:assign(x)
    end)
    for _ = 1, 4 do rotate() end
    assert.same({{3.0, 4.0}, {5.0, 6.0}, {1.0, 2.0}}, {a:totable(), b:totable(), c:totable()})
  end)

  it("counts in order: the last one stays, each read sees the one before it", function()
    local v = kl.Variable{1.0, 2.0}
    local f = step(function()
      local a = v * 1
      v:assign(v * 10)
      local b = v * 1
      v:assign_sub(kl.flip(v))
      return a, b, v * 1
    end)
    local a, b, c = f()
    assert.same({{1.0, 2.0}, {10.0, 20.0}, {-10.0, 10.0}, {-10.0, 10.0}}, {a:totable(), b:totable(), c:totable(), v:totable()})
  end)

  it("copies: neither the tensor nor the variable it came from is shared", function()
    local v, w = kl.Variable{0.0, 0.0}, kl.Variable{3.0, 4.0}
    local x = kl.tensor{1.0, 2.0}
    step(function(t)
      v:assign(t)
      return t
    end)(x)
    step(function() v:assign_add{1.0, 1.0} end)()
    assert.same({{2.0, 3.0}, {1.0, 2.0}}, {v:totable(), x:totable()})
    step(function() v:assign(w) end)()
    step(function() v:assign_add{1.0, 1.0} end)()
    assert.same({{4.0, 5.0}, {3.0, 4.0}}, {v:totable(), w:totable()})
    step(function() v:assign(v) end)()
    assert.same({4.0, 5.0}, v:totable())
  end)

  it("of a reversed or turned view of itself reads the old value", function()
    local v = kl.Variable{{1.0, 2.0}, {3.0, 4.0}}
    local f = step(function() v:assign(kl.transpose(v) + kl.flip(v)) end)
    f()
    assert.same({{5.0, 6.0}, {4.0, 5.0}}, v:totable())
    f()
    assert.same({{10.0, 8.0}, {12.0, 10.0}}, v:totable())
  end)

  it("keeps what a softmax remembers of its logits, for a loss outside", function()
    local logits = kl.tensor{{1.0, 2.0, -40.0}}
    local p, v = kl.softmax(logits), kl.Variable(kl.zeros{1, 3})
    local loss = kl.losses.SparseCategoricalCrossentropy{}
    local before = loss(kl.tensor({2}, "int32"), p):item()
    step(function() v:assign(p) end)()
    assert.equal(before, loss(kl.tensor({2}, "int32"), p):item())
  end)
end)

describe("a failure in a step", function()
  it("of Lua leaves done what was recorded before it, and the next step works", function()
    local v, w, armed = kl.Variable(1.0), kl.Variable(1.0), true
    local f = step(function(x)
      v:assign_add(x)
      if armed then error("armed") end
      w:assign_add(x)
      return v + w
    end)
    assert.matches("armed", select(2, pcall(f, kl.tensor(2.0))))
    assert.same({3.0, 1.0}, {v:item(), w:item()})
    armed = false
    assert.equal(8.0, f(kl.tensor(2.0)):item())
    assert.same({2.0}, (kl.ones{1} * 2):totable())
  end)

  local refused = {
    ["a label out of range"] = function(bad)
      return kl.losses.SparseCategoricalCrossentropy{from_logits = true}(kl.tensor({bad and 7 or 1}, "int32"), kl.ones{1, 3})
    end,
    ["an index out of range"] = function(bad) return kl.sum(kl.take(kl.ones{3}, kl.tensor{bad and 9 or 1})) end,
    ["an integer division by zero"] = function(bad)
      return kl.cast(kl.sum(kl.tensor{4, 2} // kl.tensor{1, bad and 0 or 1}), "float32")
    end,
  }
  for what, f in pairs(refused) do
    it("by " .. what .. " leaves every variable, optimizer slot and generator as before, wherever the check stands", function()
      local model = kl.Sequential{kl.Input{2}, layers.Dense{2}}
      local optimizer, v, count = kl.optimizers.Adam{}, kl.Variable{1.0, 2.0}, kl.Variable(0, {dtype = "int32"})
      local generator = kl.random.SeedGenerator{4}
      local function run(x, bad, first)
        local tape <close> = kl.GradientTape()
        count:assign_add(1)
        local checked = first and f(bad) or 0.0
        local loss = kl.sum(model(x) ^ 2) + checked
        v:assign_add(x[1] + kl.random.normal{{2}, seed = generator} * 0)
        optimizer:apply_gradients(tape:gradient(loss, model.trainable_weights), model.trainable_weights)
        v:assign(v * 2)
        checked = first and checked or f(bad)
        return loss + checked
      end
      local g, x = step(run), kl.ones{1, 2}
      g(x, false, true)
      g(x, false, false)
      local state = {v, count, table.unpack(model.weights)}
      for _, slot in ipairs(optimizer.variables) do state[#state + 1] = slot end
      local before = {}
      for i, s in ipairs(state) do before[i] = s.value:copy() end
      local stream = generator:state()
      for _, first in ipairs{true, false} do
        assert.is_false(pcall(g, x, true, first))
        assert.same(stream, generator:state())
        for i, s in ipairs(state) do compare.bits(s.value, before[i], "state " .. i) end
      end
      g(x, false, false)
      assert.equal(before[2]:item() + 1, count:item())
    end)
  end

  it("for want of memory leaves everything as before and no tensor alive", function()
    local v, w, x = kl.Variable(kl.ones{40, 30}), kl.Variable(kl.ones{30, 40}), kl.ones{40, 30}
    local f = step(function(t)
      v:assign_add(t * 2)
      w:assign(kl.transpose(v) * 0.5)
      return {kl.sum(v), w.value, kl.matmul(v, w)}
    end)
    local before_v, before_w = v.value:copy(), w.value:copy()
    local alive = live()
    local n, failures = 1, 0
    while true do
      kl.core.forget_plans()
      kl.core.fail_after(n)
      local ok, message = pcall(f, x)
      kl.core.fail_after(0)
      if ok then break end
      failures = failures + 1
      assert.matches("memory", message)
      assert.is_true(kl.array_equal(v.value, before_v) and kl.array_equal(w.value, before_w), "after allocation " .. n)
      message = nil -- luacheck: ignore
      assert.is_true(live() <= alive, "left behind by allocation " .. n)
      n = n + 1
    end
    assert.is_true(failures > 20)
    assert.is_true(kl.array_equal(v.value, before_v + 2 * x))
    assert.is_true(live() <= alive)
  end)
end)

describe("in a step", function()
  it("another is a part of it, and a tape works, also persistent and nested", function()
    local v, w = kl.Variable(3.0), kl.Variable(2.0)
    local inner = step(function(x) return x * v end)
    local f = step(function(x)
      local outer <close> = kl.GradientTape()
      local tape <close> = kl.GradientTape{persistent = true}
      local y = inner(x) * v * w
      local dv, dw = tape:gradient(y, v), tape:gradient(y, w)
      return y, dv, dw, outer:gradient(dv, v)
    end)
    local y, dv, dw, d2 = f(kl.tensor(5.0))
    assert.same({90.0, 60.0, 45.0, 20.0}, {y:item(), dv:item(), dw:item(), d2:item()})
  end)

  it("under an older tape everything runs at once, and the gradients are right", function()
    local v = kl.Variable(3.0)
    local f = step(function(x) return x * v * v end)
    local made = plans_made(function()
      local tape <close> = kl.GradientTape()
      assert.equal(12.0, tape:gradient(f(kl.tensor(2.0)), v):item())
    end)
    assert.equal(0, made)
  end)

  it("a variable's value is differentiated as in immediate mode: while a tape records it, and while it is the present one", function()
    local v = kl.Variable(3.0)
    local function f()
      local list = {}
      local before = v.value
      v:assign_add(1.0)
      local after = v.value
      local tape <close> = kl.GradientTape{persistent = true}
      local recorded = v.value
      v:assign_add(1.0)
      local later <close> = kl.GradientTape{persistent = true}
      for i, x in ipairs{before, after, recorded, v.value} do
        local y = x * 2
        list[i] = {tape:gradient(y, v, {unconnected_gradients = "zero"}), later:gradient(y, v, {unconnected_gradients = "zero"})}
      end
      return list
    end
    local function values(list)
      local r = {}
      for i, pair in ipairs(list) do r[i] = {pair[1]:item(), pair[2]:item()} end
      return r
    end
    assert.same(values(f()), values(step(f)()))
  end)

  it("values of variables may outlive the variables", function()
    local f = step(function(x)
      local v = kl.Variable(x)
      local _ <close> = kl.GradientTape()
      v:assign_add(1.0)
      local first = v.value
      v:assign_add(1.0)
      return first, v.value
    end)
    local a, b = f(kl.tensor{1.0, 2.0})
    live()
    local sum = step(function() return a * 1 + b end)()
    assert.same({5.0, 7.0}, sum:totable())
  end)

  it("kl.custom_gradient has its way, and its results may be returned", function()
    local clipped = kl.custom_gradient(function(x)
      return x * 2, function(upstream) return kl.clip(upstream, -1, 1) * 10 end
    end)
    local v = kl.Variable{1.0, 2.0}
    local f = step(function()
      local tape <close> = kl.GradientTape()
      local y = clipped(v)
      return y, tape:gradient(kl.sum(y * 5), v), y + 1
    end)
    local kept = {}
    for i = 1, 3 do
      local y, g, z = f()
      kept[i] = y
      assert.same({{2.0, 4.0}, {10.0, 10.0}, {3.0, 5.0}}, {y:totable(), g:totable(), z:totable()})
    end
    assert.same({2.0, 4.0}, kept[1]:totable())
  end)

  it("layers may make their weights, which live on", function()
    kl.set_seed(3)
    local plain = layers.Dense{2}
    local expected = plain(kl.ones{1, 3})
    kl.set_seed(3)
    local layer = layers.Dense{2}
    local f = step(function(x) return layer(x) end)
    for _ = 1, 2 do compare.bits(f(kl.ones{1, 3}), expected, "the layer's output") end
    compare.bits(layer.kernel.value, plain.kernel.value, "the kernel")
  end)

  it("variables made of recorded values start with them", function()
    local v
    step(function(x) v = kl.Variable(x * 2) end)(kl.tensor{1.0, 2.0})
    assert.same({2.0, 4.0}, v:totable())
  end)

  it("random draws are those of immediate mode", function()
    local dropout = layers.Dropout{0.5}
    local function draw(x) return {dropout(x, {training = true}), kl.random.normal{3}, kl.random.uniform{2}} end
    local function run(f)
      kl.set_seed(11)
      local seen = {}
      for _ = 1, 3 do
        for _, t in ipairs(f(kl.ones{4, 5})) do seen[#seen + 1] = t:totable() end
      end
      return seen
    end
    assert.same(run(draw), run(step(draw)))
  end)

  it("tensors may be empty", function()
    local v = kl.Variable(kl.zeros{0, 3})
    local f = step(function(x)
      v:assign_add(x)
      return kl.sum(x), kl.matmul(x, kl.ones{3, 2}) * 2 + 1, kl.softmax(x), kl.concatenate({x, x}, {axis = 1})
    end)
    for _ = 1, 2 do
      local sum, product, softmax, joined = f(kl.zeros{0, 3})
      assert.equal(0.0, sum:item())
      assert.same({{0, 2}, {0, 3}, {0, 3}}, {product.shape, softmax.shape, joined.shape})
    end
    assert.same({0, 3}, v.value.shape)
  end)
end)

describe("coroutines", function()
  it("may have steps of their own, whose parts alternate", function()
    local v = kl.Variable(0.0)
    local log = {}
    local function worker(name, k)
      return coroutine.create(function()
        for i = 1, 3 do
          local y = step(function(x)
            local z = x * k
            v:assign_add(z)
            return z + i
          end)(kl.tensor(1.0))
          log[#log + 1] = name .. y:item()
          coroutine.yield()
        end
      end)
    end
    local a, b = worker("a", 1), worker("b", 10)
    for _ = 1, 4 do
      assert(coroutine.resume(a))
      assert(coroutine.resume(b))
    end
    assert.same({"a2.0", "b11.0", "a3.0", "b12.0", "a4.0", "b13.0"}, log)
    assert.equal(33.0, v:item())
  end)

  it("resumed within a step may run a step of their own meanwhile; handles of one are strange to the other", function()
    local outer_handle, message
    local seven = kl.tensor(7.0)
    local f = step(function(x)
      outer_handle = x * 2
      local co = coroutine.create(function(t)
        local inner = step(function(u) return u * 10 end)(t)
        local ok, why = pcall(function() return outer_handle + 1 end)
        message = not ok and why
        return inner
      end)
      local _, inner = assert(coroutine.resume(co, seven))
      return outer_handle + 1, inner
    end)
    local a, b = f(kl.tensor(1.0))
    assert.same({3.0, 70.0}, {a:item(), b:item()})
    assert.matches("this tensor belongs to", message)
  end)

  it("cannot leave a step by a yield", function()
    local v = kl.Variable(1.0)
    local co = coroutine.create(step(function()
      v:assign(2.0)
      coroutine.yield()
    end))
    local ok, message = coroutine.resume(co)
    assert.is_false(ok)
    assert.matches("cannot be left by a yield", message)
    assert.equal(2.0, v:item())
    assert.equal(4.0, step(function(x) return x * 2 end)(kl.tensor(2.0)):item())
  end)
end)

describe("plans", function()
  it("are made once per shape, found again, and bounded", function()
    kl.core.forget_plans()
    local function run(n) -- each with a step of its own, for one that needs so many plans is worth a note
      local f = step(function(x) return kl.sum(kl.exp(x) * 2) end)
      assert.is_true(math.abs(f(kl.zeros{n}):item() - 2 * n) < 1e-3)
    end
    assert.equal(1, plans_made(function() for _ = 1, 5 do run(3) end end))
    assert.equal(69, plans_made(function() for n = 4, 72 do run(n) end end))
    assert.equal(64, kl.core.plans().plans)
    assert.equal(0, plans_made(function() for n = 72, 60, -1 do run(n) end end))
    assert.equal(1, plans_made(function() run(3) end))
    assert.equal(64, kl.core.plans().plans)
  end)

  it("do not depend on the values of numbers: a learning rate, a bound, a slope", function()
    local model = kl.Sequential{kl.Input{2}, layers.Dense{2}}
    local optimizer = kl.optimizers.Adam{}
    local f = step(function(x, k)
      local tape <close> = kl.GradientTape()
      local loss = kl.sum(kl.clip(model(x) * k, -k, k))
      optimizer:apply_gradients(tape:gradient(loss, model.trainable_weights), model.trainable_weights)
      return loss
    end)
    f(kl.ones{1, 2}, 1.0)
    f(kl.ones{1, 2}, 1.5)
    assert.equal(0, plans_made(function()
      for i = 1, 5 do
        optimizer.learning_rate = 0.1 / i
        f(kl.ones{1, 2}, 1.0 + i)
      end
    end))
  end)

  it("keep memory flat: 1000 steps leave as many tensors and bytes as three", function()
    local model = kl.Sequential{kl.Input{4}, layers.Dense{8, activation = "relu"}, layers.Dropout{0.5}, layers.Dense{1}}
    local optimizer, x = kl.optimizers.SGD{momentum = 0.9}, kl.ones{8, 4}
    local f = step(function(t)
      local tape <close> = kl.GradientTape()
      local loss = kl.mean(model(t, {training = true}) ^ 2)
      optimizer:apply_gradients(tape:gradient(loss, model.trainable_weights), model.trainable_weights)
      return loss
    end)
    for _ = 1, 3 do f(x) end
    local tensors, bytes = live(), kl.core.memory_stats().live_bytes
    for _ = 1, 1000 do f(x) end
    assert.equal(tensors, live())
    assert.equal(bytes, kl.core.memory_stats().live_bytes)
  end)

  it("are not made with KL_EAGER=1: every step runs operation by operation", function()
    local text = [[
      local kl = require "kl"
      local v, left = kl.Variable(1.0), nil
      local r = kl.jit(function(x) v:assign_add(x) left = x * 3 return v * 2 end)(kl.tensor(2.0))
      print(r:item(), v:item(), pcall(function() return left:item() end) and "alive" or "dead", kl.core.plans().misses)
    ]]
    assert.equal("6.0\t3.0\talive\t0\n", (program.run(text, nil, "KL_EAGER=1")))
    assert.equal("6.0\t3.0\tdead\t1\n", (program.run(text)))
    assert.equal("6.0\t3.0\tdead\t1\n", (program.run(text, nil, "KL_EAGER=0")))
  end)
end)
