-- Samples of view ops; see tests/ops/driver.lua.  Nothing is computed here, so every bit is right.
local nd = require "nd"
local kl = require "kl"
local samples = dofile "tests/ops/exact.lua"
local exact, with_errors, ones, x = samples.exact, samples.with_errors, samples.ones, samples.x

local function permuted(...)
  local axes = {...}
  return function(a)
    local shape = {}
    for i, axis in ipairs(axes) do shape[i] = a.x.shape[axis] end
    return nd.new(shape, function(_, index)
      local from = {}
      for i, axis in ipairs(axes) do from[axis] = index[i] end
      return a.x:at(from)
    end)
  end
end

local function broadcast(a, o)
  return nd.map(function(v) return v end, a.x, nd.new(o.shape, function() return 0 end))
end

local function flipped(a, o)
  local set = a.x:axes(o.axis)
  return nd.new(a.x.shape, function(_, index)
    local at = {}
    for i, k in ipairs(index) do at[i] = set[i] and a.x.shape[i] - 1 - k or k end
    return a.x:at(at)
  end)
end

return {
  transpose = with_errors(exact{
    {inputs = x(2, 3, 4), reference = permuted(3, 2, 1)},
    {inputs = x(2, 3, 4), options = {axes = {2, 1, -1}}, reference = permuted(2, 1, 3)},
    {inputs = x(2, 3, 4, 2), options = {axes = {3, 1, 4, 2}}, reference = permuted(3, 1, 4, 2)},
    {inputs = x(), reference = permuted()},
    {inputs = x(4), reference = permuted(1)},
    {inputs = x(0, 3), reference = permuted(2, 1)},
  }, {function() kl.transpose(ones(2, 3), {1}) end, "must name every one of the tensor's 2 axes once"},
    {function() kl.transpose(ones(2, 3), {1, 3}) end, "axis 3 is out of range"},
    {function() kl.transpose(ones(2, 3), {1, 1}) end, "named twice"}),
  broadcast_to = with_errors(exact{
    {inputs = x(3), options = {shape = {2, 3}}, reference = broadcast},
    {inputs = x(2, 1), options = {shape = {4, 2, 3}}, reference = broadcast},
    {inputs = x(), options = {shape = {2}}, reference = broadcast},
    {inputs = x(), options = {shape = {}}, reference = broadcast},
    {inputs = x(1), options = {shape = {0}}, reference = broadcast},
    {inputs = x(1, 3, 1), options = {shape = {2, 3, 4}}, reference = broadcast},
  }, {function() kl.broadcast_to(ones(2, 3), {2, 4}) end, "shape %(2, 3%) does not broadcast to %(2, 4%)"},
    {function() kl.broadcast_to(ones(2, 3), {3}) end, "shape %(2, 3%) does not broadcast to %(3,%)"},
    {function() kl.broadcast_to(ones(1, 3), {-1, 1, 3}) end, "kl.broadcast_to: .*negative"},
    {function() kl.broadcast_to(ones(1, 3), {-5, 3}) end, "kl.broadcast_to: .*negative"},
    {function() kl.broadcast_to(ones(1, 1), {1 << 62, 1 << 62}) end, "kl.broadcast_to: .*too large"}),
  flip = with_errors(exact{
    {inputs = x(2, 3), reference = flipped},
    {inputs = x(2, 3, 2), options = {axis = {1, -1}}, reference = flipped},
    {inputs = x(2, 3), options = {axis = 2}, reference = flipped},
    {inputs = x(2, 3), options = {axis = {}}, reference = flipped},
    {inputs = x(), reference = flipped},
    {inputs = x(0, 3), reference = flipped},
  }, {function() kl.flip(ones(2, 3), 3) end, "axis 3 is out of range"}),
  stop_gradient = with_errors(exact{
    {inputs = x(2, 3), reference = function(a) return a.x end},
    {inputs = x(2, 3, 2), reference = function(a) return a.x end},
    {inputs = x(), reference = function(a) return a.x end},
  }, {function() kl.stop_gradient() end, "'x' is missing"}),
}
