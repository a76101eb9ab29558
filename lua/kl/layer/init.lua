-- Layer: a module that is called on tensors, builds its weights at the first call, and can be part of a functional graph.
--
-- One call, in order (keras-semantics 8.1): inputs become tensors of the compute dtype; input_spec is checked; the layer
-- is built; `training` is taken from the options, else from the enclosing call, else false; `call` runs; an activity
-- regularizer adds its loss.  On symbolic inputs `call` runs on tensors without values and the result is one node.  Here is
-- what a layer is made with; a file for each of its sides adds its methods.
local Module = require "kl.module"
local args = require "kl.args"
local call_stack = require "kl.call_stack"
local errors = require "kl.errors"
local names = require "kl.names"

---@class kl.Layer: kl.Module
local Layer = Module:extend("Layer")

--- What every layer accepts by name, besides its own `params`.
Layer.common = args.params{{"name"}, {"trainable", true}, {"dtype"}, {"activity_regularizer"}, {"autocast", true}}
-- Of Keras's older scripts.
local shape_is_no_option = "is no option of layers: begin the Sequential with a kl.Input of that shape"
Layer.common.refused = {input_shape = shape_is_no_option, input_dim = shape_is_no_option}
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
    self.compute_dtype = args.choice(getmetatable(self).__name .. ": 'dtype'", common.dtype, {"float32", "float64"})
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

require "kl.layer.weights"(Layer)
require "kl.layer.build"(Layer)
require "kl.layer.losses"(Layer)
require "kl.layer.hooks"(Layer)
require "kl.layer.call"(Layer)

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
  if self.activity_regularizer then config.activity_regularizer = serialize.value(self.activity_regularizer) end
  for _, p in ipairs(self.params) do config[p.name] = serialize.value(self._config[p.name]) end
  return config
end

--- A layer from what get_config gave.
function Layer:from_config(config) return require "kl.saving.serialize".construct(self, config) end

function Layer:__tostring() return ("<%s '%s'>"):format(getmetatable(self).__name, self.name) end

return Layer
