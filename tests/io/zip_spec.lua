-- core.io.zip_open, zip_bytes and zip_write: src/io/zip.c, zip_check.c.
local core = require "kl".core
local support = dofile "tests/io/support.lua"
local open, bytes = core.io.zip_open, core.io.zip_bytes
local golden = "tests/golden/"

--- `raw` with every occurrence of a string replaced by another of the same length.
local function patched(raw, old, new, count)
  assert(#old == #new)
  local at, n = 1, 0
  while true do
    at = raw:find(old, at, true)
    if not at then break end
    raw = raw:sub(1, at - 1) .. new .. raw:sub(at + #old)
    at, n = at + #new, n + 1
  end
  assert(n == (count or 2), n .. " occurrences")
  return raw
end

--- `raw` with bytes at an offset (from 0) replaced.
local function poked(raw, at, new) return raw:sub(1, at) .. new .. raw:sub(at + #new + 1) end

describe("reading a zip archive", function()
  it("gives Keras's entries", function()
    local z <close> = open(golden .. "keras_mlp.keras")
    assert.same({"metadata.json", "config.json", "model.weights.h5"}, z:names())
    assert.matches('"keras_version": "3%.16', z:read("metadata.json"))
    assert.equal("Sequential", core.json.decode(z:read("config.json")).class_name)
    assert.equal(#z:read("model.weights.h5"), z:size("model.weights.h5"))
    local f <close> = core.io.h5_open(z:read("model.weights.h5"))
    assert.equal(17, f:read("optimizer/vars/0"):item())
  end)
  it("gives NumPy's entries", function()
    local z <close> = open(golden .. "keras_mlp_io.npz")
    assert.same({"x.npy", "y.npy"}, z:names())
    assert.equal("\x93NUMPY", z:read("x.npy"):sub(1, 6))
  end)
  local good = {
    accept_deflated = {{"a.txt", ("abc"):rep(1000)}, {"b.txt", "stored"}},
    accept_descriptors = {{"a.txt", ("abc"):rep(1000)}, {"b.txt", "stored"}},
    accept_comment = {{"a.txt", ("abc"):rep(1000)}, {"b.txt", "stored"}},
    accept_zip64 = {{"a.npy", "numpy does this"}},
    accept_folder = {{"assets/", ""}, {"assets/x", "1"}},
    accept_empty = {},
  }
  for name, entries in pairs(good) do
    it("takes " .. name, function()
      local z <close> = open(golden .. "zip/" .. name .. ".zip")
      assert.equal(#entries, #z:names())
      for i, entry in ipairs(entries) do
        assert.equal(entry[1], z:names()[i])
        assert.equal(#entry[2], z:size(entry[1]))
        assert.equal(entry[2], z:read(entry[1]))
        assert.equal(entry[2], z:read(entry[1]))
      end
    end)
  end
  for name, words in pairs{bzip2 = "found method 12", lzma = "found method 14", encrypted = "encrypted"} do
    it("refuses " .. name, function()
      assert.matches("refuse_" .. name .. "%.zip: entry 'a.txt': stored or deflated, not encrypted, expected; .*" .. words,
        support.message(open, golden .. "zip/refuse_" .. name .. ".zip"))
    end)
  end

  local archive = bytes{{"aaaaaa", "first"}, {"bbbbbb", "second"}}
  local bad = {
    {"an absolute name", patched(archive, "aaaaaa", "/aaaaa"), "the name of the entry '/aaaaa' is absolute"},
    {"a name with '..'", patched(archive, "aaaaaa", "a/../x"), "the name of the entry 'a/../x' contains '%.%.'"},
    {"a name that begins with '..'", patched(archive, "aaaaaa", "../../"), "contains '%.%.'"},
    {"a name that ends with '..'", patched(archive, "aaaaaa", "aaa/.."), "contains '%.%.'"},
    {"a name with a backslash", patched(archive, "aaaaaa", "a\\aaaa"), "contains a backslash"},
    {"a name with NUL", patched(archive, "aaaaaa", "aaa\0aa"), "contains NUL"},
    {"a name that occurs twice", patched(archive, "aaaaaa", "bbbbbb"), "the name 'bbbbbb' occurs twice"},
    {"another name in the local header", poked(archive, 30, "x"), "the local header of 'aaaaaa' differs from the directory"},
    {"another method in the local header", poked(archive, 8, "\8"), "the local header of 'aaaaaa' differs from the directory"},
    {"another size in the local header", poked(archive, 22, "\9"), "not a whole zip archive: "},
    {"another CRC in the local header", poked(archive, 14, "\9"), "not a whole zip archive: "},
    {"bytes behind it", archive .. "x", "an end%-of%-directory record that ends with the file expected"},
    {"bytes before it", "x" .. archive, "the end of the directory expected"},
    {"no bytes", "", "No such file"},
    {"something else", ("x"):rep(100), "an end%-of%-directory record that ends with the file expected at offset 0 of 100"},
    {"an entry beyond the end", poked(archive, #archive - 22 - 52 + 20, "\255"), "not a whole zip archive"},
  }
  for _, case in ipairs(bad) do
    it("refuses " .. case[1], function()
      local folder, remove = support.folder()
      core.io.write_file(folder .. "/x.zip", case[2])
      assert.matches(case[3], support.message(open, case[2] == "" and case[2] or folder .. "/x.zip"))
      remove()
    end)
  end
  it("refuses every truncation", function()
    for _, raw in ipairs{archive, core.io.read_file(golden .. "zip/accept_zip64.zip")} do
      for n = 4, #raw - 1 do assert.has_error(function() open(raw:sub(1, n)) end) end
    end
  end)
  it("raises or gives the same content when a byte is changed", function()
    local raw = core.io.read_file(golden .. "zip/accept_deflated.zip")
    for _, source in ipairs{raw, archive} do
      local expected = {}
      local z <close> = open(source)
      for _, name in ipairs(z:names()) do expected[z:read(name)] = true end
      for at = 4, #source - 1 do
        local changed = poked(source, at, string.char(source:byte(at + 1) ~ 1 << at % 8))
        local ok, other = pcall(open, changed)
        if ok then
          for _, name in ipairs(other:names()) do
            local read, content = pcall(other.read, other, name)
            assert.is_true(not read or expected[content], at)
          end
          other:close()
        end
      end
    end
  end)

  describe("limits what is unpacked:", function()
    local raw = core.io.read_file(golden .. "zip/accept_deflated.zip")
    local size = string.pack("<I4", 3000)
    it("a declared size that is too small or too large is an error", function()
      for declared, words in pairs{[2999] = "2999 bytes expected, more found", [3001] = "3001 bytes expected, 3000 found"} do
        local z <close> = open(patched(raw, size, string.pack("<I4", declared)))
        assert.matches("entry 'a.txt': " .. words, support.message(z.read, z, "a.txt"))
        assert.equal("stored", z:read("b.txt"))
      end
    end)
    it("a declared size beyond 64 MiB + 4 x the archive is refused", function()
      local most = (64 << 20) + 4 * #raw - #raw
      local z <close> = open(patched(raw, size, string.pack("<I4", most + 1)))
      assert.matches(("entry 'a.txt' would need %d bytes: with the archive's %d at most %d expected"):format(
        most + 1, #raw, most + #raw), support.message(z.read, z, "a.txt"))
      local y <close> = open(patched(raw, size, string.pack("<I4", most)))
      assert.matches("bytes expected, 3000 found", support.message(y.read, y, "a.txt"))
    end)
    it("another limit can be given", function()
      local z <close> = open(raw, #raw + 2999)
      assert.matches("would need 3000 bytes", support.message(z.read, z, "a.txt"))
      assert.equal("stored", z:read("b.txt"))
      local y <close> = open(raw, #raw + 3000)
      assert.equal(3000, #y:read("a.txt"))
    end)
    it("a wrong CRC is an error", function()
      local at = raw:find("stored", 1, true)
      local z <close> = open(poked(raw, at - 1, "S"))
      assert.matches("b.txt: CRC error", support.message(z.read, z, "b.txt"))
    end)
  end)
  it("raises for wrong arguments", function()
    local z = open(golden .. "keras_mlp.keras")
    assert.equal("the zip archive has no entry 'x'", support.message(z.read, z, "x"))
    assert.equal("size: the name of an entry (a string) expected, got nil", support.message(z.size, z, nil))
    z:close()
    z:close()
    assert.equal("this zip archive was closed", support.message(z.names, z))
    assert.equal("a zip archive expected as self", support.message(z.names, "x"))
    assert.equal("zip_open: a path or an archive's bytes (a string) expected, got nil", support.message(open, nil))
    assert.matches("No such file or directory$", support.message(open, golden .. "none.zip"))
  end)
  it("leaves nothing behind when memory is short", function()
    support.each_allocation(function()
      local z <close> = open(golden .. "zip/accept_deflated.zip")
      return z:read("a.txt")
    end)
  end)
end)

describe("writing a zip archive", function()
  it("stores the entries in their order, with a fixed date", function()
    local list = {{"z", "1"}, {"a/ü", ("x"):rep(100000)}, {"empty", ""}}
    local raw = bytes(list)
    assert.is_true(raw == bytes(list))
    local z <close> = open(raw)
    assert.same({"z", "a/ü", "empty"}, z:names())
    for _, entry in ipairs(list) do assert.is_true(entry[2] == z:read(entry[1])) end
    assert.is_truthy(raw:find(("x"):rep(100000), 1, true))
    assert.equal("\0\0\0\0\33\0", raw:sub(9, 14)) -- method 0, 00:00:00, 1980-01-01
    assert.equal(22, #bytes{})
    assert.same({}, open(bytes{}):names())
  end)
  it("is dated by SOURCE_DATE_EPOCH", function()
    local folder, remove = support.folder()
    core.io.write_file(folder .. "/script.lua",
      'local b = require "kl".core.io.zip_bytes{{"a", ""}} print(string.unpack("<I2I2", b, 11))')
    local command = "TZ=America/New_York SOURCE_DATE_EPOCH=%d '%s' run '%s/script.lua'"
    local function run(date) return support.shell(command:format(date, support.program(), folder)) end
    assert.equal(("%d\t%d\t15"):format(22 << 11 | 13 << 5 | 10, 43 << 9 | 11 << 5 | 14), run(1700000000))
    assert.equal("0\t33\t15", run(0))
    remove()
  end)
  it("writes the file in one step", function()
    local folder, remove = support.folder()
    core.io.zip_write(folder .. "/x.zip", {{"a", "1"}})
    assert.equal("1", open(folder .. "/x.zip"):read("a"))
    assert.matches("not written: it is a directory", support.message(core.io.zip_write, folder, {{"a", "1"}}))
    remove()
  end)
  it("is read by other programs", function()
    if support.shell("command -v python3") == "" then
      pending("python3 is not installed")
      return
    end
    local folder, remove = support.folder()
    core.io.zip_write(folder .. "/x.zip", {{"a", "1"}, {"ü", "2"}})
    assert.equal("None ['a', 'ü'] b'2'", support.shell(([[python3 -c "import zipfile
z = zipfile.ZipFile('%s/x.zip')
print(z.testzip(), z.namelist(), z.read('ü'))" 2>&1]]):format(folder)))
    remove()
  end)

  local errors = {
    {{{"/a", ""}}, "zip: the name of the entry '/a' is absolute"},
    {{{"a/../b", ""}}, "zip: the name of the entry 'a/../b' contains '..'"},
    {{{"a\\b", ""}}, "zip: the name of the entry 'a\\b' contains a backslash"},
    {{{"", ""}}, "zip: the name of the entry '' is empty"},
    {{{"a\0b", ""}}, "zip_write: a name without the byte 0 expected, got one"},
    {{{"caf\xe9", ""}}, "zip: the name of the entry 'caf\xe9' is not valid UTF-8"},
    {{{"a", "1"}, {"b", ""}, {"a", "2"}}, "zip: the name 'a' occurs twice"},
    {{{"a"}}, "zip_write: {name, string} expected as entry 1"},
    {{{"a", "1"}, "b"}, "zip_write: {name, string} expected as entry 2"},
    {{{"a", 1}}, "zip_write: {name, string} expected as entry 1"},
    {"x", "zip_write: a list of {name, string} expected, got string"},
  }
  for i, case in ipairs(errors) do
    it("refuses bad entries " .. i, function() assert.equal(case[2], support.message(bytes, case[1])) end)
  end
  it("leaves nothing behind when memory is short", function()
    support.each_allocation(function() return bytes{{"a", "1"}, {"b", "2"}} end)
  end)
end)
