-- What the specs of figures share.
local program = require "program"

local support = {}

--- One small figure of every kind of chart: each is given a figure or axes, and options for the chart.
support.calls = {
  line = function(f, o) f:line({1, 2, 0 / 0, 4, 5}, o) end,
  step = function(f, o) f:step({1, 2, 3}, o) end,
  scatter = function(f, o) f:scatter({1, 2, 3, 4}, {3, 2, 1, 0 / 0}, o) end,
  hline = function(f, o) f:hline(2, o) end,
  vline = function(f, o) f:vline(2, o) end,
  fill_between = function(f, o) f:fill_between({1, 2, 3}, 0, {2, 3, 2}, o) end,
  errorbar = function(f, o)
    o.yerr = o.yerr or 0.5
    f:errorbar({1, 2, 3}, {3, 4, 5}, o)
  end,
  bar = function(f, o) f:bar({"a", "b"}, {1, 2}, o) end,
  barh = function(f, o) f:barh({1, -2, 3}, o) end,
  histogram = function(f, o) f:histogram({1, 2, 2, 3}, o) end,
  text = function(f, o) f:text(1, 1, "note", o) end,
  heatmap = function(f, o) f:heatmap({{1, 2, 3}, {3, 4, 0 / 0}}, o) end,
  image = function(f, o) f:image({{0, 0.5, 1}, {1, 0.5, 0}}, o) end,
  images = function(f, o) f:images({{{0, 1}, {1, 0}}, {{1, 1}, {0, 0}}, {{0, 0}, {0, 1}}}, o) end,
}

--- What is in an SVG file of the n-th part that is drawn.
function support.part(svg, n)
  local first, stop = svg:find(('<g id="gnuplot_plot_%da?" >'):format(n)) -- of several axes, in the first
  assert(first, "no such part")
  local after = svg:find('<g id="gnuplot_plot_', stop, true) or svg:find("\n\t</g>\n<g", first, true)
  return svg:sub(first, after)
end

--- "width x height" of a PNG file.
function support.size(png) return ("%d x %d"):format((">I4I4"):unpack(png, 17)) end

--- How often a pattern is in a text.
function support.count(text, pattern) return select(2, text:gsub(pattern, "")) end

--- A new folder; whoever asks removes it.
function support.folder()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkdir " .. path))
  return path
end

function support.write(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  file:write(bytes)
end

function support.exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

--- The error of a call, which must fail, has these words.
function support.fails(f, words)
  local ok, message = pcall(f)
  assert(not ok, "no error")
  if not tostring(message):find(words, 1, true) then error(("%q is not in %q"):format(words, tostring(message))) end
end

--- What an XML reader says of SVG files: "" if all are whole; nil where there is no reader.
function support.xml_errors(svgs)
  if select(2, program.shell("python3 -c 'import xml.dom.minidom'")) ~= 0 then return nil end
  local folder = support.folder()
  for i, svg in ipairs(svgs) do support.write(("%s/%d.svg"):format(folder, i), svg) end
  local script = "import sys, xml.dom.minidom\nfor p in sys.argv[1:]: xml.dom.minidom.parse(p)"
  local output = program.shell(("python3 -c '%s' %s/*.svg"):format(script, folder))
  os.execute("rm -r " .. folder)
  return output
end

return support
