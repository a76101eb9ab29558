-- Random cases of every metric for a comparison with real Keras: the metric as its config, and updates (arguments and weights as
-- nested lists) with a reset between them.
local kl = require "kl"
local gen = require "gen"
local serialize = require "kl.saving.serialize"
local loss_cases = dofile "tests/losses/cases.lua"

local metrics = kl.metrics
local cases = {}

local numbers, integers, one_hot, pick = loss_cases.numbers, loss_cases.integers, loss_cases.one_hot, loss_cases.pick
local probabilities = loss_cases.probabilities

cases.weightings = loss_cases.weightings

--- A draw of updates: shapes(n) -> y_true, y_pred for a batch of n; what the weights of kind "full" have as shape.
local function plain(y_of, p_of, shapes, full)
  return function()
    local rest = pick(shapes)
    return {}, function(n)
      local shape = {n, table.unpack(rest)}
      return {y_of(shape), p_of(shape)}, full and full(shape) or {table.unpack(shape, 1, math.max(1, #shape - 1))}
    end
  end
end

local function between(low, high) return function(shape) return numbers(shape, low, high) end end
local function whole(low, high) return function(shape) return integers(shape, low, high) end end
local function all_of(shape) return shape end

local any, classes = {{}, {1}, {3}, {2, 3}}, {{3}, {4}, {2, 3}}
local truths = whole(0, 1)

--- Probabilities, half of the times on tenths, where thresholds are.
local function borders(shape)
  if gen.uniform() < 0.5 then return numbers(shape, 0, 1) end
  local array = gen.integers(shape, 0, 10)
  for i = 1, #array do array[i] = array[i] / 10 end
  return array:nested()
end

--- A draw with options that are drawn too.
local function with(options, draw)
  return function()
    local _, update = draw()
    return options(), update
  end
end

local function labels_of(shape) return {table.unpack(shape, 1, #shape - 1)} end

local function sparse(p_of, options, shapes)
  return function()
    local rest = pick(shapes or classes)
    return options and options(rest[#rest]) or {}, function(n)
      local shape = {n, table.unpack(rest)}
      return {integers(labels_of(shape), 0, rest[#rest] - 1), p_of(shape)}, labels_of(shape)
    end
  end
end

local function mean_of(draw)
  return function()
    local update = draw()
    return {}, update
  end
end

local function some_thresholds()
  return pick{nil, 0.3, {0.2, 0.7}, {0.0, 0.5, 1.0}, {0.1, 0.25, 0.8}, {0.0, 0.25, 0.5, 0.75, 1.0}}
end

local function binary(options) -- one prediction per sample, or several
  return with(options, plain(truths, borders, {{}, {1}, {3}}, all_of))
end

local function shares()
  local kind = gen.integer(1, 3)
  local options = {thresholds = some_thresholds()}
  if kind == 2 then options.class_id = gen.integer(0, 3) end
  if kind == 3 then options.top_k = gen.integer(1, 3) end
  return options, function(n)
    local rest = kind == 1 and pick{{}, {4}} or {4}
    local shape = {n, table.unpack(rest)}
    return {truths(shape), borders(shape)}, kind == 2 and {n, 1} or shape
  end
end

local function best(held)
  return function()
    local by_class = gen.uniform() < 0.4
    return {[held] = pick{0.3, 0.5, 0.9}, num_thresholds = pick{200, 11, 5, 1}, class_id = by_class and gen.integer(0, 2) or nil},
      function(n)
        local shape = by_class and {n, 3} or pick{{n}, {n, 2}}
        return {truths(shape), borders(shape)}, by_class and {n, 1} or shape
      end
  end
end

local function scores(options)
  return function()
    local o = options()
    return o, function(n)
      return {gen.uniform() < 0.5 and one_hot{n, 3} or truths{n, 3}, borders{n, 3}}, nil
    end
  end
end

local function overlap(options, sparse_y_true, sparse_y_pred)
  return function()
    local n_classes = gen.integer(2, 4)
    local rest = pick{{}, {3}}
    return options(n_classes), function(n)
      local shape = {n, table.unpack(rest)}
      local deep = {n, table.unpack(rest)}
      deep[#deep + 1] = n_classes
      local high = n_classes - (sparse_y_true and sparse_y_pred and 0 or 1) -- one beyond the classes is left out
      local y = sparse_y_true and integers(shape, 0, high) or one_hot(deep)
      local p = sparse_y_pred and integers(shape, 0, high) or numbers(deep, 0, 1)
      return {y, p}, shape
    end
  end
end

cases.draws = {
  Mean = mean_of(function()
    local rest = pick(any)
    return function(n) return {numbers({n, table.unpack(rest)}, -2, 2)}, {n, table.unpack(rest)} end
  end),
  RootMeanSquaredError = plain(between(-2, 2), between(-2, 2), any, all_of),
  Accuracy = plain(whole(0, 2), whole(0, 2), any, all_of),
  BinaryAccuracy = with(function() return {threshold = pick{0.5, 0.3}} end, plain(truths, borders, any, all_of)),
  CategoricalAccuracy = plain(one_hot, between(0, 1), classes),
  SparseCategoricalAccuracy = sparse(between(0, 1)),
  TopKCategoricalAccuracy = with(function() return {k = gen.integer(1, 4)} end, plain(one_hot, borders, {{4}, {2, 5}})),
  SparseTopKCategoricalAccuracy = function()
    local sorted = gen.uniform() < 0.3
    return {k = gen.integer(1, 4), from_sorted_ids = sorted}, function(n)
      if sorted then return {integers({n}, 0, 5), integers({n, 5}, 0, 5)}, {n} end
      local shape = pick{{n, 5}, {n, 2, 5}}
      return {integers(labels_of(shape), 0, 4), borders(shape)}, labels_of(shape)
    end
  end,
  MeanSquaredError = plain(between(-2, 2), between(-2, 2), {{3}, {1}, {2, 3}}),
  MeanAbsolutePercentageError = plain(between(0.5, 2), between(-2, 2), {{3}, {2, 3}}),
  MeanSquaredLogarithmicError = plain(between(-0.5, 2), between(0, 2), {{3}, {2, 3}}),
  LogCoshError = plain(between(-4, 4), between(-4, 4), {{3}, {2, 3}}),
  CosineSimilarity = with(function() return {axis = pick{-1, 2}} end, plain(between(-1, 1), between(-1, 1), {{3}, {4}})),
  Hinge = plain(truths, between(-2, 2), {{3}, {1}, {2, 3}}),
  CategoricalHinge = plain(one_hot, between(-2, 2), classes),
  KLDivergence = plain(probabilities, probabilities, classes),
  Poisson = plain(whole(0, 4), between(0.2, 4), {{3}, {2, 3}}),
  BinaryCrossentropy = with(function() return {label_smoothing = pick{0.0, 0.1}} end,
    plain(truths, between(0.01, 0.99), {{1}, {3}, {2, 2}})),
  CategoricalCrossentropy = with(function() return {label_smoothing = pick{0.0, 0.1}, from_logits = gen.uniform() < 0.5} end,
    plain(one_hot, between(0.1, 1), classes)),
  SparseCategoricalCrossentropy = sparse(probabilities, function(n)
    return {ignore_class = gen.uniform() < 0.5 and gen.integer(0, n - 1) or nil}
  end),
  PearsonCorrelation = with(function() return {axis = pick{-1, 2}} end, plain(between(-1, 1), between(-1, 1), {{4}, {5}})),
  Precision = shares,
  TruePositives = binary(function() return {thresholds = some_thresholds()} end),
  SensitivityAtSpecificity = best("specificity"), SpecificityAtSensitivity = best("sensitivity"),
  PrecisionAtRecall = best("recall"), RecallAtPrecision = best("precision"),
  AUC = function()
    local multi_label, from_logits = gen.uniform() < 0.4, gen.uniform() < 0.2
    local rest = multi_label and {3} or pick{{}, {1}, {3}}
    local weighs = (multi_label or rest[1] == 3) and gen.uniform() < 0.5
    return {num_thresholds = pick{200, 11, 2}, curve = pick{"ROC", "PR", "PRGAIN"},
      summation_method = pick{"interpolation", "minoring", "majoring"}, multi_label = multi_label, from_logits = from_logits,
      thresholds = pick{nil, nil, {0.3, 0.8, 0.5}, {0.25, 0.5, 0.75}}, num_labels = multi_label and pick{nil, 3} or nil,
      label_weights = weighs and {0.5, 1.0, 2.0} or nil},
      function(n)
        local shape = {n, table.unpack(rest)}
        return {truths(shape), from_logits and numbers(shape, -3, 3) or borders(shape)}, shape
      end
  end,
  F1Score = scores(function() return {average = pick{nil, "micro", "macro", "weighted"}, threshold = pick{nil, 0.4}} end),
  FBetaScore = scores(function()
    return {average = pick{nil, "micro", "macro", "weighted"}, threshold = pick{nil, 0.4}, beta = pick{0.5, 2.0}}
  end),
  R2Score = function()
    return {class_aggregation = pick{"uniform_average", "variance_weighted_average", "none"}, num_regressors = pick{0, 2}},
      function(n) return {numbers({n, 2}, -2, 2), numbers({n, 2}, -2, 2)}, {n, 2} end
  end,
  IoU = overlap(function(n)
    return {num_classes = n, target_class_ids = {0, n - 1}, ignore_class = pick{nil, 1}, dtype = pick{"int32", "float32"}}
  end, true, true),
  MeanIoU = overlap(function(n) return {num_classes = n, sparse_y_true = false, sparse_y_pred = true} end, false, true),
  OneHotIoU = overlap(function(n) return {num_classes = n, target_class_ids = {1}} end, false, false),
  OneHotMeanIoU = overlap(function(n) return {num_classes = n} end, false, false),
  BinaryIoU = function()
    return {threshold = pick{0.5, 0.3}, target_class_ids = pick{{0, 1}, {1}}}, function(n)
      local shape = pick{{n}, {n, 3}}
      return {truths(shape), borders(shape)}, shape
    end
  end,
}
local draws = cases.draws
draws.Sum, draws.MeanAbsoluteError, draws.SquaredHinge = draws.Mean, draws.MeanSquaredError, draws.Hinge
draws.ConcordanceCorrelation, draws.Recall = draws.PearsonCorrelation, draws.Precision
draws.FalsePositives, draws.TrueNegatives, draws.FalseNegatives = draws.TruePositives, draws.TruePositives, draws.TruePositives

-- For these Keras takes no weights but those per sample, or flattens them.
local only_batch = {F1Score = true, FBetaScore = true}
local flat_only = {IoU = true, MeanIoU = true, OneHotIoU = true, OneHotMeanIoU = true, BinaryIoU = true}
local no_column = {AUC = true, Precision = true, Recall = true} -- where predictions are (n)
for _, a in ipairs{"True", "False"} do
  for _, b in ipairs{"Positives", "Negatives"} do no_column[a .. b] = true end
end
for _, name in ipairs{"SensitivityAtSpecificity", "SpecificityAtSensitivity", "PrecisionAtRecall", "RecallAtPrecision"} do
  no_column[name] = true
end
local whole_weights = {MeanIoU = true, OneHotIoU = true, OneHotMeanIoU = true, BinaryIoU = true}

local function weight_of(name, weighting, n, full)
  if weighting == "none" then return nil end
  if only_batch[name] then return numbers({n}, 0, 2) end
  if flat_only[name] and weighting ~= "scalar" then weighting = "full" end
  if whole_weights[name] then return weighting == "scalar" and 2 or integers(full, 0, 3) end
  if no_column[name] and #full == 1 and weighting == "column" then weighting = "batch" end
  if weighting == "scalar" then return loss_cases.round(0.5 + gen.uniform()) end
  if weighting == "full" then return numbers(full, 0, 2) end
  return numbers(weighting == "column" and {n, 1} or {n}, 0, 2)
end

--- One case of a class: {object, updates}; an update is {arguments, weight} or {reset = true}.
function cases.draw(name, weighting)
  local options, update = draws[name]()
  local list = {}
  for i = 1, 4 do
    local n = gen.integer(2, 5)
    local arguments, full = update(n)
    list[#list + 1] = {arguments = arguments, weight = weight_of(name, weighting, n, full)}
    if i == 2 then list[#list + 1] = {reset = true} end
  end
  return {object = serialize.object(metrics[name](options)), updates = list}
end

cases.names = {}
for name in pairs(metrics.classes) do
  if name ~= "MeanMetricWrapper" then cases.names[#cases.names + 1] = name end -- it has no values of its own
end
table.sort(cases.names)

--- `repeats` cases of every class with every weighting.
function cases.all(repeats)
  gen.restart("metrics")
  local list = {}
  for _, name in ipairs(cases.names) do
    for _ = 1, repeats or 3 do
      for _, weighting in ipairs(cases.weightings) do list[#list + 1] = cases.draw(name, weighting) end
    end
  end
  return list
end

--- Two of every class, the weightings in turn; more where there are many options.
function cases.some()
  gen.restart("metrics")
  local list = {}
  for k, name in ipairs(cases.names) do
    for i = 1, (name == "AUC" and 10) or (name == "Precision" or name == "Recall" or name == "R2Score") and 5 or 3 do
      list[#list + 1] = cases.draw(name, cases.weightings[(i + k) % 5 + 1])
    end
  end
  return list
end

return cases
