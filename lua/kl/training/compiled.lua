-- What compile was given, laid out per output: one loss, one weight and a list of metrics for each.
--
-- The layout is made as soon as the outputs are known: in compile for a model with a graph, with the first batch otherwise.
-- "accuracy" and "crossentropy" wait for the first batch in any case: shapes decide what they are (keras-semantics 3.5, 4.5).
local core = require "kl.core"
local class = require "kl.class"
local errors = require "kl.errors"
local logs = require "kl.training.logs"
local outputs = require "kl.training.outputs"
local own_code = require "kl.own_code"
local tree = require "kl.tree"

local compiled = {}

--- One thing, not a list or table of things: objects, functions, names, configs.
local function is_one(value) return tree.is_leaf(value) or value.class_name ~= nil end
compiled.is_one = is_one

local function map(given, f)
  if given == nil then return nil end
  if is_one(given) then return given and f(given) end
  local result = {}
  for _, name in ipairs(tree.names(given) or {}) do result[name] = map(given[name], f) end
  for i = 1, #given do result[i] = map(given[i], f) end
  return result
end

--- The same with `false` where a list has a hole in front of another entry, as {nil, "mse"} has.
function compiled.filled(given)
  if given == nil or is_one(given) then return given end
  local result, last = {}, 0
  for key, value in pairs(given) do
    result[key] = compiled.filled(value)
    if math.type(key) == "integer" then last = math.max(last, key) end
  end
  for i = 1, last do
    if result[i] == nil then result[i] = false end
  end
  return result
end

local function is_word(given, ...)
  local lower = type(given) == "string" and given:lower()
  for i = 1, select("#", ...) do
    if lower == select(i, ...) then return true end
  end
  return false
end

local function check_loss(given)
  return is_word(given, "crossentropy", "ce") and given or require "kl.losses".get(given)
end

local function check_metric(given)
  return is_word(given, "accuracy", "acc") and given or require "kl.metrics".get(given)
end

--- Whether targets of that shape are yes or no, a label per row, or one entry per class.
---@return string # "binary", "sparse" or "categorical"
local function kind_of_targets(y, y_pred)
  if y_pred.ndim == 0 or y_pred.shape[y_pred.ndim] == 1 then return "binary" end
  return (y.ndim < y_pred.ndim or y.shape[y.ndim] == 1) and "sparse" or "categorical"
end

local accuracies = {binary = "BinaryAccuracy", sparse = "SparseCategoricalAccuracy", categorical = "CategoricalAccuracy"}
local crossentropies = {binary = "BinaryCrossentropy", sparse = "SparseCategoricalCrossentropy", categorical = "CategoricalCrossentropy"}

--- Calls f for every metric object that compile was given; words stand for none yet.
local function each_metric(c, f)
  for _, structure in ipairs{c.metrics or {}, c.weighted_metrics or {}} do
    map(structure, function(m)
      if type(m) ~= "string" then f(m) end
    end)
  end
end

--- True if compile was given any metric.
function compiled.has_metrics(c)
  local has = false
  for _, structure in ipairs{c.metrics or {}, c.weighted_metrics or {}} do map(structure, function() has = true end) end
  return has
end

--- Checked, but not laid out: names are resolved, so that a misspelt one is an error here.
---@param o table # loss, loss_weights, metrics, weighted_metrics as given to compile
function compiled.new(model, o)
  local c = {loss = map(o.loss, check_loss), loss_weights = o.loss_weights, layout = false, resolved = false, names_of = {},
    prefix_of = {}, tracks_loss = false}
  c.metrics, c.weighted_metrics = map(o.metrics, check_metric), map(o.weighted_metrics, check_metric)
  map(o.loss_weights, function(weight)
    if type(weight) ~= "number" then errors.fail("compile: 'loss_weights' must be numbers, got %s", errors.show(weight)) end
  end)
  if o.loss_weights ~= nil and o.loss == nil then errors.fail("compile: 'loss_weights' weigh losses, but no loss is given") end
  c.given_metrics = {o.metrics, o.weighted_metrics} -- a bare one is made anew for each output
  local seen = {}
  each_metric(c, function(m)
    if seen[m] then errors.fail("compile: the metric object '%s' is given twice: make an object for each place", m.name) end
    seen[m] = true
    m:_check_free(model)
  end)
  if model._graph then compiled.lay_out(model, c, model._graph.outputs) end
  return c
end

--- Makes the model the one that counts with these metrics, and no longer with those it was compiled with before.
---@param before? table # what the model was compiled with
function compiled.claim(model, c, before)
  if before then each_metric(before, function(m) m:_release(model) end) end
  each_metric(c, function(m) m:_claim(model) end)
end

--- The metrics of each output, lists of objects and waiting names.
local function metrics_per_output(what, o, given, as_given)
  local lists = {}
  for i = 1, #o.names do lists[i] = {} end
  if given == nil or not is_one(given) and next(given) == nil then return lists end
  if #o.names == 1 then
    if not is_one(given) then
      local names = tree.names(given)
      if names then given = outputs.spread(what, o, given, {is_leaf = is_one})[1] end
    end
    map(given, function(m) table.insert(lists[1], m) end)
    return lists
  end
  if is_one(given) then
    for i = 1, #o.names do
      if i > 1 and class.is(as_given, require "kl.metrics".Metric) then
        errors.fail("%s: the model has %d outputs, and one metric object cannot hold the state of them all: give one per output", what,
          #o.names)
      end
      lists[i][1] = i == 1 and given or check_metric(as_given)
    end
    return lists
  end
  for i, part in ipairs(outputs.spread(what, o, given, {is_leaf = is_one})) do
    if part then map(part, function(m) table.insert(lists[i], m) end) end
  end
  return lists
end

--- Lays out what was compiled for outputs of this structure.
---@param like any # a structure of tensors as the model returns
function compiled.lay_out(model, c, like)
  local o = outputs.describe(like, model._graph and model.output_names or nil)
  local layout = {outputs = o, count = #o.names}
  layout.losses = outputs.spread("compile: 'loss'", o, c.loss, {for_each = true, is_leaf = is_one})
  layout.weights = outputs.spread("compile: 'loss_weights'", o, c.loss_weights, {for_each = true})
  local count = 0
  for _, loss in ipairs(layout.losses) do count = count + (loss and 1 or 0) end
  layout.trackers, layout.loss_words = {}, {}
  for i, name in ipairs(o.names) do layout.loss_words[i] = (" (in the loss of output '%s')"):format(name) end
  local Mean = require "kl.metrics".Mean
  for i, loss in ipairs(layout.losses) do
    layout.trackers[i] = count > 1 and loss and Mean{name = o.names[i] .. "_loss"} or false
    if layout.trackers[i] then rawset(layout.trackers[i], "_direction", "down") end
  end
  layout.metrics = metrics_per_output("compile: 'metrics'", o, c.metrics, c.given_metrics[1])
  layout.weighted = metrics_per_output("compile: 'weighted_metrics'", o, c.weighted_metrics, c.given_metrics[2])
  layout.wanted = {} -- which outputs need targets
  for i, loss in ipairs(layout.losses) do layout.wanted[i] = loss or #layout.metrics[i] > 0 or #layout.weighted[i] > 0 end
  c.layout = layout
  return layout
end

--- The layout for outputs of this structure.
function compiled.layout(model, c, y_pred)
  local layout = c.layout or compiled.lay_out(model, c, y_pred)
  if not (layout.count == 1 and core.kind(y_pred)) and #tree.flatten(y_pred) ~= layout.count then
    errors.fail("model '%s' has other outputs (%s) than when it was compiled: %s; compile it again", model.name, tree.form(y_pred),
      table.concat(layout.outputs.names, ", "))
  end
  return layout
end

--- Names as logs show them, for all entries in order: {metric, weighted, output, name}.  Words stand where shapes decide.
local function entries_of(layout, known)
  local entries, taken = {}, {}
  for pass, lists in ipairs{layout.metrics, layout.weighted} do
    for i, list in ipairs(lists) do
      local prefix = layout.count > 1 and layout.outputs.names[i] .. "_" or ""
      for k, m in ipairs(list) do
        local own = type(m) == "string" and m or m.name
        local name = prefix .. own
        if taken[name] and pass == 2 then name = prefix .. "weighted_" .. own end
        local base, n = name, 0
        while taken[name] or known[name] do
          n = n + 1
          name = ("%s_%d"):format(base, n)
        end
        taken[name] = true
        entries[#entries + 1] = {metric = m, weighted = pass == 2, output = i, name = name, prefix = prefix, list = list, index = k,
          words = (" (in the metric '%s' of output '%s')"):format(name, layout.outputs.names[i])}
      end
    end
  end
  return entries
end

local function loss_names(layout)
  local names = {loss = true}
  for _, tracker in ipairs(layout.trackers) do
    if tracker then names[tracker.name] = true end
  end
  return names
end

--- The compiled metrics and their names, or nil before the outputs are known; names of metrics where shapes decide.
function compiled.entries(c)
  return c.resolved or c.layout and entries_of(c.layout, loss_names(c.layout)) or nil
end

--- The names that a metric's results have in logs: of a user's metric that gives several values, theirs.  nil if that cannot be
--- known before it was updated.
function compiled.names_of_metric(metric, name, prefix)
  if type(metric) == "string" or own_code.is_own_class(class.of(metric)) then return {name} end
  local ok, value = pcall(metric.result, metric)
  if not ok then return nil end
  if tree.is_leaf(value) then return {name} end
  local names = {}
  for part in pairs(value) do names[#names + 1] = prefix .. tostring(part) end
  return names
end

-- Makes the entries final: words become metrics of the class that class_of(entry, i) names; nil where it names none.
local function settle(c, class_of)
  local entries = entries_of(c.layout, loss_names(c.layout))
  for i, entry in ipairs(entries) do
    if type(entry.metric) == "string" then
      local name = class_of(entry, i)
      if not name then return nil end
      entry.metric = require "kl.metrics"[name]{name = entry.metric}
      entry.list[entry.index] = entry.metric
    end
  end
  for _, entry in ipairs(entries) do
    c.names_of[entry.metric], c.prefix_of[entry.metric] = entry.name, entry.prefix
    entry.list, entry.index = nil, nil
  end
  c.resolved = entries
  return entries
end

--- The compiled metrics as objects, and their names.  Words need the targets: without y this is nil where one is among them.
function compiled.resolve(c, y, y_pred)
  if c.resolved then return c.resolved end
  local layout = c.layout
  return layout and settle(c, function(entry)
    if y == nil then return nil end
    local target = compiled.targets(layout, "the metrics", y)[entry.output]
    if not target then
      errors.fail("the metric '%s' of output '%s' needs targets: y has none for it", entry.metric, layout.outputs.names[entry.output])
    end
    return accuracies[kind_of_targets(target, tree.flatten(y_pred)[entry.output])]
  end)
end

--- What the first step has found out about outputs and targets, as plain values.
---@return table
function compiled.get_state(c)
  local state = {tracks_loss = c.tracks_loss}
  if not c.resolved then return state end
  state.outputs, state.classes = c.layout.outputs.like, {}
  for i, entry in ipairs(c.resolved) do state.classes[i] = getmetatable(entry.metric).__name end
  return state
end

--- Finds out the same from such a state, before the first step.
function compiled.set_state(model, c, state)
  c.tracks_loss = c.tracks_loss or state.tracks_loss
  if c.resolved or not state.outputs then return end
  if not c.layout then compiled.lay_out(model, c, state.outputs) end
  settle(c, function(_, i) return state.classes[i] end)
end

--- Loss objects, once the targets are known.
function compiled.resolve_loss(layout, i, y, y_pred)
  local loss = layout.losses[i]
  if type(loss) == "string" then
    loss = require "kl.losses"[crossentropies[kind_of_targets(y, y_pred)]]{name = loss}
    layout.losses[i] = loss
  end
  return loss
end

--- Targets per output; those without a loss and metrics need none.
function compiled.targets(layout, what, y)
  if layout.count == 1 and core.kind(y) then return {y} end
  return outputs.arrange(("%s: the targets (y)"):format(what), layout.outputs, y, layout.wanted)
end

--- Sample weights per output: a single one is everybody's.
function compiled.sample_weights(layout, what, given)
  if given == nil then return {} end
  return outputs.arrange(("%s: the sample weights"):format(what), layout.outputs, given, layout.wanted, true)
end

--- What logs will show of the compiled losses and metrics, or nil before the outputs are known.
---@return string[]|nil # sorted
function compiled.log_names(c)
  if not c.layout then
    if c.loss ~= nil or c.metrics ~= nil or c.weighted_metrics ~= nil then return nil end
    return {}
  end
  local names, list = c.loss ~= nil and loss_names(c.layout) or {}, {}
  for _, entry in ipairs(compiled.entries(c)) do
    local own = compiled.names_of_metric(entry.metric, entry.name, entry.prefix)
    if not own then return nil end
    for _, name in ipairs(own) do names[name] = true end
  end
  for name in pairs(names) do list[#list + 1] = name end
  table.sort(list)
  return list
end

local function names_in(list)
  local names = {}
  for i, m in ipairs(list) do names[i] = type(m) == "string" and m or m.name end
  return table.concat(names, ", ")
end

--- What was understood, as a table to read: compile{..., verbose = 1}.
---@return string
function compiled.describe(model, c)
  local lines = {("model '%s' is compiled:"):format(model.name)}
  local optimizer = model.optimizer
  if optimizer then
    local rate = rawget(optimizer, "_learning_rate")
    rate = rate and ("%.6g"):format(logs.numbers{rate}[1]) or "by a schedule"
    lines[#lines + 1] = ("  optimizer: %s, learning rate %s"):format(getmetatable(optimizer).__name, rate)
  else
    lines[#lines + 1] = "  optimizer: none"
  end
  local layout = c.layout
  local rows = {{"output", "loss", "weight", "metrics", "weighted metrics"}}
  for i = 1, layout.count do
    local loss, weight = layout.losses[i], layout.weights[i]
    rows[#rows + 1] = {layout.outputs.names[i], loss and (type(loss) == "string" and loss or loss.name) or "-",
      loss and ("%g"):format(weight or 1) or "-", names_in(layout.metrics[i]), names_in(layout.weighted[i])}
  end
  local widths, width = {}, require "kl.utils.text_table".width
  for _, row in ipairs(rows) do
    for k, cell in ipairs(row) do widths[k] = math.max(widths[k] or 0, width(cell)) end
  end
  for _, row in ipairs(rows) do
    local cells = {}
    for k, cell in ipairs(row) do cells[k] = cell .. (" "):rep(widths[k] - width(cell)) end
    lines[#lines + 1] = ("  " .. table.concat(cells, "  ")):gsub("%s+$", "")
  end
  local names = compiled.log_names(c)
  if names then lines[#lines + 1] = "  logs show: " .. table.concat(names, ", ") end
  return table.concat(lines, "\n")
end

return compiled
