-- Wrong arguments for any op, made from the description of its parameters: each must be refused before anything is
-- computed, with a message that names the caller's line, the op and the parameter (reliability.md V1).
local kl = require "kl"

local bad = {}

--- The largest rank among tensors in a table of arguments.
local function rank_of(arguments)
  local rank = 0
  for _, value in pairs(arguments) do
    if kl.core.kind(value) == "tensor" then rank = math.max(rank, value.ndim) end
    if type(value) == "table" and kl.core.kind(value[1]) == "tensor" then rank = math.max(rank, value[1].ndim) end
  end
  return rank
end

-- By kind of parameter: {wrong value, pattern}; a function takes the rank.
local wrong = {
  tensor = {{"a string", "'%s' must be a tensor or a number, got a? ?string 'a string'"},
            {print, "'%s' must be a tensor or a number"}},
  tensors = {{5, "'%s' must be a list of tensors"}, {{}, "'%s' must be a list of 1 to %%d+ tensors"},
             {{"x"}, "'%s' must be a list of tensors, entry 1"}},
  integer = {{1.5, "'%s' must be an integer, got number 1.5"}, {"7", "'%s' must be an integer, got string '7'"}},
  boolean = {{1, "'%s' must be true or false, got number 1"}},
  axis = {{0, "'%s' is 0: axes count from 1"}, {1.5, "'%s' must be an axis"}, {"1", "'%s' must be an axis"},
          {function(rank) return rank + 2 end, "axis %%d+ [io][sf]"},
          {function(rank) return -rank - 2 end, "axis %%-%%d+ [io][sf]"}},
  shape = {{"a", "'%s' must be a list of integers"}, {{1.5}, "'%s' must be a list of integers"},
           {{1, 1, 1, 1, 1, 1, 1, 1, 1}, "'%s' has 9 entries, the largest rank is 8"}},
  starts = {{{0}, "'%s' has a 0: positions count from 1"}, {1, "'%s' must be a list of integers"}},
  dtype = {{"flaot32", "'flaot32' is no dtype kl has .*did you mean 'float32'%%?"},
           {5, "'%s' must be the name of a dtype"}},
  choice = {{"nonsense", "'%s' has no choice 'nonsense'"}},
}
wrong.scalar, wrong.integers = wrong.tensor, wrong.shape
wrong.axes = {wrong.axis[1], wrong.axis[4], wrong.axis[5], {"1", "'%s' must be an axis or a list of axes"},
              {{1, 1}, "axis 1"}, {{1, 0.5}, "'%s' must be an axis"}}

local function attempt(f, arguments, pattern)
  local ok, message = pcall(function()
    if next(arguments) == nil then f() else f(arguments) end -- an empty table is a tensor without elements
  end)
  if ok then return "no error for what should say: " .. pattern end
  if not message:find("^tests/ops/bad_arguments%.lua:%d+: kl%.") then
    return "does not name line and op: " .. message
  end
  return not message:find(pattern) and ("expected '%s' in: %s"):format(pattern, message) or nil
end

--- Tries everything on an op whose valid arguments are given; a list of complaints.
function bad.complaints(info, arguments)
  local f = kl.core.ops[info.name]
  local complaints = {}
  local function try(name, value, pattern)
    local changed = {}
    for key, v in pairs(arguments) do changed[key] = v end
    changed[name] = value
    complaints[#complaints + 1] = attempt(f, changed, pattern)
  end
  for _, p in ipairs(info.params) do
    if not p.optional then try(p.name, nil, "kl%." .. info.name .. ": '" .. p.name .. "' is missing") end
    for _, entry in ipairs(wrong[p.kind]) do
      local value = entry[1]
      if type(value) == "function" and value ~= print then value = value(rank_of(arguments)) end
      try(p.name, value, entry[2]:format(p.name))
    end
    try(p.name .. "x", 1, "unknown option '" .. p.name .. "x'; did you mean '")
  end
  local many = {}
  for i = 1, #info.params + 1 do many[i] = 1 end
  complaints[#complaints + 1] = attempt(function() f(table.unpack(many)) end, {}, "kl%.")
  return complaints
end

return bad
