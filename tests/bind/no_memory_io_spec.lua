-- C memory that runs out in files, pictures, event files, other programs, prefetching and sorting (reliability.md V2, V4).
-- Every function of core.io is here, or the last test fails.
local kl = require "kl"
local core = require "kl.core"
local support = dofile "tests/io/support.lua"
local without_memory = require "no_memory"
local io_ = core.io

local folder, remove = support.folder()
local function path(name) return folder .. "/" .. name end

local matrix = kl.tensor{{3.0, 1.0, 2.0}, {6.0, 5.0, 4.0}}
kl.set_seed(1)
local rows = kl.random.normal{300, 5}
local picture = kl.cast(kl.random.randint({9, 7, 3}, 0, 256), "uint8")
local transposed = picture:transpose{2, 1, 3}
local before = {matrix:totable(), picture:totable()}
local function is_whole()
  return kl.array_equal(matrix, kl.tensor(before[1])) and kl.array_equal(picture, kl.tensor(before[2], "uint8"))
end

kl.save(path("a.npy"), rows)
kl.save(path("a.idx"), rows)
kl.save(path("a.idx.gz"), rows)
kl.save(path("a.h5"), {x = rows})
kl.save(path("a.npz"), {x = rows, y = matrix})
kl.save(path("a.safetensors"), {x = rows, y = matrix})
kl.save(path("a.csv"), {n = kl.arange(50), text = (function()
  local list = {}
  for i = 1, 50 do list[i] = "word, " .. i end
  return list
end)()})
local f2 = "{'descr': '<f2', 'fortran_order': True, 'shape': (2, 2), }\n"
io_.write_file(path("f2.npy"), "\x93NUMPY\1\0" .. string.pack("<s2", f2) .. string.pack("<I2I2I2I2", 0x3C00, 0, 0xC000, 1))
local npy, png, jpeg = io_.encode_npy(rows), io_.encode_png(picture), io_.encode_jpeg(picture)
local archive = io_.zip_bytes{{"a", ("x"):rep(1000)}, {"b", "y"}}

local function h5_bytes()
  return io_.h5_writer():group("/g"):dataset("/g/x", rows):bytes("/b", "raw"):attribute("/g", "names", {"a", "b"}):finish()
end

local function row_file(name, dataset)
  return function()
    local file <close> = io_.rows_open(path(name), dataset)
    return file:range(3, 20), file:gather{5, 6, 1}, file:gather(kl.tensor({7, 0}, "int64"))
  end
end

local function events()
  local writer = kl.summary.create_file_writer(path("logs"))
  writer:scalar("loss", 0.5, {step = 1})
  writer:histogram("w", rows, {step = 1})
  writer:text("t", "hello", {step = 1})
  writer:image("i", kl.expand_dims(picture, 1), {step = 1})
  writer:close()
end

-- Those in core.io by the names there; what is listed with `quiet` gets along without the memory.
local scenarios = {
  csv = function()
    local csv <close> = io_.csv(path("a.csv"), ",")
    return csv:tensor(1, 1, "int64", false), csv:tensor({1}, 1, "float32", true), csv:strings(2, 1), csv:kind(1, 1)
  end,
  decode_image = function() return io_.decode_image(png), io_.decode_image(jpeg, {channels = 1}), io_.decode_image(png, {channels = 4}) end,
  decode_npy = function() return io_.decode_npy(npy) end,
  encode_idx = function() return io_.encode_idx(rows, false), io_.encode_idx(rows, true), io_.encode_idx(rows:transpose(), true) end,
  encode_jpeg = function() return io_.encode_jpeg(picture), io_.encode_jpeg(transposed, {quality = 50}) end,
  encode_npy = function() return io_.encode_npy(rows), io_.encode_npy(rows:transpose()) end,
  encode_png = function() return io_.encode_png(picture), io_.encode_png(transposed) end,
  h5_open = function()
    local file <close> = io_.h5_open(path("a.h5"))
    return file:read("/x"), file:datasets(), file:children("/"), file:attribute("/", "none"), file:kind("/x")
  end,
  h5_writer = h5_bytes,
  npy_writer = function()
    local writer = io_.npy_writer(path("w.npy"))
    for i = 1, 3 do writer:append(matrix[i % 2 + 1]) end
    writer:finish{3, 3}
  end,
  number_texts = function() return io_.number_texts(matrix + 0) end,
  raw_bytes = function() return io_.raw_bytes(rows), io_.raw_bytes(rows:transpose()) end,
  raw_tensor = function() return io_.raw_tensor(("\0"):rep(64), 0, 64, "F16", {4, 8}, "x") end,
  read_file = function() return io_.read_file(path("a.npy")) end,
  read_idx = function() return io_.read_idx(path("a.idx")), io_.read_idx(path("a.idx.gz")) end,
  read_npy = function() return io_.read_npy(path("a.npy")), io_.read_npy(path("f2.npy")) end,
  resize_image = function() return io_.resize_image(picture, 20, 30, "bilinear", "crop") end,
  rows_open = row_file("a.npy"),
  zip_bytes = function() return io_.zip_bytes{{"a", npy}, {"b", "y"}} end,
  zip_open = function()
    local zip <close> = io_.zip_open(archive)
    return zip:read("a"), zip:names(), zip:size("b")
  end,
  zip_write = function() io_.zip_write(path("w.zip"), {{"a", npy}}) end,
  ["rows of IDX"] = row_file("a.idx"),
  ["rows of HDF5"] = row_file("a.h5", "/x"),
  ["loading every format"] = function()
    for _, ending in ipairs{"npy", "npz", "safetensors", "h5", "csv", "idx", "idx.gz"} do kl.load(path("a." .. ending)) end
  end,
  ["saving every format"] = function()
    for _, ending in ipairs{"npy", "csv", "idx", "idx.gz"} do kl.save(path("s." .. ending), rows) end
    for _, ending in ipairs{"npz", "safetensors", "h5"} do kl.save(path("s." .. ending), {x = rows, y = transposed}) end
    kl.save(path("s.png"), picture)
    kl.save(path("s.jpg"), transposed)
  end,
  ["an event file"] = events,
  ["another program"] = function() return core.run_program({"cat"}, npy) end,
  ["sorting"] = function()
    return kl.sort(matrix), kl.argsort(rows, {axis = 1}), kl.top_k(rows, 2), kl.searchsorted(kl.tensor{1.0, 2.0}, matrix)
  end,
  ["sorting long rows"] = function() return kl.sort(kl.reshape(rows, {1500})), kl.argsort(rows:transpose()) end,
  ["finding nonzeros"] = function() return kl.nonzero(kl.greater(rows, 0)) end,
  ["the gradient of sorting"] = function()
    local tape <close> = kl.GradientTape()
    tape:watch(matrix)
    return tape:gradient(kl.sum(kl.sort(matrix) * matrix), matrix)
  end,
  ["prefetched batches"] = function()
    local n = 0
    for x in kl.data.Dataset.from_tensor_slices(rows):shuffle(300):batch(32):prefetch(2):each() do n = n + x.shape[1] end
    assert(n == 300)
  end,
  ["a prefetch's queue"] = function()
    local queue = core.prefetch(2)
    local ticket = queue:submit({rows}, {1, 5, 9})
    queue:submit({rows, rows}, {2})
    local list = ticket and ticket:wait()
    queue:close()
    return list
  end,
}
local quiet = {["a prefetch's queue"] = true}
-- These take no memory of C's but the system's own.
local without = {crc32c = true, list_folder = true, make_folder = true, sha256 = true, write_file = true}

describe("when the n-th allocation fails", function()
  teardown(function() remove() end)
  local names = {}
  for name in pairs(scenarios) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    it(name .. " raises a clear error, leaks nothing, and works afterwards", function()
      without_memory(scenarios[name], is_whole, not quiet[name])
    end)
  end

  it("every function of core.io has been tried", function()
    for name in pairs(io_) do assert.is_true(without[name] or scenarios[name] ~= nil, name) end
  end)
end)
