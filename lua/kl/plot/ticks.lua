-- Limits of axes, where their ticks are and what is written at them; numbers as text for gnuplot.
--
-- Ticks are chosen here and not by gnuplot: so they fit the size of the picture, count in integers where the data do, and are the
-- same in every output.
local ticks = {}

--- string.format of one number, with a point whatever the locale has.
function ticks.format(format, value)
  local point = ("%.1f"):format(0.5):sub(2, -2)
  local text = format:format(value)
  return point == "." and text or (text:gsub("(%d)" .. point:gsub("%p", "%%%0") .. "(%d)", "%1.%2"))
end

--- A number in a script: with every digit.
function ticks.text(value) return ticks.format("%.17g", value) end

local HUGE = 1e300 -- limits stay below it, so that differences do not overflow

--- True where two numbers differ by enough to have ticks between them.
function ticks.are_apart(a, b) return math.abs(b - a) > math.max(math.max(math.abs(a), math.abs(b)) * 1e-12, 1e-290) end

--- The limits of an axis: from the data's lowest and highest (nil without data), a little wider than they are, but for the sides
--- that are `tight`.
---@param scale "linear"|"log"
---@param tight table # low, high: true where no room is left
function ticks.limits(low, high, scale, tight)
  if not low then
    if scale == "log" then return 1, 10 end
    return 0, 1
  end
  low, high = math.max(low, -HUGE), math.min(high, HUGE)
  if scale == "log" then
    low, high = math.max(low, 1e-300), math.max(high, 1e-300)
    local a, b = math.log(low, 10), math.log(high, 10)
    if b - a < 1e-9 then a, b = a - 0.5, b + 0.5 end
    local room = (b - a) * 0.05
    return 10 ^ math.max(-305, tight.low and a or a - room), 10 ^ math.min(305, tight.high and b or b + room)
  end
  local size = math.max(math.abs(low), math.abs(high))
  if not ticks.are_apart(low, high) then
    local room = size > 0 and math.max(size * 0.05, 1e-289) or 0.5
    if low == 0 and tight.low then return 0, 1 end
    return low - room, high + room
  end
  local room = (high - low) * 0.05
  return tight.low and low or low - room, tight.high and high or high + room
end

local function nice_step(range, count, integers)
  local raw = range / count
  local magnitude = 10.0 ^ math.floor(math.log(raw, 10))
  for _, factor in ipairs{1, 2, 2.5, 5, 10} do
    local step = factor * magnitude
    if step >= raw * (1 - 1e-9) and not (integers and step % 1 ~= 0) then return math.max(step, integers and 1 or 0) end
  end
  return integers and 1 or 10 * magnitude
end

local function digits_of(step)
  for digits = 0, 12 do
    local scaled = step * 10.0 ^ digits
    if math.abs(scaled - math.floor(scaled + 0.5)) < 1e-6 * scaled then return digits end
  end
  return 12
end

local function plain(format, value) return (ticks.format(format, value):gsub("^%-(0%.?0*)$", "%1")) end

--- Ticks between two limits (low < high): a list of {position, label}.
---@param count number # about as many as this
---@param integers boolean # the data are integers
function ticks.linear(low, high, count, integers)
  local step = nice_step(high - low, math.max(count, 1), integers and high - low >= 1)
  local first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
  local size = math.max(math.abs(low), math.abs(high))
  local exponent = (size >= 1e6 or size < 1e-3) and math.floor(math.log(size, 10) + 1e-9) or 0
  local digits = digits_of(step / 10.0 ^ exponent)
  local result = {}
  for i = 0, math.floor(math.max(-1, math.min(last - first, 100))) do
    local value = (first + i) * step
    local label = plain("%." .. digits .. "f", value / 10.0 ^ exponent)
    if exponent ~= 0 and value ~= 0 then label = label .. "e" .. math.tointeger(exponent) end
    result[#result + 1] = {value, exponent ~= 0 and value == 0 and "0" or label}
  end
  return result
end

local superscripts = {["-"] = "⁻", ["0"] = "⁰", ["1"] = "¹", ["2"] = "²", ["3"] = "³", ["4"] = "⁴", ["5"] = "⁵", ["6"] = "⁶",
  ["7"] = "⁷", ["8"] = "⁸", ["9"] = "⁹"}

--- Ticks of a logarithmic axis: powers of ten, between them small ones ({position, false}); of an axis that is short, more of them
--- are labelled.
function ticks.log(low, high, count)
  local first, last = math.ceil(math.log(low, 10) - 1e-9), math.floor(math.log(high, 10) + 1e-9)
  local decades = last - first + 1
  if decades < 2 then
    local labelled, result = 0, {}
    for decade = first - 1, last do
      for factor = 1, 9 do
        local value = factor * 10.0 ^ decade
        if value >= low * (1 - 1e-9) and value <= high * (1 + 1e-9) then
          local shown = factor == 1 or factor == 2 or factor == 5
          labelled = labelled + (shown and 1 or 0)
          result[#result + 1] = {value, shown and plain("%g", value)}
        end
      end
    end
    if labelled >= 2 then return result end
    return ticks.linear(low, high, count, false)
  end
  local every = math.max(1, math.ceil(decades / math.max(count, 2)))
  local result = {}
  for decade = first - 1, last do
    local label = "10" .. tostring(math.tointeger(decade)):gsub("[-%d]", superscripts)
    if decade >= first and (decades <= 60 or (decade - first) % every == 0) then result[#result + 1] = {10.0 ^ decade, (decade - first) % every == 0 and label or false} end
    for factor = 2, decades <= 12 and 9 or 1 do
      local value = factor * 10.0 ^ decade
      if value >= low and value <= high then result[#result + 1] = {value, false} end
    end
  end
  return result
end

return ticks
