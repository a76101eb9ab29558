-- The results of every epoch as a row of a CSV file.
local core = require "kl.core"
local args = require "kl.args"
local csv = require "kl.files.csv"
local errors = require "kl.errors"
local paths = require "kl.files.paths"
local logs = require "kl.training.logs"
local template = require "kl.callbacks.template"

---@class kl.callbacks.CSVLogger: kl.callbacks.Callback
---@field keys string[]|nil # the columns after `epoch`
local CSVLogger = require "kl.callbacks.callback":extend("CSVLogger")

local params = args.params{"filename", {"separator", ","}, {"append", false}}

--- Writes the column `epoch` (from 0, as programs that read such files expect) and the logs sorted by name; if the first epoch
--- has no validation, a val_ column for each, filled with NA where there is none.  Every row is on its way to the disk when the
--- epoch ends.  append goes on with a file whose header has the names; an unfinished last row is dropped.  Folders are made.
---@param given table # filename, separator = ",", append = false
function CSVLogger:init(given)
  local what = self:_read(params, given)
  args.check(what .. ": 'filename'", self.filename, "string")
  if not csv.is_separator(self.separator) then
    errors.fail("%s: 'separator' must be one character, no quote and no line end, got %s", what, errors.show(self.separator))
  end
  self.keys, self.file, self.written = nil, nil, 0
end

local function fail_io(self, why) errors.fail("CSVLogger: %s cannot be written: %s", self.filename, tostring(why)) end

local function cell(value)
  if value == nil then return "NA" end
  if type(value) == "number" then return template.number(value) end
  if core.kind(value) then
    if core.is_scalar(value) then return cell(value:item()) end
    value = value:totable()
  end
  if type(value) == "table" then
    local parts = {}
    for i = 1, #value do parts[i] = cell(value[i]) end
    return "[" .. table.concat(parts, ", ") .. "]"
  end
  return tostring(value)
end

--- The cells of the first line of a text.
local function split(self, line)
  local cells, at = {}, 1
  line = line:gsub("\r$", "") .. self.separator
  while at <= #line do
    local text
    if line:sub(at, at) == '"' then
      local from = at + 1
      local to = from
      while true do
        to = line:find('"', to, true)
        if not to then return nil end
        if line:sub(to + 1, to + 1) ~= '"' then break end
        to = to + 2
      end
      text, at = line:sub(from, to - 1):gsub('""', '"'), to + 2
    else
      local to = line:find(self.separator, at, true)
      text, at = line:sub(at, to - 1), to + 1
    end
    cells[#cells + 1] = text
  end
  return cells
end

--- Reads what an earlier run has left: its header, without an unfinished last row.  Nothing, if there is nothing.
function CSVLogger:_take_over(size)
  local text = core.io.read_file(self.filename)
  if size and #text < size then
    core.warn(("CSVLogger: %s: rows are missing at its end, of the run that is taken up"):format(self.filename))
  end
  if size then text = text:sub(1, size) end
  if text == "" then return end
  local header = split(self, text:match("^[^\n]*"))
  if not header or header[1] ~= "epoch" then
    errors.fail("CSVLogger: %s: no header that begins with 'epoch' found; it is not a log to append to", self.filename)
  end
  local whole = text
  if not text:find("\n$") then
    local last = split(self, text:match("[^\n]*$"))
    whole = last and #last == #header and text .. "\n" or text:match("^(.*\n)[^\n]*$") or ""
    if #whole < #text then core.warn(("CSVLogger: %s: its last row is not whole and was dropped"):format(self.filename)) end
  end
  if size or whole ~= text then core.io.write_file(self.filename, whole) end
  if whole == "" then return end
  self.keys, self.written = table.move(header, 2, #header, 1, {}), #whole
end

--- Raises for names that the header of the file does not have.
function CSVLogger:_check_header(names)
  local known = {}
  for _, key in ipairs(self.keys) do known[key] = true end
  for _, name in ipairs(names) do
    if not known[name] then
      errors.fail("CSVLogger: %s has no column '%s'%s (its columns: epoch, %s): log to another file", self.filename, name,
        errors.nearest(name, self.keys), table.concat(self.keys, ", "))
    end
  end
end

function CSVLogger:on_train_begin()
  self:_close()
  local resumed = self:resumes() and rawget(self, "written") or nil
  paths.make_parent(self.filename)
  self.keys, self.written = nil, 0
  if (resumed or self.append) and paths.exists(self.filename) then self:_take_over(resumed) end
  rawset(self, "_appends", self.keys ~= nil)
  if self.keys then self:_check_header(self.model._log_names and self.model:_log_names(rawget(self, "_validates")) or {}) end
  local why
  self.file, why = io.open(self.filename, self.keys and "a" or "w")
  if not self.file then fail_io(self, why) end
end

function CSVLogger:_write(cells)
  for i, text in ipairs(cells) do cells[i] = csv.quote(text, self.separator) end
  local line = table.concat(cells, self.separator) .. "\n"
  local ok, why = self.file:write(line)
  if ok then ok, why = self.file:flush() end
  if not ok then fail_io(self, why) end
  self.written = self.written + #line
end

--- The columns of a log that begins with these names.
local function columns(names)
  local keys = {table.unpack(names)}
  for _, name in ipairs(names) do
    if name:find("^val_") then return keys end
  end
  for _, name in ipairs(names) do keys[#keys + 1] = "val_" .. name end
  return keys
end

function CSVLogger:on_epoch_end(epoch, values)
  local names = logs.sorted_names(values)
  if not self.keys then
    self.keys = columns(names)
    self:_write{"epoch", table.unpack(self.keys)}
  elseif rawget(self, "_appends") then
    self:_check_header(names)
    rawset(self, "_appends", false)
  end
  local cells = {tostring(epoch - 1)}
  for i, key in ipairs(self.keys) do cells[i + 1] = cell(values[key]) end
  self:_write(cells)
end

function CSVLogger:_close()
  if not self.file then return end
  local ok, why = self.file:close()
  self.file = nil
  if not ok then fail_io(self, why) end
end

function CSVLogger:on_train_end() self:_close() end
function CSVLogger:on_train_error() self:_close() end

--- The number of bytes written: a run that takes it up cuts what the file has got since then.
function CSVLogger:get_state() return {written = self.written} end

function CSVLogger:set_state(state)
  CSVLogger.super.set_state(self, state)
  if self.file then -- in the middle of a training
    self:_close()
    self.written = state.written
    self:on_train_begin()
  else
    self.written = state.written
  end
end

return CSVLogger
