-- Rows of arrays by number: the items of from_tensor_slices and from_file.
--
-- An array is a tensor, or a file of rows (kl.files.open).  Rows that lie one behind the other in a tensor are a view; others are
-- gathered at once.  With a prefetch's queue (core.prefetch) a thread gathers them and reads the files: it gets positions and
-- addresses, and never calls Lua.
local core = require "kl.core"
local errors = require "kl.errors"
local source = require "kl.files.source"
local tree = require "kl.tree"

local rows = {}

---@class kl.data.Strings
local Strings = {}

--- A list of strings as an array of rows; its rows are fetched only.
function rows.strings(what, list)
  for i, text in ipairs(list) do
    if type(text) ~= "string" then errors.fail("%s: string %d of a list is %s", what, i, errors.show(text)) end
  end
  return setmetatable({list = table.move(list, 1, #list, 1, {})}, Strings)
end

--- n rows of an array from row `first` (from 1) on: of a tensor a view.
---@return kl.Tensor # (n, ...)
function rows.window(t, first, n)
  if source.is_source(t) then return t:rows(first, n) end
  local starts, size = {first}, {n}
  for axis = 2, t.ndim do starts[axis], size[axis] = 1, -1 end
  return core.ops.slice(t, starts, size)
end

local function row(structure, i)
  return tree.map(function(t)
    if getmetatable(t) == Strings then return t.list[i] end
    return core.ops.squeeze(rows.window(t, i, 1), 1)
  end, structure)
end

--- True if the positions are first, first + 1, ...
local function is_run(positions)
  local first = positions[1]
  for i = 2, #positions do
    if positions[i] ~= first + i - 1 then return false end
  end
  return true
end

local function from_zero(positions)
  local list = {}
  for i, p in ipairs(positions) do list[i] = p - 1 end
  return core.tensor(list, "int64")
end

--- What a stage of such rows has: fetch, gather, prepare_many.
---@param slices any[] # a structure of arrays per value
function rows.of(slices)
  local stage = {}

  function stage.fetch(i)
    local element = {}
    for k, structure in ipairs(slices) do element[k] = row(structure, i) end
    return element
  end

  function stage.gather(positions)
    local run = is_run(positions)
    local at = not run and from_zero(positions)
    local batch = {}
    for k, structure in ipairs(slices) do
      batch[k] = tree.map(function(t)
        if run then return rows.window(t, positions[1], #positions) end
        if source.is_source(t) then return t:gather(at) end
        return core.ops.take(t, at, 1)
      end, structure)
    end
    return batch
  end

  local leaves, from_files = {}, false
  for _, structure in ipairs(slices) do
    for _, leaf in ipairs(tree.flatten(structure)) do
      local is_file = source.is_source(leaf)
      leaves[#leaves + 1], from_files = is_file and leaf.file or leaf, from_files or is_file
    end
  end

  function stage.prepare_many(positions, queue)
    if not from_files and is_run(positions) then -- views cost nothing
      local element = stage.gather(positions)
      return {element = element, wait = function() return element end}
    end
    local ticket = queue:submit(leaves, positions)
    if not ticket then return nil end
    local tensors, used, batch = ticket:tensors(), 0, {}
    for k, structure in ipairs(slices) do
      batch[k] = tree.map(function()
        used = used + 1
        return tensors[used]
      end, structure)
    end
    return {element = batch, wait = function() return ticket:wait() and batch end}
  end

  return stage
end

return rows
