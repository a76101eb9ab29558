-- Model: a layer that is trained, evaluated and saved.
--
-- Three kinds: of a functional graph (inputs and outputs given), a Sequential (sequential.lua), or a subclass with its own
-- call.  A subclass that is given inputs and outputs is functional with overridable steps.
local core = require "kl.core"
local Layer = require "kl.layer"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local functional = require "kl.functional"
local names = require "kl.names"
local one_table = require "kl.one_table"
local tree = require "kl.tree"

---@class kl.Model: kl.Layer
local Model = Layer:extend("Model")

local model_params = args.params{{"inputs"}, {"outputs"}}

function Model.__setup(object, ...)
  Layer.__setup(object, ...)
  rawset(object, "_graph", false)
  rawset(object, "_compiled", false)
  rawset(object, "optimizer", false)
  rawset(object, "stop_training", false)
  rawset(object, "history", false)
  rawset(object, "_epochs_trained", 0)
  rawset(object, "_loss_tracker", false)
  rawset(object, "_shuffle_generator", false)
end

--- kl.Model{inputs = ..., outputs = ..., name = ...}
function Model:init(given)
  if given ~= nil and (type(given) ~= "table" or getmetatable(given) ~= nil) then
    errors.fail("%s: a table of options expected, got %s", getmetatable(self).__name, errors.show(given))
  end
  local o, common = args.read(getmetatable(self).__name, model_params, given, Layer.common)
  if (o.inputs == nil) ~= (o.outputs == nil) then
    errors.fail("%s: a functional model needs both inputs and outputs", getmetatable(self).__name)
  end
  if o.inputs ~= nil then
    self:_set_graph(functional.capture(o.inputs, o.outputs))
    self.built = true
  end
  self:_set_options({}, common)
end

function Model:_name_base()
  local cls = getmetatable(self).class
  if self._graph and cls == Model then return "functional" end
  return names.snake_case(cls.__name)
end

Model.member_lists = {"_weights", "_graph_layers"}

--- A graph casts its inputs itself, to the dtypes they were declared with.
function Model:_autocasts() return self.autocast and not self._graph end

function Model:_set_graph(graph)
  self._graph = graph
  rawset(self, "_graph_layers", graph and graph.layers or nil)
end

--- The layers: of the graph, then those in the fields.
function Model.get:layers()
  local list = {}
  for _, child in ipairs(self:_children()) do
    if class.is(child, Layer) then list[#list + 1] = child end
  end
  return list
end

local function graph_of(model, what)
  if not model._graph then
    errors.fail("model '%s' has no %s: it is not functional, or not built yet", model.name, what)
  end
  return model._graph
end

function Model.get:inputs() return graph_of(self, "inputs").inputs end
function Model.get:outputs() return graph_of(self, "outputs").outputs end

--- Of a functional model its own ends, wherever it is called; of another what Layer says.
function Model.get:input() return self._graph and self._graph.inputs or Layer.get.input(self) end
function Model.get:output() return self._graph and self._graph.outputs or Layer.get.output(self) end

local function shapes_of(ends)
  local shapes = tree.map(function(t) return t.shape end, ends)
  return not tree.is_leaf(ends) and #ends == 1 and shapes[1] or shapes -- of a list of one, the one, as in Keras
end

--- Shapes in the structure of the inputs or outputs, with the batch axis; unknown axes are false.
function Model.get:input_shape() return shapes_of(graph_of(self, "input_shape").inputs) end
function Model.get:output_shape() return shapes_of(graph_of(self, "output_shape").outputs) end
function Model.get:input_names() return graph_of(self, "input names"):input_names() end
function Model.get:output_names()
  if self._graph then return self._graph:output_names() end
  return self._output_names
end

--- A layer by name, or get_layer{index = i} (from 1).
---@return kl.Layer
function Model:get_layer(given)
  local name, index = given, nil
  if type(given) == "table" then name, index = given.name, given.index or given[1] end
  if name ~= nil and index ~= nil then errors.fail("get_layer: a name or an index expected, both are given") end
  if type(name) == "string" then
    local known = {}
    for _, layer in ipairs(self.layers) do
      if layer.name == name then return layer end
      known[#known + 1] = layer.name
    end
    errors.fail("model '%s' has no layer '%s'%s (layers: %s)", self.name, name, errors.nearest(name, known),
      table.concat(known, ", "))
  end
  if math.type(index) ~= "integer" then errors.fail("get_layer: a name, or {index = i}, expected") end
  local layers = self.layers
  local layer = layers[index < 0 and #layers + index + 1 or index]
  if not layer then errors.fail("get_layer: index %d is outside the model's %d layers", index, #layers) end
  return layer
end

function Model:call(inputs)
  if self._graph then return self._graph:run(inputs) end
  errors.fail("model '%s' (a %s) defines no call and has no inputs and outputs", self.name, getmetatable(self).__name)
end

--- Builds the weights for inputs of that shape (nil or false for the batch axis) by calling the model on tensors without
--- values.
rawset(Model, "build", function(self, shape)
  if shape == nil or self._building then return end -- called by the first call: weights are made as layers are called
  shape = Layer._normalize_shape(shape)
  if self.built then return end
  local origin = {is_input = true, inputs = {}, serial = core.next_serial(), layer = self}
  local function symbols(s)
    if type(next(s)) == "string" or type(s[1]) == "table" then
      local structure = {}
      for key, part in pairs(s) do structure[key] = symbols(part) end
      return structure
    end
    return core.symbolic(s, self.compute_dtype, origin, 0)
  end
  local input = symbols(shape)
  local depth = core.building(core.building_depth() + 1)
  local ok, message = pcall(self, input)
  core.building(depth)
  if not ok then error(message, 0) end
end)

local takes_one_table = {compile = true, fit = true, evaluate = true, predict = true, train_on_batch = true, test_on_batch = true,
  predict_on_batch = true}

-- model:fit(x, y, {epochs = 3}) for model:fit{x, y, epochs = 3}.
local function joining(name, f)
  return function(self, ...) return f(self, one_table(name, ...)) end
end

for _, part in ipairs{"kl.training.compile", "kl.training.steps", "kl.training.fit"} do
  for name, f in pairs(require(part)) do
    if name ~= "get" then Model[name] = takes_one_table[name] and joining(name, f) or f end
  end
  for name, f in pairs(require(part).get or {}) do Model.get[name] = f end
end

--- What is needed to make the model again: of a Sequential or a functional model its layers and how they are connected, with
--- axes as in files (from 0); of a subclass what Layer:get_config says.
---@return table
function Model:get_config()
  if not self._graph and not self._stack then return Layer.get_config(self) end
  return require "kl.saving.model_config".object(self).config
end

local config_params = args.params{{"custom_objects"}}

--- A model from what get_config gave: kl.Sequential:from_config(config), kl.Model:from_config(config), MyModel:from_config(config).
---@param options? table # custom_objects = {Name = class}
function Model:from_config(config, options)
  local cls = class.is_class(self) and self or class.of(self)
  if type(config) ~= "table" then errors.fail("from_config: a config expected, got %s", errors.show(config)) end
  local make = config.layers == nil and Layer.from_config or require "kl.saving.model_config".from_config
  local o = args.read("from_config", config_params, options)
  if o.custom_objects == nil then return make(cls, config) end
  return require "kl.saving.serialize".with_custom_objects(o.custom_objects, make, cls, config)
end

--- The model without its weights as JSON; kl.models.model_from_json makes it again.
---@return string
function Model:to_json()
  return core.json.encode(require "kl.saving.model_config".object(self))
end

--- Prints a table of the layers: name, output shape, number of parameters; of a graph that is no plain chain, what each is
--- connected to; and the totals.
---@param options? table # line_length = 88 (108 of a graph), positions = where columns end (parts of 1, or columns), print_fn = a
--- function that gets the whole text, expand_nested = false, show_trainable = false, layer_range = {first name, last name}
function Model:summary(options) require "kl.utils.model_summary".show(self, options) end

--- Writes the whole model: `.keras` or `.h5`, by extension.
function Model:save(path, options) return require "kl.saving".save_model(self, path, options) end

return Model
