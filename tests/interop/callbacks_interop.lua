-- What callbacks decide, epoch by epoch, beside Keras's own on the same values.
local kl = require "kl"
local python = require "python"
local training = require "training"
local template = require "kl.callbacks.template"

-- Values on a grid of 1/64, so that differences and sums with min_delta are exact in float32 and in Lua's doubles.
local state = 12345
local function draw(n)
  state = (state * 1103515245 + 12345) % 2147483648
  return state // 65536 % n
end
local function pick(list) return list[draw(#list) + 1] end

local function random_values(n)
  local values, at = {}, 128
  for i = 1, n do
    at = math.max(1, at + draw(25) - 13)
    values[i] = at / 64
  end
  return values
end

local folder = os.tmpname()
os.remove(folder)

local cases = {}
for i = 1, 120 do
  local name = pick{"EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint"}
  local options = {monitor = pick{"loss", "val_loss", "score"}, mode = pick{"min", "max"}}
  if name == "EarlyStopping" then
    options.min_delta, options.patience = pick{0.0, 1 / 16, -1 / 8}, draw(5)
    if draw(3) == 0 then options.baseline = 1.5 end
    options.restore_best_weights, options.start_from_epoch = draw(2) == 0, draw(4)
  elseif name == "ReduceLROnPlateau" then
    options.min_delta, options.patience, options.cooldown = pick{0.0, 1 / 16, 1 / 4}, draw(4), draw(4)
    options.factor, options.min_lr = pick{0.5, 0.1}, pick{0.0, 0.01}
  else
    options.filepath, options.save_best_only = folder .. "/{epoch:03d}-{" .. options.monitor .. ":.3f}.keras", draw(4) > 0
    if draw(3) == 0 then options.initial_value_threshold = 1.75 end
  end
  cases[i] = {callback = name, options = options, values = kl.json.array(random_values(30)), rate = 0.25}
end

local names = {}
for i, text in ipairs{"{a}", "{a:.2f}", "{a:08.3f}", "{a:+.1e}", "{a:<9.2f}|", "{a:^9.2f}|", "{a:.3g}", "{a:.1%}", "{n}",
  "{n:03d}", "{n:5}|", "{n:.2f}", "{{{n}}}", "{n:*>6d}"} do
  for j, a in ipairs{0.1, -2.0, 123456.789, 1e-7, 0.10000000149011612} do
    names[#names + 1] = {template = text, fields = {a = a, n = i * 10 + j}}
  end
end

local function kl_run(case)
  local options = {}
  for k, v in pairs(case.options) do options[k] = v end
  if options.start_from_epoch then options.start_from_epoch = options.start_from_epoch + 1 end -- counted from 1
  local saved, weights = {}, 0
  local model = training.line(1, {optimizer = kl.optimizers.SGD{learning_rate = case.rate}})
  function model.save(_, path) saved[#saved + 1] = path end
  function model.get_weights() return weights end
  function model.set_weights(_, w) weights = w end
  local callback = kl.callbacks[case.callback](options)
  callback:set_model(model)
  callback:on_train_begin{}
  local trace = {}
  for epoch, value in ipairs(case.values) do
    saved, weights = {}, epoch
    callback:on_epoch_begin(epoch, {})
    callback:on_epoch_end(epoch, {[options.monitor] = value})
    trace[epoch] = {best = callback.best, wait = callback.wait or 0, cooldown = callback.cooldown_counter or 0,
      rate = model.optimizer.learning_rate:item(), saved = saved, stop = model.stop_training}
    if model.stop_training then break end
  end
  callback:on_train_end({}, "finished")
  return {trace = trace, weights = weights}
end

describe("beside Keras", function()
  teardown(function() os.execute("rm -rf " .. folder) end)
  local real = python.run("callbacks.py", {cases = kl.json.array(cases), names = kl.json.array(names)})

  it("names of checkpoints have the same values in them", function()
    for i, case in ipairs(names) do
      assert.equal(real.names[i][1], template.fill("name", template.parse("name", case.template), case.fields), case.template)
    end
  end)

  for i, case in ipairs(cases) do
    it(("decisions are the same: case %d, %s %s"):format(i, case.callback, kl.json.encode(case.options)), function()
      local own, theirs = kl_run(case), real.runs[i]
      assert.equal(#theirs.trace, #own.trace, "epochs")
      for epoch, expected in ipairs(theirs.trace) do
        local got = own.trace[epoch]
        for _, field in ipairs{"wait", "cooldown", "stop", "rate"} do
          assert.equal(expected[field], got[field], ("%s after epoch %d"):format(field, epoch))
        end
        -- Keras moves `best` in ModelCheckpoint only where it saves the best; null is none
        assert.equal(expected.best ~= kl.json.null and expected.best or nil, got.best, "best after epoch " .. epoch)
        assert.equal(table.concat(expected.saved, " "), table.concat(got.saved, " "), "saved after epoch " .. epoch)
      end
      assert.equal(theirs.weights, own.weights, "weights at the end")
    end)
  end
end)
