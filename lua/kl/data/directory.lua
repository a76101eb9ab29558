-- Pictures in folders as a data set, after Keras's image_dataset_from_directory (keras-semantics 10.10).
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local one_table = require "kl.one_table"
local random = require "kl.random"
local sources = require "kl.data.sources"
local stage = require "kl.data.stage"

local WHAT = "image_dataset_from_directory"
local params = args.params{"directory", {"labels", "inferred"}, {"label_mode", "int"}, {"class_names"}, {"color_mode", "rgb"},
  {"batch_size", 32}, {"image_size", {256, 256}}, {"shuffle", true}, {"seed"}, {"validation_split"}, {"subset"},
  {"interpolation", "bilinear"}, {"crop_to_aspect_ratio", false}, {"pad_to_aspect_ratio", false}}
local channels_of = {grayscale = 1, rgb = 3, rgba = 4}
local readable = {png = true, jpg = true, jpeg = true}

local function choice(name, value, list) args.choice(("%s: '%s'"):format(WHAT, name), value, list) end

local function read_options(directory, options)
  local o = args.read(WHAT, params, one_table(WHAT, directory, options))
  args.check(WHAT .. ": 'directory'", o.directory, "string")
  choice("label_mode", o.label_mode, {"int", "categorical", "binary", false})
  choice("color_mode", o.color_mode, {"grayscale", "rgb", "rgba"})
  choice("interpolation", o.interpolation, {"bilinear", "nearest"})
  for _, name in ipairs{"shuffle", "crop_to_aspect_ratio", "pad_to_aspect_ratio"} do
    args.check(("%s: '%s'"):format(WHAT, name), o[name], "boolean")
  end
  if o.crop_to_aspect_ratio and o.pad_to_aspect_ratio then
    errors.fail("%s: crop_to_aspect_ratio and pad_to_aspect_ratio cannot both be true", WHAT)
  end
  if o.batch_size then args.check(WHAT .. ": 'batch_size'", o.batch_size, "integer", 1) end
  if o.seed ~= nil then args.check(WHAT .. ": 'seed'", o.seed, "integer") end
  local size = args.check(WHAT .. ": 'image_size'", o.image_size, "table")
  if #size ~= 2 then errors.fail("%s: 'image_size' must be {height, width}", WHAT) end
  for i = 1, 2 do args.check(WHAT .. ": 'image_size'", size[i], "integer", 1, 16384) end
  if (o.validation_split == nil) ~= (o.subset == nil) then
    errors.fail("%s: validation_split and subset (\"training\", \"validation\" or \"both\") belong together", WHAT)
  end
  if o.validation_split ~= nil then
    args.check(WHAT .. ": 'validation_split'", o.validation_split, "number", 0, 1)
    choice("subset", o.subset, {"training", "validation", "both"})
    if o.shuffle and o.seed == nil then
      errors.fail("%s: a shuffled validation_split needs a seed: else training and validation would overlap", WHAT)
    end
  end
  return o
end

--- Names of one kind in a folder, sorted.
local function names(path, kind)
  local list = {}
  for name, is in pairs(core.io.list_folder(path)) do
    if is == kind then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

--- Pictures in a folder and those below it.
local function collect(path, list)
  for _, name in ipairs(names(path, "file")) do
    local extension = (name:match("%.([^.]+)$") or ""):lower()
    if readable[extension] then
      list[#list + 1] = path .. "/" .. name
    elseif extension == "bmp" or extension == "gif" then
      errors.fail("%s: %s/%s: PNG and JPEG are read, not %s", WHAT, path, name, extension:upper())
    end
  end
  for _, name in ipairs(names(path, "folder")) do collect(path .. "/" .. name, list) end
  return list
end

local function classes_of(o)
  local found = {}
  for _, name in ipairs(names(o.directory, "folder")) do
    if name:sub(1, 1) ~= "." then found[#found + 1] = name end
  end
  if o.class_names == nil then return found end
  local sorted = {table.unpack(args.check(WHAT .. ": 'class_names'", o.class_names, "table"))}
  table.sort(sorted)
  if table.concat(sorted, "/") ~= table.concat(found, "/") then
    errors.fail("%s: 'class_names' must be the folders' names: %s, got %s", WHAT, table.concat(found, ", "), table.concat(sorted, ", "))
  end
  return o.class_names
end

--- Paths and labels (from 0), in the order of the names.
local function index(o)
  if o.labels == nil or o.labels == false then o.label_mode = false end
  if o.labels ~= "inferred" then
    local paths = collect(o.directory, {})
    if not o.label_mode then return paths, nil, {} end
    local labels = args.check(WHAT .. ": 'labels'", o.labels, "table")
    local classes, most = {}, -1
    if #labels ~= #paths then errors.fail("%s: %d labels for %d pictures", WHAT, #labels, #paths) end
    for _, label in ipairs(labels) do most = math.max(most, args.check(WHAT .. ": a label", label, "integer", 0)) end
    for i = 0, most do classes[i + 1] = tostring(i) end
    return paths, labels, classes
  end
  local paths, labels, classes = {}, {}, classes_of(o)
  if #classes == 0 then errors.fail("%s: %s has no folders: one per class expected", WHAT, o.directory) end
  for class, name in ipairs(classes) do
    collect(o.directory .. "/" .. name, paths)
    while #labels < #paths do labels[#labels + 1] = class - 1 end
  end
  return paths, labels, classes
end

local function label_tensor(o, label, classes)
  if o.label_mode == "int" then return core.tensor(label, "int32") end
  if o.label_mode == "binary" then return core.tensor({label}, "float32") end
  local row = {}
  for i = 1, #classes do row[i] = i == label + 1 and 1.0 or 0.0 end
  return core.tensor(row, "float32")
end

--- The data set of a part of the pictures.
local function data_set(o, paths, labels, classes, order)
  local channels, fit = channels_of[o.color_mode], o.crop_to_aspect_ratio and "crop" or o.pad_to_aspect_ratio and "pad" or "stretch"
  local function fetch(i)
    local k = order[i]
    local picture = core.io.decode_image(core.io.read_file(paths[k]), {channels = channels, name = paths[k]})
    local image = core.io.resize_image(picture, o.image_size[1], o.image_size[2], o.interpolation, fit)
    if not o.label_mode then return {image} end
    return {image, label_tensor(o, labels[k], classes)}
  end
  local ds = stage.new{text = ("%s(%d)"):format(WHAT, #order), length = #order, open = sources.count_to(#order), fetch = fetch}
  if o.shuffle and #order > 0 then ds = ds:shuffle(#order, {seed = o.seed}) end
  if o.batch_size then ds = ds:batch(o.batch_size) end
  local files = {}
  for i, k in ipairs(order) do files[i] = paths[k] end
  rawset(ds, "class_names", classes)
  rawset(ds, "file_paths", files)
  return ds
end

--- Pictures (PNG, JPEG) of a folder with a folder per class: batches of float32 in 0 to 255, (batch, height, width, channels), and
--- their labels.  Options, with Keras's defaults: labels = "inferred" (from the sorted folder names; a list of integers in the
--- order of the paths; false), label_mode = "int" (int32), "categorical", "binary" or false, class_names, color_mode = "rgb"
--- ("grayscale", "rgba"), batch_size = 32 (false: single pictures), image_size = {256, 256}, shuffle = true, seed,
--- validation_split and subset ("training", "validation", "both": two data sets), interpolation = "bilinear" ("nearest"),
--- crop_to_aspect_ratio, pad_to_aspect_ratio.  The data set has class_names and file_paths.
---@param directory string|table # or all in one table
---@param options? table
---@return kl.data.Dataset, kl.data.Dataset?
return function(directory, options)
  local o = read_options(directory, options)
  local paths, labels, classes = index(o)
  if #paths == 0 then errors.fail("%s: %s has no PNG or JPEG files", WHAT, o.directory) end
  if o.label_mode == "binary" and #classes ~= 2 then
    errors.fail("%s: label_mode \"binary\" needs two classes, there are %d", WHAT, #classes)
  end
  local order = {}
  for i = 1, #paths do order[i] = i end
  if o.validation_split == nil then return data_set(o, paths, labels, classes, order) end
  if o.shuffle then
    for i, k in ipairs(random.permutation(#paths, {seed = o.seed}):totable()) do order[i] = k + 1 end
  end
  local cut = #paths - math.floor(o.validation_split * #paths)
  local training, validation = {table.unpack(order, 1, cut)}, {table.unpack(order, cut + 1)}
  for name, part in pairs{training = training, validation = validation} do
    if #part == 0 and (o.subset == name or o.subset == "both") then
      errors.fail("%s: validation_split = %g leaves no pictures for %s: there are %d", WHAT, o.validation_split, name, #paths)
    end
  end
  if o.subset == "training" then return data_set(o, paths, labels, classes, training) end
  if o.subset == "validation" then return data_set(o, paths, labels, classes, validation) end
  return data_set(o, paths, labels, classes, training), data_set(o, paths, labels, classes, validation)
end
