-- Files of arrays cross both ways: NumPy, h5py, Pillow and the bytes of safetensors.
local kl = require "kl"
local python = require "python"
local files = require "kl.files"

describe("files of arrays", function()
  local dtypes = {"float32", "float64", "int32", "int64", "uint8", "bool"}
  local shapes = {{}, {0}, {5}, {2, 3}, {3, 0, 2}, {2, 3, 4}, {123456, 1}}
  local folder, found
  local function sample(dtype, shape)
    local n = 1
    for _, d in ipairs(shape) do n = n * d end
    return (kl.arange(n) % 11):cast(dtype):reshape(shape)
  end
  local rgba = ((kl.arange(140) * 37) % 251):cast("uint8"):reshape{7, 5, 4}
  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir '%s'"):format(folder)))
    for _, dtype in ipairs(dtypes) do
      for i, shape in ipairs(shapes) do
        local x, base = sample(dtype, shape), ("%s/kl_%s_%d"):format(folder, dtype, i - 1)
        kl.save(base .. ".npy", x)
        kl.save(base .. ".npz", {a = x, b = x})
        kl.save(base .. ".h5", {g = {x = x}})
        kl.save(base .. ".safetensors", {x = x})
      end
    end
    for c = 1, 4 do kl.save(("%s/kl_%d.png"):format(folder, c), rgba[{ {}, {}, {1, c} }]) end
    kl.save(folder .. "/kl.jpg", rgba[{ {}, {}, {1, 3} }])
    kl.save(folder .. "/kl.csv", (kl.arange(12):cast("float64") / 7):reshape{4, 3})
    found = python.run("files_interop.py", {folder = folder})
  end)
  teardown(function() os.execute(("rm -rf '%s'"):format(folder)) end)

  it("of kl are read by the others", function()
    for what, good in pairs(found) do assert.is_true(good, what) end
  end)
  local function same(a, b, what)
    assert.equal(a.dtype, b.dtype)
    assert.same(a.shape, b.shape, what)
    assert.is_true(kl.array_equal(a, b), what)
  end
  it("of the others are read by kl", function()
    for _, dtype in ipairs(dtypes) do
      for i, shape in ipairs(shapes) do
        local x, base = sample(dtype, shape), ("%s/py_%s_%d"):format(folder, dtype, i - 1)
        same(x, kl.load(base .. ".npy"), base)
        local z = kl.load(base .. ".npz")
        same(x, z.a, base)
        same(x, z.b, base)
        local h5 = kl.load(base .. ".h5", {compressed = true})
        same(x, h5.x, base)
        if h5.packed then
          same(x, h5.packed, base)
          local source <close> = files.open(base .. ".h5", {dataset = "packed"})
          same(x, source:rows(1, shape[1]), base)
          local last = shape[1] - 1
          same(kl.take(x, kl.tensor({last, 0, last}, "int64"), {axis = 1}), source:gather{last, 0, last}, base)
        end
      end
    end
  end)
  it("of pictures give the same samples", function()
    local names = {"L.png", "RGB.png", "RGBA.png", "LA.png", "palette.png", "bits.png"}
    for _, name in ipairs{"plain", "progressive", "best"} do
      for _, mode in ipairs{"L", "RGB"} do names[#names + 1] = ("%s_%s.jpg"):format(name, mode) end
    end
    for _, name in ipairs(names) do
      same(kl.load(("%s/py_%s.npy"):format(folder, name)), kl.load(("%s/py_%s"):format(folder, name)), name)
    end
    same(kl.load(folder .. "/py_luma.npy"), kl.load(folder .. "/py_RGB.png", {channels = 1}))
  end)
end)
