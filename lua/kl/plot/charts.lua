-- The kinds of charts: what each method takes, and the parts it is drawn with.
--
-- A part is what gnuplot draws in one go: `with` (its style), `columns` of one length, `x` and `y` (which columns are such
-- coordinates, for limits and logarithmic axes), and how it looks.  A series is the parts of one call under one label; where they
-- depend on other series of the axes (bars stand beside each other) `parts` is a function of the axes.
local args = require "kl.args"
local errors = require "kl.errors"
local style = require "kl.plot.style"
local values = require "kl.plot.values"

local charts = {}

local common = {{"label"}, {"color"}, {"alpha", 1.0}, {"axis", "left"}}

-- How many arguments there may be before the options; (x, y) where nothing is said.
local most = {hline = 1, vline = 1, fill_between = 3, histogram = 1, text = 3, heatmap = 1, image = 1, images = 1}

--- Declares a chart kind: its method takes `positional` arguments, each list as long as the others, and a table of options.
local function define(name, options, build)
  local list = {}
  for _, entry in ipairs(common) do list[#list + 1] = entry end
  for _, entry in ipairs(options) do list[#list + 1] = entry end
  charts[name] = {name = name, params = args.params(list), build = build, most = most[name] or 2}
end

local function same_length(what, names, lists)
  for i = 2, #lists do
    if #lists[i] ~= #lists[1] then
      errors.fail("%s: '%s' has %d elements and '%s' %d", what, names[1], #lists[1], names[i], #lists[i])
    end
  end
end

local function sequence(n)
  local list = {}
  for i = 1, n do list[i] = i + 0.0 end
  return list
end

-- (y) or (x, y)
local function read_xy(what, given)
  if given.n == 1 then
    local y = values.list(what .. ": 'y'", given[1])
    return sequence(#y), y, true
  end
  if given.n ~= 2 then errors.fail("%s takes y, or x and y, and options; got %d arguments", what, given.n) end
  local x, y = values.list(what .. ": 'x'", given[1]), values.list(what .. ": 'y'", given[2])
  same_length(what, {"x", "y"}, {x, y})
  return x, y
end

local function expect(what, given, names, least)
  if given.n < (least or #names) or given.n > #names then
    errors.fail("%s takes %s, and options; got %d argument%s", what, table.concat(names, ", "), given.n, given.n == 1 and "" or "s")
  end
end

local function nonnegative(what, name, value) return args.check(("%s: '%s'"):format(what, name), value, "number", 0) end

-- Points that a line does not show, because nothing is beside them.
local function isolated(x, y)
  local px, py = {}, {}
  local function drawn(i) return x[i] and x[i] == x[i] and y[i] == y[i] end
  for i = 1, #x do
    if drawn(i) and not drawn(i - 1) and not drawn(i + 1) then px[#px + 1], py[#py + 1] = x[i], y[i] end
  end
  return px, py
end

local function line_series(what, x, y, o, with)
  local dash = style.dash(what, o.style)
  local marker = o.marker and style.marker(what, o.marker)
  local width, size = nonnegative(what, "width", o.width), nonnegative(what, "size", o.size)
  local parts = {}
  if dash and with ~= "lines" then
    parts[1] = {with = with, columns = {x, y}, x = {1}, y = {2}, width = width, dash = dash}
    if marker then parts[2] = {with = "points", columns = {x, y}, x = {1}, y = {2}, marker = marker, size = size} end
  else
    parts[1] = {with = not dash and "points" or marker and "linespoints" or "lines", columns = {x, y}, x = {1}, y = {2},
      width = width, dash = dash or "", marker = marker or not dash and style.marker(what, "o"), size = size}
    local px, py = isolated(x, y)
    if dash and not marker and #px > 0 then
      parts[2] = {with = "points", columns = {px, py}, x = {1}, y = {2}, marker = style.marker(what, "o"), size = size}
    end
  end
  return {parts = parts, is_line = true}
end

local line_options = {{"style", "solid"}, {"width", 1.5}, {"marker"}, {"size", 6.0}}

define("line", line_options, function(what, given, o)
  local x, y = read_xy(what, given)
  return line_series(what, x, y, o, "lines")
end)

define("step", line_options, function(what, given, o)
  local x, y = read_xy(what, given)
  return line_series(what, x, y, o, "steps")
end)

define("scatter", {{"marker", "o"}, {"size", 6.0}, {"colormap", "viridis"}, {"vmin"}, {"vmax"}, {"edgecolor"}}, function(what, given, o)
  local x, y = read_xy(what, given)
  local marker = style.marker(what, o.marker) or style.marker(what, "o")
  local part = {with = "points", columns = {x, y}, x = {1}, y = {2}, marker = marker, size = nonnegative(what, "size", o.size)}
  local series = {parts = {part}}
  if o.edgecolor ~= nil then -- a larger sign below each
    table.insert(series.parts, 1, {with = "points", columns = {x, y}, x = {1}, y = {2}, marker = marker, size = part.size + 1.6,
      color = style.color(what .. ": 'edgecolor'", o.edgecolor), is_outline = true})
    series.key = 2
  end
  local is_color = o.color == nil or type(o.color) == "string" or type(o.color) == "table" and #o.color == 3 and #x ~= 3
  if not is_color then
    local list = values.list(what .. ": 'color'", o.color)
    same_length(what, {"x", "color"}, {x, list})
    part.columns[3] = list
    series.scale = {list = list, colormap = style.colormap(what, o.colormap), low = o.vmin, high = o.vmax, colorbar = true}
    o.color = nil
  end
  return series
end)

local function span(name, axis)
  define(name, {{"style", "solid"}, {"width", 1.2}}, function(what, given, o)
    expect(what, given, {axis})
    local value = values.number(("%s: '%s'"):format(what, axis), given[1])
    local dash = style.dash(what, o.style) or ""
    return {is_line = true, parts = {{with = "lines", span = axis == "y" and "x" or "y", width = nonnegative(what, "width", o.width),
      dash = dash,
      columns = axis == "y" and {{}, {value, value}} or {{value, value}, {}}, x = axis == "x" and {1} or {},
      y = axis == "y" and {2} or {}}}}
  end)
end
span("hline", "y")
span("vline", "x")

define("fill_between", {}, function(what, given, o)
  expect(what, given, {"x", "y1", "y2"})
  local lists = {values.list(what .. ": 'x'", given[1])}
  for i, name in ipairs{"y1", "y2"} do
    local value = given[i + 1]
    if math.type(value) then
      local number = values.number(("%s: '%s'"):format(what, name), value)
      lists[i + 1] = {}
      for k = 1, #lists[1] do lists[i + 1][k] = number end
    else
      lists[i + 1] = values.list(("%s: '%s'"):format(what, name), value)
    end
  end
  same_length(what, {"x", "y1", "y2"}, lists)
  if o.alpha == 1 then o.alpha = 0.3 end
  return {parts = {{with = "filledcurves", columns = lists, x = {1}, y = {2, 3}}}}
end)

-- An error as how far down and how far up it goes: a number, a list, or {lower, upper} of these.
local function read_error(what, name, given, n)
  name = ("%s: '%s'"):format(what, name)
  local function one(value)
    local list = {}
    if math.type(value) then
      for i = 1, n do list[i] = values.number(name, value) end
    else
      list = values.list(name, value)
      if #list ~= n then errors.fail("%s has %d elements for %d points", name, #list, n) end
    end
    for i = 1, n do
      if list[i] < 0 then errors.fail("%s must not be negative, got %s", name, list[i]) end
    end
    return list
  end
  local pair = type(given) == "table" and getmetatable(given) == nil and #given == 2 and not (math.type(given[1]) and n == 2)
  if pair then return one(given[1]), one(given[2]) end
  local list = one(given)
  return list, list
end

local function around(list, lower, upper)
  local low, high = {}, {}
  for i = 1, #list do low[i], high[i] = list[i] - lower[i], list[i] + upper[i] end
  return low, high
end

define("errorbar", {{"yerr"}, {"xerr"}, {"style", "none"}, {"width", 1.2}, {"marker", "o"}, {"size", 6.0}}, function(what, given, o)
  local x, y = read_xy(what, given)
  if o.yerr == nil and o.xerr == nil then errors.fail("%s: 'yerr' or 'xerr' expected", what) end
  local width = nonnegative(what, "width", o.width)
  local marker = style.marker(what, o.marker)
  local parts = {}
  if o.yerr ~= nil then
    local low, high = around(y, read_error(what, "yerr", o.yerr, #x))
    parts[#parts + 1] = {with = "yerrorbars", columns = {x, y, low, high}, x = {1}, y = {2, 3, 4}, width = width, dash = ""}
  end
  if o.xerr ~= nil then
    local low, high = around(x, read_error(what, "xerr", o.xerr, #x))
    parts[#parts + 1] = {with = "xerrorbars", columns = {x, y, low, high}, x = {1, 3, 4}, y = {2}, width = width, dash = ""}
  end
  -- the signs stand on the bars, and in the legend
  if marker or style.dash(what, o.style) then parts[#parts + 1] = line_series(what, x, y, o, "lines").parts[1] end
  return {parts = parts, key = #parts}
end)

define("text", {{"size", 10.0}, {"align", "left"}}, function(what, given, o)
  expect(what, given, {"x", "y", "text"})
  local x, y = values.number(what .. ": 'x'", given[1]), values.number(what .. ": 'y'", given[2])
  args.check(what .. ": 'text'", given[3], "string")
  if o.align ~= "left" and o.align ~= "center" and o.align ~= "right" then
    errors.fail("%s: 'align' must be \"left\", \"center\" or \"right\", got %s", what, errors.show(o.align))
  end
  o.color = o.color or "black"
  return {parts = {}, texts = {{x = x, y = y, text = given[3], size = nonnegative(what, "size", o.size), align = o.align}}}
end)

--- For the kinds in kl.plot.bars and kl.plot.pictures.
charts.helpers = {around = around, define = define, expect = expect, nonnegative = nonnegative, read_error = read_error, read_xy = read_xy,
  same_length = same_length}

return charts
