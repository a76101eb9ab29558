-- Which of a model's steps may be replayed, and until when.
--
-- A step of fit, evaluate or predict is replayed only if every function it would run is kl's own; one class or function of the
-- user's anywhere in it means that its Lua runs each time.  What Lua can change on kl's own objects between steps is watched:
-- all fields of the model, its layers, optimizer, loss and metrics are compared before each replay, and which variables are
-- trainable; a change means recording anew.
local class = require "kl.class"
local Replay = require "kl.replay"

local replays = {}

-- Fields that change from step to step, or hold what a step does not read.
local volatile = {_found = true, _calls = true, _init_args = true, _losses = true, _loss_holders = true, history = true, _alpha = true,
  _epochs_trained = true, stop_training = true, _shuffle_generator = true, _replays = true, _graph = true, built = true,
  _order = true, _weights = true, _core = true, _guard = true, _step_functions = true}

local own_functions = setmetatable({}, {__mode = "k"})

--- True if a function is kl's own (or C's).
local function is_own_function(f)
  local own = own_functions[f]
  if own == nil then
    local info = debug.getinfo(f, "S")
    own = info.what == "C" or info.source:sub(1, 4) == "=kl/"
    own_functions[f] = own
  end
  return own
end

local function all_own(t)
  for _, value in next, t do
    if type(value) == "function" and not is_own_function(value) then return false end
  end
  return true
end

--- True if no class of the chain defines a function of the user's.
local function is_own_class(cls)
  while cls do
    if not (all_own(cls) and all_own(cls.get) and all_own(cls.set)) then return false end
    cls = cls.super
  end
  return true
end

--- Notes an object or a plain table and all it leads to; false if something of the user's is in it.
local function note(found, value, depth)
  local cls = class.of(value)
  if found.seen[value] or depth > 12 then return true end
  if getmetatable(value) ~= nil and not cls then return true end -- generators
  found.seen[value] = true
  if cls and not is_own_class(cls) then return false end
  local fields, count = {}, 0
  for key, v in next, value do
    if not volatile[key] then
      fields[key], count = v, count + 1
      if type(v) == "function" and not is_own_function(v) then return false end
      if key == "activity_regularizer" and v then return false end -- its losses live in Lua lists
      if type(v) == "table" and not note(found, v, depth + 1) then return false end
    end
  end
  table.insert(found, {value, fields, count})
  return true
end

--- A picture of everything that decides what a step of the model does; nil if part of it is the user's.
local function take_snapshot(model)
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

local function still_holds(snapshot, model)
  if model:_census().variables ~= snapshot.variables then return false end
  for i, v in ipairs(snapshot.variables) do
    if v.trainable ~= snapshot.trainable[i] then return false end
  end
  for _, entry in ipairs(snapshot) do
    local fields, count = entry[2], 0
    for key, v in next, entry[1] do
      if not volatile[key] then
        if fields[key] ~= v then return false end
        count = count + 1
      end
    end
    if count ~= entry[3] then return false end
  end
  return true
end

--- The step of that name as a function of the batch's parts that may replay, or nil if its Lua has to run.
---@param model kl.Model
---@param name string # "train_step", "test_step", "predict_step"
function replays.of(model, name)
  if not model.built or (name == "train_step" and model.optimizer and not model.optimizer.built) then return nil end
  local state = rawget(model, "_replays")
  if not state then
    state = {}
    rawset(model, "_replays", state)
  end
  if not state.snapshot or not still_holds(state.snapshot, model) then
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
