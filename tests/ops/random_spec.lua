-- The random numbers themselves: the generator's published values, how draws are made of its blocks, and that they
-- are the same on every instruction set.  Statistics of the distributions are in samples/random.lua.
local kl = require "kl"
local nd = require "nd"
local ops = kl.core.ops

local function key(a, b) return kl.tensor({a, b}, "int64") end

local function hex(...)
  local words = {...}
  for i, w in ipairs(words) do words[i] = ("%08x"):format(w) end
  return table.concat(words, " ")
end

describe("Philox 4x32-10", function()
  -- kat_vectors of Random123 (Salmon et al.), counter words c0 to c3 and key words k0, k1 as 64-bit halves
  it("gives the values its authors publish", function()
    assert.equal("6627e8d5 e169c58d bc57ac4c 9b00dbd8", hex(kl.core.philox(0, 0, 0)))
    assert.equal("408f276d 41c83b0e a20bc7c6 6d5451fd", hex(kl.core.philox(-1, -1, -1)))
    assert.equal("d16cfe09 94fdcceb 5001e420 24126ea1",
      hex(kl.core.philox(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e)))
  end)
end)

describe("draws", function()
  local k, c = 0x0123456789abcdef, 41

  --- Word i (from 0) of the stream that begins at the key's counter.
  local function word(i) return (select(i % 4 + 1, kl.core.philox(k, c + i // 4, 0))) end

  it("take element i of a float32 from the upper 24 bits of word i", function()
    local y = ops.random_uniform(key(k, c), {11}):totable()
    for i = 0, 10 do assert.equal((word(i) >> 8) * 2.0 ^ -24, y[i + 1]) end
  end)

  it("take element i of a float64 from the upper 53 bits of two words", function()
    local y = ops.random_uniform(key(k, c), {7}, 0, 1, "float64"):totable()
    for i = 0, 6 do assert.equal(((word(2 * i) << 32 | word(2 * i + 1)) >> 11) * 2.0 ^ -53, y[i + 1]) end
  end)

  it("drop and keep by comparing word i with the probability", function()
    local coins = ops.random_bernoulli(key(k, c), {40}, 0.3, "int32"):totable()
    local dropped = ops.dropout(kl.ones{40}, key(k, c), 0.3):totable()
    for i = 0, 39 do
      local below = word(i) < 0.3 * 2.0 ^ 32
      assert.equal(below and 1 or 0, coins[i + 1])
      assert.equal(below, dropped[i + 1] == 0)
    end
  end)

  it("do not depend on the shape, only on the place in C order", function()
    local flat = ops.random_normal(key(k, c), {24}):totable()
    assert.same(flat, kl.reshape(ops.random_normal(key(k, c), {2, 3, 4}), {-1}):totable())
    assert.same({table.unpack(flat, 1, 5)}, ops.random_normal(key(k, c), {5}):totable())
  end)

  it("with counters one draw apart share no numbers", function()
    local seen = {}
    for draw = 0, 9 do
      for _, v in ipairs(ops.random_uniform(key(k, draw * 100), {100}, 0, 1, "float64"):totable()) do
        assert(not seen[v], "drawn twice: " .. v)
        seen[v] = true
      end
    end
  end)

  it("never reach the open end of the range, even where no float lies between", function()
    local y = ops.random_uniform(key(k, c), {20000}, 16777215, 16777216)
    assert.equal(16777215, kl.max(y):item())
    assert.equal(16777215, kl.min(y):item())
    assert.equal(5, ops.random_randint(key(k, c), {}, 5, 6):item())
  end)

  it("take probabilities outside [0, 1] as 0 and 1", function()
    assert.equal(0, kl.sum(ops.random_bernoulli(key(k, c), {100}, -0.5)):item())
    assert.equal(100, kl.sum(ops.random_bernoulli(key(k, c), {100}, 1.5)):item())
    assert.equal(0, kl.sum(ops.dropout(kl.ones{100}, key(k, c), 1.0)):item())
  end)
end)

describe("dropout", function()
  it("gives its gradient the mask of the forward pass", function()
    local x = kl.Variable(kl.ones{50, 40} * 3.0)
    local tape <close> = kl.GradientTape()
    local y = ops.dropout(x, key(5, 6), 0.4)
    local g = tape:gradient(kl.sum(y), x)
    local kept, scale = 0, nd.float32(1 / (1 - 0.4))
    for i, v in ipairs(kl.reshape(y, {-1}):totable()) do
      local slope = kl.reshape(g, {-1})[i]:item()
      assert.equal(v == 0 and 0 or scale, slope)
      kept = kept + (v ~= 0 and 1 or 0)
    end
    assert(kept > 1000 and kept < 1400, kept)
  end)
end)

describe("every instruction set", function()
  --- Runs the script in a process of its own; nil and the reason where the processor lacks the instructions.
  local function draws_of(level)
    -- the shell's parent is this process: its executable is the kl under test
    local pipe <close> = assert(io.popen(("KL_CPU=%s /proc/$PPID/exe run tests/ops/draws.lua 2>&1"):format(level)))
    local text = pipe:read("a")
    if text:find("this processor does not have it", 1, true) then return nil, text end
    return text
  end

  local baseline = draws_of("baseline")

  for _, level in ipairs{"avx2", "avx512"} do
    it("draws the same numbers: " .. level, function()
      local text, reason = draws_of(level)
      if not text then return pending(reason) end
      assert(select(2, text:gsub("\n", "\n")) == 10030, text:sub(1, 500))
      assert(text == baseline, "the draws differ")
    end)
  end
end)
