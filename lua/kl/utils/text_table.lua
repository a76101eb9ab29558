-- Tables of text in box drawing, as Keras 3 prints them.
--
-- No text is ever cut: a cell that is wider than its column goes on in the next line, between words where there are some, else
-- within one.  Widths are counted in columns of a terminal, whatever bytes a character has.
local text_table = {}

-- Characters that take two columns, and those that take none: first and last of each range.
local wide = {{0x1100, 0x115F}, {0x2E80, 0x303E}, {0x3041, 0xA4CF}, {0xAC00, 0xD7A3}, {0xF900, 0xFAFF}, {0xFE30, 0xFE6F},
  {0xFF00, 0xFF60}, {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}}
local none = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A}, {0x064B, 0x065F}, {0x200B, 0x200F},
  {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}}

local function within(ranges, code)
  for _, range in ipairs(ranges) do
    if code >= range[1] and code <= range[2] then return true end
  end
  return false
end

local function width_of(code)
  if code < 0x300 then return 1 end
  return within(none, code) and 0 or within(wide, code) and 2 or 1
end

--- Text as a list of characters; bytes that are no UTF-8, and control characters, are written as escapes.
local function characters(text)
  local list, i = {}, 1
  while i <= #text do
    local n = utf8.len(text, i, i) and (utf8.offset(text, 2, i) or #text + 1) - i or 0
    local c = text:sub(i, i + math.max(n, 1) - 1)
    if n == 0 or n == 1 and c:find("%c") then
      for e in (c == "\n" and "\\n" or c == "\t" and "\\t" or ("\\x%02X"):format(c:byte())):gmatch(".") do list[#list + 1] = {e, 1} end
    else
      list[#list + 1] = {c, width_of(utf8.codepoint(c))}
    end
    i = i + math.max(n, 1)
  end
  return list
end

--- How many columns a text takes.
function text_table.width(text)
  local width = 0
  for _, c in ipairs(characters(text)) do width = width + c[2] end
  return width
end

--- Lines of at most `limit` columns, the later ones behind `indent`.
---@return string[]
function text_table.wrap(text, limit, indent)
  indent = #indent < limit and indent or ""
  local lines, line, width = {}, {}, 0
  local room = limit
  local function finish()
    lines[#lines + 1] = (#lines > 0 and indent or "") .. table.concat(line):gsub(" +$", "")
    line, width, room = {}, 0, limit - #indent
  end
  local lead = text:match("^ *└ ") or ""
  local words = {lead}
  for spaces, word in text:sub(#lead + 1):gmatch("( *)([^ ]+)") do
    words[#words + 1] = spaces
    words[#words + 1] = word
  end
  local gap = ""
  for i, word in ipairs(words) do
    if i > 1 and i % 2 == 0 then
      gap = width > 0 and word or ""
    else
      local list, own = characters(word), text_table.width(word)
      if i > 1 and width > 0 and width + #gap + own > room and width > text_table.width(lead) then
        finish()
        gap = ""
      end
      if #gap > 0 and width + #gap <= room then
        line[#line + 1], width = gap, width + #gap
      end
      for _, c in ipairs(list) do
        if width + c[2] > room and width > 0 then finish() end
        line[#line + 1], width = c[1], width + c[2]
      end
    end
  end
  finish()
  return lines
end

local function pad(text, width, align)
  local free = math.max(0, width - text_table.width(text))
  local left = align == "right" and free or align == "center" and free // 2 or 0
  return (" "):rep(left) .. text .. (" "):rep(free - left)
end

--- A table as text.
---@param columns {title: string, width: integer, align?: string}[] # width between two rules; two of it are blank
---@param rows string[][]
---@return string
function text_table.draw(columns, rows)
  local lines = {}
  local function rule(left, fill, middle, right)
    local parts = {}
    for i, c in ipairs(columns) do parts[i] = fill:rep(c.width) end
    lines[#lines + 1] = left .. table.concat(parts, middle) .. right
  end
  local function row(cells, bar)
    local wrapped, height = {}, 1
    for i, c in ipairs(columns) do
      wrapped[i] = text_table.wrap(cells[i], c.width - 2, cells[i]:match("^ *└ ") and cells[i]:match("^ *") .. "  " or "")
      height = math.max(height, #wrapped[i])
    end
    for k = 1, height do
      local parts = {}
      for i, c in ipairs(columns) do parts[i] = " " .. pad(wrapped[i][k] or "", c.width - 2, c.align) .. " " end
      lines[#lines + 1] = bar .. table.concat(parts, bar) .. bar
    end
  end
  local titles = {}
  for i, c in ipairs(columns) do titles[i] = c.title end
  rule("┏", "━", "┳", "┓")
  row(titles, "┃")
  rule("┡", "━", "╇", "┩")
  for i, cells in ipairs(rows) do
    if i > 1 then rule("├", "─", "┼", "┤") end
    row(cells, "│")
  end
  rule("└", "─", "┴", "┘")
  return table.concat(lines, "\n")
end

return text_table
