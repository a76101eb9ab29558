-- Data sets over files: arrays that stay on the disk, and tables of text.
local args = require "kl.args"
local errors = require "kl.errors"
local rows = require "kl.data.rows"
local sources = require "kl.data.sources"
local stage = require "kl.data.stage"
local tree = require "kl.tree"

local Dataset = stage.Dataset

local file_params = args.params{{"dataset"}}

-- An options table: its only keys are names of options.
local function is_options(value)
  if type(value) ~= "table" or getmetatable(value) ~= nil or next(value) == nil then return false end
  for key in pairs(value) do
    if not file_params.by_name[key] then return false end
  end
  return true
end

--- One element per row of arrays in files, which are read when they are needed: from_file("images.npy", "labels.npy") for data
--- larger than memory.  `.npy`, IDX (not compressed) and HDF5; each argument is a path or a structure of paths, and
--- "file.h5:/group/images" names a dataset of an HDF5 file with several.  dtypes are those of the files.
---@param ... string|table # paths; and a last table of options: dataset, the same for all HDF5 files
---@return kl.data.Dataset
function Dataset.from_file(...)
  local given = {...}
  local count, o = select("#", ...), {}
  if count > 1 and is_options(given[count]) then
    o = args.read("from_file", file_params, given[count])
    if o.dataset ~= nil then args.check("from_file: 'dataset'", o.dataset, "string") end
    count = count - 1
  end
  if count == 0 then errors.fail("from_file: at least one path expected") end
  local slices, n, first = {}, nil, nil
  for i = 1, count do
    slices[i] = tree.map(function(path)
      if type(path) ~= "string" then errors.fail("from_file: paths expected, got %s", errors.show(path)) end
      local file, dataset = path:match("^(.+%.[hH][dD]?[fF]?5):(/.+)$")
      local array = rows.open(file or path, dataset or (path:lower():find("%.h5$") or path:lower():find("%.hdf5$")) and o.dataset or nil)
      if n and array.shape[1] ~= n then
        errors.fail("from_file: the files have different numbers of rows: %s has %d, %s %d", first, n, path, array.shape[1])
      end
      n, first = array.shape[1], first or path
      return array
    end, given[i])
  end
  if not n then errors.fail("from_file: at least one path expected, got an empty structure") end
  local by_row = rows.of(slices)
  return stage.new{text = ("from_file(%d)"):format(n), length = n, open = sources.count_to(n), fetch = by_row.fetch,
    gather = by_row.gather, prepare_many = by_row.prepare_many}
end

return Dataset
