-- Lines that callbacks print, also while a bar stands on the terminal: the bar's line is cleared for the message, and the bar
-- draws itself again below it.
local message = {}

local bar_is_open = false

--- Said by the bar: whether the cursor stands behind it.
function message.set_bar(open) bar_is_open = open end

--- A line on standard output.
---@param format string
---@param ... any # as string.format
function message.print(format, ...)
  local text = select("#", ...) > 0 and format:format(...) or format
  io.stdout:write(bar_is_open and "\r\27[K" or "", text, "\n")
  io.stdout:flush()
end

return message
