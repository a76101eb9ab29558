-- Data sets over files: arrays that stay on the disk, tables of text, lines of text, paths.
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local files = require "kl.files"
local ops = require "kl.ops"
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
      dataset = dataset or (path:lower():find("%.h5$") or path:lower():find("%.hdf5$")) and o.dataset or nil
      local array = files.open(file or path, {dataset = dataset})
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

--- The Lua pattern of a name in a file pattern: * stands for any characters, ? for one.
local function pattern_of(name)
  return "^" .. name:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0"):gsub("%*", ".*"):gsub("%?", ".") .. "$"
end

--- Paths that fit names[k], names[k + 1], ... in a folder ("" is the root's, nil the one we are in).
local function find_paths(folder, names, k, found)
  local name, last = names[k], k == #names
  local function path_of(entry) return folder and folder .. "/" .. entry or entry end
  if not last and not name:find("[%*%?]") then return find_paths(path_of(name), names, k + 1, found) end
  local pattern = pattern_of(name)
  for entry, kind in pairs(core.io.list_folder(folder == "" and "/" or folder or ".")) do
    if kind == (last and "file" or "folder") and entry:find(pattern) and (entry:sub(1, 1) ~= "." or name:sub(1, 1) == ".") then
      if last then found[#found + 1] = path_of(entry) else find_paths(path_of(entry), names, k + 1, found) end
    end
  end
end

local list_params = args.params{{"shuffle", true}, {"seed"}}

--- Paths of files that fit a pattern, as strings: list_files("flowers/*/*.jpg").  In it * stands for any characters of one name, ? for
--- one; names that begin with a dot have to be asked for.
---@param patterns string|string[]
---@param options? table # shuffle = true, anew in every pass (false: sorted), seed
---@return kl.data.Dataset
function Dataset.list_files(patterns, options)
  local o = args.read("list_files", list_params, options)
  args.check("list_files: 'shuffle'", o.shuffle, "boolean")
  if o.seed ~= nil then args.check("list_files: 'seed'", o.seed, "integer") end
  local list = type(patterns) == "string" and {patterns} or args.check("list_files: the patterns", patterns, "table")
  local paths = {}
  for _, pattern in ipairs(list) do
    args.check("list_files: a pattern", pattern, "string")
    local names, before = {}, #paths
    for name in pattern:gmatch("[^/]+") do names[#names + 1] = name end
    if #names > 0 then find_paths(pattern:sub(1, 1) == "/" and "" or nil, names, 1, paths) end
    if #paths == before then errors.fail("list_files: no file fits %q", pattern) end
  end
  table.sort(paths)
  local ds = Dataset.from_tensor_slices(paths)
  return o.shuffle and ds:shuffle(#paths, {seed = o.seed}) or ds
end

--- The lines of text files, one file after the other, as strings without their ends.
---@param paths string|string[]
---@return kl.data.Dataset
function Dataset.from_text_lines(paths)
  local list = type(paths) == "string" and {paths} or args.check("from_text_lines: the paths", paths, "table")
  for i, path in ipairs(list) do args.check(("from_text_lines: path %d"):format(i), path, "string") end
  list = {table.unpack(list)}
  return stage.new{text = ("from_text_lines(%d)"):format(#list), length = stage.UNKNOWN, fetch = function(line) return {line} end,
    open = function(ctx)
      local at, file = 0, nil
      local function close()
        if file then file:close() end
        file, ctx.closers[close] = nil, nil
      end
      return function()
        while true do
          if not file then
            if at == #list then return nil end
            at = at + 1
            local message
            file, message = io.open(list[at])
            if not file then errors.fail("from_text_lines: %s", message) end
            ctx.closers[close] = close
          end
          local line, message = file:read()
          if line then return (line:gsub("\r$", "")) end
          close()
          if message then errors.fail("from_text_lines: %s: %s", list[at], message) end
        end
      end
    end}
end

local function has(list, value)
  for _, entry in ipairs(list) do
    if entry == value then return true end
  end
  return false
end

-- Columns of a CSV file, as {name, value} in their order; value is a tensor (n) or a list of strings.
local function read_columns(path, o)
  local names = o.select_columns and {table.unpack(o.select_columns)} or nil
  if names and o.label_name ~= nil then
    if not has(names, o.label_name) then names[#names + 1] = o.label_name end
  end
  local loaded, order = files.load(path, {header = o.header, separator = o.separator, columns = names})
  local columns = {}
  if core.kind(loaded) then -- no header, numbers only
    for i = 1, loaded.shape[2] do
      columns[i] = {names and names[i] or i, core.ops.squeeze(core.ops.slice(loaded, {1, i}, {-1, 1}), 2)}
    end
  elseif #loaded > 0 then
    for i, value in ipairs(loaded) do columns[i] = {names and names[i] or i, value} end
  else
    for i, which in ipairs(order) do columns[i] = {which, loaded[which]} end
  end
  return columns
end

-- Text labels as numbers: of the sorted names of the classes.
local function classes_of(strings)
  local names, number, list = {}, {}, {}
  for _, text in ipairs(strings) do
    if not number[text] then
      names[#names + 1] = text
      number[text] = true
    end
  end
  table.sort(names)
  for i, name in ipairs(names) do number[name] = i - 1 end
  for i, text in ipairs(strings) do list[i] = number[text] end
  return core.tensor(list, "int32"), names
end

local csv_params = args.params{{"label_name"}, {"select_columns"}, {"header"}, {"separator"}, {"by_column", false}, {"batch_size"}}

--- The rows of a CSV file, which is read at once: (features) or (features, label).  Features are one float32 tensor of all other
--- columns, in the order of the file unless select_columns says another, or with by_column a table of tensors by name, of their
--- own dtypes; a column of text is then a string in each element.  Empty fields of numbers are NaN.  The data set's feature_names
--- has the columns of the features.
---@param path string
---@param options? table # label_name: the label's column, a name or, without header, a number from 1; text labels become int32
---                      # (the data set's class_names has their sorted names); select_columns: a list of names or numbers;
---                      # header: true, false, nil: as it looks; separator = ","; by_column = false; batch_size: nil, single rows
---@return kl.data.Dataset
function Dataset.from_csv(path, options)
  args.check("from_csv: the path", path, "string")
  local o = args.read("from_csv", csv_params, options)
  args.check("from_csv: 'by_column'", o.by_column, "boolean")
  if o.batch_size ~= nil then args.check("from_csv: 'batch_size'", o.batch_size, "integer", 1) end
  if o.select_columns ~= nil then args.check("from_csv: 'select_columns'", o.select_columns, "table") end
  local columns = read_columns(path, o)
  local features, by_name, label, class_names, known, used = {}, {}, nil, nil, {}, {}
  for i, column in ipairs(columns) do known[i] = tostring(column[1]) end
  if o.label_name ~= nil and not has(known, tostring(o.label_name)) then
    errors.fail("from_csv: %s: no column %s for the label%s (columns: %s)", path, tostring(o.label_name),
      errors.nearest(o.label_name, known), table.concat(known, ", "))
  end
  for _, column in ipairs(columns) do
    local name, value = column[1], column[2]
    if name == o.label_name then
      label = value
      if not core.kind(value) then label, class_names = classes_of(value) end
    elseif not core.kind(value) and not o.by_column then
      local at = 1
      while value[at] and (tonumber(value[at]) or value[at] == "") do at = at + 1 end
      errors.fail("from_csv: %s: column %s is text (%q in row %d): a tensor needs numbers; leave it out by select_columns, or take "
        .. "by_column", path, tostring(name), value[at] or "", at)
    elseif o.by_column then
      used[#used + 1] = name
      by_name[type(name) == "string" and name or "column_" .. name] = value
    else
      used[#used + 1] = name
      features[#features + 1] = core.ops.cast(value, "float32")
    end
  end
  if #features == 0 and next(by_name) == nil then errors.fail("from_csv: %s: no columns are left for features", path) end
  local x = o.by_column and by_name or ops.stack(features, 2)
  local ds = label and Dataset.from_tensor_slices(x, label) or Dataset.from_tensor_slices(x)
  if o.batch_size then ds = ds:batch(o.batch_size) end
  rawset(ds, "feature_names", used)
  if class_names then rawset(ds, "class_names", class_names) end
  return ds
end

return Dataset
