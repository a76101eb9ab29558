-- What a graph is given: put into the order of its inputs, and made to fit each.
local core = require "kl.core"
local errors = require "kl.errors"
local tree = require "kl.tree"

local function is_table(value) return not tree.is_leaf(value) end

--- Follows the declared structure; what the given one has besides is ignored.
local function collect(list, declared, given, path)
  if tree.is_leaf(declared) then
    if is_table(given) then
      errors.fail("input '%s': one tensor expected, got a structure %s%s", path, tree.form(given), #given == 2 and
        " (of a data set?  from_tensor_slices(x, y) keeps x and y apart)" or "")
    end
    list[#list + 1] = given
    return
  end
  local wanted, got = tree.names(declared), is_table(given) and tree.names(given) or nil
  if wanted then
    for _, name in ipairs(wanted) do
      local value = got and given[name]
      if value == nil or not got then
        errors.fail("input '%s' is missing: the model takes %s, got %s", name, tree.form(declared), tree.form(given))
      end
      collect(list, declared[name], value, name)
    end
  else
    if got or not is_table(given) or #given ~= #declared then
      errors.fail("the inputs (%s) do not fit: the model takes %s, got %s", path, tree.form(declared), tree.form(given))
    end
    for i, part in ipairs(declared) do collect(list, part, given[i], path) end
  end
end

--- Gives the class what it does with its inputs.
return function(Graph)
  --- The given data as a list in the order of the inputs: in the structure they were declared in, or a table by input name.
  function Graph:arrange(given)
    local declared = self.inputs
    local count = #self.input_leaves
    local names = self:input_names()
    if tree.is_leaf(given) then
      errors.fail("the model has %d inputs (%s), got one tensor", count, table.concat(names, ", "))
    end
    local given_names = tree.names(given)
    local list = {}
    if given_names and not (is_table(declared) and tree.names(declared)) then
      for i, name in ipairs(names) do
        if given[name] == nil then
          errors.fail("input '%s' is missing: the model takes (%s), got (%s)", name, table.concat(names, ", "),
            table.concat(given_names, ", "))
        end
        list[i] = given[name]
      end
      return list
    end
    if not given_names and #given == 1 and count == 1 and tree.is_leaf(given[1]) then return {given[1]} end
    collect(list, declared, given, table.concat(names, ", "))
    return list
  end

  --- A tensor for input i: a missing last axis of length 1 is added, a superfluous one goes; the dtype is the declared one.
  function Graph:adapt(i, t)
    local want = self.input_shapes[i]
    local rank = #want
    local dtype, own_rank = core.traits(t)
    if own_rank == rank - 1 and want[rank] == 1 then
      t, own_rank = core.ops.expand_dims(t, -1), rank
    elseif own_rank == rank + 1 and core.length(t, -1) == 1 then
      t, own_rank = core.ops.squeeze(t, -1), rank
    end
    local fits = own_rank == rank
    for axis = 2, fits and rank or 1 do -- a declared batch size binds nobody, as in Keras
      local have = core.length(t, axis)
      fits = fits and (not want[axis] or not have or have == want[axis])
    end
    if not fits then
      errors.fail("input '%s' of the model has shape %s, got %s", self:input_names()[i], core.shape_text(self.input_leaves[i]),
        core.shape_text(t))
    end
    local declared = self.input_dtypes[i]
    return dtype == declared and t or core.ops.cast(t, declared)
  end
end
