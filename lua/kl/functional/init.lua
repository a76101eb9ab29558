-- Functional graphs: what lies between symbolic inputs and outputs.
--
-- A graph is the list of the origins (origins.lua) between its inputs and outputs in the order they were made; running it calls
-- the layers again and applies the operations again.
local core = require "kl.core"
local capture = require "kl.functional.capture"
local origins = require "kl.functional.origins"
local slots = require "kl.functional.slots"
local tree = require "kl.tree"

local fill, slot_metatable = slots.fill, slots.metatable

local functional = {needs = origins.needs, symbols = origins.symbols}

---@class kl.Graph
local Graph = {}
Graph.__index = Graph

require "kl.functional.inputs"(Graph)

--- The graph between two structures of symbolic tensors.
---@return kl.Graph
function functional.capture(inputs, outputs) return setmetatable(capture(inputs, outputs), Graph) end

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

--- Runs the graph on data (or on symbolic tensors: the model is then part of a larger graph).
function Graph:run(given)
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
  local outputs = fill(self.output_template, values)
  if not tree.is_leaf(outputs) and #outputs == 1 then return outputs[1] end -- of a list of one, the one, as in Keras
  return outputs
end

return functional
