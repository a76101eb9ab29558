-- Saving and loading models and weights.  Every file is made in memory, written beside its target and renamed.
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local compile_config = require "kl.saving.compile_config"
local errors = require "kl.errors"
local legacy = require "kl.saving.legacy"
local paths = require "kl.files.paths"
local model_config = require "kl.saving.model_config"
local serialize = require "kl.saving.serialize"
local version = require "kl.version"
local weights = require "kl.saving.weights"

local saving = {}

local function extension(path)
  if type(path) ~= "string" then errors.fail("a path expected, got %s", errors.show(path)) end
  if path:find("%.weights%.h5$") then return "weights.h5" end
  return path:match("%.([%w]+)$")
end

local function date()
  local epoch = tonumber(os.getenv("SOURCE_DATE_EPOCH") or "")
  return os.date("!%Y-%m-%d@%H:%M:%S", epoch and epoch // 1 | 0 or nil)
end

local function need_built(model, what)
  if not class.is(model, require "kl.layer") then -- a module: its variables are made when it likes
    if #model.variables == 0 then
      errors.fail("%s: the %s has no variables (yet): call it on data", what, class.of(model).__name)
    end
  elseif not model.built then
    errors.fail("%s: model '%s' is not built, so it has no weights to save: call it on data, or build it with a shape", what,
      model.name)
  end
end

local function weights_file(model)
  local writer = core.io.h5_writer()
  weights.write(writer, model)
  return writer
end

local save_params = args.params{{"overwrite", true}}

--- `.keras`: a zip of metadata, config and weights; `.h5`: one HDF5 file.
function saving.save_model(model, path, options)
  local o = args.read("save", save_params, options)
  local kind = extension(path)
  if kind ~= "keras" and kind ~= "h5" then
    errors.fail("save: a whole model is saved as .keras or .h5 (weights alone: save_weights to .weights.h5), got '%s'", path)
  end
  need_built(model, "save")
  if not o.overwrite and paths.exists(path) then errors.fail("save: %s exists, and overwrite is false", path) end
  if kind == "h5" then
    local writer = core.io.h5_writer()
    legacy.write(writer, model)
    writer:save(path, {manifest = weights.manifest(model)})
    return
  end
  local object = model_config.object(model)
  object.compile_config = compile_config.of(model)
  core.io.zip_write(path, {
    {"metadata.json", core.json.encode{keras_version = version.keras, date_saved = date(), kl_version = version.kl}},
    {"config.json", core.json.encode(object)},
    {"model.weights.h5", weights_file(model):finish{manifest = weights.manifest(model)}},
  })
end

--- Weights, and the optimizer's state if the model is compiled.
function saving.save_weights(model, path, options)
  local o = args.read("save_weights", save_params, options)
  if extension(path) ~= "weights.h5" then errors.fail("save_weights: the name must end in .weights.h5, got '%s'", path) end
  need_built(model, "save_weights")
  if not o.overwrite and paths.exists(path) then errors.fail("save_weights: %s exists, and overwrite is false", path) end
  weights_file(model):save(path, {manifest = weights.manifest(model)})
end

--- Opens an HDF5 file; one of ours must be whole.
local function open_h5(source, name)
  local file = core.io.h5_open(source, name)
  if file:has_manifest() then file:check_manifest() end
  return file
end

local function need_own(file, path)
  if not file:has_manifest() then
    errors.fail("%s is a legacy file of Keras's: its attributes are not read by this version of kl; save it as .keras or "
      .. ".weights.h5", path)
  end
end

local function read_entry(zip, path, name)
  for _, entry in ipairs(zip:names()) do
    if entry == name then return zip:read(name) end
  end
  errors.fail("%s: not a Keras model: it has no entry %s", path, name)
end

--- The weights inside a .keras.
local function open_inner(zip, path)
  local bytes, name = read_entry(zip, path, "model.weights.h5"), path .. ": model.weights.h5"
  if bytes:sub(1, 4) ~= "\x89HDF" then errors.fail("%s: not an HDF5 file", name) end -- else it would be taken as a path
  return open_h5(bytes, name)
end

local load_weights_params = args.params{{"skip_mismatch", false}}

--- Reads weights into a model that is built: `.weights.h5`, the weights inside a `.keras`, or kl's own `.h5`.
function saving.load_weights(model, path, options)
  local o = args.read("load_weights", load_weights_params, options)
  local kind = extension(path)
  if kind ~= "weights.h5" and kind ~= "keras" and kind ~= "h5" then
    errors.fail("load_weights: .weights.h5, .keras or .h5 expected, got '%s'", path)
  end
  need_built(model, "load_weights")
  if kind == "keras" then
    local zip <close> = core.io.zip_open(path)
    local file <close> = open_inner(zip, path)
    return weights.read(file, model, {path = path, skip_mismatch = o.skip_mismatch})
  end
  local file <close> = open_h5(path)
  if file:exists("/model_weights") then
    need_own(file, path)
    return legacy.read_weights(file, model, path, o.skip_mismatch)
  end
  weights.read(file, model, {path = path, skip_mismatch = o.skip_mismatch})
end

-- safe_mode: Keras's, where false lets a file bring code; kl never runs code of a file.
local load_params = args.params{{"custom_objects"}, {"compile", true}, {"safe_mode", true}}

--- A whole model from a `.keras` of kl's or Keras's, or a `.h5` of kl's.
---@param path string
---@param options? table # custom_objects = {Name = class}, compile = true
---@return kl.Model
function saving.load_model(path, options)
  local o = args.read("load_model", load_params, options)
  local kind = extension(path)
  if kind ~= "keras" and kind ~= "h5" then errors.fail("load_model: a .keras or .h5 file expected, got '%s'", path) end
  return serialize.with_custom_objects(o.custom_objects, function()
    if kind == "h5" then
      local file <close> = open_h5(path)
      if not file:exists("/model_weights") then
        errors.fail("%s holds no whole model: load_weights reads weights into a model that is there", path)
      end
      need_own(file, path)
      return legacy.read(file, path, o.compile)
    end
    local zip <close> = core.io.zip_open(path)
    local object = serialize.named(path .. ": config.json", core.json.decode, read_entry(zip, path, "config.json"))
    local model = serialize.named(path, model_config.read, object)
    local compiled = o.compile and object.compile_config
    if type(compiled) == "table" and next(compiled) ~= nil then -- Keras writes {} for a model that is not compiled
      serialize.named(path, compile_config.compile, model, compiled)
    end
    local file <close> = open_inner(zip, path)
    weights.read(file, model, {path = path})
    return model
  end)
end

local json_params = args.params{{"custom_objects"}}

--- A model from what model:to_json() gave, kl's or Keras's: built, with new weights.
---@param text string
---@param options? table # custom_objects = {Name = class}
---@return kl.Model
function saving.model_from_json(text, options)
  local o = args.read("model_from_json", json_params, options)
  if type(text) ~= "string" then errors.fail("model_from_json: a JSON text expected, got %s", errors.show(text)) end
  return serialize.with_custom_objects(o.custom_objects, function()
    local object = serialize.named("model_from_json", core.json.decode, text)
    if type(object) ~= "table" or type(object.config) ~= "table" then
      errors.fail("model_from_json: the text holds no model: a table with class_name and config expected")
    end
    return serialize.named("model_from_json", model_config.read, object)
  end)
end

return saving
