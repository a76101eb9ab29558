-- Numbers for tests: a generator of our own, so that data does not depend on what is tested.  Seeded and printed.
local nd = require "nd"

local gen = {seed = tonumber(os.getenv("KL_TEST_SEED") or 20261123)}
local state = gen.seed

--- A number in [0, 1).
function gen.uniform()
  state = (state * 6364136223846793005 + 1442695040888963407)
  return (state >> 11) / 2.0 ^ 53
end

function gen.restart(text)
  state = gen.seed
  for c in (text or ""):gmatch(".") do state = (state ~ c:byte()) * 1099511628211 end
end

--- A shuffled list of 1 .. n.
local function shuffled(n)
  local order = {}
  for i = 1, n do order[i] = i end
  for i = n, 2, -1 do
    local k = 1 + math.floor(gen.uniform() * i)
    order[i], order[k] = order[k], order[i]
  end
  return order
end

--- An array of numbers in [low, high).  options: avoid = points to stay 1e-2 away from; step = only multiples of it,
--- moved by `shift` (so that two arrays can be kept from meeting, or made to meet); distinct = no two nearer to each
--- other than half of (high - low) / n.
function gen.array(shape, low, high, options)
  options = options or {}
  if options.distinct then
    local n = nd.count(shape)
    local order = shuffled(n)
    return nd.new(shape, function(i)
      return low + (high - low) * (order[i] - 0.75 + 0.5 * gen.uniform()) / n
    end)
  end
  local function good(x)
    for _, p in ipairs(options.avoid or {}) do
      if math.abs(x - p) < 1e-2 then return false end
    end
    return true
  end
  return nd.new(shape, function()
    local x
    repeat
      x = low + (high - low) * gen.uniform()
      if options.step then x = math.floor(x / options.step) * options.step + (options.shift or 0) end
    until good(x)
    return x
  end)
end

--- An integer in [low, high].
function gen.integer(low, high)
  local a = math.floor(gen.uniform() * 2.0 ^ 32)
  local b = math.floor(gen.uniform() * 2.0 ^ 32)
  local bits = a << 32 | b
  local span = high - low + 1 -- 0 for all of them
  if span == 0 then return bits end
  return low + math.tointeger((bits >> 1) % span)
end

--- Integers in [low, high].
function gen.integers(shape, low, high)
  return nd.new(shape, function() return gen.integer(low, high) end)
end

--- true and false.
function gen.booleans(shape)
  return nd.new(shape, function() return gen.uniform() < 0.5 end)
end

return gen
