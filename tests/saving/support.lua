-- What the specs of saving share.
local kl = require "kl"
local tree = require "kl.tree"
local compare = require "compare"
local scratch = require "scratch"
local warnings = require "warnings"

local core = kl.core
local support = {}

local Folder = {}
Folder.__index = Folder
function Folder:remove() self.clear() end
Folder.__close = Folder.remove
function Folder:__tostring() return self.path end
function Folder.__concat(a, b) return tostring(a) .. tostring(b) end

--- A new empty folder that stands for its path; closing or remove() removes it with what is in it.
function support.folder()
  local path, clear = scratch.folder()
  return setmetatable({path = path, clear = clear}, Folder)
end

--- The names in a folder, hidden ones too.
function support.names_in(folder)
  local list = {}
  local pipe <close> = assert(io.popen(("LC_ALL=C ls -A '%s'"):format(folder)))
  for name in pipe:lines() do list[#list + 1] = name end
  return list
end

--- An array from the text of an .npy file of float32 in C order.
function support.npy(text)
  local header_size = string.unpack("<I2", text, 9)
  local header = text:sub(11, 10 + header_size)
  assert(text:sub(1, 8) == "\x93NUMPY\1\0" and header:find("'descr': '<f4', 'fortran_order': False", 1, true), header)
  local shape, n = {}, 1
  for d in header:match("'shape': (%b())"):gmatch("%d+") do
    shape[#shape + 1] = math.tointeger(d)
    n = n * shape[#shape]
  end
  local numbers = {string.unpack("<" .. ("f"):rep(n), text, 11 + header_size)}
  numbers[n + 1] = nil
  return kl.reshape(kl.tensor(numbers, "float32"), shape)
end

--- Tensors in the structure of `like`, with the numbers of nested lists.
function support.tensors(like, numbers)
  if core.kind(like) then return kl.tensor(numbers, like.dtype) end
  local result = {}
  for key, part in pairs(like) do result[key] = support.tensors(part, numbers[key]) end
  return result
end

--- Random inputs for a model: `rows` samples.
function support.inputs(model, rows)
  return tree.map(function(t)
    local shape = {rows or 3}
    for i = 2, #t.shape do shape[i] = t.shape[i] end
    return kl.cast(kl.random.normal(shape), t.dtype)
  end, model.inputs)
end

--- Gives every weight numbers that no initializer gives.
function support.scramble(model)
  for _, v in ipairs(model.weights) do
    local value = kl.cast(kl.random.normal(v.shape), v.dtype)
    v:assign(v.name:find("variance") and kl.abs(value) + 0.5 or value)
  end
  return model
end

--- Asserts that two structures of tensors hold the same bits.
function support.same_bits(got, expected, what)
  local a, b = tree.flatten(got), tree.flatten(expected)
  assert(#a == #b, what)
  assert(tree.form(got) == tree.form(expected), what)
  for i = 1, #b do compare.bits(a[i], b[i], what) end
end

--- Asserts that two models have the same weights and optimizer state, bit by bit.  Paths hold automatic names and may differ.
function support.same_state(got, expected, what)
  local function check(a, b, kind)
    assert(#a == #b, ("%s: %d variables, expected %d"):format(what, #a, #b))
    for i = 1, #b do
      local name, wanted = a[i].path:match("[^/]*$"), b[i].path:match("[^/]*$")
      assert(kind == "slots" or name == wanted, ("%s: variable %d is %s, expected %s"):format(what, i, name, wanted))
      assert(a[i].trainable == b[i].trainable, what .. ": " .. b[i].path .. ": trainable")
      compare.bits(a[i].value, b[i].value, what .. ": " .. b[i].path)
    end
  end
  check(got.weights, expected.weights)
  if expected.optimizer then check(got.optimizer.variables, expected.optimizer.variables, "slots") end
end

--- Runs f and returns what it warned of, one text.
function support.warnings(f) return table.concat(warnings(f), "\n") end

--- The whole content of a file, and the other way round.
function support.read(path)
  local f <close> = assert(io.open(path, "rb"))
  return f:read("a")
end
function support.write(path, text)
  local f <close> = assert(io.open(path, "wb"))
  assert(f:write(text))
end

return support
