-- Rows of files larger than memory: kl.files.open.
local core = require "kl.core"
local errors = require "kl.errors"

local source = {}

---@class kl.files.Source
---@field shape integer[] # of the whole array
---@field ndim integer
---@field dtype string
---@field path string
local Source = {__name = "kl.files.Source"}
Source.__index = Source

--- Opens an array whose rows are read from the disk when asked for: `.npy` in C order, plain IDX, a dataset of HDF5
--- (`options.dataset`; compressed ones, too).  What changes in the file afterwards is an error when rows are read.
---@param path string
---@param options? table # dataset = "/path"
---@return kl.files.Source
function source.open(path, options)
  if type(path) ~= "string" then errors.fail("kl.files.open: a path (a string) expected, got %s", errors.show(path)) end
  if options ~= nil and type(options) ~= "table" then
    errors.fail("kl.files.open: a table of options expected, got %s", errors.show(options))
  end
  for name in pairs(options or {}) do
    if name ~= "dataset" then
      errors.fail("kl.files.open: unknown option '%s'%s", tostring(name), errors.nearest(name, {dataset = true}))
    end
  end
  local file = core.io.rows_open(path, options and options.dataset)
  local shape, dtype = file:info()
  return setmetatable({file = file, shape = shape, ndim = #shape, dtype = dtype, path = path}, Source)
end

--- True for what files.open gives.
function source.is_source(value) return getmetatable(value) == Source end

--- `count` rows from row `first` (from 1) on: a tensor (count, ...).
function Source:rows(first, count)
  if math.type(first) ~= "integer" or math.type(count) ~= "integer" or first < 1 or count < 0 or first - 1 > self.shape[1] - count then
    errors.fail("%s: rows from 1 to %d expected, got %s from %s on", self.path, self.shape[1], errors.show(count), errors.show(first))
  end
  return self.file:range(first - 1, count)
end

--- The rows at the positions, from 0 as all data: a list or an int64 tensor (n); a tensor (n, ...).
function Source:gather(positions) return self.file:gather(positions) end

--- Closes the file; a source that is collected or leaves its `<close>` is closed, too.
function Source:close() self.file:close() end
Source.__close = Source.close
function Source:__len() return self.shape[1] end

return source
