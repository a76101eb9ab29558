-- The one direction of the parts (docs/architecture.md), and what no file may say: lua5.4 scripts/dev/boundaries.lua
-- Prints a line per violation and counts at the end; run from the repository's root.
local violations, checked, seen = 0, 0, {}

local function complain(file, line, format, ...)
  violations = violations + 1
  print(("%s:%d: %s"):format(file, line, format:format(...)))
end

local function files(pattern)
  local list = {}
  for path in assert(io.popen("git ls-files --cached --others --exclude-standard -- " .. pattern)):lines() do
    local file <close> = io.open(path) -- one that was deleted is listed still
    if file then list[#list + 1] = path end
  end
  return list
end

local function each_line(path, f)
  local number = 0
  if not seen[path] then seen[path], checked = true, checked + 1 end
  for line in io.lines(path) do
    number = number + 1
    f(line, number)
  end
  return number
end

-- C: which folders a folder may include from; "" is src itself.
local may_include = {
  base = {"base"},
  tensor = {"base", "tensor"},
  io = {"base", "tensor", "io"},
  op = {"base", "tensor", "op", "device/device.h"},
  device = {"base", "tensor", "device", "op/op.h", "op/op_list.h"},
  grad = {"base", "tensor", "op", "grad"},
  graph = {"base", "tensor", "op", "graph", "device/device.h"},
  bind = {"base", "tensor", "op", "device/device.h", "grad", "graph", "io", "bind"},
  [""] = {"bind", "device/device.h", "repl.h"},
}

local function allowed(list, included)
  for _, entry in ipairs(list) do
    if included == entry or included:sub(1, #entry + 1) == entry .. "/" then return true end
  end
  return false
end

-- libjpeg's error callback may not return: its only way out is a jump, to a setjmp of the same file.
local may_jump = {["src/io/jpeg.c"] = true}

for _, path in ipairs(files("'src/*.c' 'src/*.h'")) do
  local folder = path:match("^src/([^/]+)/") or ""
  local is_library = folder ~= "" and folder ~= "bind"
  local lines = each_line(path, function(line, n)
    local included = line:match('^#include "([^"]+)"')
    if included and not allowed(may_include[folder], included) then
      complain(path, n, "%s may not include %s", folder == "" and "src" or folder, included)
    end
    local lua = line:match("^#include <(l[ua]%w+%.h)>")
    if is_library and (lua == "lua.h" or lua == "lauxlib.h" or lua == "lualib.h") then
      complain(path, n, "only bind, main.c and repl.c know Lua")
    end
    if is_library then
      local call = (" " .. line):match("[^%w_](exit)%(") or (" " .. line):match("[^%w_](abort)%(") or
        (" " .. line):match("[^%w_](f?printf)%(") or (" " .. line):match("[^%w_](longjmp)%(")
      if call and not (call == "longjmp" and may_jump[path]) then complain(path, n, "the library never calls %s", call) end
    end
  end)
  if lines > 800 then complain(path, lines, "a C file is at most 800 lines: split it by family") end
end

-- Lua: a module may require, when it is loaded, those of its own stage and of the stages before.  A require inside a function
-- is how an object finds what is made later (a model its saving); it is not checked.
local stages = {
  {"class", "errors", "elsewhere", "args", "tree", "names", "one_table", "own_code", "namespace", "version", "files"},
  {"ops", "random", "variable", "grad", "step", "replay", "jit", "dry_run", "lookup", "activations", "saving.serialize"},
  {"initializers", "regularizers", "constraints", "losses", "metrics", "optimizers", "plot"},
  {"call_stack", "module", "layer", "functional", "layers"},
  {"callbacks", "data", "datasets", "summary", "training"},
  {"model", "sequential"},
  {"saving", "show", "info", "profile", "run", "utils"},
  {"init"},
}

local function stage_of(module)
  for i, names in ipairs(stages) do
    for _, name in ipairs(names) do
      if module == name then return i end
    end
  end
  local outer = module:match("^(.*)%.[^.]+$")
  return outer and stage_of(outer)
end

for _, names in ipairs(stages) do
  for _, name in ipairs(names) do
    local path = "lua/kl/" .. name:gsub("%.", "/")
    if not io.open(path .. ".lua") and not io.open(path) then
      complain("scripts/dev/boundaries.lua", 1, "the stages name kl.%s, which is not there", name)
    end
  end
end

-- Values leave the tensors here and in callbacks, which run between steps, and nowhere else: everything else must be recordable.
local may_read = {
  ["lua/kl/elsewhere.lua"] = true,          -- it only says so to users
  ["lua/kl/training/logs.lua"] = true,      -- what steps returned
  ["lua/kl/training/batches.lua"] = true,   -- the order of batches
  ["lua/kl/data/values.lua"] = true,        -- what a function of the user's said: a class, a key, shares
  ["lua/kl/data/directory.lua"] = true,     -- the order of files
  ["lua/kl/data/functions.lua"] = true,     -- what a predicate said
  ["lua/kl/data/file_cache.lua"] = true,    -- numbers that were kept as tensors
  ["lua/kl/data/stage.lua"] = true,         -- numbers drawn for the order of elements
  ["lua/kl/ops/array.lua"] = true,          -- array_equal, which gives a Lua boolean
  ["lua/kl/ops/elementwise.lua"] = true,    -- allclose, likewise
  ["lua/kl/ops/selection.lua"] = true,      -- how many elements there are, which a shape depends on
  ["lua/kl/summary/writer.lua"] = true,     -- what is written to event files
  ["lua/kl/grad.lua"] = true,               -- gradcheck compares numbers
  ["lua/kl/plot/values.lua"] = true,        -- what is drawn
  ["lua/kl/optimizers/optimizer.lua"] = true, -- get_config, for files
  ["lua/kl/utils/arrays.lua"] = true,       -- to_categorical counts classes
}

for path in pairs(may_read) do
  if not io.open(path) then complain("scripts/dev/boundaries.lua", 1, "may_read lists %s, which is not there", path) end
end

for _, path in ipairs(files("'lua/kl/*.lua'")) do
  local module = path:match("^lua/kl/(.*)%.lua$"):gsub("/", "."):gsub("%.init$", "")
  local stage = stage_of(module)
  if not stage then complain(path, 1, "kl.%s has no place in the stages of scripts/dev/boundaries.lua", module) end
  local lines = each_line(path, function(line, n)
    local required = not line:match("^%s") and not line:match("^function") and line:match('require ?%(?"kl%.([%w_.]+)"')
    if required and required ~= "core" and stage and not line:match("function%(") then
      local other = stage_of(required)
      if not other then
        complain(path, n, "kl.%s has no place in the stages", required)
      elseif other > stage then
        complain(path, n, "kl.%s (stage %d) may not require kl.%s (stage %d) when it is loaded", module, stage, required, other)
      end
    end
    if not may_read[path] and not path:find("callbacks/") and (line:find(":item%(") or line:find(":totable%(")) and
      not line:match("^%s*%-%-") then
      complain(path, n, "reads a tensor's value: that belongs into training/logs.lua, a callback or a file listed in may_read")
    end
  end)
  if lines > 450 then complain(path, lines, "a Lua module is at most 450 lines") end
end

-- What no file may say: paths of somebody's machine, registries.
for _, path in ipairs(files("")) do
  if not path:find("^data/mnist/") and not path:find("^tests/golden/") and path ~= "scripts/dev/boundaries.lua" then
    each_line(path, function(line, n)
      if (" " .. line):find("[^%w_.]/work/%l") or (" " .. line):find("[^%w_.]/home/%l") then
        complain(path, n, "a path of a machine")
      end
    end)
  end
end

-- Names of files in comments and documents are those of files that are there: whole paths anywhere, ends of paths ("op/op.h", and
-- in documents "plan.c") in src and lua.  Not meant: <family>.c, *.lua, and what a user would call his own.
local is_file, is_end = {}, {}
for _, path in ipairs(files("")) do
  is_file[path] = true
  local tail = path
  while tail do
    is_end[tail] = true
    tail = tail:match("^[^/]*/(.+)$")
  end
end

local folders = {src = true, lua = true, tests = true, scripts = true, docs = true, bench = true}
local endings = {c = true, h = true, lua = true, md = true, py = true, proto = true}

for path in pairs(is_file) do
  local folder, ending = path:match("^([^/]+)/"), path:match("%.(%w+)$")
  if ending == "md" or folders[folder] and folder ~= "docs" and (endings[ending] or not path:find("%.")) then
    each_line(path, function(line, n)
      local here = folder == "src" or folder == "lua"
      local text = " " .. line .. " "
      for name, suffix in text:gmatch("[^%w_./<>*%%-](%w[%w_./]*%.(%w+))%f[^%w_]") do
        local first = name:match("^([^/]+)/")
        local missing = folders[first] and not is_file[name] or here and first and not is_end[name]
        if endings[suffix] and missing and not line:find("^#include") then complain(path, n, "there is no file %s", name) end
      end
      if ending == "md" then
        for name, suffix in line:gmatch("`([%w_/]+%.(%w+))`") do
          if endings[suffix] and not is_end[name] then complain(path, n, "there is no file %s", name) end
        end
      end
    end)
  end
end

print(("boundaries: %d files, %d violations"):format(checked, violations))
os.exit(violations == 0)
