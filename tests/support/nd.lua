-- Arrays in plain Lua, for reference values: {shape = {...}, [1] .. [n] in C order}.  Slow and obvious on purpose;
-- nothing here uses kl.
local nd = {}
nd.__index = nd

local function count(shape)
  local n = 1
  for _, d in ipairs(shape) do n = n * d end
  return n
end
nd.count = count

--- An array from a shape and a function of the flat position (from 1) and the index (a list, from 0).
function nd.new(shape, f)
  local a = setmetatable({shape = shape}, nd)
  local index = {}
  for i = 1, #shape do index[i] = 0 end
  for i = 1, count(shape) do
    a[i] = f(i, index)
    for axis = #shape, 1, -1 do
      index[axis] = index[axis] + 1
      if index[axis] < shape[axis] then break end
      index[axis] = 0
    end
  end
  return a
end

--- From nested tables (or a number) and back.
function nd.from(nested)
  local shape, level = {}, nested
  while type(level) == "table" do
    shape[#shape + 1] = #level
    level = level[1]
  end
  return nd.new(shape, function(_, index)
    local v = nested
    for _, k in ipairs(index) do v = v[k + 1] end
    return v
  end)
end

function nd:nested()
  local at = 0
  local function build(axis)
    if axis > #self.shape then
      at = at + 1
      return self[at]
    end
    local t = {}
    for i = 1, self.shape[axis] do t[i] = build(axis + 1) end
    return t
  end
  return build(1)
end

--- Element at an index (a list, from 0).
function nd:at(index)
  local flat = 0
  for axis, d in ipairs(self.shape) do flat = flat * d + index[axis] end
  return self[flat + 1]
end

function nd.broadcast_shape(...)
  local out = {}
  for _, a in ipairs{...} do
    local s = a.shape
    local joined = {}
    for i = 1, math.max(#s, #out) do
      local x, y = out[#out - i + 1] or 1, s[#s - i + 1] or 1
      assert(x == y or x == 1 or y == 1, "reference: shapes do not broadcast")
      table.insert(joined, 1, x == 1 and y or x)
    end
    out = joined
  end
  return out
end

--- f of every element, with numpy's broadcasting.
function nd.map(f, ...)
  local arrays = {...}
  return nd.new(nd.broadcast_shape(...), function(_, index)
    local values = {}
    for i, a in ipairs(arrays) do
      local own = {}
      for axis, d in ipairs(a.shape) do
        local k = index[#index - #a.shape + axis]
        own[axis] = d == 1 and 0 or k
      end
      values[i] = a:at(own)
    end
    return f(table.unpack(values, 1, #arrays))
  end)
end

--- A number rounded to float32.
function nd.float32(x) return (string.unpack("<f", string.pack("<f", x))) end

--- Axis from 1 or -1 to a position from 1.
function nd:axis(axis) return axis < 0 and #self.shape + axis + 1 or axis end

--- The set of reduced axes (from 1) of nil, a number or a list.
function nd:axes(axes)
  local set = {}
  if axes == nil then
    for i = 1, #self.shape do set[i] = true end
  else
    for _, a in ipairs(type(axes) == "table" and axes or {axes}) do set[self:axis(a)] = true end
  end
  return set
end

--- f(list of the elements that meet) for every result, elements in C order.
function nd:reduce(f, axes, keepdims)
  local set = self:axes(axes)
  local groups, kept, full = {}, {}, {}
  for axis, d in ipairs(self.shape) do
    if not set[axis] then kept[#kept + 1] = d end
    full[axis] = set[axis] and 1 or d
  end
  nd.new(self.shape, function(i, index)
    local at = 0
    for axis, d in ipairs(full) do at = at * d + (set[axis] and 0 or index[axis]) end
    groups[at + 1] = groups[at + 1] or {}
    table.insert(groups[at + 1], self[i])
  end)
  return nd.new(keepdims and full or kept, function(i) return f(groups[i] or {}) end)
end

return nd
