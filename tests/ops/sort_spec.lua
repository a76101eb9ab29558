-- The order that sort, argsort and top_k share, and lines long enough to be cut and shared out.
local kl = require "kl"
local compare = require "compare"
local gen = require "gen"

local nan, inf = 0 / 0, math.huge
local floats = {"float32", "float64"}

--- Floats as text that tells -0 from 0 and knows NaN.
local function text(t)
  local list = {}
  for i, v in ipairs(t:totable()) do list[i] = v ~= v and "nan" or ("%g"):format(v) end
  return table.concat(list, " ")
end

describe("the order of floats", function()
  for _, dtype in ipairs(floats) do
    local x = kl.tensor({nan, 0.0, inf, -0.0, -inf, -nan, 1.0, 0.0, -1.0}, dtype)
    it("has NaNs of either sign last, and zeros as they came, in " .. dtype, function()
      assert.equal("-inf -1 0 -0 0 1 inf nan nan", text(kl.sort(x)))
      assert.same({4, 8, 1, 3, 7, 6, 2, 0, 5}, kl.argsort(x):totable())
    end)
    it("turned round begins with NaNs, and has zeros as they came, in " .. dtype, function()
      local values, places = table.unpack(kl.top_k(x, 9))
      assert.equal("nan nan inf 1 0 -0 0 -1 -inf", text(values))
      assert.same({0, 5, 2, 6, 1, 3, 7, 8, 4}, places:totable())
      assert.same({0, 5, 2}, kl.top_k(x, {k = 3})[2]:totable())
    end)
  end

  it("tells subnormals apart", function()
    local tiny = kl.tensor({3e-40, -3e-40, 0.0, 1e-40}, "float32")
    assert.same({1, 2, 3, 0}, kl.argsort(tiny):totable())
    assert.same({1, 3, 0, 2}, kl.argsort(kl.tensor({3e-310, -3e-310, 5e-310, 1e-310}, "float64")):totable())
  end)

  it("has the smallest and the largest integers at its ends", function()
    local x = kl.tensor({0, math.maxinteger, -1, math.mininteger, 1}, "int64")
    assert.same({3, 2, 0, 4, 1}, kl.argsort(x):totable())
    assert.same({1, 4, 0, 2, 3}, kl.top_k(x, 5)[2]:totable())
  end)
end)

describe("long lines", function()
  --- The positions in order, by a sort of Lua's.
  local function order_of(values, descending)
    local order = {}
    for i = 1, #values do order[i] = i - 1 end
    table.sort(order, function(a, b)
      local x, y = values[a + 1], values[b + 1]
      if x ~= y then return (x < y) ~= descending end
      return a < b
    end)
    return kl.tensor(order, "int32")
  end

  for _, dtype in ipairs{"float32", "int64", "uint8"} do
    it("of " .. dtype .. " are sorted by any number of threads as in one piece", function()
      gen.restart(dtype)
      local n, threads = 32768 * 3 + 5, kl.core.get_threads()
      local values = gen.integers({n}, 0, dtype == "uint8" and 255 or 30000)
      local x = kl.tensor(values:nested(), dtype)
      local ascending, descending = order_of(values, false), order_of(values, true)
      for _, count in ipairs{1, 3} do
        kl.core.set_threads(count)
        local sorted, places = kl.sort(x), kl.argsort(x)
        local results = {}
        for i, k in ipairs{1, 10, 4096, 4097, n} do results[i] = {k, table.unpack(kl.top_k(x, k))} end
        kl.core.set_threads(threads)
        compare.bits(places, ascending, "positions")
        compare.bits(sorted, kl.take(x, ascending), "values")
        for _, r in ipairs(results) do
          local first = descending[{{1, r[1]}}]
          compare.bits(r[3], first, r[1] .. " positions")
          compare.bits(r[2], kl.take(x, first), r[1] .. " values")
        end
      end
    end)
  end
end)
