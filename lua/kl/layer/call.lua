-- Calling a layer on data or on symbolic tensors; layer/init.lua says in which order.
local core = require "kl.core"
local call_stack = require "kl.call_stack"
local errors = require "kl.errors"
local tree = require "kl.tree"

local function shapes_of(inputs)
  return tree.map(function(leaf) return core.kind(leaf) and leaf.shape or {} end, inputs)
end

local no_axes = {}

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

local shapes_metatable = {__name = "shape of an output"} -- makes it a leaf

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
  if not ok then call_stack.raise_again(self, outputs) end
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

local function first_call(self, what)
  local origin = self._calls[1]
  if not origin then
    errors.fail("layer '%s' has no %s: it has not been called in a functional graph", self.name, what)
  end
  return origin
end

--- Gives the class what a call does.
return function(Layer)
  local forget_losses = Layer._forget_losses -- asked for at every call

  --- Says what one tensor must be like (ndim, min_ndim, max_ndim, axes).  Set raw: it holds nothing that a walk looks for.
  function Layer:_expect(spec) rawset(self, "input_spec", spec) end

  --- True if floats are cast to the compute dtype.
  function Layer:_autocasts() return self.autocast end

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
end
