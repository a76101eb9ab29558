-- Sequential: a stack of layers.
local core = require "kl.core"
local Layer = require "kl.layer"
local Model = require "kl.model"
local class = require "kl.class"
local errors = require "kl.errors"
local functional = require "kl.functional"
local tree = require "kl.tree"

---@class kl.Sequential: kl.Model
local Sequential = Model:extend("Sequential")
Sequential.member_lists = {"_weights", "_stack"}

function Sequential.__setup(object, ...)
  Model.__setup(object, ...)
  rawset(object, "_stack", {})
  rawset(object, "_input", false)
  rawset(object, "_brought", false)
end

--- kl.Sequential{kl.Input{784}, layers.Dense{10}, name = "mine"}: the array part is the layers; a list as its first entry is
--- taken as the layers too.
function Sequential:init(given)
  if given ~= nil and (type(given) ~= "table" or getmetatable(given) ~= nil) then
    errors.fail("Sequential: a table of layers expected, got %s", errors.show(given))
  end
  local stack, options = {}, {}
  for key, value in pairs(given or {}) do
    if math.type(key) == "integer" then stack[key] = value else options[key] = value end
  end
  if #stack == 1 and type(stack[1]) == "table" and getmetatable(stack[1]) == nil then stack = stack[1] end
  tree.names(stack) -- a nil in the list is no end of it
  Sequential.super.init(self, options)
  rawset(self, "_quiet", true)
  for i = 1, #stack do self:add(stack[i]) end
  rawset(self, "_quiet", nil)
  self:_rebuild()
end

function Sequential:_name_base() return require "kl.names".snake_case(getmetatable(self).__name) end

--- The graph's input casts, also before there is one.
function Sequential:_autocasts() return false end

--- Appends a layer.  The first may be what kl.Input gave.
function Sequential:add(layer)
  if core.is_symbolic(layer) then
    local origin = core.origin(layer)
    if not origin.is_input then errors.fail("Sequential: a tensor that is not an Input cannot be added") end
    layer = origin.layer
  end
  if not class.is(layer, Layer) then
    errors.fail("Sequential: layer %d must be a layer, got %s", #self._stack + 1, errors.show(layer))
  end
  for _, inside in ipairs(layer:_census().modules) do
    if inside == self then
      errors.fail("Sequential '%s': layer '%s' is the model itself or holds it: a model cannot be inside itself", self.name, layer.name)
    end
  end
  for _, other in ipairs(self._stack) do
    if other.name == layer.name then
      errors.fail("Sequential: there are two layers called '%s': layer names must differ", layer.name)
    end
  end
  if layer.batch_shape then
    if #self._stack > 0 or self._input then errors.fail("Sequential: an Input can only be the first layer") end
    self._input = layer
  else
    table.insert(self._stack, layer)
  end
  if self._quiet then return end
  local graph = self._graph
  local ok, message = pcall(self._rebuild, self)
  if not ok then -- the layer does not fit: the stack is what it was
    table.remove(self._stack)
    self._graph, self.built = graph, graph ~= false
    error(message, 0)
  end
end

--- Removes and returns the last layer.
function Sequential:pop()
  if #self._stack == 0 then errors.fail("Sequential '%s' has no layers to remove", self.name) end
  local layer = table.remove(self._stack)
  self:_rebuild()
  return layer
end

--- Called in another graph it is a layer there, and its ends are those of the call; else they are its own.
function Sequential.get:input() return (self._calls[1] and Layer or Model).get.input(self) end
function Sequential.get:output() return (self._calls[1] and Layer or Model).get.output(self) end

--- The input that a first layer brings along which is itself a graph with one input; nil if it is none.
local function input_of(first)
  local graph = first and first._graph
  if not graph or #graph.input_leaves ~= 1 then return nil end
  return require "kl.layers.input_layer"{batch_shape = graph.input_shapes[1], dtype = graph.input_dtypes[1]}
end

--- As soon as the input's shape is known the stack is a functional graph.
function Sequential:_rebuild()
  self._graph = false
  self.built = false
  if self._brought and self._stack[1] ~= self._brought then self._input, self._brought = false, false end
  if not self._input then
    self._input = input_of(self._stack[1]) or false
    rawset(self, "_brought", self._input and self._stack[1])
  end
  if not self._input or #self._stack == 0 then return end
  local scope <close> = self:_scope()
  local t = self._input.output
  for _, layer in ipairs(self._stack) do t = layer(t) end
  self._graph = functional.capture(self._input.output, t)
  self.built = true
  local _ = scope
end

rawset(Sequential, "build", function(self, shape)
  if self._graph or shape == nil then return end
  shape = Layer._normalize_shape(shape)
  local batch_shape = {table.unpack(shape)}
  batch_shape[1] = false
  if #shape == 0 or type(shape[1]) == "table" then
    errors.fail("Sequential '%s' takes one tensor with a batch axis, got %s", self.name,
      #shape > 0 and #shape .. " inputs" or next(shape) and "a table by name" or "a scalar")
  end
  if #self._stack == 0 then errors.fail("Sequential '%s' has no layers", self.name) end
  self._input = require "kl.layers.input_layer"{batch_shape = batch_shape, dtype = self._stack[1].compute_dtype}
  rawset(self, "_implicit_input", true)
  local ok, message = pcall(core.outside, self._rebuild, self)
  if not ok then
    self._input = false
    error(message, 0)
  end
end)

function Sequential:call(inputs)
  if self._graph then return self._graph:run(inputs) end
  local x = inputs
  for _, layer in ipairs(self._stack) do x = layer(x) end
  return x
end

return Sequential
