-- Sliding windows over an array, after Keras's timeseries_dataset_from_array (keras-semantics 10.10).
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local Dataset = require "kl.data.dataset"
local values = require "kl.data.values"

local WHAT = "timeseries_dataset_from_array"
local params = args.params{"data", {"targets"}, "sequence_length", {"sequence_stride", 1}, {"sampling_rate", 1}, {"batch_size", 128},
  {"shuffle", false}, {"seed"}, {"start_index"}, {"end_index"}}

local function array(name, value)
  local where, expected = ("%s: '%s'"):format(WHAT, name), "a tensor with a first axis of steps"
  local t = values.tensors(where, value, {expected = expected})
  if not core.kind(t) or t.ndim == 0 then errors.fail("%s must be %s, got %s", where, expected, errors.show(value)) end
  return t
end

--- Windows of `sequence_length` steps along the first axis of `data`, `sampling_rate` steps apart; the next window begins
--- `sequence_stride` steps later.  With targets, window i comes with the target whose number is that of the window's first step
--- (as long as there are targets).  Options: sequence_stride = 1, sampling_rate = 1, batch_size = 128 (false: single windows),
--- shuffle = false, seed, start_index, end_index (steps, data: from 0; the end is left out).
---@return kl.data.Dataset
return function(data, targets, sequence_length, options)
  local given = {data, targets, sequence_length}
  if core.kind(data) == nil and type(data) == "table" and targets == nil and sequence_length == nil then given = data end
  for key, value in pairs(options or {}) do given[key] = value end
  if given.targets == false or given[2] == false then given.targets, given[2] = nil, nil end
  local o = args.read(WHAT, params, given)
  local x = array("data", o.data)
  local y = o.targets ~= nil and array("targets", o.targets) or nil
  for _, name in ipairs{"sequence_length", "sequence_stride", "sampling_rate"} do
    args.check(("%s: '%s'"):format(WHAT, name), o[name], "integer", 1)
  end
  if o.batch_size then args.check(WHAT .. ": 'batch_size'", o.batch_size, "integer", 1) end
  args.check(WHAT .. ": 'shuffle'", o.shuffle, "boolean")
  local n = x.shape[1]
  local first, last = o.start_index or 0, o.end_index or n
  args.check(WHAT .. ": 'start_index'", first, "integer", 0, n - 1)
  args.check(WHAT .. ": 'end_index'", last, "integer", first + 1, n)
  local steps = last - first
  local reach = (o.sequence_length - 1) * o.sampling_rate + 1
  local starts = steps - reach + 1
  if y then starts = math.min(starts, math.min(y.shape[1], last) - first) end
  if starts < 1 then
    errors.fail("%s: %d steps are fewer than a window of %d, %d apart, reaches over (%d)", WHAT, steps, o.sequence_length,
      o.sampling_rate, reach)
  end
  local count = (starts + o.sequence_stride - 1) // o.sequence_stride
  local ds = Dataset.range(first, first + count * o.sequence_stride, o.sequence_stride)
  if o.shuffle then ds = ds:shuffle(count, {seed = o.seed}) end
  if o.batch_size then ds = ds:batch(o.batch_size) end
  local offsets = {}
  for i = 1, o.sequence_length do offsets[i] = (i - 1) * o.sampling_rate end
  offsets = core.tensor(offsets, "int64")
  return ds:map(function(at)
    local places = core.ops.add(core.ops.expand_dims(at, -1), offsets)
    if y then return core.ops.take(x, places, 1), core.ops.take(y, at, 1) end
    return core.ops.take(x, places, 1)
  end)
end
