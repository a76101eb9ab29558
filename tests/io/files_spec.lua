-- kl.load and kl.save over the formats, and sources of rows (lua/kl/files, src/io/npy.c, idx_write.c, csv.c, rows.c).
local kl = require "kl"
local core = kl.core
local files = require "kl.files"
local support = dofile "tests/io/support.lua"
local golden = "tests/golden/files/"

local folder, remove
local function path(name) return folder .. "/" .. name end
local function write(name, raw)
  local file = assert(io.open(path(name), "wb")) -- not write_file: thousands of damaged files need no fsync
  file:write(raw)
  file:close()
  return path(name)
end

local dtypes = {"float32", "float64", "int32", "int64", "uint8", "bool"}
local shapes = {{}, {0}, {1}, {5}, {2, 3}, {3, 0, 2}, {2, 3, 4}, {1, 2, 1, 2, 1, 2, 1, 2}}

local function sample(dtype, shape)
  local n = 1
  for _, d in ipairs(shape) do n = n * d end
  local t = (kl.arange(n) * 7 % 11 - (dtype == "uint8" and 0 or 5)):cast(dtype)
  if dtype == "float64" then t = t / 3 end
  return t:reshape(shape)
end

local function same(a, b)
  assert.equal(a.dtype, b.dtype)
  assert.same(a.shape, b.shape)
  assert.is_true(kl.array_equal(a, b))
end

--- Whatever is damaged gives an error or a value, and nothing worse.
local function fuzz(name, raw)
  local random = 12345
  local function next_random(n)
    random = (random * 1103515245 + 12345) % 2147483648
    return random // 65536 % n + 1
  end
  for n = 0, #raw - 1, #raw > 4000 and 37 or 1 do pcall(kl.load, write(name, raw:sub(1, n))) end
  for _ = 1, 300 do
    local at = next_random(#raw)
    pcall(kl.load, write(name, raw:sub(1, at - 1) .. string.char(raw:byte(at) ~ 1 << next_random(8) - 1) .. raw:sub(at + 1)))
  end
end

describe("kl.load and kl.save", function()
  setup(function() folder, remove = support.folder() end)
  teardown(function() remove() end)

  -- by ending: what a tensor is put into, and what is not kept
  local function whole(t) return t end
  local function named(t) return {["a b"] = t, z = t} end
  local formats = {
    {"x.npy", whole}, {"x.NPY", whole}, {"x.npz", named}, {"x.safetensors", named},
    {"x.h5", function(t) return {t = t, g = {deep = {t = t}}} end}, {"x.hdf5", function(t) return {t = t} end},
    {"x.idx", whole, idx = true}, {"x-ubyte", whole, idx = true}, {"x.idx.gz", whole, idx = true}, {"x-ubyte.gz", whole, idx = true},
  }
  local function compare(expected, got)
    if core.kind(expected) then return same(expected, got) end
    for name, value in pairs(expected) do compare(value, got[name]) end
    for name in pairs(got) do assert.is_truthy(expected[name]) end
  end
  for _, format in ipairs(formats) do
    it("keep dtype, shape and every element in " .. format[1], function()
      for _, dtype in ipairs(dtypes) do
        for _, shape in ipairs(shapes) do
          local t = sample(dtype, shape)
          local can = not format.idx or (dtype ~= "int64" and #shape > 0)
          if can then
            kl.save(path(format[1]), format[2](t))
            local expected = format.idx and dtype == "bool" and t:cast("uint8") or t
            compare(format[2](expected), kl.load(path(format[1])))
          else
            support.message(kl.save, path(format[1]), format[2](t))
          end
        end
      end
    end)
    it("give an error or a value for damaged " .. format[1], function()
      kl.save(path("good" .. format[1]), format[2](sample("float32", {2, 3})))
      local raw = core.io.read_file(path("good" .. format[1]))
      if not format[1]:find("%.h") then fuzz(format[1], raw) end -- slower: tests/io/h5_apart_spec.lua
    end)
  end
  it("take views and variables", function()
    local t = sample("float32", {4, 6})
    kl.save(path("v.npy"), t:transpose())
    same(t:transpose(), kl.load(path("v.npy")))
    kl.save(path("v.npy"), kl.Variable(t))
    same(t, kl.load(path("v.npy")))
    kl.save(path("v.safetensors"), {t = t:transpose()})
    same(t:transpose(), kl.load(path("v.safetensors")).t)
  end)
  it("keep pictures", function()
    for _, shape in ipairs{{4, 5, 1}, {4, 5, 3}, {4, 5, 4}} do
      local t = sample("uint8", shape)
      kl.save(path("x.png"), t, {compression = 9})
      same(t, kl.load(path("x.png")))
    end
    kl.save(path("x.jpeg"), kl.full({4, 5, 3}, 77, {dtype = "uint8"}), {quality = 100})
    same(kl.full({4, 5, 1}, 77, {dtype = "uint8"}), kl.load(path("x.jpeg"), {channels = 1}))
  end)
  it("read what NumPy and others wrote", function()
    same(kl.load(golden .. "golden_f4.npy"), kl.load(golden .. "golden_fortran.npy"))
    assert.same({{0, 1, 2}, {3, 4, 5}}, kl.load(golden .. "golden_fortran.npy"):totable())
    assert.is_table(kl.load(golden .. "golden_c.npz"))
    local t, metadata = kl.load(golden .. "golden.safetensors")
    assert.same({format = "kl"}, metadata)
    assert.same({1, -2}, t.ids:totable())
    assert.same({255, 0, 7}, t.mask:totable())
    kl.save(path("again.safetensors"), t, {metadata = metadata})
    assert.equal(core.io.read_file(golden .. "golden.safetensors"), core.io.read_file(path("again.safetensors")))
    kl.save(path("again.npy"), kl.load(golden .. "golden_f4.npy"))
    assert.equal(core.io.read_file(golden .. "golden_f4.npy"), core.io.read_file(path("again.npy")))
  end)

  local function npy(descr, shape, raw, order)
    local text = ("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n"):format(descr, order or "False", shape)
    return "\x93NUMPY\1\0" .. string.pack("<I2", #text) .. text .. raw
  end
  it("widen the types that kl does not have, of either byte order", function()
    local cases = {
      {"|i1", "b", {-128, 0, 127}, "int32"}, {"<i2", "<i2", {-32768, 5, 32767}, "int32"}, {">i2", ">i2", {-32768, 5, 32767}, "int32"},
      {"<u2", "<I2", {0, 5, 65535}, "int32"}, {">u4", ">I4", {0, 5, 4294967295}, "int64"}, {"<u8", "<I8", {0, 5, 1 << 62}, "int64"},
      {">i4", ">i4", {-5, 0, 5}, "int32"}, {">i8", ">i8", {-5, 0, 5}, "int64"}, {">f4", ">f", {-1.5, 0, 2}, "float32"},
      {">f8", ">d", {-1.5, 0, 0.1}, "float64"}, {"|b1", "B", {0, 1, 1}, "bool"}, {"<f2", "<I2", {0x3C00, 0xC000, 0x0001}, "float32"},
    }
    for _, case in ipairs(cases) do
      local raw = ""
      for _, v in ipairs(case[3]) do raw = raw .. string.pack(case[2], v) end
      local t = kl.load(write("t.npy", npy(case[1], "(3,)", raw)))
      assert.equal(case[4], t.dtype)
      local expected = case[1] == "<f2" and {1, -2, 2.0 ^ -24} or case[3]
      assert.same(expected, case[4] == "bool" and t:cast("int32"):totable() or t:totable())
    end
  end)

  local errors = {
    {"x.npy", "\x89PNG\r\n\x1a\n", "kl.load: .*/x.npy is a PNG file, not %.npy$"},
    {"x.h5", "PK\3\4aaaa", "is a zip archive .*, not HDF5$"},
    {"x.csv", "\x93NUMPY\1\0", "is a %.npy file, not %.csv$"},
    {"x.png", "GIF89a", "is a GIF file, not PNG$"},
    {"x.png", "hello", "a PNG or JPEG file expected, found one that begins with 68 65 6c 6c"},
    {"x.npy", "hello", "not a %.npy file"},
    {"x.npy", npy("<c8", "(1,)", ("x"):rep(8)), "found dtype '<c8', complex numbers"},
    {"x.npy", npy("|O", "(1,)", "x"), "found dtype '|O', Python objects: kl never unpickles"},
    {"x.npy", npy("<U4", "(1,)", ("x"):rep(16)), "found dtype '<U4', text"},
    {"x.npy", npy("<f4", "(2,)", "xxxx"), "shape %(2,%) needs 8 bytes of elements from offset %d+ on, the file has 4 there$"},
    {"x.npy", npy("<f4", "(1,)", "xxxxy"), "needs 4 bytes .* the file has 5 there$"},
    {"x.npy", npy("<f4", "(1)", "xxxx"), "damaged %.npy header"},
    {"x.npy", npy("<f4", "(999999999999, 999999999999)", ""), "does not fit in memory$"},
    {"x.npy", npy("<f4", "(1, 1, 1, 1, 1, 1, 1, 1, 1)", "xxxx"), "at most 8 axes expected"},
    {"x.npy", npy("<u8", "(1,)", ("\xff"):rep(8)), "element 0 is 18446744073709551615"},
    {"x.safetensors", "hello", "not a whole safetensors file"},
    {"x.safetensors", string.pack("<I8", 2) .. "{}x", "its header declares 0 bytes of data, the file has 1$"},
    {"x.safetensors", string.pack("<I8", 64) .. '{"a":{"dtype":"F8_E5M2","shape":[1],"data_offsets":[0,1]}}      x', "found F8_E5M2$"},
    {"x.csv", "a,b\n1,2,3\n", "line 2: 2 fields expected, as in the first line, found 3$"},
    {"x.csv", "1,\"2\n3", "line 1: a quote is opened and not closed$"},
    {"x.csv", "1,\"2\"3\n", "line 1: a separator or the end of the line expected"},
    {"x.csv", "1\0", "text expected, found the byte 0 at offset 1$"},
  }
  for i, case in ipairs(errors) do
    it(("say what is wrong with a file (%d: %s)"):format(i, case[3]), function()
      assert.matches(case[3], support.message(kl.load, write(case[1], case[2])))
    end)
  end
  it("say what is wrong with their arguments", function()
    local t = sample("float32", {2})
    local cases = {
      {kl.load, {"x.xyz"}, "a name that ends with one of .*%.npy"}, {kl.load, {5}, "a path %(a string%) expected, got integer 5"},
      {kl.load, {path("none.npy")}, "No such file"},
      {kl.load, {"x.npy", {chanels = 1}}, "unknown option 'chanels' %(known for %.npy: none%)"},
      {kl.load, {"x.png", {chanels = 1}}, "unknown option 'chanels'.*did you mean 'channels'"},
      {kl.load, {"x.png", {channels = "1"}}, "channels: an integer expected, got the string"},
      {kl.save, {path("x.npy"), {t}}, "a tensor expected, got a table"},
      {kl.save, {path("x.npz"), t}, "a table of tensors by name expected"},
      {kl.save, {path("x.npz"), {t}}, "names %(strings%) expected as keys, got integer 1"},
      {kl.save, {path("x.npy")}, "a value expected, got nil"}, {kl.save, {path("x.png"), t}, "encode_png: a tensor of shape"},
      {kl.save, {path("x.h5"), {a = 5}}, "/a: a tensor or a table expected, got integer 5"},
      {kl.save, {path("x.csv"), {a = t, b = sample("int32", {3})}}, "column 'b' has 3 rows, 'a' has 2"},
    }
    for _, case in ipairs(cases) do assert.matches(case[3], support.message(case[1], table.unpack(case[2]))) end
  end)
  it("leave the old file where writing fails", function()
    kl.save(path("keep.npz"), {a = sample("float32", {2})})
    pcall(kl.save, path("keep.npz"), {a = 5})
    same(sample("float32", {2}), kl.load(path("keep.npz")).a)
  end)
end)

describe("CSV", function()
  setup(function() folder, remove = support.folder() end)
  teardown(function() remove() end)
  local function load(text, options) return kl.load(write("t.csv", text), options) end

  it("without a header is a matrix", function()
    local t = load("1,2\r\n3,4\r\n")
    assert.same({"int64", {{1, 2}, {3, 4}}}, {t.dtype, t:totable()})
    t = load("1,2.5\n\n3,-4e1")
    assert.same({"float32", {{1, 2.5}, {3, -40}}}, {t.dtype, t:totable()})
    assert.same({2, 1}, load("\xef\xbb\xbf5\n6\n").shape)
  end)
  it("with a header is a table of columns", function()
    local t = load('id,"na""me",x\n1,"a, b",1.5\n2,"two\nlines",\n3,,2\n')
    assert.same({1, 2, 3}, t.id:totable())
    assert.equal("int64", t.id.dtype)
    assert.same({"a, b", "two\nlines", ""}, t['na"me'])
    assert.equal("float32", t.x.dtype)
    assert.is_true(t.x[2]:item() ~= t.x[2]:item())
  end)
  it("obeys its options", function()
    local text = "a;b;c\n1;2;3\n4;5;6\n"
    assert.same({{3, 1}, {6, 4}}, load(text, {separator = ";", columns = {"c", 1}, matrix = true}):totable())
    local t = load(text, {separator = ";", columns = {"b", "c"}, dtype = {b = "uint8", c = "string"}})
    assert.same({"uint8", {2, 5}, {"3", "6"}}, {t.b.dtype, t.b:totable(), t.c})
    assert.equal("float64", load("1,2\n", {dtype = "float64"}).dtype)
    assert.same({{1, 2}}, load("1,2\n", {header = false}):totable())
    assert.same({{2, 3}}, load("1,x\n2,3\n", {header = true, matrix = true}):totable())
    assert.same({{"a", "b"}, {"c", "d"}}, load("a,c\nb,d\n"))
  end)
  it("names the field that is wrong", function()
    local cases = {
      {"a\n1\n\n", {empty = "error", dtype = "int32"}, nil},
      {"a,b\n1,\n", {empty = "error"}, "line 2, column 2: a number expected, found ''$"},
      {"a\n1.5\n", {dtype = "int32"}, "line 2, column 1: an integer expected, found '1.5'$"},
      {"a\n300\n", {dtype = "uint8"}, "line 2, column 1: uint8 expected, found '300'$"},
      {"1\nx\n", {dtype = "float32", header = false}, "line 2, column 1: a number expected, found 'x'$"},
      {"a,b\n1,2\n", {columns = {"bb"}}, "no column 'bb'.*did you mean 'b'"},
      {"1,2\n", {columns = {3}}, "no column 3: columns 1 to 2 expected"},
      {"a,a\n1,2\n", {}, "the header names 'a' twice$"}, {"1\n", {dtype = "float23"}, "unknown dtype the string \"float23\".*'float%d%d'"},
      {"1\n", {separator = ",,"}, "separator: one byte"},
    }
    for _, case in ipairs(cases) do
      if case[3] then assert.matches(case[3], support.message(load, case[1], case[2])) else load(case[1], case[2]) end
    end
  end)
  it("gives back what was saved", function()
    for _, dtype in ipairs(dtypes) do
      local t = sample(dtype, {4, 3})
      kl.save(path("x.csv"), t)
      same(t, kl.load(path("x.csv"), {dtype = dtype}))
      kl.save(path("x.tsv"), {a = t[{{}, 1}], ['b "\t'] = {"x", 'q"', "a\tb", ""}})
      local back = kl.load(path("x.tsv"), {dtype = {a = dtype}})
      same(t[{{}, 1}], back.a)
      assert.same({"x", 'q"', "a\tb", ""}, back['b "\t'])
    end
    kl.save(path("x.csv"), sample("float32", {2, 2}), {header = {"p", "q"}})
    assert.equal("p,q\n-5,2\n-2,5\n", (core.io.read_file(path("x.csv"))))
  end)
  it("gives an error or a value for damaged files", function() fuzz("f.csv", 'a,"b c",d\n1,"x ""y""",2.5\n3,"",nan\n') end)
end)

describe("a source of rows", function()
  setup(function() folder, remove = support.folder() end)
  teardown(function() remove() end)

  for _, name in ipairs{"x.npy", "x.idx", "x.h5"} do
    it("reads only the rows asked for, of " .. name, function()
      for _, dtype in ipairs(dtypes) do
        if not (name == "x.idx" and (dtype == "int64" or dtype == "bool")) then
          local t = sample(dtype, {10, 3, 2})
          kl.save(path(name), t)
          local source <close> = files.open(path(name))
          assert.same({{10, 3, 2}, dtype, 10}, {source.shape, source.dtype, #source})
          for _, case in ipairs{{1, 10}, {1, 0}, {4, 3}, {10, 1}} do
            local first, count = case[1], case[2]
            local positions = {}
            for i = 1, count do positions[i] = first + i - 2 end
            local expected = kl.take(t, kl.tensor(positions, "int64"), {axis = 1})
            if count > 0 then same(expected, source:rows(first, count)) else assert.same({0, 3, 2}, source:rows(first, count).shape) end
          end
          local positions = {9, 0, 3, 4, 5, 5, 1}
          same(kl.take(t, kl.tensor(positions, "int64"), {axis = 1}), source:gather(positions))
          same(source:gather(positions), source:gather(kl.tensor(positions, "int64")))
          assert.matches("row 10 expected to be from 0 to 9$", support.message(source.gather, source, {0, 10}))
          assert.matches("row %-1 expected", support.message(source.gather, source, {-1}))
          assert.matches("rows from 1 to 10 expected, got integer 3 from integer 9 on$", support.message(source.rows, source, 9, 3))
          source:close()
          assert.matches("this file of rows was closed", support.message(source.gather, source, {0}))
        end
      end
    end)
    it("refuses a file that was changed or cut, of " .. name, function()
      kl.save(path(name), sample("float32", {100, 50}))
      local raw = core.io.read_file(path(name))
      local source <close> = files.open(path(name))
      local out = assert(io.open(path(name), "r+b"))
      out:write(raw:sub(1, 10))
      out:close()
      os.execute(("touch -d '2001-01-01' '%s'"):format(path(name)))
      assert.matches("the file was changed since it was opened", support.message(source.rows, source, 1, 2))
      out = assert(io.open(path(name), "wb"))
      out:write(raw:sub(1, #raw // 2))
      out:close()
      assert.matches("since it was opened", support.message(source.rows, source, 90, 5))
      assert.matches("since it was opened", support.message(source.rows, source, 1, 2))
    end)
  end
  it("chooses a dataset", function()
    kl.save(path("d.h5"), {a = sample("int32", {3}), g = {b = sample("float32", {2, 2})}})
    local source <close> = files.open(path("d.h5"), {dataset = "/g/b"})
    assert.same({2, 2}, source.shape)
    assert.matches("the option dataset = path expected, the file has 2 datasets: /a, /g/b$", support.message(files.open, path("d.h5")))
    assert.matches("a dataset expected, found nothing there$", support.message(files.open, path("d.h5"), {dataset = "c"}))
  end)
  it("says what it cannot read", function()
    kl.save(path("x.idx.gz"), sample("uint8", {4}))
    kl.save(path("s.npy"), sample("float32", {}))
    local cases = {
      {path("x.idx.gz"), nil, "gunzip it, or read it whole by kl.load$"},
      {golden .. "golden_fortran.npy", nil, "an array in C order expected"},
      {path("s.npy"), nil, "found a scalar$"}, {path("none"), nil, "No such file"}, {folder, nil, "not a regular file$"},
      {golden .. "golden_f4.npy", {dataset = "x"}, "datasets are in HDF5 files, and this is none$"},
      {golden .. "golden_c.npz", nil, "a %.npy, HDF5 or IDX file expected"},
      {path("s.npy"), {datset = "x"}, "unknown option 'datset'.*'dataset'"},
    }
    for _, case in ipairs(cases) do assert.matches(case[3], support.message(files.open, case[1], case[2])) end
  end)
  it("leaves nothing behind when memory is short", function()
    kl.save(path("m.npy"), sample("float32", {10, 3}))
    support.each_allocation(function()
      local source <close> = files.open(path("m.npy"))
      return source:rows(1, 4), source:gather{1, 2}
    end)
  end)
end)
