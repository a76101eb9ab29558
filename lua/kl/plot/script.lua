-- A figure as a script for gnuplot and the binary data it names.
--
-- The units: widths of lines, signs and texts are in points, as matplotlib's are; the terminal is told how many pixels a point is.
local errors = require "kl.errors"
local gnuplot = require "kl.plot.gnuplot"
local legend = require "kl.plot.legend"
local style = require "kl.plot.style"
local ticks = require "kl.plot.ticks"

local script = {}

local quote, text = gnuplot.quote, ticks.text
local PIXEL = 96 / 72 -- of a point, at the 96 to an inch that gnuplot's terminals take for granted

--- Lines of a script and the data behind it.
function script.new(options)
  return {lines = {"set encoding utf8"}, chunks = {}, size = 0, plain = options.plain, color = options.color, format = options.format}
end

local function say(s, format, ...)
  s.lines[#s.lines + 1] = select("#", ...) > 0 and format:format(...) or format
end

-- Puts bytes into the data; where they begin.
local function store(s, bytes)
  s.chunks[#s.chunks + 1] = bytes
  s.size = s.size + #bytes
  return s.size - #bytes
end

local function rgb(color, alpha)
  if alpha and alpha < 1 then return ("rgb \"#%02x%s\""):format(style.byte(1 - alpha), color:sub(2)) end
  return ("rgb %q"):format(color)
end

local function size_font(points) return ("font \",%s\""):format(text(points)) end

-- Axes

local function write_ticks(s, name, axis)
  local list = {}
  for i, tick in ipairs(axis.ticks) do
    list[i] = tick[2] and ("%s %s"):format(gnuplot.quote_format(tick[2]), text(tick[1])) or ("\"\" %s 1"):format(text(tick[1]))
  end
  if #list == 0 then return say(s, "unset %stics", name) end
  say(s, "set %stics nomirror out scale 0.6,0.35%s (%s)", name, s.plain and "" or " textcolor rgb \"#222222\" " .. size_font(9.5),
    table.concat(list, ", "))
end

local function write_axis(s, name, axis, reverse)
  say(s, "set %srange [%s:%s] noextend", name, text(reverse and axis.high or axis.low), text(reverse and axis.low or axis.high))
  if axis.scale == "log" then say(s, "set logscale %s 10", name) end
  write_ticks(s, name, axis)
end

local function write_label(s, name, label, more)
  if not label or label == "" then return end
  say(s, "set %s %s noenhanced %s", name, quote(label), s.plain and "" or more)
end

local function write_texts(s, series)
  for _, t in ipairs(series.texts or {}) do
    local points = t.size or t.points
    local font = s.plain and "" or size_font(points)
    say(s, "set label %s at %s%s,%s %s front noenhanced %s textcolor %s", quote(t.text), series.right and "second " or "first ",
      text(t.x), text(t.y),
      t.align, font, rgb(t.color or series.color or "#000000", series.alpha))
  end
end

local function write_palette(s, scale)
  local list = {}
  for i, color in ipairs(scale.colormap) do list[i] = ("%d \"#%06x\""):format(i - 1, color) end
  say(s, "set palette maxcolors 256 defined (%s)", table.concat(list, ", "))
  local low, high = scale.low, scale.high
  if not low or not high then
    local a, b = math.huge, -math.huge
    for _, value in ipairs(scale.list) do
      if value < a then a = value end
      if value > b then b = value end
    end
    if a > b then a, b = 0, 1 end
    low, high = low or a, high or b
  end
  if not ticks.are_apart(low, high) then
    local room = math.max(0.5, math.abs(low) * 0.05)
    low, high = low - room, low + room
  end
  say(s, "set cbrange [%s:%s]", text(low), text(high))
  if scale.colorbar and not s.plain then
    say(s, "set colorbox noborder")
    write_ticks(s, "cb", {ticks = ticks.linear(low, high, 6, false)})
  else
    say(s, "unset colorbox")
  end
end

-- Parts

local function title_of(entry)
  return entry.first and entry.series.label and ("title %s noenhanced"):format(quote(entry.series.label)) or "notitle"
end

local function look_of(s, entry, number)
  local part, series = entry.part, entry.series
  local color = part.color or series.color or "#000000"
  if s.plain then -- signs tell the series apart
    local lt = ("lt %d%s"):format(number, s.color and " lc " .. rgb(color) or "")
    if part.with:find("point") or part.with == "boxxyerror" then return ("%s pt %d"):format(lt, number) end
    if part.with:find("errorbars") then return "nohead " .. lt end
    return part.with == "filledcurves" and "fs solid 1 " .. lt or lt
  end
  local width = part.width and ("lw %s"):format(text(part.width * PIXEL)) or "lw 1"
  local dash = part.dash and part.dash ~= "" and " dt " .. part.dash or ""
  if part.with == "boxxyerror" then
    local border = part.edge and series.alpha == 1 and "border lc rgb \"#ffffff\"" or "noborder"
    return ("fillcolor %s fs %s %s lw 0.8"):format(rgb(color, series.alpha), "solid 1.0", border)
  end
  if part.with == "filledcurves" then return ("fillcolor %s fs solid 1.0 noborder"):format(rgb(color, series.alpha)) end
  if part.with == "yerrorbars" or part.with == "xerrorbars" then
    return ("heads size graph %s,90 fixed nofilled %s lc %s"):format(text(s.cap), width, rgb(color, series.alpha))
  end
  local point = ""
  if part.marker then
    point = (" pt %d ps %s"):format(part.marker[1], text(part.size * part.marker[2] / 6.75))
  end
  local tint = series.scale and part.columns[3] and "palette" or rgb(color, series.alpha)
  return ("lc %s %s%s%s"):format(tint, width, dash, point)
end

-- Values that gnuplot cannot place become gaps.
local function placed(column, scale)
  if scale ~= "log" then return column end
  local list = {}
  for i = 1, #column do list[i] = column[i] > 0 and column[i] or 0 / 0 end
  return list
end

-- Lines from `from` to `to`, where both are known, as gnuplot's vectors: {x, y, dx, dy}.
local function vectors(upright, at, from, to)
  local result = {{}, {}, {}, {}}
  for i = 1, #at do
    local size = to[i] - from[i]
    if size == size and at[i] == at[i] then
      local n = #result[1] + 1
      result[1][n], result[2][n] = upright and at[i] or from[i], upright and from[i] or at[i]
      result[3][n], result[4][n] = upright and 0.0 or size, upright and size or 0.0
    end
  end
  return result
end

-- Places between two values of an axis, about 1.5 for each of its `size` characters, one at least; none where there is nothing.
local function spread(axis, size, from, to)
  local log = axis.scale == "log"
  local function place(value) return log and math.log(value) or value end
  local lowest, highest = place(math.min(axis.low, axis.high)), place(math.max(axis.low, axis.high))
  local low, high = math.max(place(math.min(from, to)), lowest), math.min(place(math.max(from, to)), highest)
  local result = {}
  local share = (high - low) / (highest - lowest)
  if share > 0 then -- not so with a NaN
    local count = math.max(1, math.floor(math.min(share, 1) * size * 1.5))
    for k = 1, count do
      local at = low + (high - low) * ((k - 0.5) / count)
      result[k] = log and math.exp(at) or at
    end
  end
  return result
end

-- In text a box is filled with its series' letter.
local function fill(s, columns, x, y)
  local px, py = {}, {}
  for i = 1, #columns[1] do
    local down = spread(y, s.height, columns[5][i], columns[6][i])
    for _, across in ipairs(#down > 0 and spread(x, s.width, columns[3][i], columns[4][i]) or {}) do
      for _, at in ipairs(down) do px[#px + 1], py[#py + 1] = across, at end
    end
  end
  return {px, py}
end

-- Bars on a logarithmic axis stand on its lower end.
local function floored(column, axis)
  local list = {}
  for i = 1, #column do list[i] = (column[i] > 0 or column[i] ~= column[i]) and column[i] or axis.low end
  return list
end

local function part_text(s, entry, axes_of, number)
  local part, series = entry.part, entry.series
  local y = series.right and axes_of.y2 or axes_of.y
  if part.with == "rgbimage" then
    return ("'@DATA@' binary skip=%d array=(%d,%d) format=\"%%3uchar\" origin=(%s,%s) dx=1 dy=1 using 1:2:3 with rgbimage notitle"):format(
      store(s, part.bytes), part.columns_of, part.rows, text(part.left), text(part.top))
  end
  if part.with == "image" then
    local fine = (s.format == "svg" or s.format == "pdf") and part.rows * part.columns_of <= 10000
    local place = part.place
    return ("'@DATA@' binary skip=%d array=(%d,%d) format=\"%%double\" endian=little origin=(%s,%s) dx=%s dy=%s using 1 "
      .. "with image %s notitle"):format(store(s, gnuplot.pack(part.columns)), part.columns_of, part.rows, text(place.left),
      text(place.first), text(place.dx), text(place.dy), fine and "pixels" or "")
  end
  local columns = table.move(part.columns, 1, #part.columns, 1, {})
  if part.span == "x" then columns[1] = {axes_of.x.low, axes_of.x.high} end
  if part.span == "y" then columns[2] = {y.low, y.high} end
  for _, c in ipairs(part.x or {}) do
    local is_box = part.with == "boxxyerror" or part.with == "xerrorbars" and c == 3
    columns[c] = is_box and axes_of.x.scale == "log" and floored(columns[c], axes_of.x) or placed(columns[c], axes_of.x.scale)
  end
  for _, c in ipairs(part.y or {}) do
    local is_box = part.with == "boxxyerror" or part.with == "yerrorbars" and c == 3
    columns[c] = is_box and y.scale == "log" and floored(columns[c], y) or placed(columns[c], y.scale)
  end
  local with = part.with
  if with == "yerrorbars" then
    columns, with = vectors(true, columns[1], columns[3], columns[4]), "vectors"
  elseif with == "xerrorbars" then
    columns, with = vectors(false, columns[2], columns[3], columns[4]), "vectors"
  elseif with == "boxxyerror" and s.plain then
    columns, with = fill(s, columns, axes_of.x, y), "points"
  end
  local where = series.right and "axes x1y2 " or ""
  local look = look_of(s, entry, number)
  if #columns[1] == 0 then
    return ("NaN %swith %s %s %s"):format(where, with:find("point") and with or "lines",
      (with:find("point") or with == "lines") and look or "lc " .. rgb(series.color or "#000000"), title_of(entry))
  end
  local using = {}
  for c = 1, #columns do using[c] = tostring(c) end
  return ("'@DATA@' binary skip=%d record=(%d) format=\"%%%ddouble\" endian=little using %s %swith %s %s %s"):format(
    store(s, gnuplot.pack(columns)), #columns[1], #columns, table.concat(using, ":"), where, with, look, title_of(entry))
end

local KEY_SIZE = 9.5 -- of the legend's font, in points

local function write_legend(s, axes, all, axes_of, width, height)
  local place = axes:legend()
  if not place then return say(s, "unset key") end
  local widest, longest, lines = legend.measure(axes.series)
  if place == "best" then
    local h = (lines * 17 + 14) / height
    place = legend.best(all, axes_of, math.min(1, (widest * KEY_SIZE * PIXEL + 50) / width), math.min(1, s.plain and h * 1.3 or h))
  end
  -- gnuplot takes all signs for equally wide, so many sizes of the font, and leaves no room at the right
  local sign = s.format == "svg" and 0.5 or 0.63
  local look = s.plain and "" or ("Left reverse samplen 2 spacing 1.15 width %s height 0.3 opaque box lt 1 lw 0.8 lc rgb \"#cccccc\" %s"
    ):format(text(math.floor(((widest + 0.6) / sign - longest) * 100) / 100), size_font(KEY_SIZE))
  if place == "outside" then
    say(s, "set key outside right top vertical %s", look)
  elseif place == "below" then
    say(s, "set key below center horizontal %s", look)
  else
    say(s, "set key inside %s vertical %s", place, look)
  end
end

--- Adds one pair of axes, `width` x `height` large in pixels at 96 to an inch (or in characters, if plain).
function script.add(s, axes, width, height)
  local o = axes.options
  local all = axes:parts()
  local across = s.plain and math.max(2, width // 12) or math.max(2, math.min(10, width // 75))
  local down = s.plain and math.max(2, height // 4) or math.max(2, math.min(9, height // 48))
  local axes_of = {x = axes:axis("x", all, across), y = axes:axis("y", all, down)}
  local right = o.y2label or o.y2ticks
  for _, series in ipairs(axes.series) do right = right or series.right end
  if right then axes_of.y2 = axes:axis("y2", all, down) end

  say(s, "reset")
  s.width, s.height, s.cap = width, height, 4 / math.max(20, width - 90) -- of the ends of error bars
  local bare, filled = axes:has("bare"), axes:has("cells") or axes:has("frame")
  if filled and (axes_of.x.scale == "log" or axes_of.y.scale == "log") then
    errors.fail("kl.plot: heat maps and images are drawn on linear axes: xscale and yscale must not be \"log\"")
  end
  if bare or o.frame == false then
    say(s, "unset border")
  elseif not s.plain then
    say(s, "set border 31 lw 1 lc rgb \"#333333\"")
  end
  for _, name in ipairs{"x", "y"} do
    if bare then axes_of[name].ticks = {} end
    write_axis(s, name, axes_of[name])
  end
  if right then write_axis(s, "y2", axes_of.y2) end
  if o.grid ~= false and not filled and (not s.plain or o.grid) then
    say(s, "set grid xtics ytics back lt 1 lw %s lc rgb \"#e4e4e4\", lt 1 lw 0.4 lc rgb \"#f2f2f2\"", s.plain and "1" or "0.9")
  end
  write_label(s, "title", o.title, size_font(11.5) .. " offset 0,-0.2")
  write_label(s, "xlabel", o.xlabel, size_font(10))
  if s.plain and o.ylabel and o.ylabel ~= "" then -- it lies, and gnuplot puts its middle beside the ticks' numbers
    local widest, length = 0, utf8.len(gnuplot.clean(o.ylabel)) or #o.ylabel
    for _, tick in ipairs(axes_of.y.ticks) do widest = math.max(widest, tick[2] and utf8.len(tick[2]) or 0) end
    say(s, "set lmargin %d", math.min(width // 2, widest + length + 5))
    say(s, "set ylabel %s noenhanced offset %d,0", quote(o.ylabel), 1 - (length + 1) // 2)
  else
    write_label(s, "ylabel", o.ylabel, size_font(10))
  end
  write_label(s, "y2label", o.y2label, size_font(10))
  for _, series in ipairs(axes.series) do
    if series.scale then
      write_palette(s, series.scale)
      break
    end
  end
  if (o.aspect == "equal" or o.aspect == nil and axes:has("frame")) and not s.plain then
    say(s, "set size ratio %s", text(o.aspect == "equal" and not filled and -1 or
      math.abs(axes_of.y.high - axes_of.y.low) / math.abs(axes_of.x.high - axes_of.x.low)))
  end
  -- labels over the images of a grid are as large as there is room for
  for _, series in ipairs(axes.series) do
    if series.cell then
      local unit = math.min(width * 0.94 / series.frame.columns, height * 0.9 / series.frame.rows)
      local longest = 1
      for _, t in ipairs(series.texts or {}) do longest = math.max(longest, utf8.len(gnuplot.clean(t.text)) or 1) end
      for _, t in ipairs(series.texts or {}) do
        t.points = math.max(3, math.min(11, t.room * unit / PIXEL, series.cell.wide * unit / PIXEL / longest / 0.62))
      end
    end
    write_texts(s, series)
  end
  write_legend(s, axes, all, axes_of, s.plain and width * 7 or width - 90, s.plain and height * 17 or height - 90)
  local parts, number, last = {}, 0, nil
  for _, entry in ipairs(all) do
    if entry.series ~= last then number, last = number + 1, entry.series end
    if not (s.plain and entry.part.is_outline) then parts[#parts + 1] = part_text(s, entry, axes_of, number) end
  end
  if #parts == 0 then parts[1] = "NaN notitle" end
  if filled and not bare and not s.plain then say(s, "set tics front") end
  say(s, "plot %s", table.concat(parts, ", "))
end

script.say, script.quote, script.size_font = say, quote, size_font

--- The script's text and its data.
function script.finish(s) return table.concat(s.lines, "\n") .. "\n", table.concat(s.chunks) end

return script
