-- NaN, infinities, signed zeros, subnormals and other hard floats, by IEEE 754 and numpy's rules (reliability.md 9).
local kl = require "kl"
local gen = require "gen"
local compare = require "compare"
local ops = kl.core.ops

local nan, inf = 0 / 0, math.huge
local floats = {"float32", "float64"}

--- Asserts f(x) element by element.  The values are repeated with an odd period, so that each of them meets a vector's
--- middle, its ends and the rest behind the last whole vector.
local function maps(f, x, expected, dtype)
  local many, wanted = {}, {}
  for i = 0, 37 * #x - 1 do many[i + 1], wanted[i + 1] = x[i % #x + 1], expected[i % #x + 1] end
  compare.bits(f(kl.tensor(many, dtype)), kl.tensor(wanted, dtype), dtype)
end

--- The same for two arguments: rows of {a, b, f(a, b)}.
local function maps_pairs(f, rows, dtype)
  local a, b, wanted = {}, {}, {}
  for i = 0, 37 * #rows - 1 do a[i + 1], b[i + 1], wanted[i + 1] = table.unpack(rows[i % #rows + 1]) end
  compare.bits(f(kl.tensor(a, dtype), kl.tensor(b, dtype)), kl.tensor(wanted, dtype), dtype)
end

--- n numbers that are 0 but for one.
local function with_one(n, at, value)
  local x = {}
  for i = 1, n do x[i] = i == at and value or 0.0 end
  return x
end

describe("NaN", function()
  it("comes out of every function of one float that it goes into", function()
    for _, info in ipairs(kl.core.op_info) do
      if info.elementwise and #info.params == 1 then
        for _, dtype in ipairs(floats) do
          local y = ops[info.name](kl.tensor({1.0, nan, 0.5, nan, nan}, dtype))
          if y.dtype == dtype then
            local values = y:totable()
            for _, i in ipairs{2, 4, 5} do assert(values[i] ~= values[i], info.name .. "(NaN) is " .. values[i]) end
          end
        end
      end
    end
  end)

  it("comes out of every function of two floats, from either side", function()
    for _, info in ipairs(kl.core.op_info) do
      if info.elementwise and #info.params == 2 and info.name ~= "power" and info.name ~= "cast" then
        for _, dtype in ipairs(floats) do
          local y = ops[info.name](kl.tensor({nan, 1.0, nan, 1.0}, dtype), kl.tensor({1.0, nan, nan, 1.0}, dtype))
          if y.dtype == dtype then
            local values = y:totable()
            for i = 1, 3 do assert(values[i] ~= values[i], info.name .. " with NaN is " .. values[i]) end
            assert(values[4] == values[4], info.name)
          end
        end
      end
    end
  end)

  it("comes out of power, but for anything to the power of 0 and 1 to any power (C's pow)", function()
    for _, dtype in ipairs(floats) do
      maps_pairs(kl.power, {{nan, 1.0, nan}, {nan, 2.0, nan}, {nan, 0.5, nan}, {nan, 0.0, 1.0}, {1.0, nan, 1.0},
        {2.0, nan, nan}, {-8.0, 1 / 3, nan}}, dtype)
    end
  end)

  it("comes out of clip as x, whatever the bounds", function()
    for _, dtype in ipairs(floats) do
      maps(function(x) return kl.clip(x, -1, 1) end, {nan, 3.0, -inf, 0.5, inf}, {nan, 1.0, -1.0, 0.5, 1.0}, dtype)
    end
  end)

  it("is found by max and min at any place of a row or column", function()
    for _, dtype in ipairs(floats) do
      for _, n in ipairs{1, 5, 16, 37, 300} do
        for _, at in ipairs{1, n // 2 + 1, n} do
          local row = kl.tensor({with_one(n, at, nan)}, dtype)
          for _, name in ipairs{"max", "min", "sum", "mean", "prod"} do
            local r, c = kl[name](row, 2):totable()[1], kl[name](kl.transpose(row), 1):totable()[1]
            assert(r ~= r, ("%s of a row of %d with NaN at %d is %s"):format(name, n, at, r))
            assert(c ~= c, ("%s of a column of %d with NaN at %d is %s"):format(name, n, at, c))
          end
        end
      end
    end
  end)

  it("survives the joining of chunks", function()
    for _, at in ipairs{1, 4096, 4097, 9000} do
      local x = kl.tensor(with_one(9000, at, nan))
      for _, name in ipairs{"max", "min", "sum"} do
        local y = kl[name](x):item()
        assert(y ~= y, name .. " with NaN at " .. at)
      end
    end
  end)

  it("beats everything in argmax and argmin, the first one first", function()
    for _, dtype in ipairs(floats) do
      local x = kl.tensor({{1.0, nan, 3.0, nan}, {nan, 5.0, inf, -inf}, {2.0, -inf, inf, 1.0}}, dtype)
      assert.same({1, 0, 2}, kl.argmax(x, 2):totable())
      assert.same({1, 0, 1}, kl.argmin(x, 2):totable())
      assert.equal(1, kl.argmax(x):item())
    end
  end)

  it("is equal to nothing and in no order, and true as a truth value", function()
    local x, y = kl.tensor{nan, nan, 1.0}, kl.tensor{nan, 1.0, nan}
    for _, name in ipairs{"equal", "less", "less_equal", "greater", "greater_equal"} do
      assert.same({false, false, false}, kl[name](x, y):totable(), name)
    end
    assert.same({true, true, true}, kl.not_equal(x, y):totable())
    assert.is_true(kl.any(kl.tensor{0.0, nan}):item())
    assert.same({false}, kl.logical_not(kl.tensor{nan}):totable())
  end)
end)

describe("infinities and zeros", function()
  it("go through sums and products by IEEE rules", function()
    for _, dtype in ipairs(floats) do
      maps_pairs(kl.add, {{inf, 1.0, inf}, {inf, -inf, nan}, {-0.0, 0.0, 0.0}, {-0.0, -0.0, -0.0}}, dtype)
      maps_pairs(kl.multiply, {{inf, 0.0, nan}, {inf, -2.0, -inf}, {-1.0, 0.0, -0.0}, {-0.0, -0.0, 0.0}}, dtype)
      maps_pairs(kl.divide, {{1.0, 0.0, inf}, {1.0, -0.0, -inf}, {0.0, 0.0, nan}, {1.0, -inf, -0.0}, {inf, inf, nan}},
        dtype)
      assert.equal(inf, kl.sum(kl.tensor({1.0, inf, 2.0}, dtype)):item())
      local undecided = kl.sum(kl.tensor({inf, -inf}, dtype)):item()
      assert(undecided ~= undecided)
    end
  end)

  it("divide to whole numbers as numpy does", function()
    for _, dtype in ipairs(floats) do
      maps_pairs(kl.floor_divide, {{1.0, 0.0, inf}, {-1.0, 0.0, -inf}, {0.0, 0.0, nan}, {inf, 2.0, nan},
        {1.0, inf, 0.0},
        {-1.0, inf, -1.0}, {1.0, -inf, -1.0}, {-1.0, -inf, 0.0}, {-0.0, 3.0, -0.0}, {7.0, -2.0, -4.0},
         {-6.0, 3.0, -2.0}},
        dtype)
      maps_pairs(kl.mod, {{1.0, 0.0, nan}, {inf, 2.0, nan}, {1.0, inf, 1.0}, {-1.0, inf, inf}, {1.0, -inf, -inf},
        {7.0, -2.0, -1.0}, {6.0, -3.0, -0.0}, {-6.0, 3.0, 0.0}, {-7.5, 2.0, 0.5}}, dtype)
    end
  end)

  it("have the powers that C gives them", function()
    for _, dtype in ipairs(floats) do
      maps_pairs(kl.power, {{0.0, 0.0, 1.0}, {0.0, -1.0, inf}, {-0.0, -1.0, -inf}, {-0.0, -2.0, inf}, {-0.0, 0.5, 0.0},
        {-inf, 0.5, inf}, {inf, -1.0, 0.0}, {-inf, 3.0, -inf}, {-2.0, 3.0, -8.0}, {-2.0, 2.0, 4.0}, {0.5, inf, 0.0}},
         dtype)
    end
  end)

  it("keep or lose their sign as they should", function()
    for _, dtype in ipairs(floats) do
      maps(kl.negative, {0.0, -0.0, inf}, {-0.0, 0.0, -inf}, dtype)
      maps(kl.abs, {-0.0, -inf}, {0.0, inf}, dtype)
      maps(kl.relu, {-0.0, -inf, inf, nan, -1.0}, {0.0, 0.0, inf, nan, 0.0}, dtype)
      assert.same({0, 1, -1}, kl.sign(kl.tensor({-0.0, inf, -inf}, dtype)):totable())
      for _, name in ipairs{"sqrt", "sin", "tan", "arcsin", "arctan", "sinh", "tanh", "erf", "expm1", "log1p", "floor",
                            "ceil", "round"} do
        maps(kl[name], {0.0, -0.0, 0.0}, {0.0, -0.0, 0.0}, dtype)
      end
      maps(kl.round, {-0.4, 0.4, -0.5}, {-0.0, 0.0, -0.0}, dtype)
      maps(kl.ceil, {-0.4, inf, -inf}, {-0.0, inf, -inf}, dtype)
      maps(kl.floor, {0.4, inf, -inf}, {0.0, inf, -inf}, dtype)
    end
  end)

  it("are where elementary functions end", function()
    for _, dtype in ipairs(floats) do
      maps(kl.exp, {inf, -inf, 0.0, 1e4, -1e4}, {inf, 0.0, 1.0, inf, 0.0}, dtype)
      maps(kl.expm1, {inf, -inf, 1e4, -1e4}, {inf, -1.0, inf, -1.0}, dtype)
      maps(kl.log, {0.0, -0.0, -1.0, inf, -inf, 1.0}, {-inf, -inf, nan, inf, nan, 0.0}, dtype)
      maps(kl.log2, {0.0, -1.0, inf, 8.0, 0.25}, {-inf, nan, inf, 3.0, -2.0}, dtype)
      maps(kl.log1p, {-1.0, -2.0, inf}, {-inf, nan, inf}, dtype)
      maps(kl.sqrt, {-1.0, inf, 4.0}, {nan, inf, 2.0}, dtype)
      maps(kl.rsqrt, {0.0, inf, -1.0, 4.0}, {inf, 0.0, nan, 0.5}, dtype)
      maps(kl.sin, {inf, -inf}, {nan, nan}, dtype)
      maps(kl.cos, {inf, 0.0, -0.0}, {nan, 1.0, 1.0}, dtype)
      maps(kl.arcsin, {1.5, -1.5}, {nan, nan}, dtype)
      maps(kl.arccos, {1.5, 1.0}, {nan, 0.0}, dtype)
      maps(kl.tanh, {inf, -inf, 1e4, -1e4}, {1.0, -1.0, 1.0, -1.0}, dtype)
      maps(kl.erf, {inf, -inf, 1e4, -1e4}, {1.0, -1.0, 1.0, -1.0}, dtype)
      maps(kl.sigmoid, {inf, -inf, 1e4, -1e4, 0.0}, {1.0, 0.0, 1.0, 0.0, 0.5}, dtype)
      maps(kl.softplus, {inf, -inf, 1e4, -1e4}, {inf, 0.0, 1e4, 0.0}, dtype)
      maps(kl.sinh, {inf, -1e4}, {inf, -inf}, dtype)
      maps(kl.cosh, {-inf, 1e4}, {inf, inf}, dtype)
    end
  end)

  it("give angles in the right quadrant", function()
    local pi = math.pi
    for _, dtype in ipairs(floats) do
      maps_pairs(kl.arctan2, {{0.0, 1.0, 0.0}, {-0.0, 1.0, -0.0}, {0.0, -1.0, pi}, {-0.0, -1.0, -pi}, {0.0, 0.0, 0.0},
        {1.0, 0.0, pi / 2}, {-1.0, -0.0, -pi / 2}, {inf, inf, pi / 4}, {-inf, -inf, -3 * pi / 4}, {1.0, -inf, pi}},
         dtype)
      maps(kl.arctan, {inf, -inf}, {pi / 2, -pi / 2}, dtype)
    end
  end)
end)

describe("functions near the points where a plain formula fails", function()
  --- At most two units of the last place off.
  local function near(name, x, expected)
    for _, dtype in ipairs(floats) do
      local got = kl[name](kl.tensor(x, dtype)):totable()
      for i, e in ipairs(expected) do
        local unit = dtype == "float32" and 2.0 ^ -23 or 2.0 ^ -52
        local given = kl.tensor(x, dtype):totable()[i] / x[i] -- what rounding the argument did, to first order
        assert(math.abs(got[i] - e * given) <= 2 * unit * math.abs(e), ("%s(%g) is %.17g"):format(name, x[i], got[i]))
      end
    end
  end

  it("are exact for tiny arguments", function()
    near("log1p", {1e-10, -1e-10, 1e-20}, {1e-10 - 5e-21, -1e-10 - 5e-21, 1e-20})
    near("expm1", {1e-10, -1e-10, 1e-20}, {1e-10 + 5e-21, -1e-10 + 5e-21, 1e-20})
    near("tanh", {1e-10, -1e-20}, {1e-10, -1e-20})
    near("erf", {1e-10, -1e-20}, {1e-10 * 2 / math.sqrt(math.pi), -1e-20 * 2 / math.sqrt(math.pi)})
    near("sin", {1e-10, -1e-20}, {1e-10, -1e-20})
  end)

  it("keep their precision in the far tails", function()
    for _, dtype in ipairs(floats) do
      local unit = dtype == "float32" and 2.0 ^ -22 or 2.0 ^ -51
      for _, x in ipairs{-20.0, -50.0, -80.0} do
        local e = math.exp(x) -- sigmoid is e / (1 + e), softplus e - e^2 / 2 + ...
        for name, expected in pairs{sigmoid = e / (1 + e), softplus = e - e * e / 2} do
          local y = kl[name](kl.tensor(x, dtype)):item()
          assert(math.abs(y / expected - 1) <= unit, ("%s(%g) is %.17g"):format(name, x, y))
        end
      end
    end
  end)

  it("keep the whole numbers that a float32 of 24 bits can hold", function()
    maps(kl.round, {8388607.5, 8388609.0, -16777215.0, 1e30}, {8388608.0, 8388609.0, -16777215.0, 1e30}, "float32")
    maps(kl.floor, {8388607.5, 8388609.0, -8388607.5, -1e30}, {8388607.0, 8388609.0, -8388608.0, -1e30}, "float32")
    maps(kl.ceil, {8388607.5, 8388609.0, -8388607.5, -1e30}, {8388608.0, 8388609.0, -8388607.0, -1e30}, "float32")
  end)
end)

describe("subnormals", function()
  it("are flushed by what computes", function()
    maps_pairs(kl.add, {{1e-40, 0.0, 0.0}, {1e-40, 1e-40, 0.0}, {2e-38, 0.0, 2e-38}}, "float32")
    maps_pairs(kl.multiply, {{1e-30, 1e-10, 0.0}, {1e-40, 1e30, 0.0}}, "float32")
    maps_pairs(kl.multiply, {{1e-200, 1e-110, 0.0}, {1e-310, 1e300, 0.0}}, "float64")
    maps(kl.exp, {-88.0, -100.0, -104.0}, {0.0, 0.0, 0.0}, "float32")
    assert.equal(0, kl.sum(kl.tensor({1e-40, 1e-40}, "float32")):item())
    assert.equal(0, kl.matmul(kl.tensor{{1e-30}}, kl.tensor{{1e-10}}):item())
  end)

  it("are left alone in Lua, also after a kernel has run on every thread", function()
    kl.sum(kl.broadcast_to(1.0, {1000, 1000}) + 1.0):item()
    local x = 5e-324
    assert(x > 0 and x / 1 == x and 1e-310 * 0.5 > 0)
  end)
end)

describe("long sums", function()
  local function sum_of(t) return kl.sum(kl.cast(t, "float64")):item() end

  it("stay within gamma_k of the sum of sizes, k some hundreds for a million elements", function()
    gen.restart("long sums")
    local million = kl.tensor(gen.array({1000000}, -1, 1):nested())
    for _, x in ipairs{million, kl.abs(million), kl.broadcast_to(kl.tensor(0.1), {1000000}),
                       kl.concatenate({kl.tensor{1e8}, kl.ones{4000}, kl.tensor{-1e8}}, 1)} do
      local off = math.abs(kl.sum(x):item() - sum_of(x))
      local allowed = compare.gamma(264) * sum_of(kl.abs(x))
      assert(off <= allowed, ("off by %g, %g allowed"):format(off, allowed))
      local columns = kl.reshape(x, {-1, 2})
      local sums = kl.sum(columns, 1):totable()
      for i = 1, 2 do
        local column = columns[{ {}, i }]
        local column_allowed = compare.gamma(264) * sum_of(kl.abs(column))
        assert(math.abs(sums[i] - sum_of(column)) <= column_allowed, "column " .. i)
      end
    end
  end)

  it("of running sums do not drift: each is rounded once", function()
    local x = kl.broadcast_to(kl.tensor(0.1), {100000})
    local last = kl.cumsum(x, 1)[-1]:item()
    assert(math.abs(last - sum_of(x)) <= compare.ulp32(last), "off by " .. last - sum_of(x))
  end)
end)
