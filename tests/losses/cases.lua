-- Random cases of every loss for a comparison with real Keras: the loss as its config, arguments and weights as nested lists.
--
-- Numbers have three decimals, so that a file of cases is short; weights have the shapes that Keras takes.
local kl = require "kl"
local gen = require "gen"
local serialize = require "kl.saving.serialize"

local losses = kl.losses
local cases = {}

cases.reductions = {"sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none"}
cases.weightings = {"none", "batch", "column", "full", "scalar"}

function cases.round(x) return math.floor(x * 1000 + 0.5) / 1000 end

function cases.pick(list) return list[gen.integer(1, #list)] end

--- Nested numbers within [low, high].
function cases.numbers(shape, low, high, options)
  local array = gen.array(shape, low, high, options)
  for i = 1, #array do array[i] = cases.round(array[i]) end
  return array:nested()
end

function cases.integers(shape, low, high) return gen.integers(shape, low, high):nested() end

--- Rows along the last axis that sum to 1 but for rounding, none of them near 0.
function cases.probabilities(shape)
  local function normalize(row)
    if type(row[1]) == "table" then
      for _, r in ipairs(row) do normalize(r) end
      return row
    end
    local sum = 0
    for _, x in ipairs(row) do sum = sum + x end
    for i, x in ipairs(row) do row[i] = cases.round(x / sum) end
    return row
  end
  return normalize(cases.numbers(shape, 0.1, 1))
end

--- One-hot along the last axis.
function cases.one_hot(shape)
  local labels = gen.integers({table.unpack(shape, 1, #shape - 1)}, 0, shape[#shape] - 1)
  return kl.one_hot(kl.tensor(labels:nested(), "int32"), shape[#shape]):cast("int32"):totable()
end

local numbers, integers, probabilities, one_hot, pick = cases.numbers, cases.integers, cases.probabilities, cases.one_hot, cases.pick

local function any_shape() return pick{{5}, {4, 1}, {3, 4}, {2, 3, 4}, {2, 2, 3, 2}} end
local function class_shape() return pick{{4, 3}, {3, 5}, {2, 3, 4}, {2, 2, 2, 3}} end

--- The numbers moved off the grid of the targets, so that no case sits on a kink, where any slope between is right.
local function off_grid(nested)
  if type(nested) == "number" then return nested + 0.0004 end
  local list = {}
  for i, x in ipairs(nested) do list[i] = off_grid(x) end
  return list
end

local function regression(low, high)
  return function()
    local shape = any_shape()
    return numbers(shape, low, high), off_grid(numbers(shape, low, high))
  end
end

local function truths(shape) return integers(shape, 0, 1) end

local function unit_rows(n, d)
  local rows = numbers({n, d}, -1, 1)
  for _, row in ipairs(rows) do
    row[1] = row[1] + 1.5 -- not the zero vector
    local sum = 0
    for _, x in ipairs(row) do sum = sum + x * x end
    for i, x in ipairs(row) do row[i] = x / math.sqrt(sum) end
  end
  return rows
end

-- By class: a function that draws y_true, y_pred and options.
cases.draws = {
  MeanSquaredError = regression(-2, 2), MeanAbsoluteError = regression(-2, 2), LogCosh = regression(-8, 8),
  MeanAbsolutePercentageError = regression(0.5, 3), MeanSquaredLogarithmicError = regression(-0.5, 3),
  Huber = function()
    local y, p = regression(-2, 2)()
    return y, p, {delta = pick{1.0, 0.3, 2.5}}
  end,
  CosineSimilarity = function()
    local shape = pick{{3, 4}, {2, 3, 4}}
    return numbers(shape, -1, 1), numbers(shape, -1, 1), {axis = pick{-1, 2, 1}}
  end,
  Hinge = function()
    local shape = any_shape()
    local p = off_grid(numbers(shape, -2, 2))
    return gen.uniform() < 0.5 and truths(shape) or integers(shape, -1, 1), p
  end,
  CategoricalHinge = function()
    local shape = class_shape()
    return one_hot(shape), off_grid(numbers(shape, -2, 2))
  end,
  KLDivergence = function()
    local shape = class_shape()
    return probabilities(shape), probabilities(shape)
  end,
  Poisson = function()
    local shape = any_shape()
    return integers(shape, 0, 4), numbers(shape, 0.2, 4)
  end,
  BinaryCrossentropy = function()
    local shape, from_logits = any_shape(), gen.uniform() < 0.5
    return truths(shape), from_logits and numbers(shape, -4, 4) or numbers(shape, 0.01, 0.99),
      {from_logits = from_logits, label_smoothing = pick{0.0, 0.2}, axis = pick{-1, 1}}
  end,
  BinaryFocalCrossentropy = function()
    local shape, from_logits = any_shape(), gen.uniform() < 0.5
    return truths(shape), from_logits and numbers(shape, -4, 4) or numbers(shape, 0.01, 0.99),
      {from_logits = from_logits, label_smoothing = pick{0.0, 0.2}, apply_class_balancing = gen.uniform() < 0.5,
        alpha = pick{0.25, 0.6}, gamma = pick{2.0, 1.5}}
  end,
  CategoricalCrossentropy = function()
    local shape, from_logits = class_shape(), gen.uniform() < 0.5
    return one_hot(shape), from_logits and numbers(shape, -4, 4) or numbers(shape, 0.05, 1),
      gen.uniform() < 0.3 and {from_logits = from_logits, axis = pick{1, 2}} or
      {from_logits = from_logits, label_smoothing = pick{0.0, 0.2}}
  end,
  CategoricalFocalCrossentropy = function()
    local shape, from_logits = class_shape(), gen.uniform() < 0.5
    return one_hot(shape), from_logits and numbers(shape, -4, 4) or numbers(shape, 0.05, 1),
      {from_logits = from_logits, label_smoothing = pick{0.0, 0.2}, alpha = pick{0.25, 0.6}, gamma = pick{2.0, 1.5}}
  end,
  SparseCategoricalCrossentropy = function()
    local shape, from_logits = class_shape(), gen.uniform() < 0.5
    local rows = {table.unpack(shape, 1, #shape - 1)}
    if #rows == 1 and gen.uniform() < 0.3 then rows[2] = 1 end
    local labels = integers(rows, 0, shape[#shape] - 1)
    local ignored -- one that is there, so that what is left is known to be less
    if gen.uniform() < 0.5 then
      ignored = labels
      while type(ignored) == "table" do ignored = ignored[1] end
    end
    return labels, from_logits and numbers(shape, -4, 4) or probabilities(shape),
      {from_logits = from_logits, ignore_class = ignored}
  end,
  CategoricalGeneralizedCrossEntropy = function()
    local shape = class_shape()
    return integers({table.unpack(shape, 1, #shape - 1)}, 0, shape[#shape] - 1), probabilities(shape), {q = pick{0.5, 0.2, 0.9}}
  end,
  CTC = function()
    local n, count, times, classes = gen.integer(1, 4), gen.integer(1, 4), gen.integer(8, 10), gen.integer(2, 5)
    local labels = integers({n, count}, 1, classes - 1)
    for _, row in ipairs(labels) do
      for i = gen.integer(1, count) + 1, count do row[i] = 0 end
    end
    return labels, numbers({n, times, classes}, -3, 3)
  end,
  Dice = function()
    local shape = pick{{6}, {3, 4}, {2, 3, 4}}
    return truths(shape), numbers(shape, 0, 1), {axis = #shape == 3 and pick{nil, 2, {2, 3}, {1, -1}} or nil}
  end,
  Tversky = function()
    local shape = pick{{6}, {3, 4}, {2, 3, 4}}
    return truths(shape), numbers(shape, 0, 1), {axis = #shape == 3 and pick{nil, 2, {2, 3}} or nil, alpha = pick{0.5, 0.3},
      beta = pick{0.5, 0.8}}
  end,
  Circle = function()
    local n = gen.integer(3, 7)
    local labels = integers({n}, 0, 2)
    labels[1], labels[2], labels[3] = 0, 0, 1 -- some pair of either kind
    return labels, unit_rows(n, 3), {gamma = pick{80.0, 8.0}, margin = pick{0.4, 0.2}, remove_diagonal = gen.uniform() < 0.8}
  end,
}
cases.draws.SquaredHinge = cases.draws.Hinge

--- Weights for values of a shape; nil where the kind means none for it.
function cases.weight(kind, shape)
  if kind == "scalar" then return cases.round(0.5 + gen.uniform()) end
  if kind == "none" then return nil end
  if #shape == 0 then return kind == "batch" and numbers({4}, 0, 2) or nil end -- one value, multiplied by each
  if kind == "full" then return numbers(shape, 0, 2) end
  local lengths = {shape[1]}
  if kind == "column" then lengths[2] = 1 end
  if #shape > #lengths then -- numpy's rule puts missing axes in front; so give all
    for i = #lengths + 1, #shape do lengths[i] = 1 end
  end
  return numbers(lengths, 0, 2)
end

--- One case of a class: {object, y_true, y_pred, weight}.
function cases.draw(name, reduction, weighting)
  local y, p, options = cases.draws[name]()
  options = options or {}
  options.reduction = "none"
  local shape = losses[name](options)(y, p).shape
  options.reduction = reduction
  return {object = serialize.object(losses[name](options)), y_true = y, y_pred = p, weight = cases.weight(weighting, shape)}
end

local names = {}
for name in pairs(losses.classes) do names[#names + 1] = name end
table.sort(names)

--- Every class with every reduction and weighting.
function cases.all()
  gen.restart("losses")
  local list = {}
  for _, name in ipairs(names) do
    for _, reduction in ipairs(cases.reductions) do
      for _, weighting in ipairs(cases.weightings) do list[#list + 1] = cases.draw(name, reduction, weighting) end
    end
  end
  return list
end

--- Fewer: every class with every reduction, and weightings in turn.
function cases.some()
  gen.restart("losses")
  local list = {}
  for k, name in ipairs(names) do
    for i, reduction in ipairs(cases.reductions) do
      list[#list + 1] = cases.draw(name, reduction, cases.weightings[(i + k) % 5 + 1])
    end
  end
  return list
end

--- kl's value and the gradient of its sum for a case, flat.
function cases.run(case)
  local loss = serialize.deserialize(kl.json.decode(kl.json.encode(case.object)))
  local p = kl.tensor(case.y_pred, "float32")
  local tape <close> = kl.GradientTape{watch_accessed_variables = false}
  tape:watch(p)
  local value = loss(case.y_true, p, case.weight)
  return value, tape:gradient(value, p)
end

return cases
