-- File names with values in them, as Python's str.format writes them: "{epoch:02d}-{val_loss:.2f}.keras"; and numbers as text.
local errors = require "kl.errors"
local logs = require "kl.training.logs"

local template = {}

--- The shortest text that reads as the same number: "0.1", "1e-05", "2.0" for a float, "2" for an integer.
---@param value number
---@return string
function template.number(value)
  if math.type(value) == "integer" then return tostring(value) end
  if value ~= value then return "nan" end
  if value == math.huge or value == -math.huge then return value > 0 and "inf" or "-inf" end
  local text
  for digits = 15, 17 do
    text = ("%." .. digits .. "g"):format(value)
    if tonumber(text) == value then break end
  end
  return text:find("[.e]") and text or text .. ".0"
end

local aligned = {
  ["<"] = function(text, fill, room) return text .. fill:rep(room) end,
  [">"] = function(text, fill, room) return fill:rep(room) .. text end,
  ["^"] = function(text, fill, room) return fill:rep(room // 2) .. text .. fill:rep(room - room // 2) end,
}
aligned["="] = function(text, fill, room)
  local sign, digits = text:match("^([+%-]?)(.*)$")
  return sign .. fill:rep(room) .. digits
end

--- [[fill]align][sign][0][width][.precision][type], type one of d f F e E g G %
local function parse_spec(what, field, spec)
  local fill, align, rest = spec:match("^(.)([<>=^])(.*)$")
  if not fill then
    align, rest = spec:match("^([<>=^])(.*)$")
    if not align then rest = spec end
  end
  local sign, zero, width, precision, kind = rest:match("^([+%- ]?)(0?)(%d*)(%.?%d*)([dfFeEgG%%]?)$")
  if not sign or precision == "." or #width > 3 or #precision > 3 or (kind == "d" and precision ~= "") then
    errors.fail("%s: '{%s:%s}': a format such as 02d or .4f expected after the colon", what, field, spec)
  end
  if zero ~= "" and not align then fill, align = "0", "=" end
  return {sign = sign, fill = fill or " ", align = align or ">", width = tonumber(width) or 0,
    precision = precision:sub(2), kind = kind}
end

--- The parts of a template: pieces of text, and fields {name, spec}.  "{{" and "}}" are braces.
---@param what string # "ModelCheckpoint: 'filepath'", for messages
---@param text string
---@return table # parts; `names` is the list of names in it
function template.parse(what, text)
  local parts, at = {names = {}}, 1
  while at <= #text do
    local from, _, brace = text:find("([{}])", at)
    if not from then
      parts[#parts + 1] = text:sub(at)
      break
    end
    parts[#parts + 1] = text:sub(at, from - 1)
    if text:sub(from + 1, from + 1) == brace then
      parts[#parts + 1], at = brace, from + 2
    else
      local name, spec, to = text:match("^{([%a_][%w_]*):?([^{}]*)}()", from)
      if not name or spec == "" and text:sub(to - 2, to - 2) == ":" then
        errors.fail("%s: '%s': a name in braces such as {epoch} or {val_loss:.2f} expected at '%s'", what, text, text:sub(from))
      end
      parts[#parts + 1] = {name, parse_spec(what, name, spec), plain = spec == ""}
      parts.names[#parts.names + 1] = name
      at = to
    end
  end
  return parts
end

local function format(what, field, value)
  local spec = field[2]
  if type(value) ~= "number" then
    errors.fail("%s: '{%s}' must be a number, got %s", what, field[1], errors.show(value))
  end
  if field.plain then return template.number(value) end
  local kind = spec.kind
  local text
  if kind == "d" then
    if math.type(value) ~= "integer" then
      errors.fail("%s: '{%s}' is the number %s, and the format d is for integers", what, field[1], template.number(value))
    end
    text = ("%d"):format(value)
  elseif kind == "%" then
    text = ("%." .. (spec.precision ~= "" and spec.precision or "6") .. "f%%"):format(value * 100)
  elseif kind == "" then
    text = spec.precision ~= "" and ("%." .. spec.precision .. "g"):format(value) or template.number(value)
  else
    text = ("%." .. (spec.precision ~= "" and spec.precision or "6") .. kind):format(value)
  end
  if value ~= value then text = text:gsub("^%-", "") end
  if spec.sign ~= "-" and spec.sign ~= "" and not text:find("^%-") then text = spec.sign .. text end
  return aligned[spec.align](text, spec.fill, math.max(0, spec.width - #text))
end

--- The text with values in place of the fields.
---@param what string
---@param parts table # of template.parse
---@param values table<string, number>
---@return string
function template.fill(what, parts, values)
  local texts = {}
  for i, part in ipairs(parts) do
    if type(part) == "string" then
      texts[i] = part
    else
      local value = values[part[1]]
      if value == nil then
        local names = logs.sorted_names(values)
        errors.fail("%s: there is no '%s' to put into the name now%s (there are: %s)", what, part[1],
          errors.nearest(part[1], names), table.concat(names, ", "))
      end
      texts[i] = format(what, part, value)
    end
  end
  return table.concat(texts)
end

return template
