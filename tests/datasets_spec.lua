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
