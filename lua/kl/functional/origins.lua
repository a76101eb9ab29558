-- Origins: where symbolic tensors come from, and in which order Keras lists what made them.
--
-- A symbolic tensor's origin (core.origin) is a table {layer, inputs, options, outputs, serial} for a call, or {op, inputs,
-- serial} for a bare operation.
local core = require "kl.core"
local errors = require "kl.errors"
local tree = require "kl.tree"

local origins = {}

local function describe(t, origin)
  if origin and origin.layer then return ("the output of layer '%s'"):format(origin.layer.name) end
  if origin then return ("the output of kl.%s"):format(origin.op) end
  return "a tensor of shape " .. core.shape_text(t)
end

--- The symbolic tensors in structures, in their order.
function origins.symbols(...)
  local list = {}
  for _, structure in ipairs{...} do
    for _, leaf in ipairs(tree.flatten(structure)) do
      if core.is_symbolic(leaf) then list[#list + 1] = leaf end
    end
  end
  return list
end

--- The symbolic tensors a node of a graph (an origin) is made from, in their order.
function origins.needs(origin) return origins.symbols(origin.inputs, origin.options or nil) end

--- All origins from which an output comes, in the order of a depth-first walk (a node after those it needs), and at which
--- place each layer or bare operation was met first: Keras orders layers by it.
---@return table[], table<table, integer>
function origins.walk(inputs, outputs)
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
      for _, leaf in ipairs(origins.needs(origin)) do visit(leaf) end
    end
    order[#order + 1] = origin
  end
  for _, t in ipairs(outputs) do visit(t) end
  return order, first_seen
end

--- The layers and bare operations (their origins) as Keras lists them: by depth (distance from the outputs), deepest first,
--- then by first_seen.
function origins.list_operations(order, first_seen, inputs, is_input_origin)
  local depth_of, operation_depth = {}, {}
  for i = #order, 1, -1 do
    local origin = order[i]
    local operation = origin.layer or origin
    local depth = math.max(depth_of[origin] or 0, operation_depth[operation] or 0)
    depth_of[origin], operation_depth[operation] = depth, depth
    if not is_input_origin[origin] then
      for _, leaf in ipairs(origins.needs(origin)) do
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

return origins
