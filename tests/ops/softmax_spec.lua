-- Softmax, its logarithm and its loss, log-sum-exp and variance where a plain formula overflows or cancels
-- (reliability.md 9: inputs of 1e4, -inf masks, constant rows, variance of 1e4 +- 1e-2).
local kl = require "kl"
local compare = require "compare"

local nan, inf = 0 / 0, math.huge
local floats = {"float32", "float64"}

local function rows(f, x, dtype) return f(kl.tensor(x, dtype)):totable() end

--- Two, and two hundred, columns: the whole vectors and what is left of one.
local function wide(row)
  local many = {}
  for i = 1, 200 do many[i] = row[math.min(i, #row)] end
  return many
end

local function assert_nan(v) assert(v ~= v, tostring(v)) end

describe("softmax", function()
  it("does not overflow at 1e4 and gives exact zeros and ones there", function()
    for _, dtype in ipairs(floats) do
      assert.same({{1, 0}, {0, 1}, {0.5, 0.5}, {0.5, 0.5}},
        rows(kl.softmax, {{1e4, -1e4}, {-1e4, 1e4}, {1e4, 1e4}, {-1e4, -1e4}}, dtype))
    end
  end)

  it("gives masked positions (-inf) the probability 0", function()
    for _, dtype in ipairs(floats) do
      assert.same({{0, 0.5, 0.5}, {1, 0, 0}}, rows(kl.softmax, {{-inf, 2.0, 2.0}, {-3.0, -inf, -inf}}, dtype))
      local y = rows(kl.softmax, {wide{-inf, 2.0}}, dtype)[1]
      assert.equal(0, y[1])
      assert(math.abs(y[200] - 1 / 199) < 1e-9)
    end
  end)

  it("of a constant row is one over its length", function()
    for _, dtype in ipairs(floats) do
      for _, n in ipairs{1, 4, 64} do -- powers of two: exact
        local y = kl.softmax(kl.broadcast_to(kl.tensor(-7.25, dtype), {2, n})):totable()
        for i = 1, n do assert.equal(1 / n, y[2][i]) end
      end
    end
  end)

  it("of nothing but -inf, of +inf and of NaN is NaN", function()
    for _, dtype in ipairs(floats) do
      for _, row in ipairs{{-inf, -inf}, {inf, 1.0}, {nan, 1.0}, {1.0, nan}, wide{1.0, nan}, wide{nan, 1.0}} do
        for _, f in ipairs{kl.softmax, kl.log_softmax} do
          for _, v in ipairs(rows(f, {row}, dtype)[1]) do assert_nan(v) end
        end
      end
    end
  end)

  it("sums to 1 over a long axis", function()
    local y = kl.softmax(kl.sin(kl.cast(kl.arange(100000), "float32")))
    -- each of 1e5 quotients and the sum itself carry a rounding or two
    assert(math.abs(kl.sum(kl.cast(y, "float64")):item() - 1) < 1e-6)
  end)
end)

describe("log_softmax", function()
  it("is exact where softmax is 0 or 1", function()
    for _, dtype in ipairs(floats) do
      assert.same({{0, -2e4}, {-2e4, 0}}, rows(kl.log_softmax, {{1e4, -1e4}, {-1e4, 1e4}}, dtype))
      assert.same({{-inf, 0}}, rows(kl.log_softmax, {{-inf, 3.0}}, dtype))
    end
  end)

  it("does not depend on a shift of the row", function()
    local x = kl.tensor{{1.0, 2.5, -3.0}}
    compare.bits(kl.log_softmax(x + 1024.0), kl.log_softmax(x), "shifted by a power of two")
  end)
end)

describe("sparse_softmax_cross_entropy", function()
  it("is large and finite for a confident wrong answer, and 0 for a right one", function()
    for _, dtype in ipairs(floats) do
      local loss = kl.sparse_softmax_cross_entropy(kl.tensor{1, 0}, kl.tensor({{1e4, -1e4}, {1e4, -1e4}}, dtype))
      assert.same({2e4, 0}, loss:totable())
    end
  end)

  it("has bounded gradients at 1e4", function()
    local x = kl.Variable{{1e4, -1e4}, {-1e4, 1e4}}
    local tape <close> = kl.GradientTape()
    local loss = kl.sum(kl.sparse_softmax_cross_entropy(kl.tensor{1, 1}, x))
    assert.same({{1, -1}, {0, 0}}, tape:gradient(loss, x):totable())
  end)

  it("passes no gradient to labels, even of a float type", function()
    local labels, logits = kl.tensor{1.0, 0.0}, kl.tensor{{1.0, 2.0}, {3.0, 4.0}}
    local tape <close> = kl.GradientTape()
    tape:watch{labels, logits}
    local loss = kl.sum(kl.sparse_softmax_cross_entropy(labels, logits))
    local g = tape:gradient(loss, {labels, logits})
    assert.is_false(g[1])
    assert.same({2, 2}, g[2].shape)
  end)
end)

describe("logsumexp", function()
  it("does not overflow, and knows nothing and everything", function()
    for _, dtype in ipairs(floats) do
      local y = kl.logsumexp(kl.tensor({{1e4, -1e4}, {-1e4, -1e4}, {-inf, -inf}, {inf, 1.0}, {-inf, 2.5}}, dtype), 2)
      local expected = kl.tensor({1e4, -1e4 + math.log(2), -inf, inf, 2.5}, dtype)
      -- at 1e4 a unit of the last place is 2^-10 in float32: the sum is rounded to it
      compare.within(y[{ {1, 2} }], expected[{ {1, 2} }], {0, dtype == "float32" and 2.0 ^ -10 or 1e-11}, "at 1e4")
      compare.bits(y[{ {3, 5} }], expected[{ {3, 5} }], "infinities")
      assert_nan(kl.logsumexp(kl.tensor({1.0, nan}, dtype)):item())
    end
  end)
end)

describe("variance", function()
  it("of 1e4 +- 1e-2 does not cancel", function()
    local values = {}
    for i = 1, 1000 do values[i] = 1e4 + (i % 2 == 0 and 1e-2 or -1e-2) end
    local x = kl.tensor(values, "float32")
    local exact = kl.var(kl.cast(x, "float64")):item()
    -- the mean is rounded to 2^-11, a twentieth of 1e-2: that squared is added to the variance, 0.25 % of it
    local got = kl.var(x):item()
    assert(math.abs(got / exact - 1) <= 2.6e-3, ("%g, exactly %g"):format(got, exact))
    assert(math.abs(kl.var(kl.tensor(values, "float64")):item() - 1e-4) <= 1e-13)
  end)

  it("of a constant is exactly 0 where the mean is exact", function()
    for _, dtype in ipairs(floats) do
      assert.equal(0, kl.var(kl.broadcast_to(kl.tensor(12345.5, dtype), {64})):item())
      assert.equal(0, kl.std(kl.broadcast_to(kl.tensor(12345.5, dtype), {64})):item())
    end
  end)
end)
