-- The `.h5` layout of whole models (formats 3.6), as kl writes it: fixed-length strings only, and a manifest.
local core = require "kl.core"
local compile_config = require "kl.saving.compile_config"
local errors = require "kl.errors"
local model_config = require "kl.saving.model_config"
local operations = require "kl.saving.operations"
local serialize = require "kl.saving.serialize"
local weights = require "kl.saving.weights"

local legacy = {}
local null = core.json.null

-- The weights of the model itself.
local OWN = "/model_weights/top_level_model_weights"

-- Keras finds no loss by its short name when it reads an .h5, not even of its own.
local long_names = {mse = "mean_squared_error", MSE = "mean_squared_error", mae = "mean_absolute_error",
  MAE = "mean_absolute_error", bce = "binary_crossentropy", BCE = "binary_crossentropy"}

local function with_long_names(loss)
  if type(loss) ~= "table" or loss.class_name then return long_names[loss] or loss end
  local result = {}
  for key, part in pairs(loss) do result[key] = part == null and null or with_long_names(part) end
  return #loss > 0 and core.json.array(result) or result
end

--- Metrics by name as objects of that name: Keras finds the short ones no more than losses'.
local function with_objects(metrics)
  if metrics == null then return null end
  if type(metrics) == "string" then
    local lower = metrics:lower()
    if lower == "accuracy" or lower == "acc" then return metrics end -- what that means is found out later
    return serialize.object(require "kl.metrics".get(metrics))
  end
  if type(metrics) ~= "table" or metrics.class_name then return metrics end
  local result = {}
  for key, part in pairs(metrics) do result[key] = with_objects(part) end
  return core.json.is_array(metrics) and core.json.array(result) or result
end

--- The flat form of layer objects: {class_name, config}, in graphs with name and inbound_nodes.  An operation between layers is
--- told from the layer of its name (Add) by its module.
local function flat(object)
  if operations.is(object) then return object end
  local result = {class_name = object.class_name, config = object.config, name = object.name, inbound_nodes = object.inbound_nodes,
    registered_name = object.module == "custom" and object.registered_name or nil,
    build_config = object.module == "custom" and object.build_config or nil}
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

--- All weights of a layer in Keras's order: what is trained now before what is not.
local function layer_weights(layer)
  local list = layer.trainable_weights
  for _, v in ipairs(layer.non_trainable_weights) do list[#list + 1] = v end
  return list
end

--- The weights of a layer as declared: the order in a file that was written with other layers frozen.
local function declared_weights(layer)
  local list = {}
  for pass = 1, 2 do
    for _, v in ipairs(layer.weights) do
      if v.declared_trainable == (pass == 1) then list[#list + 1] = v end
    end
  end
  return list
end

--- The paths of variables, each once: a user's layer may give one name to several.
local function unique_paths(variables)
  local paths, used = {}, {}
  for i, v in ipairs(variables) do
    local path, n = v.path, 0
    while used[path] do
      n = n + 1
      path = ("%s_%d"):format(v.path, n)
    end
    used[path] = true
    paths[i] = path
  end
  return paths
end

local function write_list(writer, group, variables)
  local paths = unique_paths(variables)
  writer:group(group)
  for i, v in ipairs(variables) do writer:dataset(group .. "/" .. paths[i], v.value) end
  writer:attribute(group, "weight_names", paths)
end

function legacy.write(writer, model)
  local object = model_config.object(model)
  writer:attribute("/", "model_config", core.json.encode(flat(object)))
  writer:attribute("/", "keras_version", require "kl.version".keras)
  writer:attribute("/", "backend", "kl")
  local compiled = compile_config.of(model)
  if compiled then
    local optimizer = compiled.optimizer
    compiled.optimizer = nil
    compiled.loss = with_long_names(compiled.loss)
    compiled.metrics, compiled.weighted_metrics = with_objects(compiled.metrics), with_objects(compiled.weighted_metrics)
    if optimizer ~= core.json.null then
      compiled.optimizer_config = {class_name = optimizer.class_name, config = optimizer.config,
        registered_name = optimizer.module == "custom" and optimizer.registered_name or nil}
    end
    writer:attribute("/", "training_config", core.json.encode(compiled))
  end
  local layer_names = {}
  for _, layer in ipairs(model.layers) do
    layer_names[#layer_names + 1] = layer.name
  end
  writer:group("/model_weights")
  writer:attribute("/model_weights", "layer_names", layer_names)
  writer:attribute("/model_weights", "keras_version", require "kl.version".keras)
  writer:attribute("/model_weights", "backend", "kl")
  for _, layer in ipairs(model.layers) do write_list(writer, "/model_weights/" .. layer.name, layer_weights(layer)) end
  write_list(writer, OWN, model.order_variables(model:_own_variables()))
  if model.optimizer and compiled then write_list(writer, "/optimizer_weights", model.optimizer.variables) end
end

--- Notes that a variable gets what lies at a path, or why it does not.
local function plan(file, path, v, assignments, problems)
  if not file:exists(path) then
    problems[#problems + 1] = ("missing: %s (shape %s)"):format(path, core.shape_text(v))
    return
  end
  local t = file:read(path)
  if not core.same_shape(t, v) then
    problems[#problems + 1] = ("shape: %s is %s in the file, %s in the model"):format(path, core.shape_text(t), core.shape_text(v))
    return
  end
  assignments[#assignments + 1] = {v, core.ops.cast(t, v.dtype)}
end

--- Assigns everything, unless something does not fit.
local function carry_out(path, model, assignments, problems, skip_mismatch)
  if #problems > 0 then
    local text = weights.misfit(path, model, problems)
    if not skip_mismatch then errors.fail("%s", text) end
    core.warn(text)
  end
  for _, a in ipairs(assignments) do a[1]:assign(a[2]) end
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

local function last_name(path) return path:match("[^/]*$") end

--- The weights of a layer in the order of the names in a file.
local function in_order(layer, stored)
  local orders = {layer_weights(layer), declared_weights(layer), layer.weights}
  for _, list in ipairs(orders) do
    local fits = #list == #stored
    for i, path in ipairs(fits and unique_paths(list) or {}) do fits = fits and last_name(path) == last_name(stored[i]) end
    if fits then return list end
  end
  return orders[1]
end

--- Loading goes by the order of the layers that have weights.
function legacy.read_weights(file, model, path, skip_mismatch)
  local assignments, problems = {}, {}
  local stored, own = {}, {}
  for _, name in ipairs(strings_in(file, "/model_weights", "layer_names")) do
    local group = "/model_weights/" .. name
    local list = strings_in(file, group, "weight_names")
    if #list > 0 then stored[#stored + 1] = {name = name, group = group, names = list} end
  end
  for _, layer in ipairs(model.layers) do
    if #layer.weights > 0 then own[#own + 1] = layer end
  end
  if #stored ~= #own then
    errors.fail("%s does not fit model '%s': the file has %d layers with weights, the model %d", path, model.name, #stored, #own)
  end
  local function match(what, list, entry)
    if #list ~= #entry.names then
      problems[#problems + 1] = ("%s has %d weights, '%s' in the file %d"):format(what, #list, entry.name, #entry.names)
      return
    end
    for k, v in ipairs(list) do plan(file, entry.group .. "/" .. entry.names[k], v, assignments, problems) end
  end
  for i, layer in ipairs(own) do match(("layer '%s'"):format(layer.name), in_order(layer, stored[i].names), stored[i]) end
  match(("model '%s' itself"):format(model.name), model.order_variables(model:_own_variables()),
    {name = "top_level_model_weights", group = OWN, names = strings_in(file, OWN, "weight_names")})
  carry_out(path, model, assignments, problems, skip_mismatch)
end

function legacy.read_optimizer(file, model, path)
  local optimizer = model.optimizer
  if not optimizer or not file:exists("/optimizer_weights") then return end
  local list = strings_in(file, "/optimizer_weights", "weight_names")
  if #list > #optimizer.variables then weights.build_optimizer(file, model) end
  local problems, assignments = {}, {}
  if #list ~= #optimizer.variables then
    problems[1] = ("optimizer: the file has %d variables, '%s' has %d"):format(#list, optimizer.name, #optimizer.variables)
  else
    for i, v in ipairs(optimizer.variables) do plan(file, "/optimizer_weights/" .. list[i], v, assignments, problems) end
  end
  carry_out(path, model, assignments, problems)
end

--- A model from a file of kl's own.
function legacy.read(file, path, compile)
  local function config(name)
    local text = file:attribute("/", name)
    return text and serialize.named(("%s: attribute %s"):format(path, name), core.json.decode, text)
  end
  local object = config("model_config")
  if not object then errors.fail("%s: it has no attribute model_config", path) end
  local model = serialize.named(path, model_config.read, object)
  legacy.read_weights(file, model, path)
  local training = compile and config("training_config")
  if training then
    training.optimizer = training.optimizer_config
    serialize.named(path, compile_config.compile, model, training)
    legacy.read_optimizer(file, model, path)
  end
  return model
end

return legacy
