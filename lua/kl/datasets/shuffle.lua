-- The order into which numpy.random.RandomState(seed).shuffle brings n things: Keras splits its tables by it.
local shuffle = {}

--- MT19937 (Matsumoto, Nishimura 1998), seeded by one integer: a function that gives 32-bit numbers.
local function twister(seed)
  local state, at = {[0] = seed & 0xFFFFFFFF}, 624
  for i = 1, 623 do state[i] = (1812433253 * (state[i - 1] ~ state[i - 1] >> 30) + i) & 0xFFFFFFFF end
  return function()
    if at == 624 then
      for i = 0, 623 do
        local y = state[i] & 0x80000000 | state[(i + 1) % 624] & 0x7FFFFFFF
        state[i] = state[(i + 397) % 624] ~ y >> 1 ~ (y & 1 == 1 and 0x9908B0DF or 0)
      end
      at = 0
    end
    local y = state[at]
    at = at + 1
    y = y ~ y >> 11
    y = y ~ y << 7 & 0x9D2C5680
    y = y ~ y << 15 & 0xEFC60000
    return y ~ y >> 18
  end
end

--- A list of the numbers 0 to n - 1 in that order.
function shuffle.order(n, seed)
  local draw, order = twister(seed), {}
  for i = 1, n do order[i] = i - 1 end
  for last = n - 1, 1, -1 do
    local mask = last
    for _, by in ipairs{1, 2, 4, 8, 16} do mask = mask | mask >> by end
    local other
    repeat other = draw() & mask until other <= last
    order[last + 1], order[other + 1] = order[other + 1], order[last + 1]
  end
  return order
end

return shuffle
