-- The common ground of all stages of data sets: what a stage is, and what a pass over one is.
--
-- A stage moves items and not data.  Its fields:
--   text      what it is, with its numbers: "range(10):shuffle(5)"; a saved position is only taken by the same pipeline
--   inputs    the data sets it reads
--   length    the number of its elements, or stage.INFINITE, stage.UNKNOWN
--   open(ctx) begins a pass: next() -> item or nil, and, where there is a quicker way than calling it n times,
--             jump(n) -> how many items there were to pass over, at most n
--   fetch(item) -> the element, a list of values.  Only here data is read, gathered and given to functions of the user's.
--   gather(items) -> the element of a batch of these items, at once, where that pays; or nothing if these cannot be had so
--   prepare(item, queue), prepare_many(items, queue): a prefetch tells of what will be fetched, or gathered as a batch.  Where the
--             queue's thread makes it, they give a promise: `element`, whose tensors have no content yet and are for the queue
--             only (nil if it is not known yet).  fetch(item) gives that element then, and of a batch the promise's wait()
--             does, or nothing if it was not made.
--
-- So shuffling, skipping, and restoring a position touch no data.  What a stage must see to choose (filter, unbatch) it
-- fetches, and its items are the elements themselves.
--
-- Randomness: a pass knows for every shuffle the key of its generator and the number of the pass, drawn when the iterator is made; `path`
-- tells apart the places where one stage is opened several times in a pass (repetitions, two branches of a zip).  So what a
-- pass gives depends on the seed, the place of the data set in the program and the number of the pass only.
local core = require "kl.core"
local class = require "kl.class"
local errors = require "kl.errors"
local random = require "kl.random"

local stage = {INFINITE = -1, UNKNOWN = -2}

---@class kl.data.Dataset: kl.Object
local Dataset = class.Object:extend("Dataset")
stage.Dataset = Dataset

--- A data set made of those fields.
function stage.new(fields)
  local ds = Dataset()
  fields.inputs = fields.inputs or {}
  for name, value in pairs(fields) do rawset(ds, name, value) end
  return ds
end

--- A stage that only chooses among the items of what it is given.
function stage.choose(input, text, length, open)
  return stage.new{text = input.text .. ":" .. text, inputs = {input}, length = length, open = open, fetch = input.fetch,
    gather = input.gather, prepare = input.prepare, prepare_many = input.prepare_many}
end

--- fetch and prepare of a stage of several data sets, whose items say of which they are: {part = data set, item = its item}.
function stage.fetch_of_part(item) return item.part.fetch(item.item) end
function stage.prepare_of_part(item, queue) return item.part.prepare and item.part.prepare(item.item, queue) end

--- Raises unless it is a data set.
function stage.check(what, value)
  if not class.is(value, Dataset) then errors.fail("%s must be a data set, got %s", what, errors.show(value)) end
  return value
end

--- Passes over up to n items: how many there were.
function stage.jump(next_item, jump, n)
  if jump then return jump(n) end
  for i = 1, n do
    if next_item() == nil then return i - 1 end
  end
  return n
end

--- The context of a pass: the keys of its generators by stage, and what is to be called when it is closed before its end.
function stage.context(keys, path, closers) return {keys = keys, path = path or 0, closers = closers or {}} end

--- The context of one place, of several, where something is opened.
function stage.part(ctx, number) return stage.context(ctx.keys, core.generator_key(ctx.path, "part", number), ctx.closers) end

--- The context of a pass in a pass, of which there may be any number one after the other: what it leaves open is closed by
--- stage.close_inner when it ends, or with the whole.
function stage.inner(ctx, keys, path)
  local inner = stage.context(keys, path)
  ctx.closers[inner] = function() stage.close(inner) end
  return inner
end

function stage.close_inner(ctx, inner)
  ctx.closers[inner] = nil
  stage.close(inner)
end

--- Closes what a pass left open.
function stage.close(ctx)
  local closers = ctx.closers
  ctx.closers = {}
  for _, close in pairs(closers) do close() end
end

-- While a function of the user's makes a data set for one element (flat_map, interleave), the data sets made are numbered in
-- that call: a restored pass makes the same ones, however many have been made before.
local scope

--- Runs f(...) that way.
function stage.scoped(f, ...)
  local outer = scope
  scope = {made = 0}
  local result = table.pack(pcall(f, ...))
  scope = outer
  if not result[1] then error(result[2], 0) end
  return table.unpack(result, 2, result.n)
end

--- The generator of a stage that draws.
function stage.generator(path, seed)
  if not scope then return random.new_generator(path, seed) end
  scope.made = scope.made + 1
  return random.new_generator(path .. "/" .. scope.made, seed or random.get_seed())
end

--- The key of the draws of a stage that is opened: of the pass, and of the place in it.
function stage.key(self, ctx)
  local drawn = ctx.keys[self] or {key = self.generator:state()[1], count = 0}
  local key = core.generator_key(drawn.key, "pass", drawn.count)
  if ctx.path == 0 or self.repeats_order then return key end
  return core.generator_key(key, "part", ctx.path)
end

--- Numbers in [0, 1), one after the other, from a key.
function stage.numbers(key)
  local source = core.generator(key, 0)
  local numbers, used = nil, 0
  return function()
    if not numbers or used == #numbers then
      numbers, used = core.ops.random_uniform(source:next(1024), {1024}, 0.0, 1.0, "float64"):totable(), 0
    end
    used = used + 1
    return numbers[used]
  end
end

-- Every stage that draws, once, in an order that depends on the pipeline only.  What lies under a cache is drawn once for all
-- passes: the cache is its owner.
local function collect(ds, owner, list, seen)
  local of_owner = seen[owner or 0] or {}
  seen[owner or 0] = of_owner
  if of_owner[ds] then return list end
  of_owner[ds] = true
  if ds.generator then list[#list + 1] = {stage = ds, owner = owner} end
  for _, input in ipairs(ds.inputs) do collect(input, ds.keeps and ds or owner, list, seen) end
  return list
end

--- The generators of all stages that draw, in that order.
function stage.generators(ds)
  local list = {}
  for i, entry in ipairs(collect(ds, nil, {}, {})) do list[i] = entry.stage.generator end
  return list
end

--- True if passes over it may differ: a stage in it draws.
function stage.draws(ds) return #collect(ds, nil, {}, {}) > 0 end

--- Begins a pass: draws its keys.
---@return table ctx, table[] drawn # {key, count} per stage that draws
function stage.draw(ds)
  local keys, drawn = {}, {}
  for i, entry in ipairs(collect(ds, nil, {}, {})) do
    local self, owner = entry.stage, entry.owner
    local into = owner and owner.keeps.keys or keys
    if not into[self] then
      local state = self.generator:state()
      if not self.repeats_order then self.generator:next(1) end
      into[self] = {key = state[1], count = self.repeats_order and 0 or state[2]}
    end
    drawn[i] = into[self]
  end
  return stage.context(keys), drawn
end

--- Begins the pass that had these keys; the generators go on from there.
function stage.redraw(ds, drawn)
  local entries = collect(ds, nil, {}, {})
  if #entries ~= #drawn then errors.fail("restore: %d generators expected, the state has %d", #entries, #drawn) end
  local keys = {}
  for i, entry in ipairs(entries) do
    local self, owner, given = entry.stage, entry.owner, drawn[i]
    local now = owner and owner.keeps.keys[self]
    if now and (now.key ~= given.key or now.count ~= given.count) then owner.keeps:forget() end
  end
  for i, entry in ipairs(entries) do
    local self, given = entry.stage, drawn[i]
    local into = entry.owner and entry.owner.keeps.keys or keys
    into[self] = given
    self.generator:set_state{given.key, given.count + (self.repeats_order and 0 or 1)}
  end
  return stage.context(keys)
end

--- A function of the user's, whose errors name the stage and the element.
function stage.call(what, number, f, ...)
  local function handler(message)
    if type(message) ~= "string" then return message end
    local head, stack = message:match("^(.-)(\nstack:.*)$")
    return errors.traceback(("%s (in %s, element %d)%s"):format(head or message, what, number, stack or ""))
  end
  local results = table.pack(xpcall(f, handler, ...))
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

return stage
