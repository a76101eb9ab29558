-- CSV: columns of numbers as tensors, of text as lists of strings (src/io/csv.c), and back.
local core = require "kl.core"
local errors = require "kl.errors"

local csv = {}

--- Whether the first line is a header: it is where a field of it is no number and all below it are, or where it is asked for.
local function has_header(file, columns, rows)
  if rows == 0 then return false end
  for i = 1, columns do
    local name = file:strings(i, 0, 1)[1]
    if not name:match("^%s*$") and file:kind(i, 0) == "text" and (rows == 1 or file:kind(i, 1) ~= "text") then return true end
  end
  return false
end

local function read_header(path, file, columns)
  local names, seen = {}, {}
  for i = 1, columns do
    local name = file:strings(i, 0, 1)[1]
    if name == "" then name = "column_" .. i end
    if seen[name] then errors.fail("%s: the header names '%s' twice", path, name) end
    names[i], seen[name] = name, i
  end
  return names, seen
end

--- The numbers of the columns that options.columns asks for, by name or from 1; all of them without it.
local function choose(path, wanted, columns, by_name)
  local list = {}
  if wanted == nil then
    for i = 1, columns do list[i] = i end
    return list
  end
  for i, which in ipairs(wanted) do
    local at = math.type(which) == "integer" and which >= 1 and which <= columns and which or by_name and by_name[which]
    if not at then
      errors.fail("%s: no column %s%s", path, type(which) == "string" and ("'%s'"):format(which) or tostring(which),
        by_name and errors.nearest(which, by_name) or (": columns 1 to %d expected, there is no header"):format(columns))
    end
    list[i] = at
  end
  return list
end

local known_dtypes = {float32 = true, float64 = true, int32 = true, int64 = true, uint8 = true, bool = true, string = true}

local function check_dtype(path, dtype)
  if not known_dtypes[dtype] then
    errors.fail("%s: dtype: unknown dtype %s%s", path, errors.show(dtype), errors.nearest(dtype, known_dtypes))
  end
  return dtype
end

local function read_column(path, file, i, first, dtype, nan)
  local kind = dtype == nil and file:kind(i, first)
  if dtype == "string" or kind == "text" then return file:strings(i, first) end
  return file:tensor(i, first, dtype and check_dtype(path, dtype) or kind == "integers" and "int64" or "float32", nan)
end

local function read(path, options)
  local separator = options.separator or path:lower():find("%.tsv$") and "\t" or ","
  local file <close> = core.io.csv(path, separator)
  local rows, columns = file:size()
  local empty = options.empty or "nan"
  if empty ~= "nan" and empty ~= "error" then errors.fail("%s: empty: 'nan' or 'error' expected, got %s", path, errors.show(empty)) end
  local header = options.header
  if header == nil then header = has_header(file, columns, rows) end
  if header and rows == 0 then errors.fail("%s: a header expected, the file is empty", path) end
  local first = header and 1 or 0
  local names, by_name
  if header then names, by_name = read_header(path, file, columns) end
  local list = choose(path, options.columns, columns, by_name)
  local dtype = options.dtype
  local nan = empty == "nan"
  local text, integers = false, true
  for _, i in ipairs(list) do
    local kind = file:kind(i, first)
    text, integers = text or kind == "text", integers and kind == "integers"
  end
  local as_matrix = options.matrix
  if as_matrix == nil then as_matrix = not header and (not text or dtype ~= nil) and type(dtype) ~= "table" and dtype ~= "string" end
  if as_matrix then
    if type(dtype) == "table" then errors.fail("%s: one dtype expected for a matrix, got a table", path) end
    return file:tensor(list, first, dtype and check_dtype(path, dtype) or integers and rows > first and "int64" or "float32", nan)
  end
  local result, order = {}, names and {}
  for at, i in ipairs(list) do
    local name = names and names[i] or at
    if order then order[at] = name end
    local own = dtype
    if type(dtype) == "table" then own = dtype[name] end
    result[name] = read_column(path, file, i, first, own, nan)
  end
  return result, order
end

--- Whether a text can part fields: one byte that is no quote and ends no line.
function csv.is_separator(text) return #text == 1 and not text:find('["\r\n]') end

--- A field as readers take it: in quotes where its text has the separator, quotes, line ends or outer spaces in it, or is empty.
---@param text string
---@param separator string
---@return string
function csv.quote(text, separator)
  if text:find('[\r\n"]') or text:find(separator, 1, true) or text:find("^%s") or text:find("%s$") or text == "" then
    return '"' .. text:gsub('"', '""') .. '"'
  end
  return text
end

--- A list of numbers, or rows of them, as a tensor; all else as it is.
local function array(value)
  local first = value
  while type(first) == "table" and not getmetatable(first) do first = first[1] end
  if type(value) == "table" and not getmetatable(value) and (type(first) == "number" or type(first) == "boolean") then
    return core.tensor(value)
  end
  return value
end
csv.array = array

local function column_text(what, value, separator)
  value = array(value)
  if type(value) == "table" and not getmetatable(value) then
    local list = {}
    for i, text in ipairs(value) do
      if type(text) ~= "string" then errors.fail("%s: a list of strings expected, got %s", what, errors.show(text)) end
      list[i] = csv.quote(text, separator)
    end
    return list
  end
  if not core.kind(value) then errors.fail("%s: a tensor or a list of strings expected, got %s", what, errors.show(value)) end
  if #value.shape ~= 1 then errors.fail("%s: a tensor of one axis expected, got shape %s", what, core.shape_text(value)) end
  return core.io.number_texts(value)
end

local function write(path, value, options)
  local what = "kl.save: " .. path
  local separator = options.separator or path:lower():find("%.tsv$") and "\t" or ","
  if not csv.is_separator(separator) then
    errors.fail("%s: separator: one byte that is no quote and ends no line expected, got %s", what, errors.show(separator))
  end
  local names, columns = nil, {}
  value = array(value)
  if core.kind(value) then
    local shape = value.shape
    if #shape < 1 or #shape > 2 then errors.fail("%s: a tensor of one or two axes expected, got shape %s", what, core.shape_text(value)) end
    local width = shape[2] or 1
    local all = core.io.number_texts(value)
    for c = 1, width do
      local column = {}
      for r = 1, shape[1] do column[r] = all[(r - 1) * width + c] end
      columns[c] = column
    end
    names = type(options.header) == "table" and options.header or nil
    if names and #names ~= width then errors.fail("%s: header: %d names expected, got %d", what, width, #names) end
  elseif type(value) == "table" and not getmetatable(value) then
    names = options.columns or {}
    if not options.columns then
      for name in pairs(value) do
        if type(name) ~= "string" then errors.fail("%s: columns by name expected, got the key %s", what, errors.show(name)) end
        names[#names + 1] = name
      end
      table.sort(names)
    end
    for i, name in ipairs(names) do
      if value[name] == nil then errors.fail("%s: there is no column '%s'%s", what, tostring(name), errors.nearest(name, value)) end
      columns[i] = column_text(("%s: column '%s'"):format(what, name), value[name], separator)
      if #columns[i] ~= #columns[1] then
        errors.fail("%s: column '%s' has %d rows, '%s' has %d", what, name, #columns[i], names[1], #columns[1])
      end
    end
  else
    errors.fail("%s: a tensor or a table of columns by name expected, got %s", what, errors.show(value))
  end
  local lines = {}
  if names and options.header ~= false then
    local header = {}
    for i, name in ipairs(names) do header[i] = csv.quote(name, separator) end
    lines[1] = table.concat(header, separator)
  end
  local row = {}
  for r = 1, #(columns[1] or {}) do
    for c = 1, #columns do row[c] = columns[c][r] end
    lines[#lines + 1] = table.concat(row, separator, 1, #columns)
  end
  lines[#lines + 1] = ""
  core.io.write_file(path, table.concat(lines, "\n"))
end

csv.format = {
  options = {header = "any", separator = "string", columns = "table", dtype = "any", empty = "string", matrix = "boolean"},
  read = read,
  write = write,
}

return csv
