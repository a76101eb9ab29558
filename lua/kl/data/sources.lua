-- Where elements come from: tensors in memory, counting, functions of the user's.
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local functions = require "kl.data.functions"
local generators = require "kl.data.generators"
local rows = require "kl.data.rows"
local stage = require "kl.data.stage"
local values = require "kl.data.values"

local Dataset = stage.Dataset

local slices_accept = {expected = "a tensor"}
local elements_accept = {number = true, boolean = true, string = true, expected = "a tensor, a number, a string or a structure of these"}

--- open() of items 1 to n.
local function count_to(n)
  return function()
    local i = 0
    return function()
      if i < n then
        i = i + 1
        return i
      end
    end, function(m)
      local passed = math.min(m, n - i)
      i = i + passed
      return passed
    end
  end
end

--- One element per row of the tensors (each argument may be a structure): from_tensor_slices(images, labels).  A list of
--- numbers is a tensor, of a list of strings each element has one.
---@return kl.data.Dataset
function Dataset.from_tensor_slices(...)
  local slices, n, has_strings = {}, nil, false
  if select("#", ...) == 0 then errors.fail("from_tensor_slices: at least one tensor expected") end
  for i = 1, select("#", ...) do
    slices[i] = values.map(function(leaf, where)
      local t, length
      if values.is_strings(leaf) then
        t, length, has_strings = rows.strings("from_tensor_slices", leaf), #leaf, true
      else
        t = values.tensors(where, leaf, slices_accept)
        if t.ndim == 0 then errors.fail("%s: a scalar has no rows", where) end
        length = t.shape[1]
      end
      if n and length ~= n then
        errors.fail("from_tensor_slices: the tensors have different numbers of rows: %d and %d", n, length)
      end
      n = length
      return t
    end, (select(i, ...)), ("from_tensor_slices: value %d"):format(i), true)
  end
  if not n then errors.fail("from_tensor_slices: at least one tensor expected, got an empty structure") end
  local by_row = rows.of(slices)
  return stage.new{text = ("from_tensor_slices(%d)"):format(n), length = n, open = count_to(n), fetch = by_row.fetch,
    gather = not has_strings and by_row.gather or nil, prepare_many = not has_strings and by_row.prepare_many or nil}
end

--- A data set of one element, these values: from_tensors(x, y).
---@return kl.data.Dataset
function Dataset.from_tensors(...)
  local n = select("#", ...)
  if n == 0 then errors.fail("from_tensors: at least one value expected") end
  local element = {}
  for i = 1, n do element[i] = values.tensors(("from_tensors: value %d"):format(i), (select(i, ...)), elements_accept) end
  return stage.new{text = "from_tensors", length = 1, open = count_to(1),
    fetch = function() return {table.unpack(element)} end}
end

--- Integers as int64 scalars, data counted from 0: range(stop), range(start, stop), range(start, stop, step).  `stop` is not
--- reached.
---@return kl.data.Dataset
function Dataset.range(...)
  local count = select("#", ...)
  if count < 1 or count > 3 then errors.fail("range: stop, or start, stop, step expected, got %d arguments", count) end
  local start, stop, step = ...
  if count == 1 then start, stop = 0, start end
  step = step == nil and 1 or step
  args.check("range: 'start'", start, "integer")
  args.check("range: 'stop'", stop, "integer")
  args.check("range: 'step'", step, "integer")
  if step == 0 then errors.fail("range: 'step' must not be 0") end
  local n = 0
  if step > 0 and start < stop or step < 0 and start > stop then
    local from, to, by = start, stop, step
    if step < 0 then from, to, by = stop, start, -step end
    if from < 0 and to > math.maxinteger + from or by < 0 then errors.fail("range: there are more elements than integers") end
    n = (to - from - 1) // by + 1
  end
  local function at(i) return start + (i - 1) * step end
  return stage.new{text = ("range(%d, %d, %d)"):format(start, stop, step), length = n, open = count_to(n),
    fetch = function(i) return {core.tensor(at(i), "int64")} end,
    gather = function(items)
      local list = {}
      for k, i in ipairs(items) do list[k] = at(i) end
      return {core.tensor(list, "int64")}
    end}
end

local random_params = args.params{{"seed"}, {"rerandomize_each_iteration", false}}

--- Random int64 scalars from 0 to 2^32 - 1, without end.
---@param options? integer|table # seed; rerandomize_each_iteration = false: every pass has the same
---@return kl.data.Dataset
function Dataset.random(options)
  local o = args.read("random", random_params, options)
  if o.seed ~= nil then args.check("random: 'seed'", o.seed, "integer") end
  args.check("random: 'rerandomize_each_iteration'", o.rerandomize_each_iteration, "boolean")
  local ds
  ds = stage.new{text = "random", length = stage.INFINITE, fetch = function(n) return {core.tensor(n, "int64")} end,
    open = function(ctx)
      local draw = stage.numbers(stage.key(ds, ctx))
      return function() return math.floor(draw() * 2 ^ 32) end
    end}
  ds.generator = stage.generator("data/random", o.seed)
  ds.repeats_order = not o.rerandomize_each_iteration
  return ds
end

local generator_params = args.params{{"cardinality"}, {"output_count"}, {"output_types"}}

--- Elements from a function of the user's.  f() is called at the beginning of each pass and returns what a for loop takes: a function
--- that gives the values of the next element at each call and nil at the end (a coroutine will do); or f yields the elements
--- itself.  All elements have the form, dtypes and numbers of axes of the first.
---
--- A restored position runs the function from its start again and leaves out what was given before.
---@param f function
---@param options? table # cardinality: the number of elements, where it is known (an early end is then an error); output_count: the
---                      # number of values of each element; output_types: a list of dtypes, one per value, that numbers and tensors
---                      # are cast to (or one dtype, if there is one value)
---@return kl.data.Dataset
function Dataset.from_generator(f, options)
  args.check("from_generator: the function", f, "function")
  local o = args.read("from_generator", generator_params, options)
  if o.cardinality ~= nil then args.check("from_generator: 'cardinality'", o.cardinality, "integer", 0) end
  if o.output_count ~= nil then args.check("from_generator: 'output_count'", o.output_count, "integer", 1) end
  local types = type(o.output_types) == "string" and {o.output_types} or o.output_types
  if types ~= nil then
    args.check("from_generator: 'output_types'", types, "table")
    for k = 1, #types do args.check(("from_generator: 'output_types'[%d]"):format(k), types[k], "string") end
    if #types ~= (o.output_count or #types) then
      errors.fail("from_generator: 'output_types' has %d dtypes, 'output_count' is %d", #types, o.output_count)
    end
    o.output_count = #types
  end
  local read = generators.reader("from_generator", elements_accept, types)
  local length = o.cardinality or stage.UNKNOWN
  return stage.new{text = "from_generator", length = length, fetch = functions.same, open = function(ctx)
    local step, next_values, ended = 0, nil, false
    local function finish()
      local close = ctx.closers[finish]
      ended, next_values, ctx.closers[finish] = true, nil, nil
      if close then close() end
    end
    return function()
      if ended then return nil end
      if step == length then return finish() end
      if not next_values then
        local close
        next_values, close = stage.call("from_generator", 1, generators.begin, f)
        if not next_values then
          errors.fail("from_generator: the function must return an iterator (a function or a coroutine), or yield elements, got %s",
            errors.show(close[1]))
        end
        ctx.closers[finish] = close
      end
      local given = table.pack(stage.call("from_generator", step + 1, next_values))
      if given[1] == nil then
        finish()
        if length >= 0 then
          errors.fail("from_generator: the generator ended at step %d, %d elements were expected ('cardinality')", step + 1, length)
        end
        return nil
      end
      step = step + 1
      if given.n ~= (o.output_count or given.n) then
        errors.fail("from_generator: at step %d the generator gave %d values, %d expected", step, given.n, o.output_count)
      end
      return read(given, step)
    end
  end}
end

return {count_to = count_to}
