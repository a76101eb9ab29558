-- The graph of a model, as event files have it.
local core = require "kl.core"
local class = require "kl.class"
local errors = require "kl.errors"
local functional = require "kl.functional"

local graph = {}

local function shapes_of(structure)
  local shapes = {}
  for i, t in ipairs(functional.symbols(structure)) do shapes[i] = t.shape end
  return shapes
end

--- What a layer was made with, as texts by name: what is a number, a string, true or false; of a layer that has no config (it
--- holds a Lua function) nothing.
local function attributes_of(layer)
  local keys, values = {"keras_class"}, {class.of(layer).__name}
  local ok, config = pcall(function() return layer:get_config() end)
  if ok and type(config) == "table" then
    local names = {}
    for key, value in pairs(config) do
      local kind = type(value)
      if type(key) == "string" and key ~= "name" and key ~= "dtype" and (kind == "number" or kind == "string" or kind == "boolean") then
        names[#names + 1] = key
      end
    end
    table.sort(names)
    for _, key in ipairs(names) do
      keys[#keys + 1], values[#values + 1] = key, tostring(config[key])
    end
  end
  return keys, values
end

local Builder = {}
Builder.__index = Builder

--- A name that no node has: of a layer that is called again, name_1 and so on.
function Builder:name(name)
  local count, free = 0, name
  while self.used[free] do
    count = count + 1
    free = ("%s_%d"):format(name, count)
  end
  self.used[free] = true
  return free
end

function Builder:node(node)
  self.nodes[#self.nodes + 1] = node
  return node.name
end

--- The nodes of a model whose own are called "scope..."; outer: the names of what its inputs are, nil for the outermost.
---@return string[] # the names of its outputs
function Builder:model(model, scope, outer)
  local g = model._graph
  local outputs_of = {} -- of an origin: the names of its outputs
  local function name_of(t)
    local origin, index = core.origin(t)
    return outputs_of[origin][index + 1] or outputs_of[origin].name .. ":" .. index
  end
  local function names_of(list)
    local names = {}
    for i, t in ipairs(list) do names[i] = name_of(t) end
    return names
  end
  for i, t in ipairs(g.input_leaves) do
    local origin = core.origin(t)
    local layer = origin.layer
    local name = self:name(scope .. (layer and layer.name or ("input_%d"):format(i)))
    outputs_of[origin] = {name}
    self:node{name = name, op = "InputLayer", inputs = {outer and outer[i]}, shapes = {t.shape}, dtype = t.dtype}
  end
  for _, step in ipairs(g.steps) do
    local origin, layer = step.origin, step.layer
    local inputs = names_of(functional.needs(origin))
    if layer and rawget(layer, "_graph") then
      local inner = self:name(scope .. layer.name)
      outputs_of[origin] = self:model(layer, inner .. "/", inputs)
      outputs_of[origin].name = inner
    elseif layer then
      local name = self:name(scope .. layer.name)
      outputs_of[origin] = {name, name = name}
      local keys, values = attributes_of(layer)
      local first = functional.symbols(origin.outputs)[1]
      self:node{name = name, op = class.of(layer).__name, inputs = inputs, shapes = shapes_of(origin.outputs),
        dtype = first and first.dtype, keys = keys, values = values}
    else
      local name = self:name(scope .. origin.op)
      outputs_of[origin] = {name, name = name}
      self:node{name = name, op = origin.op, inputs = inputs, shapes = step.tensor and {step.tensor.shape},
        dtype = step.tensor and step.tensor.dtype}
    end
  end
  return names_of(g.output_leaves)
end

local function check_model(what, model)
  if not class.is(model, require "kl.model") then errors.fail("%s: a model expected, got %s", what, errors.show(model)) end
  if not model._graph then
    errors.fail("%s: model '%s' has no graph: it is not functional or Sequential, or not built yet", what, model.name)
  end
end

--- The nodes of a model's graph, each behind those it needs.
---@return table[] # name, op, inputs, shapes, dtype, keys, values
function graph.nodes(model)
  check_model("graph", model)
  local builder = setmetatable({nodes = {}, used = {}}, Builder)
  builder:model(model, "", nil)
  return builder.nodes
end

--- The model's config as JSON, in Keras's form.
---@return string
function graph.config(model)
  check_model("keras_model", model)
  return core.json.encode(require "kl.saving.model_config".object(model))
end

return graph
