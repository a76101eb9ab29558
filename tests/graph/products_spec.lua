-- Products of all layouts and sizes, with what may be joined to them in a plan, give the bits of immediate mode: shapes on both
-- sides of every limit from which a product is computed another way (docs/numerics.md: none of these changes a bit).
local kl = require "kl"
local compare = require "compare"

-- m, n, k: of (m, k) times (k, n).
local sizes = {
  {1, 1, 1}, {1, 512, 784}, {2, 300, 700}, {3, 7, 5}, {8, 512, 784}, {32, 10, 512}, {32, 512, 784}, {33, 511, 513},
  {128, 500, 300}, {129, 500, 300}, {784, 1, 512}, {1000, 1, 1}, {40000, 1, 3}, {784, 512, 33}, {600, 70, 300}, {1, 1, 3000},
  {64, 1, 3000}, {100, 1030, 260}, {97, 1200, 900}, {700, 900, 600},
}

local function matrix(rows, columns, transposed, dtype)
  local x = kl.sin(kl.arange(rows * columns) * 1.7)
  x = kl.cast(x, dtype)
  if transposed then return kl.transpose(x:reshape{columns, rows}) end
  return x:reshape{rows, columns}
end

local function sample(m, n, k, at, bt, dtype)
  local a, b = matrix(m, k, at, dtype), matrix(k, n, bt, dtype)
  local bias, w, v = matrix(1, n, false, dtype):reshape{n}, matrix(m, n, false, dtype), kl.abs(matrix(m, n, false, dtype))
  return {
    alone = function() return kl.matmul(a, b) end,
    ["with a bias and relu"] = function() return kl.relu(kl.matmul(a, b) + bias) end,
    ["with an update"] = function()
      return table.unpack(kl.core.ops.rmsprop_update(kl.matmul(a, b), w, v, 0.01, 0.9, 0.1, 1e-7))
    end,
    ["with two readers"] = function()
      local y = kl.matmul(a, b)
      return y * 2, kl.sum(y, 1)
    end,
    ["squared and summed"] = function() return kl.sum(kl.square(kl.matmul(a, b) + bias)), kl.mean(kl.abs(w), -1) end,
  }
end

describe("a product", function()
  local before = kl.core.get_threads()
  after_each(function() kl.set_threads(before) end)

  for _, size in ipairs(sizes) do
    local m, n, k = table.unpack(size)
    it(("of (%d, %d) and (%d, %d) is the same in a plan, whatever follows it"):format(m, k, k, n), function()
      for layout = 0, 3 do
        for _, dtype in ipairs(m * n * k < 1e6 and {"float32", "float64"} or {"float32"}) do
          local at, bt = layout % 2 == 1, layout > 1
          for name, f in pairs(sample(m, n, k, at, bt, dtype)) do
            kl.set_threads(1)
            local expected = table.pack(f())
            for _, threads in ipairs(m * n * k < 1e8 and {1, 2, 3} or {1, 3}) do -- the largest take their time
              kl.set_threads(threads)
              -- immediate mode on one thread is what is expected
              for way, results in pairs{immediate = threads > 1 and table.pack(f()) or nil, plan = table.pack(kl.jit(f)())} do
                for i = 1, expected.n do
                  compare.bits(results[i], expected[i],
                    ("%s, layout %d, %s, %s, %d threads, result %d"):format(name, layout, dtype, way, threads, i))
                end
              end
            end
          end
        end
      end
    end)
  end

  it("is what the sum of its terms is", function()
    for _, size in ipairs(sizes) do
      local m, n, k = table.unpack(size)
      if m * n * k < 3e7 then
        for layout = 0, 3 do
          local a, b = matrix(m, k, layout % 2 == 1, "float32"), matrix(k, n, layout > 1, "float32")
          local exact = kl.matmul(kl.cast(a, "float64"), kl.cast(b, "float64"))
          local difference = kl.max(kl.abs(kl.cast(kl.matmul(a, b), "float64") - exact)):item()
          -- terms are below 1, partial sums below k: a rounding costs at most k 2^-25, and they cancel for the most part
          assert(difference <= 2 ^ -25 * k * 16 + 1e-7, ("%d %d %d layout %d: off by %g"):format(m, n, k, layout, difference))
        end
      end
    end
  end)
end)
