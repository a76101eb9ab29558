-- Charts of rectangles: bars, upright or lying, beside each other or stacked, and histograms.
local args = require "kl.args"
local charts = require "kl.plot.charts"
local errors = require "kl.errors"
local values = require "kl.plot.values"

local around, define, expect, nonnegative = charts.helpers.around, charts.helpers.define, charts.helpers.expect, charts.helpers.nonnegative
local read_error, read_xy, same_length = charts.helpers.read_error, charts.helpers.read_xy, charts.helpers.same_length

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

return charts
