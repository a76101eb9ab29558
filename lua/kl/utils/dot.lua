-- kl.utils.model_to_dot and plot_model: a model as a graph in Graphviz's language (keras-semantics 9.5), and as a picture.
--
-- The text needs no other program.  A box is named by the path of its layer ("block/dense_1"), so that a layer's name is found
-- in the text whatever is shown; every name is quoted, so it is only ever a name.  Pictures are made by Graphviz's `dot` over
-- pipes; a file is written whole or not at all.
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local one_table = require "kl.one_table"
local model_graph = require "kl.utils.model_graph"

local dot = {}

--- A string of the language: quotes and backslashes are escaped, control characters written out.
local function quote(text)
  text = text:gsub("\\", "\\\\"):gsub('"', '\\"'):gsub("%c", function(c) return ("\\\\x%02X"):format(c:byte()) end)
  return '"' .. text .. '"'
end

local entities = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;"}

--- Text inside a label; what is not UTF-8 would not be drawn, so its bytes are written out.
local function escape(text)
  if not utf8.len(text) then text = text:gsub("[\x80-\xFF]", function(c) return ("\\x%02X"):format(c:byte()) end) end
  text = text:gsub('[&<>"]', entities):gsub("%c", function(c) return c == "\n" and "\\n" or ("\\x%02X"):format(c:byte()) end)
  return (text == "" and " " or text)
end

--- Structures with many tensors go on in the next line.
local function lines_of(text)
  local parts, width = {}, 0
  for part, gap in text:gmatch("([^ ]+)( ?)") do
    if width > 0 and width + #part > 48 then
      parts[#parts] = parts[#parts]:gsub(" $", "") .. "<br/>"
      width = 0
    end
    parts[#parts + 1] = escape(part) .. gap
    width = width + #part + 1
  end
  return table.concat(parts)
end

local function activation_name(layer)
  local f = rawget(layer, "activation")
  if f == nil then return nil end
  return require "kl.activations".name_of(f) or class.of(f) and (f.name or class.of(f).__name) or "a function"
end

local function cell(color, text, span) return ('<td bgcolor="%s"%s>%s</td>'):format(color, span or "", text) end
local function font(size, text, color)
  return ('<font point-size="%d"%s>%s</font>'):format(size, color and (' color="%s"'):format(color) or "", text)
end

local function shapes_text(structure)
  return lines_of(model_graph.structure_text(structure, function(leaf) return model_graph.shape_text(leaf.shape) end))
end

--- A box: a table with the class, and below it what was asked for.
local function label(row, o)
  local cells = {}
  if o.show_shapes then
    if not (row.layer and row.layer.batch_shape) then
      cells[1] = cell("white", font(14, "Input shape: <b>" .. shapes_text(row.inputs) .. "</b>"))
    end
    cells[#cells + 1] = cell("white", font(14, "Output shape: <b>" .. shapes_text(row.outputs) .. "</b>"))
  end
  if o.show_dtype then
    cells[#cells + 1] = cell("white", font(14, "Output dtype: <b>" ..
      lines_of(model_graph.structure_text(row.outputs, function(leaf) return leaf.dtype end)) .. "</b>"))
  end
  if o.show_trainable and row.layer and #row.layer.weights > 0 then
    local yes = row.layer.trainable
    cells[#cells + 1] = cell(yes and "forestgreen" or "firebrick", font(14, yes and "<b>Trainable</b>" or "<b>Non-trainable</b>",
      "white"))
  end
  local span = (' colspan="%d"'):format(math.max(1, #cells))
  local title = o.show_layer_names and ("<b>%s</b> (%s)"):format(escape(row.name), escape(row.class_name)) or
    ("<b>%s</b>"):format(escape(row.class_name))
  local lines = {"<tr>" .. cell("black", font(16, title, "white"), span) .. "</tr>"}
  local activation = o.show_layer_activations and row.layer and activation_name(row.layer)
  if activation then
    lines[#lines + 1] = "<tr>" .. cell("white", font(14, "Activation: <b>" .. escape(activation) .. "</b>"), span) .. "</tr>"
  end
  if #cells > 0 then lines[#lines + 1] = "<tr>" .. table.concat(cells) .. "</tr>" end
  return '<<table border="0" cellborder="1" cellspacing="0" cellpadding="8" color="black">' .. table.concat(lines) .. "</table>>"
end

--- A layer whose inside is drawn.
local function opens(row, o)
  local Model = require "kl.model"
  return o.expand_nested and row.layer and class.is(row.layer, Model) and #model_graph.rows(row.layer) > 0
end

-- What is being written.
---@class kl.DotWriter
local Writer = {}
Writer.__index = Writer

function Writer:line(depth, format, ...) table.insert(self.lines, ("  "):rep(depth) .. format:format(...)) end

--- An edge, once.
function Writer:edge(from, to, attributes)
  if not from or not to then return end
  local text = ("%s -> %s%s;"):format(quote(from), quote(to), attributes and " [" .. attributes .. "]" or "")
  if self.edges[text] then return end
  self.edges[text] = true
  table.insert(self.edge_lines, "  " .. text)
end

--- Boxes and frames of a layer's inside.  Returns where edges begin and end: source(i) is the box that makes output i of it,
--- target(i) the one that takes input i.
function Writer:inside(layer, prefix, depth, above)
  local rows = model_graph.rows(layer)
  local ends = {}
  for _, row in ipairs(rows) do
    local path = prefix .. row.name
    if opens(row, self.options) and not above[row.layer] then
      above[row.layer] = true
      self:line(depth, "subgraph %s {", quote("cluster_" .. path))
      self:line(depth + 1, "label=<%s (%s)>; labeljust=l; style=dashed; fontname=Helvetica; margin=16;", escape(row.name),
        escape(row.class_name))
      ends[row] = self:inside(row.layer, path .. "/", depth + 1, above)
      self:line(depth, "}")
      above[row.layer] = nil
    else
      self:line(depth, "%s [label=%s];", quote(path), label(row, self.options))
      ends[row] = {source = function() return path end, target = function() return path end}
    end
  end
  for _, row in ipairs(rows) do
    for _, link in ipairs(row.from) do
      if ends[link.row] then self:edge(ends[link.row].source(link.index), ends[row].target(link.into)) end
    end
  end
  local first, last = ends[rows[1]], ends[rows[#rows]]
  if not layer._graph and not class.is(layer, require "kl.sequential") then
    -- only the code of its call knows what goes where: boxes in the order of the fields, and nothing between them
    for i = 2, #rows do self:edge(ends[rows[i - 1]].source(0), ends[rows[i]].target(1), "style=invis") end
  elseif layer._graph and not class.is(layer, require "kl.sequential") then
    local graph, by_operation = layer._graph, {}
    for _, row in ipairs(rows) do by_operation[row.operation] = row end
    local _, place = graph:nodes()
    local function end_of(leaf)
      local operation, _, index = place(leaf)
      return by_operation[operation], index
    end
    return {
      source = function(i)
        local row, index = end_of(graph.output_leaves[i + 1] or graph.output_leaves[1])
        return row and ends[row].source(index)
      end,
      target = function(i)
        local row = end_of(graph.input_leaves[i] or graph.input_leaves[1])
        return row and ends[row].target(1)
      end,
    }
  end
  return {source = function(i) return last.source(i) end, target = function(i) return first.target(i) end}
end

local params = args.params{"model", {"show_shapes", false}, {"show_dtype", false}, {"show_layer_names", false}, {"rankdir", "TB"},
  {"expand_nested", false}, {"dpi", 200}, {"show_layer_activations", false}, {"show_trainable", false}, {"splines", "ortho"}}
local directions = {"TB", "LR", "BT", "RL"}
local curves = {"ortho", "spline", "line", "polyline", "curved"}

local function check(what, o)
  args.check_kinds(what, params, o)
  local Model = require "kl.model"
  if not class.is(o.model, Model) then errors.fail("%s: a model expected, got %s", what, errors.show(o.model)) end
  args.choice(what .. ": 'rankdir'", o.rankdir, directions)
  args.choice(what .. ": 'splines'", o.splines, curves)
  args.check(what .. ": 'dpi'", o.dpi, "number", 1, 2400)
  if not o.model.built then
    errors.fail("%s: model '%s' is not built, so what it consists of is not known: call it on data, or build it with a shape", what,
      o.model.name)
  end
end

local function text_of(o)
  local w = setmetatable({options = o, lines = {}, edges = {}, edge_lines = {}}, Writer)
  local model = o.model
  w:line(0, "digraph %s {", quote(model.name))
  w:line(1, "graph [rankdir=%s, dpi=%s, splines=%s, nodesep=0.5, ranksep=0.6, pad=0.15, fontname=Helvetica];", o.rankdir, o.dpi, o.splines)
  w:line(1, 'node [shape=plain, fontname=Helvetica];')
  w:line(1, "edge [penwidth=1.5];")
  local rows = model_graph.rows(model)
  if model._graph or class.is(model, require "kl.sequential") then
    w:inside(model, "", 1, {[model] = true})
  else
    local row = {layer = model, operation = model, name = model.name, class_name = model_graph.class_name(model), from = {}}
    row.inputs, row.outputs = model:_known_ends()
    if #rows == 0 then
      w:line(1, "%s [label=%s];", quote(model.name), label(row, o))
    else
      w:line(1, "subgraph cluster_model {")
      w:line(2, "label=<%s (%s)>; labeljust=l; style=dashed; margin=16;", escape(model.name), escape(row.class_name))
      w:inside(model, "", 2, {[model] = true})
      w:line(1, "}")
    end
  end
  table.move(w.edge_lines, 1, #w.edge_lines, #w.lines + 1, w.lines)
  w:line(0, "}")
  return table.concat(w.lines, "\n") .. "\n"
end

--- model_to_dot{model, show_shapes = false, ...} or model_to_dot(model, {...}): the graph as a text in Graphviz's language.
---@param given table|kl.Model
---@param options? table # show_shapes, show_dtype, show_layer_names, expand_nested, show_layer_activations, show_trainable (false),
--- rankdir "TB" ("LR", "BT", "RL"), dpi 200, splines "ortho" ("spline", "line", "polyline", "curved")
---@return string
function dot.model_to_dot(given, options)
  local o = args.read("model_to_dot", params, one_table("model_to_dot", given, options))
  check("model_to_dot", o)
  return text_of(o)
end

local plot_params = args.params{"model", {"to_file", "model.png"}, {"show_shapes", false}, {"show_dtype", false},
  {"show_layer_names", false}, {"rankdir", "TB"}, {"expand_nested", false}, {"dpi", 200}, {"show_layer_activations", false},
  {"show_trainable", false}, {"splines", "ortho"}}
local formats = {png = "png", svg = "svg", pdf = "pdf", dot = "dot", gv = "dot", jpg = "jpg", jpeg = "jpg"}

--- plot_model{model, to_file = "model.png", show_shapes = false, ...}: the same as a file, of the kind its name ends in: .dot (text),
--- or .png, .svg, .pdf, .jpg, which Graphviz's program `dot` draws.
---@param given table|kl.Model
---@param options? table
function dot.plot_model(given, options)
  local o = args.read("plot_model", plot_params, one_table("plot_model", given, options))
  check("plot_model", o)
  args.check("plot_model: 'to_file'", o.to_file, "string")
  local ending = o.to_file:match("%.([^./]+)$")
  local format = ending and formats[ending:lower()]
  if not format then
    errors.fail("plot_model: 'to_file' must end in .png, .svg, .pdf, .jpg or .dot, got '%s'", o.to_file)
  end
  local text = text_of(o)
  if format == "dot" then return core.io.write_file(o.to_file, text) end
  local status, picture, complaint = core.run_program({"dot", "-T" .. format}, text)
  if not status then
    errors.fail("plot_model: there is no program 'dot' to draw '%s' with: install Graphviz (the package graphviz); a name that ends "
      .. "in .dot gets the graph as text, which needs no other program", o.to_file)
  end
  if status ~= 0 or #picture == 0 then
    errors.fail("plot_model: dot ended with status %d: %s", status, (complaint:gsub("%s+$", "")))
  end
  core.io.write_file(o.to_file, picture)
end

return dot
