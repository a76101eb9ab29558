-- Training state in a `.weights.h5` (formats.md 4): a group /kl beside the weights, which other programs leave alone.
--
-- A state is a table of sections; a section is one dataset of JSON text, /kl/<section>.  Tensors in it lie in /kl/tensors/<n>,
-- and an object with the one key MARK says which stands where.
local core = require "kl.core"
local errors = require "kl.errors"
local weights = require "kl.saving.weights"

local training_state = {}

local MARK, DTYPE = "kl.tensor", "kl.dtype"
local VERSION = 1
local DEPTH = 50 -- JSON ends at 64

-- The value with tensors replaced; `where` is how messages name it.
local function flatten(value, where, tensors, depth)
  local kind = core.kind(value)
  if kind == "tensor" or kind == "variable" then
    tensors[#tensors + 1] = value
    return {[MARK] = #tensors, [DTYPE] = value.dtype}
  end
  local t = type(value)
  if t == "number" or t == "string" or t == "boolean" then return value end
  if t ~= "table" or getmetatable(value) ~= nil then
    errors.fail("%s is %s: a state holds numbers, strings, booleans, tensors, and lists and tables of these", where, errors.show(value))
  end
  if depth == DEPTH then errors.fail("%s: nested deeper than %d levels (a table that contains itself?)", where, DEPTH) end
  if value[MARK] ~= nil then errors.fail("%s: the name '%s' is taken", where, MARK) end
  local result, names, count = {}, {}, #value
  for key in pairs(value) do
    local is_index = math.type(key) == "integer" and key >= 1 and key <= count
    if not is_index and (type(key) ~= "string" or count > 0) then
      errors.fail("%s: a list without holes or a table with string keys expected, it has the key %s", where, errors.show(key))
    end
    if not is_index then names[#names + 1] = key end
  end
  table.sort(names) -- the same state gives the same bytes
  for i = 1, count do result[i] = flatten(value[i], ("%s[%d]"):format(where, i), tensors, depth + 1) end
  for _, name in ipairs(names) do result[name] = flatten(value[name], where .. "." .. name, tensors, depth + 1) end
  return result
end

-- The other way round: plain tables, without the marks of JSON's arrays.
local function unflatten(value, read)
  if type(value) ~= "table" then return value end
  if value[MARK] ~= nil then return core.ops.cast(read(value[MARK]), value[DTYPE]) end
  local result = {}
  for key, part in pairs(value) do
    if part ~= core.json.null then result[key] = unflatten(part, read) end
  end
  return result
end

--- Writes the model's weights, its optimizer's state and `sections` (name -> table) as one file, whole or not at all.
---@param model kl.Model
---@param path string
---@param sections table<string, table>
function training_state.write(model, path, sections)
  local writer <close> = core.io.h5_writer()
  weights.write(writer, model)
  local tensors, names = {}, {}
  for name in pairs(sections) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do writer:bytes("/kl/" .. name, core.json.encode(flatten(sections[name], name, tensors, 0))) end
  for i, tensor in ipairs(tensors) do writer:dataset(("/kl/tensors/%d"):format(i), tensor) end
  local manifest = weights.manifest(model)
  if manifest == true then manifest = {} end
  manifest.training_state = VERSION
  writer:save(path, {manifest = manifest})
end

--- Reads such a file: weights and optimizer state go into the model, the sections are returned.  Nothing is assigned unless the
--- whole file is good and fits, and check(sections), if it is given, raises nothing.
---@return table<string, table>
function training_state.read(model, path, check)
  local file <close> = core.io.h5_open(path)
  local manifest = {}
  if file:has_manifest() then
    file:check_manifest()
    manifest = core.json.decode(file:bytes("/kl/manifest"))
  end
  local version = manifest.training_state
  if not version then
    errors.fail("%s holds weights, but not where a training stood (an older kl's backup does not): model:load_weights{\"%s\"} reads "
      .. "them, and fit's 'initial_epoch' says where to go on", path, path)
  elseif version ~= VERSION then
    errors.fail("%s: its training state is of version %s, this kl reads version %d", path, errors.show(version), VERSION)
  end
  local sections = {}
  for _, name in ipairs(file:children("/kl")) do
    if name ~= "manifest" and name ~= "tensors" then
      sections[name] = unflatten(core.json.decode(file:bytes("/kl/" .. name)),
        function(n) return file:read(("/kl/tensors/%d"):format(n)) end)
    end
  end
  if check then check(sections) end
  weights.read(file, model, {path = path})
  return sections
end

return training_state
