-- Weights in Keras 3's tree: where each variable lies in a `.weights.h5` (formats 3.1 to 3.3).
local core = require "kl.core"
local class = require "kl.class"
local errors = require "kl.errors"
local names = require "kl.names"
local tree = require "kl.tree"

local weights = {}

--- Children in a list: keys are snake-cased class names, repeats numbered.
local function add_container(path, items, visit)
  local used = {}
  for _, item in ipairs(items) do
    local cls = class.of(item)
    local key = cls and names.snake_case(cls.__name) or "container"
    local n = used[key] or 0
    used[key] = n + 1
    if n > 0 then key = ("%s_%d"):format(key, n) end
    visit(path .. "/" .. key, item)
  end
end

--- Calls f(path, object, variables) for every object that has a group, parents first; each object once.
local function walk(model, f)
  local Module, Layer, Model = require "kl.module", require "kl.layer", require "kl.model"
  local seen = {}
  local function visit(path, object)
    if seen[object] then return end
    seen[object] = true
    f(path, object, Layer.order_variables(object:_own_variables()))
    if class.is(object, Model) and (object._graph or object._stack) then
      local items = {}
      for _, layer in ipairs(object.layers) do items[#items + 1] = layer end
      -- Keras lists a Sequential's Input too; it is weightless
      if object._stack and object._input and not object._implicit_input then table.insert(items, 1, object._input) end
      add_container(path .. "/layers", items, visit)
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
      elseif type(value) == "table" and getmetatable(value) == nil then
        local items = {}
        local field_names = #value == 0 and tree.names(value)
        for _, name in ipairs(field_names or {}) do items[#items + 1] = value[name] end
        for i = 1, #value do items[#items + 1] = value[i] end
        local modules = {}
        for _, item in ipairs(items) do
          if class.is(item, Module) or type(item) == "table" and getmetatable(item) == nil then modules[#modules + 1] = item end
        end
        add_container(path .. "/" .. key, modules, function(p, item)
          if class.of(item) then visit(p, item) end
        end)
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

local function shape_key(shape)
  local parts = {}
  for i, n in ipairs(shape) do parts[i] = tostring(n) end
  return "(" .. table.concat(parts, ", ") .. (#parts == 1 and ",)" or ")")
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
    elseif shape_key(d.shape) ~= shape_key(v.shape) then
      problems[#problems + 1] = ("shape: %s is %s in the file, %s in the model (%s)"):format(path, shape_key(d.shape),
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
    if not optimizer.built and stored["/optimizer/vars/2"] or (optimizer._schedule and stored["/optimizer/vars/1"]) then
      optimizer:build(model.trainable_weights)
    end
    local count = 0
    for path in pairs(stored) do count = count + (path:find("^/optimizer/vars/%d+$") and 1 or 0) end
    if count ~= #optimizer.variables then
      problems[#problems + 1] = ("optimizer: the file has %d variables, '%s' has %d"):format(count, optimizer.name, #optimizer.variables)
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
    problems[#problems + 1] = ("unused: %s (shape %s) has no place in the model"):format(path, shape_key(stored[path].shape))
  end
  if #problems > 0 then
    local shown = {table.unpack(problems, 1, 12)}
    if #problems > 12 then shown[13] = ("... and %d more"):format(#problems - 12) end
    local text = ("%s does not fit model '%s':\n  %s"):format(options.path, model.name, table.concat(shown, "\n  "))
    if not options.skip_mismatch then errors.fail("%s", text) end
    core.warn(text)
  end
  local tensors = {}
  for i, a in ipairs(assignments) do tensors[i] = core.ops.cast(file:read(a[2]), a[1].dtype) end
  for i, a in ipairs(assignments) do a[1]:assign(tensors[i]) end
end

return weights
