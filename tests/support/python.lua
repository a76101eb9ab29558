-- Running a Python script of tests/interop beside kl: json in, json out.
local kl = require "kl"

local python = {executable = os.getenv("KL_PYTHON")}

--- What the script prints, decoded; `input` (any JSON value) is its standard input.
---@param script string # a file of tests/interop
function python.run(script, input)
  assert(python.executable, "KL_PYTHON is not set: run scripts/dev/long/interop")
  local path, out = os.tmpname(), os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(kl.json.encode(input == nil and {} or input))
  file:close()
  local ok = os.execute(("'%s' 'tests/interop/%s' < '%s' > '%s'"):format(python.executable, script, path, out))
  local text = assert(io.open(out)):read("a")
  os.remove(path)
  os.remove(out)
  assert(ok, script .. " failed")
  return kl.json.decode(text)
end

return python
