-- core.io.h5_writer: src/io/h5_write.c, h5_image.c, h5_manifest.c.
local kl = require "kl"
local support = dofile "tests/io/support.lua"
local core = kl.core
local open, new = core.io.h5_open, core.io.h5_writer

describe("an HDF5 writer", function()
  local values = {
    {"float32", {{1.5, -2.25}, {3, 1e30}}}, {"float64", {0.1, 1e-300}}, {"int32", {-2147483648, 5}},
    {"int64", {math.mininteger, math.maxinteger}}, {"uint8", {{{0}, {255}}}}, {"float32", {}}, {"float32", 2.5},
    {"float32", {{{{{{{{1, 2}}}}}}}}},
  }
  for i, case in ipairs(values) do
    it(("writes tensors that read back the same, %d: %s"):format(i, case[1]), function()
      local t = kl.tensor(case[2], case[1])
      for _, checksums in ipairs{false, true} do
        local f <close> = open(new():dataset("/x", t):finish{checksums = checksums})
        local back = f:read("/x")
        assert.same(t.shape, back.shape)
        assert.equal(t.dtype, back.dtype)
        assert.same(t:totable(), back:totable())
      end
    end)
  end
  it("writes bool as uint8", function()
    local f <close> = open(new():dataset("x", kl.tensor{true, false}):finish())
    assert.equal("uint8", f:read("x").dtype)
    assert.same({1, 0}, f:read("x"):totable())
  end)
  it("writes views in the order of their elements", function()
    local t = kl.tensor{{1, 2, 3}, {4, 5, 6}}
    local w = new():dataset("t", kl.transpose(t)):dataset("row", t[2]):dataset("part", t[{{}, {2, 3}}])
    w:dataset("wide", kl.broadcast_to(kl.tensor{7, 8}, {2, 2}))
    local f <close> = open(w:finish())
    assert.same({{1, 4}, {2, 5}, {3, 6}}, f:read("t"):totable())
    assert.same({4, 5, 6}, f:read("row"):totable())
    assert.same({{2, 3}, {5, 6}}, f:read("part"):totable())
    assert.same({{7, 8}, {7, 8}}, f:read("wide"):totable())
  end)
  it("writes a variable as it is at the time of the call", function()
    local v = kl.Variable(kl.tensor{1.0, 2.0})
    local w = new():dataset("v", v)
    v:assign(kl.tensor{3.0, 4.0})
    local f <close> = open(w:finish())
    assert.same({1, 2}, f:read("v"):totable())
    assert.same({3, 4}, v:totable())
  end)
  it("writes bytes", function()
    local bytes = "a\0b" .. string.char(255, 10)
    local f <close> = open(new():bytes("x", bytes):bytes("none", ""):finish())
    assert.equal(bytes, f:bytes("x"))
    assert.equal("", f:bytes("none"))
    assert.equal("uint8", f:read("x").dtype)
  end)
  it("makes the groups on the way, and empty ones when asked", function()
    local f <close> = open(new():bytes("a/b/c", "1"):group("/a/d"):group("a"):group("/"):group("ä/e"):finish())
    assert.same({"a", "ä"}, f:children("/"))
    assert.same({"b", "d"}, f:children("a"))
    assert.same({}, f:children("/a/d"))
    assert.equal("dataset", f:kind("/a/b/c"))
  end)
  it("writes attributes of fixed length", function()
    local w = new():bytes("x", "1")
    w:attribute("/", "backend", "kl"):attribute("/", "names", {"a", "", "übung"}):attribute("/", "none", {})
    w:attribute("g/h", "empty", ""):attribute("x", "version", -3):attribute("x", "größe", math.maxinteger)
    w:attribute("/", "backend", "replaced")
    for _, checksums in ipairs{false, true} do
      local f <close> = open(w:finish{checksums = checksums})
      assert.equal("replaced", f:attribute("/", "backend"))
      assert.same({"a", "", "übung"}, f:attribute("/", "names"))
      assert.same({}, f:attribute("/", "none"))
      assert.equal("", f:attribute("/g/h", "empty"))
      assert.equal(-3, f:attribute("x", "version"))
      assert.equal(math.maxinteger, f:attribute("x", "größe"))
    end
  end)
  it("splits long lists of strings as Keras does, and finds room for one long string", function()
    local names = {}
    for i = 1, 5000 do names[i] = ("layer_%04d_"):format(i) .. ("x"):rep(i % 20) end
    local text = ("0123456789"):rep(20000)
    local f <close> = open(new():attribute("/g", "layer_names", names):attribute("/", "model_config", text):finish())
    assert.equal(text, f:attribute("/", "model_config"))
    assert.is_nil(f:attribute("/g", "layer_names"))
    local all = {}
    for i = 0, 2 do
      local part = f:attribute("/g", "layer_names" .. i)
      assert.is_true(#part * 30 <= 64512)
      table.move(part, 1, #part, #all + 1, all)
    end
    assert.is_nil(f:attribute("/g", "layer_names3"))
    assert.same(names, all)
  end)
  it("writes the same bytes for the same content, in whatever order it came", function()
    for _, options in ipairs{{}, {checksums = true}} do
      local a = new():bytes("b/x", "1"):dataset("a", kl.tensor{1, 2}):group("c"):attribute("c", "n", 1)
      local b = new():group("c"):attribute("c", "n", 1):dataset("a", kl.tensor{1, 2}):bytes("b/x", "1")
      local bytes = a:finish(options)
      assert.is_true(bytes == b:finish(options))
      assert.is_true(bytes == a:finish(options))
    end
  end)
  it("writes and reads a thousand datasets and groups", function()
    local w = new()
    for i = 999, 0, -1 do w:dataset(("g%d/%d"):format(i % 20, i), kl.tensor{i}) end
    for _, options in ipairs{{}, {manifest = true}} do
      local f <close> = open(w:finish(options))
      if options.manifest then assert.is_true(f:check_manifest()) end
      for i = 0, 999, 37 do assert.equal(i, f:read(("g%d/%d"):format(i % 20, i)):item()) end
      assert.equal(50, #f:children("g3"))
    end
  end)
  it("saves in one step, and raises as write_file does", function()
    local folder, remove = support.folder()
    local w = new():bytes("x", "1")
    w:save(folder .. "/x.h5", {manifest = true})
    local f <close> = open(folder .. "/x.h5")
    assert.is_true(f:check_manifest())
    assert.equal("x.h5", support.shell(("ls -A '%s'"):format(folder)))
    assert.matches("/missing/x%.h5: not written: opening the directory: No such file or directory %(%d+ bytes needed%)$",
      support.message(w.save, w, folder .. "/missing/x.h5"))
    remove()
  end)

  describe("refuses", function()
    local errors = {
      {"a taken path", function(w) w:bytes("a", "1"):bytes("/a", "2") end, "kl.save: /a: there is a dataset already"},
      {"a group's path", function(w) w:group("a/b"):bytes("/a", "2") end, "kl.save: /a: there is a group already"},
      {"a dataset's path for a group", function(w) w:bytes("a", "1"):group("a") end, "kl.save: /a: there is a dataset already"},
      {"a path through a dataset", function(w) w:bytes("a", "1"):bytes("a/b", "2") end,
        "kl.save: /a/b: a group expected at /a, but it is a dataset"},
      {"the root", function(w) w:bytes("/", "1") end, "kl.save: the path of a dataset expected, got '/'"},
      {"an empty name", function(w) w:group("a//b") end, "kl.save: the path 'a//b' cannot be: a name in it is empty"},
      {"two dots", function(w) w:group("a/../b") end, "kl.save: the path 'a/../b' cannot be: a name in it is '.' or '..'"},
      {"a deep path", function(w) w:group(("/d"):rep(33)) end,
        ("kl.save: the path '%s' is more than 32 names deep"):format(("/d"):rep(33))},
      {"no tensor", function(w) w:dataset("x", {1}) end, "dataset x: a tensor or variable expected, got table"},
      {"no string", function(w) w:bytes("x", 1) end, "bytes x: a string expected, got number"},
      {"a float attribute", function(w) w:attribute("/", "a", 1.5) end,
        "attribute 'a' of /: a string, a list of strings or an integer expected, got 1.5"},
      {"a list with a number", function(w) w:attribute("/", "a", {"x", 2}) end,
        "attribute 'a': a list of strings expected, got number as number 2"},
      {"a string with NUL", function(w) w:attribute("/", "a", "x\0y") end,
        "kl.save: attribute 'a' of /: valid UTF-8 without NUL expected"},
      {"bad UTF-8", function(w) w:attribute("/", "a", {"x", "\xff"}) end,
        "kl.save: attribute 'a' of /: valid UTF-8 without NUL expected"},
      {"an attribute without a name", function(w) w:attribute("/", "", "x") end,
        "kl.save: the name of the attribute '' of / is empty"},
      {"a very long string in a list", function(w) w:attribute("/", "a", {("x"):rep(64513)}) end,
        "kl.save: attribute 'a' of /: strings of at most 64512 bytes expected, got 64513"},
      {"an unknown option", function(w) w:finish{manifst = true} end,
        "finish: there is no option 'manifst'; did you mean 'manifest'?"},
      {"options that are no table", function(w) w:finish("x") end, "finish: a table of options expected, got string"},
      {"a manifest that is a number", function(w) w:finish{manifest = 1} end, "finish: manifest: true or a table expected, got number"},
      {"a member of the manifest that is taken", function(w) w:finish{manifest = {created = 1}} end,
        "finish: manifest: the name 'created' is taken"},
      {"a manifest that is a list", function(w) w:finish{manifest = {1}} end,
        "finish: manifest: a table with string keys expected, got a list"},
      {"a manifest with a function", function(w) w:finish{manifest = {step = print}} end,
        "kl.json.encode: .step: a boolean, number, string, table or kl.json.null expected, got function"},
    }
    for _, case in ipairs(errors) do
      it(case[1], function()
        local w = new():bytes("before", "1")
        assert.equal(case[3], support.message(case[2], w))
        local f <close> = open(w:finish())
        assert.equal("1", f:bytes("before"))
      end)
    end
    it("to work once it is closed", function()
      local w <close> = new()
      w:close()
      assert.equal("this HDF5 writer was closed", support.message(w.group, w, "x"))
      assert.equal("an HDF5 writer expected as self", support.message(w.group, 1, "x"))
    end)
  end)

  it("leaves nothing behind when memory is short", function()
    local t = kl.transpose(kl.tensor{{1, 2, 3}, {4, 5, 6}})
    local n = support.each_allocation(function()
      local w <close> = new():dataset("a/b", t):bytes("c", "1"):attribute("a", "names", {"x", "y"}):attribute("/", "n", 1)
      return w:finish{manifest = {step = 1}}
    end)
    assert.is_true(n > 20)
  end)
end)

describe("a manifest", function()
  local bytes
  setup(function()
    local w = new()
    w:dataset("/layers/dense/vars/0", kl.tensor({{1.5, -2}, {0, 4}}, "float32")):dataset("/layers/dense/vars/1", kl.tensor{5, 6})
    w:dataset("/optimizer/vars/0", kl.tensor(17)):bytes("/kl/train", "{}"):dataset("none", kl.tensor{})
    bytes = w:finish{manifest = {step = 7, epoch = 3, config = {a = 1}}}
  end)

  it("lists every dataset with type, shape and CRC, and what the caller adds", function()
    local f <close> = open(bytes)
    assert.is_true(f:has_manifest())
    assert.is_true(f:check_manifest())
    local m = core.json.decode(f:bytes("/kl/manifest"))
    assert.same({"kl-checkpoint", 1, 7, 3, 1}, {m.format, m.format_version, m.step, m.epoch, m.config.a})
    assert.matches("^%d+%.%d+%.%d+", m.kl)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$", m.created)
    assert.matches("^%x%x%x%x%x%x%x%x$", m.manifest_crc32c)
    local paths = {}
    for i, item in ipairs(m.datasets) do paths[i] = item.path end
    assert.same({"/kl/train", "/layers/dense/vars/0", "/layers/dense/vars/1", "/none", "/optimizer/vars/0"}, paths)
    assert.same({path = "/layers/dense/vars/0", dtype = "float32", shape = {2, 2},
      crc32c = ("%08x"):format((core.io.crc32c(string.pack("<ffff", 1.5, -2, 0, 4))))}, m.datasets[2])
    assert.same({}, m.datasets[5].shape)
    assert.equal("kl-checkpoint", f:attribute("/kl", "format"))
    assert.equal(1, f:attribute("/kl", "format_version"))
  end)
  it("dates itself by SOURCE_DATE_EPOCH, so that files can be equal", function()
    local folder, remove = support.folder()
    core.io.write_file(folder .. "/script.lua", [[
      local kl = require "kl"
      kl.core.io.h5_writer():dataset("x", kl.tensor{1, 2}):save(arg[1], {manifest = true})]])
    local command = "SOURCE_DATE_EPOCH=%s '%s' run '%s/script.lua' '%s/%s' 2>&1"
    local function run(date, name) return support.shell(command:format(date, support.program(), folder, folder, name)) end
    assert.equal("", run(1700000000, "a"))
    assert.equal("", run(1700000000, "b"))
    assert.is_true(core.io.read_file(folder .. "/a") == core.io.read_file(folder .. "/b"))
    local f <close> = open(folder .. "/a")
    assert.equal("2023-11-14T22:13:20Z", core.json.decode(f:bytes("/kl/manifest")).created)
    assert.matches("SOURCE_DATE_EPOCH=soon: seconds since 1970, up to the year 9999, expected", run("soon", "c"))
    remove()
  end)

  --- The file with one string replaced by another of the same length.
  local function patched(old, new_text, raw)
    raw = raw or bytes
    assert.equal(#old, #new_text)
    local at = assert(raw:find(old, 1, true))
    return raw:sub(1, at - 1) .. new_text .. raw:sub(at + #old)
  end
  --- The same inside the manifest, with its CRC made right again.
  local function forged(old, new_text)
    local first = bytes:find('{"format":', 1, true)
    local _, last = bytes:find('"manifest_crc32c":"', first, true)
    local raw = patched(old, new_text)
    local crc = core.io.crc32c(raw:sub(first, last))
    return raw:sub(1, last) .. ("%08x"):format(crc) .. raw:sub(last + 9)
  end

  it("finds damaged data", function()
    local f <close> = open(patched(string.pack("<ff", 1.5, -2), string.pack("<ff", 1.5, -3)), "model.h5")
    assert.matches("^model.h5: /layers/dense/vars/0: the data is damaged: CRC%-32C %x+ expected by the manifest, %x+ found$",
      support.message(f.check_manifest, f))
    assert.same({{1.5, -3}, {0, 4}}, f:read("/layers/dense/vars/0"):totable())
  end)
  it("finds damage to itself", function()
    local f <close> = open(patched('"step":7', '"step":8'), "model.h5")
    assert.matches("^model.h5: /kl/manifest: the manifest is damaged: CRC%-32C %x+ expected, %x+ found$",
      support.message(f.check_manifest, f))
  end)
  it("of other content than the file is an error", function()
    local cases = {
      {'"/none"', '"/nond"', "^x: /nond: float32 expected by the manifest, nothing found$"},
      {'"/none"', '"/nonf"', "^x: /none: a dataset that the manifest does not list$"},
      {'"/none"', '"/kl/a"', "the manifest is damaged: datasets sorted by path expected$"},
      {'"shape":[2,2]', '"shape":[4,1]',
        "^x: /layers/dense/vars/0: float32 of shape %(4, 1%) expected by the manifest, float32 of shape %(2, 2%) found$"},
      {'"dtype":"float32","shape":[2', '"dtype":"floaty2","shape":[2', "floaty2 of shape %(2, 2%) expected by the manifest"},
      {'"crc32c"', '"crc33c"', "the manifest is damaged: path, dtype, shape and crc32c of each dataset expected$"},
      {'"shape":[2,2]', '"shape":[2,x]', "^x: line %d+, column %d+: this is no JSON value$"},
      {'"datasets":[', '"datesets":[', "the manifest is damaged: a list of datasets expected$"},
      {'"format_version":1', '"format_version":2', "^x: written by kl %S+ in format version 2: this kl %(%S+%) reads versions up to 1$"},
      {'"format_version":1', '"format_versiom":1', "the manifest is damaged: format \"kl%-checkpoint\" and a format_version expected$"},
      {'kl-checkpoint","f', 'kl-checkpaint","f', "the manifest is damaged: format"},
    }
    for _, case in ipairs(cases) do
      local f <close> = open(forged(case[1], case[2]), "x")
      assert.matches(case[3], support.message(f.check_manifest, f))
    end
  end)
  it("is missing from a file that has lost it", function()
    local f <close> = open(new():bytes("/kl/train", "{}"):finish(), "x")
    assert.is_false(f:has_manifest())
    assert.matches("^x: a dataset /kl/manifest expected, found none", support.message(f.check_manifest, f))
    local g <close> = open(new():bytes("/kl/manifest", "{}"):finish(), "x")
    assert.matches("^x: /kl/manifest: the manifest is damaged: text with a CRC at its end expected$",
      support.message(g.check_manifest, g))
    local h <close> = open(new():group("/kl/manifest"):finish(), "x")
    assert.is_false(h:has_manifest())
  end)
  it("makes a change of one bit an error, or leaves the data equal", function()
    local function content(raw)
      local f <close> = open(raw)
      f:check_manifest()
      local all = {}
      for i, item in ipairs(f:datasets()) do
        all[i] = item.path .. table.concat(item.shape, ",") .. tostring(f:read(item.path))
      end
      return (table.concat(all):gsub("/kl/manifest[^/]*", ""))
    end
    local expected, errors = content(bytes), 0
    for at = 1, #bytes, 13 do -- every bit of a byte comes up
      local ok, found = pcall(content, bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 1 << at % 8) .. bytes:sub(at + 1))
      if not ok then errors = errors + 1 end
      assert(not ok or found == expected, "other data after a change at " .. at)
    end
    assert.is_true(errors > #bytes / 26)
  end)
  it("makes every truncation an error", function()
    for n = 0, #bytes - 1, 23 do assert.has_error(function() open(bytes:sub(1, n), "x") end) end
  end)
  it("is checked without a leak when memory is short", function()
    support.each_allocation(function()
      local f <close> = open(bytes)
      return f:check_manifest()
    end)
  end)
end)
