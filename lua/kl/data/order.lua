-- Stages that choose among the elements of data sets and order them: shuffle, take, skip, repeat_, shard, concatenate, zip.  They
-- look at no element.
local args = require "kl.args"
local errors = require "kl.errors"
local stage = require "kl.data.stage"

local Dataset = stage.Dataset
local INFINITE, UNKNOWN = stage.INFINITE, stage.UNKNOWN

local shuffle_params = args.params{{"seed"}, {"reshuffle_each_iteration", true}}

--- Elements in random order: a buffer of that size is kept full and drawn from.  Only a buffer as large as the data
--- shuffles fully.  The buffer holds row numbers or what else is cheap, no data.
---@param buffer_size integer
---@param options? table # seed, reshuffle_each_iteration = true
function Dataset:shuffle(buffer_size, options)
  args.check("shuffle: 'buffer_size'", buffer_size, "integer", 1)
  local o = args.read("shuffle", shuffle_params, options)
  if o.seed ~= nil then args.check("shuffle: 'seed'", o.seed, "integer") end
  args.check("shuffle: 'reshuffle_each_iteration'", o.reshuffle_each_iteration, "boolean")
  local shuffled
  shuffled = stage.choose(self, ("shuffle(%d)"):format(buffer_size), self.length, function(ctx)
    local draw = stage.numbers(stage.key(shuffled, ctx))
    local next_item, buffer, ended = self.open(ctx), {}, false
    return function()
      while not ended and #buffer < buffer_size do
        local item = next_item()
        if item == nil then ended = true else buffer[#buffer + 1] = item end
      end
      local n = #buffer
      if n == 0 then return nil end
      local k = math.floor(draw() * n) + 1
      local item = buffer[k]
      buffer[k] = buffer[n]
      buffer[n] = nil
      return item
    end
  end)
  shuffled.generator = stage.generator("data/shuffle", o.seed)
  shuffled.repeats_order = not o.reshuffle_each_iteration
  return shuffled
end

--- The first n elements; -1: all.
function Dataset:take(n)
  args.check("take: 'count'", n, "integer", -1)
  if n == -1 then return self end
  local length = self.length >= 0 and math.min(n, self.length) or self.length == INFINITE and n or n == 0 and 0 or UNKNOWN
  return stage.choose(self, ("take(%d)"):format(n), length, function(ctx)
    local left = n
    if n == 0 then return function() end end
    local next_item, jump = self.open(ctx)
    return function()
      if left == 0 then return nil end
      left = left - 1
      return next_item()
    end, function(m)
      m = math.min(m, left)
      left = left - m
      return stage.jump(next_item, jump, m)
    end
  end)
end

--- All but the first n elements, which are not read; -1: none.
function Dataset:skip(n)
  args.check("skip: 'count'", n, "integer", -1)
  if n == -1 then return self:take(0) end
  local length = self.length >= 0 and math.max(0, self.length - n) or self.length
  return stage.choose(self, ("skip(%d)"):format(n), length, function(ctx)
    local next_item, jump = self.open(ctx)
    local skipped = false
    local function skip()
      if not skipped then
        skipped = true
        stage.jump(next_item, jump, n)
      end
    end
    return function()
      skip()
      return next_item()
    end, function(m)
      skip()
      return stage.jump(next_item, jump, m)
    end
  end)
end

--- The elements again and again: n times, or without end (-1 too).
function Dataset:repeat_(n)
  if n == -1 then n = nil end
  if n ~= nil then args.check("repeat_: 'count'", n, "integer", 0) end
  local length = n == nil and INFINITE or self.length
  if n and length > 0 then length = n <= math.maxinteger // length and length * n or math.maxinteger end
  if n == 0 or self.length == 0 then length = 0 end
  return stage.choose(self, ("repeat_(%s)"):format(n or ""), length, function(ctx)
    local next_item, jump, passes, given = nil, nil, 0, false
    local inner
    local function begin()
      if passes == n or (passes > 0 and not given) then return false end -- what gave nothing is not begun for ever
      passes, given = passes + 1, false
      inner = stage.inner(ctx, ctx.keys, stage.part(ctx, passes).path)
      next_item, jump = self.open(inner)
      return true
    end
    local function finish()
      next_item = nil
      stage.close_inner(ctx, inner)
    end
    return function()
      while true do
        if not next_item and not begin() then return nil end
        local item = next_item()
        if item ~= nil then
          given = true
          return item
        end
        finish()
      end
    end, function(m)
      local passed = 0
      while passed < m do
        if not next_item and self.length > 0 then -- whole passes
          local whole = (m - passed) // self.length
          if n then whole = math.min(whole, n - passes) end
          passes, passed = passes + whole, passed + whole * self.length
          given = given or whole > 0
          if passed == m then break end
        end
        if not next_item and not begin() then break end
        local now = stage.jump(next_item, jump, m - passed)
        if now > 0 then given = true end
        if now < m - passed then finish() end
        passed = passed + now
      end
      return passed
    end
  end)
end

--- Every count-th element, from number `index` (from 0) on: the part of one of `count` workers.
---@param count integer # num_shards
---@param index integer # from 0, as ranks count
function Dataset:shard(count, index)
  args.check("shard: 'num_shards'", count, "integer", 1)
  args.check("shard: 'index'", index, "integer", 0, count - 1)
  local length = self.length
  if length >= 0 then length = length > index and (length - index - 1) // count + 1 or 0 end
  return stage.choose(self, ("shard(%d, %d)"):format(count, index), length, function(ctx)
    local next_item, jump = self.open(ctx)
    local before = index -- of elements that are not ours
    local function pass_over(m)
      local wanted = before + (m - 1) * count
      local passed = stage.jump(next_item, jump, wanted)
      if passed < wanted then return nil, passed end
      before = count - 1
      return next_item()
    end
    return function() return (pass_over(1)) end, function(m)
      if m == 0 then return 0 end
      local first = before
      local item, passed = pass_over(m)
      if item ~= nil then return m end
      if not passed then return m - 1 end -- it ended at the last of them
      return passed > first and (passed - first - 1) // count + 1 or 0
    end
  end)
end

--- The elements of this data set, then those of another one.
---@param other kl.data.Dataset
function Dataset:concatenate(other)
  stage.check("concatenate: 'dataset'", other)
  local parts = {self, other}
  local length = self.length + other.length
  if self.length == INFINITE or other.length == INFINITE then
    length = INFINITE
  elseif self.length == UNKNOWN or other.length == UNKNOWN then
    length = UNKNOWN
  end
  -- an item says of which it is; a whole batch of one part is gathered by it
  local function same(items)
    local part = items[1].part
    local list = {}
    for i, item in ipairs(items) do
      if item.part ~= part then return nil end
      list[i] = item.item
    end
    return part, list
  end
  local gather
  if self.gather and other.gather then
    gather = function(items)
      local part, list = same(items)
      return part and part.gather(list)
    end
  end
  return stage.new{text = ("%s:concatenate(%s)"):format(self.text, other.text), inputs = parts, length = length,
    fetch = stage.fetch_of_part, gather = gather, prepare = stage.prepare_of_part,
    prepare_many = self.prepare_many and other.prepare_many and function(items, queue)
      local part, list = same(items)
      return part and part.prepare_many(list, queue)
    end,
    open = function(ctx)
      local which, next_item, jump = 0, nil, nil
      local function begin()
        if which == 2 then return false end
        which = which + 1
        next_item, jump = parts[which].open(stage.part(ctx, which))
        return true
      end
      return function()
        while next_item or begin() do
          local item = next_item()
          if item ~= nil then return {part = parts[which], item = item} end
          next_item = nil
        end
      end, function(m)
        local passed = 0
        while passed < m and (next_item or begin()) do
          local now = stage.jump(next_item, jump, m - passed)
          if now < m - passed then next_item = nil end
          passed = passed + now
        end
        return passed
      end
    end}
end

--- Elements of several data sets side by side, as long as all have some: zip(a, b) gives the values of a's element, then
--- those of b's.  Also a:zip(b).
---@return kl.data.Dataset
function Dataset.zip(...)
  local parts = {...}
  if #parts == 1 and type(parts[1]) == "table" and getmetatable(parts[1]) == nil then parts = parts[1] end
  if #parts == 0 then
    errors.fail("zip: at least one data set expected%s", next(parts) and ", by position (map makes names of values)" or "")
  end
  local length, texts, gathers, prepares = INFINITE, {}, true, true
  for i, part in ipairs(parts) do
    stage.check(("zip: argument %d"):format(i), part)
    texts[i] = part.text
    if part.length == UNKNOWN or length == UNKNOWN then
      length = (part.length == 0 or length == 0) and 0 or UNKNOWN
    elseif part.length ~= INFINITE then
      length = length == INFINITE and part.length or math.min(length, part.length)
    end
    gathers, prepares = gathers and part.gather, prepares and part.prepare_many
  end
  local function join(get)
    local element = {}
    for k, part in ipairs(parts) do
      local values = get(part, k)
      if not values then return nil end -- what cannot be gathered
      table.move(values, 1, #values, #element + 1, element)
    end
    return element
  end
  local function column(items, k)
    local list = {}
    for i, item in ipairs(items) do list[i] = item[k] end
    return list
  end
  -- the element that all parts promise together, if each does; and their promises
  local function promised(prepare)
    local promises, all = {}, true
    for k, part in ipairs(parts) do
      promises[k] = prepare(part, k) or false
      all = all and promises[k] and promises[k].element
    end
    return all and join(function(_, k) return promises[k].element end) or nil, promises
  end
  return stage.new{text = ("zip(%s)"):format(table.concat(texts, ", ")), inputs = parts, length = length,
    fetch = function(item) return join(function(part, k) return part.fetch(item[k]) end) end,
    gather = gathers and function(items) return join(function(part, k) return part.gather(column(items, k)) end) end or nil,
    prepare = function(item, queue)
      return {element = promised(function(part, k) return part.prepare and part.prepare(item[k], queue) end)}
    end,
    prepare_many = prepares and function(items, queue)
      local element, promises = promised(function(part, k) return part.prepare_many(column(items, k), queue) end)
      return {element = element, wait = function()
        return join(function(part, k) return promises[k] and promises[k].wait() or part.gather(column(items, k)) end)
      end}
    end or nil,
    open = function(ctx)
      local nexts, jumps, ended = {}, {}, false
      for k, part in ipairs(parts) do nexts[k], jumps[k] = part.open(stage.part(ctx, k)) end
      return function()
        if ended then return nil end
        local item = {}
        for k, next_item in ipairs(nexts) do
          item[k] = next_item()
          if item[k] == nil then
            ended = true
            return nil
          end
        end
        return item
      end, function(m)
        local passed = m
        if ended then return 0 end
        for k, next_item in ipairs(nexts) do passed = math.min(passed, stage.jump(next_item, jumps[k], m)) end
        ended = passed < m
        return passed
      end
    end}
end
