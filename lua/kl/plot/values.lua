-- What users give to charts, as lists of Lua numbers: the one place where figures read values out of tensors.  A number that is
-- not finite becomes NaN, which every chart leaves out.
local core = require "kl.core"
local errors = require "kl.errors"
local array = require "kl.ops"

local values = {}

local nan = 0 / 0

-- Sizes end at 1e300 and 1e-300: so sums, differences and quotients of a few are finite, here and in gnuplot, which else may not end.
local function finite(value)
  if value - value ~= 0 then return nan end
  local size = math.abs(value + 0.0)
  if size > 1e300 then return value > 0 and 1e300 or -1e300 end
  if size < 1e-300 and size > 0 then return value > 0 and 1e-300 or -1e-300 end
  return value + 0.0
end

--- A number from a Lua number or boolean or a tensor with one element; nil for anything else.
local function scalar(value)
  if core.kind(value) and #value.shape == 0 then value = value:item() end
  if type(value) == "boolean" then return value and 1.0 or 0.0 end
  return math.type(value) and finite(value) or nil
end

--- One number; `what` is for messages.
function values.number(what, given)
  local value = scalar(given)
  if not value or value ~= value then errors.fail("%s must be a finite number, got %s", what, errors.show(given)) end
  return value
end

-- All elements of a tensor in their order.
local function flat(tensor)
  local list = array.reshape(tensor, {-1}):totable()
  if tensor.dtype == "bool" then
    for i = 1, #list do list[i] = list[i] and 1 or 0 end
  end
  return list
end

-- True for a tensor or a Variable whose value is known.
local function is_tensor(what, given)
  if not core.kind(given) then return false end
  for _, n in ipairs(given.shape) do
    if not n then errors.fail("%s: a tensor with a value expected, got one of shape %s", what, core.shape_text(given)) end
  end
  return true
end

local function length(what, list)
  local n = #list
  for key in pairs(list) do
    if math.type(key) ~= "integer" or key < 1 or key > n then
      errors.fail("%s must be a list of numbers or a tensor, got a table with the key %s%s", what, tostring(key),
        math.type(key) and " and holes before it" or "")
    end
  end
  return n
end

--- A list of numbers from a list (of numbers, booleans, tensors with one element) or a tensor with one axis that is longer than 1.
---@return number[]
function values.list(what, given)
  local result = {}
  if is_tensor(what, given) then
    local long = 0
    for _, n in ipairs(given.shape) do long = long + (n ~= 1 and 1 or 0) end
    if long > 1 then
      errors.fail("%s must be a list of numbers or a vector, got %s", what, errors.show(given))
    end
    result = flat(given)
    for i = 1, #result do result[i] = finite(result[i]) end
    return result
  end
  if type(given) ~= "table" or getmetatable(given) ~= nil then
    errors.fail("%s must be a list of numbers or a tensor, got %s", what, errors.show(given))
  end
  for i = 1, length(what, given) do
    local value = scalar(given[i])
    if not value then errors.fail("%s must be a list of numbers: element %d is %s", what, i, errors.show(given[i])) end
    result[i] = value
  end
  return result
end

--- A tensor from a tensor, or from nested lists of numbers, or a list of tensors of one shape.
local function to_tensor(what, given, expected, dtype)
  if is_tensor(what, given) then return given end
  if type(given) ~= "table" or getmetatable(given) ~= nil or #given == 0 then
    errors.fail("%s must be %s, got %s", what, expected, type(given) == "table" and #given == 0 and "an empty table" or
      errors.show(given))
  end
  local ok, result
  if core.kind(given[1]) then
    ok, result = pcall(array.stack, given)
  else
    ok, result = pcall(core.tensor, given, dtype)
  end
  if not ok then
    errors.fail("%s must be %s: %s", what, expected, (errors.words(result):gsub("\n.*", ""):gsub("^kl%.%w+: ", "")))
  end
  return result
end

--- A matrix as its elements, row after row, its number of rows and of columns.
---@return number[], integer, integer
function values.matrix(what, given)
  local expected = "a matrix (a tensor with two axes, or a list of lists of numbers)"
  local tensor = to_tensor(what, given, expected, "float64")
  local shape = tensor.shape
  if #shape ~= 2 or shape[1] == 0 or shape[2] == 0 then
    errors.fail("%s must be %s with at least one element, got %s", what, expected, errors.show(tensor))
  end
  local list = flat(tensor)
  for i = 1, #list do list[i] = finite(list[i]) end
  return list, shape[1], shape[2]
end

--- Images with elements from 0 to 1: {height, width, channels, count, list of count * height * width * channels numbers}.
--- Bytes are from 0 to 255.  Other numbers are taken as they are if all lie from 0 to 1, as bytes if they are integers up to 255,
--- and otherwise stretched: the lowest becomes 0, the highest 1, over all images.  Channels are 1 (gray), 3 (RGB) or 4 (RGBA).
---@param batch boolean # a list of images is given, not one
---@param low number? # what becomes 0, and `high` 1
function values.images(what, given, batch, low, high)
  local expected = batch and "images of shape (n, height, width) or (n, height, width, channels)" or
    "an image of shape (height, width) or (height, width, channels)"
  local tensor = to_tensor(what, given, expected)
  local shape = tensor.shape
  if batch then table.remove(shape, 1) end
  local channels = shape[3] or 1
  if #tensor.shape < (batch and 3 or 2) or #shape > 3 or channels ~= 1 and channels ~= 3 and channels ~= 4 then
    errors.fail("%s must be %s with 1, 3 or 4 channels, got %s", what, expected, errors.show(tensor))
  end
  if shape[1] == 0 or shape[2] == 0 then errors.fail("%s: images without pixels, of shape %s", what, core.shape_text(tensor)) end
  local list = flat(tensor)
  local lowest, highest = math.huge, -math.huge
  for i = 1, #list do
    local value = finite(list[i])
    list[i] = value
    if value < lowest then lowest = value end
    if value > highest then highest = value end
  end
  if not low and not high then
    if lowest >= 0 and highest <= 1 then
      low, high = 0, 1
    elseif lowest >= 0 and highest <= 255 and not tensor.dtype:find("float") then
      low, high = 0, 255
    end
  end
  low, high = low or lowest, high or highest
  local scale = high > low and 1 / (high - low) or 0
  for i = 1, #list do
    local value = (list[i] - low) * scale
    list[i] = value ~= value and value or value < 0 and 0 or value > 1 and 1 or value
  end
  return {height = shape[1], width = shape[2], channels = channels, count = batch and tensor.shape[1] or 1, list = list}
end

return values
