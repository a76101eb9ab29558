-- Samples of matrix products; see tests/ops/driver.lua.
local nd = require "nd"
local compare = require "compare"
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
    local s = 0
    for p = 0, k - 1 do s = s + x[xo + i * k + p + 1] * y[yo + p * n + j + 1] end
    return s
  end)
  local final = {table.unpack(batch)}
  if not row then final[#final + 1] = m end
  if not column then final[#final + 1] = n end
  return nd.new(final, function(i) return full[i] end)
end

--- The error bound of products summed over k: gamma_k times the sum of their sizes (reliability.md 9).  Blocks of K are
--- added up at the end, so long sums do better; the bound is what must hold.
local function bound(a)
  local function sizes(x) return nd.map(math.abs, x) end
  local k = a.x1.shape[#a.x1.shape]
  return nd.map(function(s) return compare.gamma(k + 2) * s end, matmul{x1 = sizes(a.x1), x2 = sizes(a.x2)})
end

local function case(s1, s2)
  return {inputs = {x1 = {s1, -2, 2}, x2 = {s2, -2, 2}}, reference = matmul, bound = bound}
end

local function cut(dtype)
  return function(v)
    if dtype == "uint8" then return v & 0xff end
    return dtype == "int32" and (v + 0x80000000 & 0xffffffff) - 0x80000000 or v
  end
end

--- Integer products wrap.
local function integers(dtype, s1, s2, low, high)
  return {inputs = {x1 = {s1, low, high, dtype = dtype}, x2 = {s2, low, high, dtype = dtype}}, dtype = dtype,
          reference = function(a) return nd.map(cut(dtype), matmul(a)) end}
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
    case({1, 2, 3}, {5, 3, 4}),
    case({3}, {5, 3, 2}),
    case({5, 2, 3}, {3}),
    case({2, 5, 2, 3}, {3}),
    case({1, 1}, {1, 1}),
    case({0, 3}, {3, 2}),
    case({2, 0}, {0, 3}),
    case({0, 2, 3}, {3, 2}),
    case({17, 600}, {600, 70}),
    case({33, 7}, {7, 65}),
    case({1, 300}, {300, 130}),
    case({130, 20}, {20, 33}),
    case({300, 9}, {9, 140}),
    case({7, 20, 30}, {7, 30, 20}),
    integers("int32", {3, 4}, {4, 5}, -2 ^ 31 | 0, 2 ^ 31 - 1 | 0),
    integers("int64", {2, 3, 4}, {4, 5}, -2 ^ 62 | 0, 2 ^ 62 | 0),
    integers("uint8", {30, 40}, {40, 50}, 0, 255),
    integers("int32", {70}, {70}, -9, 9),
    errors = {{function(kl) kl.matmul(ones(2, 3), ones(2, 3)) end, "inner dimensions differ: %(2, 3%) x %(2, 3%)"},
              {function(kl) kl.matmul(ones(2, 2, 3), ones(3, 3, 3)) end, "leading dimensions do not broadcast"},
              {function(kl) kl.matmul(ones(), ones(3)) end, "at least one axis"},
              {function(kl) kl.matmul(ones(2, 3):cast("bool"), ones(3, 2):cast("bool")) end, "not defined for bool"}},
  },
}
