-- What users give as data, as tensors: a list of numbers (of any depth) is one tensor and not a structure of them.
local core = require "kl.core"
local errors = require "kl.errors"
local tree = require "kl.tree"

local values = {}

--- The first thing in nested lists that is no list.
local function first_of(list)
  while type(list) == "table" and getmetatable(list) == nil do list = list[1] end
  return list
end

--- True for a list of numbers or booleans, of any depth.  `false` beside tensors is a place with nothing.
function values.is_array(given)
  if type(given) ~= "table" or getmetatable(given) ~= nil then return false end
  local first = first_of(given)
  if type(first) ~= "boolean" then return type(first) == "number" end
  for _, leaf in ipairs(tree.flatten(given)) do
    if type(leaf) ~= "boolean" and type(leaf) ~= "number" then return false end
  end
  return true
end

--- True for a list of strings.
function values.is_strings(given)
  return type(given) == "table" and getmetatable(given) == nil and type(given[1]) == "string"
end

--- The structure with f(leaf, where) in place of each leaf, where lists of numbers are leaves, as tensors; lists of strings too if
--- asked for, as they are.
---@param where? string # what a message calls the whole: its leaves are "x.a", "x[2]"
function values.map(f, given, where, strings)
  if values.is_array(given) then return f(core.tensor(given), where) end
  if tree.is_leaf(given) or strings and values.is_strings(given) then return f(given, where) end
  local names, result = tree.names(given), {}
  for i = 1, names and #names or #given do
    local key = names and names[i] or i
    result[key] = values.map(f, given[key], where and where .. (names and "." .. key or ("[%d]"):format(i)), strings)
  end
  return result
end

--- Lists of numbers as tensors, all else as it is: what a function gave for an element.
function values.arrays(given)
  if tree.is_leaf(given) then return given end
  return values.map(function(leaf) return leaf end, given)
end

--- The structure with a tensor for each leaf.
---@param where string # what a message calls it: "fit: x"
---@param accepts table # by type what else is a leaf: number and boolean (scalars), string (stays); nothing: false stays, inside; and
---                     # `expected`, for the message
function values.tensors(where, given, accepts)
  return values.map(function(leaf, at)
    local kind, is = core.kind(leaf), type(leaf)
    if core.is_symbolic(leaf) then errors.fail("%s is a symbolic tensor, which has no value", at) end
    if kind == "tensor" then return leaf end
    if kind == "variable" then return leaf.value end
    if leaf == false and accepts.nothing and at ~= where then return leaf end
    if accepts[is] then return is == "string" and leaf or core.tensor(leaf) end
    errors.fail("%s must be %s, got %s", at, accepts.expected, errors.show(leaf))
  end, given, where)
end

local function form_of_leaf(leaf)
  if not leaf then return "nothing" end
  if type(leaf) == "string" then return "a string" end
  local axes = {}
  for i = 1, leaf.ndim do axes[i] = "?" end
  return ("%s (%s)"):format(leaf.dtype, table.concat(axes, ", "))
end

--- What a function of the user's said in a tensor, as a Lua number or lists of them; of a tensor of one element that number.
function values.plain(given)
  if not core.kind(given) then return given end
  return core.size(given) == 1 and given:item() or given:totable()
end

--- What elements that belong together have in common: "{a: float32 (?, ?), b: int32 ()}".
---@return string
function values.form(structure) return tree.form(structure, form_of_leaf) end

return values
