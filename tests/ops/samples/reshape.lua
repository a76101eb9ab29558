-- Samples of reshape ops; see tests/ops/driver.lua.  Nothing is computed here, so every bit is right.
local nd = require "nd"
local kl = require "kl"
local samples = dofile "tests/ops/exact.lua"
local exact, with_errors, ones, x = samples.exact, samples.with_errors, samples.ones, samples.x

--- The elements of x in C order in another shape.
local function reshaped(...)
  local shape = {...}
  return function(a) return nd.new(shape, function(i) return a.x[i] end) end
end

return {
  reshape = with_errors(exact{
    {inputs = x(2, 6), options = {newshape = {3, 4}}, reference = reshaped(3, 4)},
    {inputs = x(2, 6), options = {newshape = {-1, 2, 2}}, reference = reshaped(3, 2, 2)},
    {inputs = x(2, 3, 4), options = {newshape = {6, 4}}, reference = reshaped(6, 4)},
    {inputs = x(2, 3, 4), options = {newshape = {2, 1, 12, 1}}, reference = reshaped(2, 1, 12, 1)},
    {inputs = x(6), options = {newshape = {1, 2, 1, 3}}, reference = reshaped(1, 2, 1, 3)},
    {inputs = x(1, 1), options = {newshape = {}}, reference = reshaped()},
    {inputs = x(), options = {newshape = {1, 1}}, reference = reshaped(1, 1)},
    {inputs = x(0, 3), options = {newshape = {3, 0}}, reference = reshaped(3, 0)},
    {inputs = x(0, 3), options = {newshape = {3, -1}}, reference = reshaped(3, 0)},
    {inputs = x(4, 3), options = {newshape = -1}, reference = reshaped(12)},
  }, {function() kl.reshape(ones(2, 3), {4}) end, "cannot reshape %(2, 3%), 6 elements, to %(4,%)"},
    {function() kl.reshape(ones(2, 3), {-1, -1}) end, "only one axis"},
    {function() kl.reshape(ones(2, 3), {-1, 4}) end, "cannot reshape %(2, 3%), 6 elements, to %(%?, 4%)"},
    {function() kl.reshape(ones(0), {-1, 0}) end, "cannot reshape"},
    {function() kl.reshape(ones(2, 3), {-2, 3}) end, "negative axis %-2 in the new shape"},
    {function() kl.reshape(ones(2, 3), {1 << 62, 1 << 62}) end, "too large"}),
  expand_dims = with_errors(exact{
    {inputs = x(2, 3), options = {axis = 1}, reference = reshaped(1, 2, 3)},
    {inputs = x(2, 3), options = {axis = 2}, reference = reshaped(2, 1, 3)},
    {inputs = x(2, 3), options = {axis = -1}, reference = reshaped(2, 3, 1)},
    {inputs = x(2, 1, 3), options = {axis = 3}, reference = reshaped(2, 1, 1, 3)},
    {inputs = x(), options = {axis = 1}, reference = reshaped(1)},
    {inputs = x(0, 2), options = {axis = -3}, reference = reshaped(1, 0, 2)},
  }, {function() kl.expand_dims(ones(2, 3), 4) end, "axis 4 is out of range"},
    {function() kl.expand_dims(ones(1, 1, 1, 1, 1, 1, 1, 1), 1) end,
     "the tensor has 8 axes already, the largest rank"}),
  squeeze = with_errors(exact{
    {inputs = x(1, 2, 1, 3), reference = reshaped(2, 3)},
    {inputs = x(1, 2, 1, 3), options = {axis = 1}, reference = reshaped(2, 1, 3)},
    {inputs = x(1, 2, 1, 3), options = {axis = {1, -2}}, reference = reshaped(2, 3)},
    {inputs = x(1, 1), reference = reshaped()},
    {inputs = x(), reference = reshaped()},
    {inputs = x(0, 1), reference = reshaped(0)},
  }, {function() kl.squeeze(ones(2, 1), 1) end, "axis 1 of shape %(2, 1%) has length 2: only axes of length 1 can go"},
    {function() kl.squeeze(ones(2, 1), 3) end, "axis 3 is out of range"}),
}
