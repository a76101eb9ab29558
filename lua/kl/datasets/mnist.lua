-- MNIST: handwritten digits (LeCun, Cortes, Burges).
local core = require "kl.core"
local errors = require "kl.errors"
local files = require "kl.datasets.files"

local mnist = {}

local function load(part, count)
  local images = core.io.read_idx(files.find("mnist/" .. part .. "-images-idx3-ubyte.gz"))
  local labels = core.io.read_idx(files.find("mnist/" .. part .. "-labels-idx1-ubyte.gz"))
  if core.shape_text(images) ~= ("(%d, 28, 28)"):format(count) or core.shape_text(labels) ~= ("(%d,)"):format(count) then
    errors.fail("mnist: (%d, 28, 28) images and (%d,) labels expected, got %s and %s", count, count, core.shape_text(images),
      core.shape_text(labels))
  end
  return {images = images, labels = labels}
end

--- The training and the test part: tables with `images` (uint8, (n, 28, 28)) and `labels` (uint8, (n)).
---@return table train # 60,000
---@return table test  # 10,000
function mnist.load_data() return load("train", 60000), load("t10k", 10000) end

return mnist
