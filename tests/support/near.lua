-- Numbers and tensors against values that Keras printed, which have seven digits: 1e-5 relative leaves room for the order of
-- float32 sums there and here; 1e-7 absolute is for what is 0 but for rounding.
local kl = require "kl"
local compare = require "compare"

local function flatten(value, into)
  if kl.core.kind(value) then
    value = value.ndim == 0 and {value:item()} or compare.flat(value)
  end
  if type(value) ~= "table" then
    into[#into + 1] = value
  else
    for _, v in ipairs(value) do flatten(v, into) end
  end
  return into
end

--- Raises unless got and expected (numbers, nested lists, tensors) hold the same numbers in the same order.
local function near(got, expected, what, relative, absolute)
  local a, b = flatten(got, {}), flatten(expected, {})
  if #a ~= #b then error(("%s: %d elements, expected %d"):format(what, #a, #b), 2) end
  for i = 1, #b do
    if not compare.close(a[i], b[i], relative or 1e-5, absolute or 1e-7) then
      error(("%s: element %d is %.9g, expected %.9g"):format(what, i, a[i], b[i]), 2)
    end
  end
end

return near
