-- What cannot be saved or loaded is said; a failed save leaves the file that was there, and nothing else.
local kl = require "kl"
local raises = require "raises"
local support = dofile "tests/saving/support.lua"

local L, core = kl.layers, kl.core
local load_model = kl.models.load_model
kl.set_seed(14)

local folder
setup(function() folder = support.folder() end)
teardown(function() folder:remove() end)

local x, y = kl.random.normal{6, 4}, kl.random.normal{6, 2}

local function mlp(units)
  return kl.Sequential{kl.Input{4}, L.Dense{units or 3, activation = "relu"}, L.BatchNormalization{}, L.Dense{2}, name = "mlp"}
end

local function trained()
  local model = mlp()
  model:compile{optimizer = "adam", loss = "mse"}
  model:train_on_batch{x, y}
  return model
end

local function save(model, path)
  if path:find("%.weights%.h5$") then return model:save_weights(path) end
  return model:save(path)
end

local function load(path)
  if path:find("%.weights%.h5$") then
    local model = mlp()
    model:load_weights(path)
    return model
  end
  return load_model(path)
end

local kinds = {"keras", "h5", "weights.h5"}

--- Runs f(path) for each kind with a good file there, and asserts that the file is as it was and has no company.
local function unharmed(f)
  for _, kind in ipairs(kinds) do
    local place = folder .. "/unharmed"
    assert(os.execute("rm -rf " .. place .. " && mkdir " .. place))
    local path = place .. "/m." .. kind
    save(trained(), path)
    local before = support.read(path)
    f(path, place)
    assert(support.read(path) == before, kind .. ": the file has changed")
    assert.same({"m." .. kind}, support.names_in(place))
  end
end

describe("saving", function()
  it("wants the extension of its kind", function()
    local model = mlp()
    for _, name in ipairs{"m.weights.h5", "m.hdf5", "m", "m.keras/", "keras", ""} do
      local pattern = name == "m.weights.h5" and "a whole model is saved as" or "saved as %.keras or %.h5"
      raises(function() model:save(folder .. "/x/" .. name) end, pattern)
    end
    for _, name in ipairs{"m.h5", "m.keras", "weights.h5"} do
      raises(function() model:save_weights(name) end, "the name must end in %.weights%.h5, got '" .. name)
    end
    raises(function() model:save(3) end, "a path expected, got integer 3")
    raises(function() model:save(folder .. "/m.keras", {overwirte = false}) end,
      "unknown option 'overwirte'; did you mean 'overwrite'")
  end)
  it("wants a model that is built", function()
    local model = kl.Sequential{L.Dense{2}}
    for _, kind in ipairs(kinds) do
      raises(function() save(model, folder .. "/m." .. kind) end, "model '[%w_]+' is not built.*call it on data")
    end
    raises(function() model:load_weights("tests/golden/keras_mlp.weights.h5") end, "is not built")
  end)
  it("leaves a file that is there when overwrite is false", function()
    unharmed(function(path)
      local how = {overwrite = false}
      local name = path:match("[^/]*$"):gsub("%.", "%%.")
      raises(function()
        if path:find("weights") then mlp():save_weights(path, how) else mlp():save(path, how) end
      end, name .. " exists, and overwrite is false")
    end)
  end)
  it("replaces a file that is there otherwise", function()
    for _, kind in ipairs(kinds) do
      local path, model = folder .. "/twice." .. kind, trained()
      save(trained(), path)
      save(model, path)
      support.same_bits(load(path):get_weights(), model:get_weights(), kind)
    end
  end)
  it("goes behind a symbolic link, which stays one", function()
    local model = trained()
    assert(os.execute(("mkdir -p %s/real && ln -s real/m.keras %s/link.keras"):format(folder, folder)))
    support.write(folder .. "/real/m.keras", "old")
    model:save(folder .. "/link.keras")
    support.same_bits(load_model(folder .. "/real/m.keras"):get_weights(), model:get_weights(), "link")
    assert(os.execute(("test -L %s/link.keras"):format(folder)))
  end)
  it("names a target that is no place for a file, and leaves nothing there", function()
    assert(os.execute(("mkdir -p %s/none/dir.keras && cd %s/none && ln -s /dev/null device.keras && ln -s nowhere dangling.keras")
      :format(folder, folder)))
    local model = trained()
    local bad = {["dir.keras"] = "it is a directory", ["device.keras"] = "it is not a regular file",
      ["dangling.keras"] = "a symbolic link to a file that does not exist", ["missing/m.keras"] = "No such file or directory",
      ["dir.keras/x/m.keras"] = "No such file or directory", ["device.keras/m.keras"] = "Not a directory"}
    for name, words in pairs(bad) do
      local path = folder .. "/none/" .. name
      raises(function() model:save(path) end, name:gsub("%.", "%%.") .. ": not written: .*" .. words)
    end
    assert.same({"dangling.keras", "device.keras", "dir.keras"}, support.names_in(folder .. "/none"))
    assert.same({}, support.names_in(folder .. "/none/dir.keras"))
  end)
  it("says so where writing is not permitted", function()
    if require "pl.utils".executeex("test $(id -u) -eq 0") then
      pending("root may write anywhere")
      return
    end
    unharmed(function(path, place)
      os.execute("chmod 555 " .. place)
      raises(function() save(mlp(), path) end, "not written: .*Permission denied")
      os.execute("chmod 755 " .. place)
    end)
  end)
  it("cannot save what has no place in a config, and leaves the file that was there", function()
    local t = kl.Input{4}
    local Taker = kl.Layer:extend("Taker")
    function Taker:init(f)
      Taker.super.init(self)
      self.f = f
    end
    function Taker:call(v) return v end
    local bad = {
      ["the result of kl%.sum between its layers has no place"] = kl.Model{inputs = t, outputs = kl.sum(L.Dense{1}(t), {axis = -1})},
      ["tensor of shape %(1,%) cannot be saved in a config"] = kl.Model{inputs = t, outputs = L.Dense{1}(t) + kl.ones{1}},
      ["a Lua function cannot be saved"] = kl.Sequential{kl.Input{4}, L.Dense{2, activation = function(v) return v end}},
      ["Taker 'taker[_%d]*' cannot be saved: its class takes arguments that are not plain"] =
        kl.Sequential{kl.Input{4}, Taker(print)},
    }
    for words, model in pairs(bad) do
      unharmed(function(path)
        if not path:find("weights") then raises(function() model:save(path) end, words) end
      end)
    end
  end)
  it("needs room: a full disk is named with the bytes needed and free, and nothing is lost", function()
    local disk = folder .. "/disk"
    assert(os.execute("mkdir " .. disk))
    if not os.execute("mount -t tmpfs -o size=160k tmpfs " .. disk .. " 2>/dev/null") then
      pending("a small file system cannot be mounted here (not root)")
      return
    end
    local mounted <close> = setmetatable({path = disk}, {__close = function(m) os.execute("umount " .. m.path) end})
    for _, kind in ipairs(kinds) do
      local model = trained()
      local path = mounted.path .. "/m." .. kind
      save(model, path)
      local before = support.read(path)
      model:train_on_batch{x, y}
      assert(os.execute(("dd if=/dev/zero of=%s/filler bs=1k count=200 2>/dev/null; true"):format(disk)))
      local held = model:get_weights()
      local ok, message = pcall(save, model, path)
      assert.is_false(ok, kind)
      assert.matches("m%." .. kind:gsub("%.", "%%.") .. ": not written: [%w ]+: No space left on device %(%d+ bytes needed, " ..
        "%d+ bytes free%)", message)
      assert(support.read(path) == before, kind .. ": the file has changed")
      assert.same({"filler", "m." .. kind}, support.names_in(disk))
      support.same_bits(model:get_weights(), held, kind)
      model:train_on_batch{x, y} -- the state in memory is whole
      os.remove(disk .. "/filler")
      save(model, path)
      support.same_bits(load(path):get_weights(), model:get_weights(), kind)
      os.remove(path)
    end
  end)
end)

describe("a file that is not whole", function()
  it("is named when it is missing, empty, a directory or something else", function()
    assert(os.execute(("mkdir -p %s/odd/dir.keras %s/odd/dir.h5 %s/odd/dir.weights.h5"):format(folder, folder, folder)))
    for _, kind in ipairs(kinds) do
      local base = folder .. "/odd/"
      support.write(base .. "empty." .. kind, "")
      support.write(base .. "text." .. kind, ("this is no model\n"):rep(100))
      for name, words in pairs{missing = "No such file", empty = "", dir = "Is a directory", text = ""} do
        local ok, message = pcall(load, base .. name .. "." .. kind)
        assert.is_false(ok)
        assert.matches("^tests/saving/errors_spec%.lua:%d+: .*" .. name .. "%." .. kind:gsub("%.", "%%."), message)
        assert.matches(words, message)
      end
    end
  end)
  it("wants the extension of its kind", function()
    raises(function() load_model("m.weights.h5") end, "a %.keras or %.h5 file expected, got 'm%.weights%.h5'")
    raises(function() load_model("tests/golden/README.md") end, "a %.keras or %.h5 file expected")
    raises(function() mlp():load_weights("m.npz") end, "%.weights%.h5, %.keras or %.h5 expected, got 'm%.npz'")
    raises(function() load_model{"m.keras"} end, "a path expected, got a table")
    raises(function() load_model("m.keras", {compiled = false}) end, "unknown option 'compiled'; did you mean 'compile'")
    os.execute(("cp tests/golden/keras_mlp.weights.h5 %s/only_weights.h5"):format(folder))
    raises(function() load_model(folder .. "/only_weights.h5") end,
      "only_weights%.h5 holds no whole model: load_weights reads weights")
  end)
  local files = {"golden.keras", "golden.weights.h5"}
  for _, kind in ipairs(kinds) do files[#files + 1] = "ours." .. kind end
  for _, name in ipairs(files) do
    it("is refused wherever it was cut, and nothing is changed by it: " .. name, function()
      local path = folder .. "/" .. name
      if name:find("^golden") then
        support.write(path, support.read("tests/golden/keras_mlp." .. name:match("%.(.*)")))
      else
        save(trained(), path)
      end
      local whole = support.read(path)
      load(path)
      local model = mlp()
      local before = model:get_weights()
      local cuts = {1, 3, 8, 60, 100, #whole // 2, #whole - 1, #whole - 8, #whole - 30}
      for i = 1, 30 do cuts[#cuts + 1] = #whole * i // 31 end
      for _, n in ipairs(cuts) do
        support.write(path, whole:sub(1, n))
        local ok, message = pcall(load, path)
        assert(not ok, ("cut at byte %d of %d: loaded"):format(n, #whole))
        assert(message:find(name, 1, true), ("cut at byte %d: %s"):format(n, message))
        assert.is_false((pcall(model.load_weights, model, path)))
      end
      support.same_bits(model:get_weights(), before, name)
      support.write(path, whole .. "\0")
      assert.is_false((pcall(load, path)), "a byte behind the end") -- F9
    end)
  end
  for _, kind in ipairs(kinds) do
    it("is refused when a bit of it is another: ." .. kind, function()
      local path, model = folder .. "/flipped." .. kind, trained()
      save(model, path)
      local whole = support.read(path)
      local y_before = model:predict{x, verbose = 0}
      local bytes = string.pack("<ffff", table.unpack(kl.reshape(model.weights[1].value, {-1}):totable(), 1, 4))
      local at = assert(whole:find(bytes, 1, true)) -- the kernel itself
      local refused = 0
      local places = {at, at + 7}
      for i = 1, 40 do places[#places + 1] = 1 + (#whole - 1) * i // 41 end
      for i, place in ipairs(places) do
        support.write(path, whole:sub(1, place - 1) .. string.char(whole:byte(place) ~ 64) .. whole:sub(place + 1))
        local ok, copy = pcall(load, path)
        refused = refused + (ok and 0 or 1)
        assert(not ok or i > 2, "the kernel is damaged, and nobody noticed")
        -- a byte that nobody reads may be anything
        if ok then support.same_bits(copy:predict{x, verbose = 0}, y_before, ("byte %d"):format(place)) end
      end
      assert(refused >= 2)
    end)
  end
end)

--- A .keras file with config.json changed by f (a table), or with entries changed by it (a list of {name, text}).
local function changed(f, entries_too)
  local good, bad = folder .. "/good.keras", folder .. "/bad.keras"
  trained():save(good)
  local zip <close> = core.io.zip_open(good)
  local entries = {}
  for i, name in ipairs(zip:names()) do entries[i] = {name, zip:read(name)} end
  if entries_too then
    f(entries)
  else
    local config = kl.json.decode(entries[2][2])
    f(config)
    entries[2][2] = kl.json.encode(config)
  end
  core.io.zip_write(bad, entries)
  return bad
end

describe("a .keras file with a strange config", function()
  local function layer(change) return function(config) change(config.config.layers[2]) end end
  local cases = {
    {"a class that is unknown, with the nearest name", layer(function(l) l.class_name = "Denes" end), "the class 'Denes'.*Dense"},
    {"a class of no module of Keras's", layer(function(l) l.module = "os" end), "the class 'Dense' of module os is not known"},
    {"a user's class that was not passed",
      layer(function(l) l.module, l.class_name, l.registered_name = "custom", "Mine", "pack>Mine" end),
      "the class 'pack>Mine' of module custom is not known: pass it in custom_objects or register it"},
    {"a loss as a layer", layer(function(l) l.class_name = "MeanSquaredError" end), "the class 'MeanSquaredError'.*is not known"},
    {"a Lambda", layer(function(l) l.class_name = "Lambda" end), "a Lambda layer holds code and is not loaded"},
    {"a function", layer(function(l)
      l.config.activation = {module = "builtins", class_name = "function", config = "my_activation", registered_name = "function"}
    end), "the function 'my_activation' is not known: pass it in custom_objects or register it"},
    {"an option that is not supported", layer(function(l) l.config.lora_rank = 4 end),
      "Dense 'dense[_%d]*' has the option lora_rank = integer 4"},
    {"a value of another kind", layer(function(l) l.config.units = "three" end), "Dense: 'units' must be an integer"},
    {"a dtype that is not supported", layer(function(l) l.config.dtype.config.name = "mixed_float16" end),
      "the dtype policy 'mixed_float16'"},
    {"a layer without a config", layer(function(l) l.config = nil end), "the object of class 'Dense' has no config"},
    {"a layer that is a text", function(c) c.config.layers[2] = "Dense" end, ""},
    {"layers that are no list", function(c) c.config.layers = 3 end, ""},
    {"another optimizer", function(c) c.compile_config.optimizer.class_name = "Adm" end,
      "the compile options cannot be restored: the class 'Adm'.*'Adam'.*{compile = false}%) leaves them out"},
    {"weights of losses", function(c) c.compile_config.loss_weights = {2.0, 3.0} end, "cannot be restored: compile: 'loss_weights'"},
    {"another loss", function(c) c.compile_config.loss = "mes" end, "there is no loss 'mes'"},
    {"no model", function(c) c.class_name, c.module, c.config = "Adam", "keras.optimizers", {name = "adam"} end,
      "a model expected, found a Adam"},
    {"a layer twice", function(c) table.insert(c.config.layers, 2, c.config.layers[2]) end, "two layers called"},
  }
  for _, case in ipairs(cases) do
    it("is refused: " .. case[1], function()
      local path = changed(case[2])
      raises(function() load_model(path) end, "bad%.keras: .*" .. case[3])
    end)
  end
  local entries = {
    {"no config", function(e) table.remove(e, 2) end, "it has no entry config%.json"},
    {"no weights", function(e) table.remove(e) end, "it has no entry model%.weights%.h5"},
    {"JSON that is cut", function(e) e[2][2] = e[2][2]:sub(1, 500) end, "config%.json: "},
    {"JSON that is no object", function(e) e[2][2] = "[1]" end, ""},
    {"JSON of another kind", function(e) e[2][2] = "3" end, ""},
    {"weights that are the path of another file", function(e) e[3][2] = "tests/golden/keras_mlp.weights.h5" end,
      "model%.weights%.h5: not an HDF5 file"},
    {"weights without a signature", function(e) e[3][2] = "\0" .. e[3][2]:sub(2) end, "model%.weights%.h5"},
  }
  for _, case in ipairs(entries) do
    it("is refused: " .. case[1], function()
      local path = changed(case[2], true)
      raises(function() load_model(path) end, "bad%.keras: .*" .. case[3])
    end)
  end
  it("is taken where it holds more than is needed", function()
    local path = changed(function(e)
      table.insert(e, {"assets/words.txt", "a"})
      e[2][2] = e[2][2]:gsub('"units":3', '"units":3,"quantization_config":null,"lora_rank":null')
    end, true)
    assert.equal("mlp", load_model(path).name)
  end)
  it("names the graph's layer that waits for what nothing makes", function()
    local t = kl.Input{2}
    local model = kl.Model{inputs = t, outputs = L.Dense{1, name = "second"}(L.Dense{1, name = "first"}(t))}
    model:save(folder .. "/graph.keras")
    local zip <close> = core.io.zip_open(folder .. "/graph.keras")
    local config = zip:read("config.json"):gsub('%["first",0,0%]', '["nobody",0,0]')
    core.io.zip_write(folder .. "/graph.keras", {{"config.json", config}, {"model.weights.h5", zip:read("model.weights.h5")}})
    raises(function() load_model(folder .. "/graph.keras") end,
      "graph%.keras: the graph of model '[%w_]+' cannot be built: layer 'second' waits")
  end)
end)

describe("an operation between the layers of a config", function()
  local t = kl.Input{4}
  local config = kl.Model{inputs = t, outputs = kl.exp(L.Dense{3}(t))}:get_config()
  local cases = {
    {"without a config", function(o) o.config = nil end, "the operation Exp between layers %(exp[_%d]*%) has no config"},
    {"of another class", function(o) o.class_name = "Softmax" end, "the operation Softmax between layers .* is not read"},
    {"with an option", function(o) o.config.axis = 1 end, "the operation Exp between layers has the option axis"},
    {"with nodes that are no list", function(o) o.inbound_nodes = 3 end, "the inbound_nodes of layer 'exp[_%d]*' must be a list"},
    {"with another number of arguments", function(o) o.inbound_nodes[1].args = {} end, "kl%.exp: 'x' is missing"},
  }
  for _, case in ipairs(cases) do
    it(case[1] .. " is refused", function()
      local bad = core.json.decode(core.json.encode(config))
      case[2](bad.layers[3])
      raises(function() kl.Model:from_config(bad) end, case[3])
    end)
  end
  it("is read", function()
    assert.same({1, 3}, kl.Model:from_config(core.json.decode(core.json.encode(config)))(kl.ones{1, 4}).shape)
  end)
end)

describe("weights that do not fit", function()
  local function other()
    return kl.Sequential{kl.Input{4}, L.Dense{5}, L.BatchNormalization{scale = false}, L.Dense{2}, L.PReLU{}, name = "other"}
  end
  it("are listed together, and nothing is changed", function()
    local path = folder .. "/fit.weights.h5"
    mlp():save_weights(path)
    local model = other()
    local before = model:get_weights()
    local ok, message = pcall(model.load_weights, model, path)
    assert.is_false(ok)
    for _, words in ipairs{"fit%.weights%.h5 does not fit model 'other':\n",
      "\n  shape: /layers/dense/vars/0 is %(4, 3%) in the file, %(4, 5%) in the model", "\n  shape: /layers/dense/vars/1",
      "\n  shape: /layers/batch_normalization/vars/0 is %(3,%)", "\n  missing: /layers/p_re_lu/vars/0",
      "\n  unused: /layers/batch_normalization/vars/3 %(shape %(3,%)%) has no place in the model"} do
      assert.matches(words, message)
    end
    support.same_bits(model:get_weights(), before, "weights")
    raises(function() model:load_weights(path) end, "does not fit")
  end)
  it("are loaded as far as they fit with skip_mismatch, and the rest is warned of", function()
    for _, kind in ipairs(kinds) do
      local path, model, source = folder .. "/skip." .. kind, mlp(5), support.scramble(mlp())
      save(source, path)
      local before = model:get_weights()
      local warned = support.warnings(function() model:load_weights(path, {skip_mismatch = true}) end)
      assert.matches("does not fit model 'mlp'", warned)
      local after = model:get_weights()
      for i, name in ipairs{"kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "kernel"} do
        assert.equal(name, model.weights[i].name)
        support.same_bits(after[i], before[i], name)
      end
      support.same_bits(after[8], source.weights[8].value, "the last bias")
      raises(function() model:load_weights(path, {skip_missmatch = true}) end, "did you mean 'skip_mismatch'")
    end
  end)
  it("of other numbers of layers are refused in a .h5 too", function()
    local path = folder .. "/count.h5"
    mlp():save(path)
    raises(function() other():load_weights(path) end, "the file has 3 layers with weights, the model 4")
    local model = mlp(5)
    local before = model:get_weights()
    raises(function() model:load_weights(path) end, "count%.h5 does not fit model 'mlp':\n  shape: /model_weights/")
    support.same_bits(model:get_weights(), before, "weights")
  end)
  it("of Keras's that kl has no classes for are read by nobody, with every name", function()
    local ok, message = pcall(function() mlp():load_weights("tests/golden/keras_rnn.weights.h5") end)
    assert.is_false(ok)
    assert.matches("missing: /layers/batch_normalization/vars/0", message)
    assert.matches("and %d+ more", message)
  end)
end)
