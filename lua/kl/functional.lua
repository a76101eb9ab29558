-- Functional graphs: what lies between symbolic inputs and outputs.
--
-- A symbolic tensor's origin (core.origin) is a table {layer, inputs, options, outputs, serial} for a call, or {op, inputs,
-- serial} for a bare operation.  A graph is the list of the origins between its inputs and outputs in the order they were
-- made; running it calls the layers again and applies the operations again.
local core = require "kl.core"
local errors = require "kl.errors"
local tree = require "kl.tree"

local functional = {}

---@class kl.Graph
local Graph = {}
Graph.__index = Graph

local function describe(t, origin)
  if origin and origin.layer then return ("the output of layer '%s'"):format(origin.layer.name) end
  if origin then return ("the output of kl.%s"):format(origin.op) end
  return "a tensor of shape " .. core.shape_text(t)
end

--- The symbolic tensors in structures.
local function symbols(...)
  local list = {}
  for _, structure in ipairs{...} do
    for _, leaf in ipairs(tree.flatten(structure)) do
      if core.is_symbolic(leaf) then list[#list + 1] = leaf end
    end
  end
  return list
end

--- The symbolic tensors a node is made from.
local function needs(origin) return symbols(origin.inputs, origin.options or nil) end

--- All origins from which an output comes, in the order of a depth-first walk (a node after those it needs).  Keras orders
--- layers by it.
local function walk(inputs, outputs)
  local finished, order, first_seen, count = {}, {}, {}, 0
  local is_input = {}
  for _, t in ipairs(inputs) do is_input[t] = true end
  local function visit(t)
    local origin = core.origin(t)
    if not origin or finished[origin] then return end
    finished[origin] = true
    local operation = origin.layer or origin
    if not first_seen[operation] then
      first_seen[operation] = count
      count = count + 1
    end
    if not is_input[t] then
      if origin.is_input then
        errors.fail("the graph is not connected: %s is not among the model's inputs but is needed for its outputs",
          describe(t, origin))
      end
      for _, leaf in ipairs(needs(origin)) do visit(leaf) end
    end
    order[#order + 1] = origin
  end
  for _, t in ipairs(outputs) do visit(t) end
  return order, first_seen
end

--- The layers and bare operations (their origins) as Keras lists them: by depth (distance from the outputs), deepest first,
--- then by first_seen.
local function list_operations(order, first_seen, inputs, is_input_origin)
  local depth_of, operation_depth = {}, {}
  for i = #order, 1, -1 do
    local origin = order[i]
    local operation = origin.layer or origin
    local depth = math.max(depth_of[origin] or 0, operation_depth[operation] or 0)
    depth_of[origin], operation_depth[operation] = depth, depth
    if not is_input_origin[origin] then
      for _, leaf in ipairs(needs(origin)) do
        local from = core.origin(leaf)
        depth_of[from] = math.max(depth_of[from] or 0, depth + 1)
      end
    end
  end
  for _, t in ipairs(inputs) do -- inputs that no output needs
    local origin = core.origin(t)
    if origin.layer and not operation_depth[origin.layer] then
      operation_depth[origin.layer], first_seen[origin.layer] = 0, -1
    end
  end
  local operations = {}
  for operation in pairs(operation_depth) do operations[#operations + 1] = operation end
  local serial = {}
  for i, t in ipairs(inputs) do
    local origin = core.origin(t)
    if origin.layer then serial[origin.layer] = i end
  end
  table.sort(operations, function(a, b)
    if operation_depth[a] ~= operation_depth[b] then return operation_depth[a] > operation_depth[b] end
    if first_seen[a] ~= first_seen[b] then return first_seen[a] < first_seen[b] end
    return (serial[a] or 0) < (serial[b] or 0)
  end)
  return operations
end

--- Replaces every symbolic tensor of a structure by the number of its slot, wrapped so that it is no other leaf.
local slot_metatable = {}

local function compile(structure, slot_of)
  return tree.map(function(leaf)
    if core.is_symbolic(leaf) then return setmetatable({slot = slot_of(leaf)}, slot_metatable) end
    return leaf
  end, structure)
end

local function fill(template, values)
  if getmetatable(template) == slot_metatable then return values[template.slot] end
  return tree.map(function(leaf)
    if getmetatable(leaf) == slot_metatable then return values[leaf.slot] end
    return leaf
  end, template)
end

--- The graph between two structures of symbolic tensors.
---@return kl.Graph
function functional.capture(inputs, outputs)
  local input_leaves, output_leaves = tree.flatten(inputs), tree.flatten(outputs)
  local is_input_origin = {}
  for i, t in ipairs(input_leaves) do
    if not core.is_symbolic(t) then
      errors.fail("input %d of the model must be a tensor made by kl.Input, got %s", i, errors.show(t))
    end
    is_input_origin[core.origin(t)] = true
  end
  for i, t in ipairs(output_leaves) do
    if not core.is_symbolic(t) then
      errors.fail("output %d of the model must come from its inputs through layers, got %s", i, errors.show(t))
    end
  end
  local order, first_seen = walk(input_leaves, output_leaves)
  local g = setmetatable({inputs = inputs, outputs = outputs, input_leaves = input_leaves, output_leaves = output_leaves}, Graph)
  g.operations, g.layers = {}, {}
  for _, operation in ipairs(list_operations(order, first_seen, input_leaves, is_input_origin)) do
    local is_layer = getmetatable(operation) ~= nil
    if is_layer or not is_input_origin[operation] then table.insert(g.operations, operation) end
    if is_layer then table.insert(g.layers, operation) end
  end
  local by_name = {}
  for _, layer in ipairs(g.layers) do
    if by_name[layer.name] then
      errors.fail("two layers of the model are called '%s': layer names must differ", layer.name)
    end
    by_name[layer.name] = layer
  end

  -- Slots: one per tensor that flows.  A tensor is found by its origin and place, so that each is one slot.
  local slots, slot_count = {}, 0
  local function slot_of(t)
    local origin, index = core.origin(t)
    local of_origin = slots[origin]
    if not of_origin then
      of_origin = {}
      slots[origin] = of_origin
    end
    if not of_origin[index] then
      slot_count = slot_count + 1
      of_origin[index] = slot_count
    end
    return of_origin[index]
  end
  g.input_slots, g.input_shapes, g.input_dtypes = {}, {}, {}
  local given = {}
  for i, t in ipairs(input_leaves) do
    g.input_slots[i], g.input_shapes[i], g.input_dtypes[i] = slot_of(t), t.shape, t.dtype
    given[core.origin(t)] = true
  end
  table.sort(order, function(a, b) return a.serial < b.serial end)
  g.steps = {}
  local step_of = {}
  for _, origin in ipairs(order) do
    if not given[origin] then
      local step = {origin = origin, layer = origin.layer, options = origin.options or nil, slots = {}}
      step_of[origin] = step
      g.steps[#g.steps + 1] = step
      if origin.layer then
        step.inputs = compile(origin.inputs, slot_of)
        step.input_slot = getmetatable(step.inputs) == slot_metatable and step.inputs.slot -- of a single tensor
        if step.options then step.options = compile(step.options, slot_of) end
        for index, leaf in ipairs(tree.flatten(origin.outputs)) do step.slots[index] = slot_of(leaf) end
      else
        step.inputs = {}
        for i, leaf in ipairs(origin.inputs) do
          step.inputs[i] = core.is_symbolic(leaf) and setmetatable({slot = slot_of(leaf)}, slot_metatable) or leaf
        end
      end
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
    for _, leaf in ipairs(needs(origin)) do note(leaf) end
  end
  g.output_template = compile(outputs, slot_of)
  return g
end

--- The calls of each layer inside this graph, in the order they were made.
---@return table<kl.Layer, table[]>
function Graph:calls_by_layer()
  local calls = {}
  for _, layer in ipairs(self.layers) do calls[layer] = {} end
  for _, t in ipairs(self.input_leaves) do
    local origin = core.origin(t)
    if calls[origin.layer] then table.insert(calls[origin.layer], origin) end
  end
  for _, step in ipairs(self.steps) do
    if step.layer then table.insert(calls[step.layer], step.origin) end
  end
  return calls
end

--- The symbolic tensors a node of a graph (an origin) is made from, in their order; and those in structures.
functional.needs, functional.symbols = needs, symbols

--- Names of the inputs: those of their layers.
function Graph:input_names()
  local list = {}
  for i, t in ipairs(self.input_leaves) do
    local origin = core.origin(t)
    list[i] = origin.layer and origin.layer.name or ("input_%d"):format(i)
  end
  return list
end

--- The nodes behind what a table of the graph shows: for each operation its calls here, in the order they were made; where a
--- tensor comes from as operation, node (from 0) and place among that node's outputs (from 0); and a name for each operation,
--- of a bare one that of the op, numbered.
---@return table<table, table[]>, fun(t: kl.Tensor): table, integer, integer, table<table, string>
function Graph:nodes()
  local calls, names, taken = self:calls_by_layer(), {}, {}
  for _, layer in ipairs(self.layers) do names[layer], taken[layer.name] = layer.name, true end
  for _, operation in ipairs(self.operations) do
    if not names[operation] then
      local name, n = operation.op, 0
      while taken[name] do
        n = n + 1
        name = ("%s_%d"):format(operation.op, n)
      end
      names[operation], taken[name], calls[operation] = name, true, {operation}
    end
  end
  local place = {}
  for operation, list in pairs(calls) do
    for i, origin in ipairs(list) do place[origin] = {operation, i - 1} end
  end
  return calls, function(t)
    local origin, index = core.origin(t)
    return place[origin][1], place[origin][2], index
  end, names
end

--- Names of the outputs: those of the layers that made them; a table of outputs has its own.
function Graph:output_names()
  local own = not tree.is_leaf(self.outputs) and tree.names(self.outputs)
  if own then return own end
  local list = {}
  for i, t in ipairs(self.output_leaves) do
    local origin = core.origin(t)
    list[i] = origin.layer and origin.layer.name or origin.op or ("output_%d"):format(i)
  end
  return list
end

local function is_table(value) return not tree.is_leaf(value) end

--- Follows the declared structure; what the given one has besides is ignored.
local function collect(list, declared, given, path)
  if tree.is_leaf(declared) then
    if is_table(given) then
      errors.fail("input '%s': one tensor expected, got a structure %s%s", path, tree.form(given), #given == 2 and
        " (of a data set?  from_tensor_slices(x, y) keeps x and y apart)" or "")
    end
    list[#list + 1] = given
    return
  end
  local wanted, got = tree.names(declared), is_table(given) and tree.names(given) or nil
  if wanted then
    for _, name in ipairs(wanted) do
      local value = got and given[name]
      if value == nil or not got then
        errors.fail("input '%s' is missing: the model takes %s, got %s", name, tree.form(declared), tree.form(given))
      end
      collect(list, declared[name], value, name)
    end
  else
    if got or not is_table(given) or #given ~= #declared then
      errors.fail("the inputs (%s) do not fit: the model takes %s, got %s", path, tree.form(declared), tree.form(given))
    end
    for i, part in ipairs(declared) do collect(list, part, given[i], path) end
  end
end

--- The given data as a list in the order of the inputs: in the structure they were declared in, or a table by input name.
function Graph:arrange(given)
  local declared = self.inputs
  local count = #self.input_leaves
  local names = self:input_names()
  if tree.is_leaf(given) then
    errors.fail("the model has %d inputs (%s), got one tensor", count, table.concat(names, ", "))
  end
  local given_names = tree.names(given)
  local list = {}
  if given_names and not (is_table(declared) and tree.names(declared)) then
    for i, name in ipairs(names) do
      if given[name] == nil then
        errors.fail("input '%s' is missing: the model takes (%s), got (%s)", name, table.concat(names, ", "),
          table.concat(given_names, ", "))
      end
      list[i] = given[name]
    end
    return list
  end
  if not given_names and #given == 1 and count == 1 and tree.is_leaf(given[1]) then return {given[1]} end
  collect(list, declared, given, table.concat(names, ", "))
  return list
end

--- A tensor for input i: a missing last axis of length 1 is added, a superfluous one goes; the dtype is the declared one.
function Graph:adapt(i, t)
  local want = self.input_shapes[i]
  local rank = #want
  local dtype, own_rank = core.traits(t)
  if own_rank == rank - 1 and want[rank] == 1 then
    t, own_rank = core.ops.expand_dims(t, -1), rank
  elseif own_rank == rank + 1 and core.length(t, -1) == 1 then
    t, own_rank = core.ops.squeeze(t, -1), rank
  end
  local fits = own_rank == rank
  for axis = 2, fits and rank or 1 do -- a declared batch size binds nobody, as in Keras
    local have = core.length(t, axis)
    fits = fits and (not want[axis] or not have or have == want[axis])
  end
  if not fits then
    errors.fail("input '%s' of the model has shape %s, got %s", self:input_names()[i], core.shape_text(self.input_leaves[i]),
      core.shape_text(t))
  end
  local declared = self.input_dtypes[i]
  return dtype == declared and t or core.ops.cast(t, declared)
end

--- Runs the graph on data (or on symbolic tensors: the model is then part of a larger graph).
function Graph:run(given, options)
  local values = {}
  local input_slots, steps = self.input_slots, self.steps
  if #input_slots == 1 and tree.is_leaf(given) then
    values[input_slots[1]] = self:adapt(1, given)
  else
    local list = self:arrange(given)
    for i, slot in ipairs(input_slots) do values[slot] = self:adapt(i, list[i]) end
  end
  for n = 1, #steps do
    local step = steps[n]
    if step.layer then
      local call_options = step.options and fill(step.options, values) or nil
      local inputs = step.input_slot and values[step.input_slot] or fill(step.inputs, values)
      local outputs = step.layer(inputs, call_options)
      if #step.slots == 1 and core.kind(outputs) then
        values[step.slots[1]] = outputs
      else
        for i, leaf in ipairs(tree.flatten(outputs)) do values[step.slots[i]] = leaf end
      end
    else
      local inputs = {}
      for i, leaf in ipairs(step.inputs) do
        inputs[i] = getmetatable(leaf) == slot_metatable and values[leaf.slot] or leaf
      end
      local results = core.reapply(step.tensor, inputs)
      for i, slot in pairs(step.slots) do values[slot] = results[i] end
    end
  end
  local _ = options
  local outputs = fill(self.output_template, values)
  if is_table(outputs) and #outputs == 1 then return outputs[1] end -- of a list of one, the one, as in Keras
  return outputs
end

return functional
