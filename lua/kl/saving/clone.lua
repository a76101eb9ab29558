-- kl.models.clone_model: the same layers anew, with new weights, connected as they were.
--
-- A layer is made again from its class and what it was made of, Lua functions included, so that models that no file can hold
-- are cloned too.  A layer that is called several times is one layer in the clone as well.
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local one_table = require "kl.one_table"
local own_code = require "kl.own_code"
local serialize = require "kl.saving.serialize"
local tree = require "kl.tree"

local clone = {}

local function holds_layer(value, Layer)
  if class.is(value, Layer) then return true end
  if type(value) ~= "table" or getmetatable(value) ~= nil then return false end
  for _, v in pairs(value) do
    if holds_layer(v, Layer) then return true end
  end
  return false
end

--- What a layer of kl's own was made of, to make another one; nil if that is not all there is to it.
local function arguments_of(layer)
  local Layer, Model = require "kl.layer", require "kl.model"
  if not own_code.is_own_class(class.of(layer)) or class.is(layer, Model) or holds_layer(layer._config, Layer) then return nil end
  local given = {name = layer.name, trainable = layer.trainable, dtype = layer.compute_dtype, autocast = layer.autocast,
    activity_regularizer = layer.activity_regularizer or nil}
  for name, value in pairs(layer._config) do given[name] = value end
  return given
end

--- A new layer like this one, not built.
function clone.copy(layer)
  local Model = require "kl.model"
  if class.is(layer, Model) and (layer._stack or layer._graph) then return clone.model(layer, {clone_function = clone.copy}) end
  local cls, given = class.of(layer), arguments_of(layer)
  if given then return cls(given) end
  local copy = serialize.again(layer)
  if not layer.trainable then copy.trainable = false end
  return copy
end

local function copied(layer, o)
  local copy = o.clone_function(layer)
  if not class.is(copy, require "kl.layer") then
    errors.fail("clone_model: clone_function must return a layer; for '%s' it returned %s", layer.name, errors.show(copy))
  end
  return copy
end

--- The inputs for a clone: those given, in the structure of the old ones, or new ones of the same names.
local function inputs_for(model, like, o)
  if o.input_tensors == nil then
    local Input = require "kl.layers.input_layer"
    return tree.map(function(t)
      local origin = core.origin(t)
      local layer = origin and origin.is_input and origin.layer
      return Input{batch_shape = t.shape, dtype = t.dtype, name = layer and layer.name or nil}.output
    end, like)
  end
  local given = tree.flatten(o.input_tensors)
  if #given ~= #tree.flatten(like) then
    errors.fail("clone_model: model '%s' has %d inputs, input_tensors %d", model.name, #tree.flatten(like), #given)
  end
  for i, t in ipairs(given) do
    if not core.is_symbolic(t) then
      errors.fail("clone_model: input_tensors: a tensor made by kl.Input, or what layers made of one, expected, got %s as number %d",
        errors.show(t), i)
    end
  end
  return tree.pack(like, given)
end

local function clone_sequential(model, o)
  local stack = {name = model.name}
  for i, layer in ipairs(model._stack) do stack[i] = copied(layer, o) end
  if o.input_tensors ~= nil then
    local input = tree.flatten(inputs_for(model, {model}, o))[1]
    local output = input
    for i = 1, #model._stack do output = stack[i](output) end
    return require "kl.model"{inputs = input, outputs = output, name = model.name}
  end
  if model._input and not model._implicit_input then table.insert(stack, 1, inputs_for(model, model._input.output, o)) end
  local copy = class.of(model)(stack)
  if not copy.built and model._input then copy:build(model._input.batch_shape) end
  return copy
end

local function clone_functional(model, o)
  local graph, values, copies = model._graph, {}, {}
  local inputs = inputs_for(model, graph.inputs, o)
  local function note(old, new)
    local origin, index = core.origin(old)
    values[origin] = values[origin] or {}
    values[origin][index] = new
  end
  for i, t in ipairs(tree.flatten(inputs)) do note(graph.input_leaves[i], t) end
  local function renewed(structure)
    return tree.map(function(leaf)
      if not core.is_symbolic(leaf) then return leaf end
      local origin, index = core.origin(leaf)
      return values[origin][index]
    end, structure)
  end
  for _, step in ipairs(graph.steps) do
    local origin = step.origin
    if step.layer then
      local copy = copies[step.layer] or copied(step.layer, o)
      copies[step.layer] = copy
      local outputs = copy(renewed(origin.inputs), origin.options and renewed(origin.options) or nil)
      for i, leaf in ipairs(tree.flatten(outputs)) do note(tree.flatten(origin.outputs)[i], leaf) end
    else
      local results = core.reapply(step.tensor, renewed(origin.inputs))
      for i in pairs(step.slots) do
        values[origin] = values[origin] or {}
        values[origin][i - 1] = results[i]
      end
    end
  end
  return class.of(model){inputs = inputs, outputs = renewed(graph.outputs), name = model.name}
end

--- The clone of a model.
---@param o table # input_tensors, clone_function
function clone.model(model, o)
  local copy
  if model._stack then
    copy = clone_sequential(model, o)
  elseif model._graph then
    copy = clone_functional(model, o)
  else
    if o.input_tensors ~= nil then
      errors.fail("clone_model: model '%s' is a subclass with a call of its own: it takes no input_tensors", model.name)
    end
    return clone.copy(model)
  end
  if not model.trainable then copy.trainable = false end
  return copy
end

local params = args.params{"model", {"input_tensors"}, {"clone_function"}}

--- clone_model(model, {input_tensors = ..., clone_function = ...}), or with one table: a model of the same layers, by the same names,
--- with new weights; a subclass with a call of its own is built by its first call.  input_tensors: symbolic tensors to take in
--- place of new inputs; clone_function: gives the layer to take in place of each layer (called once for each that is no input).
---@return kl.Model
function clone.clone_model(given, options)
  local o = args.read("clone_model", params, one_table("clone_model", given, options))
  if not class.is(o.model, require "kl.model") then errors.fail("clone_model: a model expected, got %s", errors.show(o.model)) end
  if o.clone_function ~= nil then args.check("clone_model: 'clone_function'", o.clone_function, "function") end
  return clone.model(o.model, {input_tensors = o.input_tensors, clone_function = o.clone_function or clone.copy})
end

return clone
