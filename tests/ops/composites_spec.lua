-- Every function in lua/kl/ops, by its tests: composites/<module>.lua returns {export = {sentence = function}}, or
-- the name of the spec that has its tests.  An export without one fails.
local names = {}
for line in assert(io.popen("ls lua/kl/ops")):lines() do
  local name = line:match("^(.*)%.lua$")
  if name and not ({init = true, define = true, epsilon = true, to_tensor = true})[name] then -- these are no operations
    names[#names + 1] = name
  end
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

for _, name in ipairs(names) do
  describe("kl.ops." .. name, function()
    local module = require("kl.ops." .. name)
    local tests = dofile("tests/ops/composites/" .. name .. ".lua")

    it("has tests for each of its functions, under one of its names", function()
      for _, export in ipairs(sorted_keys(module)) do
        local tested = false
        for other, f in pairs(module) do tested = tested or f == module[export] and tests[other] ~= nil end
        assert(tested, ("no tests for '%s' of kl.ops.%s"):format(export, name))
      end
    end)
    it("has tests for nothing else", function()
      for _, export in ipairs(sorted_keys(tests)) do assert(module[export] ~= nil, export) end
    end)
    it("makes each of its functions reachable", function()
      local ops = require "kl.ops"
      for export, f in pairs(module) do assert.equal(f, ops[export]) end
    end)
    for _, export in ipairs(sorted_keys(tests)) do
      if type(tests[export]) == "string" then
        it(export .. " has a spec of its own", function() assert(io.open("tests/ops/" .. tests[export])):close() end)
      else
        for _, sentence in ipairs(sorted_keys(tests[export])) do
          it(export .. " " .. sentence, tests[export][sentence])
        end
      end
    end
  end)
end

describe("an argument that is no tensor", function()
  local kl, raises = require "kl", require "raises"
  local x = kl.tensor{1.0, 2.0}
  local calls = {
    {"dot", "x1", "x", x}, {"inner", "x2", x, print}, {"vdot", "x1", "x", x}, {"outer", "x2", x, "x"}, {"tensordot", "x2", x, "x", 1},
    {"solve", "b", x, "x"}, {"gather_nd", "indices", x, "x"}, {"scatter", "values", {{0}}, "x", {3}},
    {"in_top_k", "predictions", {0}, "x", 1}, {"einsum", "operand 2", "i,i", x, "x"}, {"leaky_relu", "x", "x"},
  }
  for _, call in ipairs(calls) do
    it("is refused by the name of kl." .. call[1] .. " and its own", function()
      local words = ("kl%%.%s: '%s' must be a tensor or a number, got "):format(call[1], call[2])
      raises(function() kl[call[1]](table.unpack(call, 3)) end, words)
    end)
  end
end)
