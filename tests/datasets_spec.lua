-- lua/kl/datasets
local kl = require "kl"
local raises = require "raises"

describe("mnist", function()
  it("has 60,000 images to train on and 10,000 to test with", function()
    local train, test = kl.datasets.mnist.load_data()
    for part, n in pairs{[train] = 60000, [test] = 10000} do
      assert.same({"uint8", {n, 28, 28}, "uint8", {n}}, {part.images.dtype, part.images.shape, part.labels.dtype, part.labels.shape})
      assert.same({0, 9}, {kl.min(part.labels):item(), kl.max(part.labels):item()})
      assert.same({0, 255}, {kl.min(part.images):item(), kl.max(part.images):item()})
    end
    assert.same({5, 0, 4, 1, 9}, train.labels[{ {1, 5} }]:totable())
    assert.same({7, 2, 1, 0, 4}, test.labels[{ {1, 5} }]:totable())
    assert.near(33.318421, kl.mean(train.images:cast("float64")):item(), 1e-6) -- known: 0.1306604763 of 255
  end)

  it("that is not found says where it was looked for and what to do", function()
    local files = require "kl.datasets.files"
    local getenv = os.getenv
    os.getenv = function(name) return name == "KL_DATA_PATH" and "/nowhere:/no/place" or getenv(name) end
    local ok, message = pcall(raises, function() files.find("mnist/none.gz") end,
      "the data file mnist/none.gz was not found in /nowhere, /no/place.*; set KL_DATA_PATH to the folder that contains it")
    os.getenv = getenv
    assert(ok, message)
  end)
end)

describe("data sets that are not bundled", function()
  local core = kl.core
  local folder
  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir '%s'"):format(folder)))
  end)
  teardown(function() os.execute(("rm -rf '%s'"):format(folder)) end)

  local sets = {
    fashion_mnist = "train%-images%-idx3%-ubyte.gz", cifar10 = "data_batch_1.bin", cifar100 = "train.bin",
    boston_housing = "boston_housing.npz %(SHA%-256 f553886a1f8d", california_housing = "california_housing.npz %(SHA%-256 1a2e3a52e03",
    imdb = "imdb.npz %(SHA%-256 69664113be", reuters = "reuters.npz %(SHA%-256 d6586e694e",
  }
  for name, file in pairs(sets) do
    it(("say which file %s needs, and where"):format(name), function()
      raises(function() kl.datasets[name].load_data{path = "/nowhere"} end,
        name .. ": the file " .. file .. ".* is not bundled and was not found in /nowhere; put it there")
      raises(function() kl.datasets[name].load_data() end, "was not found in a folder " .. name .. " of KL_DATA_PATH")
      raises(function() kl.datasets[name].load_data{pth = "x"} end, "unknown option 'pth'")
    end)
  end
  it("cover every set of kl.datasets", function()
    for name in pairs(kl.datasets) do assert.is_truthy(sets[name] or name == "mnist") end
  end)
  it("read CIFAR's binary version", function()
    local record = {}
    for i = 0, 3071 do record[#record + 1] = string.char(i % 251) end
    record = table.concat(record)
    for i = 1, 5 do core.io.write_file(("%s/data_batch_%d.bin"):format(folder, i), (string.char(i) .. record):rep(10000)) end
    core.io.write_file(folder .. "/test_batch.bin", ("\9" .. record):rep(10000))
    local train, test = kl.datasets.cifar10.load_data{path = folder}
    assert.same({50000, 32, 32, 3}, train.images.shape)
    assert.same({1, 5, 9}, {train.labels[1]:item(), train.labels[50000]:item(), test.labels[7]:item()})
    assert.same({33 % 251, (33 + 1024) % 251, (33 + 2048) % 251}, test.images[{10000, 2, 2}]:totable()) -- row 1, column 1 from 0
    core.io.write_file(folder .. "/train.bin", ("\1\2" .. record):rep(50000))
    core.io.write_file(folder .. "/test.bin", ("\3\4" .. record):rep(10000))
    train, test = kl.datasets.cifar100.load_data{path = folder}
    assert.same({2, 4}, {train.labels[5]:item(), test.labels[5]:item()})
    train = kl.datasets.cifar100.load_data{label_mode = "coarse", path = folder}
    assert.equal(1, train.labels[5]:item())
    core.io.write_file(folder .. "/test.bin", "x")
    raises(function() kl.datasets.cifar100.load_data{path = folder} end, "10000 records of 3074 bytes expected, found 1 bytes")
    raises(function() kl.datasets.cifar100.load_data{label_mode = "fin", path = folder} end, "'fine' or 'coarse' expected")
  end)
  it("refuse a file of another digest", function()
    kl.save(folder .. "/boston_housing.npz", {x = kl.zeros{5, 13}, y = kl.zeros{5}})
    raises(function() kl.datasets.boston_housing.load_data{path = folder} end,
      "boston_housing.npz has the SHA%-256 %x+: f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5, of the published file")
  end)
  it("are digested and shuffled as others do", function()
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", core.io.sha256(""))
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", core.io.sha256("abc"))
    assert.equal("41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3", core.io.sha256(("a"):rep(1000)))
    local order = require "kl.datasets.shuffle".order
    -- numpy.random.RandomState(113).shuffle
    assert.same({14, 11, 19, 17, 1, 4, 8, 3, 13, 15, 16, 9, 0, 7, 6, 18, 12, 10, 2, 5}, order(20, 113))
    local long = order(506, 113)
    assert.same({22, 165}, {long[1], long[506]})
  end)
end)
