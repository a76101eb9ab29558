-- What summaries and pictures say of a model: its rows in order, each row's output, and what it is connected to.
--
-- A row stands for a layer or, in a functional graph, for a bare operation between layers.  Nothing is built or called here:
-- what is not known yet is nil.
local core = require "kl.core"
local class = require "kl.class"
local functional = require "kl.functional"
local tree = require "kl.tree"

local model_graph = {}

---@class kl.ModelRow
---@field layer? kl.Layer      # nil of a bare operation
---@field operation table      # the layer, or the operation's node
---@field name string
---@field class_name string
---@field outputs? any         # a structure of {shape, dtype}
---@field inputs? any          # the same
---@field from {row: kl.ModelRow, node: integer, index: integer, into: integer}[] # what its calls in the graph take, in order

--- What Keras calls the class of an object: a functional model is a Functional.
function model_graph.class_name(object)
  local cls = class.of(object)
  return cls == require "kl.model" and object._graph and "Functional" or cls.__name
end

--- add -> Add, get_item -> GetItem.
local function camel_case(op) return (("_" .. op):gsub("_(%a)", string.upper):gsub("_", "")) end

local function row_of_layer(layer)
  local inputs, outputs
  if layer._graph then
    inputs, outputs = layer._graph.inputs, layer._graph.outputs
  else
    inputs, outputs = layer:_known_ends()
  end
  return {layer = layer, operation = layer, name = layer.name, class_name = model_graph.class_name(layer), inputs = inputs,
    outputs = outputs, from = {}}
end

--- The rows of a layer's inside, outer level only: of a functional graph its operations, then what is in fields besides.
---@return kl.ModelRow[]
function model_graph.rows(layer)
  local rows, by_operation = {}, {}
  local function add(row)
    by_operation[row.operation] = row
    rows[#rows + 1] = row
  end
  local Sequential = require "kl.sequential"
  if layer._graph and not class.is(layer, Sequential) then
    local calls, place, names = layer._graph:nodes()
    for _, operation in ipairs(layer._graph.operations) do
      if names[operation] and getmetatable(operation) ~= nil then
        add(row_of_layer(operation))
      else
        add{operation = operation, name = names[operation], class_name = camel_case(operation.op), from = {}}
      end
    end
    for _, row in ipairs(rows) do
      for _, origin in ipairs(calls[row.operation]) do
        for i, leaf in ipairs(origin.is_input and {} or functional.needs(origin)) do
          local operation, node, index = place(leaf)
          table.insert(row.from, {row = by_operation[operation], node = node, index = index, into = i})
          if not row.layer then row.inputs = row.inputs or {}; row.inputs[i] = leaf end
          local source = by_operation[operation]
          if source and not source.layer then source.outputs = leaf end
        end
      end
    end
    for _, leaf in ipairs(layer._graph.output_leaves) do
      local source = by_operation[place(leaf)]
      if source and not source.layer then source.outputs = leaf end
    end
  elseif class.is(layer, Sequential) then
    for i, inner in ipairs(layer._stack) do
      add(row_of_layer(inner))
      if i > 1 then rows[i].from[1] = {row = rows[i - 1], node = 0, index = 0, into = 1} end
    end
  end
  local Layer = require "kl.layer"
  for _, inner in ipairs(layer:_children()) do
    if class.is(inner, Layer) and inner ~= layer and not by_operation[inner] and not inner.batch_shape then add(row_of_layer(inner)) end
  end
  return rows
end

--- True if rows follow one another, each made of the one before: nothing is told by saying what they are connected to.
function model_graph.is_chain(rows)
  for i, row in ipairs(rows) do
    if #row.from > 1 or i > 1 and #row.from == 1 and row.from[1].row ~= rows[i - 1] then return false end
    if i > 1 and #row.from == 0 and row.layer and row.layer.batch_shape then return false end
  end
  return true
end

--- A shape as Keras writes it: (None, 8).
function model_graph.shape_text(shape)
  local parts = {}
  for i, n in ipairs(shape) do parts[i] = n and tostring(n) or "None" end
  return "(" .. table.concat(parts, ", ") .. (#parts == 1 and ",)" or ")")
end

--- A structure of {shape, dtype} as text: one as it is, several as a list; "?" where nothing is known.
---@param f fun(leaf: any): string
function model_graph.structure_text(structure, f)
  if structure == nil then return "?" end
  local leaves, parts = tree.flatten(structure), {}
  for i, leaf in ipairs(leaves) do parts[i] = leaf and f(leaf) or "?" end
  if tree.is_leaf(structure) or #parts == 1 then return parts[1] or "?" end
  local names = tree.names(structure)
  if names and #names == #parts then
    for i, name in ipairs(names) do parts[i] = name .. ": " .. parts[i] end
  end
  return "[" .. table.concat(parts, ", ") .. "]"
end

--- How many numbers variables hold, and how many bytes.
---@return integer, integer
function model_graph.count(variables)
  local numbers, bytes = 0, 0
  for _, v in ipairs(variables) do
    local n = core.size(v) or 0
    numbers = numbers + n
    bytes = bytes + n * model_graph.item_size(v.dtype)
  end
  return numbers, bytes
end

--- Bytes of one number: the digits in its type's name are its bits.
function model_graph.item_size(dtype) return dtype == "bool" and 1 or (math.tointeger(dtype:match("%d+")) or 32) // 8 end

return model_graph
