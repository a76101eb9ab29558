-- Every op in the list, by its samples: what they must contain is in requirements.lua, what is checked in driver.lua.
local kl = require "kl"
local gen = require "gen"
local driver = dofile "tests/ops/driver.lua"
local requirements = dofile "tests/ops/requirements.lua"
local bad_arguments = dofile "tests/ops/bad_arguments.lua"

--- The families: the section comments of the list.
local function read_families()
  local families = {}
  for line in io.lines("src/op/op_list.h") do
    families[#families + 1] = line:match("^/%* (%l+)%f[ :]") -- sections begin in lower case, prose does not
  end
  return families
end

local samples, owner = {}, {}
for _, family in ipairs(read_families()) do
  for name, list in pairs(dofile("tests/ops/samples/" .. family .. ".lua")) do
    assert(not samples[name], name .. " has samples in two files")
    samples[name], owner[name] = list, family
  end
end

local function live_tensors()
  collectgarbage()
  collectgarbage()
  return kl.core.memory_stats().live_tensors
end

local function check_errors(own)
  for n, sample in ipairs(own.errors or {}) do
    it("refuses bad input " .. n, function()
      local ok, message = pcall(sample[1], kl)
      assert.is_false(ok, "no error was raised")
      assert.matches(sample[2], message)
      assert.matches("^tests/ops/samples/%w+%.lua:%d+: kl%.", message)
    end)
  end
end

local function check_types(info, cases)
  for _, dtype in ipairs(requirements.types) do
    it("takes " .. dtype .. " as what it is, or says why not", function()
      local results, message = requirements.probe(driver, info, cases, dtype)
      if message then assert.matches(dtype, message, 1, true) end
      if results and results[1].dtype:find("float") then
        for _, case in ipairs(cases) do driver.check_as_floats(info, case, dtype) end
      end
    end)
  end
end

describe("ops (seed " .. gen.seed .. ")", function()
  local listed = {}
  for i, info in ipairs(kl.core.op_info) do
    listed[info.name] = true
    describe(info.name, function()
      local own = samples[info.name]
      it("has samples", function() assert.is_table(own, "no samples for kl." .. info.name) end)
      if not own then return end
      local cases = driver.cases(own)

      it("either differentiates or says why not", function()
        assert.is_true(info.differentiable ~= (info.constant ~= nil))
        assert.is_true(info.differentiable or #info.constant > 10)
      end)
      it("is documented", function() assert.matches("^.+%.$", info.doc) end)
      it("is in its place in the list", function() assert.equal(i, kl.core.op_position(info.name)) end)
      it("has all the samples it needs", function() assert.same({}, requirements.missing(driver, info, own)) end)
      for _, case in ipairs(cases) do
        it("computes " .. driver.describe_case(case), function() driver.run_case(info, case) end)
      end
      check_types(info, cases)
      check_errors(own)
      it("refuses arguments of the wrong kind, and keeps nothing of them", function()
        gen.restart(info.name)
        local arguments = driver.arguments(cases[1], driver.arrays(cases[1]), "float32")
        local before = live_tensors()
        assert.same({}, bad_arguments.complaints(info, arguments))
        assert.equal(before, live_tensors())
      end)
    end)
  end

  it("have samples for nothing that is not in the list", function()
    for name in pairs(samples) do
      assert.is_true(listed[name] or false, owner[name] .. ".lua has samples for " .. name)
    end
  end)
end)
