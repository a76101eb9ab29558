-- Event files of kl in TensorBoard's own readers.
local kl = require "kl"
local python = require "python"
local training = require "training"
local events = dofile "tests/summary/events.lua"

local function f32(v) return (string.unpack("<f", string.pack("<f", v))) end

local function curve(tag)
  local steps = {}
  for i, point in ipairs(tag.points) do steps[i] = math.tointeger(point[1]) end
  return steps
end

describe("TensorBoard's reader", function()
  local dir, remove
  before_each(function() dir, remove = events.folder() end)
  after_each(function() remove() end)
  local function read() return python.run("event_files.py", {folder = dir}) end

  it("finds every kind of summary", function()
    do
      local w <close> = kl.summary.create_file_writer(dir .. "/mine")
      w:scalar("s", 0.1, {step = 3})
      w:histogram("h", kl.random.normal{500}, {step = 4})
      w:image("i", kl.zeros({4, 5, 7, 3}, {dtype = "uint8"}), {step = 5})
      w:text("t", {{"a", "b"}}, {step = 6})
    end
    local found = read().mine
    assert.same({{3, f32(0.1)}}, found.s.points)
    local count, rows = 0, found.h.points[1][2]
    for _, row in ipairs(rows) do count = count + row[3] end
    assert.same({30, 500}, {#rows, count})
    assert.same({7, 5, {7, 5, 5 * 22}, {7, 5, 5 * 22}, {7, 5, 5 * 22}}, found.i.points[1][2]) -- a filter's byte before each row
    assert.same({"a", "b"}, found.t.points[1][2])
    assert.same({"scalars", "histograms", "images", "text"}, {found.s.plugin, found.h.plugin, found.i.plugin, found.t.plugin})
  end)

  it("finds the curves of fit, going on in another process", function()
    local script = [[
      local kl = require "kl"
      kl.set_seed(1)
      local x = kl.random.normal{64, 4}
      local y = kl.sum(x, {axis = -1, keepdims = true})
      local inputs = kl.Input{4, name = "in"}
      local model = kl.Model{inputs = inputs, outputs = kl.layers.Dense{1, name = "out"}(kl.layers.Dense{3, name = "mid"}(inputs))}
      model:compile{optimizer = "adam", loss = "mse", metrics = {"mae"}}
      if %d > 0 then model:load_weights(%q) end
      model:fit{x, y, initial_epoch = %d, epochs = %d, batch_size = 32, verbose = 0, validation_data = {x, y},
        callbacks = {kl.callbacks.TensorBoard{log_dir = %q, histogram_freq = 1, write_images = true, update_freq = %s}}}
      model:save_weights(%q)
      print "saved"]]
    local weights = dir .. "/w.weights.h5"
    local function run(from, to, freq)
      assert.matches("saved", (training.run_script(script:format(from, weights, from, to, dir, freq, weights))))
    end
    run(0, 3, '"batch"')
    run(3, 5, '"batch"')
    local found = read()
    assert.same({0, 1, 2, 3, 4}, curve(found.train.epoch_loss))
    assert.same({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, curve(found.train.batch_mae))
    assert.same({0, 1, 2, 3, 4}, curve(found.validation.epoch_mae))
    assert.same({2, 4, 6, 8, 10}, curve(found.validation.evaluation_loss_vs_iterations))
    local graph = {["in"] = {}, mid = {"in"}, out = {"mid"}}
    assert.same(graph, found.train.graph)
    assert.same("graph_keras_model", found.train.keras.plugin)
    assert.same({["functional/in"] = {}, ["functional/mid"] = {"functional/in"}, ["functional/out"] = {"functional/mid"}},
      found.train.keras.points[1][2])
    local histograms = 0
    for tag in pairs(found.train) do histograms = histograms + (tag:find("/histogram$") and 1 or 0) end
    assert.equal("images", found.train["mid/kernel/image"].plugin)
    assert.equal(4, histograms)
    -- by epochs alone, epochs that are trained again replace those there were
    remove()
    os.execute("mkdir -p " .. dir)
    run(0, 3, '"epoch"')
    run(1, 4, '"epoch"')
    assert.same({0, 1, 2, 3}, curve(read().train.epoch_loss))
  end)
end)
