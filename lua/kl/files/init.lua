-- Files of arrays: kl.load and kl.save, which choose by the end of the name, and rows of files larger than memory.
local errors = require "kl.errors"
local formats = require "kl.files.formats"
local source = require "kl.files.source"

local files = {}

--- What a name ends with, and the format; the longest end that fits.
local endings = {
  [".npy"] = "npy", [".npz"] = "npz", [".safetensors"] = "safetensors", [".h5"] = "h5", [".hdf5"] = "h5", [".csv"] = "csv",
  [".tsv"] = "csv", [".png"] = "png", [".jpg"] = "jpg", [".jpeg"] = "jpg", [".idx"] = "idx", ["-ubyte"] = "idx",
  [".idx.gz"] = "idx", ["-ubyte.gz"] = "idx",
}

local called = {
  npy = ".npy", npz = ".npz (a zip archive)", safetensors = ".safetensors", h5 = "HDF5", csv = ".csv", png = "PNG", jpg = "JPEG",
  idx = "IDX",
}

--- What files begin with: the format if it is one of kl's, and what to call it.
local beginnings = {
  {"\x89PNG\r\n\x1a\n", "png", "a PNG file"}, {"\xff\xd8\xff", "jpg", "a JPEG file"}, {"\x93NUMPY", "npy", "a .npy file"},
  {"\x89HDF\r\n\x1a\n", "h5", "an HDF5 file"}, {"PK\3\4", "npz", "a zip archive (.npz, .keras)"}, {"PK\5\6", "npz", "a zip archive"},
  {"\x1f\x8b", "idx", "a gzipped file"}, {"GIF8", nil, "a GIF file"}, {"BM", nil, "a BMP file"}, {"%PDF-", nil, "a PDF file"},
  {"\x80\4\x95", nil, "a Python pickle"}, {"\x80\3", nil, "a Python pickle"}, {"BZh", nil, "a bzip2 file"},
  {"\xfd7zXZ\0", nil, "an xz file"}, {"\x28\xb5\x2f\xfd", nil, "a zstd file"}, {"RIFF", nil, "a RIFF file (WebP, WAV)"},
  {"II*\0", nil, "a TIFF file"}, {"MM\0*", nil, "a TIFF file"}, {"<!DOCTYPE", nil, "an HTML page"}, {"<html", nil, "an HTML page"},
}
local text_ok = {csv = {["a BMP file"] = true}} -- a header may begin with BM

local function format_of(what, path)
  if type(path) ~= "string" then errors.fail("%s: a path (a string) expected, got %s", what, errors.show(path)) end
  local lower, best = path:lower(), nil
  for ending in pairs(endings) do
    if lower:sub(-#ending) == ending and (not best or #ending > #best) then best = ending end
  end
  if best then return endings[best] end
  local known = {}
  for ending in pairs(endings) do known[#known + 1] = ending end
  table.sort(known)
  errors.fail("%s: %s: a name that ends with one of %s expected", what, path, table.concat(known, ", "))
end

local function check_options(what, format, options)
  local known = formats[format].options or {}
  if options == nil then return {} end
  if type(options) ~= "table" or getmetatable(options) then
    errors.fail("%s: a table of options expected, got %s", what, errors.show(options))
  end
  for name, value in pairs(options) do
    local kind = known[name]
    if not kind then
      local names = {}
      for known_name in pairs(known) do names[#names + 1] = known_name end
      table.sort(names)
      errors.fail("%s: unknown option '%s'%s (known for %s: %s)", what, tostring(name), errors.nearest(name, known), called[format],
        #names > 0 and table.concat(names, ", ") or "none")
    end
    local ok = kind == "any" or kind == "integer" and math.type(value) == "integer" or type(value) == kind
    if not ok then
      errors.fail("%s: %s: %s %s expected, got %s", what, name, kind == "integer" and "an" or "a", kind, errors.show(value))
    end
  end
  return options
end

--- Raises where the file's first bytes are those of another format.
local function check_beginning(path, format)
  local file = io.open(path, "rb")
  local head = file and file:read(16)
  if file then file:close() end
  if not head then return end -- the reader has the words for it
  for _, entry in ipairs(beginnings) do
    local magic, own, name = entry[1], entry[2], entry[3]
    local is_image = (own == "png" or own == "jpg") and (format == "png" or format == "jpg")
    if head:sub(1, #magic) == magic and own ~= format and not is_image and not (text_ok[format] and text_ok[format][name]) then
      errors.fail("kl.load: %s is %s, not %s", path, name, called[format])
    end
  end
end

--- Reads a file of arrays, by the end of its name:
--- `.npy` a tensor; `.npz` and `.safetensors` a table of tensors by name (of the latter its metadata, too, as a second
--- result); `.h5` nested tables of tensors, or one with `dataset = "/path"`; `.csv` and `.tsv` see below; `.png` and `.jpg` uint8
--- of (height, width, channels); `.idx` and `-ubyte`, also with `.gz`, a tensor.
--- Types that kl does not have become the next wider one (int8 int32, uint16 int32, float16 float32, ...).
--- CSV: with a header a table by column name of tensors (n) and, for text, lists of strings (and as a second result the names in
--- their order); without one a tensor (n, columns), or
--- a list of columns if there is text.  Whole numbers become int64, others float32.
--- Options: `max_bytes` (npz, idx, images: what may be unpacked); `dataset`, `compressed` (h5); `channels` (images); `header`
--- (true, false), `separator`, `columns` (names or numbers from 1), `dtype` (one, or by column), `empty` ("nan", "error"),
--- `matrix` (true: a tensor also with a header) (csv).
---@param path string
---@param options? table
function files.load(path, options)
  local format = format_of("kl.load", path)
  options = check_options("kl.load: " .. path, format, options)
  check_beginning(path, format)
  return formats[format].read(path, options)
end

--- Writes a file of arrays, by the end of its name, as kl.load reads it: whole or not at all.
--- A tensor for `.npy`, idx and images; a table of tensors by name for `.npz` and `.safetensors`; both, and nested tables, for
--- `.h5` (a tensor alone becomes the dataset "data", or `dataset`); a tensor of one or two axes or a table of columns by name for
--- `.csv`.  A list of numbers counts as a tensor.
--- Options: `metadata` (safetensors: strings by name), `dataset` (h5), `compression` (png, 0 to 9), `quality` (jpg, 1 to 100; 95),
--- `header` (csv: false, or names for a tensor), `columns` (csv: which, in which order), `separator`.
---@param path string
---@param value any
---@param options? table
function files.save(path, value, options)
  local format = format_of("kl.save", path)
  options = check_options("kl.save: " .. path, format, options)
  if value == nil then errors.fail("kl.save: %s: a value expected, got nil", path) end
  formats[format].write(path, value, options)
end

files.open, files.is_source = source.open, source.is_source

return files
