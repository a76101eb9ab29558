-- core.io.h5_open: src/io/h5_read.c, h5_list.c, h5_attribute.c, on files that Keras and h5py have made.  What damaged ones do:
-- h5_apart_spec.lua.
local core = require "kl".core
local support = dofile "tests/io/support.lua"
local open = core.io.h5_open
local golden = "tests/golden/"

--- The elements of a tensor in C order.
local function flat(t)
  local list = {}
  local function walk(value)
    if type(value) ~= "table" then list[#list + 1] = value return end
    for _, item in ipairs(value) do walk(item) end
  end
  walk(t:totable())
  return list
end

--- Element i (from 0) of variable k, by the rule of tests/golden/README.md.
local function rule(i, k) return ((7 * i + 3 * k) % 11 - 5) / 8 end

local files = {
  mlp = {
    "layers/dense/vars/0 4,3", "layers/dense/vars/1 3",
    "layers/batch_normalization/vars/0 3", "layers/batch_normalization/vars/1 3",
    "layers/batch_normalization/vars/2 3", "layers/batch_normalization/vars/3 3 variance",
    "layers/dense_1/vars/0 3,2", "layers/dense_1/vars/1 2", slots = 14,
  },
  rnn = {
    "layers/embedding/vars/0 9,4",
    "layers/lstm/cell/vars/0 4,12", "layers/lstm/cell/vars/1 3,12", "layers/lstm/cell/vars/2 12",
    "layers/gru/cell/vars/0 3,6", "layers/gru/cell/vars/1 2,6", "layers/gru/cell/vars/2 2,6",
    "layers/bidirectional/forward_layer/cell/vars/0 4,8", "layers/bidirectional/forward_layer/cell/vars/1 2,8",
    "layers/bidirectional/forward_layer/cell/vars/2 8",
    "layers/bidirectional/backward_layer/cell/vars/0 4,8", "layers/bidirectional/backward_layer/cell/vars/1 2,8",
    "layers/bidirectional/backward_layer/cell/vars/2 8",
    "layers/dense/vars/0 6,2", "layers/dense/vars/1 2", slots = 17,
  },
  attn = {
    "layers/layer_normalization/vars/0 4", "layers/layer_normalization/vars/1 4",
    "layers/multi_head_attention/query_dense/vars/0 4,2,3", "layers/multi_head_attention/query_dense/vars/1 2,3",
    "layers/multi_head_attention/key_dense/vars/0 4,2,3", "layers/multi_head_attention/key_dense/vars/1 2,3",
    "layers/multi_head_attention/value_dense/vars/0 4,2,3", "layers/multi_head_attention/value_dense/vars/1 2,3",
    "layers/multi_head_attention/output_dense/vars/0 2,3,4", "layers/multi_head_attention/output_dense/vars/1 4",
    "layers/dense/vars/0 4,2", "layers/dense/vars/1 2", slots = 26,
  },
}

describe("Keras's weights", function()
  for name, variables in pairs(files) do
    it("of the model " .. name .. " are read whole and exactly", function()
      local f <close> = open(golden .. "keras_" .. name .. ".weights.h5")
      for k, line in ipairs(variables) do
        local path, shape, variance = line:match("^(%S+) (%S+) ?(%S*)$")
        local t = f:read(path)
        assert.equal("float32", t.dtype)
        assert.equal(shape, table.concat(t.shape, ","), path)
        for i, value in ipairs(flat(t)) do
          local expected = rule(i - 1, k - 1)
          assert.equal(variance == "" and expected or math.abs(expected) + 0.5, value, path)
        end
      end
      for k = 0, variables.slots - 1 do
        local t = f:read("/optimizer/vars/" .. k)
        if k == 0 then
          assert.equal("int32", t.dtype)
          assert.equal(17, t:item())
        elseif k > 1 then
          for i, value in ipairs(flat(t)) do assert.equal(math.abs(rule(i - 1, k + 100)), value) end
        end
      end
      assert.equal(#variables + variables.slots, #f:datasets())
      assert.is_false(f:has_manifest())
      assert.matches("keras_" .. name .. "%.weights%.h5: a dataset /kl/manifest expected, found none",
        support.message(f.check_manifest, f))
    end)
  end
  it("have groups whose children are listed in the order of their bytes", function()
    local f <close> = open(golden .. "keras_mlp.weights.h5")
    assert.same({"layers", "optimizer", "vars"}, f:children("/"))
    assert.same({"batch_normalization", "dense", "dense_1", "dropout"}, f:children("layers"))
    assert.same({}, f:children("/layers/dropout/vars"))
    local names = f:children("/optimizer/vars")
    assert.same({"0", "1", "10", "11", "12", "13", "2"}, {table.unpack(names, 1, 7)})
  end)
  it("are told apart by kind", function()
    local f <close> = open(golden .. "keras_mlp.weights.h5")
    assert.equal("group", f:kind("/"))
    assert.equal("group", f:kind("layers/dense"))
    assert.equal("dataset", f:kind("/layers/dense/vars/0"))
    assert.is_nil(f:kind("/layers/dense/vars/9"))
    assert.is_nil(f:kind("/layers/dense/vars/0/below"))
    assert.is_true(f:exists("/layers"))
    assert.is_false(f:exists("/no/such/thing"))
  end)
  it("are read from bytes, too, under any name", function()
    local raw = core.io.read_file(golden .. "keras_mlp.weights.h5")
    local f <close> = open(raw, "model.h5")
    assert.equal(17, f:read("optimizer/vars/0"):item())
    assert.equal("model.h5: /x: a dataset expected, found nothing there", support.message(f.read, f, "x"))
  end)
  it("of two files with the same content do not mix", function()
    local a <close> = open(golden .. "keras_mlp.weights.h5")
    local b <close> = open(golden .. "keras_rnn.weights.h5")
    local c = open(golden .. "keras_mlp.weights.h5")
    assert.same(a:read("layers/dense/vars/0"):totable(), c:read("layers/dense/vars/0"):totable())
    c:close()
    assert.same({4, 3}, a:read("layers/dense/vars/0").shape)
    assert.same({6, 2}, b:read("layers/dense/vars/0").shape)
  end)
end)

describe("HDF5 types", function()
  local values = {
    i1 = {"int32", {-128, -1, 127}}, u1 = {"uint8", {0, 128, 255}}, i2 = {"int32", {-32768, -1, 32767}},
    u2 = {"int32", {0, 32768, 65535}}, i4 = {"int32", {-2147483648, -1, 2147483647}},
    u4 = {"int64", {0, 2147483648, 4294967295}}, i8 = {"int64", {math.mininteger, -1, math.maxinteger}},
    u8 = {"int64", {0, 1, math.maxinteger}}, f2 = {"float32", {-1.5, 2.0 ^ -24, 65504.0}},
    f4 = {"float32", {-1.5, 2.0 ^ -149, 3.5}}, f8 = {"float64", {-1.5, 1e-300, 0.1}},
  }
  for _, order in ipairs{"little", "big"} do
    it("of " .. order .. "-endian machines become kl's", function()
      local f <close> = open(golden .. "h5/accept_types_" .. order .. ".h5")
      for name, expected in pairs(values) do
        local t = f:read(name)
        assert.equal(expected[1], t.dtype, name)
        assert.same(expected[2], t:totable(), name)
      end
      local special = f:read("special"):totable()
      assert.same({math.huge, -math.huge}, {special[1], special[2]})
      assert.is_true(special[3] ~= special[3])
      assert.equal(-math.huge, 1 / special[4])
      assert.matches("/beyond: element 1 is 9223372036854775808: at most 9223372036854775807, the largest int64, expected",
        support.message(f.read, f, "beyond"))
    end)
  end
  it("that kl does not read are named", function()
    local f <close> = open(golden .. "h5/refuse_types.h5")
    local found = {
      string = "data of variable length", vlen = "data of variable length", fixed = "strings", complex = "a compound type",
      opaque = "another type", odd = "another type",
    }
    local listed = {}
    for _, item in ipairs(f:datasets()) do listed[item.path] = item end
    for name, words in pairs(found) do
      local pattern = "refuse_types%.h5: /" .. name ..
        ": an IEEE float of 16, 32 or 64 bits, an integer of 8 to 64 bits or h5py's bool expected, found " .. words .. "$"
      assert.matches(pattern, support.message(f.read, f, name))
      assert.matches(pattern, listed["/" .. name].problem)
      assert.is_nil(listed["/" .. name].dtype)
    end
    assert.equal("bool", f:read("bool").dtype) -- h5py's own
    assert.same({1, 0}, f:read("bool"):cast("int32"):totable())
  end)
end)

describe("HDF5 shapes and layouts", function()
  it("from rank 0 to 8 and without elements are read", function()
    local f <close> = open(golden .. "h5/accept_shapes.h5")
    assert.equal(2.5, f:read("scalar"):item())
    assert.same({}, f:read("scalar").shape)
    assert.same({0, 3}, f:read("none").shape)
    assert.same({1, 1, 1, 1, 1, 1, 1, 2}, f:read("rank8").shape)
    assert.matches("/rank9: at most 8 axes expected, found 9$", support.message(f.read, f, "rank9"))
    assert.matches("/empty: an array expected, found an empty dataspace$", support.message(f.read, f, "empty"))
  end)
  it("contiguous, compact, chunked and with Fletcher-32 are read, no others", function()
    local f <close> = open(golden .. "h5/accept_layouts.h5")
    local ten = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
    assert.same(ten, f:read("chunked"):totable())
    assert.same(ten, f:read("fletcher"):totable())
    assert.same({7, 8, 9}, f:read("compact"):totable())
    assert.matches("/gzip: no filter but Fletcher%-32 expected, found filter 1 %(deflate%); compressed = true takes it$",
      support.message(f.read, f, "gzip"))
    assert.matches("/shuffle: no filter but Fletcher%-32 expected, found filter 2 %(shuffle%); compressed = true takes it$",
      support.message(f.read, f, "shuffle"))
    assert.matches("/absent: shape %(10,%) needs 40 bytes, 0 are stored$", support.message(f.read, f, "absent"))
    assert.matches("/bomb: shape %(1099511627776,%) needs 4398046511104 bytes, 0 are stored$",
      support.message(f.read, f, "bomb"))
  end)
  it("with a wrong Fletcher-32 sum are an error", function()
    local raw = core.io.read_file(golden .. "h5/accept_layouts.h5")
    local chunk = string.pack("<i4i4i4i4", 4, 5, 6, 7)
    local changed, at = 0, 1
    while true do
      at = raw:find(chunk, at, true)
      if not at then break end
      raw = raw:sub(1, at - 1) .. "\255" .. raw:sub(at + 1)
      changed = changed + 1
    end
    assert.equal(2, changed) -- of `chunked` and of `fletcher`
    local f <close> = open(raw)
    assert.equal(255, f:read("chunked"):totable()[5]) -- nothing protects it but a manifest
    assert.matches("/fletcher: chunk 2 is damaged: Fletcher%-32 %x+ expected, %x+ found$", support.message(f.read, f, "fletcher"))
  end)
  for _, version in ipairs{"", "_v110"} do
    it("under names in UTF-8 and in large groups are found" .. version, function()
      local f <close> = open(golden .. "h5/accept_names" .. version .. ".h5")
      assert.same({2, 3}, f:read("/günther/日本").shape)
      assert.same({"a b", "günther", "many"}, f:children("/"))
      assert.equal(12, #f:children("many"))
      assert.equal(11, f:read("many/11"):item())
    end)
  end
end)

describe("HDF5 files that kl refuses", function()
  local cases = {
    refuse_soft_link = {"datasets", "/g/link: a hard link expected, found a soft link, which kl does not follow$"},
    refuse_external_link = {"datasets", "/g/link: a hard link expected, found a link to another file, which kl does not follow$"},
    refuse_ring = {"datasets", "at most 32 names deep expected, found more$"},
    refuse_deep = {"datasets", "at most 32 names deep expected, found more$"},
    refuse_named_type = {"datasets", "/t: a group or dataset expected, found another object$"},
    refuse_external_storage = {"read", "/x: data inside the file expected, found data in another file$"},
    refuse_virtual = {"read", "/x: a contiguous, chunked or compact dataset expected, found a virtual one$"},
    refuse_name_dots = {"datasets", "/: a name in this group is '%.' or '%.%.'$"},
    refuse_name_slash = {"datasets", "/: a name in this group contains '/' or NUL$"},
    refuse_name_utf8 = {"datasets", "/: a name in this group is not valid UTF%-8$"},
    refuse_name_empty = {"datasets", "/: a name in this group is empty$"},
  }
  for name, case in pairs(cases) do
    it("as " .. name, function()
      local f <close> = open(golden .. "h5/" .. name .. ".h5")
      assert.matches(name .. "%.h5: .*" .. case[2], support.message(f[case[1]], f, case[1] == "read" and "x" or nil))
    end)
  end
  it("by reading through a link, too", function()
    local f <close> = open(golden .. "h5/refuse_soft_link.h5")
    assert.same({2, 3}, f:read("/x").shape)
    assert.matches("/g/link: a hard link expected", support.message(f.read, f, "/g/link"))
    assert.matches("/g/link: a hard link expected", support.message(f.exists, f, "/g/link"))
    local ring <close> = open(golden .. "h5/refuse_ring.h5")
    assert.same({2, 3}, ring:read("/g/again/again/x").shape)
  end)
  it("because they are something else", function()
    local others = {
      {"", "not an HDF5 file: its signature expected at offset 0 %(the file has 0 bytes%)$"},
      {"PK\3\4", "not an HDF5 file"},
      {("\0"):rep(4096), "not an HDF5 file"},
      {"\x89HDF\r\n\x1a\n", "not a whole HDF5 file: HDF5: "},
      {"\x89HDF\r\n\x1a\n" .. ("\xff"):rep(4096), "not a whole HDF5 file: HDF5: "},
    }
    local folder, remove = support.folder()
    for _, case in ipairs(others) do
      core.io.write_file(folder .. "/x", case[1])
      assert.matches("/x: " .. case[2], support.message(open, folder .. "/x"))
    end
    remove()
    assert.matches("refuse_user_block%.h5: not an HDF5 file", support.message(open, golden .. "h5/refuse_user_block.h5"))
    assert.matches("No such file or directory$", support.message(open, golden .. "none.h5"))
    assert.matches("Is a directory$", support.message(open, "tests"))
  end)
  for _, name in ipairs{"keras_mlp.weights.h5", "h5/accept_names_v110.h5"} do
    it("because they were cut off: " .. name, function()
      local raw = core.io.read_file(golden .. name)
      for n = 0, 200, 3 do assert.has_error(function() open(raw:sub(1, n), "x") end) end
      for n = 200, #raw - 1, 397 do assert.has_error(function() open(raw:sub(1, n)) end) end
      assert.has_error(function() open(raw:sub(1, -2)) end)
    end)
    it("because bytes follow their end: " .. name, function()
      local raw = core.io.read_file(golden .. name)
      assert.matches(("%d bytes expected by its superblock, %d found$"):format(#raw, #raw + 1), support.message(open, raw .. "\0"))
    end)
  end
end)

describe("HDF5 attributes", function()
  local f
  setup(function() f = open(golden .. "h5/accept_attributes.h5") end)
  teardown(function() f:close() end)

  it("of fixed-length strings and integers are read", function()
    assert.equal("fixed", f:attribute("/g", "fixed"))
    assert.same({"one", "three"}, f:attribute("/g", "list"))
    assert.same({}, f:attribute("/g", "none"))
    assert.equal("ab", f:attribute("/g", "spaces"))
    assert.equal(-7, f:attribute("/g", "small"))
    assert.equal(9, f:attribute("/g", "big"))
    assert.is_nil(f:attribute("/g", "nope"))
  end)
  it("of any other type are named and refused", function()
    local function place(name) return "accept_attributes%.h5: attribute '" .. name .. "' of /g: " end
    assert.matches(place("variable") .. "strings of fixed length expected, found strings of variable length",
      support.message(f.attribute, f, "/g", "variable"))
    assert.matches(place("float") .. "strings of fixed length or one integer expected, found another type",
      support.message(f.attribute, f, "/g", "float"))
    assert.matches(place("table") .. "one value or a list expected, found another shape",
      support.message(f.attribute, f, "/g", "table"))
    assert.matches("attribute 'x' of /nope: there is no such group or dataset$", support.message(f.attribute, f, "nope", "x"))
  end)
end)

describe("an HDF5 file object", function()
  it("refuses paths that cannot be", function()
    local f <close> = open(golden .. "keras_mlp.weights.h5")
    local cases = {
      {"//x", "a name in it is empty"}, {"/x/", "a name in it is empty"}, {"/x/../y", "a name in it is '.' or '..'"},
      {"./x", "a name in it is '.' or '..'"}, {"/\xff", "a name in it is not valid UTF-8"},
      {("n"):rep(1025), "a name in it is longer than 1024 bytes"}, {("/d"):rep(33), "is more than 32 names deep"},
    }
    for _, case in ipairs(cases) do
      for _, method in ipairs{"read", "children", "exists", "kind", "bytes"} do
        assert.is_truthy(support.message(f[method], f, case[1]):find(case[2], 1, true), case[1])
      end
    end
    assert.is_false(f:exists(("n"):rep(1024)))
    assert.is_false(f:exists(("/d"):rep(32)))
  end)
  it("raises for what is something else than was asked for", function()
    local f <close> = open(golden .. "keras_mlp.weights.h5")
    assert.matches("/layers: a dataset expected, found a group$", support.message(f.read, f, "/layers"))
    assert.matches("/optimizer/vars/0: a group expected, found a dataset$", support.message(f.children, f, "optimizer/vars/0"))
    assert.matches("/x: a group expected, found nothing there$", support.message(f.children, f, "x"))
    assert.matches("bytes optimizer/vars/0: a dataset of uint8 with one axis expected, found int32 of shape %(%)$",
      support.message(f.bytes, f, "optimizer/vars/0"))
    assert.equal("read: a path (a string) expected, got nil", support.message(f.read, f, nil))
    assert.equal("h5_open: a path or a file's bytes (a string) expected, got number", support.message(open, 1))
  end)
  it("cannot be used once it is closed", function()
    local f = open(golden .. "keras_mlp.weights.h5")
    local t = f:read("layers/dense/vars/1")
    f:close()
    f:close()
    assert.equal("this HDF5 file was closed", support.message(f.read, f, "x"))
    assert.equal("an HDF5 file expected as self", support.message(f.read, {}, "x"))
    assert.equal(rule(2, 1), t:totable()[3])
  end)
  it("leaves nothing behind when memory is short", function()
    support.each_allocation(function()
      local f <close> = open(golden .. "h5/accept_types_big.h5")
      f:datasets()
      f:children("/")
      f:read("f2")
    end)
    support.each_allocation(function()
      local f <close> = open(golden .. "h5/accept_attributes.h5")
      return f:attribute("/g", "list")
    end)
  end)
end)
