-- What compile was given as a config in a file, and back.
--
-- For several outputs that a model returns in a list, or by name, every output is in the file, null where it has nothing: Keras
-- refuses tables in which some are left out.
local core = require "kl.core"
local compiled_of = require "kl.training.compiled"
local errors = require "kl.errors"
local outputs = require "kl.training.outputs"
local serialize = require "kl.saving.serialize"
local tree = require "kl.tree"

local compile_config = {}
local null = core.json.null

--- The same with null where an output has no loss or metrics.
local function with_nulls(given)
  if given == false then return null end
  if type(given) ~= "table" or getmetatable(given) ~= nil then return given end
  local result = {}
  for key, value in pairs(given) do result[key] = with_nulls(value) end
  return result
end

--- One entry per output, by name or by position as the model returns them.
local function per_output(o, list)
  if not tree.names(o.like) then return list end
  local by_name = {}
  for i, name in ipairs(o.names) do by_name[name] = list[i] end
  return by_name
end

--- Losses, their weights and metrics with every output in its place.
local function complete(model, given)
  local layout = model._compiled.layout
  local o = layout and layout.outputs
  local full = {loss = given.loss, loss_weights = given.loss_weights, metrics = given.metrics, weighted_metrics = given.weighted_metrics}
  local function is_structure(value) return type(value) == "table" and not compiled_of.is_one(value) end
  if o and o.flat and #o.names > 1 then
    if is_structure(given.loss) or is_structure(given.loss_weights) then
      full.loss = per_output(o, outputs.spread("loss", o, given.loss, {for_each = true, is_leaf = compiled_of.is_one}))
    end
    if is_structure(given.loss_weights) then
      local weights = outputs.spread("loss_weights", o, given.loss_weights)
      for i, weight in ipairs(weights) do weights[i] = weight or 1.0 end
      full.loss_weights = per_output(o, weights)
    end
    for _, name in ipairs{"metrics", "weighted_metrics"} do
      if given[name] ~= nil then
        local lists = {}
        local none = is_structure(given[name]) and next(given[name]) == nil
        for i, part in ipairs(outputs.spread(name, o, not none and given[name] or nil,
          {for_each = true, is_leaf = compiled_of.is_one})) do
          lists[i] = is_structure(part) and part or part and {part} or {}
        end
        full[name] = per_output(o, lists)
      end
    end
  elseif o and #o.names == 1 then
    for _, name in ipairs{"metrics", "weighted_metrics"} do
      if given[name] ~= nil and not is_structure(given[name]) then full[name] = {given[name]} end
    end
  end
  return full
end

--- The compile options as a config, or nil (with a warning) where they hold functions.
function compile_config.of(model)
  local compiled = model._compiled
  if not compiled then return nil end
  local given = compiled.config
  local ok, config = pcall(function()
    local full = complete(model, given)
    return {
      optimizer = model.optimizer and serialize.object(model.optimizer) or null,
      loss = serialize.value(with_nulls(full.loss)), loss_weights = serialize.value(with_nulls(full.loss_weights)),
      metrics = serialize.value(with_nulls(full.metrics)), weighted_metrics = serialize.value(with_nulls(full.weighted_metrics)),
      run_eagerly = given.run_eagerly, steps_per_execution = given.steps_per_execution, jit_compile = false,
    }
  end)
  if ok then return config end
  core.warn(("the compile options of model '%s' are not saved: %s"):format(model.name, errors.words(config)))
  return nil
end

--- Objects of what a config holds.
local function objects(value)
  if value == nil or value == null then return nil end
  if type(value) ~= "table" then return value end
  if value.class_name then return serialize.deserialize(value) end
  local result = {}
  for key, v in pairs(value) do result[key] = v ~= null and objects(v) end -- false: nothing for that output
  return result
end

--- Compiles a loaded model as its file says.
function compile_config.compile(model, config)
  local ok, message = pcall(function()
    model:compile{optimizer = objects(config.optimizer), loss = objects(config.loss), loss_weights = objects(config.loss_weights),
      metrics = objects(config.metrics), weighted_metrics = objects(config.weighted_metrics),
      run_eagerly = config.run_eagerly == true,
      steps_per_execution = math.type(config.steps_per_execution) == "integer" and config.steps_per_execution or nil}
  end)
  if not ok then
    errors.fail("the compile options cannot be restored: %s; load_model(path, {compile = false}) leaves them out",
      errors.words(message))
  end
end

return compile_config
