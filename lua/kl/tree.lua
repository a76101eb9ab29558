-- Structures: a tensor, a list of structures, or a table by name (walked in sorted order).  `false` is a leaf too: it
-- stands for nothing in lists that may have no holes.
local core = require "kl.core"
local errors = require "kl.errors"

local tree = {}

--- The names of a table by name, sorted; nil for a list.
---@return string[]|nil
function tree.names(t)
  local names
  local positions, last = 0, 0
  for key in pairs(t) do
    if type(key) == "string" then
      names = names or {}
      names[#names + 1] = key
    elseif math.type(key) == "integer" then
      positions, last = positions + 1, math.max(last, key)
    else
      errors.fail("a structure's keys must be positions or names, got a %s", type(key))
    end
  end
  if positions ~= last then
    local i = 1
    while t[i] ~= nil do i = i + 1 end
    errors.fail("element %d of a list is nil, and element %d is not: a list has no holes (`false` stands for nothing)", i, last)
  end
  if names and #t > 0 then
    errors.fail("a structure is either a list or a table by name, this one has both positions and names ('%s')",
      names[1])
  end
  if names then table.sort(names) end
  return names
end

--- True for all but a plain table.
local is_leaf = core.is_leaf
tree.is_leaf = is_leaf

local function append(leaves, structure)
  if is_leaf(structure) then
    leaves[#leaves + 1] = structure
    return
  end
  local names = tree.names(structure)
  if names then
    for _, name in ipairs(names) do append(leaves, structure[name]) end
  else
    for i = 1, #structure do append(leaves, structure[i]) end
  end
end

--- The leaves in order.
---@return any[]
function tree.flatten(structure)
  local leaves = core.leaves(structure)
  if leaves then return leaves end
  leaves = {}
  append(leaves, structure)
  return leaves
end

--- The same structure with f(leaf, ...) in place of each leaf; further structures must have the same form.
function tree.map(f, structure, ...)
  local others = table.pack(...)
  if is_leaf(structure) then
    for i = 1, others.n do
      if not is_leaf(others[i]) then errors.fail("structures differ: a table where a leaf is expected") end
    end
    return f(structure, ...)
  end
  local result = {}
  local names = tree.names(structure)
  for i = 1, others.n do
    local other = others[i]
    if is_leaf(other) then errors.fail("structures differ: a leaf where a table is expected") end
    local function key(list) return list and table.concat(list, "/") end
    if key(names) ~= key(tree.names(other)) or #other ~= #structure then
      errors.fail("structures differ: %s and %s", tree.form(structure), tree.form(other))
    end
  end
  local function pick(key)
    local at = {}
    for i = 1, others.n do at[i] = others[i][key] end
    return table.unpack(at, 1, others.n)
  end
  if names then
    for _, name in ipairs(names) do result[name] = tree.map(f, structure[name], pick(name)) end
  else
    for i = 1, #structure do result[i] = tree.map(f, structure[i], pick(i)) end
  end
  return result
end

--- The structure of `like` with the given leaves.
function tree.pack(like, leaves)
  local next_leaf = 0
  return tree.map(function()
    next_leaf = next_leaf + 1
    return leaves[next_leaf]
  end, like)
end

--- A description of the form: "*", "[*, *]", "{a: *, b: *}"; or with what describe(leaf) says in place of "*".
---@return string
function tree.form(structure, describe)
  if is_leaf(structure) then return describe and describe(structure) or "*" end
  local parts = {}
  local names = tree.names(structure)
  if names then
    for i, name in ipairs(names) do parts[i] = name .. ": " .. tree.form(structure[name], describe) end
    return "{" .. table.concat(parts, ", ") .. "}"
  end
  for i = 1, #structure do parts[i] = tree.form(structure[i], describe) end
  return "[" .. table.concat(parts, ", ") .. "]"
end

return tree
