-- lua/kl/summary and src/io/tfevents.c: the bytes of event files, and what is refused.
local kl = require "kl"
local raises = require "raises"
local training = require "training"
local events = dofile "tests/summary/events.lua"

describe("kl.summary", function()
  local folder, remove
  before_each(function() folder, remove = events.folder() end)
  after_each(function() remove() end)
  local function writer(options) return kl.summary.create_file_writer(folder, options) end

  it("writes the bytes that TensorBoard's own writer does", function()
    local file <close> = assert(io.open("tests/golden/events.out.tfevents.0000000001.golden.1.0", "rb"))
    local golden = events.records(file:read("a"))
    local w = writer{start_step = 0, wall_time = 1.5}
    local path = w.path
    w:scalar("epoch_loss", 0.25, {step = 1, wall_time = 2})
    w:histogram("dense/kernel/histogram", {0, 1, 2, 3}, {step = 1, wall_time = 2.5, buckets = 2})
    w:text("note", "hello **kl**", {step = 1, wall_time = 2.5})
    w:close()
    local own <close> = assert(io.open(path, "rb"))
    local bytes = own:read("a")
    local records = events.records(bytes)
    assert.equal(5, #records)
    for i, place in ipairs{1, 2, 3, 5, 7} do assert.equal(golden[place], records[i], "record " .. i) end
    assert.equal("\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22", bytes:sub(1, 12))
  end)

  it("keeps scalars as float32, of numbers, tensors and variables", function()
    do
      local w <close> = writer()
      w:scalar("a", 0.1, {step = 1})
      w:scalar("a", kl.tensor(0.2, "float64"), {step = kl.tensor(2)})
      w:scalar("a", kl.Variable(3.0), {step = 2 ^ 40})
      w:scalar("a", -math.huge, {step = -1, description = "**d**"})
      w:scalar("nan", 0 / 0, {step = 0})
    end
    local function f32(x) return (string.unpack("<f", string.pack("<f", x))) end
    assert.same({{1, f32(0.1)}, {2, f32(0.2)}, {1 << 40, 3.0}, {-1, -math.huge}}, events.curve(folder, "a"))
    local list = events.read_file(events.files(folder)[1])
    assert.equal("brain.Event:2", list[1].version)
    assert.equal("**d**", list[5].description)
    assert(list[6].tensor.number ~= list[6].tensor.number)
  end)

  it("makes histograms of any data", function()
    do
      local w <close> = writer()
      w:histogram("normal", kl.tensor{ {0, 1, 2}, {3, 4, 10} }:transpose(), {step = 0, buckets = 5})
      w:histogram("equal", {7, 7, 7}, {step = 0, buckets = 2})
      w:histogram("empty", kl.zeros{0, 3}, {step = 0, buckets = 2})
      w:histogram("none", {1, 2}, {step = 0, buckets = 0})
      w:histogram("bad", {1, 0 / 0, 2, math.huge}, {step = 0, buckets = 1})
      w:histogram("bad", {1, 2}, {step = 1, buckets = 1})
      w:histogram("wide", kl.tensor({-1e308, 1e308, 1e308}, "float64"), {step = 0, buckets = 2})
      w:histogram("default", kl.random.normal{1000}, {step = 0})
    end
    local of = {}
    for _, e in ipairs(events.read_file(events.files(folder)[1])) do
      if e.tag then of[e.tag] = of[e.tag] or e.tensor end
    end
    assert.same({0, 2, 2, 2, 4, 2, 4, 6, 1, 6, 8, 0, 8, 10, 1}, of.normal.doubles)
    assert.same({5, 3}, of.normal.shape)
    assert.same({7, 7, 0, 7, 7, 3}, of.equal.doubles)
    assert.same({0, 0, 0, 0, 0, 0}, of.empty.doubles)
    assert.same({0, 3}, of.none.shape)
    assert.same({1, 2, 2}, of.bad.doubles)
    assert.same({-1e308, 0, 1, 0, 1e308, 2}, of.wide.doubles)
    assert.same({{0, 2}, {1, 0}}, events.curve(folder, "bad/nonfinite"))
    local count = 0
    for i = 3, #of.default.doubles, 3 do count = count + of.default.doubles[i] end
    assert.equal(1000, count)
    assert.same({30, 3}, of.default.shape)
  end)

  it("writes images as PNG, floats on TensorFlow's scale", function()
    local pixels = kl.tensor({0.0, 0.5, 1.0, 2.0, -1.0, 0.1}, "float32"):reshape{1, 2, 3, 1}
    do
      local w <close> = writer()
      w:image("float", pixels, {step = 0})
      w:image("many", kl.zeros({5, 1, 2, 3}, {dtype = "uint8"}), {step = 0, max_outputs = 2})
    end
    local list = events.read_file(events.files(folder)[1])
    local t = list[2].tensor
    assert.same({"3", "2"}, {t.strings[1], t.strings[2]})
    assert.same({0, 127, 255, 255, 0, 25}, kl.core.io.decode_image(t.strings[3]):reshape{-1}:totable())
    assert.same({4}, list[3].tensor.shape)
    assert.equal("images", list[3].plugin)
  end)

  it("writes a figure as the image it is", function()
    local fig = kl.plot.figure{width = 200, height = 100}:line({1, 2, 3})
    do
      local w <close> = writer()
      w:image("figure", fig, {step = 4})
    end
    local e = events.read_file(events.files(folder)[1])[2]
    assert.same({"200", "100"}, {e.tensor.strings[1], e.tensor.strings[2]})
    assert.same({100, 200, 3}, kl.core.io.decode_image(e.tensor.strings[3]).shape)
    assert.equal("images", e.plugin)
  end)

  it("writes texts as scalars, lists and tables", function()
    do
      local w <close> = writer()
      w:text("t", "a\nb", {step = 0})
      w:text("t", {"a", "b"}, {step = 1})
      w:text("t", {{"a", "b", "c"}, {"d", "e", "f"}}, {step = 2})
    end
    local list = events.read_file(events.files(folder)[1])
    assert.same({{}, {2}, {2, 3}}, {list[2].tensor.shape, list[3].tensor.shape, list[4].tensor.shape})
    assert.same({"a", "b", "c", "d", "e", "f"}, list[4].tensor.strings)
  end)

  it("writes a node for every call, also of layers in models inside", function()
    local a, b = kl.Input{4, name = "a"}, kl.Input{4, name = "b"}
    local inner = kl.Sequential{kl.Input{4, name = "in"}, kl.layers.Dense{3, name = "d"}, name = "inner"}
    local f = kl.layers.Dense{2, name = "f"}
    local model = kl.Model{inputs = {a, b}, outputs = f(inner(a)) + f(inner(b))}
    do
      local w <close> = writer()
      w:graph(model)
    end
    local graph = events.fields(events.read_file(events.files(folder)[1])[2].graph)
    local inputs = {}
    for _, data in ipairs(graph[1]) do
      local node = events.fields(data)
      inputs[node[1][1]] = table.concat(node[3] or {}, " ")
    end
    assert.same({a = "", b = "", ["inner/in"] = "a", ["inner/d"] = "inner/in", f = "inner/d", ["inner_1/in"] = "b",
      ["inner_1/d"] = "inner_1/in", f_1 = "inner_1/d", add = "f f_1"}, inputs)
  end)

  it("reads values in recorded steps, and refuses replays", function()
    local w <close> = writer{max_queue = 1}
    local function f(x)
      local y = x * 3
      w:scalar("sum", y:sum(), {step = 1})
      w:histogram("h", y, {step = 1})
      return y + 1
    end
    local x = kl.tensor{1.0, 2.0}
    assert.is_true(kl.array_equal(f(x), kl.jit(f)(x)))
    assert.same({{1, 9}, {1, 9}}, events.curve(folder, "sum"))
    local ok, message = pcall(kl.jit(f, {replay = true}), x)
    assert.is_false(ok)
    assert.matches("replayed", message)
  end)

  it("has a default writer for a block", function()
    assert.is_false(kl.summary.scalar("x", 1, {step = 1}))
    do
      local w <close> = writer()
      local default <close> = w:as_default(5)
      assert.is_true(kl.summary.scalar("x", 1))
      kl.summary.text("y", "z", {step = 7})
      assert.equal(w, kl.summary.default_writer())
      local _ = default
    end
    assert.is_nil(kl.summary.default_writer())
    assert.same({5}, events.steps(folder, "x"))
    assert.same({7}, events.steps(folder, "y"))
  end)

  it("writes when the queue is full, and when a writer is collected", function()
    local w = writer{max_queue = 3}
    local path = w.path
    w:scalar("a", 1, {step = 1})
    w:scalar("a", 1, {step = 2})
    assert.equal(1, #events.read_file(path))
    w:scalar("a", 1, {step = 3})
    assert.equal(4, #events.read_file(path))
    w:scalar("a", 1, {step = 4})
    w = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.equal(5, #events.read_file(path))
  end)

  it("makes files whose names are in the order in which they were made", function()
    local made = {}
    for i = 1, 120 do -- readers that come to an earlier name later pass it over
      local w = writer{}
      made[i] = w.path
      w:close()
    end
    assert.same(made, events.files(folder))
  end)

  -- Linux looks for a kill between the pages of a write, so the last record may be a cut one: readers take it as the end of
  -- the file, and a run that goes on writes a file of its own.
  it("leaves whole records and at most one cut one behind when the process is killed", function()
    training.run_script(([[
      local kl = require "kl"
      local w = kl.summary.create_file_writer(%q, {max_queue = 7})
      for step = 1, math.huge do
        w:scalar("a", step, {step = math.tointeger(step)})
        w:text("t", ("x"):rep(3000), {step = math.tointeger(step)})
        if step == 500 then os.execute("kill -9 $PPID &") end
      end]]):format(folder), "timeout -s KILL 60")
    local list, left = events.read_file(events.files(folder)[1])
    assert(#list > 990, #list) -- seven may have waited
    assert(left < 3100, left)
    for i, point in ipairs(events.curve(folder, "a")) do assert.same({i, i}, point) end
  end)

  it("refuses what it cannot write", function()
    local w <close> = writer()
    raises(function() w:scalar("a", kl.zeros{2}, {step = 1}) end,
      "scalar 'a': the value must be a scalar, got a float32 tensor of shape %(2,%)")
    raises(function() w:scalar("a", "x", {step = 1}) end, "a number or a scalar tensor, got the string")
    raises(function() w:scalar("a", 1) end, "'step' is missing")
    raises(function() w:scalar("a", 1, {step = 1.5}) end, "'step' must be an integer")
    raises(function() w:scalar("a", 1, {stp = 1}) end, "did you mean 'step'")
    raises(function() w:scalar("a", 1, 3) end, "a table of options expected")
    raises(function() w:scalar("", 1, {step = 1}) end, "a name")
    raises(function() w:scalar("\xff", 1, {step = 1}) end, "UTF%-8")
    raises(function() w:scalar("a\0b", 1, {step = 1}) end, "control character")
    raises(function() w:text("a", "\xff", {step = 1}) end, "UTF%-8")
    raises(function() w:text("a", {{"a"}, {"b", "c"}}, {step = 1}) end, "rows of one length")
    raises(function() w:image("a", kl.zeros{2, 2}, {step = 1}) end, "%(n, height, width, channels%)")
    raises(function() w:image("a", kl.zeros({1, 2, 2, 1}, {dtype = "int32"}), {step = 1}) end, "uint8")
    raises(function() w:histogram("a", "x", {step = 1}) end, "a tensor or a table of numbers")
    raises(function() w:histogram("a", {1}, {step = 1, buckets = -1}) end, "'buckets'")
    raises(function() w:graph(kl.Model:extend("Own")()) end, "has no graph")
    raises(function() kl.summary.create_file_writer("") end, "a folder expected")
    raises(function() kl.summary.create_file_writer(folder, {filename_suffix = "a/b"}) end, "filename_suffix")
    raises(function() kl.summary.create_file_writer("/proc/nothing/here") end, "here: the folder /proc/nothing cannot be made")
    raises(function() kl.summary.create_file_writer(w.path) end, "the folder cannot be made: Not a directory")
    w:close()
    w:close()
    raises(function() w:scalar("a", 1, {step = 1}) end, "is closed")
    raises(function() w:flush() end, "is closed")
  end)
end)
