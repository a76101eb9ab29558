-- safetensors files (formats.md 8): a JSON header, then the elements without gaps.
local core = require "kl.core"
local errors = require "kl.errors"

local safetensors = {}

local longest_header = 100000000 -- bytes, the format's own limit
local codes = {bool = "BOOL", uint8 = "U8", int32 = "I32", int64 = "I64", float32 = "F32", float64 = "F64"}
local rank = {int64 = 1, float64 = 2, int32 = 3, float32 = 4, uint8 = 5, bool = 6} -- wide ones first: all are aligned

local function is_size(n) return math.type(n) == "integer" and n >= 0 end

--- The entries of the header in the order of their data, checked: they cover it without holes or overlap.
local function check_entries(path, header, room)
  local entries = {}
  for name, entry in pairs(header) do
    if name ~= "__metadata__" then
      local offsets = type(entry) == "table" and entry.data_offsets
      if type(offsets) ~= "table" or #offsets ~= 2 or not is_size(offsets[1]) or not is_size(offsets[2]) or offsets[2] < offsets[1]
        or type(entry.dtype) ~= "string" or type(entry.shape) ~= "table" then
        errors.fail("%s: '%s': dtype, shape and data_offsets [begin, end] expected in the header", path, name)
      end
      entries[#entries + 1] = {name = name, dtype = entry.dtype, shape = entry.shape, from = offsets[1], to = offsets[2]}
    end
  end
  table.sort(entries, function(a, b)
    if a.from ~= b.from then return a.from < b.from end
    if a.to ~= b.to then return a.to < b.to end
    return a.name < b.name
  end)
  local at = 0
  for _, entry in ipairs(entries) do
    if entry.from ~= at then
      errors.fail("%s: '%s' begins at offset %d of the data: %d, the end of what is before it, expected", path, entry.name, entry.from, at)
    end
    at = entry.to
  end
  if at ~= room then errors.fail("%s: its header declares %d bytes of data, the file has %d", path, at, room) end
  return entries
end

--- The tensors by name; the metadata (strings by name), or nil, as a second value.
function safetensors.read(path)
  local raw = core.io.read_file(path)
  local size = #raw >= 8 and string.unpack("<I8", raw) or -1
  if size < 2 or size > longest_header or size > #raw - 8 or raw:sub(9, 9) ~= "{" then
    errors.fail("%s: not a whole safetensors file: the size of a header and the header, which begins with {, expected " ..
      "(the file has %d bytes)", path, #raw)
  end
  local ok, header = pcall(core.json.decode, raw:sub(9, 8 + size))
  if not ok then errors.fail("%s: damaged header: %s", path, tostring(header):gsub("^.-kl%.json%.decode: ", "")) end
  local metadata = header.__metadata__
  if metadata ~= nil and type(metadata) ~= "table" then errors.fail("%s: __metadata__ of strings by name expected", path) end
  local result = {}
  for _, entry in ipairs(check_entries(path, header, #raw - 8 - size)) do
    result[entry.name] = core.io.raw_tensor(raw, 8 + size + entry.from, 8 + size + entry.to, entry.dtype, entry.shape,
      ("%s: '%s'"):format(path, entry.name))
  end
  local kept
  for key, value in pairs(metadata or {}) do
    if type(value) ~= "string" then errors.fail("%s: __metadata__: '%s': a string expected", path, tostring(key)) end
    kept = kept or {}
    kept[key] = value
  end
  return result, kept
end

--- Writes the tensors of `value` under their `names` (sorted); options.metadata: strings by name.
function safetensors.write(path, value, names, options)
  local quote = core.json.encode
  table.sort(names, function(a, b)
    local x, y = rank[value[a].dtype], rank[value[b].dtype]
    if x ~= y then return x < y end
    return a < b
  end)
  local fields, pieces, at = {}, {""}, 0
  if options.metadata then
    local keys, parts = {}, {}
    for key, text in pairs(options.metadata) do
      if type(key) ~= "string" or type(text) ~= "string" then
        errors.fail("kl.save: %s: metadata: strings by name expected, got %s = %s", path, errors.show(key), errors.show(text))
      end
      keys[#keys + 1] = key
    end
    table.sort(keys)
    for i, key in ipairs(keys) do parts[i] = quote(key) .. ":" .. quote(options.metadata[key]) end
    fields[1] = ('"__metadata__":{%s}'):format(table.concat(parts, ","))
  end
  for _, name in ipairs(names) do
    if name == "__metadata__" then errors.fail("kl.save: %s: a tensor cannot be called '__metadata__'", path) end
    local tensor = value[name]
    local raw = core.io.raw_bytes(tensor)
    fields[#fields + 1] = ('%s:{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}'):format(quote(name), codes[tensor.dtype],
      table.concat(tensor.shape, ","), at, at + #raw)
    pieces[#pieces + 1] = raw
    at = at + #raw
  end
  local header = "{" .. table.concat(fields, ",") .. "}"
  header = header .. (" "):rep(-#header % 8)
  pieces[1] = string.pack("<I8", #header) .. header
  core.io.write_file(path, table.concat(pieces))
end

return safetensors
