-- The thread pool, and the floating-point mode of kernels: results do not depend on the number of threads (reliability.md D1).
local kl = require "kl"
local program = require "program"
local raises = require "raises"

--- Results by name of operations large enough for many blocks.
local function results()
  kl.set_seed(7)
  local x, y = kl.random.normal{1001, 517}, kl.random.uniform{1001, 517}
  local yt = kl.transpose(y)
  local r = {
    normal = x, uniform = y, truncated = kl.random.truncated_normal{300001}, randint = kl.random.randint({300001}, 0, 1000),
    shuffle = kl.random.shuffle(x), dropout = kl.random.dropout(x, 0.5),
    chain = kl.exp(x) * y + kl.tanh(x / (y + 1)), broadcast = x * y[1] + 3, transposed = kl.transpose(x) + 1,
    sum = kl.sum(x), var = kl.var(x), softmax = kl.softmax(x), columns = kl.softmax(x, {axis = 1}),
    matmul = kl.matmul(x, yt), ["matmul transposed"] = kl.matmul(kl.transpose(x), y), ["matmul vector"] = kl.matmul(x, y[1]),
    ["matmul float64"] = kl.matmul(kl.cast(x, "float64"), kl.cast(yt, "float64")),
    ["matmul int"] = kl.matmul(kl.cast(x * 10, "int32"), kl.cast(yt * 10, "int32")),
    take = kl.take(x, kl.random.randint({3000}, 0, 1001), {axis = 1}),
  }
  for _, name in ipairs{"sum", "mean", "prod", "max", "logsumexp", "argmax", "cumsum"} do
    for axis = 1, 2 do r[name .. axis] = kl[name](x, {axis = axis}) end
  end
  local tape <close> = kl.GradientTape()
  tape:watch{x, y}
  local g = tape:gradient(kl.sum(kl.tanh(kl.matmul(x, kl.transpose(y))) ^ 2), {x, y})
  r.gradient1, r.gradient2 = g[1], g[2]
  return r
end

describe("the number of threads", function()
  it("changes no bit of any result: 1, 2, 3 and 8 threads, each twice", function()
    local before = kl.core.get_threads()
    kl.set_threads(1)
    local expected = results()
    for _, n in ipairs{1, 2, 2, 3, 3, 8, 8} do
      kl.set_threads(n)
      for name, t in pairs(results()) do
        assert.is_true(kl.array_equal(expected[name], t), ("%s with %d threads"):format(name, n))
      end
    end
    kl.set_threads(before)
  end)

  it("may change while a program runs", function()
    local before = kl.core.get_threads()
    local x = kl.random.normal{700, 700}
    local expected = kl.sum(kl.matmul(x, x)):item()
    for _, n in ipairs{1, 3, 2, 8, 1, 4} do
      kl.set_threads(n)
      assert.equal(n, kl.core.get_threads())
      assert.equal(expected, kl.sum(kl.matmul(x, x)):item())
    end
    kl.set_threads(before)
  end)

  it("is from 1 to 256", function()
    for _, n in ipairs{0, -1, 257, 20000, math.maxinteger, math.mininteger} do
      raises(function() kl.set_threads(n) end, "the number of threads must be from 1 to 256, got %-?%d+")
    end
    for _, n in ipairs{"x", 1.5, "2"} do
      raises(function() kl.set_threads(n) end, "kl%.set_threads: a number of threads expected, got " .. n)
    end
    raises(function() kl.set_threads() end, "kl%.set_threads: a number of threads expected, got nil")
  end)

  it("is that of the processors by default, and everything works on 256", function()
    local output, status = program.run([[
      local kl = require "kl"
      kl.set_threads(256)
      print(kl.sum(kl.ones{4000, 1000}):item())
      kl.set_threads(1)
      print(kl.sum(kl.ones{4000, 1000}):item())
    ]])
    assert.equal("4000000.0\n4000000.0\n", output)
    assert.equal(0, status)
  end)
end)

describe("numbers too small to be normal", function()
  it("are 0 to kernels, in the main thread and in workers", function()
    for _, n in ipairs{10, 3000000} do
      local tiny = kl.broadcast_to(kl.tensor(1e-38), {n}) * 1
      assert.equal(0, kl.max(tiny * 1e-3):item())
      assert.equal(0, kl.max(kl.cast(tiny, "float64") * 1e-275):item())
    end
  end)

  it("are kept by Lua's own arithmetic, before and after kernels and in finalizers", function()
    local function kept() return 1e-310 * 1 > 0 and 1e-310 * 0.5 == 5e-311 end
    assert.is_true(kept())
    local _ = kl.sum(kl.ones{3000000}) * 2
    assert.is_true(kept())
    local tape <close> = kl.GradientTape()
    local v = kl.Variable(1.0)
    tape:gradient(kl.custom_gradient(function(x)
      assert.is_true(kept())
      return x * 1, function(u)
        assert.is_true(kept())
        return u
      end
    end)(v), v)
    assert.has_error(function() return kl.ones{2} // kl.tensor({0, 0}) + kl.ones{3} end)
    assert.is_true(kept())
  end)
end)
