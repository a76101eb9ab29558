-- Data sets that are not bundled: their published files are read from a folder, nothing is ever fetched.
-- Digests are SHA-256, as Keras 3's sources have them for the files it loads.
local core = require "kl.core"
local args = require "kl.args"
local arrays = require "kl.files"
local errors = require "kl.errors"
local files = require "kl.datasets.files"
local ops = require "kl.ops"
local paths = require "kl.files.paths"
local shuffle = require "kl.datasets.shuffle"

local others = {}

--- The path of a file: in the folder `path`, or where bundled ones are looked for; checked against its digest, if one is known.
local function find(set, name, path, digest)
  local found
  if path then
    found = paths.exists(path .. "/" .. name) and path .. "/" .. name
  else
    local ok, result = pcall(files.find, set .. "/" .. name)
    found = ok and result
  end
  local known = digest and (" (SHA-256 %s)"):format(digest) or ""
  if not found then
    errors.fail("%s: the file %s%s is not bundled and was not found in %s; put it there, or give load_data{path = folder}", set,
      name, known, path or "a folder " .. set .. " of KL_DATA_PATH or of the program's data")
  end
  if digest then
    local got = core.io.sha256(core.io.read_file(found))
    if got ~= digest then
      errors.fail("%s: %s has the SHA-256 %s: %s, of the published file, expected", set, found, got, digest)
    end
  end
  return found
end

local function options_of(set, given, list) return args.read(set .. ".load_data", args.params(list), given) end

others.fashion_mnist = {}

--- As mnist: clothes instead of digits (the four files have MNIST's names).  `path`: their folder.
function others.fashion_mnist.load_data(given)
  local o = options_of("fashion_mnist", given, {{"path"}})
  local function part(name, count)
    local images = core.io.read_idx(find("fashion_mnist", name .. "-images-idx3-ubyte.gz", o.path))
    local labels = core.io.read_idx(find("fashion_mnist", name .. "-labels-idx1-ubyte.gz", o.path))
    if core.shape_text(images) ~= ("(%d, 28, 28)"):format(count) or core.shape_text(labels) ~= ("(%d,)"):format(count) then
      errors.fail("fashion_mnist: (%d, 28, 28) images and (%d,) labels expected, got %s and %s", count, count,
        core.shape_text(images), core.shape_text(labels))
    end
    return {images = images, labels = labels}
  end
  return part("train", 60000), part("t10k", 10000)
end

--- One file of the binary version: records of label bytes and 3 planes of 32 x 32.
local function read_cifar(set, path, count, label_bytes, which)
  local raw = core.io.read_file(path)
  local record = label_bytes + 3072
  if #raw ~= count * record then errors.fail("%s: %s: %d records of %d bytes expected, found %d bytes", set, path, count, record, #raw) end
  local all = core.io.raw_tensor(raw, 0, #raw, "U8", {count, record}, path)
  local planes = ops.reshape(all[{ {}, {label_bytes + 1, record} }], {count, 3, 32, 32})
  return ops.transpose(planes, {1, 3, 4, 2}), all[{ {}, which }]
end

others.cifar10 = {}

--- 50,000 and 10,000 colour pictures of 10 classes: tables with `images` (uint8, (n, 32, 32, 3)) and `labels` (uint8, (n)), from
--- the files data_batch_1.bin to 5 and test_batch.bin of the binary version.  `path`: their folder.
function others.cifar10.load_data(given)
  local o = options_of("cifar10", given, {{"path"}})
  local images, labels = {}, {}
  for i = 1, 5 do
    images[i], labels[i] = read_cifar("cifar10", find("cifar10", ("data_batch_%d.bin"):format(i), o.path), 10000, 1, 1)
  end
  local test_images, test_labels = read_cifar("cifar10", find("cifar10", "test_batch.bin", o.path), 10000, 1, 1)
  return {images = ops.concatenate(images, {axis = 1}), labels = ops.concatenate(labels, {axis = 1})},
    {images = test_images, labels = test_labels}
end

others.cifar100 = {}

--- The same of 100 classes, from train.bin and test.bin; `label_mode` "fine" (default, 100 classes) or "coarse" (20).
function others.cifar100.load_data(given)
  local o = options_of("cifar100", given, {{"label_mode", "fine"}, {"path"}})
  if o.label_mode ~= "fine" and o.label_mode ~= "coarse" then
    errors.fail("cifar100: label_mode: 'fine' or 'coarse' expected, got %s", errors.show(o.label_mode))
  end
  local function part(name, count)
    local images, labels = read_cifar("cifar100", find("cifar100", name, o.path), count, 2, o.label_mode == "fine" and 2 or 1)
    return {images = images, labels = labels}
  end
  return part("train.bin", 50000), part("test.bin", 10000)
end

--- A table of numbers, shuffled and split as Keras does.
local function load_table(set, o, digest)
  args.check(set .. ".load_data: test_split", o.test_split, "number", 0, 1)
  local data = arrays.load(find(set, set .. ".npz", o.path, digest))
  local x, y = data.x, data.y
  if o.version == "small" then x, y = x[{ {1, 600} }], y[{ {1, 600} }] end
  local count = x.shape[1]
  local order = shuffle.order(count, o.seed)
  local cut = math.floor(count * (1 - o.test_split))
  local function part(from, to)
    local rows = {}
    for i = from, to do rows[#rows + 1] = order[i] end
    local index = core.tensor(rows, "int64")
    return {x = ops.take(x, index, {axis = 1}), y = ops.take(y, index, {axis = 1})}
  end
  return part(1, cut), part(cut + 1, count)
end

others.boston_housing, others.california_housing = {}, {}

--- Tables with `x` (n, 13) and `y` (n), float64, from boston_housing.npz, split as Keras splits them.
--- Options: `path` (the folder), `test_split` 0.2, `seed` 113.
function others.boston_housing.load_data(given)
  local o = options_of("boston_housing", given, {{"path"}, {"test_split", 0.2}, {"seed", 113}})
  return load_table("boston_housing", o, "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5")
end

--- Tables with `x` (n, 8) and `y` (n) from california_housing.npz, split as Keras splits them.
--- Options: `version` "large" or "small" (600 rows), `path`, `test_split` 0.2, `seed` 113.
function others.california_housing.load_data(given)
  local o = options_of("california_housing", given, {{"version", "large"}, {"path"}, {"test_split", 0.2}, {"seed", 113}})
  if o.version ~= "large" and o.version ~= "small" then
    errors.fail("california_housing: version: 'large' or 'small' expected, got %s", errors.show(o.version))
  end
  return load_table("california_housing", o, "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f")
end

--- The texts are published as pickled lists, and kl never unpickles.
local function refuse(set, digest)
  return {
    load_data = function(given)
      local o = options_of(set, given, {{"path"}})
      local path = find(set, set .. ".npz", o.path, digest)
      errors.fail("%s: %s holds pickled Python lists, which kl does not read: write them as .npy arrays, and read those by kl.load",
        set, path)
    end,
  }
end

others.imdb = refuse("imdb", "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f")
others.reuters = refuse("reuters", "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916")

return others
