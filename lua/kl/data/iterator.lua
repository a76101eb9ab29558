-- Passes over data sets: objects whose position can be saved, and loops.
local args = require "kl.args"
local errors = require "kl.errors"
local stage = require "kl.data.stage"

local Dataset = stage.Dataset

---@class kl.data.Iterator
local Iterator = {__name = "kl.data.Iterator"}
Iterator.__index = Iterator

--- A pass as an object: next() gives the next element (a list of values), or nil at the end; state() and restore(state) save
--- and restore the position; close() lets go of everything.
---@return kl.data.Iterator
function Dataset:iterator()
  local ctx, drawn = stage.draw(self)
  local iterator = setmetatable({dataset = self, ctx = ctx, drawn = drawn, position = 0}, Iterator)
  iterator.next_item, iterator.jump = self.open(ctx)
  return iterator
end

local function check_open(self, what)
  if self.closed then errors.fail("%s: this iterator was closed", what) end
end

--- The next element, a list of values; nil at the end.
function Iterator:next()
  if self.closed or self.ended then
    check_open(self, "next")
    return nil
  end
  local item = self.next_item()
  if item == nil then
    self.ended = true
    stage.close(self.ctx) -- what a stage left open that stopped before its input's end, as take does
    return nil
  end
  self.position = self.position + 1
  return self.dataset.fetch(item)
end

--- The position as a plain table of numbers and strings, which JSON can hold.  It says how many elements were given and which
--- random numbers the pass uses, not what lies in buffers.
---@return table
function Iterator:state()
  check_open(self, "state")
  local generators = {}
  for i, given in ipairs(self.drawn) do generators[i] = {key = ("%016x"):format(given.key), pass = given.count} end
  return {pipeline = self.dataset.text, position = self.position, generators = generators}
end

--- Goes to a saved position: of this data set or of one made by the same code.  The elements that follow are those that
--- followed there, and later passes continue as they did.  Elements before the position are chosen again, not read again.
---@param state table # what state() gave
function Iterator:restore(state)
  check_open(self, "restore")
  args.check("restore: the state", state, "table")
  args.check("restore: state.position", state.position, "integer", 0)
  args.check("restore: state.generators", state.generators, "table")
  if state.pipeline ~= self.dataset.text then
    errors.fail("restore: the state is of another data set: %s expected, got %s", self.dataset.text, tostring(state.pipeline))
  end
  local drawn = {}
  for i, given in ipairs(state.generators) do
    local key = type(given) == "table" and type(given.key) == "string" and #given.key == 16 and tonumber(given.key, 16)
    if not key or math.type(given.pass) ~= "integer" then
      errors.fail("restore: state.generators[%d] must be {key = 16 hexadecimal digits, pass = an integer}", i)
    end
    drawn[i] = {key = key, count = given.pass}
  end
  stage.close(self.ctx)
  self.ctx, self.drawn = stage.redraw(self.dataset, drawn), drawn
  self.next_item, self.jump = self.dataset.open(self.ctx)
  self.position = stage.jump(self.next_item, self.jump, state.position)
  self.ended = self.position < state.position
  if self.ended then
    errors.fail("restore: the position is element %d, the data set has only %d", state.position, self.position)
  end
end

--- Ends the pass: threads and files that only it needs are let go of.  Closing twice is allowed.
function Iterator:close()
  if self.closed then return end
  self.closed, self.next_item, self.jump = true, nil, nil
  stage.close(self.ctx)
end

Iterator.__close = Iterator.close

function Iterator:__tostring() return ("<kl.data.Iterator at element %d of %s>"):format(self.position, self.dataset.text) end

--- for x, y in ds:each() do ... end: a fresh pass each time.
function Dataset:each()
  local pass = self:iterator()
  return function()
    local element = not pass.closed and pass:next()
    if element then return table.unpack(element) end
  end, nil, nil, pass
end

--- for step, x, y in ds:enumerate() do ... end: step from 1.
function Dataset:enumerate()
  local pass = self:iterator()
  return function(_, step)
    local element = not pass.closed and pass:next()
    if element then return step + 1, table.unpack(element) end
  end, nil, 0, pass
end

--- All elements as a list of lists of values; of a data set without end an error.
---@return any[][]
function Dataset:collect()
  if self.length == stage.INFINITE then errors.fail("collect: the data set has no end; take(n) its first elements") end
  local list = {}
  local pass <close> = self:iterator()
  for element in function() return pass:next() end do list[#list + 1] = element end
  return list
end

return Iterator
