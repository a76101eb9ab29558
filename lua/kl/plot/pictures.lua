-- Charts that fill their axes with cells: heat maps, images, grids of images.
local args = require "kl.args"
local charts = require "kl.plot.bars"
local errors = require "kl.errors"
local style = require "kl.plot.style"
local ticks = require "kl.plot.ticks"
local values = require "kl.plot.values"

local define, expect = charts.helpers.define, charts.helpers.expect

local function option_number(what, name, value)
  return value ~= nil and values.number(("%s: '%s'"):format(what, name), value) or nil
end

-- The middles of cells along an axis: evenly spaced, as gnuplot draws them.  Returns the first and the distance.
local function spacing(what, name, given, count)
  local list = values.list(("%s: '%s'"):format(what, name), given)
  if #list ~= count then
    errors.fail("%s: '%s' has %d elements, the matrix %d %s", what, name, #list, count, name == "x" and "columns" or "rows")
  end
  local step = count > 1 and (list[count] - list[1]) / (count - 1) or 1
  for i = 1, count do
    -- so that a NaN is refused too
    if not (step > 0 and math.abs(list[i] - (list[1] + (i - 1) * step)) <= 0.01 * step) then
      errors.fail("%s: '%s' must increase in even steps", what, name)
    end
  end
  return list[1], step
end

-- What is written into the cells of a heat map, light on dark and dark on light.
local function annotations(what, list, rows, columns, o, scale, place)
  local texts = {}
  if type(o.format) ~= "string" or not pcall(string.format, o.format, 1.5) and not pcall(string.format, o.format, 1) then
    errors.fail("%s: 'format' must be a format for one number, such as \"%%.2f\", got %s", what, errors.show(o.format))
  end
  local size = math.max(5, math.min(10, 90 / math.max(rows, columns) + 2))
  for i = 1, #list do
    local value = list[i]
    if value == value then
      local ok, text = pcall(ticks.format, o.format, value)
      if not ok then text = ticks.format("%g", value) end
      local r, g, b = style.mix(scale.colormap, (value - scale.low) / math.max(scale.high - scale.low, 1e-300))
      local column, row = (i - 1) % columns, (i - 1) // columns
      texts[#texts + 1] = {x = place.left + column * place.dx, y = place.first + row * place.dy, text = text, size = size, align = "center",
        color = 0.299 * r + 0.587 * g + 0.114 * b > 140 and "#000000" or "#ffffff"}
    end
  end
  return texts
end

define("heatmap", {{"colormap", "viridis"}, {"vmin"}, {"vmax"}, {"colorbar", true}, {"annotate", false}, {"format", "%.4g"},
  {"xlabels"}, {"ylabels"}}, function(what, given, o, axes)
  if given.n ~= 1 and given.n ~= 3 then
    errors.fail("%s takes a matrix, or x, y and a matrix, and options; got %d argument%s", what, given.n, given.n == 1 and "" or "s")
  end
  local list, rows, columns = values.matrix(what .. ": 'matrix'", given[given.n])
  local place = {left = 0, first = 0, dx = 1, dy = 1}
  if given.n == 3 then
    place.left, place.dx = spacing(what, "x", given[1], columns)
    place.first, place.dy = spacing(what, "y", given[2], rows)
    place.x = {place.left - place.dx / 2, place.left + (columns - 0.5) * place.dx}
    place.y = {place.first - place.dy / 2, place.first + (rows - 0.5) * place.dy}
  end
  local low, high = math.huge, -math.huge
  for _, value in ipairs(list) do
    if value < low then low = value end
    if value > high then high = value end
  end
  if low > high then low, high = 0, 1 end
  low, high = option_number(what, "vmin", o.vmin) or low, option_number(what, "vmax", o.vmax) or high
  if high < low then errors.fail("%s: 'vmin' (%g) is above 'vmax' (%g)", what, low, high) end
  if high <= low then
    local room = math.max(0.5, math.abs(low) * 0.05)
    low, high = low - room, low + room
  end
  local scale = {low = low, high = high, colormap = style.colormap(what, o.colormap), colorbar = o.colorbar}
  for name, count in pairs{xlabels = columns, ylabels = rows} do
    local names = o[name]
    if names ~= nil then
      if place.x then errors.fail("%s: '%s' names the rows or columns of a matrix without x and y", what, name) end
      if type(names) ~= "table" or #names ~= count then
        errors.fail("%s: '%s' must be a list of %d names, got %s", what, name, count,
          type(names) == "table" and #names or errors.show(names))
      end
      axes.names[name:sub(1, 1)] = names
    end
  end
  return {cells = {rows = rows, columns = columns, list = list, place = place.x and place}, scale = scale,
    texts = o.annotate and annotations(what, list, rows, columns, o, scale, place),
    parts = {{with = "image", rows = rows, columns_of = columns, columns = {list}, x = {}, y = {}, place = place}}}
end)

-- Bytes of RGB, row after row, of one image; what is not a number is white.
local function to_rgb(images, index, map)
  local pixels, channels, list = images.height * images.width, images.channels, images.list
  local at, bytes, pieces = index * pixels * channels, {}, {}
  for i = 1, pixels do
    local r, g, b
    if channels == 1 then
      local value = list[at + 1]
      if value == value then r, g, b = style.mix(map, value) else r, g, b = 255, 255, 255 end
    else
      local alpha = channels == 4 and list[at + 4] or 1
      local function channel(value) return value == value and style.byte(value * alpha + 1 - alpha) or 255 end
      r, g, b = channel(list[at + 1]), channel(list[at + 2]), channel(list[at + 3])
    end
    bytes[#bytes + 1] = string.char(r, g, b)
    at = at + channels
    if #bytes == 4096 or i == pixels then
      pieces[#pieces + 1] = table.concat(bytes)
      bytes = {}
    end
  end
  return table.concat(pieces)
end

local image_options = {{"colormap", "gray"}, {"vmin"}, {"vmax"}}

local function read_images(what, name, given, o, batch)
  local images = values.images(("%s: '%s'"):format(what, name), given, batch, option_number(what, "vmin", o.vmin),
    option_number(what, "vmax", o.vmax))
  images.map = style.colormap(what, o.colormap)
  return images
end

define("image", image_options, function(what, given, o)
  expect(what, given, {"image"})
  local images = read_images(what, "image", given[1], o, false)
  return {parts = {{with = "rgbimage", rows = images.height, columns_of = images.width, left = 0, top = 0, bytes = to_rgb(images, 0,
    images.map)}},
    frame = {rows = images.height, columns = images.width}}
end)

local function read_labels(what, labels, count)
  if labels == nil then return nil end
  local list = {}
  if type(labels) == "table" and getmetatable(labels) == nil then
    list = labels
  else
    for i, value in ipairs(values.list(what .. ": 'labels'", labels)) do list[i] = ticks.format("%.6g", value) end
  end
  if #list ~= count then errors.fail("%s: 'labels' has %d elements for %d images", what, #list, count) end
  return list
end

define("images", {{"colormap", "gray"}, {"vmin"}, {"vmax"}, {"columns"}, {"labels"}}, function(what, given, o)
  expect(what, given, {"images"})
  local images = read_images(what, "images", given[1], o, true)
  local count = images.count
  local columns = o.columns == nil and math.max(1, math.ceil(math.sqrt(count))) or args.check(what .. ": 'columns'", o.columns,
    "integer", 1)
  local labels = read_labels(what, o.labels, count)
  -- a cell is an image with a gap of a tenth of it, and room for a line of text where there are labels
  local gap = math.max(images.width, images.height) * 0.08
  local head = labels and math.max(images.width, images.height) * 0.24 or 0
  local wide, high = images.width + gap, images.height + gap + head
  local rows = math.max(1, math.ceil(count / columns))
  local parts, texts = {}, {}
  for i = 0, count - 1 do
    local left, top = i % columns * wide, i // columns * high + head
    parts[#parts + 1] = {with = "rgbimage", rows = images.height, columns_of = images.width, left = left, top = top,
      bytes = to_rgb(images, i, images.map)}
    if labels then
      texts[#texts + 1] = {x = left + images.width / 2 - 0.5, y = top - head * 0.48 - 0.5, text = tostring(labels[i + 1]),
        size = false, align = "center",
        color = "#000000", room = head * 0.62}
    end
  end
  columns = math.min(columns, math.max(count, 1))
  return {parts = parts, texts = texts, bare = true, cell = {wide = wide, high = high},
    frame = {rows = rows * high - gap, columns = columns * wide - gap, across = columns, down = rows}}
end)

return charts
