-- Running gnuplot, and how a text or a number is written in its language.
--
-- Values, not strings, go to gnuplot.  Data are doubles in a binary file; a text is written in its script as octal escapes but for
-- letters and blanks (a digit would be read as part of the escape before it), so that there is nothing in it that gnuplot could take
-- for anything else.  No path is given to it:
-- the picture comes back through its standard output.
local core = require "kl.core"
local errors = require "kl.errors"

local gnuplot = {}

-- A picture of a million points takes some seconds; a run that takes so long will not end.
local SECONDS = 120

-- What may not be in an SVG file, or ends a text for gnuplot.
local function is_drawable(code)
  return code >= 32 and code ~= 127 and not (code >= 128 and code < 160) and code ~= 0xfffe and code ~= 0xffff or code == 10
end

--- A text as it can be drawn: tabs are blanks, bytes that are no UTF-8 and control characters the sign for what is unknown.
function gnuplot.clean(text)
  text = text:gsub("\r\n?", "\n"):gsub("\t", "  ")
  local pieces, at = {}, 1
  while at <= #text do
    local length, bad = utf8.len(text, at)
    local stop = length and #text or bad - 1
    for _, code in utf8.codes(text:sub(at, stop)) do
      pieces[#pieces + 1] = utf8.char(is_drawable(code) and code or 0xfffd)
    end
    if not length then pieces[#pieces + 1] = "\u{fffd}" end
    at = stop + (length and 1 or 2)
  end
  return table.concat(pieces)
end

--- A text in a script.
function gnuplot.quote(text)
  local function escape(c) return ("\\%03o"):format(c:byte()) end
  return '"' .. gnuplot.clean(text):gsub("[^A-Za-z ]", escape) .. '"'
end

--- The same where gnuplot takes the text for a format: the labels of ticks.
function gnuplot.quote_format(text) return gnuplot.quote((text:gsub("%%", "%%%%"))) end

--- Doubles as bytes: the columns, element by element.
---@param columns number[][] # of one length
function gnuplot.pack(columns)
  local pieces, width, n = {}, #columns, #columns[1]
  local format, row = "<" .. ("d"):rep(width), {}
  for i = 1, n do
    for c = 1, width do row[c] = columns[c][i] end
    pieces[i] = format:pack(table.unpack(row, 1, width))
  end
  return table.concat(pieces)
end

local function words_of(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    line = line:gsub("^%s+", ""):gsub("%s+$", "")
    if line:find("[%w]") then lines[#lines + 1] = line end
  end
  return table.concat(lines, "; ")
end

--- What gnuplot writes for a script.  In it, "@DATA@" stands for the file that holds `data`.
---@return string
function gnuplot.run(script, data)
  local path = os.tmpname()
  local file = io.open(path, "wb")
  local written = file and file:write(data) and file:close()
  if not written then
    os.remove(path)
    errors.fail("kl.plot: the data of a figure could not be written to the temporary file %s", path)
  end
  -- as a file, and not as commands typed in, a script ends at its first error
  local ok, status, out, errs = pcall(core.run_program, {"gnuplot", "-d", "/dev/stdin"}, (script:gsub("@DATA@", path)), SECONDS)
  os.remove(path)
  if not ok then errors.fail("kl.plot: %s", errors.words(status)) end
  if not status then
    errors.fail("kl.plot: gnuplot draws the figures, and it is not installed or not in PATH %s",
      "(on Debian and Ubuntu: apt install gnuplot-nox)")
  end
  if status ~= 0 then
    errors.fail("kl.plot: gnuplot %s: %s", status < 0 and "was ended by signal " .. -status or "failed", words_of(errs))
  end
  return out
end

return gnuplot
