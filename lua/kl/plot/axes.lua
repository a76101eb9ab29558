-- One pair of axes: what is drawn in it and how it is scaled and labelled.
local args = require "kl.args"
local charts = require "kl.plot.pictures"
local class = require "kl.class"
local errors = require "kl.errors"
local style = require "kl.plot.style"
local ticks = require "kl.plot.ticks"
local unknown = require "kl.plot.unknown"
local values = require "kl.plot.values"

---@class kl.plot.Axes: kl.Object
local Axes = class.Object:extend("Axes")
unknown.refuse(Axes)

--- What axes are told at any time, by kl.plot.figure{...}, figure:axes(i, {...}) or axes:configure{...}.
Axes.params = args.params{
  {"title"}, {"xlabel"}, {"ylabel"}, {"y2label"}, {"xscale", "linear"}, {"yscale", "linear"}, {"y2scale", "linear"}, {"xlim"},
    {"ylim"}, {"y2lim"},
  {"xticks"}, {"yticks"}, {"y2ticks"}, {"xticklabels"}, {"yticklabels"}, {"grid"}, {"legend"}, {"aspect"}, {"frame", true},
}

local legends = {
  best = "best", ["upper right"] = "right top", ["upper left"] = "left top", ["lower left"] = "left bottom",
    ["lower right"] = "right bottom",
  right = "right center", ["center right"] = "right center", ["center left"] = "left center", ["upper center"] = "center top",
  ["lower center"] = "center bottom", center = "center center", outside = "outside", below = "below", none = "none",
}

local function check_limits(what, given, scale)
  if given == nil then return end
  if type(given) ~= "table" or getmetatable(given) ~= nil then
    errors.fail("%s must be {lowest, highest} (false: as the data say), got %s", what, errors.show(given))
  end
  local limits = {}
  for i = 1, 2 do
    if given[i] then
      limits[i] = values.number(what, given[i])
      if scale == "log" and limits[i] <= 0 then errors.fail("%s must be above 0 on a logarithmic axis, got %s", what, given[i]) end
      if math.abs(limits[i]) > 1e300 then errors.fail("%s must be within 1e300, got %s", what, given[i]) end
    end
  end
  if limits[1] and limits[1] == limits[2] then errors.fail("%s: two different numbers expected, got %s twice", what, given[1]) end
  if limits[1] and limits[2] and not ticks.are_apart(limits[1], limits[2]) then
    errors.fail("%s: %.17g and %.17g are too close to each other", what, limits[1], limits[2])
  end
end

local function check_strings(what, list)
  if list == nil then return end
  if type(list) ~= "table" or getmetatable(list) ~= nil then errors.fail("%s must be a list of strings, got %s", what,
    errors.show(list)) end
end

local function check_options(what, o)
  for _, name in ipairs{"title", "xlabel", "ylabel", "y2label"} do
    if o[name] ~= nil then
      if math.type(o[name]) then o[name] = tostring(o[name]) end
      args.check(("%s: '%s'"):format(what, name), o[name], "string")
    end
  end
  for _, axis in ipairs{"x", "y", "y2"} do
    local scale = o[axis .. "scale"]
    if scale ~= "linear" and scale ~= "log" then
      errors.fail("%s: '%sscale' must be \"linear\" or \"log\", got %s", what, axis, errors.show(scale))
    end
    check_limits(("%s: '%slim'"):format(what, axis), o[axis .. "lim"], scale)
    local name = axis .. "ticks"
    if o[name] ~= nil and o[name] ~= false then values.list(("%s: '%s'"):format(what, name), o[name]) end
    check_strings(("%s: '%sticklabels'"):format(what, axis), o[axis .. "ticklabels"])
  end
  for _, axis in ipairs{"x", "y"} do
    local labels, places = o[axis .. "ticklabels"], o[axis .. "ticks"]
    if labels then
      local count = places and #values.list(axis, places) or #labels
      if #labels ~= count then errors.fail("%s: '%sticklabels' has %d elements for %d ticks", what, axis, #labels, count) end
    end
  end
  for _, name in ipairs{"grid", "frame"} do
    if o[name] ~= nil then args.check(("%s: '%s'"):format(what, name), o[name], "boolean") end
  end
  if o.legend ~= nil and type(o.legend) ~= "boolean" and not legends[o.legend] then
    errors.fail("%s: unknown legend position %s%s", what, errors.show(o.legend), errors.nearest(o.legend, legends))
  end
  if o.aspect ~= nil and o.aspect ~= "equal" and o.aspect ~= "auto" then
    errors.fail("%s: 'aspect' must be \"equal\" or \"auto\", got %s", what, errors.show(o.aspect))
  end
end

function Axes:init(options)
  self.series, self.categories, self.names, self.colors = {}, {}, {}, 0
  self.options, self.touched = {}, false
  if options then self:apply("kl.plot.figure", options) end
end

function Axes:apply(what, options)
  local joined = {}
  for name, value in pairs(self.options) do joined[name] = value end
  for name, value in pairs(options) do joined[name] = value end
  joined = args.read(what, Axes.params, joined)
  check_options(what, joined)
  self.options = joined
end

--- Changes options: title, xlabel, ylabel, y2label, xscale, yscale, y2scale ("linear" or "log"), xlim, ylim, y2lim ({lowest, highest},
--- false for what the data say), xticks, yticks, y2ticks (positions, or false for none), xticklabels, yticklabels, grid, legend
--- (a position or false), aspect ("equal" or "auto"), frame.
function Axes:configure(options)
  self:apply("axes:configure", options or {})
  self.touched = true
  return self
end

-- A call of a chart's method.
local function add(axes, chart, what, ...)
  local given = table.pack(...)
  local options = {}
  if given.n > 0 and args.is_options(given[given.n]) then
    options, given.n = given[given.n], given.n - 1
  elseif given.n > 1 and type(given[given.n]) == "table" and getmetatable(given[given.n]) == nil and next(given[given.n]) == nil then
    local before = given[given.n - 1]
    -- no options, not an empty series
    if given.n > chart.most or chart.most == 2 and (type(before) ~= "table" or #before > 0) then given.n = given.n - 1 end
  end
  local o = args.read(what, chart.params, options)
  args.check_kinds(what, chart.params, o)
  if o.label ~= nil then
    if math.type(o.label) then o.label = tostring(o.label) end
    args.check(what .. ": 'label'", o.label, "string")
  end
  args.check(what .. ": 'alpha'", o.alpha, "number", 0, 1)
  if o.axis ~= "left" and o.axis ~= "right" then
    errors.fail("%s: 'axis' must be \"left\" or \"right\", got %s", what, errors.show(o.axis))
  end
  local series = chart.build(what, given, o, axes)
  series.kind, series.label, series.alpha, series.right = chart.name, o.label ~= "" and o.label or nil, o.alpha, o.axis == "right"
  if o.color ~= nil then
    series.color = style.color(what, o.color)
  elseif not series.scale and not series.bare and not series.frame then
    axes.colors = axes.colors + 1
    series.color = style.cycle(axes.colors)
  end
  axes.series[#axes.series + 1] = series
  axes.touched = true
  return axes
end

for name, chart in pairs(charts) do
  if chart.build then
    Axes[name] = function(self, ...) return add(self, chart, "kl.plot: " .. name, ...) end
  end
end
Axes.charts = {}
for name, chart in pairs(charts) do
  if chart.build then table.insert(Axes.charts, name) end
end
table.sort(Axes.charts)

--- The parts of all series, with where they belong: {part, series} in the order they are drawn.
function Axes:parts()
  local all, cells = {}, 0
  for _, series in ipairs(self.series) do
    local parts = type(series.parts) == "function" and series:parts(self) or series.parts
    for i, part in ipairs(parts) do
      local is_under = series.cells or series.frame -- what fills the axes hides nothing
      cells = cells + (is_under and 1 or 0)
      table.insert(all, is_under and cells or #all + 1, {part = part, series = series, first = i == (series.key or 1)})
    end
  end
  return all
end

-- Lowest and highest of the data of one axis, and whether they are all integers.
local function extent(all, axis, scale)
  local low, high, integers, any = math.huge, -math.huge, true, false
  for _, entry in ipairs(all) do
    local belongs = axis == "x" or entry.series.right == (axis == "y2")
    for _, column in ipairs(belongs and entry.part[axis == "x" and "x" or "y"] or {}) do
      for _, value in ipairs(entry.part.columns[column]) do
        if value == value and (scale ~= "log" or value > 0) then
          any = true
          if value < low then low = value end
          if value > high then high = value end
          if integers and value % 1 ~= 0 and not entry.series.bar then integers = false end
        end
      end
    end
  end
  return any and low or nil, any and high or nil, integers and any
end

local function tight(self, axis, low, high)
  local sides = {}
  for _, series in ipairs(self.series) do
    if series.base == axis and series.kind ~= "text" and not series.right then
      if low and low == 0 then sides.low = true end
      if high and high == 0 then sides.high = true end
    end
  end
  return sides
end

--- Limits, scale and ticks of an axis ("x", "y" or "y2"): {low, high, scale, ticks}; low > high where it is reversed.
---@param count number # about how many ticks
function Axes:axis(axis, all, count)
  local o = self.options
  local scale = o[axis .. "scale"] or "linear"
  local low, high, integers = extent(all, axis, scale)
  local side = axis == "x" and "columns" or "rows"
  local sides = tight(self, axis, low, high)
  local fixed
  for _, series in ipairs(self.series) do
    local frame = series.cells or series.frame
    local place = frame and frame.place and frame.place[axis]
    if place then -- cells at coordinates: they fill the axes, unless other data lie outside
      integers = false
      if not low or place[1] <= low then low, sides.low = place[1], true end
      if not high or place[2] >= high then high, sides.high = place[2], true end
    elseif frame and not frame.place and axis ~= "y2" then
      fixed = math.max(fixed or 0, frame[side])
    end
  end
  local user = o[axis .. "lim"] or {}
  local a, b
  if fixed then
    a, b = -0.5, fixed - 0.5
    if axis == "y" then a, b = b, a end
  else
    a, b = ticks.limits(low, high, scale, sides)
  end
  local downwards = a > b
  a, b = user[1] and user[1] + 0.0 or a, user[2] and user[2] + 0.0 or b
  if a == b or (a > b and not (user[1] and user[2]) and not downwards) then -- one side is given, beyond the data
    if user[1] then b = scale == "log" and a * 10 or a + math.max(1, math.abs(a) * 0.1) else
      a = scale == "log" and b / 10 or b - math.max(1, math.abs(b) * 0.1) end
  end
  local from, to = math.min(a, b), math.max(a, b)
  local list
  local places, names = o[axis .. "ticks"], o[axis .. "ticklabels"]
  local categories = self.names[axis] or self.categories[axis]
  local first = (self.names[axis] or fixed) and 0 or 1
  if places == false then
    list = {}
  elseif places then
    list = {}
    for i, place in ipairs(values.list("ticks", places)) do
      if place == place then list[#list + 1] = {place, names and tostring(names[i]) or ticks.format("%.6g", place)} end
    end
  elseif names or categories then
    list = {}
    for i, name in ipairs(names or categories) do list[i] = {i - 1.0 + first, tostring(name)} end
  elseif scale == "log" then
    list = ticks.log(from, to, count)
  else
    if fixed and fixed <= 2 * count then count = fixed end -- every cell has its number where there is room
    list = ticks.linear(from, to, count, integers or fixed ~= nil)
  end
  return {low = a, high = b, scale = scale, ticks = list}
end

--- The legend's place by gnuplot's words, "best", "outside", "below", or nil for none.
function Axes:legend()
  local given = self.options.legend
  if given == false or given == "none" then return nil end
  for _, series in ipairs(self.series) do
    if series.label then return given == nil and "best" or given == true and "best" or legends[given] end
  end
  return nil
end

function Axes:has(field)
  for _, series in ipairs(self.series) do
    if series[field] then return true end
  end
  return false
end

return Axes
