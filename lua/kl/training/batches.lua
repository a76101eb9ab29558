-- Where fit, evaluate and predict get their batches: arrays in memory, a data set, or a function of the user's.
--
-- A source has `steps` (batches per epoch, nil if unknown), `infinite`, `owns_batches` (true if the tensors of a batch are
-- made for it and nobody else's), and open(epoch) -> a function that gives the next
-- batch, a list {x, y, sample_weight}, or nil at the end; and, for arrays, a function from a row of the batch to the sample.
-- A source has one pass open at a time.  close() lets go of it, wherever it stands (threads, files, a generator's own
-- `<close>`); `local pass <close> = source` does so when training stops, raises or has taken its steps.
--
-- position() is where its last pass stands, as plain values.  restore(position, inside) puts another source of the same data
-- there: `inside` gives the function that goes on with that pass; without, the next pass is the one after it.  misfit(position)
-- says why that cannot be done, if it cannot; generators() are the random ones that later passes draw from.
local core = require "kl.core"
local class = require "kl.class"
local errors = require "kl.errors"
local ops = require "kl.ops"
local own_code = require "kl.own_code"
local rows = require "kl.data.rows"
local tree = require "kl.tree"
local values = require "kl.data.values"

local batches = {}

local NAMES = {"x", "y", "sample_weight"}
local X = {expected = "a tensor, a list or a table of tensors by name, or a data set"}
local OTHERS = {nothing = true, expected = "a tensor, or a list or a table of tensors by name"} -- some outputs may have no targets
-- What gives batches may give a number too: one weight of all samples, say.
batches.accepts = {number = true, nothing = true, names = NAMES, expected = "a tensor, or a list or table of tensors"}

--- Raises if a batch has more values than there can be.
function batches.check_count(what, n, where)
  if n > #NAMES then errors.fail("%s %d values%s; x, y and sample_weight are the most there can be", what, n, where) end
end

--- The common first length, or an error that lists every array's.
local function common_length(what, parts)
  local n, list, differ = nil, {}, false
  for _, part in ipairs(parts) do
    local leaves = part.value ~= nil and tree.flatten(part.value) or {}
    for i, t in ipairs(leaves) do
      if t and t.ndim == 0 then errors.fail("%s: %s is a scalar: arrays of samples need a first axis", what, part.name) end
      local length = t and t.shape[1]
      if t then list[#list + 1] = ("%s%s has %d"):format(part.name, #leaves > 1 and ("[%d]"):format(i) or "", length) end
      if t and n and n ~= length then differ = true end
      n = n or length
    end
  end
  if differ then errors.fail("%s: the arrays have different numbers of samples: %s", what, table.concat(list, ", ")) end
  if not n then errors.fail("%s: there are no samples: x has no arrays", what) end
  if n == 0 then errors.fail("%s: there are no samples: %s", what, table.concat(list, ", ")) end
  return n
end

--- x, y and sample_weight as structures of tensors, and their common length.
local function read_arrays(what, x, y, sample_weight)
  if x == nil then errors.fail("%s: there is no data: x is missing", what) end
  x = values.tensors(what .. ": x", x, X)
  y = y ~= nil and values.tensors(what .. ": y", y, OTHERS) or nil
  sample_weight = sample_weight ~= nil and values.tensors(what .. ": sample_weight", sample_weight, OTHERS) or nil
  local n = common_length(what, {{name = "x", value = x}, {name = "y", value = y}, {name = "sample_weight", value = sample_weight}})
  return x, y, sample_weight, n
end

--- Rows [first, first + count) of every tensor, as views.
local function windows(structure, first, count)
  return tree.map(function(t) return t and rows.window(t, first, count) end, structure)
end

local function gather(structure, at)
  return tree.map(function(t) return t and core.ops.take(t, at, 1) end, structure)
end

--- Where the orders of an epoch come from: a pure function of the model's shuffle generator and the epochs it has been
--- trained.
local function orders_of(generator, epoch)
  local source = core.generator(core.generator_key(generator:state()[1], "epoch", epoch), 0)
  return function(n) return core.ops.random_permutation(source:next(n), n) end
end

--- Weights per sample from weights per class (missing classes count 1); labels are arg-maxed if they are one-hot.
local function weights_of_classes(what, class_weight, y)
  if type(class_weight) ~= "table" or getmetatable(class_weight) ~= nil then
    errors.fail("%s: class_weight must be a table from classes to numbers, got %s", what, errors.show(class_weight))
  end
  if not core.kind(y) then errors.fail("%s: class_weight needs one array of targets, y is a structure", what) end
  local labels = y
  if y.ndim > 1 and y.shape[y.ndim] > 1 then
    labels = ops.argmax(y, -1)
  elseif y.ndim > 1 then
    labels = ops.reshape(y, {-1})
  end
  labels = ops.cast(labels, "int32")
  local weights = ops.ones_like(labels, "float32")
  for label, weight in pairs(class_weight) do
    if math.type(label) ~= "integer" or label < 0 or type(weight) ~= "number" then
      errors.fail("%s: class_weight must map classes (integers from 0) to numbers, got [%s] = %s", what, tostring(label),
        errors.show(weight))
    end
    weights = ops.where(ops.equal(labels, label), weight, weights)
  end
  return weights
end

---@class kl.ArraySource
local ArraySource = {own_code = true, owns_batches = true} -- giving a batch runs no function of the user's
ArraySource.__index = ArraySource

function ArraySource:close() end -- tensors need none
ArraySource.__close = ArraySource.close

--- Arrays in memory.  options: batch_size (32, or as many as `steps` need), steps, shuffle (true; "batch": within each
--- batch; false), generator (its key makes the orders), class_weight.
---@param what string # "fit", for messages
function batches.arrays(what, x, y, sample_weight, options)
  local n
  x, y, sample_weight, n = read_arrays(what, x, y, sample_weight)
  if options.class_weight ~= nil then
    if sample_weight ~= nil then errors.fail("%s: class_weight and sample_weight cannot both be given", what) end
    if y == nil then errors.fail("%s: class_weight needs targets (y)", what) end
    sample_weight = weights_of_classes(what, options.class_weight, y)
  end
  local size = options.batch_size
  if size == nil then size = options.steps and (n + options.steps - 1) // options.steps or 32 end
  if math.type(size) ~= "integer" or size < 1 then
    errors.fail("%s: batch_size must be a positive integer, got %s", what, errors.show(size))
  end
  return setmetatable({x = x, y = y, sample_weight = sample_weight, n = n, batch_size = size, shuffle = options.shuffle,
    generator = options.generator, steps = (n + size - 1) // size}, ArraySource)
end

--- Cuts off the last part for validation: {x, y, sample_weight} tables of tensors.
function batches.split(what, x, y, sample_weight, fraction)
  local n
  x, y, sample_weight, n = read_arrays(what, x, y, sample_weight)
  local cut = math.floor(n * (1 - fraction))
  if cut == 0 or cut == n then
    errors.fail("%s: validation_split = %g leaves no samples for %s: there are %d", what, fraction,
      cut == 0 and "training" or "validation", n)
  end
  local function part(structure, first, count) return structure ~= nil and windows(structure, first, count) or nil end
  return {x = part(x, 1, cut), y = part(y, 1, cut), sample_weight = part(sample_weight, 1, cut)},
    {x = part(x, cut + 1, n - cut), y = part(y, cut + 1, n - cut), sample_weight = part(sample_weight, cut + 1, n - cut)}
end

--- `given`: so many batches of the pass were given before.
function ArraySource:open(epoch, given)
  local new_order = self.shuffle and orders_of(self.generator, epoch)
  local whole = self.shuffle and self.shuffle ~= "batch" and new_order(self.n)
  self.pass, self.given = epoch, given or 0
  if new_order and not whole then
    for _ = 1, self.given do new_order(self.batch_size) end
  end
  return function()
    if self.given == self.steps then
      if whole then whole:free() end -- as long as the data: not left to the collector
      whole = false
      return nil
    end
    local first = self.given * self.batch_size + 1
    self.given = self.given + 1
    local count = math.min(self.batch_size, self.n - first + 1)
    local order -- the samples of this batch, from 0
    if whole then
      order = rows.window(whole, first, count)
    elseif new_order then
      order = new_order(count) + (first - 1)
    end
    local function take(structure)
      if structure == nil then return nil end
      return order and gather(structure, order) or windows(structure, first, count)
    end
    local batch = {take(self.x), take(self.y), take(self.sample_weight)}
    if whole then order:free() end
    return batch, function(row)
      if whole then return whole[first + row - 1]:item() + 1 end
      return order and order[row]:item() + 1 or first + row - 1
    end
  end
end

function ArraySource.generators() return {} end -- the model's

function ArraySource:position()
  return {pass = self.pass, given = self.given, samples = self.n, batch_size = self.batch_size, shuffle = tostring(self.shuffle)}
end

local function describe_arrays(p) return ("%d samples in batches of %d, shuffle = %s"):format(p.samples, p.batch_size, p.shuffle) end

function ArraySource:misfit(position)
  local was, is = describe_arrays(position), describe_arrays(self:position())
  return was ~= is and ("the data was %s, and is %s"):format(was, is) or nil
end

function ArraySource:restore(position, inside) return inside and self:open(position.pass, position.given) or nil end

---@class kl.DatasetSource
local DatasetSource = {}
DatasetSource.__index = DatasetSource

--- A kl.data.Dataset that yields x, (x, y) or (x, y, sample_weight).
function batches.dataset(what, dataset)
  local length = dataset:cardinality()
  return setmetatable({what = what, dataset = dataset, steps = length >= 0 and length or nil, infinite = length == -1}, DatasetSource)
end

--- Also where nothing is open.
function DatasetSource:close()
  local iterator = self.iterator
  self.iterator = nil
  if iterator then
    self.ended = iterator:state() -- of the last pass
    iterator:close()
  end
end
DatasetSource.__close = DatasetSource.close

--- `position`: of the pass, where it is not its beginning.
function DatasetSource:open(_, position)
  self:close()
  local iterator = self.dataset:iterator()
  self.iterator = iterator
  if position then iterator:restore(position) end
  return function()
    local element = iterator:next()
    if element == nil then return nil end
    batches.check_count(self.what .. ": the data set yields", #element, " per batch")
    local batch = {}
    for i, value in ipairs(element) do
      batch[i] = values.tensors(("%s: %s of the data set"):format(self.what, NAMES[i]), value, batches.accepts)
    end
    return batch
  end
end

function DatasetSource:position() return self.iterator and self.iterator:state() or self.ended end

function DatasetSource:generators() return require "kl.data.stage".generators(self.dataset) end

function DatasetSource:misfit(position)
  if position.pipeline == self.dataset.text then return nil end
  return ("the data set was %s, and is %s"):format(position.pipeline, self.dataset.text)
end

function DatasetSource:restore(position, inside)
  if inside then return self:open(nil, position) end
  -- what it drew decides about later passes: their numbers, and what a cache holds
  self:open(nil, {pipeline = position.pipeline, position = 0, generators = position.generators})
  self:close()
end

--- A Lua function (coroutine, object that can be called) that gives a batch per call, x, y and sample_weight, and nil at its end; or
--- one that returns such a function: then every epoch calls it for a fresh one.  An object may have get_state and set_state.
function batches.generator(what, f) return require "kl.training.generator_source".new(what, f) end

--- True for what batches.generator takes.
function batches.is_generator(value)
  if type(value) == "function" or type(value) == "thread" then return true end
  local meta = type(value) == "table" and getmetatable(value)
  if not meta or class.is_class(value) then return false end
  local cls = class.of(value) -- the metatable of every object has a __call
  if cls then return cls.__call ~= nil and not own_code.is_own_class(cls) end
  return meta.__call ~= nil
end

--- True for a data set.
function batches.is_dataset(value)
  local data = package.loaded["kl.data"] -- who has one has read it in
  return data ~= nil and class.is(value, data.Dataset)
end

return batches
