-- Stages that hold elements: cache and prefetch.
local args = require "kl.args"
local core = require "kl.core"
local file_cache = require "kl.data.file_cache"
local stage = require "kl.data.stage"

local Dataset = stage.Dataset

-- cache with a name: the first pass that goes to its end writes, while those beside it read their input themselves.
local function cache_in_files(self, path)
  local keeps, text = {keys = {}}, self.text .. ":cache"
  local kept                                      -- what is in the files, once they are there
  local writing = setmetatable({}, {__mode = "v"}) -- the writer, as long as its pass lives
  function keeps.forget() -- the order is to be another one
    if writing[1] then writing[1]:close() end
    keeps.keys = {}
  end
  -- the numbers of elements of which all are in the files, as rows
  local function numbers_of(items)
    local numbers = {}
    for i, item in ipairs(items) do
      if not item.kept or not item.kept.by_row then return nil end
      numbers[i] = item.number
    end
    return numbers, items[1].kept.by_row
  end
  local function from_files()
    local i = 0
    return function()
      if i == kept.count then return nil end
      i = i + 1
      return {kept = kept, number = i}
    end, function(m)
      m = math.min(m, kept.count - i)
      i = i + m
      return m
    end
  end
  local function from_input(ctx)
    local inner, ended = stage.inner(ctx, keeps.keys), false
    local next_item, jump = self.open(inner)
    local writer = not (writing[1] and not writing[1].closed) and file_cache.writer(path, text) or nil
    if writer then
      writing[1] = writer
      ctx.closers[writer] = function() writer:close() end
    end
    local function let_go(close)
      if close then writer:close() end
      ctx.closers[writer], writer = nil, nil
    end
    return function()
      if ended then return nil end
      local item = next_item()
      if writer and writer.closed then let_go() end
      if item == nil then
        ended = true
        stage.close_inner(ctx, inner)
        if writer then
          local ok, message = pcall(writer.finish, writer)
          let_go(not ok)
          if not ok then error(message, 0) end
        end
        return nil
      end
      if not writer then return {item = item} end
      local element = self.fetch(item)
      local ok, message = pcall(writer.add, writer, element)
      if not ok then
        let_go(true)
        error(message, 0)
      end
      return {element = element}
    end, not writer and jump or nil
  end
  return stage.new{text = text, inputs = {self}, length = self.length, keeps = keeps,
    fetch = function(item)
      return item.kept and item.kept:fetch(item.number) or item.element or self.fetch(item.item)
    end,
    gather = function(items)
      local numbers, by_row = numbers_of(items)
      return numbers and by_row.gather(numbers) or nil
    end,
    prepare = function(item, queue)
      if item.element then return {element = item.element} end
      return item.item ~= nil and self.prepare and self.prepare(item.item, queue) or nil
    end,
    prepare_many = function(items, queue)
      local numbers, by_row = numbers_of(items)
      return numbers and by_row.prepare_many(numbers, queue) or nil
    end,
    open = function(ctx)
      kept = kept or file_cache.open(path, text)
      if kept then return from_files() end
      return from_input(ctx)
    end}
end

--- The elements, kept once they have been read: in memory, or in files.  The order of the first pass stays: what shuffles before it
--- shuffles once.
---
--- In memory a pass that ends early keeps what it has read, and the next one goes on from there.  With a name they are kept in
--- `<name>.index` and `<name>.<tag>.1.npy`, ... (one for each tensor of an element), for data larger than memory and for later runs of
--- the program: written by the first pass that goes to its end, from which later ones read.  Elements that it skips are read and
--- written, too.  Files of a data set with other stages are an error; a function that has changed is not noticed: remove the files.
---@param filename? string # nil, or "": in memory
function Dataset:cache(filename)
  if filename ~= nil and filename ~= "" then
    return cache_in_files(self, args.check("cache: 'filename'", filename, "string"))
  end
  local keeps = {keys = {}}
  function keeps.forget()
    if keeps.ctx then stage.close(keeps.ctx) end
    keeps.keys, keeps.items, keeps.elements, keeps.next_item, keeps.complete = {}, {}, {}, nil, false
  end
  keeps.forget()
  return stage.new{text = self.text .. ":cache", inputs = {self}, length = self.length, keeps = keeps,
    fetch = function(place)
      local i, elements = place.number, place.elements
      if not elements[i] then
        elements[i] = self.fetch(place.items[i])
        place.items[i] = true -- no longer needed
      end
      return {table.unpack(elements[i])}
    end,
    prepare = function(place, queue)
      local element = place.elements[place.number]
      if element then return {element = element} end
      return self.prepare and self.prepare(place.items[place.number], queue)
    end,
    open = function()
      local i = 0
      local items, elements = keeps.items, keeps.elements
      local function reach(n) -- true if there is an element n
        if not keeps.next_item then
          keeps.ctx = stage.context(keeps.keys)
          keeps.next_item = self.open(keeps.ctx)
        end
        while #items < n do
          local item = not keeps.complete and keeps.next_item()
          if not item then
            keeps.complete = true
            return false
          end
          items[#items + 1] = item
        end
        return true
      end
      return function()
        if not reach(i + 1) then return nil end
        i = i + 1
        return {number = i, items = items, elements = elements}
      end, function(m)
        local before = i
        while i < before + m and reach(i + 1) do i = i + 1 end
        return i - before
      end
    end}
end

--- Up to n elements are made ready ahead.  Where batches of rows are gathered (from_tensor_slices or from_file, with any
--- stages that choose, and batch), a thread does it while the script goes on with the last one, and so it does maps with
--- replay = true, of these rows or batches.  Other functions of the user's stay in the script's own state, and of them only
--- those that choose (filter, generators) run ahead.  The values are the same with and without.
---@param n? integer # 1; -1 lets kl choose
function Dataset:prefetch(n)
  n = n == nil and 1 or n
  args.check("prefetch: 'buffer_size'", n, "integer", -1)
  if n == -1 then n = 2 end
  return stage.new{text = self.text .. ":prefetch", inputs = {self}, length = self.length, fetch = self.fetch, gather = self.gather,
    prepare_many = self.prepare_many,
    prepare = self.prepare, open = function(ctx)
      local next_item, jump = self.open(ctx)
      if n == 0 then return next_item, jump end
      local ahead, first, last, ended = {}, 1, 0, false -- entries first to last
      local queue
      local function pull()
        local ok, item = pcall(next_item)
        if ok and item == nil then
          ended = true
          return
        end
        last = last + 1
        if not ok then -- raised when its turn comes
          ahead[last] = {failure = item}
          ended = true
          return
        end
        if self.prepare then
          if not queue then
            queue = core.prefetch(n + 1)
            ctx.closers[queue] = function() queue:close() end
          end
          self.prepare(item, queue)
        end
        ahead[last] = {item = item}
      end
      local function finish()
        if queue then
          ctx.closers[queue] = nil
          queue:close()
          queue = nil
        end
      end
      return function()
        while not ended and last - first < n do pull() end
        if last < first then
          finish()
          return nil
        end
        local entry = ahead[first]
        ahead[first] = nil
        first = first + 1
        if entry.failure ~= nil then
          ended = false
          error(entry.failure, 0)
        end
        return entry.item
      end, function(m)
        local passed = 0
        while passed < m and first <= last do
          if ahead[first].failure then break end
          ahead[first], first, passed = nil, first + 1, passed + 1
        end
        return passed + (not ended and passed < m and stage.jump(next_item, jump, m - passed) or 0)
      end
    end}
end

return Dataset
