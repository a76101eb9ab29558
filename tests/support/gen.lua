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

--- An array of numbers in [low, high), at least `apart` away from each of the points in `avoid` and from each other where
--- `distinct` is asked for.
function gen.array(shape, low, high, options)
  options = options or {}
  local used = {}
  local function good(x)
    for _, p in ipairs(options.avoid or {}) do
      if math.abs(x - p) < 1e-2 then return false end
    end
    if options.distinct then
      for _, u in ipairs(used) do
        if math.abs(x - u) < 1e-2 then return false end
      end
      used[#used + 1] = x
    end
    return true
  end
  return nd.new(shape, function()
    local x
    repeat x = low + (high - low) * gen.uniform() until good(x)
    return x
  end)
end

--- Integers in [low, high].
function gen.integers(shape, low, high)
  return nd.new(shape, function() return low + math.floor((high - low + 1) * gen.uniform()) end)
end

return gen
