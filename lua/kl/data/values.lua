-- What users give as values of elements, as tensors: a list of numbers (of any depth) is one tensor and not a structure of them.
local core = require "kl.core"
local errors = require "kl.errors"
local tree = require "kl.tree"

local values = {}

--- The first thing in nested lists that is no list.
local function first_of(list)
  while type(list) == "table" and getmetatable(list) == nil do list = list[1] end
  return list
end

--- True for a list of numbers or booleans, of any depth.
function values.is_array(given)
  if type(given) ~= "table" or getmetatable(given) ~= nil then return false end
  local first = first_of(given)
  return type(first) == "number" or type(first) == "boolean"
end

--- True for a list of strings.
function values.is_strings(given)
  return type(given) == "table" and getmetatable(given) == nil and type(given[1]) == "string"
end

--- The structure with f(leaf) in place of each leaf, where lists of numbers are leaves, as tensors; lists of strings too if
--- asked for, as they are.
function values.map(f, given, strings)
  if values.is_array(given) then return f(core.tensor(given)) end
  if tree.is_leaf(given) or strings and values.is_strings(given) then return f(given) end
  local names, result = tree.names(given), {}
  for i = 1, names and #names or #given do
    local key = names and names[i] or i
    result[key] = values.map(f, given[key], strings)
  end
  return result
end

--- Lists of numbers as tensors, all else as it is: what a function gave for an element.
function values.arrays(given)
  if tree.is_leaf(given) then return given end
  return values.map(function(leaf) return leaf end, given)
end

--- The tensor of a leaf, or an error.
function values.tensor(what, leaf)
  local t = core.kind(leaf) == "tensor" and leaf or core.kind(leaf) == "variable" and leaf.value
  if not t then errors.fail("%s: tensors expected, got %s", what, errors.show(leaf)) end
  return t
end

return values
