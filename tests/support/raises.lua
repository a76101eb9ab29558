-- Errors that a user causes: the message must begin with the file and line of the call, not with one of kl's own.
local assert = require "luassert"

--- Asserts that f raises a message that matches the pattern and blames a line of f itself.
local function raises(f, pattern)
  local ok, message = pcall(f)
  assert.is_false(ok, "no error was raised; expected: " .. pattern)
  assert.matches(pattern, message)
  local info = debug.getinfo(f, "S")
  local file, line = message:match("^([^:]+):(%d+): ")
  assert.equal(info.short_src, file, "the file that is blamed: " .. message)
  line = tonumber(line)
  assert(line >= info.linedefined and line <= info.lastlinedefined, "the line that is blamed: " .. message)
end

return raises
