-- What the specs of core.io share: scratch folders, error messages, memory accounts.
local core = require "kl".core

local support = {}

--- A new empty folder, and a function that removes it with what is in it.
support.folder = require "scratch".folder

--- What a shell command prints, without the last newline.
function support.shell(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a"):gsub("\n$", "")
  pipe:close()
  return text
end

--- The path of the program that runs the tests.
function support.program()
  return support.shell("readlink /proc/$PPID/exe")
end

--- What a script prints in a process of its own.  It gets the arguments as `arg`.
function support.run_apart(script, ...)
  local folder, remove = support.folder()
  core.io.write_file(folder .. "/script.lua", script)
  local command = ("timeout 100 '%s' run '%s/script.lua'"):format(
    support.program(), folder)
  for _, argument in ipairs{...} do command = command .. (" '%s'"):format(argument) end
  local output = support.shell(command .. " 2>&1")
  remove()
  return output
end

--- Runs f, which must fail, and returns the message without file and line, after checking that they are this spec's.
function support.message(f, ...)
  local ok, message = pcall(f, ...)
  assert(not ok, "no error was raised")
  local where, words = tostring(message):match("^(tests/io/[%w_]+%.lua:%d+): (.*)$")
  assert(where, "the error does not begin with the user's line: " .. tostring(message))
  return words
end

--- Runs f with the n-th allocation of the core, and all after it, failing, for n = 1, 2, ... until it succeeds.
--- Whatever n, nothing of the core's memory may be left when the results are collected.
function support.each_allocation(f)
  collectgarbage() collectgarbage()
  local before = core.memory_stats()
  local function attempt(n) -- a function of its own, so that what f returned is garbage afterwards
    core.fail_after(n)
    local ok, message = pcall(f)
    core.fail_after(0)
    assert(ok or tostring(message):find("out of memory", 1, true), message)
    return ok
  end
  local n = 0
  repeat
    n = n + 1
    local ok = attempt(n)
    collectgarbage() collectgarbage()
    local after = core.memory_stats()
    assert(after.live_blocks == before.live_blocks and after.live_tensors == before.live_tensors,
      ("%d blocks are left after allocation %d failed"):format(after.live_blocks - before.live_blocks, n))
  until ok or n > 2000
  assert(n <= 2000, "no success after 2000 allocations")
  return n
end

return support
