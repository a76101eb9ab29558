-- The formats of kl.load and kl.save: a reader and a writer of each, chosen by the end of the name.
-- A reader gets the path and its options, a writer the path, the value and its options.
local core = require "kl.core"
local csv = require "kl.files.csv"
local errors = require "kl.errors"
local safetensors = require "kl.files.safetensors"

local io_ = core.io
local formats = {}

local function is_tensor(value) return core.kind(value) ~= nil end

local function check_tensor(what, value)
  value = csv.array(value)
  if not is_tensor(value) then errors.fail("%s: a tensor expected, got %s", what, errors.show(value)) end
  return value
end

--- The names of a table of tensors, sorted, and the tensors by name.
local function check_table(what, value)
  if type(value) ~= "table" or getmetatable(value) then
    errors.fail("%s: a table of tensors by name expected, got %s", what, errors.show(value))
  end
  local names, tensors = {}, {}
  for name, tensor in pairs(value) do
    if type(name) ~= "string" then errors.fail("%s: names (strings) expected as keys, got %s", what, errors.show(name)) end
    tensors[name] = check_tensor(("%s: '%s'"):format(what, name), tensor)
    names[#names + 1] = name
  end
  table.sort(names)
  return names, tensors
end

formats.npy = {
  read = io_.read_npy,
  write = function(path, value) io_.write_file(path, io_.encode_npy(check_tensor("kl.save: " .. path, value))) end,
}

formats.npz = {
  options = {max_bytes = "integer"},
  read = function(path, options)
    local archive <close> = io_.zip_open(path, options.max_bytes)
    local result = {}
    for _, entry in ipairs(archive:names()) do
      local name = entry:match("^(.+)%.npy$")
      if name then result[name] = io_.decode_npy(archive:read(entry), ("%s: '%s'"):format(path, name)) end
    end
    return result
  end,
  write = function(path, value)
    local entries = {}
    local names, tensors = check_table("kl.save: " .. path, value)
    for i, name in ipairs(names) do
      entries[i] = {name .. ".npy", io_.encode_npy(tensors[name])}
    end
    io_.zip_write(path, entries)
  end,
}

formats.safetensors = {
  options = {metadata = "table"},
  read = safetensors.read,
  write = function(path, value, options)
    local names, tensors = check_table("kl.save: " .. path, value)
    safetensors.write(path, tensors, names, options)
  end,
}

local function read_group(file, path)
  local result = {}
  for _, name in ipairs(file:children(path)) do
    local child = (path == "/" and "/" or path .. "/") .. name
    if file:kind(child) == "group" then result[name] = read_group(file, child) else result[name] = file:read(child) end
  end
  return result
end

local function write_group(writer, what, path, value)
  writer:group(path)
  for name, child in pairs(value) do
    if type(name) ~= "string" then errors.fail("%s: names (strings) expected as keys, got %s", what, errors.show(name)) end
    if name == "" or name:find("/", 1, true) then errors.fail("%s: '%s' cannot be the name of a dataset", what, name) end
    local at = (path == "/" and "/" or path .. "/") .. name
    if is_tensor(child) then
      writer:dataset(at, child)
    elseif type(child) == "table" and not getmetatable(child) then
      write_group(writer, what, at, child)
    else
      errors.fail("%s: %s: a tensor or a table expected, got %s", what, at, errors.show(child))
    end
  end
end

formats.h5 = {
  options = {dataset = "string", compressed = "boolean"},
  read = function(path, options)
    local file <close> = io_.h5_open(path, nil, options.dataset)
    if options.compressed then file:accept_compressed() end
    if options.dataset then return file:read(options.dataset) end
    return read_group(file, "/")
  end,
  write = function(path, value, options)
    local what = "kl.save: " .. path
    local writer <close> = io_.h5_writer()
    if is_tensor(value) then
      writer:dataset(options.dataset or "data", value)
    elseif type(value) == "table" and not getmetatable(value) then
      if options.dataset then errors.fail("%s: 'dataset' names the place of one tensor, got a table", what) end
      write_group(writer, what, "/", value)
    else
      errors.fail("%s: a tensor or a table of tensors expected, got %s", what, errors.show(value))
    end
    writer:save(path, {bools = true})
  end,
}

local function read_image(path, options)
  return io_.decode_image(io_.read_file(path), {channels = options.channels, max_bytes = options.max_bytes, name = path})
end

--- A format of images whose encoder has one option.
local function image_format(encode, option)
  return {
    options = {channels = "integer", max_bytes = "integer", [option] = "integer"},
    read = read_image,
    write = function(path, value, options)
      io_.write_file(path, encode(check_tensor("kl.save: " .. path, value), {[option] = options[option]}))
    end,
  }
end

formats.png = image_format(io_.encode_png, "compression")
formats.jpg = image_format(io_.encode_jpeg, "quality")

formats.idx = {
  options = {max_bytes = "integer"},
  read = function(path, options) return io_.read_idx(path, options.max_bytes) end,
  write = function(path, value)
    io_.write_file(path, io_.encode_idx(check_tensor("kl.save: " .. path, value), path:lower():find("%.gz$") ~= nil))
  end,
}

formats.csv = csv.format

return formats
