-- Stages that sort elements into groups and hand out what becomes of each: group_by_window, bucket_by_sequence_length.
local args = require "kl.args"
local errors = require "kl.errors"
local functions = require "kl.data.functions"
local sources = require "kl.data.sources"
local stage = require "kl.data.stage"
local values = require "kl.data.values"

local Dataset = stage.Dataset

--- What a function gave as a key or a length: a number or a string.
local function plain(what, number, value)
  value = values.plain(value)
  if value ~= value or type(value) ~= "number" and type(value) ~= "string" then
    errors.fail("%s: the function must return a number or a string, got %s (element %d)", what, errors.show(value), number)
  end
  return value
end

local function data_set_of(elements)
  return stage.new{text = ("group(%d)"):format(#elements), length = #elements, open = sources.count_to(#elements),
    fetch = function(i) return {table.unpack(elements[i])} end}
end

--- The stage, with its numbers in words: key_of(number, element) sorts, size_of(key) says how many elements make a group, and
--- reduce_func(key, group) makes a data set of one; groups that are not full come at the end, in the order in which their keys came.
local function grouped(self, what, numbers, key_of, size_of, reduce_func)
  local result
  result = functions.looking(self, ("%s(%s)"):format(what, numbers), self.length == 0 and 0 or stage.UNKNOWN, function(following, ctx)
    local pass_key = stage.key(result, ctx)
    local groups, keys, ended = {}, {}, false -- groups that have begun, and all keys in their order
    local number, place = 0, nil              -- of the groups given, and the one that is being given
    local function next_group()
      while not ended do
        local element, count = following()
        if element == nil then
          ended = true
          break
        end
        local key = key_of(count, element)
        if not groups[key] then
          groups[key] = {size = size_of(key)}
          keys[#keys + 1] = key
        end
        local group = groups[key]
        group[#group + 1] = element
        if #group == group.size then
          groups[key] = {size = group.size}
          return key, group
        end
      end
      while #keys > 0 do
        local key = table.remove(keys, 1)
        if #groups[key] > 0 then return key, groups[key] end
      end
    end
    return function()
      while true do
        local item = place and place.next_item()
        if item ~= nil and place then return {part = place.part, item = item} end
        if place then stage.close_inner(ctx, place.inner) end
        local key, group = next_group()
        if key == nil then
          place = nil
          return nil
        end
        number = number + 1
        place = functions.open_made(ctx, pass_key, what, number, reduce_func, {key, data_set_of(group)})
      end
    end
  end)
  result.generator = stage.generator("data/" .. what)
  result.fetch, result.prepare = stage.fetch_of_part, stage.prepare_of_part
  return result
end

local group_params = args.params{{"window_size"}, {"window_size_func"}}

--- Groups of elements with one key: as soon as there are window_size of them, reduce_func(key, group) makes a data set of them
--- (group:batch(n), say), whose elements come next; the groups left at the end likewise.
---@param key_func function # of x, y, ...; returns a number or a string
---@param reduce_func function # of the key and a data set; returns a data set
---@param options integer|table # window_size, or window_size_func: of the key
function Dataset:group_by_window(key_func, reduce_func, options)
  local what = "group_by_window"
  args.check(what .. ": the key's function", key_func, "function")
  args.check(what .. ": the function of groups", reduce_func, "function")
  local o = args.read(what, group_params, options)
  if (o.window_size == nil) == (o.window_size_func == nil) then
    errors.fail("%s: either 'window_size' or 'window_size_func' expected", what)
  end
  if o.window_size ~= nil then args.check(what .. ": 'window_size'", o.window_size, "integer", 1) end
  if o.window_size_func ~= nil then args.check(what .. ": 'window_size_func'", o.window_size_func, "function") end
  return grouped(self, what, o.window_size or "", function(number, element)
    return plain(what, number, stage.call(what, number, key_func, table.unpack(element)))
  end, function(key)
    return o.window_size or args.check(("%s: the size for key %s"):format(what, tostring(key)), o.window_size_func(key), "integer", 1)
  end, reduce_func)
end

local bucket_params = args.params{{"padded_shapes"}, {"padding_values"}, {"pad_to_bucket_boundary", false}, {"no_padding", false},
  {"drop_remainder", false}}

--- Shapes with n where an axis is open (-1, false).
local function closed(shapes, n)
  if type(shapes) ~= "table" then return (shapes == -1 or shapes == false) and n or shapes end
  local result = {}
  for key, value in pairs(shapes) do result[key] = closed(value, n) end
  return result
end

--- Batches of elements of about one length: element_length_func(x, y, ...) gives it, bucket k holds those below bucket_boundaries[k],
--- the last one the others, and makes batches of bucket_batch_sizes[k], padded as padded_batch does.
---@param element_length_func function
---@param bucket_boundaries integer[] # upper ends of the lengths, not reached, rising
---@param bucket_batch_sizes integer[] # one more than boundaries
---@param options? table # padded_shapes, padding_values, drop_remainder = false: as of padded_batch; no_padding = false: all of a batch
---                      # have one length already; pad_to_bucket_boundary = false: open axes of padded_shapes become one less than the
---                      # bucket's boundary
function Dataset:bucket_by_sequence_length(element_length_func, bucket_boundaries, bucket_batch_sizes, options)
  local what = "bucket_by_sequence_length"
  args.check(what .. ": the length's function", element_length_func, "function")
  args.check(what .. ": 'bucket_boundaries'", bucket_boundaries, "table")
  args.check(what .. ": 'bucket_batch_sizes'", bucket_batch_sizes, "table")
  local ends, sizes = {table.unpack(bucket_boundaries)}, {table.unpack(bucket_batch_sizes)}
  if #sizes ~= #ends + 1 then
    errors.fail("%s: 'bucket_batch_sizes' must have one more than the %d 'bucket_boundaries', got %d", what, #ends, #sizes)
  end
  for k, size in ipairs(sizes) do args.check(("%s: 'bucket_batch_sizes'[%d]"):format(what, k), size, "integer", 1) end
  for k, boundary in ipairs(ends) do
    args.check(("%s: 'bucket_boundaries'[%d]"):format(what, k), boundary, "integer", k > 1 and ends[k - 1] + 1 or 1)
  end
  local o = args.read(what, bucket_params, options)
  for _, name in ipairs{"pad_to_bucket_boundary", "no_padding", "drop_remainder"} do
    args.check(("%s: '%s'"):format(what, name), o[name], "boolean")
  end
  if o.pad_to_bucket_boundary and o.padded_shapes == nil then
    errors.fail("%s: 'pad_to_bucket_boundary' needs 'padded_shapes', whose open axes (-1) it sets", what)
  end
  local function key_of(number, element)
    local length = plain(what, number, stage.call(what, number, element_length_func, table.unpack(element)))
    if type(length) ~= "number" then errors.fail("%s: a length must be a number, got %s", what, errors.show(length)) end
    local k = 1
    while ends[k] and length >= ends[k] do k = k + 1 end
    if o.pad_to_bucket_boundary and not ends[k] then
      errors.fail("%s: an element of length %s has no boundary to be padded to: the last is %s (element %d)", what, length, ends[k - 1],
        number)
    end
    return k
  end
  local numbers = ("%s; %s"):format(table.concat(ends, ", "), table.concat(sizes, ", "))
  return grouped(self, what, numbers, key_of, function(k) return sizes[k] end, function(k, group)
    if o.no_padding then return group:batch(sizes[k], {drop_remainder = o.drop_remainder}) end
    local shapes = o.pad_to_bucket_boundary and closed(o.padded_shapes, ends[k] - 1) or o.padded_shapes
    return group:padded_batch(sizes[k], {padded_shapes = shapes, padding_values = o.padding_values, drop_remainder = o.drop_remainder})
  end)
end
