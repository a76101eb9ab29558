-- Models as configs: Sequential, Functional, subclasses (formats 3.5).
local core = require "kl.core"
local class = require "kl.class"
local errors = require "kl.errors"
local operations = require "kl.saving.operations"
local serialize = require "kl.saving.serialize"
local tree = require "kl.tree"

local model_config = {}

local null, array = core.json.null, core.json.array

local function shape_config(shape)
  if type(shape[1]) == "table" or tree.names(shape) then
    return tree.names(shape) and null or array((function()
      local list = {}
      for i, s in ipairs(shape) do list[i] = shape_config(s) end
      return list
    end)())
  end
  local list = {}
  for i, n in ipairs(shape) do list[i] = i == 1 and null or n or null end
  return array(list)
end

--- The shapes of any structure of inputs; the batch axis is left open.
local function any_shape(shape)
  local names = tree.names(shape)
  if not names and type(shape[1]) ~= "table" then return shape_config(shape) end
  local result = {}
  for key, s in pairs(shape) do result[key] = any_shape(s) end
  return names and result or array(result)
end

local function read_shape(shape)
  if type(shape) ~= "table" then return shape ~= null and shape end
  local result = {}
  for key, s in pairs(shape) do result[key] = read_shape(s) end
  return result
end

--- A layer or a model inside a model.
local function layer_object(layer)
  local object = model_config.object(layer)
  if layer._build_shape and #layer._build_shape > 0 and not layer.batch_shape then
    local shape = shape_config(layer._build_shape)
    if shape ~= null then object.build_config = {input_shape = shape} end
  end
  return object
end

local function sequential_config(model)
  local list = {}
  if model._input and not model._implicit_input then list[1] = layer_object(model._input) end
  for _, layer in ipairs(model._stack) do list[#list + 1] = layer_object(layer) end
  local config = {name = model.name, trainable = model.trainable, dtype = serialize.policy(model.compute_dtype), layers = array(list)}
  if model._input then config.build_input_shape = shape_config(model._input.batch_shape) end
  return config
end

local function functional_config(model)
  local graph = model._graph
  local calls, place, names = graph:nodes()
  local function history(t)
    local operation, node, index = place(t)
    return array{names[operation], node, index}
  end
  local function structure(s)
    if tree.is_leaf(s) then
      if not core.is_symbolic(s) then return serialize.value(s) end
      return {class_name = "__keras_tensor__", config = {shape = shape_config(s.shape), dtype = s.dtype, keras_history = history(s)}}
    end
    local keys = tree.names(s)
    local result = {}
    for _, key in ipairs(keys or {}) do result[key] = structure(s[key]) end
    for i = 1, #s do result[i] = structure(s[i]) end
    return keys and result or array(result)
  end
  local function object_of_layer(layer)
    local object = layer_object(layer)
    object.name = layer.name
    local nodes = {}
    for k, call in ipairs(calls[layer]) do
      if not call.is_input then
        local kwargs = {}
        for key, value in pairs(call.options or {}) do kwargs[key] = structure(value) end
        nodes[k] = {args = array{structure(call.inputs)}, kwargs = kwargs}
      end
    end
    object.inbound_nodes = array(nodes)
    return object
  end
  local list = {}
  for i, operation in ipairs(graph.operations) do
    if getmetatable(operation) == nil then -- the node of a bare one
      local arguments = {}
      for k, value in ipairs(operation.inputs) do arguments[k] = structure(value) end
      list[i] = operations.object(model, operation, names[operation], arguments)
    else
      list[i] = object_of_layer(operation)
    end
  end
  local function ends(s)
    if tree.is_leaf(s) then return history(s) end
    local keys = tree.names(s)
    local result = {}
    for _, key in ipairs(keys or {}) do result[key] = ends(s[key]) end
    for i = 1, #s do result[i] = ends(s[i]) end
    return keys and result or array(result)
  end
  return {name = model.name, trainable = model.trainable, layers = array(list), input_layers = ends(model._graph.inputs),
    output_layers = ends(model._graph.outputs)}
end

--- A layer or model as {module, class_name, config, registered_name}.
---@return table
function model_config.object(layer)
  local Model, Sequential = require "kl.model", require "kl.sequential"
  if not class.is(layer, Model) then return serialize.object(layer) end
  local cls = class.of(layer)
  local object
  if class.is(layer, Sequential) then
    object = {module = "keras", class_name = "Sequential", config = sequential_config(layer), registered_name = null}
  elseif layer._graph then
    object = {module = "keras.src.models.functional", class_name = "Functional", config = functional_config(layer),
      registered_name = "Functional"}
  else
    object = serialize.object(layer)
    if layer._build_shape then object.build_config = {input_shape = any_shape(layer._build_shape)} end
    return object
  end
  if cls ~= Model and cls ~= Sequential then
    object.module, object.class_name = "custom", cls.__name
    object.registered_name = serialize.object_name(cls)
  end
  if layer._input or layer._graph then
    local leaf = layer._input and layer._input.batch_shape or nil
    if leaf then object.build_config = {input_shape = shape_config(leaf)} end
  end
  return object
end

local function read_sequential(cls, config)
  local layers = {}
  for _, object in ipairs(config.layers) do layers[#layers + 1] = serialize.deserialize(object) end
  local given = {name = config.name ~= null and config.name or nil}
  for i, layer in ipairs(layers) do given[i] = layer.batch_shape and layer.output or layer end
  local model = cls(given)
  if not model.built and config.build_input_shape and config.build_input_shape ~= null then
    model:build(read_shape(config.build_input_shape))
  end
  return model
end

--- Replaces the tensors of a structure in a config by symbolic ones; nil if one is not made yet.
local function resolve(value, tensor_of)
  if value == null then return nil, true end
  if type(value) ~= "table" then return value, true end
  if value.class_name == "__keras_tensor__" then
    local h = value.config.keras_history
    local t = tensor_of(h[1], h[2], h[3])
    return t, t ~= nil
  end
  local result = {}
  for key, v in pairs(value) do
    local resolved, ready = resolve(v, tensor_of)
    if not ready then return nil, false end
    result[key] = resolved
  end
  return result, true
end

--- A list that Keras wrote around one structure of arguments: the structure.
local function call_inputs(arguments)
  if #arguments == 1 then return arguments[1] end
  return arguments
end

local function read_functional(cls, config)
  local outputs = {} -- outputs[layer name][node + 1] = structure
  local function tensor_of(name, node, index)
    local structure = outputs[name] and outputs[name][node + 1]
    if structure == nil then return nil end
    return tree.flatten(structure)[index + 1]
  end
  local waiting = {}
  for _, object in ipairs(config.layers) do
    local operation = operations.of(object)
    local layer = not operation and serialize.deserialize(object) or nil
    local name = object.name or object.config.name
    local nodes = object.inbound_nodes or {}
    if type(nodes) ~= "table" then errors.fail("the inbound_nodes of layer '%s' must be a list", tostring(name)) end
    outputs[name] = {}
    if layer and layer.batch_shape then
      outputs[name][1] = layer.output
    else
      for i, node in ipairs(nodes) do
        waiting[#waiting + 1] = {layer = layer, operation = operation, name = name, index = i, node = node}
      end
    end
  end
  while #waiting > 0 do
    local left = {}
    for _, call in ipairs(waiting) do
      local ready, inputs, options, list = false, nil, nil, nil
      if call.node.args then
        local arguments
        arguments, ready = resolve(call.node.args, tensor_of)
        if ready then
          inputs, list = call_inputs(arguments), arguments
          options, ready = resolve(call.node.kwargs or {}, tensor_of)
        end
      end
      -- calls of a layer keep their order: node indices count them
      ready = ready and (call.index == 1 or outputs[call.name][call.index - 1] ~= nil)
      if ready and call.operation then
        outputs[call.name][call.index] = call.operation(table.unpack(list))
      elseif ready then
        outputs[call.name][call.index] = call.layer(inputs, next(options) and options or nil)
      else
        left[#left + 1] = call
      end
    end
    if #left == #waiting then
      errors.fail("the graph of model '%s' cannot be built: layer '%s' waits for an input that nothing makes",
        tostring(config.name), left[1].name)
    end
    waiting = left
  end
  local function ends(value)
    if type(value[1]) == "string" and math.type(value[2]) == "integer" then
      local t = tensor_of(value[1], value[2], value[3])
      if t == nil then errors.fail("the config names an output of layer '%s' that does not exist", value[1]) end
      return t
    end
    local result = {}
    for key, v in pairs(value) do result[key] = ends(v) end
    return result
  end
  return cls{inputs = ends(config.input_layers), outputs = ends(config.output_layers), name = config.name ~= null and config.name or nil}
end

--- A model from its object, or nil if the object is not one.
function model_config.deserialize(object)
  local config = object.config
  local is_sequential = config.layers ~= nil and config.input_layers == nil
  local is_functional = config.input_layers ~= nil
  if not is_sequential and not is_functional then return nil end
  local cls
  if object.class_name == "Sequential" then
    cls = require "kl.sequential"
  elseif object.class_name == "Functional" or object.class_name == "Model" then
    cls = require "kl.model"
  else
    cls = serialize.class_of(object)
  end
  return model_config.from_config(cls, config)
end

--- A model with layers of a class (kl.Sequential, kl.Model or one below them) from what get_config gave.
function model_config.from_config(cls, config)
  local model = config.input_layers == nil and read_sequential(cls, config) or read_functional(cls, config)
  if config.trainable == false then model.trainable = false end
  return model
end

--- A whole model from its object, built.
function model_config.read(object)
  local model = serialize.deserialize(object)
  if not class.is(model, require "kl.model") then
    errors.fail("a model expected, found a %s", class.of(model) and class.of(model).__name or type(model))
  end
  local build_config = type(object.build_config) == "table" and object.build_config or {}
  if not model.built and build_config.input_shape ~= nil and build_config.input_shape ~= null then
    model:build(read_shape(build_config.input_shape))
  end
  return model
end

return model_config
