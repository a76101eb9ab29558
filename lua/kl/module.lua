-- Module: an object that owns variables, directly, in other modules, or in lists and tables of these.
--
-- Fields keep the order in which they were first assigned; the walk happens when it is asked for, so a list that grew
-- since is seen.  `pairs` order decides nothing: tables by name are walked in sorted order.
local core = require "kl.core"
local class = require "kl.class"
local own_code = require "kl.own_code"

---@class kl.Module: kl.Object
local Module = class.Object:extend("Module")

-- What a new object has before its init runs; set raw, so that these are no fields in the sense above.
function Module.__setup(object)
  rawset(object, "_order", {})
  rawset(object, "_ordered", {})
end

--- A field that was nil in between keeps its place.
function Module:__new_field(key)
  if self._ordered[key] then return end
  self._ordered[key] = true
  table.insert(self._order, key)
end

--- Raw fields that hold lists of members besides the fields a user assigned; they are walked first.
Module.member_lists = {}

-- What a walk from a module finds.  It is kept, and it holds as long as every table that was walked still holds the same
-- values: that is checked each time, because nothing tells a module of a second assignment to a field, or of a list that
-- grew, and a training step asks several times.
---@class kl.Census
---@field modules kl.Module[]   # each once, outer ones first, in the order of fields
---@field others any[]          # other objects in the fields (metrics)
---@field own table<kl.Module, kl.Variable[]> # variables a module owns itself, in the order they were made
---@field children table<kl.Module, kl.Module[]>
---@field variables kl.Variable[] # of all modules, each once
---@field metrics? kl.metrics.Metric[] # those among the others, once they were asked for
---@field watch any            # of all tables that were walked

local function insert_new(list, met, value)
  if not met[value] then
    met[value] = true
    list[#list + 1] = value
  end
end

--- The names in a table, sorted.  Other keys are the user's own business.
local function sorted_names(t)
  local names = {}
  for key in pairs(t) do
    if type(key) == "string" then names[#names + 1] = key end
  end
  table.sort(names)
  return names
end

--- Walks one value of a module: variables go to `own`, modules to `children`; `met` holds what this module has met.
local function walk(census, value, own, children, met)
  if type(value) == "userdata" then
    if core.kind(value) == "variable" then insert_new(own, met, value) end
  elseif type(value) ~= "table" then
    return
  elseif class.is(value, Module) then
    insert_new(children, met, value)
  elseif getmetatable(value) ~= nil then
    insert_new(census.others, census.met, value)
  elseif not met[value] then
    met[value] = true
    table.insert(census.watched, {value, "all"})
    for i = 1, #value do walk(census, value[i], own, children, met) end
    for _, name in ipairs(sorted_names(value)) do walk(census, value[name], own, children, met) end
  end
end

local function walk_module(census, module)
  if census.own[module] then return end
  local own, children, met = {}, {}, {}
  local fields = {module, "fields"}
  table.insert(census.modules, module)
  census.own[module], census.children[module] = own, children
  -- A number or a text that is a parameter of a class of kl's own does not become a layer later; any other field may.
  local params = own_code.is_own_class(class.of(module)) and module.params or nil
  local function walk_field(key)
    local value = rawget(module, key)
    local kind = type(value)
    local parameter = params and params.by_name[key] and kind ~= "nil" and kind ~= "table" and kind ~= "userdata"
    if not parameter then fields[#fields + 1] = key end
    walk(census, value, own, children, met)
  end
  for _, key in ipairs(module.member_lists) do walk_field(key) end
  for _, key in ipairs(module._order) do walk_field(key) end
  table.insert(census.watched, {module._order, "length"})
  table.insert(census.watched, fields)
  table.sort(own, function(a, b) return core.id(a) < core.id(b) end)
  for _, v in ipairs(module.order_variables(own)) do insert_new(census.variables, census.met, v) end
  for _, child in ipairs(children) do walk_module(census, child) end
end

--- Asked for by name, Module._census(object), where training does: a class is not searched for it then.
---@return kl.Census
function Module:_census()
  local census = rawget(self, "_found")
  if census and census.watch:holds() then return census end
  census = {modules = {}, others = {}, own = {}, children = {}, variables = {}, met = {}, watched = {}}
  walk_module(census, self)
  census.watch = core.watch(census.watched)
  census.met, census.watched = nil, nil
  rawset(self, "_found", census)
  return census
end

--- The order in which the variables of one module are listed: that in which they were made.
function Module.order_variables(own) return own end

--- The variables this object owns itself, in the order they were made.
---@return kl.Variable[]
function Module:_own_variables() return self:_census().own[self] end

--- The modules this object owns itself, in the order their fields were first assigned.
---@return kl.Module[]
function Module:_children() return self:_census().children[self] end

local function chosen(self, trainable)
  local variables = Module._census(self).variables
  if trainable == nil then return table.move(variables, 1, #variables, 1, {}) end
  return core.trainable(variables, trainable)
end

--- All variables: own ones first, then those of the modules inside.
function Module.get:variables() return chosen(self) end
--- Those that optimizers change.
function Module.get:trainable_variables() return chosen(self, true) end
function Module.get:non_trainable_variables() return chosen(self, false) end

--- All modules below this one, outer ones first, each once.
---@return kl.Module[]
function Module.get:submodules()
  local modules = Module._census(self).modules
  return table.move(modules, 2, #modules, 1, {})
end

--- Writes all variables to a file that ends in .weights.h5: in Keras 3's layout, by the names of fields; the state of a field
--- `optimizer` too, as a compiled model has it.
---@param options? table # overwrite = true
function Module:save_weights(path, options) return require "kl.saving".save_weights(self, path, options) end

--- Reads what save_weights wrote into the variables, which must be there: call the module on data first if that makes them.
---@param options? table # skip_mismatch = false
function Module:load_weights(path, options) return require "kl.saving".load_weights(self, path, options) end

--- module(...) is module:call(...).
function Module:__call(...)
  return self:call(...)
end

function Module:call()
  require "kl.errors".fail("%s defines no call", getmetatable(self).__name)
end

return Module
