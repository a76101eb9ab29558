-- Every function in lua/kl/ops, by its tests: composites/<module>.lua returns {export = {sentence = function}}, or
-- the name of the spec that has its tests.  An export without one fails.
local names = {}
for line in assert(io.popen("ls lua/kl/ops")):lines() do
  local name = line:match("^(.*)%.lua$")
  if name and not ({init = true, define = true, epsilon = true})[name] then names[#names + 1] = name end -- these are no operations
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
