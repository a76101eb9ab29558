-- kl.plot: figures, drawn by gnuplot.
--
--   local fig = kl.plot.figure{title = "loss", xlabel = "epoch", yscale = "log"}
--   fig:line(train, {label = "training"})
--   fig:line(validation, {label = "validation", style = "dashed"})
--   fig:save("loss.png")                       -- .svg, .pdf, .txt; fig:show() draws it as text in the terminal
--
--   local fig = kl.plot.figure{rows = 1, columns = 2, title = "both"}
--   fig[1]:histogram(weights, {bins = 30})     -- axes count row by row; fig:axes(row, column) too
--   fig:axes(1, 2):configure{title = "confusion", xlabel = "predicted"}:heatmap(matrix, {annotate = true})
--
-- Data are Lua lists, tensors or Variables of any dtype, mixed; what is not finite leaves a gap.
local Figure = require "kl.plot.figure"

local plot = {}

--- A new figure.  Options of the page: rows, columns (of axes), width, height (pixels of the picture), dpi (how many of them make an
--- inch: texts and lines are in points).  Options of the axes, which kl.plot.Axes.configure lists: title, xlabel, yscale, ...; with several
--- axes the title stands over all of them, and the other options are what each begins with.
---@return kl.plot.Figure
function plot.figure(options) return Figure(options) end

plot.Figure = Figure

return plot
