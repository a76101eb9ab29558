-- Figures as text: charts through gnuplot's terminal of characters, heat maps and images as shades of our own, which that terminal
-- has no good signs for.  Several axes stand below each other, each as wide as the terminal.
local gnuplot = require "kl.plot.gnuplot"
local script = require "kl.plot.script"
local style = require "kl.plot.style"
local ticks = require "kl.plot.ticks"

local terminal = {}

local shades = {" ", ".", ":", "-", "=", "+", "*", "#", "%", "@"}

local function center(text, width)
  local length = utf8.len(text) or #text
  return (" "):rep(math.max(0, (width - length) // 2)) .. text
end

-- The cells of a picture on a canvas of rows and columns of characters; at(x, y), from 0 to 1 each, gives 0 to 1 (or nil) and the
-- colour's red, green and blue.  Characters of `over` (by row * columns + column, from 0) stand on it; `heads` are put before rows.
local function paint(lines, rows, columns, color, at, over, heads)
  for row = 0, rows - 1 do
    local line = {}
    for column = 0, columns - 1 do
      local x = (column + 0.5) / columns
      local sign = over and over[row * columns + column]
      if sign and color then
        local place, r, g, b = at(x, (row + 0.5) / rows)
        line[#line + 1] = place and ("\27[48;2;%d;%d;%dm\27[38;2;%sm%s"):format(r, g, b,
          0.299 * r + 0.587 * g + 0.114 * b > 140 and "0;0;0" or "255;255;255", sign) or "\27[0m" .. sign
      elseif sign then
        line[#line + 1] = sign
      elseif color then -- two cells in a character: the upper half in the foreground
        local _, r, g, b = at(x, (row + 0.25) / rows)
        local _, r2, g2, b2 = at(x, (row + 0.75) / rows)
        local upper = r and ("\27[38;2;%d;%d;%dm"):format(r, g, b) or "\27[39m"
        local lower = r2 and ("\27[48;2;%d;%d;%dm"):format(r2, g2, b2) or "\27[49m"
        line[#line + 1] = upper .. lower .. (r and "▀" or r2 and "\27[49m\27[38;2;" .. ("%d;%d;%dm▄"):format(r2, g2, b2) or " ")
      else
        local value = at(x, (row + 0.5) / rows)
        line[#line + 1] = value and shades[math.min(#shades, math.floor(value * #shades) + 1)] or " "
      end
    end
    line = table.concat(line) .. (color and "\27[0m" or "")
    lines[#lines + 1] = (heads and heads[row] or "  ") .. (color and line or line:gsub("%s+$", ""))
  end
end

-- Characters for a picture of so many columns and rows of square cells: a character is about twice as high as it is wide.
local function canvas(across, down, width, height)
  local columns = math.min(width - 4, math.max(1, math.floor(height * 2 * across / down + 0.5)))
  local rows = math.max(1, math.min(height, math.floor(columns * down / across / 2 + 0.5)))
  return rows, columns
end

-- The characters of a text: at most so many, or nil where that is not the whole of it and it should be whole.
local function characters(text, most, whole)
  local list = {}
  for _, code in utf8.codes((gnuplot.clean(text):gsub("\n", " "))) do
    if #list == most then
      if whole then return nil end
      break
    end
    list[#list + 1] = utf8.char(code)
  end
  return list
end

-- How a cell of a heat map is painted; `row` and `column` from 0.
local function shade(series, row, column)
  local cells, scale = series.cells, series.scale
  local value = cells.list[row * cells.columns + column + 1]
  if value ~= value then return nil end
  local place = math.max(0, math.min(1, (value - scale.low) / (scale.high - scale.low)))
  return place, style.mix(scale.colormap, place)
end

local function say_scale(lines, scale, color)
  lines[#lines + 1] = ("  %s %s .. %s"):format(color and "scale:" or ("scale (%s):"):format(table.concat(shades)),
    ticks.format("%.4g", scale.low), ticks.format("%.4g", scale.high))
end

-- A heat map over coordinates, upwards, with the points of the other series on it, each series under a sign of its own.
local function draw_field(lines, axes, series, width, height, color)
  local cells, place = series.cells, series.cells.place
  local low, high = ticks.format("%.4g", place.y[1]), ticks.format("%.4g", place.y[2])
  local left = 2 + math.max(#low, #high)
  local rows, columns = math.max(2, height - 1), width - left - 2
  local over, heads, signs = {}, {}, {}
  for row = 0, rows - 1 do
    local here = row == 0 and high or row == rows - 1 and low or ""
    heads[row] = (" "):rep(left - 1 - #here) .. here .. " "
  end
  for _, other in ipairs(axes.series) do
    local sign = ("oxvzwn"):sub(#signs % 6 + 1, #signs % 6 + 1)
    for _, part in ipairs(type(other.parts) == "table" and not other.right and other.parts or {}) do
      if part.with == "points" or part.with == "lines" or part.with == "linespoints" then
        for i = 1, part.columns[1] and part.columns[2] and #part.columns[1] or 0 do
          local x = (part.columns[1][i] - place.x[1]) / (place.x[2] - place.x[1])
          local y = (part.columns[2][i] - place.y[1]) / (place.y[2] - place.y[1])
          if x >= 0 and x < 1 and y > 0 and y <= 1 then over[math.floor((1 - y) * rows) * columns + math.floor(x * columns)] = sign end
        end
        if part == other.parts[other.key or 1] then signs[#signs + 1] = ("%s %s"):format(sign, other.label or "") end
      end
    end
  end
  paint(lines, rows, columns, color, function(x, y)
    return shade(series, math.floor((1 - y) * cells.rows), math.floor(x * cells.columns))
  end, over, heads)
  local first, last = ticks.format("%.4g", place.x[1]), ticks.format("%.4g", place.x[2])
  lines[#lines + 1] = (" "):rep(left) .. first .. (" "):rep(math.max(1, columns - #first - #last)) .. last
  if #signs > 0 then lines[#lines + 1] = "  " .. table.concat(signs, "   ") end
  say_scale(lines, series.scale, color)
end

local function draw_cells(lines, axes, series, width, height, color)
  local cells = series.cells
  local xnames, ynames = axes.names.x, axes.names.y
  local left = 2 -- characters before the cells
  for _, name in ipairs(ynames or {}) do left = math.max(left, 2 + #characters(tostring(name), width // 4)) end
  if xnames then height = height - 1 end
  local room = width - left - 2
  local rows, columns = canvas(cells.columns, cells.rows, room + 4, height)
  local over, heads
  if cells.rows <= height and cells.columns * 2 <= room then -- each cell the same size
    local each = math.max(1, math.min(room // cells.columns, math.max(2, 2 * (height // cells.rows))))
    local high = math.max(1, each // 2)
    rows, columns, over, heads = cells.rows * high, cells.columns * each, {}, {}
    for row = 0, rows - 1 do
      local here = row % high == high // 2 and ynames and characters(tostring(ynames[row // high + 1]), left - 2) or {}
      heads[row] = (" "):rep(left - 1 - #here) .. table.concat(here) .. " "
    end
    for _, t in ipairs(series.texts or {}) do
      local list = characters(t.text, each, true) or {}
      local first = (t.y * high + high // 2) * columns + t.x * each + (each - #list) // 2
      for i, sign in ipairs(list) do over[first + i - 1] = sign end
    end
    if xnames then
      local line = {}
      for i, name in ipairs(xnames) do
        local list = characters(tostring(name), each - 1)
        local before = (each - #list) // 2
        line[i] = (" "):rep(before) .. table.concat(list) .. (" "):rep(each - #list - before)
      end
      lines[#lines + 1] = (" "):rep(left) .. table.concat(line):gsub("%s+$", "")
    end
  end
  paint(lines, rows, columns, color, function(x, y)
    return shade(series, math.floor(y * cells.rows), math.floor(x * cells.columns))
  end, over, heads)
  say_scale(lines, series.scale, color)
end

local function draw_images(lines, series, width, height, color)
  local frame = series.frame
  local rows, columns = canvas(frame.columns, frame.rows, width, height)
  paint(lines, rows, columns, color, function(x, y)
    local px, py = x * frame.columns, y * frame.rows
    for _, part in ipairs(series.parts) do
      local i, j = math.floor(px - part.left), math.floor(py - part.top)
      if i >= 0 and j >= 0 and i < part.columns_of and j < part.rows then
        local r, g, b = part.bytes:byte(3 * (j * part.columns_of + i) + 1, 3 * (j * part.columns_of + i) + 3)
        return (0.299 * r + 0.587 * g + 0.114 * b) / 255, r, g, b
      end
    end
  end)
  if series.texts and series.texts[1] then
    local names = {}
    for i, t in ipairs(series.texts) do names[i] = gnuplot.clean(t.text):gsub("\n", " ") end
    local across = frame.across
    for first = 1, #names, across do
      lines[#lines + 1] = "  " .. table.concat(names, " | ", first, math.min(first + across - 1, #names))
    end
  end
end

local function draw_picture(axes, o)
  local lines = {}
  local function say(text)
    if text then
      for line in (gnuplot.clean(text) .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = center(line, o.width) end
    end
  end
  say(axes.options.title)
  for _, series in ipairs(axes.series) do
    if series.cells then (series.cells.place and draw_field or draw_cells)(lines, axes, series, o.width, o.height - 3, o.color) end
    if series.frame then draw_images(lines, series, o.width, o.height - 3, o.color) end
  end
  say(axes.options.xlabel)
  return table.concat(lines, "\n") .. "\n"
end

local function draw_chart(axes, o)
  local s = script.new{plain = true, color = o.color}
  script.say(s, "set terminal dumb noenhanced size %d,%d %s", o.width, o.height, o.color and "ansirgb" or "mono")
  script.add(s, axes, o.width, o.height)
  script.say(s, "unset output")
  local text = gnuplot.run(script.finish(s)):gsub("\f", ""):gsub("[ \t]+\n", "\n"):gsub("^\n+", ""):gsub("%s+$", "")
  return text .. "\n" .. (o.color and "\27[0m" or "")
end

--- The figure's text.  o: width and height in characters (of each axes), color.
function terminal.render(figure, o)
  local pieces = {}
  if figure.title then pieces[1] = center(gnuplot.clean(figure.title), o.width) .. "\n" end
  for i = 1, #figure do
    local axes = figure[i]
    if axes.touched or #figure == 1 then
      pieces[#pieces + 1] = (axes:has("cells") or axes:has("frame")) and draw_picture(axes, o) or draw_chart(axes, o)
    end
  end
  return table.concat(pieces, "\n")
end

return terminal
