-- from_file and from_csv.
local kl = require "kl"
local Dataset = kl.data.Dataset

kl.set_seed(1)
local folder = os.tmpname()
os.remove(folder)
local function path(name) return folder .. "/" .. name end
local x = kl.random.normal{50, 4, 3}
local y = kl.random.randint({50}, 0, 200):cast("uint8")
local files = require "kl.files"

setup(function()
  os.execute("mkdir -p " .. folder)
  files.save(path("x.npy"), x)
  files.save(path("y.npy"), y)
  files.save(path("y.idx"), y)
  files.save(path("both.h5"), {x = x, y = y})
  files.save(path("short.npy"), y[{ {1, 7} }])
  local out = assert(io.open(path("a.csv"), "w"))
  out:write("size,weight,kind\n1,0.5,cat\n2,1.5,ant\n3,2.5,cat\n")
  out:close()
  out = assert(io.open(path("plain.csv"), "w"))
  out:write("1;2;3\n4;5;6\n")
  out:close()
end)
teardown(function() os.execute("rm -r " .. folder) end)

-- The same rows from memory and from every kind of file
local ways = {
  npy = function() return Dataset.from_file(path("x.npy"), path("y.npy")) end,
  idx = function() return Dataset.from_file(path("x.npy"), path("y.idx")) end,
  ["h5 by name in the path"] = function() return Dataset.from_file(path("both.h5:/x"), path("both.h5:/y")) end,
  ["h5 by option"] = function()
    return Dataset.zip(Dataset.from_file(path("both.h5"), {dataset = "/x"}), Dataset.from_file(path("both.h5:/y")))
  end,
}

describe("from_file", function()
  for name, make in pairs(ways) do
    it("gives the rows of tensors in memory, bit for bit, with a prefetch and without: " .. name, function()
      for _, pipeline in ipairs{
        function(ds) return ds end,
        function(ds) return ds:batch(7) end,
        function(ds) return ds:shuffle(50, {seed = 1}):batch(7) end,
        function(ds) return ds:shuffle(50, {seed = 1}):batch(7):prefetch(2) end,
        function(ds) return ds:batch(7):prefetch(3) end,
      } do
        local expected = pipeline(Dataset.from_tensor_slices(x, y)):collect()
        local got = pipeline(make()):collect()
        assert.equal(#expected, #got)
        for i, element in ipairs(expected) do
          for k = 1, 2 do
            assert.equal(element[k].dtype, got[i][k].dtype)
            assert.same(element[k].shape, got[i][k].shape)
            assert.is_true(kl.array_equal(element[k], got[i][k]))
          end
        end
      end
    end)
  end

  it("feeds a jitted step: the same bits as an immediate one", function()
    local function step(a, b) return (a * 1.7 + kl.cast(b, "float32"):reshape{-1, 1, 1}):sum() end
    local jitted = kl.jit(step)
    for _, make in pairs(ways) do
      for a, b in make():shuffle(50):batch(7):prefetch(2):each() do assert.is_true(kl.array_equal(step(a, b), jitted(a, b))) end
    end
  end)

  it("keeps structures of paths", function()
    for a in Dataset.from_file{image = path("x.npy"), label = path("y.npy")}:batch(50):each() do
      assert.is_true(kl.array_equal(x, a.image))
      assert.is_true(kl.array_equal(y, a.label))
    end
  end)

  it("tells at its batch that a file was changed while it is read", function()
    files.save(path("z.npy"), x)
    for _, n in ipairs{0, 2} do
      files.save(path("z.npy"), x)
      local pass = Dataset.from_file(path("z.npy")):batch(10):prefetch(n):iterator()
      pass:next()
      local out = assert(io.open(path("z.npy"), "w"))
      out:close()
      local ok, message
      for _ = 1, 4 do
        ok, message = pcall(pass.next, pass)
        if not ok then break end
      end
      assert.is_false(ok)
      assert.matches("z.npy", message)
    end
  end)

  for _, case in ipairs{
    {function() return Dataset.from_file() end, "at least one path expected"},
    {function() return Dataset.from_file(5) end, "paths expected, got integer 5"},
    {function() return Dataset.from_file(path("none.npy")) end, "none.npy"},
    {function() return Dataset.from_file(path("x.npy"), path("short.npy")) end, "different numbers of rows: .*x.npy has 50, .*short.npy 7"},
    {function() return Dataset.from_file(path("a.csv")) end, "a.csv"},
    {function() return Dataset.from_csv(path("a.csv"), {label_name = "knid"}) end, "kind"},
    {function() return Dataset.from_csv(path("a.csv")) end, "column kind is text"},
    {function() return Dataset.from_csv(path("a.csv"), {lable_name = "kind"}) end, "did you mean 'label_name'"},
  } do
    it("or from_csv refuses: " .. case[2], function()
      local ok, message = pcall(function()
        local _ = case[1]()
      end)
      assert.is_false(ok)
      assert.matches(case[2], message)
      assert.matches("^tests/data/files_spec.lua:%d+: ", message)
    end)
  end
end)

describe("from_csv", function()
  it("gives features as one tensor, and text labels as numbers of sorted classes", function()
    local ds = Dataset.from_csv(path("a.csv"), {label_name = "kind", batch_size = 2})
    assert.same({"ant", "cat"}, ds.class_names)
    local a, b = table.unpack(ds:iterator():next())
    assert.same({{{1, 0.5}, {2, 1.5}}, "float32", {1, 0}, "int32"}, {a:totable(), a.dtype, b:totable(), b.dtype})
  end)

  it("gives columns by name", function()
    local ds = Dataset.from_csv(path("a.csv"), {select_columns = {"weight", "size"}, by_column = true})
    local a = ds:iterator():next()[1]
    assert.same({0.5, 1, "int64"}, {a.weight:item(), a.size:item(), a.size.dtype})
  end)

  it("keeps the order of the file, has missing numbers as NaN, and text and dates by column", function()
    local file = os.tmpname() .. ".csv"
    local out = assert(io.open(file, "w"))
    out:write('z,age,"a, quoted",date,m,label\n1,,"Paris, ""FR""\nsecond line",2024-01-01,3,1\n4,5,K\u{f6}ln,2024-01-02,6,0\n')
    out:close()
    local ds = Dataset.from_csv(file, {label_name = "label", select_columns = {"z", "age", "m"}})
    assert.same({"z", "age", "m"}, ds.feature_names)
    assert.same({4, 5, 6}, ds:collect()[2][1]:totable())
    assert.is_true(kl.isnan(ds:collect()[1][1]):totable()[2])
    local named = Dataset.from_csv(file, {label_name = "label", by_column = true})
    assert.same({"z", "age", "a, quoted", "date", "m"}, named.feature_names)
    local row, label = table.unpack(named:collect()[1])
    assert.same({'Paris, "FR"\nsecond line', "2024-01-01", 1, 1}, {row["a, quoted"], row.date, row.z:item(), label:item()})
    local _, order = kl.load(file)
    assert.same({"z", "age", "a, quoted", "date", "m", "label"}, order)
    local lengths = named:map(function(r, l) return #r.date, l end):batch(2):collect()[1][1]
    assert.same({10, 10}, lengths:totable())
    for _, case in ipairs{
      {{label_name = "lable"}, "no column lable for the label; did you mean 'label'"},
      {{label_name = "label"}, 'column a, quoted is text %("Paris.- in row 1%).-take by_column'},
    } do
      local ok, message = pcall(Dataset.from_csv, file, case[1])
      assert.is_false(ok)
      assert.matches(case[2], message)
    end
    os.remove(file)
  end)

  it("counts columns from 1 where there is no header", function()
    local ds = Dataset.from_csv(path("plain.csv"), {label_name = 2, header = false, separator = ";", batch_size = 9})
    local a, b = table.unpack(ds:iterator():next())
    assert.same({{{1, 3}, {4, 6}}, {2, 5}}, {a:totable(), b:totable()})
  end)
end)

