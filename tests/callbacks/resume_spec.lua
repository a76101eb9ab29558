-- BackupAndRestore: a run that is stopped anywhere and taken up again ends with the bits of one that was not (reliability.md R1).
local kl = require "kl"
local program = require "program"
local raises = require "raises"
local resuming = require "resuming"
local training = require "training"
local saving = dofile "tests/saving/support.lua"
local names_of = require "objects".names

local folders
before_each(function() folders = {} end)
after_each(function()
  for _, folder in ipairs(folders) do folder:remove() end
end)
local function new_folder()
  folders[#folders + 1] = saving.folder()
  return folders[#folders]
end

--- What a run leaves: files apart from the backup, and the next numbers of every generator that it knows.
local function traces(model, folder)
  local list = {draws = kl.random.uniform{3}:totable(), epochs = model._epochs_trained, calls = rawget(model, "calls")}
  list.files = {}
  for _, name in ipairs(saving.names_in(folder)) do
    list.files[name] = name:find("%.csv$") and saving.read(folder .. "/" .. name) or true
  end
  for i, layer in ipairs(model.layers) do
    local generator = rawget(layer, "_seed_generator")
    list[i] = generator and generator:state()[2] or false
  end
  return list
end

local function check_same(got, expected, what)
  saving.same_state(got.model, expected.model, what)
  assert.same(expected.history.history, got.history.history, what)
  assert.same(expected.history.epoch, got.history.epoch, what)
  assert.same(expected.traces, got.traces, what)
end

local function finished(name, folder, options)
  local model, history = resuming.run(name, folder, options)
  return {model = model, history = history, traces = traces(model, folder)}
end

local function quietly(f, ...)
  local real = io.stderr
  local text = {}
  io.stderr = {write = function(_, ...) text[#text + 1] = table.concat{...} end} -- luacheck: ignore 122
  local result = table.pack(pcall(f, ...))
  io.stderr = real -- luacheck: ignore 122
  if not result[1] then error(result[2], 0) end
  return result[2], table.concat(text)
end

-- Where a run is stopped (at the n-th call of a hook), and how often it was saved.
local stops = {
  {"on_train_begin", 1, 1}, {"on_train_batch_end", 2, 1}, {"on_train_batch_end", 5, 2}, {"on_train_batch_begin", 6, 1},
  {"on_epoch_begin", 2, "epoch"}, {"on_epoch_end", 1, 3}, {"on_test_batch_end", 2, 1}, {"on_train_batch_end", 9, "epoch"},
  {"on_train_batch_end", 8, 1}, {"on_train_batch_end", 13, 3}, {"on_epoch_end", 2, 1}, {"on_train_end", 1, "epoch"},
}

-- At which of these a case is stopped: at every third, from one that its name chooses, unless it says more here.
local function stops_of(name)
  local chosen = ({frozen = {2, 9, 10}, stops_early = {8, 12}, stops_in_an_epoch = {3, 11}})[name] or {}
  if #chosen == 0 then
    local all = name == "dataset" or name == "callbacks"
    for i = all and 1 or #name % 3 + 1, #stops, all and 1 or name:find("^optimizer") and 6 or 3 do chosen[#chosen + 1] = i end
  end
  return chosen
end

describe("a run that is stopped and taken up again ends as one that was not:", function()
  for _, name in ipairs(names_of(resuming.cases)) do
    it(name, function()
      local whole = finished(name, new_folder(), {backup = false})
      for _, i in ipairs(stops_of(name)) do
        local folder, stop = new_folder(), stops[i]
        local what = ("%s, stopped at %s %d"):format(name, table.unpack(stop))
        local backup = {save_freq = stop[3]}
        local ok, message = pcall(resuming.run, name, folder, {stop = stop, backup = backup})
        if not ok then -- not all cases get to every stop
          assert.matches("power cut", message, what)
          check_same(quietly(finished, name, folder, {backup = backup}), whole, what)
        end
      end
    end)
  end
end)

describe("a model that is built anew in the same process, without another kl.set_seed, goes on as the first would have:", function()
  for _, name in ipairs{"arrays", "dataset", "dataset_same_order", "dataset_cache", "dataset_endless", "class_of_the_users"} do
    it(name, function()
      local whole = finished(name, new_folder(), {backup = false})
      for i, stop in ipairs{{"on_train_batch_end", 4}, {"on_train_batch_end", 5}, {"on_epoch_end", 2}} do
        local folder, backup = new_folder(), {save_freq = i}
        kl.set_seed(27)
        assert.is_false(pcall(resuming.run, name, folder, {stop = stop, backup = backup, seed = false}))
        check_same(quietly(finished, name, folder, {backup = backup, seed = false}), whole, name .. " " .. i)
      end
    end)
  end
end)

-- A program that runs a case of resuming.lua and saves the end; the folder and the case are its arguments.
local script = [[
package.path = "%s/tests/support/?.lua;" .. package.path
local kl = require "kl"
local resuming = require "resuming"
local folder, name, stop, n, seed = arg[1], arg[2], arg[3], math.tointeger(arg[4]), math.tointeger(arg[5])
local pid = io.open("/proc/self/stat"):read("a"):match("%%d+")
local model, history = resuming.run(name, folder, {seed = seed or false, stop = stop ~= "-" and {stop, n} or nil, kill = pid,
  backup = {save_freq = 2}})
model:save_weights(folder .. "/end.weights.h5")
kl.save(folder .. "/end.npz", {draws = kl.random.uniform{4}})
print(kl.json.encode{history = history.history, epoch = history.epoch})
]]

local function run_child(folder, arguments, environment, kl_options)
  local path = program.script(script:format(program.root))
  local output, status = program.shell(("SOURCE_DATE_EPOCH=0 %s %s run %s %s %s %s"):format(environment or "", program.quote(program.kl),
    kl_options or "", path, folder, arguments))
  os.remove(path)
  return output, status
end

--- Killed at steps, one restart after the other; what the last process said.
local function killed(folder, name, steps, seed, environments)
  local outputs = {}
  for i, n in ipairs(steps) do
    local output, status = run_child(folder, ("%s on_train_batch_end %d %s"):format(name, n, seed), environments and environments[i])
    assert.equal(137, status, output)
    outputs[i] = output
  end
  local output, status = run_child(folder, ("%s - 0 %s"):format(name, seed))
  assert.equal(0, status, output)
  outputs[#outputs + 1] = output
  return outputs
end

local function check_files(got, expected)
  for _, name in ipairs(saving.names_in(expected)) do
    assert(saving.read(got .. "/" .. name) == saving.read(expected .. "/" .. name), name .. " differs")
  end
end

local function last_line(text) return text:match("([^\n]*)\n*$") end

describe("a process that is killed", function()
  it("and started again, ten times in a row and on any number of threads, leaves the files of one that lived", function()
    local whole, folder = new_folder(), new_folder()
    local output, status = run_child(whole, "callbacks - 0 5")
    assert.equal(0, status, output)
    local environments = {}
    for i = 1, 10 do environments[i] = "KL_THREADS=" .. i % 3 + 1 end
    local outputs = killed(folder, "callbacks", {1, 3, 2, 4, 3, 1, 4, 2, 3, 5}, 5, environments)
    assert.equal(last_line(output), last_line(outputs[#outputs]))
    check_files(folder, whole)
    assert.matches("kl: BackupAndRestore: going on after step %d of epoch %d of the run kept in %S+/latest.weights.h5\n", outputs[#outputs])
  end)

  it("says where results will differ", function()
    local folder = new_folder()
    local _, status = run_child(folder, "arrays on_train_batch_end 4 5", "KL_CPU=baseline")
    assert.equal(137, status)
    local output = run_child(folder, "arrays - 0 5")
    local own = kl.core.device_info().cpu
    assert.equal(own ~= "baseline", output:find("kernels [^\n]*, this one uses " .. own) ~= nil, output)
  end)

  it("takes the seed over that the first one drew", function()
    local whole, folder = new_folder(), new_folder()
    local outputs = killed(folder, "dataset", {7}, "none")
    local seed = outputs[1]:match("kl: seed (%d+)")
    assert.not_equal(seed, outputs[2]:match("kl: seed (%d+)"))
    local output, status = run_child(whole, "dataset - 0 " .. seed)
    assert.equal(0, status, output)
    assert.equal(last_line(output), last_line(outputs[2]))
    check_files(folder, whole)
  end)
end)

describe("callbacks in a run that is taken up in the middle of an epoch", function()
  it("show the same curves in TensorBoard, from where they stood", function()
    local events = dofile "tests/summary/events.lua"
    local function curves(folder)
      local shown = {}
      for _, run in ipairs{"train", "validation"} do
        for _, tag in ipairs(events.tags(folder .. "/logs/" .. run)) do
          if not tag:find("/") then shown[run .. tag] = events.shown(folder .. "/logs/" .. run, tag) end -- others hold names of layers
        end
      end
      return shown
    end
    local whole = new_folder()
    resuming.run("curves", whole, {backup = false})
    local expected = curves(whole)
    assert.is_number(expected["trainbatch_loss"][25])
    assert.is_number(expected["trainepoch_loss"][4])
    for _, i in ipairs{3, 4, 6, 8, 9} do
      local folder, backup, stop = new_folder(), {save_freq = stops[i][3]}, stops[i]
      assert.is_false(pcall(resuming.run, "curves", folder, {stop = stop, backup = backup}))
      quietly(resuming.run, "curves", folder, {backup = backup})
      assert.same(expected, curves(folder), stop[1])
    end
  end)

  it("count steps, and ask a schedule, as often as without a break", function()
    local folder = new_folder()
    local asked = 0
    local function fit(more)
      kl.set_seed(4)
      return training.output_of(function()
        training.line(1):fit{kl.ones{8, 1}, kl.ones{8, 1}, batch_size = 1, epochs = 1, verbose = 2, callbacks = {
          kl.callbacks.BackupAndRestore{folder .. "/b", save_freq = 3},
          kl.callbacks.LearningRateScheduler{function(_, rate)
            asked = asked + 1
            return rate / 2
          end, verbose = 1}, more}}
      end)
    end
    assert.is_false(pcall(fit, {on_train_batch_end = function(_, batch) if batch == 5 then error("stop") end end}))
    local text = quietly(fit)
    assert.matches("^8/8 %- ", text)
    assert.equal(1, asked)
  end)
end)

describe("a backup", function()
  local x, y = kl.arange(1, 13):reshape{-1, 1}:cast("float32"), kl.ones{12, 1}
  local function model_of(options)
    local model = kl.Sequential{kl.Input{1}, kl.layers.Dense{1}}
    local given = {optimizer = "adam", loss = "mse"}
    for key, value in pairs(options or {}) do given[key] = value end
    model:compile(given)
    return model
  end
  local stop = {on_epoch_end = function(_, epoch) if epoch == 3 then error("power cut", 0) end end}
  local function fit(backup, more, options)
    local given = options or {x, y, batch_size = 4}
    given.epochs, given.verbose, given.callbacks = 4, 0, {kl.callbacks.BackupAndRestore(backup), more}
    return model_of():fit(given)
  end

  it("is a folder's latest.weights.h5, or the file named; other programs read it; it goes when training has ended", function()
    for _, path in ipairs{"/a/b", "/a/b/", "/c/my.weights.h5"} do
      local folder = new_folder()
      assert.is_false(pcall(fit, {folder .. path, double_checkpoint = true}, stop))
      local file = folder .. (path:find("h5$") and path or "/a/b/latest.weights.h5")
      model_of():load_weights(file)
      assert(saving.read(file .. ".bkp"))
      assert.same({1, 2, 3, 4}, quietly(fit, {folder .. path, delete_checkpoint = false}).epoch)
      assert(saving.read(file))
      local callback = kl.callbacks.BackupAndRestore{folder .. path}
      callback:on_train_end({}, "interrupted")
      assert(saving.read(file))
      callback:on_train_end({}, "stopped")
      assert.same({}, saving.names_in(folder .. path:match("^/%w+")))
    end
  end)

  it("that is damaged is an error, or with two of them the older one is taken", function()
    for _, double in ipairs{true, false} do
      local folder = new_folder()
      assert.is_false(pcall(fit, {folder .. "/b", double_checkpoint = double}, stop))
      local path = folder .. "/b/latest.weights.h5"
      local text = saving.read(path)
      saving.write(path, text:sub(1, #text // 2) .. "x" .. text:sub(#text // 2 + 2))
      if double then
        local said
        assert.matches("going on from the backup before it", saving.warnings(function()
          said = select(2, quietly(fit, {folder .. "/b", double_checkpoint = true}))
        end))
        assert.matches("after the end of epoch 1 ", said)
      else
        raises(function() fit{folder .. "/b"} end, "latest.weights.h5.*%(in the beginning of callback 1, a BackupAndRestore%)")
      end
    end
  end)

  it("of an older kl, which holds no training state, and one of another model are refused", function()
    local folder = new_folder()
    assert(os.execute("mkdir " .. folder .. "/b"))
    model_of():save_weights(folder .. "/b/latest.weights.h5")
    raises(function() fit{folder .. "/b"} end, "holds weights, but not where a training stood.*load_weights.*initial_epoch")
    local other = kl.Sequential{kl.Input{1}, kl.layers.Dense{2}, kl.layers.Dense{1}}
    other:compile{loss = "mse"}
    assert.is_false(pcall(other.fit, other, {x, y, epochs = 2, verbose = 0, callbacks = {kl.callbacks.BackupAndRestore{folder .. "/c"},
      {on_epoch_end = function(_, epoch) if epoch == 2 then error("stop") end end}}}))
    raises(function() fit{folder .. "/c"} end, "does not fit model")
  end)

  it("of a later fit of the script is refused, and not used up by a dry run", function()
    local folder = new_folder()
    local model = model_of()
    local given = {x, y, batch_size = 4, verbose = 0, epochs = 3}
    model:fit(given)
    given.callbacks = {kl.callbacks.BackupAndRestore{folder .. "/backup"}, stop}
    assert.is_false(pcall(model.fit, model, given))
    raises(function() fit{folder .. "/backup"} end, "began with a model that was trained for 3 epochs, this one was for 0")
    local before = saving.read(folder .. "/backup/latest.weights.h5")
    local output, status = run_child(folder, "arrays - 0 5", "", "--steps 2")
    assert.equal(0, status, output)
    assert(before == saving.read(folder .. "/backup/latest.weights.h5"))
  end)

  it("cannot hold what is no plain value, and says whose it is", function()
    local hooks = {get_state = function() return {open = {1, print}} end}
    raises(function() fit({new_folder() .. "/b"}, hooks) end, "callbacks.PlainCallback 1.open%[2%] is a function.*a backup of callback 1")
    hooks.get_state = function() return {[3] = 1} end
    raises(function() fit({new_folder() .. "/b"}, hooks) end, "a list without holes .* key integer 3")
    local ring = {}
    ring.ring = ring
    hooks.get_state = function() return ring end
    raises(function() fit({new_folder() .. "/b"}, hooks) end, "a table that contains itself")
  end)

  for _, case in ipairs{
    {"other data: the epoch begins again", function(folder)
      pcall(fit, {folder .. "/b", save_freq = 2}, {on_train_batch_end = function(_, batch) if batch == 3 then error("stop") end end})
      fit({folder .. "/b"}, nil, {x, y, batch_size = 3})
    end, "the data was 12 samples in batches of 4, shuffle = true, and is 12 samples in batches of 3"},
    {"another data set", function(folder)
      local ds = kl.data.Dataset.from_tensor_slices(x, y)
      pcall(fit, {folder .. "/b"}, stop, {ds:batch(4)})
      fit({folder .. "/b"}, nil, {ds:batch(3)})
    end, "the data set was from_tensor_slices%(12%):batch%(4%), and is from_tensor_slices%(12%):batch%(3%)"},
    {"draws before fit with another seed", function(folder)
      kl.set_seed(1)
      pcall(fit, {folder .. "/b"}, stop)
      kl.set_seed(2)
      kl.random.uniform{1}
      fit{folder .. "/b"}
    end, "random numbers were drawn before it with the seed 2, in the run that is taken up with 1"},
    {"a function that has given more than the run had", function(folder)
      local n = 0
      local function give()
        n = n + 1
        return kl.ones{2, 1} * n, kl.ones{2, 1}
      end
      pcall(fit, {folder .. "/b"}, stop, {give, steps_per_epoch = 3})
      fit({folder .. "/b"}, nil, {give, steps_per_epoch = 3})
    end, "the generator has given 9 batches, and the run stood behind batch 6"},
  } do
    it("warns of " .. case[1], function()
      local folder = new_folder()
      assert.matches(case[3], saving.warnings(function() quietly(case[2], folder) end))
    end)
  end
end)
