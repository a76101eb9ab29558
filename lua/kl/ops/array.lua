-- Joining, splitting, repeating and indexing.
local core = require "kl.core"
local args = require "kl.args"
local define = require "kl.ops.define"
local errors = require "kl.errors"
local selection = require "kl.ops.selection"

local prim = core.ops
local array = {}

local function check_list(what, xs)
  if type(xs) ~= "table" or getmetatable(xs) ~= nil then
    errors.fail("%s: a list of tensors expected, got %s", what, errors.show(xs))
  end
end

--- Joins any number of tensors: the primitive takes 64 at a time.
array.concatenate = define("kl.concatenate", {"xs", {"axis", -1}}, function(xs, axis)
  check_list("kl.concatenate", xs)
  while #xs > 64 do
    local joined = {}
    for i = 1, #xs, 64 do joined[#joined + 1] = prim.concatenate({table.unpack(xs, i, math.min(i + 63, #xs))}, axis) end
    xs = joined
  end
  return prim.concatenate(xs, axis)
end)
array.concat, array.cat = array.concatenate, array.concatenate

--- Tensors of one shape along a new axis.
array.stack = define("kl.stack", {"xs", {"axis", 1}}, function(xs, axis)
  check_list("kl.stack", xs)
  local expanded = {}
  for i, x in ipairs(xs) do expanded[i] = prim.expand_dims(x, axis) end
  return array.concatenate(expanded, axis)
end)

--- Tensors one below the other: vectors become rows (numpy's vstack).
array.vstack = define("kl.vstack", {"xs"}, function(xs)
  check_list("kl.vstack", xs)
  local list = {}
  for i, x in ipairs(xs) do
    x = prim.copy(x)
    list[i] = x.ndim < 2 and prim.reshape(x, {1, -1}) or x
  end
  return array.concatenate(list, 1)
end)

--- Tensors beside each other: along the second axis, vectors along their only one (numpy's hstack).
array.hstack = define("kl.hstack", {"xs"}, function(xs)
  check_list("kl.hstack", xs)
  local list, axis = {}, 1
  for i, x in ipairs(xs) do
    x = prim.copy(x)
    list[i] = x.ndim == 0 and prim.reshape(x, {1}) or x
    axis = x.ndim > 1 and 2 or axis
  end
  return array.concatenate(list, axis)
end)

--- x as a vector.
array.ravel = define("kl.ravel", {"x"}, function(x) return prim.reshape(x, {-1}) end)
array.flatten = array.ravel

local function window(x, axis, start, length)
  local starts, size = {}, {}
  for i, n in ipairs(x.shape) do
    starts[i] = i == axis and start or 1
    size[i] = i == axis and length or n or -1
  end
  return prim.slice(x, starts, size)
end

--- A list of pieces along an axis: so many equal ones, or cut after the rows named in a list.
array.split = define("kl.split", {"x", "indices_or_sections", {"axis", 1}}, function(x, cuts, axis)
  axis = args.axis("kl.split", axis, x.ndim)
  local n = x.shape[axis]
  if not n then errors.fail("kl.split: axis %d has an unknown length", axis) end
  if math.type(cuts) == "integer" then
    if cuts < 1 or n % cuts ~= 0 then
      errors.fail("kl.split: an axis of length %d does not split into %d equal parts", n, cuts)
    end
    local size = n // cuts
    local rows = {}
    for i = 1, cuts - 1 do rows[i] = i * size end
    cuts = rows
  elseif type(cuts) ~= "table" then
    errors.fail("kl.split: a number of parts or a list of rows expected, got %s", errors.show(cuts))
  end
  local pieces, from = {}, 0
  for i = 1, #cuts + 1 do
    local to = cuts[i] or n
    if math.type(to) ~= "integer" or to < from or to > n then
      errors.fail("kl.split: the cut after row %s is out of order or outside the axis of length %d", tostring(to), n)
    end
    pieces[i] = window(x, axis, from + 1, to - from)
    from = to
  end
  return pieces
end)

--- The slices along an axis, each without it.
array.unstack = define("kl.unstack", {"x", {"num"}, {"axis", 1}}, function(x, num, axis)
  axis = args.axis("kl.unstack", axis, x.ndim)
  local n = x.shape[axis]
  if not n then errors.fail("kl.unstack: axis %d has an unknown length", axis) end
  if num ~= nil and num ~= n then errors.fail("kl.unstack: num is %s, the axis has length %d", tostring(num), n) end
  local slices = {}
  for i = 1, n do slices[i] = prim.squeeze(window(x, axis, i, 1), axis) end
  return slices
end)

local function roll_one(x, shift, axis)
  if math.type(shift) ~= "integer" then
    errors.fail("kl.roll: 'shift' must be an integer, or one per axis, got %s", errors.show(shift))
  end
  local n = x.shape[axis]
  if n == 0 then return x end
  shift = shift % n
  if shift == 0 then return x end
  return prim.concatenate({window(x, axis, n - shift + 1, shift), window(x, axis, 1, n - shift)}, axis)
end

--- Elements moved along an axis, those that leave come in at the other end; without an axis, of flat x.
array.roll = define("kl.roll", {"x", "shift", {"axis"}}, function(x, shift, axis)
  if axis == nil then return prim.reshape(roll_one(prim.reshape(x, {-1}), shift, 1), x.shape) end
  local axes = type(axis) == "table" and axis or {axis}
  for i, a in ipairs(axes) do
    x = roll_one(x, type(shift) == "table" and shift[i] or shift, args.axis("kl.roll", a, x.ndim))
  end
  return x
end)

--- x repeated as a whole: repeats per axis (numpy's tile).
array.tile = define("kl.tile", {"x", "repeats"}, function(x, repeats)
  repeats = type(repeats) == "table" and repeats or {repeats}
  local shape = x.shape
  local ndim = math.max(#shape, #repeats)
  local expanded, wide, final = {}, {}, {}
  for i = 1, ndim do
    local n = shape[i - ndim + #shape] or 1
    local r = repeats[i - ndim + #repeats] or 1
    if math.type(r) ~= "integer" or r < 0 then
      errors.fail("kl.tile: repeats must be integers >= 0, got %s", tostring(r))
    end
    expanded[#expanded + 1], expanded[#expanded + 2] = 1, n
    wide[#wide + 1], wide[#wide + 2] = r, n
    final[i] = r * n
  end
  if ndim > 4 then -- too many axes for one broadcast: axis by axis
    local y = prim.reshape(x, {table.unpack(shape)})
    for _ = 1, ndim - #shape do y = prim.expand_dims(y, 1) end
    for i = 1, ndim do
      local r = repeats[i - ndim + #repeats] or 1
      local copies = {}
      for k = 1, r do copies[k] = y end
      y = r == 0 and window(y, i, 1, 0) or array.concatenate(copies, i)
    end
    return y
  end
  return prim.reshape(prim.broadcast_to(prim.reshape(x, expanded), wide), final)
end)

--- Each element repeated: so many times, or as a list says, along an axis (of flat x without one).
array.repeat_ = define("kl.repeat_", {"x", "repeats", {"axis"}}, function(x, repeats, axis)
  if axis == nil then x, axis = prim.reshape(x, {-1}), 1 end
  axis = args.axis("kl.repeat_", axis, x.ndim)
  local n = x.shape[axis]
  if not n then errors.fail("kl.repeat_: axis %d has an unknown length", axis) end
  if math.type(repeats) == "integer" then
    if repeats < 0 then errors.fail("kl.repeat_: repeats must be integers >= 0, got %s", errors.show(repeats)) end
    local at = {}
    for i = 1, n do at[i] = i - 1 end
    local all = prim.broadcast_to(prim.reshape(core.tensor(at, "int32"), {n, 1}), {n, repeats})
    return prim.take(x, prim.reshape(all, {n * repeats}), axis)
  end
  if type(repeats) ~= "table" or #repeats ~= n then
    errors.fail("kl.repeat_: an integer or a list of %d integers expected, got %s", n, errors.show(repeats))
  end
  local at = {}
  for i, r in ipairs(repeats) do
    if math.type(r) ~= "integer" or r < 0 then
      errors.fail("kl.repeat_: repeats must be integers >= 0, got %s", errors.show(r))
    end
    for _ = 1, r do at[#at + 1] = i - 1 end
  end
  return prim.take(x, core.tensor(at, "int32"), axis)
end)

--- Axes exchanged or moved.
array.swapaxes = define("kl.swapaxes", {"x", "axis1", "axis2"}, function(x, axis1, axis2)
  local axes = {}
  for i = 1, x.ndim do axes[i] = i end
  axis1, axis2 = args.axis("kl.swapaxes", axis1, x.ndim), args.axis("kl.swapaxes", axis2, x.ndim)
  axes[axis1], axes[axis2] = axis2, axis1
  return prim.transpose(x, axes)
end)
array.moveaxis = define("kl.moveaxis", {"x", "source", "destination"}, function(x, source, destination)
  local axes = {}
  source = args.axis("kl.moveaxis", source, x.ndim)
  destination = args.axis("kl.moveaxis", destination, x.ndim)
  for i = 1, x.ndim do
    if i ~= source then axes[#axes + 1] = i end
  end
  table.insert(axes, destination, source)
  return prim.transpose(x, axes)
end)

-- Which element of an axis of length n stands at position i (from 0, also outside), by pad mode.
local pad_rules = {
  reflect = function(i, n)
    if n == 1 then return 0 end
    local period = 2 * (n - 1)
    i = i % period
    return i < n and i or period - i
  end,
  symmetric = function(i, n)
    i = i % (2 * n)
    return i < n and i or 2 * n - 1 - i
  end,
  edge = function(i, n) return math.max(0, math.min(n - 1, i)) end,
  wrap = function(i, n) return i % n end,
}

--- x with {before, after} elements per axis around it: of a value (mode "constant"), or mirrored without ("reflect") or
--- with ("symmetric") the edge, the edge itself ("edge"), or the other end ("wrap").
array.pad = define("kl.pad", {"x", "pad_width", {"mode", "constant"}, {"constant_values", 0}},
  function(x, pad_width, mode, value)
    local ndim = x.ndim
    if type(pad_width) == "number" then pad_width = {pad_width, pad_width} end
    local before, after = {}, {}
    for i = 1, ndim do
      local pair = type(pad_width) == "table" and
        (type(pad_width[1]) == "number" and pad_width or pad_width[#pad_width == 1 and 1 or i])
      if type(pair) ~= "table" or #pair ~= 2 then
        errors.fail("kl.pad: one {before, after} per axis expected, axis %d has none", i)
      end
      for _, width in ipairs(pair) do
        if math.type(width) ~= "integer" or width < 0 then
          errors.fail("kl.pad: the padding of axis %d must be integers >= 0, got %s", i, errors.show(width))
        end
      end
      before[i], after[i] = pair[1], pair[2]
    end
    if mode == "constant" then
      -- with a number among booleans the common type would be an integer
      if x.dtype == "bool" and type(value) == "number" then value = value ~= 0 end
      return prim.pad(x, before, after, value)
    end
    local rule = pad_rules[mode]
    if not rule then
      errors.fail("kl.pad: no mode '%s'%s", tostring(mode),
        errors.nearest(mode, {"constant", "reflect", "symmetric", "edge", "wrap"}))
    end
    for axis = 1, ndim do
      local n = x.shape[axis]
      if before[axis] > 0 or after[axis] > 0 then
        if n == 0 then errors.fail("kl.pad: axis %d is empty: there is nothing to take for mode '%s'", axis, mode) end
        local at = {}
        for i = -before[axis], n + after[axis] - 1 do at[#at + 1] = rule(i, n) end
        x = prim.take(x, core.tensor(at, "int32"), axis)
      end
    end
    return x
  end)

-- One position p of an axis of n elements (false: not known), as 1 .. n; where n is not known one from the end stays.
local function position_of(axis, n, p, list)
  if math.type(p) ~= "integer" then
    errors.fail("index %d: an integer or a range {first, last} expected, got %s", axis, errors.show(p))
  end
  if not n and p < 0 then return p end
  local at = p < 0 and n + p + 1 or p
  if at == 0 or at < 0 or (n and at > n) then
    errors.fail("index %d is outside axis %d of length %s (positions count from 1%s)", p, axis, n or "?",
      n and p == n + 1 and not list and "; ipairs goes on to it: loop over 1 to #t, or ipairs(t:unstack())" or "")
  end
  return at
end

-- Where a range {first, last} of an axis of n elements begins, and its length: -1 for all to the end of an axis that is
-- not known.
local function range_of(axis, n, range)
  if n and range[1] == n + 1 and range[2] == n then return 1, 0 end -- the empty range behind the end
  local first = position_of(axis, n, range[1], true)
  local last = range[2] == first - 1 and range[2] or position_of(axis, n, range[2], true)
  local to_the_end = not n and first > 0 and last == -1
  if not n and not to_the_end and (first < 0) ~= (last < 0) then
    errors.fail("index %d: axis %d has an unknown length: a range in it begins and ends at positions from the same side",
      axis, axis)
  end
  if last < first - 1 and not to_the_end then
    errors.fail("index %d: the range {%d, %d} ends before it begins", axis, range[1], range[2])
  end
  return first, to_the_end and -1 or last - first + 1
end

-- The positions, from 0, of a range with a step, which may go backwards.
local function steps_of(axis, n, range)
  local step = range[3]
  if math.type(step) ~= "integer" or step == 0 then
    errors.fail("index %d: the step of a range must be an integer other than 0, got %s", axis, errors.show(step))
  end
  if not n then errors.fail("index %d: axis %d has an unknown length: a range in it has no step", axis, axis) end
  local first, last = position_of(axis, n, range[1], true), position_of(axis, n, range[2], true)
  if (last - first) * step < 0 then
    errors.fail("index %d: steps of %d do not lead from %d to %d", axis, step, range[1], range[2])
  end
  return prim.sequence(first - 1, step, (last - first) // step + 1, "int64")
end

--- t[i] and t[{ {a, b}, {}, k }]: an integer takes one position and drops the axis, {a, b} is a range with both ends in,
--- {a, b, step} every step-th of it (backwards if the step is below 0), {a} one position that keeps its axis, {} the whole
--- axis; negative positions count from the end.  t[mask] with a bool tensor takes what is true in it.
function array.__getitem(t, key)
  if core.kind(key) and key.dtype == "bool" then return selection.boolean_mask(t, key, 1) end
  local shape = t.shape
  local index = key
  local alone = math.type(key) == "integer"
  if alone then
    index = {key}
  elseif type(key) ~= "table" or getmetatable(key) ~= nil then
    errors.fail(
      "a tensor is indexed by an integer, a table of integers and ranges or a bool tensor, got %s; kl.take gathers by a tensor",
      errors.show(key))
  end
  for name in pairs(index) do
    if math.type(name) ~= "integer" then
      errors.fail("index '%s': positions are expected, not names", tostring(name))
    end
  end
  if #index > #shape then
    errors.fail("%d indices for a tensor of rank %d, shape %s", #index, #shape, core.shape_text(t))
  end
  local starts, size, dropped, stepped = {}, {}, {}, {}
  for axis, n in ipairs(shape) do
    local entry = index[axis]
    if entry == nil or (type(entry) == "table" and #entry == 0) then
      starts[axis], size[axis] = 1, n or -1
    elseif type(entry) ~= "table" then
      starts[axis], size[axis] = position_of(axis, n, entry, not alone), 1
      dropped[#dropped + 1] = axis
    elseif #entry == 1 then
      starts[axis], size[axis] = position_of(axis, n, entry[1], true), 1
    elseif #entry == 2 then
      starts[axis], size[axis] = range_of(axis, n, entry)
    elseif #entry == 3 then
      starts[axis], size[axis] = 1, n or -1
      stepped[#stepped + 1] = {axis, steps_of(axis, n, entry)}
    else
      errors.fail("index %d: a range is {first, last} or {first, last, step}, got %d entries", axis, #entry)
    end
  end
  local part = prim.slice(t, starts, size)
  for _, step in ipairs(stepped) do part = prim.take(part, step[2], step[1]) end
  return #dropped > 0 and prim.squeeze(part, dropped) or part
end

--- True if both have the same shape, dtype and values (NaN equals nothing).  Reads the values.
---@return boolean
function array.array_equal(a, b)
  local x, y = prim.copy(a), prim.copy(b)
  if #x.shape ~= #y.shape or x.dtype ~= y.dtype then return false end
  for i, n in ipairs(x.shape) do
    if y.shape[i] ~= n then return false end
  end
  return core.ops.all(prim.equal(x, y)):item()
end

return array
