-- Samples of matrix products; see tests/ops/driver.lua.
local nd = require "nd"
local function ones(...) return require "kl".broadcast_to(1.0, {...}) end

--- numpy's matmul, spelt out.
local function matmul(a)
  local x, y = a.x1, a.x2
  local xs, ys = {table.unpack(x.shape)}, {table.unpack(y.shape)}
  local row, column = #xs == 1, #ys == 1
  if row then table.insert(xs, 1, 1) end
  if column then ys[2] = 1 end
  local m, k, n = xs[#xs - 1], xs[#xs], ys[#ys]
  local xb, yb = {table.unpack(xs, 1, #xs - 2)}, {table.unpack(ys, 1, #ys - 2)}
  local batch = nd.broadcast_shape({shape = xb}, {shape = yb})
  local function offset(own, index)
    local at = 0
    for axis, d in ipairs(own) do
      local i = index[#batch - #own + axis]
      at = at * d + (d == 1 and 0 or i)
    end
    return at
  end
  local shape = {table.unpack(batch)}
  shape[#shape + 1], shape[#shape + 2] = m, n
  local full = nd.new(shape, function(_, index)
    local i, j = index[#index - 1], index[#index]
    local xo, yo = offset(xb, index) * m * k, offset(yb, index) * k * n
    local s = 0.0
    for p = 0, k - 1 do s = s + x[xo + i * k + p + 1] * y[yo + p * n + j + 1] end
    return s
  end)
  local final = {table.unpack(batch)}
  if not row then final[#final + 1] = m end
  if not column then final[#final + 1] = n end
  return nd.new(final, function(i) return full[i] end)
end

local function case(s1, s2)
  -- a sum of k products of numbers up to 4: absolute error up to k * 4 * 2^-24 of possibly cancelled sums
  return {inputs = {x1 = {s1, -2, 2}, x2 = {s2, -2, 2}}, reference = matmul, tolerance = 1e-4}
end

return {
  matmul = {
    case({2, 3}, {3, 4}),
    case({3}, {3}),
    case({3}, {3, 2}),
    case({2, 3}, {3}),
    case({5, 2, 3}, {3, 4}),
    case({5, 2, 3}, {5, 3, 4}),
    case({2, 1, 2, 3}, {5, 3, 4}),
    case({3}, {5, 3, 2}),
    case({5, 2, 3}, {3}),
    case({0, 3}, {3, 2}),
    case({2, 0}, {0, 3}),
    case({17, 600}, {600, 70}),
    case({33, 7}, {7, 65}),
    {inputs = {x1 = {{3, 4}, -9, 9, dtype = "int32"}, x2 = {{4, 5}, -9, 9, dtype = "int32"}}, reference = matmul, exact = true},
    errors = {{function(kl) kl.matmul(ones(2, 3), ones(2, 3)) end, "inner dimensions differ: %(2, 3%) x %(2, 3%)"},
              {function(kl) kl.matmul(ones(2, 2, 3), ones(3, 3, 3)) end, "leading dimensions do not broadcast"},
              {function(kl) kl.matmul(ones(), ones(3)) end, "at least one axis"},
              {function(kl) kl.matmul(ones(2, 3):cast("bool"), ones(3, 2):cast("bool")) end, "not defined for bool"}},
  },
}
