-- Names: Keras's snake case and the counters that make automatic names unique (keras-semantics 1.1).
local names = {}

--- Keras's rule: non-word characters go, "_" before a capital followed by lower case, "_" between lower case and capital,
--- all lower-cased: Conv2DTranspose -> conv2d_transpose, ReLU -> re_lu.
---@return string
function names.snake_case(name)
  name = name:gsub("%W", function(c) return c == "_" and c or "" end)
  name = name:gsub("(.)(%u%l+)", "%1_%2")
  name = name:gsub("(%l)(%u)", "%1_%2")
  return (name:lower())
end

local counters = {}       -- of displayed names, until clear_session
local key_counters = {}   -- of the names that random keys are made of, until set_seed

local function count(table_of, base)
  local n = table_of[base] or 0
  table_of[base] = n + 1
  return n == 0 and base or ("%s_%d"):format(base, n)
end

--- The next automatic name on this base ("dense", "dense_1", ...), and the one that random keys use: it counts from the
--- last kl.set_seed, so that the same model built after the same seed draws the same numbers.
---@return string, string
function names.unique(base)
  return count(counters, base), count(key_counters, base)
end

--- kl.utils.clear_session
function names.reset() counters = {} end

--- kl.set_seed
function names.reset_keys() key_counters = {} end

--- How many random keys each base has given out, for saving; `raise_keys` goes on from there, or from where it stands if that is
--- further.
---@return table<string, integer>
function names.key_counts() return key_counters end
function names.raise_keys(counts)
  for base, n in pairs(counts) do key_counters[base] = math.max(n, key_counters[base] or 0) end
end

return names
