-- TensorBoard: the curves of training as event files.
--
-- What is written where, and under which names, is Keras's (keras-semantics 12.4); but steps go on where the model stands, and
-- do not start again at 0 in each fit: batches count with the optimizer's iterations, epochs from initial_epoch, or from those
-- the model has been trained for.  On steps of which nothing is written no value is read, and no Lua is run for it.
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local logs = require "kl.training.logs"
local ops = require "kl.ops"
local Every = require "kl.callbacks.every"
local summary = require "kl.summary"

---@class kl.callbacks.TensorBoard: kl.callbacks.Callback
local TensorBoard = require "kl.callbacks.callback":extend("TensorBoard")
TensorBoard.takes_scalars = true -- they are read here, when they are written

local params = args.params{{"log_dir", "logs"}, {"histogram_freq", 0}, {"write_graph", true}, {"write_images", false},
  {"write_steps_per_second", false}, {"update_freq"}, {"profile_batch", 0}, {"embeddings_freq", 0},
  {"embeddings_metadata"}, {"every"}}

--- The first and the last batch to be profiled, from 1; nothing for 0.
local function read_profile_batch(given)
  local first, last = given, given
  if type(given) == "string" then
    first, last = given:match("^%s*(%d+)%s*,%s*(%d+)%s*$")
    if not first then first, last = given:match("^%s*(%d+)%s*$"), nil end
    first = math.tointeger(tonumber(first))
    last = last and math.tointeger(tonumber(last)) or first
  elseif type(given) == "table" then
    first, last = given[1], given[2]
  end
  if math.type(first) ~= "integer" or math.type(last) ~= "integer" or first < 0 or last < first then
    errors.fail("TensorBoard: 'profile_batch' must be 0, a batch (from 1) or a list of the first and the last one, got %s",
      type(given) == "table" and #given .. " entries" or errors.show(given))
  end
  if last > 0 then return math.max(first, 1), last end
end

--- Options: log_dir = "logs" (runs: `train` and `validation` in it), histogram_freq = 0 (epochs between histograms of the
--- weights), write_graph = true, write_images = false (of the weights, with their histograms), write_steps_per_second = false,
--- update_freq = "epoch" ("batch", or a number n: also the results of each, or each n-th, batch), profile_batch = 0 (a batch of
--- each fit, or the first and the last: a Chrome trace beside the event files).  Instead of update_freq: every = {steps = 500} or
--- {minutes = 1}, also the results of a batch that often; {epochs = n}, those of epochs n, 2n, ... only.
function TensorBoard:init(given)
  local o = args.read("TensorBoard", params, given)
  args.check_kinds("TensorBoard", params, {write_graph = o.write_graph, write_images = o.write_images,
    write_steps_per_second = o.write_steps_per_second})
  args.check("TensorBoard: 'log_dir'", o.log_dir, "string")
  if o.log_dir == "" then errors.fail("TensorBoard: 'log_dir' must be the name of a folder, got the string \"\"") end
  args.check("TensorBoard: 'histogram_freq'", o.histogram_freq, "integer", 0)
  local freq = o.update_freq
  if freq ~= nil and freq ~= "epoch" and freq ~= "batch" and (math.type(freq) ~= "integer" or freq < 1) then
    errors.fail("TensorBoard: 'update_freq' must be \"epoch\", \"batch\" or a number of batches >= 1, got %s",
      errors.show(freq))
  end
  if o.embeddings_freq ~= 0 or o.embeddings_metadata ~= nil then
    errors.fail("TensorBoard: embeddings are not written: 'embeddings_freq' can only be 0, and 'embeddings_metadata' nil")
  end
  for _, name in ipairs{"log_dir", "histogram_freq", "write_graph", "write_images", "write_steps_per_second"} do
    self[name] = o[name]
  end
  if freq ~= nil and o.every ~= nil then
    errors.fail("TensorBoard: 'update_freq' and 'every' say the same: give one of them")
  end
  self.schedule = Every.from("TensorBoard", freq == "batch" and 1 or freq, o.every)
  self._profile_first, self._profile_last = read_profile_batch(o.profile_batch)
  self._writers = {}
  self._batches = setmetatable({}, {__mode = "k"}) -- batches seen of each model, for one without an optimizer
  self._warned = {}
end

--- The optimizer's count of updates, or nil where the model has no optimizer of kl's.
local function iterations_of(model)
  local optimizer = model.optimizer
  local iterations = optimizer and optimizer.iterations
  return core.kind(iterations) and iterations:item() or nil
end

--- Where readers are to drop what earlier files have: at the first step that this fit will write, if what the run holds is
--- known to count the same; nil otherwise.
function TensorBoard:_start_step(run)
  local from = self._from
  if not from or from.epoch == 0 and from.batch > 0 then return nil end -- a model that goes on, nobody says from which epoch
  if from.epoch == 0 or run == "train" and self.schedule.unit == "epochs" then return from.epoch end
  return math.max(from.epoch, from.batch + 1) -- steps of batches and of epochs in one run: nothing that stays valid is dropped
end

--- The writer of a run, opened when something is written to it.
function TensorBoard:_writer(run)
  local writer = self._writers[run]
  if not writer or writer.closed then
    writer = summary.create_file_writer(self.log_dir .. "/" .. run, {start_step = self:_start_step(run), max_queue = 1000,
      flush_seconds = 10}) -- an epoch's end flushes too
    self._writers[run] = writer
  end
  return writer
end

function TensorBoard:_flush()
  for _, run in ipairs{"train", "validation"} do
    local writer = self._writers[run]
    if writer and not writer.closed then writer:flush() end
  end
end

function TensorBoard:_close()
  self:_end_default()
  self:_stop_profile()
  self.training, self._from = false, nil
  for _, run in ipairs{"train", "validation"} do
    local writer = self._writers[run]
    self._writers[run] = nil
    if writer then writer:close() end
  end
end

--- A result that is a number; what another callback may have put among them is not for curves.
local function write_scalar(writer, name, value, step)
  if type(value) == "number" then writer:scalar(name, value, {step = step}) end
end

function TensorBoard:_warn(what, message)
  if self._warned[what] then return end
  self._warned[what] = true
  core.warn(("TensorBoard: %s"):format((errors.words(message):gsub("\nstack:.*", ""))))
end

--- The graph, as soon as there is one; a model that is no graph has none to show.
function TensorBoard:_write_graph()
  if not self._graph_due or not self.model._graph then return end
  self._graph_due, self._graph_of = false, self.model
  local writer = self:_writer("train")
  writer:graph(self.model)
  local ok, message = pcall(writer.keras_model, writer, "keras", self.model)
  if not ok then self:_warn("keras", message) end
end

function TensorBoard:on_train_begin()
  self.training, self._from = true, nil
  self._fit_batches = self:resumes() and self._kept.fit_batches or 0
  if self.schedule.unit == "minutes" then self.schedule:begin() end
  self._graph_due = self.write_graph and self._graph_of ~= self.model -- once: readers keep one graph of a run
end

function TensorBoard:on_epoch_begin(epoch)
  if not self._from then -- the first of this fit: everything that restores a model has done so
    local model, kept = self.model, self:resumes() and self._kept or nil
    if kept then self._batches[model] = kept.batches end
    local done = kept and epoch - 1 + kept.shift or epoch > 1 and epoch - 1 or model._epochs_trained
    self._from = {epoch = done, shift = done - (epoch - 1), batch = math.max(iterations_of(model) or 0, self._batches[model] or 0)}
    self._batches[model] = self._from.batch
    self.schedule:align(self._from.batch)
    self:_writer("train") -- a folder that cannot be written is known before the first step
    self:_write_graph()
  end
  self._epoch_clock, self._epoch_batches = core.clock(), self._fit_batches
end

--- Where its curves stand: a run that takes it up goes on with them.
function TensorBoard:get_state()
  return {shift = self._from.shift, batches = self._batches[self.model], fit_batches = self._fit_batches}
end

function TensorBoard:set_state(state)
  TensorBoard.super.set_state(self, state)
  self._kept = state
end

function TensorBoard:_end_default()
  if self._default then self._default:close() end
  self._default = nil
end

function TensorBoard:on_train_batch_begin()
  self._fit_batches = self._fit_batches + 1
  if self._profile_first == self._fit_batches then
    self._profile = require "kl.profile"{print = false,
      trace = ("%s/train/profile_batch_%d-%d.trace.json"):format(self.log_dir, self._profile_first, self._profile_last)}
  end
  if self.schedule.unit == "epochs" then return end
  local step = self._batches[self.model] + 1
  self._due = self.schedule:after_step()
  -- what a train_step of the user's gives to kl.summary.scalar goes here, at this step
  self._default = summary._push(self._due and self:_writer("train"), step)
  if self.write_steps_per_second then self._batch_clock = core.clock() end
end

function TensorBoard:_stop_profile()
  if self._profile then self._profile:stop() end
  self._profile = nil
end

function TensorBoard:on_train_batch_end(_, scalars)
  local step = self._batches[self.model] + 1
  self._batches[self.model] = step
  if self._profile_last == self._fit_batches then self:_stop_profile() end
  if self.schedule.unit == "epochs" then return end
  self:_end_default()
  if not self._due then return end
  local writer = self:_writer("train")
  if self.write_steps_per_second then
    write_scalar(writer, "batch_steps_per_second", 1 / math.max(core.clock() - self._batch_clock, 1e-9), step)
  end
  local numbers = logs.numbers(scalars)
  for _, name in ipairs(logs.sorted_names(numbers)) do write_scalar(writer, "batch_" .. name, numbers[name], step) end
end

function TensorBoard:on_test_end(results)
  local iterations = iterations_of(self.model)
  if not iterations then return end
  local writer = self:_writer("validation")
  for _, name in ipairs(logs.sorted_names(results)) do
    write_scalar(writer, ("evaluation_%s_vs_iterations"):format(name), results[name], iterations)
  end
  if not self.training then writer:flush() end
end

--- The rate of an optimizer as a number, or nil.
local function learning_rate_of(model)
  local rate = model.optimizer and model.optimizer.learning_rate
  if core.kind(rate) then rate = rate.ndim == 0 and rate:item() end
  return type(rate) == "number" and rate or nil
end

function TensorBoard:_write_results(step, numbers)
  local train, validation = {}, {}
  for name, value in pairs(numbers) do
    if name:find("^val_") then validation[name:sub(5)] = value else train[name] = value end
  end
  train.learning_rate = learning_rate_of(self.model) or train.learning_rate
  if self.write_steps_per_second then
    local passed = math.max(core.clock() - self._epoch_clock, 1e-9)
    train.steps_per_second = (self._fit_batches - self._epoch_batches) / passed
  end
  for run, values in pairs{train = train, validation = validation} do
    for _, name in ipairs(logs.sorted_names(values)) do
      write_scalar(self:_writer(run), "epoch_" .. name, values[name], step)
    end
  end
end

--- A weight as images (n, height, width, 1), as Keras cuts it: a bias is a column, a kernel lies on its longer side, of three axes
--- the last counts the images.  nil for what is none.
local function image_of(weight)
  local t = ops.squeeze(weight.value)
  local s = t.shape
  if not t.dtype:find("float") and t.dtype ~= "uint8" then return nil end
  for _, n in ipairs(s) do
    if n == 0 then return nil end
  end
  if #s == 1 then return ops.reshape(t, {1, s[1], 1, 1}) end
  if #s == 2 then
    if s[1] > s[2] then t = ops.transpose(t) end
    return ops.reshape(t, {1, t.shape[1], t.shape[2], 1})
  end
  if #s == 3 then
    t = ops.transpose(t, {3, 1, 2})
    return ops.reshape(t, {t.shape[1], t.shape[2], t.shape[3], 1})
  end
  if #s == 4 and (s[4] == 1 or s[4] == 3 or s[4] == 4) then return t end
end

function TensorBoard:_write_weights(step)
  local writer = self:_writer("train")
  local used = {}
  for _, weight in ipairs(self.model.weights) do
    local path = weight.path:gsub(":", "_")
    local count = used[path] or 0
    used[path] = count + 1
    if count > 0 then path = ("%s_%d"):format(path, count) end -- two layers of one name, in two models inside this one
    writer:histogram(path .. "/histogram", weight, {step = step})
    local image = self.write_images and image_of(weight)
    if image then
      -- a picture may have more pixels than there can be: no reason to end a training
      local ok, message = pcall(writer.image, writer, path .. "/image", image, {step = step})
      if not ok then self:_warn(path, ("%s is not shown as an image: %s"):format(path, message)) end
    end
  end
end

function TensorBoard:on_epoch_end(epoch, numbers)
  local step = epoch - 1 + self._from.shift
  self:_write_graph()
  if self.schedule.unit ~= "epochs" or self.schedule:after_epoch(epoch) then self:_write_results(step, numbers) end
  if self.histogram_freq > 0 and step % self.histogram_freq == 0 then self:_write_weights(step) end
  self:_flush()
end

function TensorBoard:on_train_end() self:_close() end
function TensorBoard:on_train_error() self:_close() end

return TensorBoard
