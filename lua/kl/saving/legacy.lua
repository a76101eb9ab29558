-- The `.h5` layout of whole models (formats 3.6), as kl writes it: fixed-length strings only, and a manifest.
local core = require "kl.core"
local errors = require "kl.errors"
local model_config = require "kl.saving.model_config"

local legacy = {}

--- The flat form of layer objects: {class_name, config}, in graphs with name and inbound_nodes.
local function flat(object)
  local result = {class_name = object.class_name, config = object.config, name = object.name, inbound_nodes = object.inbound_nodes,
    registered_name = object.module == "custom" and object.registered_name or nil}
  if object.config.layers then
    local list = {}
    for i, layer in ipairs(object.config.layers) do list[i] = flat(layer) end
    local config = {}
    for key, value in pairs(object.config) do config[key] = value end
    config.layers = core.json.array(list)
    result.config = config
  end
  return result
end

--- All weights of a layer, trainable before non-trainable.
local function layer_weights(layer)
  local list = {}
  for _, v in ipairs(layer.weights) do
    if v.declared_trainable then list[#list + 1] = v end
  end
  for _, v in ipairs(layer.weights) do
    if not v.declared_trainable then list[#list + 1] = v end
  end
  return list
end

function legacy.write(writer, model)
  local object = model_config.object(model)
  writer:attribute("/", "model_config", core.json.encode(flat(object)))
  writer:attribute("/", "keras_version", require "kl.version".keras)
  writer:attribute("/", "backend", "kl")
  local compiled = model_config.compile_config(model)
  if compiled then
    local optimizer = compiled.optimizer
    compiled.optimizer = nil
    if optimizer ~= core.json.null then
      compiled.optimizer_config = {class_name = optimizer.class_name, config = optimizer.config,
        registered_name = optimizer.module == "custom" and optimizer.registered_name or nil}
    end
    writer:attribute("/", "training_config", core.json.encode(compiled))
  end
  local layer_names = {}
  for _, layer in ipairs(model.layers) do
    if not layer.batch_shape or model._graph then layer_names[#layer_names + 1] = layer.name end
  end
  writer:group("/model_weights")
  writer:attribute("/model_weights", "layer_names", layer_names)
  writer:attribute("/model_weights", "keras_version", require "kl.version".keras)
  writer:attribute("/model_weights", "backend", "kl")
  for _, layer in ipairs(model.layers) do
    local group = "/model_weights/" .. layer.name
    local weight_names = {}
    writer:group(group)
    for i, v in ipairs(layer_weights(layer)) do
      weight_names[i] = v.path
      writer:dataset(group .. "/" .. v.path, v.value)
    end
    writer:attribute(group, "weight_names", weight_names)
  end
  writer:group("/model_weights/top_level_model_weights")
  writer:attribute("/model_weights/top_level_model_weights", "weight_names", {})
  if model.optimizer and compiled then
    local optimizer_names = {}
    writer:group("/optimizer_weights")
    for i, v in ipairs(model.optimizer.variables) do
      optimizer_names[i] = v.path
      writer:dataset("/optimizer_weights/" .. v.path, v.value)
    end
    writer:attribute("/optimizer_weights", "weight_names", optimizer_names)
  end
end

local function assign(file, path, v, problems)
  if not file:exists(path) then
    problems[#problems + 1] = ("missing: %s (shape %s)"):format(path, core.shape_text(v))
    return
  end
  local t = file:read(path)
  if not core.same_shape(t, v) then
    problems[#problems + 1] = ("shape: %s is %s in the file, %s in the model"):format(path, core.shape_text(t), core.shape_text(v))
    return
  end
  v:assign(core.ops.cast(t, v.dtype))
end

--- The list of strings in an attribute, which lies in name0, name1, ... if it is long.
local function strings_in(file, group, name)
  local whole = file:attribute(group, name)
  if whole then return whole end
  local list, i = {}, 0
  repeat
    local part = file:attribute(group, name .. i)
    for _, s in ipairs(part or {}) do list[#list + 1] = s end
    i = i + 1
  until not part
  return list
end

--- Loading goes by the order of the layers that have weights.
function legacy.read_weights(file, model, path)
  local problems = {}
  local stored, own = {}, {}
  for _, name in ipairs(strings_in(file, "/model_weights", "layer_names")) do
    local list = strings_in(file, "/model_weights/" .. name, "weight_names")
    if #list > 0 then stored[#stored + 1] = {name = name, weights = list} end
  end
  for _, layer in ipairs(model.layers) do
    local list = layer_weights(layer)
    if #list > 0 then own[#own + 1] = {layer = layer, weights = list} end
  end
  if #stored ~= #own then
    errors.fail("%s does not fit model '%s': the file has %d layers with weights, the model %d", path, model.name, #stored, #own)
  end
  for i, entry in ipairs(own) do
    if #entry.weights ~= #stored[i].weights then
      problems[#problems + 1] = ("layer '%s' has %d weights, '%s' in the file %d"):format(entry.layer.name, #entry.weights,
        stored[i].name, #stored[i].weights)
    else
      for k, v in ipairs(entry.weights) do
        assign(file, ("/model_weights/%s/%s"):format(stored[i].name, stored[i].weights[k]), v, problems)
      end
    end
  end
  if #problems > 0 then
    errors.fail("%s does not fit model '%s':\n  %s", path, model.name, table.concat(problems, "\n  "))
  end
end

function legacy.read_optimizer(file, model, path)
  local optimizer = model.optimizer
  if not optimizer or not file:exists("/optimizer_weights") then return end
  local list = strings_in(file, "/optimizer_weights", "weight_names")
  if #list > #optimizer.variables then optimizer:build(model.trainable_weights) end
  if #list ~= #optimizer.variables then
    errors.fail("%s: the optimizer has %d variables in the file, '%s' has %d", path, #list, optimizer.name, #optimizer.variables)
  end
  local problems = {}
  for i, v in ipairs(optimizer.variables) do assign(file, "/optimizer_weights/" .. list[i], v, problems) end
  if #problems > 0 then errors.fail("%s: %s", path, table.concat(problems, "\n  ")) end
end

--- A model from a file of kl's own.
function legacy.read(file, path, compile)
  local model = require "kl.saving.serialize".deserialize(core.json.decode(file:attribute("/", "model_config")))
  legacy.read_weights(file, model, path)
  local training_config = compile and file:attribute("/", "training_config")
  if training_config then
    local config = core.json.decode(training_config)
    config.optimizer = config.optimizer_config
    model_config.compile(model, config)
    legacy.read_optimizer(file, model, path)
  end
  return model
end

return legacy
