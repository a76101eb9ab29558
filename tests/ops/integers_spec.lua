-- Integers and booleans: arithmetic wraps as numpy's does, what has no answer is an error, conversions clamp.
local kl = require "kl"

local int32_max, int32_min = 2147483647, -2147483648
local int64_max, int64_min = math.maxinteger, math.mininteger

local function pairwise(f, dtype, a, b) return f(kl.tensor(a, dtype), kl.tensor(b, dtype)):totable() end

describe("integers", function()
  it("wrap in arithmetic", function()
    assert.same({int32_min, int32_max - 1}, pairwise(kl.add, "int32", {int32_max, int32_min}, {1, -2}))
    assert.same({int64_min}, pairwise(kl.add, "int64", {int64_max}, {1}))
    assert.same({44, 255}, pairwise(kl.add, "uint8", {200, 0}, {100, 255}))
    assert.same({156}, pairwise(kl.subtract, "uint8", {100}, {200}))
    assert.same({int32_max}, pairwise(kl.subtract, "int32", {int32_min}, {1}))
    assert.same({1410065408}, pairwise(kl.multiply, "int32", {100000}, {100000}))
    assert.same({64}, pairwise(kl.multiply, "uint8", {200}, {8}))
    assert.same({int64_max * int64_max}, pairwise(kl.multiply, "int64", {int64_max}, {int64_max}))
    assert.same({0, 1 << 31 | ~0xffffffff}, pairwise(kl.power, "int32", {2, 2}, {32, 31}))
    assert.same({0, 243}, pairwise(kl.power, "uint8", {2, 3}, {8, 5}))
  end)

  it("wrap where the smallest has no opposite", function()
    for dtype, least in pairs{int32 = int32_min, int64 = int64_min} do
      assert.same({least}, kl.negative(kl.tensor({least}, dtype)):totable())
      assert.same({least}, kl.abs(kl.tensor({least}, dtype)):totable())
      assert.same({least}, pairwise(kl.floor_divide, dtype, {least}, {-1}))
      assert.same({0}, pairwise(kl.mod, dtype, {least}, {-1}))
    end
    assert.same({255, 0}, kl.negative(kl.tensor({1, 0}, "uint8")):totable())
  end)

  it("wrap in sums, products, running sums and matrix products", function()
    assert.equal(int32_min, kl.sum(kl.tensor({int32_max, 1}, "int32")):item())
    assert.equal(int64_min, kl.sum(kl.tensor({int64_max, 1}, "int64")):item())
    assert.equal(1410065408, kl.prod(kl.tensor({100000, 100000}, "int32")):item())
    assert.same({200, 144}, kl.cumsum(kl.tensor({200, 200}, "uint8"), 1):totable())
    assert.same({int32_max, int32_min}, kl.cumsum(kl.tensor({int32_max, 1}, "int32"), 1):totable())
    assert.equal(144, kl.matmul(kl.tensor({200, 200}, "uint8"), kl.tensor({1, 1}, "uint8")):item())
  end)

  it("do not wrap in sums of small types, which are int32", function()
    local sum = kl.sum(kl.broadcast_to(kl.tensor(255, "uint8"), {1000}))
    assert.equal(255000, sum:item())
    assert.equal("int32", sum.dtype)
    assert.equal(1000, kl.sum(kl.broadcast_to(kl.tensor(true), {1000})):item())
  end)

  it("divide and leave a rest with the divisor's sign, so that a = b * (a // b) + a % b", function()
    local a, b = kl.tensor({7, -7, 7, -7, 6, -6}), kl.tensor({2, 2, -2, -2, 3, -3})
    assert.same({3, -4, -4, 3, 2, 2}, (a // b):totable())
    assert.same({1, 1, -1, -1, 0, 0}, (a % b):totable())
  end)

  it("divided by zero are an error that names the element", function()
    for _, dtype in ipairs{"uint8", "int32", "int64"} do
      local x = kl.tensor({1, 2, 3}, dtype)
      for _, name in ipairs{"floor_divide", "mod"} do
        assert.error_matches(function() kl[name](x, kl.tensor({1, 1, 0}, dtype)) end,
          "kl%." .. name .. ": integer division by zero %(element 2%)")
      end
    end
    assert.same({1 / 0, -1 / 0}, (kl.tensor{1, -1} / kl.tensor{0, 0}):totable()) -- true division is of floats
  end)

  it("raised to a negative power are an error, and to the power of 0 are 1", function()
    for _, dtype in ipairs{"int32", "int64"} do
      assert.error_matches(function() kl.power(kl.tensor({2, 3}, dtype), kl.tensor({1, -1}, dtype)) end,
        "kl.power: an integer to a negative power: cast to a float type first %(element 1%)")
    end
    assert.same({1, 1, 1}, pairwise(kl.power, "int32", {0, 5, -3}, {0, 0, 0}))
    assert.same({0.5}, (kl.tensor{2.0} ^ kl.tensor{-1}):totable())
  end)

  it("beyond 2^53 are compared as what they are", function()
    local a = kl.tensor({(1 << 53) + 1, int64_max}, "int64")
    local b = kl.tensor({1 << 53, int64_max - 1}, "int64")
    assert.same({true, true}, kl.greater(a, b):totable())
    assert.same({(1 << 53) + 1, int64_max}, kl.maximum(a, b):totable())
    assert.equal(int64_max, kl.max(a):item())
    assert.equal(1, kl.argmax(a):item())
  end)
end)

describe("conversions", function()
  local nan, inf = 0 / 0, math.huge

  local function converted(values, from, to) return kl.cast(kl.tensor(values, from), to):totable() end

  it("cut floats toward zero", function()
    for _, from in ipairs{"float32", "float64"} do
      for _, to in ipairs{"int32", "int64"} do
        assert.same({2, -2, 0, 0}, converted({2.9, -2.9, 0.9, -0.9}, from, to))
      end
      assert.same({2, 0, 0}, converted({2.9, 0.9, -0.9}, from, "uint8"))
    end
  end)

  it("clamp floats that are out of range to the integer's ends and take NaN as 0", function()
    for _, from in ipairs{"float32", "float64"} do
      local wild = {1e10, -1e10, inf, -inf, nan}
      assert.same({int32_max, int32_min, int32_max, int32_min, 0}, converted(wild, from, "int32"))
      assert.same({255, 0, 255, 0, 0}, converted(wild, from, "uint8"))
      assert.same({10000000000, -10000000000, int64_max, int64_min, 0}, converted(wild, from, "int64"))
      assert.same({int64_max, int64_min}, converted({2.0 ^ 63, -2.0 ^ 63}, from, "int64"))
      assert.same({int32_max, int32_min}, converted({2.0 ^ 31, -2.0 ^ 31}, from, "int32"))
      assert.same({255, 255, 0}, converted({255.5, 256.0, -1.0}, from, "uint8"))
    end
    assert.same({int32_max, int32_min}, converted({2147483647.5, -2147483648.9}, "float64", "int32"))
    assert.same({2147483520}, converted({2147483520.0}, "float32", "int32"))
  end)

  it("cut integers to the width of the type", function()
    assert.same({44, 255, 0}, converted({300, -1, 256}, "int32", "uint8"))
    assert.same({0, -1, 1}, converted({1 << 32, (1 << 32) - 1, (1 << 32) + 1}, "int64", "int32"))
  end)

  it("take every number but 0 as true, and true as 1", function()
    assert.same({true, true, true, false, false}, converted({0.5, nan, inf, 0.0, -0.0}, "float32", "bool"))
    assert.same({true, true, false}, converted({256, 1 << 40, 0}, "int64", "bool"))
    assert.same({1, 0}, converted({true, false}, "bool", "float32"))
    assert.same({1, 0}, converted({true, false}, "bool", "uint8"))
  end)

  it("round float64 and large integers to the nearest float32", function()
    assert.same({16777216.0, 16777220.0}, converted({16777217, 16777219}, "int32", "float32"))
    assert.same({16777216.0, 16777220.0}, converted({16777217.0, 16777219.0}, "float64", "float32"))
    assert.same({inf, -inf}, converted({1e300, -1e300}, "float64", "float32"))
  end)
end)

describe("booleans", function()
  it("add as or, multiply as and, and have an order", function()
    local a, b = kl.tensor{false, false, true, true}, kl.tensor{false, true, false, true}
    assert.same({false, true, true, true}, (a + b):totable())
    assert.same({false, false, false, true}, (a * b):totable())
    assert.same({false, true, false, false}, kl.less(a, b):totable())
    assert.same({false, true, true, true}, kl.maximum(a, b):totable())
    assert.same({false, false, false, true}, kl.minimum(a, b):totable())
    assert.is_true(kl.max(a):item())
    assert.equal(2, kl.argmax(a):item())
  end)
end)
