-- Stages that hold elements: cache and prefetch.
local args = require "kl.args"
local core = require "kl.core"
local errors = require "kl.errors"
local stage = require "kl.data.stage"

local Dataset = stage.Dataset

--- The elements, kept in memory once they have been read.  The order of the first pass stays: what shuffles before it shuffles
--- once.  A pass that ends early keeps what it has read, and the next one goes on from there.
function Dataset:cache(...)
  if select("#", ...) > 0 and (...) ~= nil and (...) ~= "" then
    errors.fail("cache: elements are kept in memory only, a file cannot be given (got %s); write them by kl.save, and read them by "
      .. "from_file", errors.show((...)))
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
