-- Elements kept in files, for cache with a name.
--
-- `<name>.<tag>.1.npy`, `<name>.<tag>.2.npy`, ... hold the leaves of the elements: where a leaf has one shape in all of them, as
-- rows, otherwise one behind the other.  `<name>.index` says what they are.  It is written last, and each file whole or not at
-- all: where it is, the elements are.  The tag is another one each time, so that of several that write at once one wins, whole.
local core = require "kl.core"
local errors = require "kl.errors"
local files = require "kl.files"
local paths = require "kl.files.paths"
local rows = require "kl.data.rows"
local tree = require "kl.tree"

local file_cache = {}

local FORMAT, VERSION = "kl-cache", 1
local plain_dtypes = {integer = "int64", float = "float64", boolean = "bool"} -- of leaves that are Lua values

local function index_of(path) return path .. ".index" end
local function leaf_path(path, tag, k) return ("%s.%s.%d.npy"):format(path, tag, k) end

local function new_tag() return core.io.sha256(("%s %s %d"):format({}, core.clock(), os.time())):sub(1, 8) end

-- The structure of a value as what JSON can hold, with the numbers of its leaves in their places; the leaves go to a list.
local function layout_of(value, leaves)
  if tree.is_leaf(value) then
    leaves[#leaves + 1] = value
    return #leaves
  end
  local names, parts = tree.names(value), {}
  for i = 1, names and #names or #value do parts[i] = layout_of(value[names and names[i] or i], leaves) end
  return {names = names, parts = parts}
end

local function layout_text(layout)
  if type(layout) == "number" then return "*" end
  local texts = {}
  for i, part in ipairs(layout.parts) do texts[i] = (layout.names and layout.names[i] .. ": " or "") .. layout_text(part) end
  return (layout.names and "{%s}" or "[%s]"):format(table.concat(texts, ", "))
end

-- The structure with get(k) in the place of leaf k.
local function build(layout, get)
  if type(layout) == "number" then return get(layout) end
  local value = {}
  for i, part in ipairs(layout.parts) do value[layout.names and layout.names[i] or i] = build(part, get) end
  return value
end

local function same_shape(a, b)
  if #a ~= #b then return false end
  for i, length in ipairs(a) do
    if b[i] ~= length then return false end
  end
  return true
end

local function product(shape)
  local n = 1
  for _, length in ipairs(shape) do n = n * length end
  return n
end

---@class kl.data.CacheWriter
local Writer = {}
Writer.__index = Writer

--- Begins to write; nothing is seen of it before finish.
---@param pipeline string # what the elements are of
function file_cache.writer(path, pipeline)
  return setmetatable({path = path, pipeline = pipeline, tag = new_tag(), count = 0, leaves = {}}, Writer)
end

local function kind_of(self, leaf)
  local kind = core.kind(leaf) and "tensor" or math.type(leaf) or type(leaf)
  if kind ~= "tensor" and not plain_dtypes[kind] then
    errors.fail("cache: element %d has %s: only tensors, numbers and booleans can be kept in a file", self.count, errors.show(leaf))
  end
  return kind
end

-- One more value of leaf k.
function Writer:_append(k, value)
  local kind = kind_of(self, value)
  local t = kind == "tensor" and (core.kind(value) == "variable" and value.value or value) or core.tensor(value, plain_dtypes[kind])
  local shape, leaf = t.shape, self.leaves[k]
  if not leaf then
    leaf = {kind = kind, dtype = t.dtype, shape = shape, total = 0, file = core.io.npy_writer(leaf_path(self.path, self.tag, k))}
    self.leaves[k] = leaf
  elseif leaf.kind ~= kind or leaf.dtype ~= t.dtype then
    errors.fail("cache: elements of one kind expected: element 1 has %s of %s, element %d %s of %s in its place", leaf.kind, leaf.dtype,
      self.count, kind, t.dtype)
  end
  if not leaf.shapes and (not same_shape(leaf.shape, shape) or #shape == 8) then -- rows would have too many axes
    leaf.shapes = {}
    for i = 1, self.count - 1 do leaf.shapes[i] = leaf.shape end
  end
  if leaf.shapes then leaf.shapes[self.count] = shape end
  leaf.total = leaf.total + product(shape)
  leaf.file:append(t)
end

--- One more element.
function Writer:add(element)
  self.count = self.count + 1
  local leaves = {}
  local layout = layout_of(element, leaves)
  if not self.layout then self.layout, self.text = layout, layout_text(layout) end
  if layout_text(layout) ~= self.text then
    errors.fail("cache: elements of one structure expected: %s, element %d is %s", self.text, self.count, layout_text(layout))
  end
  for k, leaf in ipairs(leaves) do self:_append(k, leaf) end
end

--- The files get their names.
function Writer:finish()
  local described = {}
  for k, leaf in ipairs(self.leaves) do
    leaf.file:finish(leaf.shapes and {leaf.total} or {self.count, table.unpack(leaf.shape)})
    described[k] = {kind = leaf.kind, shapes = leaf.shapes}
  end
  core.io.write_file(index_of(self.path), core.json.encode{format = FORMAT, version = VERSION, pipeline = self.pipeline, tag = self.tag,
    count = self.count, layout = self.layout, leaves = described})
  self.closed = true
end

--- Removes what was not finished.
function Writer:close()
  self.closed = true
  for _, leaf in ipairs(self.leaves) do leaf.file:close() end
end

-- Raises unless a layout of an index is one over leaves 1 to n.
local function check_layout(path, layout, n)
  if math.type(layout) == "integer" and layout >= 1 and layout <= n then return end
  local ok = type(layout) == "table" and type(layout.parts) == "table" and (layout.names == nil or type(layout.names) == "table")
  for i, part in ipairs(ok and layout.parts or {}) do
    ok = ok and (layout.names == nil or type(layout.names[i]) == "string")
    check_layout(path, part, n)
  end
  if not ok then errors.fail("cache: %s is damaged: it describes no structure of %d leaves", path, n) end
end

-- A leaf's array, and where each element lies in it, if these are no rows.
local function open_leaf(path, tag, k, described, count)
  local name = leaf_path(path, tag, k)
  local source = files.open(name)
  local total, leaf = count, {source = source, kind = described.kind, shapes = described.shapes}
  if leaf.shapes then
    total, leaf.first = 0, {}
    for i = 1, count do
      if type(leaf.shapes[i]) ~= "table" then errors.fail("cache: %s is damaged: lengths expected", index_of(path)) end
      leaf.first[i] = total + 1
      for _, length in ipairs(leaf.shapes[i]) do
        if math.type(length) ~= "integer" or length < 0 then errors.fail("cache: %s is damaged: lengths expected", index_of(path)) end
      end
      total = total + product(leaf.shapes[i])
    end
  end
  if source.shape[1] ~= total or (leaf.shapes and source.ndim ~= 1) then
    errors.fail("cache: %s and %s do not belong together: %d rows expected, found %d", index_of(path), name, total, source.shape[1])
  end
  return leaf
end

---@class kl.data.CacheFiles
---@field count integer
local Files = {}
Files.__index = Files

--- The elements in the files of that name; nil if they are not there.  Those of another pipeline are an error.
function file_cache.open(path, pipeline)
  if not paths.exists(index_of(path)) then return nil end
  local ok, index = pcall(core.json.decode, core.io.read_file(index_of(path)))
  if not ok or type(index) ~= "table" or index.format ~= FORMAT or math.type(index.count) ~= "integer" or index.count < 0
    or type(index.leaves) ~= "table" or type(index.tag) ~= "string" or not index.tag:match("^%x+$") then
    errors.fail("cache: %s is not an index of cached elements, or is damaged", index_of(path))
  end
  if index.version ~= VERSION then
    errors.fail("cache: %s is of version %s, %d expected", index_of(path), errors.show(index.version), VERSION)
  end
  if index.pipeline ~= pipeline then
    errors.fail("cache: %s holds the elements of another data set: %s expected, found %s; remove it, or give another name",
      index_of(path), pipeline, tostring(index.pipeline))
  end
  local self = setmetatable({count = index.count, layout = index.layout, leaves = {}}, Files)
  if self.count == 0 then return self end
  check_layout(index_of(path), index.layout, #index.leaves)
  local are_rows = true
  for k, described in ipairs(index.leaves) do
    local shapes = type(described) == "table" and described.shapes
    if type(described) ~= "table" or (shapes and (type(shapes) ~= "table" or #shapes ~= self.count)) then
      errors.fail("cache: %s is damaged: it does not say what leaf %d is", index_of(path), k)
    end
    self.leaves[k] = open_leaf(path, index.tag, k, described, self.count)
    are_rows = are_rows and described.kind == "tensor" and not described.shapes
  end
  if are_rows then
    self.by_row = rows.of(build(self.layout, function(k) return self.leaves[k].source end))
  end
  return self
end

--- Element i, from 1.
function Files:fetch(i)
  return build(self.layout, function(k)
    local leaf = self.leaves[k]
    local t
    if leaf.shapes then
      t = core.ops.reshape(leaf.source:rows(leaf.first[i], product(leaf.shapes[i])), leaf.shapes[i])
    else
      t = core.ops.squeeze(leaf.source:rows(i, 1), 1)
    end
    return leaf.kind == "tensor" and t or t:item()
  end)
end

return file_cache
