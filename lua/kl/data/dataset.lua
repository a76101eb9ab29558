-- Dataset: a pipeline of elements, each a list of values (x, y, ...).
--
-- While stages only choose and order elements of tensors in memory (from_tensor_slices, shuffle, take, skip, repeat_), a pass
-- moves positions and not data; batch then gathers whole rows at once.  Every pass is fresh, and its shuffles depend on
-- the seed, the place of the data set in the program and the number of the pass only.
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local ops = require "kl.ops"
local random = require "kl.random"
local tree = require "kl.tree"

---@class kl.data.Dataset: kl.Object
local Dataset = class.Object:extend("Dataset")

local INFINITE, UNKNOWN = -1, -2

-- A data set is made of functions: `elements()` opens a pass that gives elements (lists of values), and, where it still
-- chooses rows of tensors, `positions()` opens one that gives row numbers (from 1) of `slices`.
local function new(fields)
  local ds = Dataset()
  for name, value in pairs(fields) do rawset(ds, name, value) end
  return ds
end

local function row(structure, i)
  return tree.map(function(t)
    local starts, size = {i}, {1}
    for axis = 2, t.ndim do starts[axis], size[axis] = 1, -1 end
    return core.ops.squeeze(core.ops.slice(t, starts, size), 1)
  end, structure)
end

--- Elements from row numbers.
local function rows_as_elements(slices, positions)
  return function()
    local next_position = positions()
    return function()
      local i = next_position()
      if not i then return nil end
      local element = {}
      for k, structure in ipairs(slices) do element[k] = row(structure, i) end
      return element
    end
  end
end

local function by_position(slices, length, positions)
  return new{slices = slices, length = length, positions = positions, elements = rows_as_elements(slices, positions)}
end

--- One element per row of the tensors (each argument may be a structure): from_tensor_slices(images, labels).
---@return kl.data.Dataset
function Dataset.from_tensor_slices(...)
  local slices, n = {}, nil
  if select("#", ...) == 0 then errors.fail("from_tensor_slices: at least one tensor expected") end
  for i = 1, select("#", ...) do
    slices[i] = tree.map(function(leaf)
      local t = core.kind(leaf) == "tensor" and leaf or core.kind(leaf) == "variable" and leaf.value
      if not t then errors.fail("from_tensor_slices: tensors expected, got %s", errors.show(leaf)) end
      if t.ndim == 0 then errors.fail("from_tensor_slices: a scalar has no rows") end
      if n and t.shape[1] ~= n then
        errors.fail("from_tensor_slices: the tensors have different numbers of rows: %d and %d", n, t.shape[1])
      end
      n = t.shape[1]
      return t
    end, (select(i, ...)))
  end
  return by_position(slices, n, function()
    local i = 0
    return function()
      if i < n then
        i = i + 1
        return i
      end
    end
  end)
end

--- The number of elements of a pass: -1 if it has no end, -2 if it is not known.
---@return integer
function Dataset:cardinality() return self.length end

--- The key of a new pass.  The generator counts the passes, so that each reshuffles and kl.set_seed begins anew.
local function pass_key(generator, reshuffle)
  local state = generator:state()
  if reshuffle then generator:next(1) end
  return core.generator_key(state[1], "pass", state[2])
end

--- A stage that keeps the kind (positions or elements) of what it is given: f(open) -> open.
local function derive(self, length, f)
  if self.positions then return by_position(self.slices, length, f(self.positions)) end
  return new{length = length, elements = f(self.elements)}
end

local shuffle_params = args.params{{"seed"}, {"reshuffle_each_iteration", true}}

--- Elements in random order: a buffer of that size is kept full and drawn from.  Only a buffer as large as the data
--- shuffles fully.
---@param buffer_size integer
---@param options? table # seed, reshuffle_each_iteration = true
function Dataset:shuffle(buffer_size, options)
  args.check("shuffle: 'buffer_size'", buffer_size, "integer", 1)
  local o = args.read("shuffle", shuffle_params, options)
  if o.seed ~= nil then args.check("shuffle: 'seed'", o.seed, "integer") end
  args.check("shuffle: 'reshuffle_each_iteration'", o.reshuffle_each_iteration, "boolean")
  local generator = random.new_generator("data/shuffle", o.seed)
  return derive(self, self.length, function(open)
    return function()
      local source = core.generator(pass_key(generator, o.reshuffle_each_iteration), 0)
      local draws, used = nil, 0
      local function draw(n) -- a whole number in [1, n]
        if not draws or used == #draws then
          draws, used = core.ops.random_uniform(source:next(1024), {1024}, 0.0, 1.0, "float64"):totable(), 0
        end
        used = used + 1
        return math.floor(draws[used] * n) + 1
      end
      local next_element, buffer, ended = open(), {}, false
      return function()
        while not ended and #buffer < buffer_size do
          local element = next_element()
          if element == nil then ended = true else buffer[#buffer + 1] = element end
        end
        local n = #buffer
        if n == 0 then return nil end
        local k = draw(n)
        local element = buffer[k]
        buffer[k] = buffer[n]
        buffer[n] = nil
        return element
      end
    end
  end)
end

--- The first n elements.
function Dataset:take(n)
  args.check("take: 'count'", n, "integer", 0)
  local length = self.length >= 0 and math.min(n, self.length) or self.length == INFINITE and n or UNKNOWN
  return derive(self, length, function(open)
    return function()
      local next_element, left = open(), n
      return function()
        if left == 0 then return nil end
        left = left - 1
        return next_element()
      end
    end
  end)
end

--- All but the first n elements.
function Dataset:skip(n)
  args.check("skip: 'count'", n, "integer", 0)
  local length = self.length >= 0 and math.max(0, self.length - n) or self.length
  return derive(self, length, function(open)
    return function()
      local next_element = open()
      local skipped = false
      return function()
        if not skipped then
          skipped = true
          for _ = 1, n do
            if next_element() == nil then return nil end
          end
        end
        return next_element()
      end
    end
  end)
end

--- The elements again and again: n times, or without end.
function Dataset:repeat_(n)
  if n ~= nil then args.check("repeat_: 'count'", n, "integer", 0) end
  local length = n == nil and INFINITE or self.length >= 0 and self.length * n or self.length
  if n == 0 then length = 0 end
  return derive(self, length, function(open)
    return function()
      local next_element, passes = nil, 0
      return function()
        local empty = false
        while true do
          if not next_element then
            if passes == n or empty then return nil end
            passes = passes + 1
            next_element, empty = open(), true
          end
          local element = next_element()
          if element ~= nil then return element end
          next_element = nil
        end
      end
    end
  end)
end

--- Rows of tensors by number: a view where they lie in a row, gathered otherwise.
local function gather(structure, positions)
  local first, n = positions[1], #positions
  local run = true
  for i = 2, n do
    if positions[i] ~= first + i - 1 then
      run = false
      break
    end
  end
  local at
  return tree.map(function(t)
    if run then
      local starts, size = {first}, {n}
      for axis = 2, t.ndim do starts[axis], size[axis] = 1, -1 end
      return core.ops.slice(t, starts, size)
    end
    if not at then
      local from_zero = {}
      for i, p in ipairs(positions) do from_zero[i] = p - 1 end
      at = core.tensor(from_zero, "int64")
    end
    return core.ops.take(t, at, 1)
  end, structure)
end

--- Elements stacked: each value becomes a structure of tensors with one more axis in front.
local function stack(elements)
  local batch = {}
  for k in ipairs(elements[1]) do
    local parts = {}
    for i, element in ipairs(elements) do
      parts[i] = element[k]
      if #element ~= #elements[1] then
        errors.fail("batch: the elements of a batch must have as many values: element 1 has %d, element %d %d", #elements[1], i, #element)
      end
    end
    batch[k] = tree.map(function(...)
      local leaves = {...}
      for i, leaf in ipairs(leaves) do
        leaves[i] = core.kind(leaf) and leaf or core.tensor(leaf)
        if not core.same_shape(leaves[1], leaves[i]) then
          errors.fail("batch: the elements of a batch must have one shape: value %d of element 1 has %s, of element %d %s", k,
            core.shape_text(leaves[1]), i, core.shape_text(leaves[i]))
        end
      end
      return ops.stack(leaves, 1)
    end, table.unpack(parts))
  end
  return batch
end

local batch_params = args.params{{"drop_remainder", false}}

--- n elements at a time, stacked; the last batch is smaller unless drop_remainder.
---@param n integer
---@param options? table # drop_remainder = false
function Dataset:batch(n, options)
  args.check("batch: 'batch_size'", n, "integer", 1)
  local o = args.read("batch", batch_params, options)
  args.check("batch: 'drop_remainder'", o.drop_remainder, "boolean")
  local length = self.length
  if length >= 0 then length = o.drop_remainder and length // n or (length + n - 1) // n end
  local slices, by_row = self.slices, self.positions
  local open = by_row or self.elements
  return new{length = length, elements = function()
    local next_item = open()
    return function()
      local items = {}
      while #items < n do
        local item = next_item()
        if item == nil then break end
        items[#items + 1] = item
      end
      if #items == 0 or (o.drop_remainder and #items < n) then return nil end
      if not by_row then return stack(items) end
      local batch = {}
      for k, structure in ipairs(slices) do batch[k] = gather(structure, items) end
      return batch
    end
  end}
end

--- f(x, y, ...) of every element; f returns the new values.
---@param f function
function Dataset:map(f)
  args.check("map: the function", f, "function")
  local open = self.elements
  return new{length = self.length, elements = function()
    local next_element = open()
    return function()
      local element = next_element()
      if element == nil then return nil end
      local mapped = table.pack(f(table.unpack(element)))
      if mapped.n == 0 then errors.fail("map: the function returned nothing") end
      for i = 1, mapped.n do
        if mapped[i] == nil then errors.fail("map: value %d that the function returned is nil", i) end
      end
      mapped.n = nil
      return mapped
    end
  end}
end

--- A pass as an object: next() gives the next element (a list of values), or nil at the end.
function Dataset:iterator()
  local next_element = self.elements()
  return {next = function() return next_element() end}
end

local closing = {__close = function(pass) pass.next = nil end}

--- for x, y in ds:each() do ... end: a fresh pass each time.
function Dataset:each()
  local pass = setmetatable({next = self.elements()}, closing)
  return function()
    local element = pass.next and pass.next()
    if element ~= nil then return table.unpack(element) end
  end, nil, nil, pass
end

--- for step, x, y in ds:enumerate() do ... end: step from 1.
function Dataset:enumerate()
  local pass = setmetatable({next = self.elements()}, closing)
  return function(_, step)
    local element = pass.next and pass.next()
    if element ~= nil then return step + 1, table.unpack(element) end
  end, nil, 0, pass
end

return Dataset
