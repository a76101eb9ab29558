-- A model's outputs, and what is given per output: losses, metrics, weights, targets, sample weights.
--
-- An output is a leaf of what the model returns, in the order of tree.flatten.  What is given for outputs is one thing for the
-- only (or for each) output, a list by position, a table by output name, or the structure of the outputs themselves; `false`
-- in a list, and a name that is left out, mean nothing for that output.
local core = require "kl.core"
local errors = require "kl.errors"
local tree = require "kl.tree"

local outputs = {}

---@class kl.Outputs
---@field names string[] # one per output
---@field like any       # the structure of the outputs, a name at each leaf
---@field by_name table<string, integer>
---@field flat boolean   # the outputs are one tensor, a list or a table of tensors, not nested deeper

local function default_names(like, path, list)
  if tree.is_leaf(like) then
    list[#list + 1] = path
    return
  end
  local names = tree.names(like)
  for i, key in ipairs(names or like) do
    local own = names and key or tostring(i)
    default_names(like[names and key or i], path == "" and (names and own or "output_" .. own) or path .. "_" .. own, list)
  end
end

--- The outputs of a model: `like` is a structure as it returns; `names` what its graph calls them, if it has one.
---@return kl.Outputs
function outputs.describe(like, names)
  local count = #tree.flatten(like)
  if not names or #names ~= count then
    names = {}
    default_names(like, tree.is_leaf(like) and "output_1" or "", names)
  end
  local o = {names = names, like = tree.pack(like, names), by_name = {}, flat = true}
  for _, part in pairs(tree.is_leaf(like) and {} or like) do o.flat = o.flat and tree.is_leaf(part) end
  for i, name in ipairs(names) do
    if o.by_name[name] then -- two outputs of one layer: told apart by their place
      name = ("%s_%d"):format(name, i)
      names[i] = name
    end
    o.by_name[name] = i
  end
  return o
end

--- "'a', 'b'", for messages.
local function quoted(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = ("'%s'"):format(name) end
  return table.concat(list, ", ")
end

local function of_names(what, o, given, names)
  local list = {}
  for i = 1, #o.names do list[i] = false end
  for _, name in ipairs(names) do
    local i = o.by_name[name]
    if not i then
      errors.fail("%s: the model has no output '%s'%s (its outputs: %s)", what, name, errors.nearest(name, o.names), quoted(o.names))
    end
    list[i] = given[name]
  end
  return list
end

--- True if every name is that of an output.
local function names_only(o, given, names)
  for _, name in ipairs(names) do
    if not o.by_name[name] or not tree.is_leaf(given[name]) then return false end
  end
  return true
end

-- Walks `given` along the structure of the outputs.
local function of_structure(what, o, like, given, is_leaf, list)
  if tree.is_leaf(like) then
    list[#list + 1] = given ~= nil and given -- false where there is nothing: no holes
    return
  end
  local names = tree.names(like)
  if given == false or given ~= nil and not is_leaf(given) and next(given) == nil then given = nil end -- nothing for any of them
  if given ~= nil and (is_leaf(given) or not names ~= not tree.names(given) or not names and #given ~= #like) then
    errors.fail("%s: outputs of the structure %s do not fit what is given; the outputs are %s", what, tree.form(o.like), quoted(o.names))
  end
  if names and given then
    for name in pairs(given) do
      if like[name] == nil then
        errors.fail("%s: the model has no output '%s'%s (its outputs: %s)", what, name, errors.nearest(name, names), quoted(names))
      end
    end
  end
  for i, key in ipairs(names or like) do
    if names then
      of_structure(what, o, like[key], given and given[key], is_leaf, list)
    else
      of_structure(what, o, like[i], given and given[i] or nil, is_leaf, list)
    end
  end
end

--- One entry per output, false where nothing is given.
---@param what string      # "compile: 'loss'", for messages
---@param o kl.Outputs
---@param given any
---@param options? table   # for_each: one thing goes to every output; is_leaf: what counts as one thing (all but plain tables)
---@return any[]
function outputs.spread(what, o, given, options)
  local count = #o.names
  local is_leaf = options and options.is_leaf or tree.is_leaf
  local list = {}
  if given == nil then
    for i = 1, count do list[i] = false end
    return list
  end
  if is_leaf(given) then
    if count > 1 and not (options and options.for_each) then
      errors.fail("%s: the model has %d outputs (%s), one thing is given", what, count, quoted(o.names))
    end
    for i = 1, count do list[i] = given end
    return list
  end
  local names = tree.names(given)
  if o.flat and names then return of_names(what, o, given, names) end
  if o.flat and #given == count then return table.move(given, 1, count, 1, list) end
  if o.flat then
    errors.fail("%s: the model has %d output%s (%s), %d %s given", what, count, count == 1 and "" or "s", quoted(o.names), #given,
      #given == 1 and "is" or "are")
  end
  if names and names_only(o, given, names) then return of_names(what, o, given, names) end
  of_structure(what, o, o.like, given, is_leaf, list)
  return list
end

--- Targets or sample weights of a batch, one per output.
---@param what string
---@param o kl.Outputs
---@param given any # a tensor, or tensors by position, name or structure
---@param has any[] # outputs without an entry here need none: a shorter list, or one thing, may leave them out
---@param for_each? boolean # one thing is for every output
function outputs.arrange(what, o, given, has, for_each)
  local parts = tree.is_leaf(given) and not for_each and {given} or given
  if not tree.is_leaf(parts) and #parts > 0 and #parts < #o.names then
    local wanted = {}
    for i = 1, #o.names do
      if has[i] then wanted[#wanted + 1] = i end
    end
    if #wanted == #parts then
      local list = {}
      for i = 1, #o.names do list[i] = false end
      for k, i in ipairs(wanted) do list[i] = parts[k] end
      return list
    end
  end
  local list = outputs.spread(what, o, given, {for_each = for_each})
  for i, value in ipairs(list) do
    if value and not core.kind(value) then
      errors.fail("%s: one tensor expected for output '%s', got %s", what, o.names[i], errors.show(value))
    end
  end
  return list
end

return outputs
