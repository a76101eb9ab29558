-- Steps that are too long or too large: an error at the user's line that says what to do, and everything as it was.
local kl = require "kl"
local raises = require "raises"

local function stats()
  collectgarbage()
  collectgarbage()
  return kl.core.memory_stats()
end

describe("a step without end", function()
  it("is an error that names the line, long before memory is gone; nothing of it was done", function()
    local v = kl.Variable(1.0)
    local generator = kl.random.SeedGenerator{4}
    local function endless(x)
      v:assign(2.0)
      kl.random.normal{{2}, seed = generator}
      while true do x = x + 1 end
    end
    local line = debug.getinfo(endless, "S").linedefined + 3
    local f, big = kl.jit(endless), kl.ones{1000, 1000}
    local before, state = stats(), generator:state()
    assert.matches(("^tests/graph/limits_spec.lua:%d: kl.add: this step has recorded 100000 operations, the most "
      .. "there can be: has a loop in it no end%%?  Nothing of the step was done"):format(line), select(2, pcall(f, big)))
    local after = stats()
    assert(after.live_bytes - before.live_bytes < 64e6)
    assert.equal(before.live_tensors, after.live_tensors)
    assert.equal(1.0, v:item())
    assert.same(state, generator:state())
    assert.equal(3.0, kl.jit(function(x) return x * 3 end)(kl.tensor(1.0)):item())
  end)
end)

describe("a step that needs more memory than there is", function()
  after_each(function() kl.set_memory_limit(0) end)

  it("says what it needs, and leaves variables, results and generators as they were", function()
    local v, x = kl.Variable(kl.ones{1000, 100}), kl.ones{1000, 100}
    local generator = kl.random.SeedGenerator{4}
    local held = v.value
    local f = kl.jit(function(t, n)
      v:assign_add(t)
      local wide = kl.concatenate{v.value, kl.random.normal{{1000, n}, seed = generator}}
      return kl.sum(kl.matmul(wide, kl.transpose(wide))), t * 2
    end)
    f(x, 10)
    local before, state = stats(), generator:state()
    kl.set_memory_limit(before.live_bytes + 300000)
    raises(function() f(x, 20) end, "out of memory: this step needs 456%d%d%d%d bytes for what it computes on the way, 400004 for its "
      .. "results and 0 for new values of variables; %d+ are live, the limit is %d+.  Nothing of the step was done")
    assert.same(state, generator:state())
    kl.set_memory_limit(0)
    assert.equal(200000.0, kl.sum(v):item())
    assert.equal(100000.0, kl.sum(held):item())
    f(x, 20)
    assert.equal(300000.0, kl.sum(v):item())
  end)

  it("grows the arena where only one of the old and the new one has room", function()
    local f = kl.jit(function(t) return kl.sum(kl.matmul(t, kl.transpose(t))) end)
    kl.core.forget_plans()
    f(kl.ones{1000, 10}) -- 4 MB of arena
    local x = kl.ones{1100, 10}
    kl.set_memory_limit(stats().live_bytes + 2000000)
    assert.equal(1100.0 * 1100 * 10, f(x):item())
  end)
end)

describe("a recorded result that no machine has room for", function()
  it("is an error where it is written, as in immediate mode", function()
    local parts = {}
    for i = 1, 4 do
      local shape = {1, 1, 1, 1}
      shape[i] = 100000
      parts[i] = kl.ones(shape)
    end
    raises(function() kl.jit(function() return kl.sum(parts[1] + parts[2] + parts[3] + parts[4]) end)() end,
      "^tests/graph/limits_spec.lua:%d+: kl.add: shape %(100000, 100000, 100000, 100000%) is too large: its bytes do not fit")
  end)
end)

describe("reading a value in a step that is replayed", function()
  it("is an error at the line that reads", function()
    local f = kl.jit(function(x)
      local y = x * 2
      return y:item()
    end, {replay = true})
    local line = debug.getinfo(1, "l").currentline - 2
    assert.matches(("^tests/graph/limits_spec.lua:%d: a value is read inside a step that is to be replayed"):format(line),
      select(2, pcall(f, kl.ones{})))
  end)
end)
