-- Stages that mix: elements of several data sets in turns that are drawn or told, and elements left out so that classes come as often
-- as wanted.
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local functions = require "kl.data.functions"
local stage = require "kl.data.stage"
local values = require "kl.data.values"

local Dataset = stage.Dataset
local INFINITE, UNKNOWN = stage.INFINITE, stage.UNKNOWN

local function check_parts(what, parts)
  args.check(what .. ": 'datasets'", parts, "table")
  if #parts == 0 then errors.fail("%s: at least one data set expected", what) end
  local texts = {}
  for i, part in ipairs(parts) do texts[i] = stage.check(("%s: data set %d"):format(what, i), part).text end
  return table.concat(texts, ", ")
end

--- Numbers from 0 on, not all of them 0, one per `of`.
local function check_shares(where, shares, count, of)
  shares = args.check(where, values.plain(shares), "table")
  if count and #shares ~= count then errors.fail("%s: %d expected, one per %s, got %d", where, count, of, #shares) end
  local sum = 0
  for i, share in ipairs(shares) do sum = sum + args.check(("%s[%d]"):format(where, i), share, "number", 0) end
  if not (sum > 0 and sum < math.huge) then errors.fail("%s must have a finite sum above 0", where) end
  return shares
end

--- The numbers in the text of a stage, if there are any.
local function numbers_text(before, list)
  local texts = {}
  for i, number in ipairs(list) do texts[i] = ("%.14g"):format(number) end
  return #list > 0 and before .. table.concat(texts, ", ") or ""
end

--- Elements of the parts; open_choice(ctx) begins a pass: next(empty) -> the number of the part whose turn it is, or nil at the end.
--- Parts in `empty` have ended and are passed over.
local function mixed(text, parts, inputs, length, stop_on_empty, open_choice)
  return stage.new{text = text, inputs = inputs, length = length, fetch = stage.fetch_of_part, prepare = stage.prepare_of_part,
    open = function(ctx)
      local next_choice, nexts, empty, left = open_choice(ctx), {}, {}, #parts
      for k, part in ipairs(parts) do nexts[k] = part.open(stage.part(ctx, k)) end
      return function()
        while left > 0 do
          local k = next_choice(empty)
          if not k then break end
          local item = not empty[k] and nexts[k]() or nil
          if item ~= nil then return {part = parts[k], item = item} end
          if not empty[k] then empty[k], left = true, stop_on_empty and 0 or left - 1 end
        end
        left = 0
      end
    end}
end

local sample_params = args.params{{"weights"}, {"seed"}, {"stop_on_empty_dataset", false}}

--- Elements of the data sets in an order that is drawn: the next one is of data set k with a probability in proportion to weights[k],
--- among those that have not ended.
---@param datasets kl.data.Dataset[]
---@param options? table # weights: all the same; seed; stop_on_empty_dataset = false: go on with the others where one has ended
---@return kl.data.Dataset
function Dataset.sample_from_datasets(datasets, options)
  local what = "sample_from_datasets"
  local texts = check_parts(what, datasets)
  local o = args.read(what, sample_params, options)
  if o.seed ~= nil then args.check(what .. ": 'seed'", o.seed, "integer") end
  args.check(what .. ": 'stop_on_empty_dataset'", o.stop_on_empty_dataset, "boolean")
  local given = o.weights ~= nil and check_shares(what .. ": 'weights'", o.weights, #datasets, "data set") or {}
  local parts, weights, length = {}, {}, 0
  for k, part in ipairs(datasets) do
    if given[k] ~= 0 then
      parts[#parts + 1], weights[#weights + 1] = part, given[k] or 1
      if part.length == INFINITE or length == INFINITE then
        length = INFINITE
      else
        length = (part.length == UNKNOWN or length == UNKNOWN) and UNKNOWN or length + part.length
      end
    end
  end
  if o.stop_on_empty_dataset and #parts > 1 then
    for _, part in ipairs(parts) do
      if part.length ~= INFINITE then length = UNKNOWN end
    end
  end
  local sampled
  local how = numbers_text("; ", given) .. (o.stop_on_empty_dataset and "; stop_on_empty_dataset" or "")
  sampled = mixed(("%s(%s%s)"):format(what, texts, how), parts, parts, length, o.stop_on_empty_dataset, function(ctx)
    local draw = stage.numbers(stage.key(sampled, ctx))
    return function(empty)
      local sum, last = 0, nil
      for k, weight in ipairs(weights) do
        if not empty[k] then sum = sum + weight end
      end
      local at = draw() * sum
      for k, weight in ipairs(weights) do
        if not empty[k] then
          if at < weight then return k end
          at, last = at - weight, k
        end
      end
      return last -- rounding
    end
  end)
  sampled.generator = stage.generator("data/" .. what, o.seed)
  return sampled
end

local choose_params = args.params{{"stop_on_empty_dataset", true}}

--- Elements of the data sets in the order that another one tells: its elements are their numbers, data counted from 0.
---@param datasets kl.data.Dataset[]
---@param choice_dataset kl.data.Dataset
---@param options? table # stop_on_empty_dataset = true: the end of one that is chosen is the end; false: it is passed over
---@return kl.data.Dataset
function Dataset.choose_from_datasets(datasets, choice_dataset, options)
  local what = "choose_from_datasets"
  local texts = check_parts(what, datasets)
  local choice = stage.check(what .. ": 'choice_dataset'", choice_dataset)
  local o = args.read(what, choose_params, options)
  args.check(what .. ": 'stop_on_empty_dataset'", o.stop_on_empty_dataset, "boolean")
  local length = choice.length
  for _, part in ipairs(datasets) do
    if part.length ~= INFINITE and length ~= 0 then length = UNKNOWN end
  end
  local parts, inputs = {table.unpack(datasets)}, {choice, table.unpack(datasets)}
  local how = o.stop_on_empty_dataset and "" or "; stop_on_empty_dataset = false"
  return mixed(("%s(%s; %s%s)"):format(what, texts, choice.text, how), parts, inputs, length, o.stop_on_empty_dataset, function(ctx)
    local next_item, number = choice.open(stage.part(ctx, 0)), 0
    return function()
      local item = next_item()
      if item == nil then return nil end
      number = number + 1
      local given = choice.fetch(item)[1]
      local k = math.tointeger(values.plain(given))
      if not k or k < 0 or k >= #parts then
        errors.fail("%s: element %d of 'choice_dataset' must be a number of a data set, 0 to %d, got %s", what, number, #parts - 1,
          k and tostring(k) or errors.show(given))
      end
      return k + 1
    end
  end)
end

local resample_params = args.params{{"initial_dist"}, {"seed"}}

--- (class, x, y, ...) of some of the elements, chosen at random so that classes come as often as target_dist says; the others are left
--- out.  map(function(class, ...) return ... end) takes the class away again.
---@param class_func function # of x, y, ...; returns the class, from 0
---@param target_dist number[] # shares of the classes; what they sum to does not matter
---@param options? table # initial_dist: the shares in the data, likewise; nil: as found so far; seed
function Dataset:rejection_resample(class_func, target_dist, options)
  local what = "rejection_resample"
  args.check(what .. ": the function", class_func, "function")
  local o = args.read(what, resample_params, options)
  if o.seed ~= nil then args.check(what .. ": 'seed'", o.seed, "integer") end
  local target = check_shares(what .. ": 'target_dist'", target_dist)
  local initial = o.initial_dist ~= nil and check_shares(what .. ": 'initial_dist'", o.initial_dist, #target, "class")
  for k, share in ipairs(initial or {}) do
    if share == 0 and target[k] > 0 then
      errors.fail("%s: 'initial_dist' says that there is no class %d, of which 'target_dist' wants some", what, k - 1)
    end
  end
  local length = self.length == 0 and 0 or self.length == INFINITE and INFINITE or UNKNOWN
  local resampled
  local how = numbers_text("", target) .. numbers_text("; ", initial or {})
  resampled = functions.looking(self, ("%s(%s)"):format(what, how), length, function(following, ctx)
    local draw = stage.numbers(stage.key(resampled, ctx))
    local found = {}
    for k in ipairs(target) do found[k] = initial and initial[k] or 1 end
    local function share_kept(class) -- the class that is rarest beside what is wanted is kept whole
      local most = 0
      for k, wanted in ipairs(target) do
        if wanted > 0 then most = math.max(most, wanted / found[k]) end
      end
      return target[class] > 0 and target[class] / found[class] / most or 0
    end
    return function()
      while true do
        local element, number = following()
        if element == nil then return nil end
        local given = stage.call(what, number, class_func, table.unpack(element))
        local class = math.tointeger(values.plain(given))
        if not class or class < 0 or class >= #target then
          errors.fail("%s: the function must return a class, 0 to %d, got %s (element %d)", what, #target - 1,
            class and tostring(class) or errors.show(given), number)
        end
        if not initial then found[class + 1] = found[class + 1] + 1 end
        if draw() < share_kept(class + 1) then return {core.tensor(class, "int64"), table.unpack(element)} end
      end
    end
  end)
  resampled.generator = stage.generator("data/" .. what, o.seed)
  return resampled
end
