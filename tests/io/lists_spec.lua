-- Lists of numbers are written as the tensors that they are, in every format of kl.save.
local kl = require "kl"

local formats = {
  npy = {{{1, 2}, {3, 4}}, function(v) return v:totable() end},
  idx = {{{1, 2}, {3, 4}}, function(v) return v:totable() end},
  csv = {{{1, 2}, {3, 4}}, function(v) return v:totable() end},
  npz = {{a = {1, 2}, b = kl.ones{2}}, function(v) return {a = v.a:totable(), b = v.b} end},
  safetensors = {{a = {1, 2}, b = kl.ones{2}}, function(v) return {a = v.a:totable(), b = v.b} end},
  tsv = {{b = {1, 2}, a = {"x", "y"}}, function(v) return {b = v.b:totable(), a = v.a} end},
}

describe("kl.save takes lists of numbers for", function()
  for ending, case in pairs(formats) do
    it(ending, function()
      local path = os.tmpname()
      kl.save(path .. "." .. ending, case[1])
      local got = case[2]((kl.load(path .. "." .. ending)))
      os.remove(path .. "." .. ending)
      os.remove(path)
      if type(got.b) == "userdata" then got.b = case[1].b end
      assert.same(case[1], got)
    end)
  end

  it("and refuses lists that are no array", function()
    for ending in pairs(formats) do
      local path = os.tmpname()
      assert.is_false(pcall(kl.save, path .. "." .. ending, {{1, 2}, {3}}))
      assert.is_nil(io.open(path .. "." .. ending))
      os.remove(path)
    end
  end)
end)
