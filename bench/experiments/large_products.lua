-- Experiment 6: large products, GFLOP/s of the best of 25 for each shape (m x n x k).
-- build/kl run --threads 1 bench/experiments/large_products.lua [DTYPE]   (KL_CPU=avx2 and so on for other kernels)
local kl = require "kl"
local clock = kl.core.clock

for _, size in ipairs{{256, 3000, 3000}, {3000, 3000, 256}, {1024, 1024, 1024}, {2048, 2048, 2048}, {512, 512, 2048}} do
  local m, n, k = table.unpack(size)
  local a, b = kl.random.uniform{m, k, dtype = arg[1] or "float32"}, kl.random.uniform{k, n, dtype = arg[1] or "float32"}
  local best = math.huge
  for _ = 1, 25 do
    local start = clock()
    kl.matmul(a, b)
    best = math.min(best, clock() - start)
  end
  print(("%4d x %4d x %4d  %4.0f GFLOP/s"):format(m, n, k, 2 * m * n * k / best / 1e9))
end
