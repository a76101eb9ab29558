-- image_dataset_from_directory and timeseries_dataset_from_array.
local kl = require "kl"
local core = require "kl.core"
local data = kl.data

kl.set_seed(1)

-- A folder: a class each for pictures that are 10 * class + number all over, 2 by 2 pixels.
local root = os.tmpname()
os.remove(root)
local function write(path, picture, jpeg)
  core.io.write_file(path, (jpeg and core.io.encode_jpeg or core.io.encode_png)(picture))
end
local function flat(value) return (kl.ones{2, 2, 3} * value):cast("uint8") end

setup(function()
  for class, name in ipairs{"ants", "bees", "cats"} do
    os.execute(("mkdir -p '%s/all/%s/deep'"):format(root, name))
    for i = 1, 4 do
      write(("%s/all/%s/%d.png"):format(root, name, i), flat(class * 10 + i))
    end
    write(("%s/all/%s/deep/5.JPG"):format(root, name), flat(class * 10 + 5), true)
    core.io.write_file(("%s/all/%s/notes.txt"):format(root, name), "none")
  end
  os.execute(("mkdir -p '%s/all/.hidden' '%s/two/a' '%s/two/b' '%s/empty/a' '%s/one'"):format(root, root, root, root, root))
  write(root .. "/two/a/1.png", kl.tensor{{0, 100}, {200, 50}}:cast("uint8"):reshape{2, 2, 1})
  write(root .. "/two/b/1.png", kl.tensor{{0, 30, 60, 90}}:cast("uint8"):reshape{1, 4, 1})
  core.io.write_file(root .. "/one/bad.png", "no picture")
end)
teardown(function() os.execute(("rm -r '%s'"):format(root)) end)

local function from(options)
  options = options or {}
  options.image_size = options.image_size or {2, 2}
  return data.image_dataset_from_directory(root .. "/all", options)
end

local function seen(ds)
  local values, labels = {}, {}
  for x, y in ds:each() do
    for i = 1, x.shape[1] do
      values[#values + 1] = x[i]:mean():item()
      labels[#labels + 1] = y[i]:totable()
    end
  end
  return values, labels
end

describe("image_dataset_from_directory", function()
  it("gives the pictures in the order of their names, with labels from the sorted folders", function()
    local ds = from{shuffle = false, batch_size = 4}
    assert.same({"ants", "bees", "cats"}, ds.class_names)
    assert.equal(15, #ds.file_paths)
    assert.equal(4, ds:cardinality())
    local values, labels = seen(ds)
    assert.same({0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2}, labels)
    for i, v in ipairs(values) do assert(math.abs(v - ((i - 1) // 5 * 10 + 11 + (i - 1) % 5)) <= 1, v) end
    for x, y in ds:take(1):each() do assert.same({"float32", {4, 2, 2, 3}, "int32", {4}}, {x.dtype, x.shape, y.dtype, y.shape}) end
  end)

  it("shuffles by its seed", function()
    local a, b = seen(from{seed = 3}), seen(from{seed = 3})
    assert.same(a, b)
    assert.not_same(a, (seen(from{shuffle = false})))
    table.sort(a)
    local sorted = seen(from{shuffle = false})
    table.sort(sorted)
    assert.same(sorted, a)
  end)

  it("has labels of the asked kind", function()
    for x, y in from{label_mode = "categorical", shuffle = false}:each() do
      assert.same({{15, 3}, {0, 1, 0}, "float32"}, {y.shape, y[6]:totable(), y.dtype})
      assert.equal(15, x.shape[1])
    end
    for _, y in data.image_dataset_from_directory{root .. "/two", label_mode = "binary", image_size = {1, 1}, shuffle = false}:each() do
      assert.same({{0}, {1}}, y:totable())
    end
    for _, options in ipairs{{label_mode = false}, {labels = false}} do
      assert.equal(1, #from(options):iterator():next())
    end
    local labels = {}
    for i = 1, 15 do labels[i] = i % 2 end
    local _, got = seen(from{labels = labels, shuffle = false})
    assert.same(labels, got)
  end)

  it("splits in parts that do not overlap", function()
    for _, shuffle in ipairs{true, false} do
      local options = {validation_split = 0.2, seed = 5, shuffle = shuffle}
      local all = {}
      for _, subset in ipairs{"training", "validation"} do
        options.subset = subset
        local ds = from(options)
        assert.equal(subset == "training" and 12 or 3, #ds.file_paths)
        for _, path in ipairs(ds.file_paths) do
          assert.is_nil(all[path])
          all[path] = true
        end
      end
      options.subset = "both"
      local training, validation = from(options)
      assert.same({12, 3}, {#training.file_paths, #validation.file_paths})
    end
  end)

  it("resizes as Keras does", function()
    local function picture(name, options)
      options.label_mode, options.color_mode, options.shuffle = false, "grayscale", false
      local ds = data.image_dataset_from_directory(root .. "/two", options):unbatch():skip(name == "b" and 1 or 0)
      return ds:iterator():next()[1]:reshape{options.image_size[1], options.image_size[2]}:totable()
    end
    assert.same({{0, 100}, {200, 50}}, picture("a", {image_size = {2, 2}}))
    -- bilinear, half-pixel centres: columns at -1/4, 1/4, 3/4, 5/4 of {0, 100}
    assert.same({{0, 25, 75, 100}, {200, 162.5, 87.5, 50}}, picture("a", {image_size = {2, 4}}))
    assert.same({{0, 0, 100, 100}, {200, 200, 50, 50}}, picture("a", {image_size = {2, 4}, interpolation = "nearest"}))
    assert.same({{15, 75}}, picture("b", {image_size = {1, 2}}))
    assert.same({{30, 60}}, picture("b", {image_size = {1, 2}, crop_to_aspect_ratio = true}))
    assert.same({{0, 0, 0, 0}, {0, 30, 60, 90}, {0, 0, 0, 0}, {0, 0, 0, 0}},
      picture("b", {image_size = {4, 4}, pad_to_aspect_ratio = true}))
  end)

  it("keeps its position", function()
    local function make() return from{seed = 3, batch_size = 2} end
    local pass = make():iterator()
    for _ = 1, 3 do pass:next() end
    local anew = make():iterator()
    anew:restore(kl.json.decode(kl.json.encode(pass:state())))
    while true do
      local a, b = pass:next(), anew:next()
      if a == nil then break end
      assert.is_true(kl.array_equal(a[1], b[1]))
    end
    assert.is_nil(anew:next())
  end)

  for _, case in ipairs{
    {{root .. "/nowhere"}, "nowhere: the folder cannot be read"},
    {{root .. "/empty"}, "has no PNG or JPEG files"},
    {{root .. "/one"}, "has no folders: one per class expected"},
    {{root .. "/one", labels = false}, "bad.png"},
    {{root .. "/all", label_mode = "binary"}, "needs two classes, there are 3"},
    {{root .. "/all", label_mode = "intt"}, "'label_mode' must be one of .*did you mean 'int'"},
    {{root .. "/all", color_mode = "gray"}, "'color_mode' must be one of"},
    {{root .. "/all", batch_sise = 2}, "unknown option 'batch_sise'; did you mean 'batch_size'"},
    {{root .. "/all", image_size = {2}}, "'image_size' must be {height, width}"},
    {{root .. "/all", validation_split = 0.1}, "validation_split and subset .* belong together"},
    {{root .. "/all", validation_split = 0.1, subset = "training"}, "needs a seed"},
    {{root .. "/all", validation_split = 0.01, subset = "validation", seed = 1}, "leaves no pictures for validation"},
    {{root .. "/all", class_names = {"ants", "bees"}}, "'class_names' must be the folders' names: ants, bees, cats, got ants, bees"},
    {{root .. "/all", labels = {1}}, "1 labels for 15 pictures"},
  } do
    it("refuses: " .. case[2], function()
      local ok, message = pcall(function()
        local ds = data.image_dataset_from_directory(case[1])
        ds:collect()
      end)
      assert.is_false(ok)
      assert.matches(case[2], message)
      assert.matches("^tests/data/directory_spec.lua:%d+: ", message)
    end)
  end
end)

describe("timeseries_dataset_from_array", function()
  local x = kl.arange(10)

  it("gives windows and the targets of their first steps", function()
    local ds = data.timeseries_dataset_from_array(x, x + 100, 3, {batch_size = 2, sequence_stride = 2, sampling_rate = 2})
    local got = {}
    for a, b in ds:each() do got[#got + 1] = {a:totable(), b:totable()} end
    assert.same({{{{0, 2, 4}, {2, 4, 6}}, {100, 102}}, {{{4, 6, 8}}, {104}}}, got)
    assert.equal(2, ds:cardinality())
  end)

  it("keeps to its range, and needs no targets", function()
    local got = {}
    for a in data.timeseries_dataset_from_array(x, nil, 2, {batch_size = false, start_index = 3, end_index = 7}):each() do
      got[#got + 1] = a:totable()
    end
    assert.same({{3, 4}, {4, 5}, {5, 6}}, got)
    for a, b in data.timeseries_dataset_from_array{x, x[{ {1, 4} }], 3, shuffle = true, seed = 1}:each() do
      assert.same({4, 3}, a.shape)
      assert.is_true(kl.array_equal(a[{ {}, {1, 1} }]:reshape{4}, b))
    end
  end)

  it("refuses what is too short", function()
    local ok, message = pcall(function()
      local ds = data.timeseries_dataset_from_array(x, nil, 11)
      return ds
    end)
    assert.is_false(ok)
    assert.matches("^tests/data/directory_spec.lua:%d+: timeseries_dataset_from_array: 10 steps are fewer", message)
  end)
end)
