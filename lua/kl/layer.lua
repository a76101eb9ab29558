-- Layer: a module that is called on tensors, builds its weights at the first call, and can be part of a functional graph.
--
-- One call, in order (keras-semantics 8.1): inputs become tensors of the compute dtype; input_spec is checked; the layer
-- is built; `training` is taken from the options, else from the enclosing call, else false; `call` runs; an activity
-- regularizer adds its loss.  On symbolic inputs `call` runs on tensors without values and the result is one node.
local core = require "kl.core"
local Module = require "kl.module"
local args = require "kl.args"
local call_stack = require "kl.call_stack"
local errors = require "kl.errors"
local names = require "kl.names"
local tree = require "kl.tree"

---@class kl.Layer: kl.Module
local Layer = Module:extend("Layer")

--- A class's own `build`, called by anyone but the first call, does what the first call would.
function Layer.__define(key, value)
  if key ~= "build" or type(value) ~= "function" then return value end
  return function(self, shape)
    if self._building then return value(self, shape) end
    if shape == nil then errors.fail("build: layer '%s': the shape of the inputs is missing", self.name) end
    self:_build_once(self._normalize_shape(shape))
  end
end

--- What every layer accepts by name, besides its own `params`.
Layer.common = args.params{{"name"}, {"trainable", true}, {"dtype"}, {"activity_regularizer"}, {"autocast", true}}
Layer.params = args.params{}

function Layer.__setup(object, ...)
  Module.__setup(object)
  rawset(object, "_name", false)
  rawset(object, "_key", false)
  rawset(object, "built", false)
  rawset(object, "_building", false)
  rawset(object, "_trainable", true)
  rawset(object, "_weights", {})
  rawset(object, "_losses", {})
  rawset(object, "_calls", {})
  rawset(object, "_config", {})
  rawset(object, "_init_args", table.pack(...))
  rawset(object, "_build_shape", false)
  rawset(object, "compute_dtype", "float32")
  rawset(object, "autocast", true)
  rawset(object, "activity_regularizer", false)
  rawset(object, "_generators", false)
  rawset(object, "_hooks", false)
  rawset(object, "_seen_shapes", false)
end

function Layer.__ready(object)
  if not object._name then object:_take_name() end
end

---@param given? table # own params by position or name, and name, trainable, dtype, activity_regularizer
function Layer:init(given)
  local named = type(given) == "table" and getmetatable(given) == nil and given or {}
  for _, old in ipairs{"input_shape", "input_dim"} do -- of Keras's older scripts
    if named[old] ~= nil and not self.params.by_name[old] then
      errors.fail("%s: '%s' is no option of layers: begin the Sequential with a kl.Input of that shape", getmetatable(self).__name, old)
    end
  end
  self:_set_options(args.read(getmetatable(self).__name, self.params, given, Layer.common))
end

local function check_name(what, name)
  args.check(what, name, "string")
  if name == "" or name:find("/", 1, true) then errors.fail("%s must not be empty or contain '/', got '%s'", what, name) end
  return name
end

--- Takes what args.read gave: the class's own parameters, and the common ones.
function Layer:_set_options(own, common)
  self._config = own
  if common.name ~= nil then
    check_name(getmetatable(self).__name .. ": 'name'", common.name)
    self._name, self._key = common.name, common.name
  end
  self._trainable = args.check(getmetatable(self).__name .. ": 'trainable'", common.trainable, "boolean")
  if common.dtype ~= nil then
    if common.dtype ~= "float32" and common.dtype ~= "float64" then
      errors.fail("%s: dtype must be \"float32\" or \"float64\", got %s", getmetatable(self).__name, errors.show(common.dtype))
    end
    self.compute_dtype = common.dtype
  end
  self.autocast = args.check(getmetatable(self).__name .. ": 'autocast'", common.autocast, "boolean")
  if common.activity_regularizer ~= nil then
    self.activity_regularizer = require "kl.regularizers".get(common.activity_regularizer)
  end
end

--- Automatic names count from the snake-cased class name; models with a graph are called "functional".
function Layer:_name_base() return names.snake_case(getmetatable(self).__name) end

function Layer:_take_name() self._name, self._key = names.unique(self:_name_base()) end

function Layer.get:name()
  if not self._name then self:_take_name() end
  return self._name
end
function Layer.set:name(name)
  self._name = check_name("a layer's name", name)
end
function Layer.get:dtype() return self.compute_dtype end

--- Opens the layer's name for what is built until the result is closed; nil if it is open already.
function Layer:_scope()
  local outer = call_stack.top()
  if outer and outer.layer == self then return nil end
  return (call_stack.push(self))
end

require "kl.layer_weights"(Layer)
require "kl.layer_hooks"(Layer)

-- Layers that hold losses of their last call.
local loss_holders = setmetatable({}, {__mode = "k"})

--- A loss made inside a call, for this call alone: a scalar tensor or a list of them.
function Layer:add_loss(loss)
  if core.building_depth() > 0 then return end
  loss_holders[self] = true
  for _, value in ipairs(tree.flatten(loss)) do
    if not core.kind(value) and type(value) ~= "number" then
      errors.fail("add_loss: layer '%s': a tensor or a number expected, got %s", self.name, errors.show(value))
    end
    if select(3, core.traits(value)) then
      errors.fail("add_loss: layer '%s': a tensor of a functional graph has no value: call self:add_loss in the `call` of a layer, and "
        .. "put that layer into the graph", self.name)
    end
    if core.kind(value) and #value.shape > 0 then value = core.ops.mean(value) end
    table.insert(self._losses, value)
  end
end

--- At the start of an outermost call: the losses of this layer and all inside are those of earlier calls.
local function forget_losses(layer)
  if not next(loss_holders) then return end
  for _, module in ipairs(layer:_census().modules) do
    if loss_holders[module] then
      module._losses = {}
      loss_holders[module] = nil
    end
  end
end

--- The losses of the last outermost call: those added, own first, then the penalties of trainable weights.
function Layer.get:losses()
  local list = {}
  if not next(loss_holders) and not core.any_regularized() then return list end -- nobody has one: nothing to walk for
  local census = Module._census(self)
  if next(loss_holders) then
    for _, module in ipairs(census.modules) do
      if loss_holders[module] then table.move(module._losses, 1, #module._losses, #list + 1, list) end
    end
  end
  for _, w in ipairs(census.variables) do
    local regularizer = w.regularizer
    if regularizer and w.trainable then list[#list + 1] = regularizer(w) end
  end
  return list
end

--- Makes the weights; called once, with the shape of the inputs (unknown axes are false).  Subclasses override it.
function Layer:build() end

local function normalize_shape(shape)
  if tree.is_leaf(shape) then errors.fail("build: a shape expected, got %s", errors.show(shape)) end
  if type(shape[#shape]) == "table" then
    local list = {}
    for i, s in ipairs(shape) do list[i] = normalize_shape(s) end
    return list
  end
  local full = {}
  for i = 1, #shape do full[i] = shape[i] or false end
  if #shape == 0 and next(shape) ~= nil then
    for name, s in pairs(shape) do full[name] = normalize_shape(s) end
  end
  return full
end
Layer._normalize_shape = normalize_shape

--- An error of what ran inside goes on; that of Lua's own stack says nothing to a user.
local function raise_again(self, message)
  if type(message) == "string" and message:find("stack overflow", 1, true) then call_stack.fail_too_deep(self) end
  error(message, 0)
end

--- Builds once, in the layer's own name scope and outside of any graph that is being built.
function Layer:_build_once(shape)
  if self.built then return end
  self._building, self._build_shape = true, shape
  local before = #self._weights
  local scope <close> = self:_scope()
  local ok, message = pcall(core.outside, self.build, self, shape)
  self._building = false
  if not ok then
    for i = #self._weights, before + 1, -1 do self._weights[i] = nil end -- the next call builds anew
    raise_again(self, message)
  end
  self.built = true
  local _ = scope
end

local function shapes_of(inputs)
  return tree.map(function(leaf) return core.kind(leaf) and leaf.shape or {} end, inputs)
end

local no_axes = {}
local shapes_metatable = {__name = "shape of an output"} -- makes it a leaf

--- rank: of the one tensor that the inputs t are; nil if they are a structure.
local function check_spec(self, spec, t, rank)
  if not rank then
    errors.fail("layer '%s' expects one tensor, got a structure %s", self.name, tree.form(t))
  end
  if spec.ndim and rank ~= spec.ndim or spec.min_ndim and rank < spec.min_ndim or spec.max_ndim and rank > spec.max_ndim then
    errors.fail("layer '%s' expects %s axes, got %d: shape %s", self.name,
      spec.ndim or (spec.min_ndim and "at least " .. spec.min_ndim) or "at most " .. spec.max_ndim, rank, core.shape_text(t))
  end
  for axis, length in pairs(spec.axes or no_axes) do
    local got = core.length(t, axis)
    if got and got ~= length then
      errors.fail("layer '%s' expects length %d along axis %d, got %d: shape %s", self.name, length, axis, got,
        core.shape_text(t))
    end
  end
end

--- Says what one tensor must be like (ndim, min_ndim, max_ndim, axes).  Set raw: it holds nothing that a walk looks for.
function Layer:_expect(spec) rawset(self, "input_spec", spec) end

--- True if floats are cast to the compute dtype.
function Layer:_autocasts() return self.autocast end

local function convert_leaf(self, leaf, own)
  local dtype = self.compute_dtype
  if not own then
    if type(leaf) == "number" then return core.ops.cast(leaf, dtype) end
    errors.fail("layer '%s': inputs must be tensors, got %s", self.name, errors.show(leaf))
  end
  if own ~= dtype and self:_autocasts() and own:find("float", 1, true) then return core.ops.cast(leaf, dtype) end
  return leaf
end

--- Numbers become tensors, floats the compute dtype.  Gives the rank too if that is one tensor, and whether any is symbolic.
local function convert(self, inputs)
  local dtype, rank, symbolic = core.traits(inputs)
  if dtype then return convert_leaf(self, inputs, dtype), rank, symbolic end
  if tree.is_leaf(inputs) then return convert_leaf(self, inputs), 0, false end
  local converted = tree.map(function(leaf)
    local own, _, without_value = core.traits(leaf)
    symbolic = symbolic or without_value
    return convert_leaf(self, leaf, own)
  end, inputs)
  return converted, nil, symbolic
end

local function run_call(self, inputs, options)
  local outputs, extra = self:call(inputs, options)
  if extra ~= nil then
    errors.fail("layer '%s': call returned a second value; several outputs are one list or table", self.name)
  end
  if outputs == nil then errors.fail("layer '%s': call returned nothing", self.name) end
  return outputs
end

--- What the first call got and gave, for summaries and pictures: shapes and dtypes, with the batch axis left open.  Set raw: no
--- walk looks here.
local function note_shapes(self, inputs, outputs)
  local first = tree.flatten(inputs)[1]
  local batch = core.kind(first) and core.length(first, 1)
  local function shape_of(leaf)
    if not core.kind(leaf) then return false end
    local shape = leaf.shape
    if shape[1] == batch then shape[1] = false end
    return setmetatable({shape = shape, dtype = leaf.dtype}, shapes_metatable)
  end
  rawset(self, "_seen_shapes", {inputs = tree.map(shape_of, inputs), outputs = tree.map(shape_of, outputs)})
end

--- On tensors without values: what `call` gives decides shapes and dtypes, the outputs are those of one new node.
local function call_symbolic(self, inputs, options, given)
  local depth = core.building_depth()
  core.building(depth + 1)
  local ok, outputs = pcall(run_call, self, inputs, options)
  core.building(depth)
  if not ok then raise_again(self, outputs) end
  if depth > 0 then return outputs end
  local origin = {layer = self, inputs = inputs, options = given or false, serial = core.next_serial()}
  local index = -1
  origin.outputs = tree.map(function(leaf)
    if not core.kind(leaf) then
      errors.fail("layer '%s': call must return tensors, got %s", self.name, errors.show(leaf))
    end
    index = index + 1
    return core.symbolic(leaf.shape, leaf.dtype, origin, index)
  end, outputs)
  table.insert(self._calls, origin)
  return origin.outputs
end

--- layer(inputs), layer(inputs, {training = true, ...}).
function Layer:__call(inputs, given)
  if given ~= nil and (type(given) ~= "table" or getmetatable(given) ~= nil) then
    errors.fail("layer '%s': the second argument is a table of options such as {training = true}, got %s; several inputs are a list",
      self.name, errors.show(given))
  end
  if inputs == nil then errors.fail("layer '%s' was called without inputs", self.name) end
  local frame <close>, outer = call_stack.push(self, given and given.training)
  if outer == nil then forget_losses(self) end
  local rank, symbolic
  inputs, rank, symbolic = convert(self, inputs)
  local spec = self.input_spec
  if spec then check_spec(self, spec, inputs, rank) end
  if not self.built then
    self:_build_once(shapes_of(inputs))
    spec = self.input_spec
    if spec then check_spec(self, spec, inputs, rank) end
  end
  local options = {training = frame.training}
  if given then
    for key, value in next, given do
      if key ~= "training" then options[key] = value end
    end
  end
  local outputs
  if symbolic then
    outputs = call_symbolic(self, inputs, options, given)
    if not self._seen_shapes then note_shapes(self, inputs, outputs) end
    return outputs
  end
  outputs = run_call(self, inputs, options)
  if not self._seen_shapes then note_shapes(self, inputs, outputs) end
  if self._hooks and core.building_depth() == 0 then outputs = self:_run_hooks(inputs, outputs) end
  if self.activity_regularizer and core.building_depth() == 0 then
    for _, leaf in ipairs(tree.flatten(outputs)) do
      self:add_loss(self.activity_regularizer(leaf) / leaf.shape[1])
    end
  end
  return outputs
end

local function first_call(self, what)
  local origin = self._calls[1]
  if not origin then
    errors.fail("layer '%s' has no %s: it has not been called in a functional graph", self.name, what)
  end
  return origin
end

--- The symbolic tensors of the first call of this layer in a functional graph.
function Layer.get:input() return first_call(self, "input").inputs end
function Layer.get:output() return first_call(self, "output").outputs end

--- What the layer takes and gives, as far as it is known: two structures of {shape, dtype}, of its first call in a functional
--- graph, else of its first call; nil before any.
function Layer:_known_ends()
  local origin, seen = self._calls[1], self._seen_shapes or {}
  if origin then return not origin.is_input and origin.inputs or nil, origin.outputs end
  return seen.inputs, seen.outputs
end

--- A random generator of this layer, by its place in the running path.
function Layer:_generator(seed)
  if not self._key then self:_take_name() end
  local random = require "kl.random"
  if seed ~= nil and math.type(seed) ~= "integer" then return random.resolve(seed) end
  return random.new_generator(self._key, seed)
end

--- What is needed to make the layer again: base keys and the class's own params.  Axes count from 1; files have one less.
---@return table
function Layer:get_config()
  local config = {name = self.name, trainable = self._trainable}
  local serialize = require "kl.saving.serialize"
  config.dtype = serialize.policy(self.compute_dtype)
  for _, p in ipairs(self.params) do config[p.name] = serialize.value(self._config[p.name]) end
  return config
end

--- A layer from what get_config gave.
function Layer:from_config(config) return require "kl.saving.serialize".construct(self, config) end

function Layer:__tostring() return ("<%s '%s'>"):format(getmetatable(self).__name, self.name) end

return Layer
