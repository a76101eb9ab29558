-- Figures: axes on a page, and the page as a file or as text in the terminal.
local args = require "kl.args"
local Axes = require "kl.plot.axes"
local class = require "kl.class"
local core = require "kl.core"
local errors = require "kl.errors"
local gnuplot = require "kl.plot.gnuplot"
local script = require "kl.plot.script"
local terminal = require "kl.plot.terminal"
local ticks = require "kl.plot.ticks"
local unknown = require "kl.plot.unknown"

---@class kl.plot.Figure: kl.Object
---@field rows integer
---@field columns integer
---@field title string|false # over several axes
local Figure = class.Object:extend("Figure")
unknown.refuse(Figure)

local page = args.params{{"rows", 1}, {"columns", 1}, {"width"}, {"height"}, {"dpi", 100}}

function Figure:init(given)
  local what = "kl.plot.figure"
  local o, options = args.read(what, page, given, Axes.params)
  self.rows, self.columns = args.check(what .. ": 'rows'", o.rows, "integer", 1, 100), args.check(what .. ": 'columns'", o.columns,
    "integer", 1, 100)
  local count = self.rows * self.columns
  self.width = args.check(what .. ": 'width'", o.width or math.min(2400, 160 + 480 * math.min(self.columns,
    4) + (count == 1 and 80 or 0)), "integer", 40, 20000)
  self.height = args.check(what .. ": 'height'", o.height or math.min(3000, count == 1 and 480 or 60 + 340 * self.rows), "integer", 40,
    20000)
  self.dpi = args.check(what .. ": 'dpi'", o.dpi, "number", 10, 2400)
  -- only what was given: each axes has the rest by itself
  for _, p in ipairs(Axes.params) do
    if given == nil or type(given) ~= "table" or given[p.name] == nil then options[p.name] = nil end
  end
  self.title = false
  if count > 1 and options.title ~= nil then
    self.title, options.title = args.check(what .. ": 'title'", options.title, "string"), nil
  end
  for i = 1, count do self[i] = Axes(options) end
end

--- The axes number i, row by row from 1, or those at (row, column).  A last table of options is given to them as by axes:configure{...}.
---@return kl.plot.Axes
function Figure:axes(...)
  local given = table.pack(...)
  local options
  if type(given[given.n]) == "table" then options, given.n = given[given.n], given.n - 1 end
  local i, column = given[1], given[2]
  if given.n == 2 then
    args.check("figure:axes: the row", i, "integer", 1, self.rows)
    args.check("figure:axes: the column", column, "integer", 1, self.columns)
    i = (i - 1) * self.columns + column
  elseif given.n == 1 then
    args.check("figure:axes: the number", i, "integer", 1, self.rows * self.columns)
  else
    errors.fail("figure:axes takes a number, or a row and a column, and options; got %d arguments", given.n)
  end
  return options and self[i]:configure(options) or self[i]
end

local function only(self, method)
  if #self > 1 then
    errors.fail("figure:%s: the figure has %d axes: say which, figure:axes(i):%s(...) or figure[i]:%s(...)", method, #self, method, method)
  end
  return self[1]
end

for _, name in ipairs(Axes.charts) do
  Figure[name] = function(self, ...)
    only(self, name)[name](self[1], ...)
    return self
  end
end

--- axes:configure of the figure's only axes.
function Figure:configure(options)
  only(self, "configure"):configure(options)
  return self
end

-- Rendering

local ends = {
  png = function(bytes) return bytes:sub(1, 8) == "\137PNG\r\n\26\n" and bytes:find("IEND", -12, true) end,
  svg = function(bytes) return bytes:find("</svg>%s*$") end,
  pdf = function(bytes) return bytes:sub(1, 5) == "%PDF-" and bytes:find("%%EOF", -16, true) end,
  sixel = function(bytes) return bytes:sub(1, 2) == "\27P" end,
}

local number = ticks.text

local function terminal_of(format, width, height, dpi, scale)
  local unit = dpi / 96 * scale
  local function round(value) return math.max(1, math.floor(value + 0.5)) end
  local w, h = round(width * scale), round(height * scale)
  if format == "png" then
    return ("pngcairo noenhanced background \"#ffffff\" size %d,%d font \"sans-serif,10\" fontscale %s linewidth %s pointscale %s"):format(
      w, h, number(unit), number(unit), number(unit))
  elseif format == "svg" then
    return ("svg noenhanced background \"#ffffff\" size %d,%d font \"sans-serif,10\" fontscale %s linewidth %s"):format(w, h,
      number(unit * 96 / 72), number(unit))
  elseif format == "pdf" then
    return ("pdfcairo noenhanced background \"#ffffff\" size %sin,%sin font \"sans-serif,10\" fontscale %s linewidth %s "
      .. "pointscale %s"):format(number(width * scale / dpi), number(height * scale / dpi), number(scale), number(scale), number(scale))
  end
  return ("sixelgd noenhanced truecolor background \"#ffffff\" size %d,%d font \"sans-serif,10\" fontscale %s linewidth %s"):format(w, h,
    number(unit), number(unit))
end

local function draw(self, format, o)
  local s = script.new{format = format}
  script.say(s, "set terminal %s", terminal_of(format, o.width, o.height, o.dpi, o.scale))
  local width, height = o.width * 96 / o.dpi, o.height * 96 / o.dpi -- at 96 to an inch
  if #self == 1 then
    script.add(s, self[1], width, height)
  else
    local title = self.title and self.title ~= "" and ("title %s noenhanced %s"):format(script.quote(self.title),
      script.size_font(13)) or ""
    script.say(s, "set multiplot layout %d,%d rowsfirst %s", self.rows, self.columns, title)
    for i = 1, #self do
      if self[i].touched then
        script.add(s, self[i], width / self.columns, (height - (self.title and 30 or 0)) / self.rows)
      else
        script.say(s, "set multiplot next")
      end
    end
    script.say(s, "unset multiplot")
  end
  script.say(s, "unset output")
  local bytes = gnuplot.run(script.finish(s))
  if not ends[format](bytes) then
    errors.fail("kl.plot: gnuplot wrote no whole %s (%d bytes); does it have this format? gnuplot-nox has", format, #bytes)
  end
  if format == "svg" then -- cells are not to be smoothed; "]]>" in a text is no end of anything
    bytes = bytes:gsub("<image x=", "<image style=\"image-rendering:pixelated\" x="):gsub("(<t[^<>]*>[^<]*)", function(piece)
      return (piece:gsub("%]%]>", "]]&gt;"))
    end)
  end
  return bytes
end

local render_params = args.params{{"width"}, {"height"}, {"dpi"}, {"scale", 1.0}, {"color"}}

--- The figure as bytes.  format: "png", "svg", "pdf", "sixel", or "txt".  options: width and height (pixels; of txt characters), dpi,
--- scale (2: twice the pixels, and everything twice as large), color (of txt: with escape sequences).
---@return string
function Figure:render(format, options)
  local known = {png = true, svg = true, pdf = true, sixel = true, txt = true}
  if not known[format] then
    errors.fail("figure:render: a format (png, svg, pdf, sixel or txt) expected, got %s%s", errors.show(format), errors.nearest(format,
      known))
  end
  local o = args.read("figure:render", render_params, options)
  if format == "txt" then
    return terminal.render(self, {width = args.check("figure:render: 'width'", o.width or 80, "integer", 20, 1000),
      height = args.check("figure:render: 'height'", o.height or 24, "integer", 8, 1000), color = o.color})
  end
  return draw(self, format, {
    width = args.check("figure:render: 'width'", o.width or self.width, "integer", 40, 20000),
    height = args.check("figure:render: 'height'", o.height or self.height, "integer", 40, 20000),
    dpi = args.check("figure:render: 'dpi'", o.dpi or self.dpi, "number", 10, 2400),
    scale = args.check("figure:render: 'scale'", o.scale, "number", 0.1, 20),
  })
end

--- Writes the figure to a file, whose extension says how: .png, .svg, .pdf or .txt.  The file is replaced as a whole or not at all.
--- options: as render.
function Figure:save(path, options)
  args.check("figure:save: the path", path, "string")
  local extension = path:match("%.([%w]+)$")
  local format = extension and extension:lower()
  if format ~= "png" and format ~= "svg" and format ~= "pdf" and format ~= "txt" then
    errors.fail("figure:save: a path that ends in .png, .svg, .pdf or .txt expected, got %s", errors.show(path))
  end
  core.io.write_file(path, self:render(format, options))
  return self
end

local show_params = args.params{{"width"}, {"height"}, {"color"}, {"sixel"}}

--- Shows the figure in the terminal: as text that fits it, or, with sixel = true (or KL_SIXEL=1 in the environment), as a picture, for
--- terminals that have such.  options: width, height (characters; pixels of a picture), color.
function Figure:show(options)
  local o = args.read("figure:show", show_params, options)
  local is_terminal = core.is_terminal()
  if o.sixel == nil then o.sixel = is_terminal and os.getenv("KL_SIXEL") == "1" end
  if o.sixel then
    io.write(self:render("sixel", {width = o.width, height = o.height}), "\n")
  else
    local columns, rows = core.terminal_size()
    if o.color == nil then o.color = is_terminal and not os.getenv("NO_COLOR") and os.getenv("TERM") ~= "dumb" end
    io.write(self:render("txt", {width = o.width or math.max(20, math.min(columns or 80, 160)),
      height = o.height or math.max(8, math.min((rows or 25) - 1, 40)), color = o.color}))
  end
  io.flush()
  return self
end

function Figure:__tostring()
  local count = 0
  for i = 1, #self do count = count + #self[i].series end
  local title = self.title or self[1].options.title
  return ("<Figure%s: %d axes, %d series, %d x %d pixels; :show() or :save(path) draws it>"):format(
    title and (" %q"):format(title) or "", #self, count, self.width, self.height)
end

return Figure
