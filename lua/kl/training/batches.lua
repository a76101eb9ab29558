-- Where fit, evaluate and predict get their batches: arrays in memory, or a data set.
--
-- A source has `steps` (batches per epoch, nil if unknown), and open(epoch) -> a function that gives the next batch, a list
-- {x, y, sample_weight}, or nil at the end.
local core = require "kl.core"
local class = require "kl.class"
local errors = require "kl.errors"
local ops = require "kl.ops"
local tree = require "kl.tree"

local batches = {}

--- Structures of tensors from what the user gave: numbers and nested tables become tensors.
local function to_tensors(what, given)
  if given == nil then return nil end
  if core.kind(given) == "tensor" then return given end
  if core.kind(given) == "variable" then return given.value end
  if type(given) == "table" and getmetatable(given) == nil then
    if type(given[1]) == "number" or type(given[1]) == "boolean" or
      (type(given[1]) == "table" and getmetatable(given[1]) == nil and tree.names(given[1]) == nil and
        core.kind(tree.flatten(given)[1]) == nil) then
      return core.tensor(given)
    end
    local names = tree.names(given)
    local result = {}
    if names then
      for _, name in ipairs(names) do result[name] = to_tensors(what .. "." .. name, given[name]) end
    else
      for i = 1, #given do result[i] = to_tensors(("%s[%d]"):format(what, i), given[i]) end
    end
    return result
  end
  errors.fail("%s must be a tensor, a list or a table of tensors by name, or a data set, got %s", what, errors.show(given))
end

--- The common first length, or an error that lists every array's.
local function common_length(parts)
  local n, list, differ = nil, {}, false
  for _, part in ipairs(parts) do
    local leaves = part.value ~= nil and tree.flatten(part.value) or {}
    for i, t in ipairs(leaves) do
      if t.ndim == 0 then errors.fail("%s is a scalar: arrays of samples need a first axis", part.name) end
      local length = t.shape[1]
      list[#list + 1] = ("%s%s has %d"):format(part.name, #leaves > 1 and ("[%d]"):format(i) or "", length)
      if n and n ~= length then differ = true end
      n = n or length
    end
  end
  if differ then errors.fail("the arrays have different numbers of samples: %s", table.concat(list, ", ")) end
  if not n or n == 0 then errors.fail("there are no samples to work on: %s", table.concat(list, ", ")) end
  return n
end

--- Rows [first, first + count) of every tensor, as views.
local function rows(structure, first, count)
  return tree.map(function(t)
    local starts, size = {first}, {count}
    for i = 2, t.ndim do starts[i], size[i] = 1, -1 end
    return core.ops.slice(t, starts, size)
  end, structure)
end

local function gather(structure, at)
  return tree.map(function(t) return core.ops.take(t, at, 1) end, structure)
end

--- The order of an epoch: a pure function of the model's shuffle generator and the epochs it has been trained.
local function order_of(generator, epoch, n)
  local key = core.generator_key(generator:state()[1], "epoch", epoch)
  return core.ops.random_permutation(core.generator(key, 0):next(n), n)
end

--- Weights per sample from weights per class (missing classes count 1); labels are arg-maxed if they are one-hot.
local function weights_of_classes(class_weight, y)
  if not core.kind(y) then errors.fail("class_weight: one array of targets expected") end
  local labels = y
  if y.ndim > 1 and y.shape[y.ndim] > 1 then
    labels = ops.argmax(y, -1)
  elseif y.ndim > 1 then
    labels = ops.reshape(y, {-1})
  end
  labels = ops.cast(labels, "int32")
  local weights = ops.ones_like(labels, "float32")
  for label, weight in pairs(class_weight) do
    if math.type(label) ~= "integer" or type(weight) ~= "number" then
      errors.fail("class_weight must map classes (integers from 0) to numbers, got %s = %s", tostring(label), tostring(weight))
    end
    weights = ops.where(ops.equal(labels, label), weight, weights)
  end
  return weights
end

---@class kl.ArraySource
local ArraySource = {}
ArraySource.__index = ArraySource

--- Arrays in memory.  options: batch_size, shuffle (true, "batch", false), generator (its key makes
--- the orders), class_weight.
function batches.arrays(x, y, sample_weight, options)
  x, y, sample_weight = to_tensors("x", x), to_tensors("y", y), to_tensors("sample_weight", sample_weight)
  if x == nil then errors.fail("there is no data: x is missing") end
  if options.class_weight then
    if sample_weight ~= nil then errors.fail("class_weight and sample_weight cannot both be given") end
    if y == nil then errors.fail("class_weight needs targets (y)") end
    sample_weight = weights_of_classes(options.class_weight, y)
  end
  local n = common_length{{name = "x", value = x}, {name = "y", value = y}, {name = "sample_weight", value = sample_weight}}
  local size = options.batch_size or 32
  if math.type(size) ~= "integer" or size < 1 then errors.fail("batch_size must be a positive integer, got %s", errors.show(size)) end
  return setmetatable({x = x, y = y, sample_weight = sample_weight, n = n, batch_size = size, shuffle = options.shuffle,
    generator = options.generator, steps = (n + size - 1) // size}, ArraySource)
end

--- Cuts off the last part for validation: {x, y, sample_weight} tables of tensors.
function batches.split(x, y, sample_weight, fraction)
  x, y, sample_weight = to_tensors("x", x), to_tensors("y", y), to_tensors("sample_weight", sample_weight)
  local n = common_length{{name = "x", value = x}, {name = "y", value = y}, {name = "sample_weight", value = sample_weight}}
  local cut = math.floor(n * (1 - fraction))
  if cut == 0 or cut == n then
    errors.fail("validation_split = %g leaves no samples for %s: there are %d", fraction, cut == 0 and "training" or "validation", n)
  end
  local function part(structure, first, count) return structure ~= nil and rows(structure, first, count) or nil end
  return {x = part(x, 1, cut), y = part(y, 1, cut), sample_weight = part(sample_weight, 1, cut)},
    {x = part(x, cut + 1, n - cut), y = part(y, cut + 1, n - cut), sample_weight = part(sample_weight, cut + 1, n - cut)}
end

function ArraySource:open(epoch)
  local order
  if self.shuffle == "batch" then
    order = order_of(self.generator, epoch, self.steps):totable()
  elseif self.shuffle then
    order = order_of(self.generator, epoch, self.n)
  end
  local step = 0
  return function()
    if step == self.steps then return nil end
    step = step + 1
    local block = self.shuffle == "batch" and order[step] + 1 or step
    local first = (block - 1) * self.batch_size + 1
    local count = math.min(self.batch_size, self.n - first + 1)
    local function take(structure)
      if structure == nil then return nil end
      if order and self.shuffle ~= "batch" then return gather(structure, rows(order, first, count)) end
      return rows(structure, first, count)
    end
    return {take(self.x), take(self.y), take(self.sample_weight)}
  end
end

---@class kl.DatasetSource
local DatasetSource = {}
DatasetSource.__index = DatasetSource

--- A kl.data.Dataset that yields x, (x, y) or (x, y, sample_weight).
function batches.dataset(dataset)
  local steps = dataset.cardinality and dataset:cardinality()
  return setmetatable({dataset = dataset, steps = steps and steps >= 0 and steps or nil}, DatasetSource)
end

function DatasetSource:open()
  local iterator = self.dataset:iterator()
  return function()
    local element = iterator:next()
    if element == nil then return nil end
    if #element > 3 then errors.fail("the data set yields %d values per batch; x, y and sample_weight are the most there can be", #element) end
    return element
  end
end

--- True for a data set.
function batches.is_dataset(value) return class.is(value, require "kl.data".Dataset) end

return batches
