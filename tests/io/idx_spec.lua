-- core.io.read_idx: src/io/idx.c and the conversions of src/io/elements.c.
local core = require "kl".core
local support = dofile "tests/io/support.lua"
local golden = "tests/golden/idx/"

describe("reading IDX", function()
  local folder, remove
  setup(function() folder, remove = support.folder() end)
  teardown(function() remove() end)

  --- A plain file: type code, sizes, elements packed with `format` (of string.pack, big-endian).
  local function idx(code, sizes, format, elements)
    local raw = string.pack(">BBBB", 0, 0, code, #sizes)
    for _, n in ipairs(sizes) do raw = raw .. string.pack(">I4", n) end
    for _, value in ipairs(elements) do raw = raw .. string.pack(">" .. format, value) end
    return raw
  end
  local function read(raw, ...)
    core.io.write_file(folder .. "/x", raw)
    return core.io.read_idx(folder .. "/x", ...)
  end

  local types = {
    {0x08, "B", "uint8", {0, 127, 255}},
    {0x09, "b", "int32", {-128, -1, 127}},
    {0x0B, "i2", "int32", {-32768, -2, 32767}},
    {0x0C, "i4", "int32", {-2147483648, -3, 2147483647}},
    {0x0D, "f", "float32", {-1.5, 2.0 ^ -149, 1e10}},
    {0x0E, "d", "float64", {-1.5, 1e-300, 0.1}},
  }
  for _, case in ipairs(types) do
    it(("reads type %02x as %s"):format(case[1], case[3]), function()
      local t = read(idx(case[1], {3}, case[2], case[4]))
      assert.equal(case[3], t.dtype)
      assert.same(case[4], t:totable())
    end)
  end
  it("reads every rank from 1 to 8, in C order", function()
    local t = read(idx(8, {2, 3}, "B", {1, 2, 3, 4, 5, 6}))
    assert.same({{1, 2, 3}, {4, 5, 6}}, t:totable())
    for rank = 1, 8 do
      local sizes = {}
      for i = 1, rank do sizes[i] = 1 end
      sizes[rank] = 2
      assert.same(sizes, read(idx(9, sizes, "b", {-1, 5})).shape)
    end
  end)
  it("reads empty arrays", function()
    assert.same({0, 3}, read(idx(8, {0, 3}, "B", {})).shape)
    assert.same({4294967295, 0}, read(idx(14, {4294967295, 0}, "d", {})).shape)
  end)
  it("reads gzipped files, whatever their name, and of several members", function()
    local expected = {{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9, 10, 11}}
    assert.same(expected, core.io.read_idx(golden .. "good.idx.gz"):totable())
    assert.same(expected, core.io.read_idx(golden .. "two_members.idx.gz"):totable())
    assert.same(expected, read(core.io.read_file(golden .. "good.idx.gz")):totable())
  end)

  local good = idx(8, {3, 4}, "B", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
  local errors = {
    {"an empty file", "", "cut off: 4 bytes of magic number expected at offset 0, 0 found$"},
    {"another format", "\x89PNG\r\n", "not an IDX file: .* got 89 50 4e 47$"},
    {"an unknown type", "\0\0\x0a\1\0\0\0\0", "not an IDX file: .* got 00 00 0a 01$"},
    {"rank 0", "\0\0\8\0", "rank 01 to 08 expected at offset 0, got 00 00 08 00$"},
    {"rank 9", "\0\0\8\9" .. ("\0\0\0\1"):rep(9) .. "x", "got 00 00 08 09$"},
    {"sizes that are cut off", "\0\0\8\3\0\0\0\1\0", "cut off: 12 bytes of sizes expected at offset 4, 5 found$"},
    {"missing bytes", good:sub(1, -2), "shape %(3, 4%) needs 12 bytes of elements from offset 12 on, the file has 11 there$"},
    {"trailing bytes", good .. "x", "needs 12 bytes of elements from offset 12 on, the file has 13 there$"},
    {"a huge size", idx(14, {4294967295, 4294967295}, "d", {}), "declared shape %(4294967295, 4294967295%) does not fit in memory$"},
    {"a huge size of no elements", idx(8, {4294967295, 4294967295, 0}, "B", {}), "does not fit in memory$"},
    {"a large size", idx(8, {4294967295}, "B", {}), "needs 4294967295 bytes of elements from offset 8 on, the file has 0"},
  }
  for _, case in ipairs(errors) do
    it("refuses " .. case[1], function()
      local words = support.message(read, case[2])
      assert.matches(case[3], words)
      assert.equal(folder .. "/x", words:sub(1, #folder + 2))
    end)
  end
  it("refuses every truncation", function()
    for n = 0, #good - 1 do assert.has_error(function() read(good:sub(1, n)) end) end
  end)

  local gzipped = {
    {"cut", "damaged gzip data: it ends too early, after 24 inflated bytes"},
    {"cut_trailer", "damaged gzip data: it ends too early"},
    {"behind", "damaged gzip data: incorrect header check"},
    {"wrong_crc", "damaged gzip data: incorrect data check"},
    {"wrong_data", "damaged gzip data: invalid block type"},
    {"short", "cut off: 12 bytes of elements expected at offset 12, 11 found"},
    {"long", "the end of the file expected at offset 24, more bytes found"},
    {"bomb", "shape %(65536, 65536%) needs 4294967296 bytes of elements, more than the file's %d+ gzipped ones can hold"},
  }
  for _, case in ipairs(gzipped) do
    it(("refuses %s.idx.gz"):format(case[1]), function()
      assert.matches("^" .. golden .. case[1] .. "%.idx%.gz: .*" .. case[2],
        support.message(core.io.read_idx, golden .. case[1] .. ".idx.gz"))
    end)
  end
  it("refuses or reads equal data when a byte of a gzipped file is changed", function()
    local raw = core.io.read_file(golden .. "good.idx.gz")
    local expected = core.io.read_idx(golden .. "good.idx.gz"):totable()
    for at = 1, #raw do
      for bit = 0, 7 do
        local ok, t = pcall(read, raw:sub(1, at - 1) .. string.char(raw:byte(at) ~ 1 << bit) .. raw:sub(at + 1))
        if ok then assert.same(expected, t:totable()) end
      end
    end
  end)
  it("inflates no more than is allowed", function()
    local name = golden .. "zeros.idx.gz"
    assert.same({1048576}, core.io.read_idx(name).shape)
    assert.same({1048576}, core.io.read_idx(name, 1048576).shape)
    assert.matches("needs 1048576 bytes of elements: at most 1048575 expected of a gzipped file",
      support.message(core.io.read_idx, name, 1048575))
    if not os.execute(("head -c %d /dev/zero > '%s/big'"):format(66 << 20, folder)) then return end
    local header = string.pack(">BBBBI4", 0, 0, 8, 1, 66 << 20)
    core.io.write_file(folder .. "/head", header)
    os.execute(("cd '%s' && cat head big | gzip -1 > big.gz"):format(folder))
    local size = #core.io.read_file(folder .. "/big.gz")
    local default = (64 << 20) + 4 * size
    assert.matches(("at most %d expected of a gzipped file of %d bytes"):format(default, size),
      support.message(core.io.read_idx, folder .. "/big.gz"))
    assert.same({66 << 20}, core.io.read_idx(folder .. "/big.gz", 66 << 20).shape)
  end)
  it("raises for wrong arguments", function()
    assert.equal("read_idx: a path (a string) expected, got boolean", support.message(core.io.read_idx, true))
    assert.matches("No such file or directory$", support.message(core.io.read_idx, golden .. "none"))
  end)
  it("leaves nothing behind when memory is short", function()
    for _, name in ipairs{"good", "long"} do
      support.each_allocation(function()
        local ok, t = pcall(core.io.read_idx, golden .. name .. ".idx.gz")
        if not ok and t:find("out of memory", 1, true) then error(t, 0) end
        return t
      end)
    end
  end)
end)
