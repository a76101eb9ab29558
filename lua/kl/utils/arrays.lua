-- Preparing arrays: classes as rows, sequences of one length, vectors of one norm (keras-semantics 10.10).
--
-- These take data (tensors, or Lua lists of numbers) and give data; constructors' spelling: positional arguments in the array
-- part, named ones behind.
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local ops = require "kl.ops"

local arrays = {}

local categorical_params = args.params{"x", {"num_classes"}}

--- One row per label, 1 at the label and 0 elsewhere: to_categorical{labels, num_classes = largest label + 1}.  Labels count from
--- 0; a last axis of length 1 goes.
---@return kl.Tensor # float32, the shape of the labels and an axis of num_classes
function arrays.to_categorical(given)
  if type(given) == "table" and getmetatable(given) == nil and math.type(given[1]) then -- the labels themselves
    given = {table.move(given, 1, #given, 1, {}), num_classes = given.num_classes}
  end
  local o = args.read("to_categorical", categorical_params, given)
  local x = core.kind(o.x) and o.x or core.tensor(o.x)
  if x.dtype:find("float") then x = ops.cast(x, "int32") end
  local rank = #x.shape
  if rank > 1 and x.shape[rank] == 1 then x = ops.squeeze(x, -1) end
  local size = core.size(x)
  local low, high = 0, -1
  if size > 0 then low, high = ops.min(x):item(), ops.max(x):item() end
  local n = o.num_classes
  if n == nil then n = math.max(high + 1, 0) end
  args.check("to_categorical: 'num_classes'", n, "integer", 1)
  if low < 0 or high >= n then
    errors.fail("to_categorical: labels must be from 0 to %d (num_classes - 1), got %d", n - 1, low < 0 and low or high)
  end
  return ops.one_hot(x, n)
end

local normalize_params = args.params{"x", {"axis", -1}, {"order", 2}}

--- x divided by its norm of that order along an axis; a norm of 0 counts as 1: normalize{x, axis = -1, order = 2}.
---@return kl.Tensor
function arrays.normalize(given)
  local o = args.read("normalize", normalize_params, given)
  local x = core.kind(o.x) and o.x or core.tensor(o.x)
  if not x.dtype:find("float") then x = ops.cast(x, "float32") end
  args.check("normalize: 'axis'", o.axis, "integer")
  args.check("normalize: 'order'", o.order, "number")
  local size, norm = ops.abs(x), nil
  if o.order == 2 then
    norm = ops.sqrt(ops.sum(ops.square(x), o.axis, true))
  elseif o.order == 1 then
    norm = ops.sum(size, o.axis, true)
  elseif o.order == math.huge then
    norm = ops.max(size, o.axis, true)
  elseif o.order > 0 then
    norm = ops.sum(size ^ o.order, o.axis, true) ^ (1 / o.order)
  else
    errors.fail("normalize: 'order' must be above 0, got %s", o.order)
  end
  return x / ops.where(ops.equal(norm, 0), 1.0, norm)
end

local pad_params = args.params{"sequences", {"maxlen"}, {"dtype", "int32"}, {"padding", "pre"}, {"truncating", "pre"}, {"value", 0.0}}

--- A list of sequences (lists of numbers or of rows, or tensors) as one tensor (sequences, maxlen, ...): what is too long is cut,
--- what is too short filled with `value`, in front ("pre") or behind ("post").  pad_sequences{sequences, maxlen = the longest,
--- dtype = "int32", padding = "pre", truncating = "pre", value = 0}.
---@return kl.Tensor
function arrays.pad_sequences(given)
  if type(given) == "table" and getmetatable(given) == nil and type(given[1]) == "table" and getmetatable(given[1]) == nil and
    type(given[1][1]) == "number" then
    errors.fail("pad_sequences: a list of sequences expected as the first argument, got a sequence: "
      .. "write pad_sequences{{sequence, sequence}, ...}")
  end
  local o = args.read("pad_sequences", pad_params, given)
  for _, name in ipairs{"padding", "truncating"} do
    if o[name] ~= "pre" and o[name] ~= "post" then
      errors.fail("pad_sequences: '%s' must be \"pre\" or \"post\", got %s", name, errors.show(o[name]))
    end
  end
  if type(o.sequences) ~= "table" or getmetatable(o.sequences) ~= nil then
    errors.fail("pad_sequences: a list of sequences expected, got %s", errors.show(o.sequences))
  end
  local longest, tail, parts = 0, nil, {}
  for i, sequence in ipairs(o.sequences) do
    local kind = core.kind(sequence)
    if not kind and type(sequence) ~= "table" then
      errors.fail("pad_sequences: sequence %d must be a list or a tensor, got %s", i, errors.show(sequence))
    end
    local empty = not kind and #sequence == 0
    local t = not empty and ops.cast(kind and sequence or core.tensor(sequence), o.dtype) or false
    if t and #t.shape == 0 then errors.fail("pad_sequences: sequence %d is a scalar", i) end
    if t then
      local own = table.move(t.shape, 2, #t.shape, 1, {})
      tail = tail or own
      if table.concat(own, ",") ~= table.concat(tail, ",") then
        errors.fail("pad_sequences: the elements of sequence %d have shape %s, those before it (%s)", i,
          "(" .. table.concat(own, ", ") .. ")", table.concat(tail, ", "))
      end
      longest = math.max(longest, t.shape[1])
    end
    parts[i] = t
  end
  if #parts == 0 then errors.fail("pad_sequences: the list of sequences is empty") end
  local length = o.maxlen == nil and longest or args.check("pad_sequences: 'maxlen'", o.maxlen, "integer", 0)
  tail = tail or {}
  local function filled(n)
    local shape = {n, table.unpack(tail)}
    return ops.full(shape, o.value, {dtype = o.dtype})
  end
  for i, t in ipairs(parts) do
    local n = t and t.shape[1] or 0
    if n > length then
      local from = o.truncating == "pre" and n - length + 1 or 1
      t = length > 0 and t[{ {from, from + length - 1} }] or false
      n = length
    end
    if n < length then
      local rest = filled(length - n)
      t = not t and rest or ops.concatenate(o.padding == "pre" and {rest, t} or {t, rest}, {axis = 1})
    end
    parts[i] = t or filled(0)
  end
  return ops.stack(parts)
end

return arrays
