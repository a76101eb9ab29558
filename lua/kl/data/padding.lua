-- padded_batch: elements of different shapes, padded to one and stacked.
local core = require "kl.core"
local args = require "kl.args"
local batching = require "kl.data.batching"
local errors = require "kl.errors"
local ops = require "kl.ops"
local stage = require "kl.data.stage"
local tree = require "kl.tree"

local Dataset = stage.Dataset

-- padded_shapes or padding_values per leaf: one for all, or a structure like the element's, or (several values, or one tensor) a list
-- of these.
local function per_leaf(what, given, element, is_one)
  local function refuse(of, k)
    errors.fail("padded_batch: '%s' does not fit the elements: %s for value %d", what, errors.show(of), k)
  end
  local function walk(leaves, k, like, of)
    local is_leaf, everywhere = tree.is_leaf(like), of == nil or is_one(of)
    if not everywhere and (is_leaf or type(of) ~= "table") then refuse(of, k) end
    if is_leaf then
      leaves[#leaves + 1] = of or false
      return
    end
    local names = tree.names(like)
    for key in pairs(everywhere and {} or of) do
      if like[key] == nil then
        errors.fail("padded_batch: '%s' has '%s', which is not in value %d%s", what, tostring(key), k, errors.nearest(key, names or {}))
      end
    end
    for i = 1, names and #names or #like do
      local key = names and names[i] or i
      walk(leaves, k, like[key], everywhere and of or of and of[key])
    end
  end
  local result = {}
  local is_list = given ~= nil and not is_one(given) and (#element > 1 or tree.is_leaf(element[1]))
  if is_list and (type(given) ~= "table" or tree.names(given) or #given > #element) then refuse(given, 1) end
  for k, value in ipairs(element) do
    local own = given
    if is_list then own = given[k] end
    result[k] = {}
    walk(result[k], k, value, own)
  end
  return result
end

local function is_shape(value)
  if type(value) ~= "table" or getmetatable(value) ~= nil then return false end
  if next(value) == nil then return true end
  for i, length in ipairs(value) do
    if not (math.type(length) == "integer" and length >= -1 or length == false) then return false, i end
  end
  return #value > 0
end

local function is_number(value)
  return type(value) == "number" or type(value) == "boolean" or (core.kind(value) == "tensor" and value.ndim == 0)
end

-- Leaves of one batch padded to one shape: the longest of each axis, or as given (-1, false: the longest).
local function pad_and_stack(leaves, k, shape, padding)
  local ndim = leaves[1].ndim
  local target = {}
  for axis = 1, ndim do target[axis] = 0 end
  if shape and #shape ~= ndim then
    errors.fail("padded_batch: value %d has %d axes, 'padded_shapes' gives %d", k, ndim, #shape)
  end
  for i, leaf in ipairs(leaves) do
    if leaf.ndim ~= ndim or leaf.dtype ~= leaves[1].dtype then
      errors.fail("padded_batch: value %d of element 1 is %s of %d axes, of element %d %s of %d", k, leaves[1].dtype, ndim, i, leaf.dtype,
        leaf.ndim)
    end
    for axis = 1, ndim do target[axis] = math.max(target[axis], leaf.shape[axis]) end
  end
  for axis = 1, ndim do
    local wanted = shape and shape[axis]
    if wanted and wanted >= 0 then
      if wanted < target[axis] then
        errors.fail("padded_batch: value %d has an element of length %d along axis %d, 'padded_shapes' gives %d", k, target[axis], axis,
          wanted)
      end
      target[axis] = wanted
    end
  end
  if math.type(padding) == "float" and not leaves[1].dtype:find("float") then padding = math.tointeger(padding) or padding end
  for i, leaf in ipairs(leaves) do
    local widths, needed = {}, false
    for axis = 1, ndim do
      widths[axis] = {0, target[axis] - leaf.shape[axis]}
      needed = needed or widths[axis][2] > 0
    end
    if needed then
      leaves[i] = ops.pad(leaf, widths, {constant_values = padding or 0})
      if leaves[i].dtype ~= leaf.dtype then
        errors.fail("padded_batch: 'padding_values' of value %d must be of %s, got %s", k, leaf.dtype, errors.show(padding))
      end
    end
  end
  return ops.stack(leaves, 1)
end

local padded_params = args.params{{"padded_shapes"}, {"padding_values"}, {"drop_remainder", false}}

--- n elements at a time, each padded at its ends to one shape and stacked.
---@param n integer
---@param options? table # padded_shapes: a shape (-1 or false: the longest of the batch), or a structure of shapes like the
---                      # element, a list of them where there are several values; padding_values = 0, likewise;
---                      # drop_remainder = false
function Dataset:padded_batch(n, options)
  args.check("padded_batch: 'batch_size'", n, "integer", 1)
  local o = args.read("padded_batch", padded_params, options)
  args.check("padded_batch: 'drop_remainder'", o.drop_remainder, "boolean")
  if o.padded_shapes ~= nil then args.check("padded_batch: 'padded_shapes'", o.padded_shapes, "table") end
  return stage.new{text = ("%s:padded_batch(%d%s)"):format(self.text, n, o.drop_remainder and ", drop_remainder" or ""), inputs = {self},
    length = batching.batches_of(self.length, n, o.drop_remainder),
    open = batching.lists(self, n, o.drop_remainder),
    fetch = function(items)
      local elements = {}
      for i, item in ipairs(items) do elements[i] = self.fetch(item) end
      local shapes = per_leaf("padded_shapes", o.padded_shapes, elements[1], is_shape)
      local paddings = per_leaf("padding_values", o.padding_values, elements[1], is_number)
      return batching.stack_by("padded_batch", elements, function(leaves, k, number)
        return pad_and_stack(leaves, k, shapes[k][number], paddings[k][number])
      end)
    end}
end
