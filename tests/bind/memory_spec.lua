-- Tensor memory and the collector (reliability.md M1, V4).
local kl = require "kl"
local program = require "program"
local raises = require "raises"

local MIB = 1 << 20

local function stats() return kl.core.memory_stats() end

local function live()
  local _ = kl.ones{1} + 1 -- the coroutine that ran last is held until another one computes
  collectgarbage()
  collectgarbage()
  return stats().live_tensors, stats().live_bytes
end

describe("dead tensors", function()
  --- The most bytes live at once, above what is live at the start, in a loop that makes 20 tensors of 1 MiB each time.
  local function peak(iterations)
    live()
    local start, most = stats().live_bytes, 0
    local x = kl.zeros{MIB // 4}
    for _ = 1, iterations do
      for _ = 1, 20 do local _ = x + 1 end
      most = math.max(most, stats().live_bytes - start)
    end
    return most
  end

  it("are freed as fast as they are made while the Lua heap is small", function()
    assert.is_true(peak(100) < 120 * MIB)
  end)

  it("are freed as fast as they are made while the Lua heap is large", function()
    local heap = {}
    for i = 1, 400000 do heap[i] = {i} end
    local most = peak(60)
    assert.equal(400000, #heap)
    assert.is_true(most < 400 * MIB, ("%d MiB"):format(most // MIB))
  end)

  it("wait for collectgarbage when the collector is stopped, and views of one storage count once", function()
    live()
    local before = stats().live_bytes
    collectgarbage("stop")
    local x = kl.zeros{MIB // 4}
    for _ = 1, 100 do local _ = x:reshape{256, 1024} end
    assert.is_true(stats().live_bytes - before < 2 * MIB)
    for _ = 1, 5 do local _ = x + 1 end
    local during = stats().live_bytes
    collectgarbage("restart")
    assert.is_true(during - before > 5 * MIB)
    local _, after = live()
    assert.is_true(after - before < 2 * MIB)
  end)

  it("are freed at once by <close> and by free", function()
    local _, before = live()
    local closed
    do
      local t <close> = kl.zeros{MIB}
      closed = t
    end
    local freed = kl.zeros{MIB}
    freed:free()
    freed:free()
    assert.is_true(stats().live_bytes - before < MIB)
    for _, t in ipairs{closed, freed} do
      raises(function() local _ = t + 1 end, "this tensor was closed or freed and cannot be used any more")
      raises(function() local _ = t.shape end, "closed or freed")
      raises(function() local _ = t:totable() end, "closed or freed")
      raises(function() local _ = #t end, "closed or freed")
      assert.equal("tensor (closed)", tostring(t))
    end
  end)

  it("stay in memory while a view of them is alive", function()
    local base = kl.tensor{{1.0, 2.0}, {3.0, 4.0}}
    local view, columns = base[2], base:transpose()
    base:free()
    base = nil
    collectgarbage()
    assert.same({3, 4}, view:totable())
    assert.same({{1, 3}, {2, 4}}, columns:totable())
    assert.is_nil(base)
  end)

  it("may be closed while a tape needs their value", function()
    local x = kl.tensor{2.0}
    local tape <close> = kl.GradientTape()
    tape:watch(x)
    local h = x * x
    local y = h * h
    h:free()
    assert.same({32}, tape:gradient(y, x):totable())
  end)

  it("of abandoned coroutines with open tapes are freed", function()
    local x = kl.ones{10}
    local tensors = live()
    for _ = 1, 50 do
      coroutine.wrap(function()
        local tape = kl.GradientTape()
        tape:watch(x)
        coroutine.yield(x * x, tape)
      end)()
    end
    assert.equal(tensors, (live()))
  end)

  it("of a tape are freed at its gradient, of a persistent one with the tape", function()
    local x = kl.ones{1000}
    local function used(persistent)
      local tensors = live()
      local tape = kl.GradientTape{persistent = persistent}
      tape:watch(x)
      local y = x
      for _ = 1, 10 do y = kl.exp(y) * 1e-3 end
      y = kl.sum(y)
      tape:gradient(y, x)
      y = nil
      local after = live() - tensors
      assert.is_not_nil(tape)
      return after, y
    end
    assert.equal(0, (used(false)))
    assert.is_true(used(true) >= 10)
    local tensors = live()
    used(true)
    assert.equal(tensors, (live()))
  end)

  it("of a training loop do not add up", function()
    local model = kl.Sequential{kl.Input{8}, kl.layers.Dense{16, activation = "relu"}, kl.layers.Dense{1}}
    model:compile{optimizer = "adam", loss = "mse"}
    local x, y = kl.ones{4, 8}, kl.ones{4, 1}
    for _ = 1, 3 do model:train_on_batch{x, y} end -- the first makes weights, the second the replay
    local tensors, bytes = live()
    for _ = 1, 20 do model:train_on_batch{x, y} end
    local after, bytes_after = live()
    assert.same({tensors, bytes}, {after, bytes_after})
  end)

  it("are all gone when the program ends", function()
    local output, status = program.run([[
      local last = setmetatable({}, {__gc = function()
        local s = STATS()
        print(s.live_tensors, s.live_bytes)
      end})
      local kl = require "kl"
      STATS = kl.core.memory_stats
      LAST = last
      x, v = kl.ones{10}, kl.Variable{1.0, 2.0}
      tape = kl.GradientTape{persistent = true}
      y = v * v
      model = kl.Sequential{kl.Input{3}, kl.layers.Dense{2}}
      f = kl.custom_gradient(function(t) return t * 2, function(u) return u + x[1] end end)
      z = f(v)
      co = coroutine.wrap(function() local t = kl.GradientTape(); t:watch(x); coroutine.yield(x * x) end)
      co()
    ]])
    assert.equal(0, status)
    assert.matches("^0\t0\n", (output:gsub("^kl: seed[^\n]*\n", "")))
  end)
end)

describe("the memory limit", function()
  after_each(function() kl.set_memory_limit() end)

  it("refuses what goes beyond it, with the bytes asked for, live and at the peak", function()
    live()
    kl.set_memory_limit(stats().live_bytes + 10 * MIB)
    raises(function() local _ = kl.zeros{4 * MIB} end,
      "out of memory %(memory limit%): 16777%d+ bytes requested, %d+ live, %d+ at the peak")
    assert.equal(3, kl.sum(kl.ones{3}):item())
  end)

  it("collects everything and tries again before it refuses", function()
    live()
    kl.set_memory_limit(stats().live_bytes + 20 * MIB)
    collectgarbage("stop") -- so that only the retry can free what is dead
    for _ = 1, 30 do local _ = kl.random.uniform{2 * MIB // 4} end
    local v = kl.Variable(kl.zeros{MIB // 4})
    for _ = 1, 60 do v:assign(v + 1) end
    assert.equal(60, v[1]:item())
    collectgarbage("restart")
  end)

  it("collects in the middle of a gradient too, which goes on where it was", function()
    local x, y = kl.ones{MIB // 4}, kl.ones{MIB // 4} * 3
    for room = 0, 6 do -- half MiBs: the memory runs out before, at and after the first of two gradients
      live()
      local squeeze = kl.custom_gradient(function(t)
        return t * 1, function(u)
          collectgarbage("stop")
          for _ = 1, 20 do local _ = x + 1 end
          kl.set_memory_limit(stats().live_bytes + room * MIB // 2)
          return u
        end
      end)
      local tape <close> = kl.GradientTape()
      tape:watch{x, y}
      local g = tape:gradient(squeeze(y * x + x), {x, y})
      kl.set_memory_limit()
      collectgarbage("restart")
      assert.same({4, 4, 1, 1}, {kl.min(g[1]):item(), kl.max(g[1]):item(), kl.min(g[2]):item(), kl.max(g[2]):item()})
    end
  end)

  it("is zero or more bytes", function()
    raises(function() kl.set_memory_limit(-1) end, "kl.set_memory_limit: bytes >= 0 expected .*got %-1")
    raises(function() kl.set_memory_limit("much") end, "kl.set_memory_limit: bytes >= 0 expected .*got much")
    raises(function() kl.set_memory_limit(1.5) end, "kl.set_memory_limit: bytes >= 0 expected .*got 1.5")
  end)
end)

describe("a tensor without elements", function()
  it("is printed in few rows, however many it has", function()
    local rows = "[],\n        [],\n        []"
    assert.equal(("tensor([%s,\n        ...,\n        %s], shape=(1099511627776, 0), dtype=float32)"):format(rows, rows),
      tostring(kl.zeros{1 << 40, 0}))
    assert.equal("tensor([], shape=(0, 1099511627776), dtype=float32)", tostring(kl.zeros{0, 1 << 40}))
  end)
end)

describe("a shape that cannot be", function()
  local x = kl.ones{2, 3}
  for what, f in pairs{
    zeros = function() return kl.zeros{1 << 40, 1 << 40} end,
    ["zeros with a 0"] = function() return kl.zeros{1 << 40, 1 << 40, 0} end,
    broadcast_to = function() return kl.broadcast_to(x, {1 << 62, 2, 3}) end,
    tile = function() return kl.tile(x, {1 << 40, 1 << 40}) end,
    ["repeat"] = function() return kl.repeat_(x, 1 << 62) end,
    reshape = function() return kl.reshape(x, {1 << 62, 1 << 62}) end,
    one_hot = function() return kl.one_hot(kl.tensor{0, 1}, 1 << 62) end,
    arange = function() return kl.arange(1 << 62) end,
    normal = function() return kl.random.normal{1 << 40, 1 << 40} end,
    pad = function() return kl.pad(x, {{0, 1 << 62}, {0, 0}}) end,
  } do
    it("is refused before anything is computed: " .. what, function()
      local ok, message = pcall(f)
      assert.is_false(ok)
      assert.matches("^tests/bind/memory_spec.lua:%d+: ", message)
      assert.is_true(stats().live_bytes < 100 * MIB)
    end)
  end
end)
