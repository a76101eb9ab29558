-- Weights in Keras 3's tree: where each variable lies in a `.weights.h5` (formats 3.1 to 3.3).
local core = require "kl.core"
local class = require "kl.class"
local errors = require "kl.errors"
local model_graph = require "kl.utils.model_graph"
local names = require "kl.names"

local weights = {}

--- The members of a list or table in a field that are objects or tables themselves: positions first, then names in order.
local function members(value)
  local list, names_in = {}, {}
  for i = 1, #value do list[i] = value[i] end
  for key in pairs(value) do
    if type(key) == "string" then names_in[#names_in + 1] = key end
  end
  table.sort(names_in)
  for _, name in ipairs(names_in) do list[#list + 1] = value[name] end
  return list
end

local function is_container(value) return type(value) == "table" and getmetatable(value) == nil end

--- Calls f(path, object, variables) for every object that has a group, parents first; each object once.
local function walk(model, f)
  local Module, Layer, Model = require "kl.module", require "kl.layer", require "kl.model"
  local seen = {}
  local visit

  --- Children in a list: keys are snake-cased class names, repeats numbered.
  local function visit_list(path, items)
    local used = {}
    for _, item in ipairs(items) do
      local is_module = class.is(item, Module)
      if is_module or is_container(item) then
        local key = is_module and names.snake_case(model_graph.class_name(item)) or "container"
        local n = used[key] or 0
        used[key] = n + 1
        if n > 0 then key = ("%s_%d"):format(key, n) end
        if is_module then
          visit(path .. "/" .. key, item)
        elseif not seen[item] then
          seen[item] = true
          visit_list(path .. "/" .. key, members(item))
        end
      end
    end
  end

  function visit(path, object)
    if seen[object] then return end
    seen[object] = true
    f(path, object, Layer.order_variables(object:_own_variables()))
    if class.is(object, Model) and (object._stack or object._graph) then
      visit_list(path .. "/layers", object._stack or object._graph.layers) -- what is in fields besides has paths of its own
    end
    local fields = {}
    for _, key in ipairs(object._order) do
      if type(key) == "string" then fields[#fields + 1] = key end
    end
    table.sort(fields, function(a, b)
      local x, y = a:sub(1, 1) == "_", b:sub(1, 1) == "_"
      if x ~= y then return y end
      return a < b
    end)
    for _, key in ipairs(fields) do
      local value = rawget(object, key)
      if class.is(value, Module) then
        visit(path .. "/" .. key, value)
      elseif is_container(value) and not seen[value] then
        seen[value] = true
        visit_list(path .. "/" .. key, members(value))
      end
    end
  end
  visit("", model)
end

--- Writes a model's weights, and its optimizer's variables, below the root of an HDF5 writer.
function weights.write(writer, model)
  walk(model, function(path, object, variables)
    local group = path .. "/vars"
    writer:group(group)
    writer:attribute(group, "name", object.name or class.of(object).__name)
    for i, v in ipairs(variables) do writer:dataset(("%s/%d"):format(group, i - 1), v.value) end
  end)
  if model.optimizer then
    writer:group("/optimizer/vars")
    writer:attribute("/optimizer/vars", "name", model.optimizer.name)
    for i, v in ipairs(model.optimizer.variables) do writer:dataset(("/optimizer/vars/%d"):format(i - 1), v.value) end
  end
end

--- The option `manifest` of the writer: the optimizer's class, and the paths of the weights it was built for, which are not
--- those that are trainable now if layers were frozen in between.
function weights.manifest(model)
  local optimizer = model.optimizer
  if not optimizer then return true end
  local entries = {optimizer = class.of(optimizer).__name}
  if optimizer.built then
    local path_of, trained = {}, {}
    walk(model, function(path, _, variables)
      for i, v in ipairs(variables) do path_of[v] = ("%s/vars/%d"):format(path, i - 1) end
    end)
    for i, v in ipairs(optimizer._trained) do trained[i] = path_of[v] or "" end
    entries.optimizer_trains = core.json.array(trained)
  end
  return entries
end

local function manifest_of(file)
  return file:has_manifest() and core.json.decode(file:bytes("/kl/manifest")) or {}
end

--- Builds an optimizer that is not built yet for the weights that the one in the file was built for.
function weights.build_optimizer(file, model)
  local paths = manifest_of(file).optimizer_trains
  local trained = model.trainable_weights
  if type(paths) == "table" then
    local variable_at, list = {}, {}
    walk(model, function(path, _, variables)
      for i, v in ipairs(variables) do variable_at[("%s/vars/%d"):format(path, i - 1)] = v end
    end)
    for i, path in ipairs(paths) do list[i] = variable_at[path] end
    if #list == #paths then trained = list end
  end
  model.optimizer:build(trained)
end

--- Why a file's optimizer state is not that of the model, or nil.
function weights.other_optimizer(file, optimizer)
  local stored, own = manifest_of(file).optimizer, class.of(optimizer).__name
  if type(stored) ~= "string" or stored == own then return nil end
  return ("optimizer: the file has the state of %s, the model is compiled with %s"):format(stored, own)
end

--- The text of an error for what does not fit: everything, up to a dozen lines.
function weights.misfit(path, model, problems)
  local shown = {table.unpack(problems, 1, 12)}
  if #problems > 12 then shown[13] = ("... and %d more"):format(#problems - 12) end
  return ("%s does not fit model '%s':\n  %s"):format(path, model.name, table.concat(shown, "\n  "))
end

--- Reads a file's tree into a model.  What is missing, misshaped or left over is listed in one error; nothing is assigned
--- unless everything fits, or skip_mismatch is set.
---@param file any  # of core.io.h5_open
---@param model kl.Model
---@param options table # path (for messages), skip_mismatch
function weights.read(file, model, options)
  local stored = {}
  for _, d in ipairs(file:datasets()) do stored[d.path] = d end
  local problems, assignments, used = {}, {}, {}
  local function take(path, v, what)
    local d = stored[path]
    used[path] = true
    if not d then
      problems[#problems + 1] = ("missing: %s (%s, shape %s)"):format(path, what, core.shape_text(v))
    elseif d.problem then
      problems[#problems + 1] = d.problem
    elseif model_graph.shape_text(d.shape) ~= model_graph.shape_text(v.shape) then
      problems[#problems + 1] = ("shape: %s is %s in the file, %s in the model (%s)"):format(path, model_graph.shape_text(d.shape),
        core.shape_text(v), what)
    else
      assignments[#assignments + 1] = {v, path}
    end
  end
  walk(model, function(path, _, variables)
    for i, v in ipairs(variables) do take(("%s/vars/%d"):format(path, i - 1), v, v.path) end
  end)
  local optimizer = model.optimizer
  local optimizer_stored = false
  for path in pairs(stored) do optimizer_stored = optimizer_stored or path:find("^/optimizer/") ~= nil end
  if optimizer and not optimizer_stored then
    core.warn(("%s holds no optimizer state: the optimizer of model '%s' stays as it is"):format(options.path, model.name))
  elseif optimizer then
    local other = weights.other_optimizer(file, optimizer)
    if not other and (stored["/optimizer/vars/2"] or optimizer._schedule and stored["/optimizer/vars/1"]) then
      weights.build_optimizer(file, model)
    end
    local count = 0
    for path in pairs(stored) do count = count + (path:find("^/optimizer/vars/%d+$") and 1 or 0) end
    if other then
      problems[#problems + 1] = other
    elseif count ~= #optimizer.variables then
      problems[#problems + 1] = ("optimizer: the file has %d variables, '%s' has %d"):format(count, optimizer.name,
        #optimizer.variables)
    else
      for i, v in ipairs(optimizer.variables) do take(("/optimizer/vars/%d"):format(i - 1), v, v.path) end
    end
  end
  local extra = {}
  for path in pairs(stored) do
    if not used[path] and not path:find("^/kl/") and not path:find("^/optimizer/") then extra[#extra + 1] = path end
  end
  table.sort(extra)
  for _, path in ipairs(extra) do
    local shape = stored[path].shape
    problems[#problems + 1] = ("unused: %s%s has no place in the model"):format(path,
      shape and " (shape " .. model_graph.shape_text(shape) .. ")" or "")
  end
  if #problems > 0 then
    local text = weights.misfit(options.path, model, problems)
    if not options.skip_mismatch then errors.fail("%s", text) end
    core.warn(text)
  end
  local tensors = {}
  for i, a in ipairs(assignments) do tensors[i] = core.ops.cast(file:read(a[2]), a[1].dtype) end
  for i, a in ipairs(assignments) do a[1]:assign(tensors[i]) end
end

return weights
