-- Batches from a function of the user's (a coroutine, an object that can be called): a source as batches.lua describes them.
--
-- A function cannot be put back: where a run is taken up, it is asked again as often as it had been.  An object with get_state and
-- set_state is told instead.
local core = require "kl.core"
local errors = require "kl.errors"
local batches = require "kl.training.batches"
local generators = require "kl.data.generators"
local stage = require "kl.data.stage"

---@class kl.GeneratorSource
local GeneratorSource = {}
GeneratorSource.__index = GeneratorSource

-- How often every function was asked in this process: {batches, passes}.  Where a run was stopped, it is as often again.
local asked = setmetatable({}, {__mode = "k"})

--- What batches.generator describes.
function GeneratorSource.new(what, f)
  local is_thread = type(f) == "thread"
  asked[f] = asked[f] or {batches = 0, passes = 0}
  local hooks = type(f) == "table" and type(f.get_state) == "function" and type(f.set_state) == "function" and f or nil
  return setmetatable({what = what, f = is_thread and generators.resume(f) or f, gives_batches = is_thread, given = 0, taken = 0,
    asked = asked[f], hooks = hooks, read = generators.reader(what, batches.accepts)}, GeneratorSource)
end

--- Ends what the user's function began for this pass.  A coroutine or a function that gives batches itself is the user's: a later
--- fit goes on with it.
function GeneratorSource:close()
  local close = self.close_pass
  self.close_pass = nil
  if close then close() end
end
GeneratorSource.__close = GeneratorSource.close

function GeneratorSource:open()
  self:close()
  self.taken = 0
  if self.hooks and not self.gives_batches then self.before = self.hooks:get_state() end
  local function call(f, ...) return stage.call("the generator of " .. self.what, self.given + 1, f, ...) end
  local next_batch = self.f
  if not self.gives_batches then
    local begun, other = call(generators.begin, self.f)
    if begun then
      next_batch, self.close_pass = begun, other
      self.asked.passes = self.asked.passes + 1
    else
      self.gives_batches, self.first = true, other
    end
  end
  return function(step, steps)
    local given = self.first or table.pack(call(next_batch))
    self.first = nil
    if given[1] == nil then
      if self.gives_batches and (steps or step == 1) then
        errors.fail("%s: the generator ended after %d batches, and step %d%s of an epoch asks for another: a function that returns a fresh "
          .. "generator begins anew every epoch", self.what, self.given, step, steps and " of " .. steps or "")
      end
      return nil
    end
    self.given, self.taken, self.asked.batches = self.given + 1, self.taken + 1, self.asked.batches + 1
    batches.check_count(self.what .. ": the generator gave", given.n, " at step " .. step)
    return self.read(given, step)
  end
end

function GeneratorSource:position()
  local state
  if self.hooks then state = self.gives_batches and self.hooks:get_state() or self.before end
  return {gives_batches = self.gives_batches, passes = self.asked.passes, batches = self.asked.batches, taken = self.taken, state = state}
end

function GeneratorSource.generators() return {} end

function GeneratorSource.misfit() end

--- Without get_state and set_state: what a function gave is drawn again and dropped; one that makes passes is called for each of
--- them, and the one it stood in is drawn from its beginning.
function GeneratorSource:restore(position, inside)
  local now = self.asked
  local makes_passes = not position.gives_batches
  local passes = position.passes - (inside and makes_passes and 1 or 0) -- before that to be opened
  self.gives_batches = position.gives_batches
  if self.hooks and position.state ~= nil then
    self.hooks:set_state(position.state)
    now.batches = position.batches
  elseif makes_passes then
    while now.passes < passes do self:open() end
    self:close()
  else
    if now.batches > position.batches then
      core.warn(("%s: the generator has given %d batches, and the run stood behind batch %d: a function cannot go back, so those between "
        .. "are left out; an object with get_state and set_state can"):format(self.what, now.batches, position.batches))
    end
    for _ = now.batches + 1, position.batches do self.f() end
    now.batches = math.max(now.batches, position.batches)
  end
  now.passes = passes
  if not inside then return nil end
  local next_batch = self:open()
  for _ = 1, makes_passes and position.taken or 0 do next_batch(1) end
  return next_batch
end

return GeneratorSource
