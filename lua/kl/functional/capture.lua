-- Making a graph: its layers and operations as Keras lists them, and the steps that run it.
local core = require "kl.core"
local errors = require "kl.errors"
local origins = require "kl.functional.origins"
local slots = require "kl.functional.slots"
local tree = require "kl.tree"

--- The origins of the inputs, as a set.
local function check_ends(inputs, outputs)
  local input_origins = {}
  for i, t in ipairs(inputs) do
    if not core.is_symbolic(t) then
      errors.fail("input %d of the model must be a tensor made by kl.Input, got %s", i, errors.show(t))
    end
    if input_origins[core.origin(t)] then errors.fail("input %d of the model is given twice: each input may be in it once", i) end
    input_origins[core.origin(t)] = true
  end
  for i, t in ipairs(outputs) do
    if not core.is_symbolic(t) then
      errors.fail("output %d of the model must come from its inputs through layers, got %s", i, errors.show(t))
    end
  end
  return input_origins
end

--- Sorts operations into g.operations (without the inputs that are no layers) and g.layers.
local function keep_operations(g, operations, input_origins)
  g.operations, g.layers = {}, {}
  for _, operation in ipairs(operations) do
    local is_layer = getmetatable(operation) ~= nil
    if is_layer or not input_origins[operation] then table.insert(g.operations, operation) end
    if is_layer then table.insert(g.layers, operation) end
  end
  local by_name = {}
  for _, layer in ipairs(g.layers) do
    if by_name[layer.name] then
      errors.fail("two layers of the model are called '%s': layer names must differ", layer.name)
    end
    by_name[layer.name] = layer
  end
end

--- A function that numbers tensors.  A tensor is found by its origin and place, so that each is one slot.
local function numbering()
  local numbers, count = {}, 0
  return function(t)
    local origin, index = core.origin(t)
    local of_origin = numbers[origin]
    if not of_origin then
      of_origin = {}
      numbers[origin] = of_origin
    end
    if not of_origin[index] then
      count = count + 1
      of_origin[index] = count
    end
    return of_origin[index]
  end
end

--- What runs one node again: {origin, layer, options, inputs, input_slot (of a single tensor), slots = those of its outputs}.
local function new_step(origin, slot_of)
  local step = {origin = origin, layer = origin.layer, options = origin.options or nil, inputs = {}, slots = {}}
  if origin.layer then
    step.inputs = slots.compile(origin.inputs, slot_of)
    step.input_slot = getmetatable(step.inputs) == slots.metatable and step.inputs.slot
    if step.options then step.options = slots.compile(step.options, slot_of) end
    for index, leaf in ipairs(tree.flatten(origin.outputs)) do step.slots[index] = slot_of(leaf) end
  else
    for i, leaf in ipairs(origin.inputs) do
      step.inputs[i] = core.is_symbolic(leaf) and slots.new(slot_of(leaf)) or leaf
    end
  end
  return step
end

--- The graph between two structures of symbolic tensors, without its methods.
return function(inputs, outputs)
  local input_leaves, output_leaves = tree.flatten(inputs), tree.flatten(outputs)
  local input_origins = check_ends(input_leaves, output_leaves)
  local order, first_seen = origins.walk(input_leaves, output_leaves)
  local g = {inputs = inputs, outputs = outputs, input_leaves = input_leaves, output_leaves = output_leaves}
  keep_operations(g, origins.list_operations(order, first_seen, input_leaves, input_origins), input_origins)

  local slot_of = numbering()
  g.input_slots, g.input_shapes, g.input_dtypes = {}, {}, {}
  for i, t in ipairs(input_leaves) do g.input_slots[i], g.input_shapes[i], g.input_dtypes[i] = slot_of(t), t.shape, t.dtype end
  table.sort(order, function(a, b) return a.serial < b.serial end)
  g.steps = {}
  local step_of = {}
  for _, origin in ipairs(order) do
    if not input_origins[origin] then
      step_of[origin] = new_step(origin, slot_of)
      g.steps[#g.steps + 1] = step_of[origin]
    end
  end
  -- Results of bare operations that are used: any of them can apply the operation again.
  local function note(t)
    local origin, index = core.origin(t)
    local step = step_of[origin]
    if step and not step.layer then
      step.tensor = t
      step.slots[index + 1] = slot_of(t)
    end
  end
  for _, t in ipairs(output_leaves) do note(t) end
  for origin in pairs(step_of) do
    for _, leaf in ipairs(origins.needs(origin)) do note(leaf) end
  end
  g.output_template = slots.compile(outputs, slot_of)
  return g
end
