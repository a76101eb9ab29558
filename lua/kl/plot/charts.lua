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

define("scatter", {{"marker", "o"}, {"size", 6.0}, {"colormap", "viridis"}, {"vmin"}, {"vmax"}}, function(what, given, o)
  local x, y = read_xy(what, given)
  local marker = style.marker(what, o.marker) or style.marker(what, "o")
  local part = {with = "points", columns = {x, y}, x = {1}, y = {2}, marker = marker, size = nonnegative(what, "size", o.size)}
  local series = {parts = {part}}
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

-- Bars

local function is_strings(list)
  return type(list) == "table" and getmetatable(list) == nil and type(list[1]) == "string"
end

-- Positions of named bars: names get the places 1, 2, ... in the order they first come.
local function read_categories(what, axes, direction, names)
  local known = axes.categories[direction] or {}
  axes.categories[direction] = known
  local place = {}
  for i = 1, #names do
    local name = names[i]
    if type(name) ~= "string" then errors.fail("%s: 'x': strings expected, element %d is %s", what, i, errors.show(name)) end
    if not known[name] then
      known[#known + 1] = name
      known[name] = #known
    end
    place[i] = known[name] + 0.0
  end
  return place
end

-- Rectangles around (x, y), in `direction` y lying.
local function boxes(direction, at, half, from, to)
  local low, high = {}, {}
  for i = 1, #at do low[i], high[i] = at[i] - half, at[i] + half end
  if direction == "x" then return {at, to, low, high, from, to} end
  return {to, at, from, to, low, high}
end

-- Side by side at each place: as many columns as there are calls without `stacked`; a stacked one goes on the one before it.
local function bar_parts(series, axes)
  local columns, column, tops = 0, 0, nil
  for _, other in ipairs(axes.series) do
    if other.bar == series.bar and not other.stacked then columns = columns + 1 end
  end
  columns = math.max(columns, 1)
  for _, other in ipairs(axes.series) do
    if other.bar == series.bar then
      if not other.stacked or not tops then
        column, tops = column + 1, {}
      end
      local at, from, to = {}, {}, {}
      local half = other.bar_width / columns / 2
      for i, place in ipairs(other.places) do
        at[i] = place + (2 * column - 1 - columns) * half
        local height = other.heights[i]
        local side = height < 0 and -1 or 1
        from[i] = other.bottoms and other.bottoms[i] or other.stacked and tops[place * side] or 0.0
        to[i] = from[i] + height
        if height == height then tops[place * side] = to[i] end
      end
      if other == series then
        local parts = {{with = "boxxyerror", columns = boxes(series.bar, at, half, from, to), x = {1, 3, 4}, y = {2, 5, 6},
          alpha = other.alpha}}
        if other.low then
          local low, high = around(to, other.low, other.high)
          parts[2] = {with = series.bar == "x" and "yerrorbars" or "xerrorbars", color = "#333333", width = 1.2, dash = "",
            columns = series.bar == "x" and {at, to, low, high} or {to, at, low, high}, x = series.bar == "x" and {1} or {1, 3, 4},
            y = series.bar == "x" and {2, 3, 4} or {2}}
        end
        return parts
      end
    end
  end
end

local function bar(name, direction)
  define(name, {{"width", 0.8}, {"bottom"}, {"stacked", false}, {"yerr"}}, function(what, given, o, axes)
    local places, heights
    if given.n == 2 and is_strings(given[1]) then
      places, heights = read_categories(what, axes, direction, given[1]), values.list(what .. ": the heights", given[2])
      same_length(what, {"x", "heights"}, {places, heights})
    else
      places, heights = read_xy(what, given)
    end
    local gap = math.huge
    local sorted = table.move(places, 1, #places, 1, {})
    table.sort(sorted, function(a, b) return a < b end)
    for i = 2, #sorted do
      if sorted[i] > sorted[i - 1] then gap = math.min(gap, sorted[i] - sorted[i - 1]) end
    end
    local series = {bar = direction, places = places, heights = heights, stacked = o.stacked, parts = bar_parts,
      base = direction == "x" and "y" or "x",
      bar_width = nonnegative(what, "width", o.width) * (gap < math.huge and gap or 1)}
    if o.bottom ~= nil then
      series.bottoms = {}
      local list = not math.type(o.bottom) and values.list(what .. ": 'bottom'", o.bottom)
      if list then same_length(what, {"heights", "bottom"}, {heights, list}) end
      for i = 1, #places do series.bottoms[i] = list and list[i] or values.number(what .. ": 'bottom'", o.bottom) end
    end
    if o.yerr ~= nil then series.low, series.high = read_error(what, "yerr", o.yerr, #places) end
    return series
  end)
end
bar("bar", "x")
bar("barh", "y")

local function is_increasing(list)
  for i = 2, #list do
    local rises = list[i] > list[i - 1] -- not so with a NaN
    if not rises then return false end
  end
  return true
end

local function bin_edges(what, list, o)
  if type(o.bins) == "table" or type(o.bins) == "userdata" then
    local edges = values.list(what .. ": 'bins'", o.bins)
    if #edges < 2 then errors.fail("%s: 'bins': at least two edges expected, got %d", what, #edges) end
    if not is_increasing(edges) then errors.fail("%s: 'bins': edges in increasing order expected", what) end
    return edges
  end
  args.check(what .. ": 'bins'", o.bins, "integer", 1, 100000)
  local low, high = math.huge, -math.huge
  if o.range ~= nil then
    local range = values.list(what .. ": 'range'", o.range)
    if #range ~= 2 or not is_increasing(range) then errors.fail("%s: 'range' must be {lowest, highest}", what) end
    low, high = range[1], range[2]
  else
    for _, value in ipairs(list) do
      if value < low then low = value end
      if value > high then high = value end
    end
    if low > high then low, high = 0, 1 end
    local room = math.max(0.5, math.abs(low) * 0.05)
    if high - low <= math.abs(low) * 1e-12 then low, high = low - room, high + room end
  end
  local edges = {}
  for i = 0, o.bins do edges[i + 1] = low + (high - low) * (i / o.bins) end
  edges[o.bins + 1] = high
  return edges
end

-- The bin of a value: the last edge belongs to the last bin.
local function find_bin(edges, value)
  local a, b = 1, #edges
  if value < edges[1] or value > edges[b] or value ~= value then return nil end
  while b - a > 1 do
    local middle = (a + b) // 2
    if value < edges[middle] then b = middle else a = middle end
  end
  return a
end

define("histogram", {{"bins", 10}, {"range"}, {"density", false}, {"weights"}, {"cumulative", false}}, function(what, given, o)
  expect(what, given, {"values"})
  local list = values.list(what .. ": 'values'", given[1])
  local weights = o.weights ~= nil and values.list(what .. ": 'weights'", o.weights)
  if weights then same_length(what, {"values", "weights"}, {list, weights}) end
  local edges = bin_edges(what, list, o)
  local counts, total = {}, 0
  for i = 1, #edges - 1 do counts[i] = 0.0 end
  for i, value in ipairs(list) do
    local at, weight = find_bin(edges, value), weights and weights[i] or 1.0
    if at and weight == weight then counts[at], total = counts[at] + weight, total + weight end
  end
  local sum = 0
  for i = 1, #counts do
    sum = sum + counts[i]
    if o.cumulative then
      counts[i] = o.density and total ~= 0 and sum / total or sum
    elseif o.density and total ~= 0 then
      counts[i] = counts[i] / total / (edges[i + 1] - edges[i])
    end
  end
  local middle, low, high, base = {}, {}, {}, {}
  for i = 1, #counts do
    middle[i], low[i], high[i], base[i] = (edges[i] + edges[i + 1]) / 2, edges[i], edges[i + 1], 0.0
  end
  return {base = "y", counts = counts, edges = edges, parts = {{with = "boxxyerror", columns = {middle, counts, low, high, base,
    counts}, edge = true, x = {3, 4}, y = {5, 6}}}}
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

--- For the kinds in kl.plot.pictures.
charts.helpers = {expect = expect, define = define}

return charts
