-- Model:summary: a model as a table of its layers (keras-semantics 9.4), in Keras's layout.
--
-- It looks at a model and changes nothing: a model that is not built is shown as far as it is known.  Nothing is cut: cells
-- wrap, and a line that was asked for longer than the terminal is written in full.
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local model_graph = require "kl.utils.model_graph"
local text_table = require "kl.utils.text_table"

local model_summary = {}

local params = args.params{{"line_length"}, {"positions"}, {"print_fn"}, {"expand_nested", false}, {"show_trainable", false},
  {"layer_range"}}

local LEAST = 5 -- columns between two rules

--- 12345 -> 12,345.
local function with_commas(n)
  local text = tostring(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (text:gsub("^,", ""))
end

local function size_text(bytes)
  local size, units, i = bytes, {"B", "KB", "MB", "GB", "TB"}, 1
  while size >= 1024 and i < #units do
    size, i = size / 1024, i + 1
  end
  return ("%.2f %s"):format(size, units[i])
end

--- True if calling the layer will make weights, as far as one can tell.
local function awaits_building(layer)
  local Layer = require "kl.layer"
  if layer.built or class.of(layer).builds_weights == false then return false end
  return class.of(layer).build ~= Layer.build or #layer:_children() > 0
end

local function parameters(row)
  if not row.layer then return "0" end
  if awaits_building(row.layer) then
    local n = model_graph.count(row.layer.weights)
    return with_commas(n) .. " (unbuilt)"
  end
  return with_commas((model_graph.count(row.layer.weights)))
end

local function connections(row)
  if #row.from == 0 then return "-" end
  local parts = {}
  for i, link in ipairs(row.from) do parts[i] = ("%s[%d][%d]"):format(link.row.name, link.node, link.index) end
  return table.concat(parts, ", ")
end

local function trainable(row)
  if not row.layer or #row.layer.weights == 0 then return "-" end
  return row.layer.trainable and "Y" or "N"
end

--- The widths between rules of columns that end at those places; each rule takes one column, taken from the widths evenly.
local function widths_of(ends, least_last)
  local widths, total = {}, 0
  for i, p in ipairs(ends) do
    widths[i] = p - total
    total = p
  end
  local left, count = #widths + 1, #widths
  for i, width in ipairs(widths) do
    local share = left / count
    local taken = math.floor(share + 0.5)
    if share % 1 == 0.5 then taken = math.floor(share) + math.floor(share) % 2 end -- to the even one
    widths[i] = width - taken
    left, count = left - taken, count - 1
  end
  local last = widths[#widths]
  if least_last and last < least_last then
    widths[1], widths[#widths] = widths[1] - (least_last - last), least_last
  end
  for i, width in ipairs(widths) do widths[i] = math.max(width, LEAST) end
  return widths
end

local function check_positions(positions, count)
  if type(positions) ~= "table" or #positions < count then
    errors.fail("summary: 'positions' must be a list of %d numbers, the ends of the columns, got %s", count,
      type(positions) == "table" and #positions or errors.show(positions))
  end
  for i = 1, count do
    local p = positions[i]
    if math.type(p) == nil or p <= (positions[i - 1] or 0) then
      errors.fail("summary: 'positions' must be numbers that grow, got %s as number %d", errors.show(p), i)
    end
  end
end

--- The columns of the table.
local function layout(o, graph)
  local columns = {{title = "Layer (type)"}, {title = "Output Shape"}, {title = "Param #", align = "right"}}
  local line_length, positions = 88, {0.45, 0.80, 1.0}
  if graph then
    table.insert(columns, {title = "Connected to"})
    line_length, positions = 108, {0.30, 0.56, 0.74, 1.0}
  end
  if o.show_trainable then
    table.insert(columns, {title = "Trainable", align = "center"})
    line_length = line_length + 12
    for i, p in ipairs(positions) do positions[i] = p * 0.9 end
    table.insert(positions, 1.0)
  end
  if o.line_length ~= nil then
    line_length = args.check("summary: 'line_length'", o.line_length, "integer", 20)
  else
    local terminal = core.terminal_size()
    if terminal and terminal - 4 < line_length then line_length = math.max(20, terminal - 4) end
  end
  if o.positions ~= nil then
    check_positions(o.positions, #columns)
    positions = {table.unpack(o.positions, 1, #columns)}
  end
  local ends = {}
  for i, p in ipairs(positions) do ends[i] = positions[#positions] <= 1 and math.floor(p * line_length + 1e-9) or math.floor(p) end
  for i, width in ipairs(widths_of(ends, o.show_trainable and o.positions == nil and line_length >= 60 and 11)) do
    columns[i].width = width
  end
  return columns
end

--- The rows between two layers, both in: each is a layer's name, or a Lua pattern that names begin with.
local function cut(model, rows, range)
  if type(range) ~= "table" or #range ~= 2 or type(range[1]) ~= "string" or type(range[2]) ~= "string" then
    errors.fail("summary: 'layer_range' must be a list of two layer names, got %s", errors.show(range))
  end
  local function find(wanted)
    local found, known = {}, {}
    for i, row in ipairs(rows) do
      known[i] = row.name
      if row.name == wanted then return {i} end
      local ok, at = pcall(string.find, row.name, "^" .. wanted)
      if ok and at then found[#found + 1] = i end
    end
    if #found == 0 then
      errors.fail("summary: layer_range: model '%s' has no layer '%s'%s", model.name, wanted, errors.nearest(wanted, known))
    end
    return found
  end
  local from, to = find(range[1]), find(range[2])
  local first, last = math.min(from[1], to[1]), math.max(from[#from], to[#to])
  return {table.unpack(rows, first, last)}
end

--- The cells of rows, with those inside of them if asked for.  `above` holds the layers around: one in itself is not gone into.
local function fill(cells, rows, o, graph, depth, above)
  for _, row in ipairs(rows) do
    local prefix = depth > 0 and ("   "):rep(depth) .. "└ " or ""
    local line = {("%s%s (%s)"):format(prefix, row.name, row.class_name),
      model_graph.structure_text(row.outputs, function(leaf) return model_graph.shape_text(leaf.shape) end), parameters(row)}
    if graph then line[#line + 1] = connections(row) end
    if o.show_trainable then line[#line + 1] = trainable(row) end
    cells[#cells + 1] = line
    if o.expand_nested and row.layer and not above[row.layer] then
      above[row.layer] = true
      local inner = model_graph.rows(row.layer)
      local stacked = class.is(row.layer, require "kl.sequential")
      for _, inside in ipairs(inner) do
        if stacked then inside.from = {} end -- a stack: nothing is told by saying what is before
      end
      fill(cells, inner, o, graph, depth + 1, above)
      above[row.layer] = nil
    end
  end
end

local function total(name, numbers, bytes) return (" %s: %s (%s)"):format(name, with_commas(numbers), size_text(bytes)) end

--- The summary of a model as one text.
---@param model kl.Model
---@param o table # of summary's options
---@return string
function model_summary.text(model, o)
  local rows = model_graph.rows(model)
  local graph = model._graph and not class.is(model, require "kl.sequential") and not model_graph.is_chain(rows)
  if o.layer_range ~= nil then rows = cut(model, rows, o.layer_range) end
  local cells = {}
  fill(cells, rows, o, graph, 0, {[model] = true})
  local trained, trained_bytes = model_graph.count(model.trainable_weights)
  local others, other_bytes = model_graph.count(model.non_trainable_weights)
  local optimizer = model.optimizer and model.optimizer.built and model.optimizer.variables or {}
  local slots, slot_bytes = model_graph.count(optimizer)
  local lines = {('Model: "%s"'):format(model.name), text_table.draw(layout(o, graph), cells),
    total("Total params", trained + others + slots, trained_bytes + other_bytes + slot_bytes),
    total("Trainable params", trained, trained_bytes), total("Non-trainable params", others, other_bytes)}
  if slots > 0 then lines[#lines + 1] = total("Optimizer params", slots, slot_bytes) end
  return table.concat(lines, "\n")
end

--- Prints it, or gives it to print_fn as one string without a newline at its end.
function model_summary.show(model, given)
  local o = args.read("summary", params, given)
  args.check_kinds("summary", params, o)
  local text = model_summary.text(model, o)
  if o.print_fn == nil then
    io.write(text, "\n")
    return
  end
  args.check("summary: 'print_fn'", o.print_fn, "function")
  o.print_fn(text)
end

return model_summary
