-- A data set cut in two, after Keras's split_dataset.
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local stage = require "kl.data.stage"
local Dataset = require "kl.data.dataset"

local WHAT = "split_dataset"
local params = args.params{"dataset", {"left_size"}, {"right_size"}, {"shuffle", false}, {"seed"}}

--- How many elements: a share from 0 to 1, or a number of them.
local function size_of(name, given, n)
  if given == nil then return nil end
  if math.type(given) == "integer" then return args.check(("%s: '%s'"):format(WHAT, name), given, "integer", 1, n) end
  if type(given) ~= "number" or not (given > 0 and given < 1) then
    errors.fail("%s: '%s' must be a share between 0 and 1 or a number of elements, got %s", WHAT, name, errors.show(given))
  end
  return given
end

local function count(ds)
  if ds.length == stage.INFINITE then errors.fail("%s: the data set has no end; take(n) its first elements", WHAT) end
  if ds.length ~= stage.UNKNOWN then return ds.length end
  local n = 0
  local pass <close> = ds:iterator()
  while pass:next() do n = n + 1 end
  return n
end

local function sizes_of(o, n)
  local left, right = size_of("left_size", o.left_size, n), size_of("right_size", o.right_size, n)
  if left == nil and right == nil then errors.fail("%s: 'left_size' or 'right_size' is missing", WHAT) end
  if math.type(left) == "float" and math.type(right) == "float" and left + right > 1 then
    errors.fail("%s: 'left_size' and 'right_size' are more than everything: %g + %g", WHAT, left, right)
  end
  if math.type(left) == "float" then left = math.floor(n * left + 0.5) end
  if math.type(right) == "float" then right = math.floor(n * right + 0.5) end
  left, right = left or n - right, right or n - left
  if left + right > n then
    errors.fail("%s: 'left_size' and 'right_size' are more than there are: %d + %d of %d elements", WHAT, left, right, n)
  end
  if left == 0 or right == 0 then
    errors.fail("%s: the %s part would be empty: %d elements in all", WHAT, left == 0 and "left" or "right", n)
  end
  return left, right
end

--- The first elements and those after them, as two data sets: split_dataset{dataset, left_size = 0.8}.  What is split is a data set,
--- or tensors (a structure or a list of them): then there is one element per row.  A part's size is a share (0.8) or a number of
--- elements; without one it is the rest.  With shuffle they are mixed before, once.  No element is in both parts, in any pass:
--- what shuffles or is of unknown length is kept in memory, as by cache.
---@param dataset table|kl.data.Dataset # or all in one table: dataset, left_size, right_size, shuffle = false, seed
---@param options? table
---@return kl.data.Dataset left, kl.data.Dataset right
return function(dataset, options)
  local given = dataset
  if class.is(dataset, Dataset) or core.kind(dataset) or options ~= nil then
    given = {dataset}
    for key, value in pairs(options or {}) do given[key] = value end
  end
  local o = args.read(WHAT, params, given)
  args.check(WHAT .. ": 'shuffle'", o.shuffle, "boolean")
  if o.seed ~= nil then args.check(WHAT .. ": 'seed'", o.seed, "integer") end
  local ds = o.dataset
  if not class.is(ds, Dataset) then
    if type(ds) == "table" and getmetatable(ds) == nil and core.kind(ds[1]) then
      ds = Dataset.from_tensor_slices(table.unpack(ds)) -- {x, y}: the values of an element
    else
      ds = Dataset.from_tensor_slices(ds)
    end
  end
  if ds.length == stage.UNKNOWN or stage.draws(ds) then ds = ds:cache() end
  local n = count(ds)
  local left, right = sizes_of(o, n)
  if o.shuffle then ds = ds:shuffle(n, {seed = o.seed, reshuffle_each_iteration = false}) end
  return ds:take(left), ds:skip(left):take(right)
end
