-- How large a legend is, and where it hides least: the first of matplotlib's places with the fewest points of the data under it.
local gnuplot = require "kl.plot.gnuplot"

local legend = {}

-- How wide the signs of common sans-serif fonts are, in hundredths of their size; others are taken for 64.
local widths = {}
for width, signs in pairs{[28] = "ijlIJ'", [33] = " ,./:;|\\", [37] = "!()-[]ft", [46] = "\"*_`r", [54] = "?csz", [59] = "FLPTYkvxy",
  [68] = "ABCEKRSVXZ", [76] = "&DGHNOQU", [83] = "#+<=>^~Mw", [97] = "%@Wm"} do
  for sign in signs:gmatch(".") do widths[sign] = width end
end

-- The width of a line of text, in sizes of its font.
local function width_of(line)
  local sum = 0
  for _, code in utf8.codes(line) do sum = sum + (widths[utf8.char(code)] or 64) end
  return sum / 100
end

--- The longest label's width, in sizes of the font, and how many signs gnuplot takes it for; the number of lines.
---@return number, integer, integer
function legend.measure(series)
  local widest, longest, lines = 0, 0, 0
  for _, one in ipairs(series) do
    if one.label then
      local label = gnuplot.clean(one.label)
      longest = math.max(longest, utf8.len(label) or #label)
      for line in (label .. "\n"):gmatch("(.-)\n") do widest, lines = math.max(widest, width_of(line)), lines + 1 end
    end
  end
  return widest, longest, lines
end

local places = {
  {"right top", 1, 1}, {"left top", 0, 1}, {"left bottom", 0, 0}, {"right bottom", 1, 0}, {"left center", 0, 0.5},
  {"right center", 1, 0.5}, {"center bottom", 0.5, 0}, {"center top", 0.5, 1}, {"center center", 0.5, 0.5},
}

local function placer(axis)
  if axis.scale == "log" then
    local low, high = math.log(axis.low), math.log(axis.high)
    return function(value) return value > 0 and (math.log(value) - low) / (high - low) or 0 / 0 end
  end
  return function(value) return (value - axis.low) / (axis.high - axis.low) end
end

-- Calls visit(x, y) for places, from 0 to 1 each, that a part covers, and cover(x1, x2, y1, y2) for its rectangles.
local function walk(part, to_x, to_y, visit, cover)
  local c = part.columns
  local n = #c[1]
  local stride = math.max(1, n // 2000)
  if part.with == "boxxyerror" then
    for i = 1, n, stride do
      cover(to_x(c[3][i]), to_x(c[4][i]), to_y(c[5][i]), to_y(c[6][i]))
    end
  elseif part.with == "yerrorbars" or part.with == "xerrorbars" then
    local upright = part.with == "yerrorbars"
    for i = 1, n, stride do
      for t = 0, 8 do
        local at = c[3][i] + (c[4][i] - c[3][i]) * t / 8
        visit(to_x(upright and c[1][i] or at), to_y(upright and at or c[2][i]))
      end
    end
  elseif part.with == "filledcurves" then
    for i = 1, n, stride do
      for t = 0, 8 do visit(to_x(c[1][i]), to_y(c[2][i] + (c[3][i] - c[2][i]) * t / 8)) end
    end
  elseif c[1] and c[2] then
    local joined = part.with ~= "points"
    local px, py
    for i = 1, n, stride do
      local x, y = to_x(c[1][i]), to_y(c[2][i])
      visit(x, y)
      if joined and px then
        local steps = math.min(40, math.ceil(40 * math.max(math.abs(x - px), math.abs(y - py))))
        for s = 1, steps - 1 do visit(px + (x - px) * s / steps, py + (y - py) * s / steps) end
      end
      px, py = x, y
      if px ~= px or py ~= py then px = nil end
    end
  end
end

--- Gnuplot's words for the place.
---@param all table # of Axes:parts
---@param axes_of table # x, y, y2 of Axes:axis
---@param width number # of the legend, as a share of the axes' width; and `height`
function legend.best(all, axes_of, width, height)
  local counts, boxes = {}, {}
  for i, place in ipairs(places) do
    counts[i] = 0
    local left, bottom = place[2] * (1 - width), place[3] * (1 - height)
    boxes[i] = {left, left + width, bottom, bottom + height}
  end
  -- A rectangle counts for the share of the legend that it hides, and for being there at all.
  local function cover(x1, x2, y1, y2)
    if x1 ~= x1 then x1 = 0 end -- bars stand on the lower end of a logarithmic axis
    if y1 ~= y1 then y1 = 0 end
    x1, x2, y1, y2 = math.min(x1, x2), math.max(x1, x2), math.min(y1, y2), math.max(y1, y2)
    for i, box in ipairs(boxes) do
      local across, down = math.min(x2, box[2]) - math.max(x1, box[1]), math.min(y2, box[4]) - math.max(y1, box[3])
      if across > 0 and down > 0 then counts[i] = counts[i] + 1 + 40 * across * down / (width * height) end
    end
  end
  local to_x = placer(axes_of.x)
  for _, entry in ipairs(all) do
    if entry.part.columns and not entry.part.span then
      walk(entry.part, to_x, placer(entry.series.right and axes_of.y2 or axes_of.y), function(x, y)
        for i, box in ipairs(boxes) do
          if x >= box[1] and x <= box[2] and y >= box[3] and y <= box[4] then counts[i] = counts[i] + 1 end
        end
      end, cover)
    elseif entry.part.span == "x" then
      local y = placer(entry.series.right and axes_of.y2 or axes_of.y)(entry.part.columns[2][1])
      for i, box in ipairs(boxes) do counts[i] = counts[i] + (y >= box[3] and y <= box[4] and 20 or 0) end
    elseif entry.part.span == "y" then
      local x = to_x(entry.part.columns[1][1])
      for i, box in ipairs(boxes) do counts[i] = counts[i] + (x >= box[1] and x <= box[2] and 20 or 0) end
    end
  end
  local best = 1
  for i = 2, #places do
    if counts[i] < counts[best] then best = i end
  end
  return places[best][1]
end

return legend
