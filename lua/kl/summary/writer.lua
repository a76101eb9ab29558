-- Writers of TensorBoard's event files.
--
-- One writer is one file; its folder is what TensorBoard calls a run.  Whole records only are written (src/io/tfevents.h), at
-- the latest when max_queue of them wait or after flush_seconds, so a run that is killed leaves a readable file.
--
-- Giving a tensor to a writer reads its value.  Inside a recorded step that is a cut, as t:item() is; in a function that
-- is replayed without running its Lua (kl.jit with replay = true) it is an error that says so.
local core = require "kl.core"
local args = require "kl.args"
local class = require "kl.class"
local errors = require "kl.errors"
local ops = require "kl.ops"

---@class kl.summary.Writer: kl.Object
---@field logdir string
local Writer = class.Object:extend("SummaryWriter")

-- `local w <close> = ...` closes it.
rawget(Writer, "__instance").__close = function(writer) writer:close() end

local params = args.params{{"max_queue", 10}, {"flush_seconds", 120}, {"filename_suffix", ""}, {"start_step"}, {"wall_time"}}

local function check_options(options)
  if options ~= nil and (type(options) ~= "table" or getmetatable(options) ~= nil) then
    errors.fail("create_file_writer: a table of options expected, got %s", errors.show(options))
  end
  local o = args.read("create_file_writer", params, options)
  args.check("create_file_writer: 'max_queue'", o.max_queue, "integer", 1)
  args.check("create_file_writer: 'flush_seconds'", o.flush_seconds, "number", 0)
  args.check("create_file_writer: 'filename_suffix'", o.filename_suffix, "string")
  if o.filename_suffix:find("[/%z]") then
    errors.fail("create_file_writer: 'filename_suffix' cannot contain %q", o.filename_suffix:match("[/%z]"))
  end
  if o.start_step ~= nil then args.check("create_file_writer: 'start_step'", o.start_step, "integer", 0) end
  if o.wall_time ~= nil then args.check("create_file_writer: 'wall_time'", o.wall_time, "number", 0) end
  return o
end

function Writer:init(logdir, options)
  if type(logdir) ~= "string" or logdir == "" then
    errors.fail("create_file_writer: the name of a folder expected, got %s", errors.show(logdir))
  end
  local o = check_options(options)
  self.logdir = logdir
  self._nonfinite = {} -- tags of histograms that had elements which are not finite
  self._events = core.events_open(logdir, o.filename_suffix, o.max_queue, o.flush_seconds + 0.0, o.wall_time)
  if o.start_step then self._events:start(nil, o.start_step, o.wall_time) end
end

--- The file that is written.
---@return string
function Writer.get:path() return self:_open("path"):path() end

--- True after close.
---@return boolean
function Writer.get:closed() return self._events == false end

function Writer:_open(what)
  if not self._events then errors.fail("%s: this summary writer (folder '%s') is closed", what, self.logdir) end
  return self._events
end

--- A number, or a tensor or variable with one element and no axes, as a number.
local function number_of(what, value)
  if math.type(value) then return value end
  if type(value) == "boolean" then return value and 1 or 0 end
  if core.kind(value) == nil then errors.fail("%s must be a number or a scalar tensor, got %s", what, errors.show(value)) end
  if value.ndim ~= 0 then
    errors.fail("%s must be a scalar, got a %s tensor of shape %s", what, value.dtype, core.shape_text(value))
  end
  local v = value:item()
  if type(v) == "boolean" then return v and 1 or 0 end
  return v
end

local common = {{"step"}, {"description"}, {"wall_time"}}
local function with(...) return args.params{common[1], common[2], common[3], ...} end
local scalar_params, text_params = with(), with()
local histogram_params, image_params = with({"buckets", 30}), with({"max_outputs", 3})

--- Reads what every summary takes: its tag, and step and the rest from the options.
local function begin(writer, what, name, params_of, options)
  local events = writer:_open(what)
  if type(name) ~= "string" or name == "" then
    errors.fail("%s: a name (a string that is not empty) expected, got %s", what, errors.show(name))
  end
  if name:find("[%c]") then errors.fail("%s: the name %q has a control character in it", what, name) end
  if not utf8.len(name) then errors.fail("%s: the name %q must be valid UTF-8", what, name) end
  if options ~= nil and (type(options) ~= "table" or getmetatable(options) ~= nil) then
    errors.fail("%s: a table of options expected behind the value, as {step = 1}, got %s", what, errors.show(options))
  end
  local o = args.read(what, params_of, options)
  if o.step == nil then errors.fail("%s '%s': 'step' is missing", what, name) end
  local step = math.tointeger(number_of(what .. ": 'step'", o.step))
  if not step then errors.fail("%s '%s': 'step' must be an integer, got %s", what, name, errors.show(o.step)) end
  if o.description ~= nil then args.check(what .. ": 'description'", o.description, "string") end
  if o.wall_time ~= nil then args.check(what .. ": 'wall_time'", o.wall_time, "number", 0) end
  return events, o, step
end

--- A number at a step, kept as float32; NaN and infinities as they are.
---@param name string # its tag; "/" makes groups
---@param value number|kl.Tensor|kl.Variable # a tensor without axes
---@param options table # step (an integer, or a scalar tensor such as optimizer.iterations); description (Markdown); wall_time
function Writer:scalar(name, value, options)
  local events, o, step = begin(self, "scalar", name, scalar_params, options)
  events:scalar(name, step, o.wall_time, o.description, number_of(("scalar '%s': the value"):format(name), value) + 0.0)
end

--- A tensor, or nested tables of numbers, as a tensor.
local function tensor_of(what, value)
  local kind = core.kind(value)
  if kind == "tensor" then return value end
  if kind == "variable" then return value.value end
  if type(value) == "table" and getmetatable(value) == nil or math.type(value) then
    return core.tensor(value, type(value) == "table" and next(value) == nil and "float32" or nil)
  end
  errors.fail("%s must be a tensor or a table of numbers, got %s", what, errors.show(value))
end

--- How values are spread: `buckets` equally wide ones between the least and the largest, as TensorFlow 2 has them.  NaN and
--- infinities are left out; their number, where there were any, is the scalar `<name>/nonfinite`.
---@param data kl.Tensor|kl.Variable|table # any shape
---@param options table # step, buckets = 30, description, wall_time
function Writer:histogram(name, data, options)
  local events, o, step = begin(self, "histogram", name, histogram_params, options)
  args.check(("histogram '%s': 'buckets'"):format(name), o.buckets, "integer", 0, 1000000)
  local t = tensor_of(("histogram '%s': the data"):format(name), data)
  local nonfinite = events:histogram(name, step, o.wall_time, o.description, t, o.buckets)
  if nonfinite > 0 or self._nonfinite[name] then
    self._nonfinite[name] = true
    events:scalar(name .. "/nonfinite", step, o.wall_time, nil, nonfinite + 0.0)
  end
end

--- Images as bytes: floats are taken as [0, 1], and what is outside is cut.
local function bytes_of(what, t)
  if t.dtype == "uint8" then return t end
  if not t.dtype:find("float") then
    errors.fail("%s must be uint8 (0 to 255) or floats (0 to 1), got %s", what, t.dtype)
  end
  -- TensorFlow's scale: 1 is 255, and each of the 256 values has a part of [0, 1]
  t = ops.where(ops.isnan(t), 0.0, t)
  return ops.cast(ops.floor(ops.clip(t * 255.5, 0, 255)), "uint8")
end

--- A figure as one image; everything else as it is.
local function picture_of(data)
  local Figure = package.loaded["kl.plot.figure"] -- nobody has a figure before it is loaded
  if not (Figure and class.is(data, Figure)) then return data end
  return ops.expand_dims(core.io.decode_image(data:render("png"), {channels = 3, name = "the figure"}), 1)
end

--- Images, as PNG.
---@param data kl.Tensor|kl.plot.Figure # (n, height, width, channels): 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; uint8, or floats
--- from 0 to 1; or a figure, as it is drawn
---@param options table # step, max_outputs = 3 (how many of the n are kept), description, wall_time
function Writer:image(name, data, options)
  local events, o, step = begin(self, "image", name, image_params, options)
  local what = ("image '%s': the data"):format(name)
  args.check(("image '%s': 'max_outputs'"):format(name), o.max_outputs, "integer", 0)
  local t = tensor_of(what, picture_of(data))
  if t.ndim ~= 4 or t.shape[4] < 1 or t.shape[4] > 4 or t.shape[2] < 1 or t.shape[3] < 1 then
    errors.fail("%s must be of shape (n, height, width, channels), with 1 to 4 channels, got %s", what, core.shape_text(t))
  end
  local n = math.min(t.shape[1], o.max_outputs)
  local strings = {tostring(t.shape[3]), tostring(t.shape[2])}
  if n > 0 then
    t = bytes_of(what, t[{ {1, n} }])
    for i = 1, n do strings[i + 2] = core.io.encode_png(t[i]) end
  end
  events:strings(name, step, o.wall_time, o.description, "images", "", strings, #strings)
end

local function check_text(what, value)
  if type(value) ~= "string" then errors.fail("%s must be a string, or a list of strings, got %s", what, errors.show(value)) end
  if not utf8.len(value) then errors.fail("%s must be valid UTF-8", what) end
  return value
end

--- The strings of a list or of a list of rows, and how many rows and columns there are.
local function table_of(what, value)
  if #value == 0 then errors.fail("%s must be a string, or a list of strings, got an empty table", what) end
  local strings = {}
  if type(value[1]) ~= "table" then
    for i = 1, #value do strings[i] = check_text(what, value[i]) end
    return strings, #value, nil
  end
  local columns = #value[1]
  for i, row in ipairs(value) do
    if type(row) ~= "table" or #row ~= columns or columns == 0 then
      errors.fail("%s must have rows of one length: %d strings expected in row %d, got %s", what, columns, i,
        type(row) == "table" and #row or errors.show(row))
    end
    for k = 1, columns do strings[#strings + 1] = check_text(what, row[k]) end
  end
  return strings, #value, columns
end

--- A text, in Markdown; a list of strings, or of rows of strings, is shown as a table.
---@param value string|string[]|string[][]
---@param options table # step, description, wall_time
function Writer:text(name, value, options)
  local events, o, step = begin(self, "text", name, text_params, options)
  local what = ("text '%s': the value"):format(name)
  local strings, rows, columns
  if type(value) == "table" and getmetatable(value) == nil then
    strings, rows, columns = table_of(what, value)
  else
    strings = {check_text(what, value)}
  end
  events:strings(name, step, o.wall_time, o.description, "text", "", strings, rows, columns)
end

--- The graph of a model: a node per call of a layer and per operation between layers, with the shapes that flow.  Models
--- inside the model are scopes.  TensorBoard keeps one graph per run.
---@param model kl.Model # functional or Sequential, built; others know no graph
---@param options? table # step = 0, wall_time
function Writer:graph(model, options)
  local events = self:_open("graph")
  local o = args.read("graph", args.params{{"step", 0}, {"wall_time"}}, options)
  args.check("graph: 'step'", o.step, "integer", 0)
  events:graph(nil, o.step, o.wall_time, nil, require "kl.summary.graph".nodes(model))
end

--- The model's config, from which TensorBoard draws its conceptual graph.
---@param name string # "keras"
---@param model kl.Model # functional or Sequential
---@param options? table # step = 0, wall_time
function Writer:keras_model(name, model, options)
  local given = {step = 0}
  for key, value in pairs(options or {}) do given[key] = value end
  local events, o, step = begin(self, "keras_model", name, text_params, given)
  events:strings(name, step, o.wall_time, nil, "graph_keras_model", "1", {require "kl.summary.graph".config(model)})
end

--- Writes what waits.  Errors: the disk's; what was not written stays and is tried again.
function Writer:flush() self:_open("flush"):flush() end

--- Writes what waits and closes the file; also of a closed writer.  A writer that is collected is closed too.
function Writer:close()
  local events = self._events
  if not events then return end
  self._events = false
  require "kl.summary"._forget(self)
  events:close()
end

--- Makes this the writer of kl.summary.scalar and the like, until the result is closed:
--- `local default <close> = w:as_default()`.  step: what they take where none is given.
---@param step? integer
function Writer:as_default(step)
  self:_open("as_default")
  if step ~= nil then args.check("as_default: 'step'", step, "integer", 0) end
  return require "kl.summary"._push(self, step)
end

return Writer
