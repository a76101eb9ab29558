-- Names: Keras's snake case and the counters that make automatic names unique (keras-semantics 1.1); names of users' functions.
local names = {}

--- Keras's rule: non-word characters go, "_" before a capital followed by lower case, "_" between lower case and capital,
--- all lower-cased: Conv2DTranspose -> conv2d_transpose, ReLU -> re_lu.
---@return string
function names.snake_case(name)
  name = name:gsub("%W", function(c) return c == "_" and c or "" end)
  name = name:gsub("(.)(%u%l+)", "%1_%2")
  name = name:gsub("(%l)(%u)", "%1_%2")
  return (name:lower())
end

local counters = {}       -- of displayed names, until clear_session
local key_counters = {}   -- of the names that random keys are made of, until set_seed

local function count(table_of, base)
  local n = table_of[base] or 0
  table_of[base] = n + 1
  return n == 0 and base or ("%s_%d"):format(base, n)
end

--- The next automatic name on this base ("dense", "dense_1", ...), and the one that random keys use: it counts from the
--- last kl.set_seed, so that the same model built after the same seed draws the same numbers.
---@return string, string
function names.unique(base)
  return count(counters, base), count(key_counters, base)
end

--- kl.utils.clear_session
function names.reset() counters = {} end

--- kl.set_seed
function names.reset_keys() key_counters = {} end

--- How many random keys each base has given out, for saving; `raise_keys` goes on from there, or from where it stands if that is
--- further.
---@return table<string, integer>
function names.key_counts() return key_counters end
function names.raise_keys(counts)
  for base, n in pairs(counts) do key_counters[base] = math.max(n, key_counters[base] or 0) end
end

-- A Lua function has no name.  These are options of kl that one may be written for, and say nothing about it.
local says_nothing = {fn = true, loss = true, metrics = true, weighted_metrics = true}

--- Line n of a chunk's text, where it can be had.
local function line_of(source, n)
  if source:sub(1, 1) == "=" then return nil end
  local lines = source:gmatch("([^\n]*)\n?")
  if source:sub(1, 1) == "@" then
    local file <close> = io.open(source:sub(2))
    if not file then return nil end
    lines = file:read("a"):gmatch("([^\n]*)\n?")
  end
  for _ = 1, n - 1 do lines() end
  return lines()
end

--- The name a function was defined by: "function metrics.worst(", "worst = function(".
local function written_name(f)
  local info = debug.getinfo(f, "S")
  local line = line_of(info.source, info.linedefined) or ""
  if select(2, line:gsub("%f[%w_]function%f[^%w_]", "")) ~= 1 then return nil end -- which of them it is cannot be told
  local name = line:match("function%s+([%w_.:]+)%s*%(") or line:match("([%w_]+)[\"'%]%s]*=%s*function%s*%(")
  return name and name:match("[%w_]+$")
end

--- The name of a variable that holds it: a global, or a local of the functions that are running, the outermost first.
local function variable_name(f)
  for name, value in next, _G do
    if value == f and type(name) == "string" then return name end
  end
  local level = 1
  while debug.getinfo(level, "l") do level = level + 1 end
  for at = level - 1, 1, -1 do
    local i = 1
    local name, value = debug.getlocal(at, i)
    while name and not (value == f and not name:find("^%(") and debug.getinfo(at, "S").source:sub(1, 4) ~= "=kl/") do
      i = i + 1
      name, value = debug.getlocal(at, i)
    end
    if name then return name end
  end
end

local known = setmetatable({}, {__mode = "k"})

--- What a user calls a function, in snake case as Keras does: as it was defined (read in the script), else a variable that holds it;
--- nil where neither can be told.
---@param f function
---@return string|nil
function names.of_function(f)
  if known[f] == nil then
    local name = written_name(f)
    if not name or says_nothing[name] then name = variable_name(f) end
    known[f] = name and not says_nothing[name] and names.snake_case(name) or false
  end
  return known[f] or nil
end

return names
