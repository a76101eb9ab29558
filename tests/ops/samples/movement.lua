-- Samples of movement ops; see tests/ops/driver.lua.
local nd = require "nd"
local function ones(...) return require "kl".broadcast_to(1.0, {...}) end
local function x(...) return {x = {{...}, -2, 2}} end

local function reshaped(shape) return function(a) return nd.new(shape, function(i) return a.x[i] end) end end
local function permuted(axes)
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

return {
  reshape = {
    {inputs = x(2, 6), options = {newshape = {3, 4}}, reference = reshaped{3, 4}, exact = true},
    {inputs = x(2, 6), options = {newshape = {-1, 2, 2}}, reference = reshaped{3, 2, 2}, exact = true},
    {inputs = x(2, 3, 4), options = {newshape = {6, 4}}, reference = reshaped{6, 4}, exact = true},
    {inputs = x(1, 1), options = {newshape = {}}, reference = reshaped{}, exact = true},
    {inputs = x(0, 3), options = {newshape = {3, 0}}, reference = reshaped{3, 0}, exact = true},
    errors = {{function(kl) kl.reshape(ones(2, 3), {4}) end, "cannot reshape %(2, 3%), 6 elements, to %(4,%)"},
              {function(kl) kl.reshape(ones(2, 3), {-1, -1}) end, "only one axis"},
              {function(kl) kl.reshape(ones(2, 3), {-1, 4}) end, "cannot reshape"}},
  },
  transpose = {
    {inputs = x(2, 3, 4), reference = permuted{3, 2, 1}, exact = true},
    {inputs = x(2, 3, 4), options = {axes = {2, 1, -1}}, reference = permuted{2, 1, 3}, exact = true},
    {inputs = x(), reference = permuted{}, exact = true},
    errors = {{function(kl) kl.transpose(ones(2, 3), {1}) end, "must name every one of the tensor's 2 axes once"},
              {function(kl) kl.transpose(ones(2, 3), {1, 1}) end, "named twice"}},
  },
  broadcast_to = {
    {inputs = x(3), options = {shape = {2, 3}}, exact = true,
     reference = function(a) return nd.new({2, 3}, function(_, i) return a.x[i[2] + 1] end) end},
    {inputs = x(2, 1), options = {shape = {4, 2, 3}}, exact = true,
     reference = function(a) return nd.new({4, 2, 3}, function(_, i) return a.x[i[2] + 1] end) end},
    {inputs = x(), options = {shape = {2}}, exact = true,
     reference = function(a) return nd.new({2}, function() return a.x[1] end) end},
    errors = {{function(kl) kl.broadcast_to(ones(2, 3), {2, 4}) end, "shape %(2, 3%) does not broadcast to %(2, 4%)"}},
  },
}
