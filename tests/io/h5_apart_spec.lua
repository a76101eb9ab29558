-- HDF5 files are parsed by a helper process (src/io/apart.c, h5_toc.c, h5_helper.c) and read chunk by chunk in this one
-- (h5_chunk.c, h5_rows.c): what helpers and files may do to a script, and what they leave behind.
local kl = require "kl"
local core = kl.core
local files = require "kl.files"
local support = dofile "tests/io/support.lua"

local io_, open = core.io, core.io.h5_open
local golden = "tests/golden/"

--- How many descriptors this process has open, and how many children, dead ones included.
local function possessions()
  local count = 0
  for _ in pairs(io_.list_folder("/proc/self/fdinfo")) do count = count + 1 end
  local children = 0
  for task in pairs(io_.list_folder("/proc/self/task")) do
    for _ in io.lines(("/proc/self/task/%s/children"):format(task), "n") do children = children + 1 end
  end
  return ("%d files, %d children"):format(count, children)
end

--- Runs f; afterwards there are as many files and children as before.
local function leaves_nothing(f)
  local before = possessions()
  f()
  assert.equal(before, possessions())
end

--- Random numbers that are the same everywhere.
local function generator(state)
  return function(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return (state >> 8) % n
  end
end

--- Reads all that can be read of an HDF5 file's bytes; true, or the error.
local function read_all(bytes, attributes)
  return pcall(function()
    local f <close> = open(bytes, "hostile.h5")
    f:accept_compressed()
    local message
    for _, item in ipairs(f:datasets()) do
      local ok, words = pcall(f.read, f, item.path)
      message = message or not ok and words
      if attributes then pcall(f.attribute, f, item.path, "name") end
    end
    if attributes then
      for _, name in ipairs{"model_config", "layer_names", "keras_version"} do pcall(f.attribute, f, "/", name) end
    end
    if message then error(message, 0) end
  end)
end

describe("a damaged HDF5 file", function()
  teardown(function() core.fail_apart() end)

  --- Files and how many damaged ones are made of each: of 1, 8 or 64 bytes anywhere.
  local cases = {
    {"keras_mlp.weights.h5", 40}, {"keras_rnn.weights.h5", 25}, {"keras_mlp_legacy.h5", 40}, {"keras_attn.weights.h5", 25},
    {"h5/accept_layouts.h5", 60}, {"h5/accept_chunks.h5", 40}, {"h5/accept_chunks_v110.h5", 60}, {"h5/accept_attributes.h5", 60},
    {"h5/accept_names_v110.h5", 40}, {"h5/accept_names.h5", 30},
  }
  for k, case in ipairs(cases) do
    it("gives an error that names it, or its values, and never ends the process: " .. case[1], function()
      local raw = io_.read_file(golden .. case[1])
      leaves_nothing(function()
        local random, failed = generator(4711 + k), 0
        for n = 1, case[2] do
          local bytes = {}
          for _ = 1, n % 3 == 0 and 64 or n % 3 == 1 and 8 or 1 do bytes[random(#raw) + 1] = string.char(random(256)) end
          local damaged = raw:gsub("()(.)", function(at) return bytes[at] end)
          if damaged:sub(1, 8) == raw:sub(1, 8) then
            local ok, message = read_all(damaged, true)
            failed = failed + (ok and 0 or 1)
            assert(ok or message:find("hostile.h5", 1, true), message)
          end
        end
        assert(failed > 0, "no damage was found at all")
      end)
    end)
  end
end)

describe("a helper process that", function()
  after_each(function() core.fail_apart() end)
  local small = golden .. "keras_mlp.weights.h5"
  local cases = {
    {"crashes", "killed", 11, "keras_mlp%.weights%.h5: the HDF5 library crashed on it %(signal 11%)"},
    {"aborts", "killed", 6, "crashed on it %(signal 6%)"},
    {"is killed by the system", "killed", 9, "ended by the system after too much time or memory"},
    {"hangs", "hangs", 50, "was still reading its structure when its time was over"},
    {"uses its processor time up", "spins", 1, "ended by the system after too much time or memory"},
    {"says nothing", "silent", 0, "ended without an answer"},
  }
  for _, case in ipairs(cases) do
    it(case[1] .. " makes the load an error naming the file, and the next one works", function()
      leaves_nothing(function()
        core.fail_apart(case[2], case[3])
        assert.matches(case[4], support.message(open, small))
        assert.matches(case[4], select(2, pcall(kl.load, small)))
        assert.matches(case[4], select(2, pcall(kl.data.Dataset.from_file, small .. ":/layers/dense/vars/0")))
        core.fail_apart()
        local f <close> = open(small)
        assert.equal(17, f:read("optimizer/vars/0"):item())
      end)
    end)
  end
  it("takes all memory that there is for it leaves the rest to others", function()
    leaves_nothing(function()
      core.fail_apart("hogs")
      local ok, message = pcall(open, small)
      assert(ok or message:find("keras_mlp.weights.h5", 1, true), message)
    end)
  end)
  it("answers rubbish is not believed, whatever it says", function()
    local raw = io_.read_file(golden .. "h5/accept_chunks_v110.h5")
    leaves_nothing(function()
      local good = 0
      for n = 0, 260 do
        core.fail_apart("changes", n * 83)
        local ok, message = read_all(raw, n % 8 == 0)
        good = good + (ok and 1 or 0)
        assert(ok or message:find("hostile.h5", 1, true), message)
      end
      assert(good > 0 and good < 260, "changes without effect, or nothing but effects: " .. good)
    end)
  end)
  it("breaks off is not believed", function()
    local raw = io_.read_file(golden .. "h5/accept_types_little.h5")
    for n = 1, 400, 7 do
      core.fail_apart("cuts", n)
      assert.matches("an answer that cannot be$", select(2, pcall(open, raw, "x")))
    end
  end)
  it("starts while a signal comes does its work", function()
    local output = support.run_apart([[
      local core = require "kl".core
      local pid = io.open("/proc/self/stat"):read("n")
      os.execute(("(for i in 1 2 3 4 5 6 7 8; do kill -WINCH %d; kill -CONT %d; sleep 0.02; done) 2>/dev/null &"):format(pid, pid))
      for i = 1, 30 do core.io.h5_open(arg[1]):close() end
      print "survived"]], small)
    assert.matches("survived$", output)
  end)
end)

describe("chunks", function()
  local expected = {
    all = {"int32", {5, 7, 3}}, rows = {"float64", {7, 2, 3}}, single = {"int32", {4, 3}}, larger = {"int32", {3, 3}},
    grows = {"int32", {9, 2}}, grows2 = {"int32", {5, 5}}, skips = {"int32", {8}}, early = {"int32", {5, 4}},
    bools = {"bool", {20}}, sparse = {"int32", {6, 6}},
  }
  --- Element i (from 0): scripts/dev/golden/h5_cases.py.
  local function element(name, i)
    if name == "bools" then return i % 3 == 0 and 1 or 0 end
    if name == "sparse" then return i == 35 and 35 or 7 end
    return i
  end
  local function check(name, t, first)
    local flat = t:reshape{-1}:cast("float64"):totable()
    for i, value in ipairs(flat) do assert.equal(element(name, first + i - 1), value, name) end
    return #flat
  end

  for _, file in ipairs{"accept_chunks", "accept_chunks_v110"} do
    local path = golden .. "h5/" .. file .. ".h5"
    it("of every index and filter are read whole: " .. file, function()
      local f <close> = open(path)
      f:accept_compressed()
      for name, e in pairs(expected) do
        local t = f:read(name)
        assert.same({e[1], e[2]}, {t.dtype, t.shape}, name)
        assert.equal(math.tointeger(kl.prod(kl.tensor(e[2])):item()), check(name, t, 0))
        assert.same(t:totable(), kl.load(path, {dataset = name, compressed = true}):totable())
      end
    end)
    it("of every index and filter are read by rows: " .. file, function()
      for name, e in pairs(expected) do
        local row = 1
        for i = 2, #e[2] do row = row * e[2][i] end
        local source <close> = files.open(path, {dataset = name})
        for first = 1, e[2][1] do
          for count = 1, e[2][1] - first + 1 do
            assert.equal(count * row, check(name, source:rows(first, count), (first - 1) * row))
          end
        end
      end
    end)
  end
  it("that are damaged are named", function()
    local raw = io_.read_file(golden .. "h5/accept_chunks.h5")
    local at = assert(raw:find(string.pack("<i4i4i4", 0, 1, 2) .. string.pack("<i4i4", 3, 4), 1, true)) -- of `single`
    local f <close> = open(raw:sub(1, at) .. "\1" .. raw:sub(at + 2), "x.h5")
    assert.matches("^x%.h5: /single: chunk 1 is damaged: Fletcher%-32 %x+ expected, %x+ found$", support.message(f.read, f, "single"))
  end)
end)
