-- Which of a model's steps may be replayed, and until when.
--
-- A step of fit, evaluate or predict is replayed only if every function it would run is kl's own; one class or function of the
-- user's anywhere in it means that its Lua runs each time.  What Lua can change on kl's own objects between steps is watched:
-- all fields of the model, its layers, optimizer, loss and metrics are compared before each replay, and which variables are
-- trainable; a change means recording anew.
local core = require "kl.core"
local class = require "kl.class"
local own_code = require "kl.own_code"
local Replay = require "kl.replay"

local replays = {}

-- Fields that change from step to step, or hold what a step does not read: what an object was made from, and what only build
-- uses.
local volatile = {_config = true, kernel_initializer = true, bias_initializer = true, _found = true,
  _calls = true, _init_args = true, _losses = true, _loss_holders = true, history = true, _alpha = true,
  _epochs_trained = true, stop_training = true, _shuffle_generator = true, _replays = true, _graph = true, built = true,
  _order = true, _weights = true, _seen_shapes = true, _core = true, _guard = true, _step_functions = true}

--- Notes an object or a plain table and all it leads to; false if something of the user's is in it.
local function note(found, value, depth)
  local cls = class.of(value)
  if found.seen[value] or depth > 100 then return true end
  if getmetatable(value) ~= nil and not cls then return true end -- generators
  found.seen[value] = true
  if cls and not own_code.is_own_class(cls) then return false end
  local fields, count = {}, 0
  for key, v in next, value do
    if not volatile[key] then
      fields[key], count = v, count + 1
      if type(v) == "function" and not own_code.is_own_function(v) then return false end
      if key == "activity_regularizer" and v then return false end -- its losses live in Lua lists
      if key == "_hooks" and v then return false end -- the user's, also where they are functions of C's
      if type(v) == "table" and not note(found, v, depth + 1) then return false end
    end
  end
  table.insert(found, {value, fields, count})
  return true
end

--- A picture of everything that decides what a step of the model does; nil if part of it is the user's.
local function take_snapshot(model)
  if not own_code.is_own_class(class.of(model)) then return nil end
  local found = {seen = {}}
  local census = model:_census()
  for _, module in ipairs(census.modules) do
    if not note(found, module, 0) then return nil end
  end
  for _, object in ipairs{model.optimizer or {}, model._compiled or {}, model._loss_tracker or {}} do
    if not note(found, object, 0) then return nil end
  end
  for _, metric in ipairs(model.metrics) do
    if not note(found, metric, 0) then return nil end
  end
  found.seen = nil
  local trainable = {}
  for i, v in ipairs(census.variables) do trainable[i] = v.trainable end
  found.variables, found.trainable = census.variables, trainable
  return found
end

-- Every field of every module is in the picture, so the variables are those that were found.
local function still_holds(snapshot)
  for i, v in ipairs(snapshot.variables) do
    if v.trainable ~= snapshot.trainable[i] then return false end
  end
  for _, entry in ipairs(snapshot) do
    if not core.fields_hold(entry[1], entry[2], entry[3], volatile) then return false end
  end
  return true
end

--- The step of that name as a function of the batch's parts that may replay, or nil if its Lua has to run.
---@param model kl.Model
---@param name string # "train_step", "test_step", "predict_step"
---@param unchanged? boolean # since the step before only kl's own code has run, so nothing needs to be compared
function replays.of(model, name, unchanged)
  local known = unchanged and rawget(model, "_replays")
  if known and known.snapshot and known.steps[name] then return known.steps[name] end
  if not model.built or (name == "train_step" and model.optimizer and not model.optimizer.built) then return nil end
  local state = rawget(model, "_replays")
  if not state then
    state = {}
    rawset(model, "_replays", state)
  end
  if not state.snapshot or not still_holds(state.snapshot) then
    state.snapshot = take_snapshot(model)
    state.steps = {}
  end
  if not state.snapshot then return nil end
  local step = state.steps[name]
  if not step then
    step = Replay(function(x, y, sample_weight) return model[name](model, {x, y, sample_weight}) end)
    state.steps[name] = step
  end
  return step
end

return replays
