-- The weights of a layer: making them, listing them, freezing them, reading and setting their values.
--
-- Weights are made in init or build and nowhere else; they are listed in the order they were made, trainable ones before the
-- others, and those of a frozen layer are none of them trainable, whatever is inside.
local core = require "kl.core"
local Module = require "kl.module"
local args = require "kl.args"
local call_stack = require "kl.call_stack"
local class = require "kl.class"
local errors = require "kl.errors"

local weight_params = args.params{{"name"}, {"shape", {}}, {"initializer"}, {"dtype"}, {"trainable", true},
  {"regularizer"}, {"constraint"}}

--- "variable", "variable_1", ...: what a weight without a name is called in its layer.
local function free_name(layer)
  local taken, name, n = {}, "variable", 0
  for _, w in ipairs(layer._weights) do taken[w.name] = true end
  while taken[name] do
    n = n + 1
    name = "variable_" .. n
  end
  return name
end

--- Gives the class its weights.
return function(Layer)
  --- A new variable of this layer.
  ---@param given table # name, shape, initializer (glorot_uniform for floats, zeros otherwise), dtype, trainable, regularizer, constraint
  ---@return kl.Variable
  function Layer:add_weight(given)
    local o = args.read("add_weight", weight_params, given)
    if self.built and not self._building then
      errors.fail("%s: weights are made in init or build; this layer is built", self.name)
    end
    local shape = {}
    for i = 1, #o.shape do
      shape[i] = o.shape[i]
      if math.type(shape[i]) ~= "integer" then
        errors.fail("add_weight: axis %d of the shape of '%s' must be an integer, got %s", i, tostring(o.name),
          errors.show(shape[i]))
      end
    end
    local dtype = o.dtype or self.compute_dtype
    local initializers = require "kl.initializers"
    local initializer = initializers.get(o.initializer or (dtype:find("float") and "glorot_uniform" or "zeros"))
    local name = args.check("add_weight: 'name'", o.name or free_name(self), "string")
    local scope <close> = self:_scope()
    local value = core.outside(initializer, shape, dtype, call_stack.path(true) .. "/" .. name)
    local regularizer = o.regularizer and require "kl.regularizers".get(o.regularizer)
    local constraint = o.constraint and require "kl.constraints".get(o.constraint)
    local v = require "kl.variable".new(value, {name = name, path = call_stack.path() .. "/" .. name,
      trainable = o.trainable, regularizer = regularizer, constraint = constraint})
    if not self._trainable then v.trainable = false end
    table.insert(self._weights, v)
    local _ = scope
    return v
  end

  Layer.member_lists = {"_weights"}

  --- Trainable before non-trainable, as declared.
  function Layer.order_variables(own)
    local list = {}
    for pass = 1, 2 do
      for _, v in ipairs(own) do
        if v.declared_trainable == (pass == 1) then list[#list + 1] = v end
      end
    end
    return list
  end

  --- Of a frozen layer nothing is trainable, whatever is inside.
  function Layer.get:trainable_variables() return self._trainable and Module.get.trainable_variables(self) or {} end
  function Layer.get:non_trainable_variables()
    return self._trainable and Module.get.non_trainable_variables(self) or self.variables
  end

  Layer.get.weights = Module.get.variables
  Layer.get.trainable_weights = Layer.get.trainable_variables
  Layer.get.non_trainable_weights = Layer.get.non_trainable_variables

  function Layer.get:trainable() return self._trainable end

  --- Freezes or thaws this layer and all inside.
  function Layer.set:trainable(value)
    args.check("trainable", value, "boolean")
    local census = self:_census()
    for _, module in ipairs(census.modules) do
      if class.is(module, Layer) then module._trainable = value end
    end
    for _, v in ipairs(census.variables) do v.trainable = value and v.declared_trainable end
  end

  --- The values of all weights, in their order: tensors that do not change when the layer is trained on.
  ---@return kl.Tensor[]
  function Layer:get_weights()
    local values = {}
    for i, w in ipairs(self.weights) do values[i] = w.value end
    return values
  end

  --- Sets all weights; count and shapes must fit.
  ---@param values any[]
  function Layer:set_weights(values)
    local weights = self.weights
    if type(values) ~= "table" then errors.fail("set_weights: a list of arrays expected, got %s", errors.show(values)) end
    if #values ~= #weights then
      errors.fail("set_weights: layer '%s' has %d weights, got %d values", self.name, #weights, #values)
    end
    local tensors = {}
    for i, w in ipairs(weights) do
      local t = core.tensor(values[i], w.dtype)
      if not core.same_shape(t, w) then
        errors.fail("set_weights: weight %d, '%s', has shape %s, got %s", i, w.path, core.shape_text(w), core.shape_text(t))
      end
      tensors[i] = t
    end
    for i, w in ipairs(weights) do w:assign(tensors[i]) end
  end

  --- Number of numbers in the weights.
  ---@return integer
  function Layer:count_params()
    if not self.built then
      errors.fail("count_params: layer '%s' is not built yet: call it, or build it with a shape", self.name)
    end
    local n = 0
    for _, w in ipairs(self.weights) do
      local m = 1
      for _, d in ipairs(w.shape) do m = m * d end
      n = n + m
    end
    return n
  end
end
