-- Stages that join elements and take them apart: batch, unbatch, window.  (padded_batch: padding.lua.)
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local functions = require "kl.data.functions"
local ops = require "kl.ops"
local rows = require "kl.data.rows"
local stage = require "kl.data.stage"
local tree = require "kl.tree"

local Dataset = stage.Dataset

--- Elements stacked: each value becomes a structure of tensors with one more axis in front.  join(leaves, k) makes one tensor of
--- those of a leaf.
local function stack_by(what, elements, join)
  local batch = {}
  for k in ipairs(elements[1]) do
    local parts = {}
    for i, element in ipairs(elements) do
      parts[i] = element[k]
      if #element ~= #elements[1] then
        errors.fail("%s: the elements of a batch must have as many values: element 1 has %d, element %d %d", what, #elements[1], i,
          #element)
      end
    end
    local number = 0
    batch[k] = tree.map(function(...)
      number = number + 1
      local leaves = {...}
      for i, leaf in ipairs(leaves) do
        if type(leaf) == "number" or type(leaf) == "boolean" then
          leaves[i] = core.tensor(leaf)
        elseif not core.kind(leaf) then
          errors.fail("%s: value %d of element %d is a %s: only tensors and numbers can be batched%s", what, k, i,
            type(leaf) == "string" and "string" or class.is(leaf, Dataset) and "data set" or type(leaf),
            class.is(leaf, Dataset) and " (flat_map gives the elements of data sets)" or "")
        end
      end
      return join(leaves, k, number)
    end, table.unpack(parts))
  end
  return batch
end

local function stack(elements)
  return stack_by("batch", elements, function(leaves, k)
    for i, leaf in ipairs(leaves) do
      if not core.same_shape(leaves[1], leaf) then
        errors.fail("batch: the elements of a batch must have one shape: value %d of element 1 has %s, of element %d %s", k,
          core.shape_text(leaves[1]), i, core.shape_text(leaf))
      end
    end
    return ops.stack(leaves, 1)
  end)
end

--- Items n at a time: lists of up to n items.
local function lists(self, n, drop_remainder)
  return function(ctx)
    local next_item, jump = self.open(ctx)
    local ended = false
    return function()
      if ended then return nil end
      local items = {}
      while #items < n do
        local item = next_item()
        if item == nil then
          ended = true
          break
        end
        items[#items + 1] = item
      end
      if #items == 0 or (drop_remainder and #items < n) then return nil end
      return items
    end, function(m)
      if ended then return 0 end
      local wanted = m <= math.maxinteger // n and m * n or math.maxinteger
      local passed = stage.jump(next_item, jump, wanted)
      if passed == wanted then return m end
      ended = true
      return drop_remainder and passed // n or -(-passed // n)
    end
  end
end

local function batches_of(length, n, drop_remainder)
  if length < 0 then return length end
  return drop_remainder and length // n or -(-length // n)
end

local batch_params = args.params{{"drop_remainder", false}}

--- n elements at a time, stacked; the last batch is smaller unless drop_remainder.
---@param n integer
---@param options? table # drop_remainder = false
function Dataset:batch(n, options)
  args.check("batch: 'batch_size'", n, "integer", 1)
  local o = args.read("batch", batch_params, options)
  args.check("batch: 'drop_remainder'", o.drop_remainder, "boolean")
  local gather, prepare_many = self.gather, self.prepare_many
  local function join(items)
    local batch = gather and gather(items)
    if batch then return batch end
    local elements = {}
    for i, item in ipairs(items) do elements[i] = self.fetch(item) end
    return stack(elements)
  end
  return stage.new{text = ("%s:batch(%d%s)"):format(self.text, n, o.drop_remainder and ", drop_remainder" or ""), inputs = {self},
    length = batches_of(self.length, n, o.drop_remainder),
    open = lists(self, n, o.drop_remainder),
    fetch = function(items)
      local ready = items.ready -- what a prefetch has begun to gather
      items.ready = nil
      return ready and ready.wait() or join(items)
    end,
    prepare = prepare_many and function(items, queue)
      items.ready = prepare_many(items, queue)
      return items.ready
    end or nil}
end

--- The rows of each element as elements of their own.
function Dataset:unbatch()
  return functions.looking(self, "unbatch", self.length == 0 and 0 or stage.UNKNOWN, function(following)
    local by_row, i, n
    return function()
      while not by_row or i == n do
        local element, number = following()
        if element == nil then return nil end
        i, n = 0, nil
        for k, value in ipairs(element) do
          for _, leaf in ipairs(tree.flatten(value)) do
            if not core.kind(leaf) or leaf.ndim == 0 then
              errors.fail("unbatch: value %d of element %d is a scalar: it has no rows", k, number)
            end
            if n and leaf.shape[1] ~= n then
              errors.fail("unbatch: the values of element %d have different numbers of rows: %d and %d", number, n, leaf.shape[1])
            end
            n = leaf.shape[1]
          end
        end
        by_row = rows.of(element)
        n = n or 0
      end
      i = i + 1
      return by_row.fetch(i)
    end
  end)
end

--- Batches of another size: of the rows of each element, n together.
---@param n integer
---@param options? table # as of batch
function Dataset:rebatch(n, options) return self:unbatch():batch(n, options) end

local window_params = args.params{{"shift"}, {"stride", 1}, {"drop_remainder", false}}

--- Windows of the elements: each element is a data set of up to `size` elements, `stride` apart; the next window begins `shift`
--- elements later.  With flat_map they become batches: ds:window(3, {shift = 1}):flat_map(function(w) return w:batch(3) end).
---@param size integer
---@param options? table # shift = size, stride = 1, drop_remainder = false
function Dataset:window(size, options)
  args.check("window: 'size'", size, "integer", 1)
  local o = args.read("window", window_params, options)
  local shift = o.shift == nil and size or o.shift
  args.check("window: 'shift'", shift, "integer", 1)
  args.check("window: 'stride'", o.stride, "integer", 1)
  args.check("window: 'drop_remainder'", o.drop_remainder, "boolean")
  if size - 1 > (math.maxinteger - 1) // o.stride then
    errors.fail("window: 'size' = %d elements, %d apart, are more than there can be", size, o.stride)
  end
  local reach = (size - 1) * o.stride + 1 -- elements from the first of a window to its last
  local length = self.length
  if length >= 0 then
    length = o.drop_remainder and (length < reach and 0 or (length - reach) // shift + 1) or -(-length // shift)
  end
  -- an element of several windows is fetched once
  local function fetch_box(box)
    if not box.element then box.element, box.item = self.fetch(box.item), nil end
    return box.element
  end
  local gather = self.gather and function(boxes)
    local items = {}
    for i, box in ipairs(boxes) do
      if box.item == nil then return nil end
      items[i] = box.item
    end
    return self.gather(items)
  end or nil
  local function fetch(boxes)
    local function open()
      local i = 0
      return function()
        i = i + 1
        return boxes[i]
      end
    end
    return {stage.new{text = ("window(%d)"):format(#boxes), inputs = {}, length = #boxes, open = open, fetch = fetch_box, gather = gather}}
  end
  local text = ("%s:window(%d, %d, %d%s)"):format(self.text, size, shift, o.stride, o.drop_remainder and ", drop_remainder" or "")
  return stage.new{text = text, inputs = {self}, length = length, fetch = fetch, open = function(ctx)
    local next_item = self.open(ctx)
    local buffer, first, ended = {}, 1, false -- elements from number `first` on, counted from 1
    local at = 1                              -- where the next window begins
    return function()
      local count = first + #buffer - 1
      while not ended and count - at < reach - 1 do
        local item = next_item()
        if item == nil then
          ended = true
        else
          count = count + 1
          if count >= at then buffer[#buffer + 1] = {item = item} else first = count + 1 end
        end
      end
      local boxes = {}
      for i = at, count - at < reach - 1 and count or at + reach - 1, o.stride do boxes[#boxes + 1] = buffer[i - first + 1] end
      if #boxes == 0 or (o.drop_remainder and #boxes < size) then return nil end
      at = shift <= math.maxinteger - at and at + shift or math.maxinteger
      local kept = {}
      for i = at, count do kept[#kept + 1] = buffer[i - first + 1] end
      buffer, first = kept, at <= count and at or count + 1
      return boxes
    end
  end}
end

return {stack_by = stack_by, lists = lists, batches_of = batches_of}
