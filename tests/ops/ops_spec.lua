-- Every op in the list, by its samples.
local kl = require "kl"
local gen = require "gen"
local driver = dofile "tests/ops/driver.lua"

local families = {"elementwise", "reduce", "movement", "matmul"}

local samples, owner = {}, {}
for _, family in ipairs(families) do
  for name, list in pairs(dofile("tests/ops/samples/" .. family .. ".lua")) do
    samples[name], owner[name] = list, family
  end
end

local function has(list, test)
  for _, case in ipairs(list) do
    if test(case) then return true end
  end
  return false
end

describe("ops (seed " .. gen.seed .. ")", function()
  local listed = {}
  for i, info in ipairs(kl.core.op_info) do
    listed[info.name] = true
    describe(info.name, function()
      local own = samples[info.name]
      it("has samples", function() assert.is_table(own, "no samples for kl." .. info.name) end)
      if not own then return end

      it("either differentiates or says why not", function()
        assert.is_true(info.differentiable ~= (info.constant ~= nil))
      end)
      it("is documented", function() assert.is_true(#info.doc > 10) end)
      it("is in its place in the list", function() assert.equal(i, kl.core.op_position(info.name)) end)
      it("has a case with every attribute off its default", function()
        assert.same({}, driver.untried_attributes(info, own))
      end)
      it("has a rank-0 or empty case and an error case", function()
        local small = has(driver.cases(own), function(case)
          for _, spec in pairs(case.inputs) do
            if type(spec) ~= "table" then return true end
            local shape = type(spec[1]) == "table" and type(spec[2]) == "number" and spec[1]
            if shape and (#shape == 0 or require "nd".count(shape) == 0) then return true end
            if spec.list or #spec == 0 then return true end
          end
          return next(case.inputs) == nil
        end)
        assert.is_true(small or own.no_small ~= nil, "no rank-0 or empty case")
        assert.is_true(own.errors ~= nil and #own.errors > 0, "no error case")
      end)
      for _, case in ipairs(driver.cases(own)) do
        it("computes " .. driver.describe_case(case), function() driver.run_case(info, case) end)
      end
      for n, sample in ipairs(own.errors or {}) do
        it("refuses bad input " .. n, function()
          local ok, message = pcall(sample[1], kl)
          assert.is_false(ok, "no error was raised")
          assert.matches(sample[2], message)
          assert.matches("^tests/ops/samples/", message, 1, false)
        end)
      end
    end)
  end

  it("have samples for nothing that is not in the list", function()
    for name in pairs(samples) do assert.is_true(listed[name] or false, owner[name] .. ".lua has samples for " .. name) end
  end)
end)
