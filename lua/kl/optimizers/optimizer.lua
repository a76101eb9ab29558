-- The base of optimizers: building slots, clipping, decay, schedules, constraints (keras-semantics 2.1, 2.2).
--
-- Everything in an update is an operation on variables; no value is read, so an update can be recorded.
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local names = require "kl.names"
local ops = require "kl.ops"
local serialize = require "kl.saving.serialize"
local variable = require "kl.variable"

---@class kl.optimizers.Optimizer: kl.Object
local Optimizer = class.Object:extend("Optimizer")

--- What every optimizer accepts, besides its own params; learning_rate is the first of those.
Optimizer.common = args.params{{"weight_decay"}, {"clipnorm"}, {"global_clipnorm"}, {"clipvalue"}, {"use_ema", false},
  {"ema_momentum", 0.99}, {"ema_overwrite_frequency"}, {"loss_scale_factor"}, {"gradient_accumulation_steps"}, {"name"}}

function Optimizer.__setup(object)
  rawset(object, "_variables", {}) -- all, in Keras's order: iterations, learning_rate, slots
  rawset(object, "_slots", {})     -- name -> {variable -> slot}
  rawset(object, "built", false)
  rawset(object, "_excluded", {})
  rawset(object, "_excluded_names", {})
end

function Optimizer:init(given)
  local what = getmetatable(self).__name
  if not self.params then errors.fail("%s is what optimizers extend: take one of them, or give yours `params` and update_step", what) end
  local own, common = args.read(what, self.params, given, Optimizer.common)
  for _, check in ipairs{{self.params, own}, {Optimizer.common, common}} do args.check_kinds(what, check[1], check[2]) end
  rawset(self, "_config", own)
  for name, value in pairs(own) do
    if name ~= "learning_rate" then self[name] = value end
  end
  for _, p in ipairs(Optimizer.common) do
    if p.name ~= "name" then self[p.name] = common[p.name] end
  end
  if common.name ~= nil then args.check(what .. ": 'name'", common.name, "string") end
  self.name = common.name or names.unique(names.snake_case(what))
  local clips = 0
  for _, name in ipairs{"clipnorm", "global_clipnorm", "clipvalue"} do
    if self[name] ~= nil then
      args.check(what .. ": '" .. name .. "'", self[name], "number")
      if self[name] <= 0 then errors.fail("%s: '%s' must be positive, got %g", what, name, self[name]) end
      clips = clips + 1
    end
  end
  if clips > 1 then errors.fail("%s: only one of clipnorm, global_clipnorm and clipvalue can be set", what) end
  if self.weight_decay ~= nil then args.check(what .. ": 'weight_decay'", self.weight_decay, "number") end
  for _, name in ipairs{"use_ema", "loss_scale_factor", "gradient_accumulation_steps"} do
    if self[name] then errors.fail("%s: '%s' is not supported yet", what, name) end
  end
  self.iterations = self:_add_variable(core.tensor(0, "int64"), "iteration")
  local rate = own.learning_rate
  local Schedule = require "kl.optimizers.schedules".LearningRateSchedule
  if class.is(rate, Schedule) or type(rate) == "function" then
    rawset(self, "_schedule", rate)
  else
    if type(rate) ~= "number" or rate ~= rate then
      errors.fail("%s: learning_rate must be a number, a schedule or a function, got %s", what, errors.show(rate))
    end
    rawset(self, "_learning_rate", self:_add_variable(core.tensor(rate + 0.0, "float32"), "learning_rate"))
  end
end

function Optimizer:_add_variable(initial, name)
  local v = variable.new(initial, {name = name, path = self.name .. "/" .. name, trainable = false})
  table.insert(self._variables, v)
  return v
end

--- A slot of zeros (or of `initial`) beside a variable.
---@return kl.Variable
function Optimizer:add_slot(reference, name, initial)
  local value = initial or ops.zeros_like(reference)
  local full = (reference.path or reference.name):gsub("/", "_") .. "_" .. name
  local slot = self:_add_variable(value, full)
  self._slots[name] = self._slots[name] or {}
  self._slots[name][reference] = slot
  return slot
end

--- The slot of that name beside a variable.
function Optimizer:slot(name, reference)
  local slots = self._slots[name]
  local slot = slots and slots[reference]
  if not slot then errors.fail("optimizer '%s' has no slot '%s' for '%s'", self.name, name, tostring(reference.path)) end
  return slot
end

--- All state, in the order Keras saves it.
---@return kl.Variable[]
function Optimizer.get:variables() return {table.unpack(self._variables)} end

--- The learning rate: a variable, or for a schedule its value now (a tensor).
function Optimizer.get:learning_rate()
  if rawget(self, "_schedule") then return self:_scheduled(self.iterations) end
  return self._learning_rate
end
function Optimizer.set:learning_rate(value)
  if self._schedule then
    errors.fail("the learning rate of optimizer '%s' comes from a schedule and cannot be set", self.name)
  end
  if type(value) == "number" and value ~= value or type(value) ~= "number" and not core.kind(value) then
    errors.fail("the learning rate of optimizer '%s' can be set to a number or a tensor, got %s", self.name, errors.show(value))
  end
  self._learning_rate:assign(value)
end

function Optimizer:_scheduled(iterations)
  local rate = self._schedule(class.of(self._schedule) and iterations or nil)
  if type(rate) == "number" then return core.ops.cast(rate, "float32") end
  return rate
end

--- Makes the slots; called once with the variables, in their order.
---@param variables kl.Variable[]
function Optimizer:build(variables)
  if self.built then return end
  for i, v in ipairs(variables) do
    if core.kind(v) ~= "variable" then
      errors.fail("optimizer '%s': entry %d must be a variable, got %s", self.name, i, errors.show(v))
    end
  end
  self.built = true
  rawset(self, "_trained", {table.unpack(variables)})
  for _, v in ipairs(variables) do self._trained[v] = true end
  core.outside(self.build_slots, self, variables)
end

--- Subclasses add their slots here.
function Optimizer:build_slots() end

--- One variable's update; subclasses define it.
function Optimizer:update_step() errors.fail("optimizer '%s' defines no update_step", self.name) end

local function clip_by_norm(g, limit)
  local norm = ops.sqrt(ops.sum(ops.square(g)))
  return g * (limit / ops.maximum(norm, limit))
end

-- Options that were not given are read raw: classes would be searched for them at every step.
local function clip(self, gradients)
  local clipnorm, clipvalue = rawget(self, "clipnorm"), rawget(self, "clipvalue")
  local global_clipnorm = rawget(self, "global_clipnorm")
  local clipped = {}
  if clipnorm then
    for i, g in ipairs(gradients) do clipped[i] = clip_by_norm(g, clipnorm) end
  elseif clipvalue then
    for i, g in ipairs(gradients) do clipped[i] = ops.clip(g, -clipvalue, clipvalue) end
  elseif global_clipnorm then
    local total = 0.0
    for _, g in ipairs(gradients) do total = ops.sum(ops.square(g)) + total end
    local norm = ops.sqrt(total)
    -- c min(1/G, 1/c); a G that is not finite makes every gradient NaN
    local scale = global_clipnorm * ops.minimum(1.0 / norm, 1.0 / global_clipnorm)
    scale = scale + (norm - norm)
    for i, g in ipairs(gradients) do clipped[i] = g * scale end
  else
    return gradients
  end
  return clipped
end

--- Leaves variables out of weight decay: a list of variables, or Lua patterns searched in their names.
---@param options table # var_list, var_names
function Optimizer:exclude_from_weight_decay(options)
  if self.built then errors.fail("exclude_from_weight_decay: only before the optimizer is built") end
  local o = args.read("exclude_from_weight_decay", args.params{{"var_list"}, {"var_names"}}, options)
  for _, v in ipairs(o.var_list or {}) do self._excluded[v] = true end
  for _, pattern in ipairs(o.var_names or {}) do table.insert(self._excluded_names, pattern) end
end

function Optimizer:_decays(v)
  if self._excluded[v] then return false end
  for _, pattern in ipairs(self._excluded_names) do
    if tostring(v.name):find(pattern) then return false end
  end
  return true
end

local warned_about = setmetatable({}, {__mode = "k"})

--- Gradients (a list that may hold false, or a list of {gradient, variable} pairs) applied to the variables.
---@param gradients table
---@param variables? kl.Variable[]
---@return kl.Variable # the iteration counter
function Optimizer:apply_gradients(gradients, variables)
  if variables == nil then
    local pairs_of = gradients
    gradients, variables = {}, {}
    for i, pair in ipairs(pairs_of) do gradients[i], variables[i] = pair[1], pair[2] end
  end
  if #gradients ~= #variables then
    errors.fail("apply_gradients: %d gradients for %d variables", #gradients, #variables)
  end
  if #variables == 0 then errors.fail("apply_gradients: there are no variables to train") end
  if not self.built then self:build(variables) end
  local given, trained = gradients, variables
  if not core.gradients_fit(gradients, variables, self._trained) then given, trained = self:_choose(gradients, variables) end
  given = clip(self, given)
  local rate = self.learning_rate
  local weight_decay = rawget(self, "weight_decay")
  if weight_decay then
    local factor = rate * weight_decay
    for _, v in ipairs(trained) do
      if self:_decays(v) then v:assign_sub(v * factor) end
    end
  end
  self:begin_step(rate)
  local update_step = self.update_step
  for i = 1, #trained do
    local v = trained[i]
    core.updating = v -- whose update it is, for profiles
    update_step(self, given[i], v, rate)
  end
  core.updating = nil
  if core.any_has(trained, "constraint") then
    for _, v in ipairs(trained) do
      if v.constraint then v:assign(v.constraint(v)) end
    end
  end
  self.iterations:assign_add(1)
  return self.iterations
end

--- Those of the gradients that are given, and their variables.  Raises where one is wrong.
function Optimizer:_choose(gradients, variables)
  local given, trained, missing = {}, {}, {}
  for i, v in ipairs(variables) do
    if not self._trained[v] then
      errors.fail("optimizer '%s' does not know %s: an optimizer serves the variables it first met; make a new one", self.name,
        core.kind(v) == "variable" and ("the variable '%s'"):format(v.path) or errors.show(v))
    end
    if gradients[i] then
      if not core.kind(gradients[i]) then
        errors.fail("apply_gradients: the gradient of '%s' must be a tensor or false, got %s", v.path, errors.show(gradients[i]))
      end
      given[#given + 1], trained[#trained + 1] = gradients[i], v
      if not core.same_shape(gradients[i], v) then
        errors.fail("apply_gradients: the gradient of '%s' has shape %s, the variable %s", v.path,
          core.shape_text(gradients[i]), core.shape_text(v))
      end
    else
      missing[#missing + 1] = v.path
    end
  end
  if #given == 0 then
    errors.fail("apply_gradients: no variable has a gradient (%s): the loss does not depend on them; tape:why(loss, variable) tells more",
      table.concat(missing, ", "))
  end
  if #missing > 0 and not warned_about[self] then
    warned_about[self] = true
    core.warn(("no gradient for %s: these variables stay as they are"):format(table.concat(missing, ", ")))
  end
  return given, trained
end

--- The same with the arguments apart; without variables, for all that the optimizer was built with.
function Optimizer:apply(gradients, variables)
  if variables == nil and not self.built then
    errors.fail("optimizer '%s' is not built: give apply the variables too", self.name)
  end
  return self:apply_gradients(gradients, variables or self._trained)
end

--- What is computed once per step, for all variables.
function Optimizer:begin_step() end

function Optimizer:get_config()
  local config = {name = self.name}
  for _, p in ipairs(self.params) do config[p.name] = serialize.value(self._config[p.name]) end
  for _, p in ipairs(Optimizer.common) do
    if p.name ~= "name" then config[p.name] = serialize.value(self[p.name]) end
  end
  if self._schedule then
    config.learning_rate = serialize.value(self._schedule)
  else
    config.learning_rate = self._learning_rate:item()
  end
  return config
end

return Optimizer
