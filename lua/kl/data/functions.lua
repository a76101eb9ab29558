-- Stages that call functions of the user's on elements.  Lua runs in the script's own state, never on a prefetch's thread; that
-- thread can only run what a map with replay = true has recorded.
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local stage = require "kl.data.stage"
local arrays = require "kl.data.values".arrays
local Replay = require "kl.replay"
local tree = require "kl.tree"

local Dataset = stage.Dataset

local function same(element) return element end

-- The values that a function returned for an element, as a list.
local function values(what, number, ...)
  local n = select("#", ...)
  if n == 0 then errors.fail("%s: the function returned nothing (element %d)", what, number) end
  for i = 1, n do
    if (select(i, ...)) == nil then errors.fail("%s: value %d that the function returned is nil (element %d)", what, i, number) end
  end
  local list = {...}
  for i = 1, n do list[i] = arrays(list[i]) end
  return list
end

-- A replay takes tensors: anything else would be recorded anew for each of its values.
local function check_tensors(number, element)
  for k, value in ipairs(element) do
    for _, leaf in ipairs(tree.flatten(value)) do
      if core.kind(leaf) ~= "tensor" then
        errors.fail("map: with replay = true the elements must consist of tensors; value %d is %s (element %d)", k, errors.show(leaf),
          number)
      end
    end
  end
  return element
end

-- True if the results that a call returned are structures of tensors only.
local function are_tensors(results)
  for i = 1, results.n do
    for _, leaf in ipairs(tree.flatten(results[i])) do
      if core.kind(leaf) ~= "tensor" then return false end
    end
  end
  return results.n > 0
end

local map_params = args.params{{"stateful", false}, {"replay", false}}

--- f(x, y, ...) of every element; f returns the new values.
---
--- f is called when an element is handed out: not for elements that are skipped or that a restored position leaves behind.  If
--- what f returns depends on earlier calls (it counts, say), give stateful = true: then it is called for every element, in order.
---
--- With replay = true f is recorded once per signature (dtypes and shapes of an element) and then replayed without running its
--- Lua, as by kl.jit with replay = true, and as tf.data does with every map: what else f does, it does once, Lua values stay as
--- they were, and reading a tensor's value inside is an error.  What f computes from the element and constants alone, a prefetch
--- behind the map leaves to its thread, where batches of rows are gathered before it or by batch after it; if f reads variables or
--- draws random numbers, it is replayed when the element is handed out, as without a prefetch.
---@param f function
---@param options? table # stateful = false, replay = false
function Dataset:map(f, options)
  args.check("map: the function", f, "function")
  if type(options) == "table" and options.num_parallel_calls ~= nil then
    errors.fail("map: there is no 'num_parallel_calls': a map with replay = true and a prefetch behind it runs beside the script")
  end
  local o = args.read("map", map_params, options)
  args.check("map: 'stateful'", o.stateful, "boolean")
  args.check("map: 'replay'", o.replay, "boolean")
  if o.stateful and o.replay then
    errors.fail("map: 'stateful' and 'replay' exclude each other: what is replayed does not depend on earlier calls")
  end
  local replay = o.replay and Replay(f, true)
  local function call(number, element)
    if replay then check_tensors(number, element) end
    return values("map", number, stage.call("map", number, replay or f, table.unpack(element)))
  end
  local mapped = {text = self.text .. ":map", inputs = {self}, length = self.length}
  if o.stateful then
    mapped.fetch = same
  else
    mapped.fetch = function(item)
      local element, ticket, results = self.fetch(item.item), item.ticket, item.results
      item.ticket, item.results = nil, nil
      if ticket and ticket:wait() then return values("map", item.number, table.unpack(results, 1, results.n)) end
      return call(item.number, element)
    end
    mapped.prepare = self.prepare and function(item, queue)
      local promise = self.prepare(item.item, queue)
      if not replay or not promise or not promise.element then return nil end
      item.ticket, item.results = replay:run_ahead(queue, promise.element)
      return item.ticket and are_tensors(item.results) and {element = item.results} or nil
    end
    mapped.prepare_many = replay and self.prepare_many and function(items, queue)
      if not replay.takes_rows then return nil end
      local inner = {}
      for i, item in ipairs(items) do inner[i] = item.item end
      local promise = self.prepare_many(inner, queue)
      if not promise or not promise.element then return nil end
      local ticket, results = replay:run_ahead(queue, promise.element, #items)
      if not ticket or not are_tensors(results) then return nil end
      results.n = nil
      return {element = results, wait = function() return promise.wait() and ticket:wait() and results end}
    end
  end
  mapped.open = function(ctx)
    local next_item, jump = self.open(ctx)
    local number = 0
    local function following()
      local item = next_item()
      if item == nil then return nil end
      number = number + 1
      if o.stateful then return call(number, self.fetch(item)) end
      return {number = number, item = item}
    end
    return following, not o.stateful and function(m)
      local passed = stage.jump(next_item, jump, m)
      number = number + passed
      return passed
    end or nil
  end
  return stage.new(mapped)
end

--- Whether a predicate holds: a boolean, or a tensor of one element.
local function holds(what, number, f, element)
  local answer = stage.call(what, number, f, table.unpack(element))
  if core.kind(answer) then
    if core.size(answer) ~= 1 then
      errors.fail("%s: the function must return one true or false, got %s (element %d)", what, errors.show(answer), number)
    end
    answer = core.ops.cast(answer, "bool"):item()
  end
  if type(answer) ~= "boolean" then
    errors.fail("%s: the function must return true or false, got %s (element %d)", what, errors.show(answer), number)
  end
  return answer
end

--- A stage that looks at the elements: open gets a function that gives the next one, and its number.
local function looking(self, text, length, open)
  return stage.new{text = self.text .. ":" .. text, inputs = {self}, length = length, fetch = same, open = function(ctx)
    local next_item = self.open(ctx)
    local number, ended = 0, false
    return open(function()
      if ended then return nil end
      local item = next_item()
      if item == nil then
        ended = true
        return nil
      end
      number = number + 1
      return self.fetch(item), number
    end, ctx)
  end}
end

--- The elements for which f(x, y, ...) is true.
---@param f function # returns a boolean, or a tensor of one
function Dataset:filter(f)
  args.check("filter: the function", f, "function")
  local length = (self.length == 0 or self.length == stage.INFINITE) and self.length or stage.UNKNOWN
  return looking(self, "filter", length, function(following)
    return function()
      while true do
        local element, number = following()
        if element == nil then return nil end
        if holds("filter", number, f, element) then return element end
      end
    end
  end)
end

--- The elements up to the first for which f(x, y, ...) is false.
---@param f function # returns a boolean, or a tensor of one
function Dataset:take_while(f)
  args.check("take_while: the function", f, "function")
  return looking(self, "take_while", self.length == 0 and 0 or stage.UNKNOWN, function(following)
    local ended = false
    return function()
      if ended then return nil end
      local element, number = following()
      if element ~= nil and holds("take_while", number, f, element) then return element end
      ended = true
    end
  end)
end

--- Elements that depend on those before: f(state, x, y, ...) returns the new state and the values.
---@param initial_state any
---@param f function
function Dataset:scan(initial_state, f)
  args.check("scan: the function", f, "function")
  return looking(self, "scan", self.length, function(following)
    local state = initial_state
    return function()
      local element, number = following()
      if element == nil then return nil end
      local results = table.pack(stage.call("scan", number, f, state, table.unpack(element)))
      if results.n < 2 or results[1] == nil then
        errors.fail("scan: the function must return a state and at least one value (element %d)", number)
      end
      state = results[1]
      return values("scan", number, table.unpack(results, 2, results.n))
    end
  end)
end

-- A pass over the data set that a function made of an element.  What shuffles in there is told apart by the element's number and
-- by the key of the pass around it.
local function open_made(ctx, key, what, number, f, element)
  local ds = stage.call(what, number, stage.scoped, f, table.unpack(element))
  if not class.is(ds, Dataset) then
    errors.fail("%s: the function must return a data set, got %s (element %d)", what, errors.show(ds), number)
  end
  local inner = stage.inner(ctx, {}, core.generator_key(key, "element", number))
  return {part = ds, inner = inner, next_item = ds.open(inner)}
end

local interleave_params = args.params{{"cycle_length", 16}, {"block_length", 1}}

--- The elements of the data sets that f(x, y, ...) makes of each element, `cycle_length` of them at a time in turns,
--- `block_length` elements each.
---@param f function # returns a data set
---@param options? table # cycle_length = 16, block_length = 1
function Dataset:interleave(f, options)
  args.check("interleave: the function", f, "function")
  local o = args.read("interleave", interleave_params, options)
  args.check("interleave: 'cycle_length'", o.cycle_length, "integer", 1)
  args.check("interleave: 'block_length'", o.block_length, "integer", 1)
  return self:_interleave("interleave", f, o.cycle_length, o.block_length)
end

--- The elements of the data sets that f(x, y, ...) makes of each element, one data set after the other.
---@param f function # returns a data set
function Dataset:flat_map(f)
  args.check("flat_map: the function", f, "function")
  return self:_interleave("flat_map", f, 1, 1)
end

function Dataset:_interleave(what, f, cycle_length, block_length)
  local length = self.length == 0 and 0 or stage.UNKNOWN
  local joined
  joined = stage.new{text = ("%s:%s(%d, %d)"):format(self.text, what, cycle_length, block_length), inputs = {self},
    length = length, generator = stage.generator("data/" .. what), fetch = stage.fetch_of_part,
    prepare = stage.prepare_of_part,
    open = function(ctx)
      local next_item = self.open(ctx)
      local key = stage.key(joined, ctx)
      local number, used_up = 0, false
      local most = 0 -- the last place that ever had something
      local places, at, given = {}, 1, 0 -- what is open, the one whose turn it is, what it has given in this turn
      local function places_used() return used_up and math.max(most, 1) or cycle_length end
      local function go_on() at, given = at < places_used() and at + 1 or 1, 0 end
      local function fill(place)
        if used_up then return end
        local item = next_item()
        if item == nil then
          used_up = true
          return
        end
        number = number + 1
        places[place] = open_made(ctx, key, what, number, f, self.fetch(item))
        most = math.max(most, place)
      end
      return function()
        local empty = 0 -- places in a row that had nothing
        while empty < places_used() do
          if not places[at] then fill(at) end
          local place = places[at]
          local item = place and place.next_item()
          if item ~= nil and place then
            given = given + 1
            local part = place.part
            if given == block_length then go_on() end
            return {part = part, item = item}
          end
          if place then stage.close_inner(ctx, place.inner) end
          places[at] = nil
          empty = place and 0 or empty + 1
          go_on()
        end
      end
    end}
  return joined
end

--- f(dataset): what a function makes of the data set, for chains.
---@param f fun(ds: kl.data.Dataset): kl.data.Dataset
function Dataset:apply(f)
  args.check("apply: the function", f, "function")
  return stage.check("apply: what the function returned", f(self))
end

--- One value of all elements: state = f(state, x, y, ...), beginning with `initial_state`.
function Dataset:reduce(initial_state, f)
  args.check("reduce: the function", f, "function")
  local state, number = initial_state, 0
  local pass <close> = self:iterator()
  while true do
    local element = pass:next()
    if element == nil then return state end
    number = number + 1
    state = stage.call("reduce", number, f, state, table.unpack(element))
    if state == nil then errors.fail("reduce: the function returned nothing (element %d)", number) end
  end
end

return {same = same, looking = looking, open_made = open_made}
