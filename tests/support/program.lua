-- The program under test as a subprocess.
local program = {}

program.build = os.getenv("KL_BUILD") or "build"

local pipe = assert(io.popen("pwd"))
program.root = pipe:read("l")
pipe:close()
if program.build:sub(1, 1) ~= "/" then program.build = program.root .. "/" .. program.build end
program.kl = program.build .. "/kl"

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end
program.quote = quote

--- A file with that content; its path.
function program.script(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return path
end

--- Runs a shell command; returns what it wrote (both streams) and its exit status.
function program.shell(command)
  local p = assert(io.popen("{ " .. command .. "\n} 2>&1; printf '\\n%d' $?"))
  local all = p:read("a")
  p:close()
  local output, status = all:match("^(.*)\n(%d+)$")
  return output, tonumber(status)
end

--- Runs a Lua text with `kl run`; environment is put in front ("KL_THREADS=2").
function program.run(text, arguments, environment)
  local path = program.script(text)
  local output, status = program.shell(("%s %s run %s %s"):format(environment or "", quote(program.kl), path, arguments or ""))
  os.remove(path)
  return output, status, path
end

--- Feeds lines to the prompt through a pipe.
function program.prompt(text)
  local path = program.script(text)
  local output, status = program.shell(("%s < %s"):format(quote(program.kl), path))
  os.remove(path)
  return output, status
end

return program
