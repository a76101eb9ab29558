-- A reader of event files, independent of the one that writes: dofile "tests/summary/events.lua".
local core = require "kl".core
local events = {}

--- The data of every whole record, CRCs checked, and how many bytes of a cut one are left.
function events.records(bytes)
  local list, at = {}, 1
  while #bytes - at + 1 >= 12 do
    local length, crc = string.unpack("<I8I4", bytes, at)
    assert(select(2, core.io.crc32c(bytes:sub(at, at + 7))) == crc, "the CRC of a length")
    if #bytes - at + 1 < 16 + length then break end
    local data = bytes:sub(at + 12, at + 11 + length)
    assert(select(2, core.io.crc32c(data)) == string.unpack("<I4", bytes, at + 12 + length), "the CRC of a record")
    list[#list + 1] = data
    at = at + 16 + length
  end
  return list, #bytes - at + 1
end

local function varint(data, at)
  local value, shift = 0, 0
  repeat
    local byte = data:byte(at)
    value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
  until byte < 128
  return value, at
end

--- The fields of a message: lists of values by number; messages and strings as bytes.
function events.fields(data)
  local fields, at = {}, 1
  while at <= #data do
    local key, value
    key, at = varint(data, at)
    local wire = key & 7
    if wire == 0 then
      value, at = varint(data, at)
    elseif wire == 1 then
      value, at = string.unpack("<d", data, at)
    elseif wire == 5 then
      value, at = string.unpack("<f", data, at)
    else
      local size
      assert(wire == 2, "a wire type")
      size, at = varint(data, at)
      value, at = data:sub(at, at + size - 1), at + size
    end
    fields[key >> 3] = fields[key >> 3] or {}
    table.insert(fields[key >> 3], value)
  end
  return fields
end

local function one(fields, number, otherwise) return fields[number] and fields[number][1] or otherwise end

local function tensor(data)
  local t = events.fields(data)
  local shape = {}
  for i, dim in ipairs(events.fields(one(t, 2, ""))[2] or {}) do shape[i] = one(events.fields(dim), 1, 0) end
  local result = {dtype = one(t, 1), shape = shape, strings = t[8]}
  if t[5] then result.number = string.unpack("<f", t[5][1]) end
  if t[4] then
    result.doubles = {}
    for at = 1, #t[4][1], 8 do result.doubles[#result.doubles + 1] = string.unpack("<d", t[4][1], at) end
  end
  return result
end

--- An event as a table: time, step, and version, start, graph, or tag, plugin, content and tensor.
function events.decode(data)
  local e = events.fields(data)
  local event = {time = one(e, 1), step = one(e, 2, 0), version = one(e, 3), graph = one(e, 4), start = e[7] ~= nil or nil}
  if e[5] then
    local value = events.fields(events.fields(e[5][1])[1][1])
    local metadata = events.fields(value[9][1])
    local plugin = events.fields(metadata[1][1])
    event.tag, event.tensor, event.description = value[1][1], tensor(value[8][1]), one(metadata, 3)
    event.plugin, event.content = plugin[1][1], one(plugin, 2, "")
  end
  return event
end

function events.read_file(path)
  local list = {}
  local file <close> = assert(io.open(path, "rb"))
  local records, left = events.records(file:read("a"))
  for i, data in ipairs(records) do list[i] = events.decode(data) end
  return list, left
end

--- Names of the event files in a folder, in the order in which readers take them.
function events.files(folder)
  local list = {}
  local pipe <close> = assert(io.popen(("LC_ALL=C ls '%s' 2>/dev/null"):format(folder)))
  for name in pipe:lines() do
    if name:find("tfevents", 1, true) then list[#list + 1] = folder .. "/" .. name end
  end
  return list
end

--- {step, value} of a tag's scalars in all files of the folder.
function events.curve(folder, tag)
  local curve = {}
  for _, path in ipairs(events.files(folder)) do
    for _, e in ipairs(events.read_file(path)) do
      if e.tag == tag then curve[#curve + 1] = {e.step, e.tensor.number} end
    end
  end
  return curve
end

--- The same as readers show it: a file's start drops the points of files before it from that step on; of two at a step the later one
--- counts.  step -> value.
function events.shown(folder, tag)
  local shown = {}
  for _, path in ipairs(events.files(folder)) do
    for _, e in ipairs(events.read_file(path)) do
      for step in pairs(e.start and shown or {}) do
        if step >= e.step then shown[step] = nil end
      end
      if e.tag == tag then shown[e.step] = e.tensor.number end
    end
  end
  return shown
end

function events.steps(folder, tag)
  local steps = {}
  for i, point in ipairs(events.curve(folder, tag)) do steps[i] = point[1] end
  return steps
end

--- Every tag of the folder, sorted.
function events.tags(folder)
  local seen, list = {}, {}
  for _, path in ipairs(events.files(folder)) do
    for _, e in ipairs(events.read_file(path)) do
      if e.tag and not seen[e.tag] then
        seen[e.tag] = true
        list[#list + 1] = e.tag
      end
    end
  end
  table.sort(list)
  return list
end

--- A new folder, removed by the function that comes with it.
events.folder = require "scratch".name

return events
