-- What passes do to a step, as KL_DEBUG=2 shows it, and that what always holds of a step is checked after each.
local kl = require "kl"
local program = require "program"

--- How many times the words stand in what is printed of the last plan after that stage.
local function count(text, stage, words)
  local part = text:match(".*plan after " .. stage .. ":(.-)\nplan after") or text:match(".*plan after " .. stage .. ":(.*)")
  assert.is_string(part, text)
  return select(2, part:gsub(words, ""))
end

local function debug(text) return (program.run("local kl = require 'kl'\n" .. text, nil, "KL_DEBUG=2")) end

describe("equal operations of a step", function()
  it("run once, also where other equal ones are their operands", function()
    local text = debug[[
      local f = kl.jit(function(x)
        local function g() return kl.sum(kl.matmul(x, kl.transpose(x)), 1) end
        return g() + g() - kl.sum(kl.matmul(x, kl.transpose(x)), 2) -- another axis
      end)
      print(table.concat(f(kl.tensor{{1.0, 2.0}, {3.0, 4.0}}):totable(), " "))
    ]]
    assert.same({3, 1}, {count(text, "lowering", "= matmul%("), count(text, "dead code", "= matmul%(")})
    assert.same({3, 2}, {count(text, "lowering", "= sum%("), count(text, "dead code", "= sum%(")})
    assert.matches("\n16.0 36.0\n", text)
  end)

  it("of different windows on one tensor are two", function()
    local f = kl.jit(function(x) return kl.exp(x[1]) - kl.exp(x[2]), kl.sum(x[1]) - kl.sum(x[2]), kl.exp(x) - kl.exp(kl.flip(x, 1)) end)
    local a, b, c = f(kl.tensor{{0.0, 0.0}, {1.0, 1.0}})
    assert.same({-2.0, -2.0}, {b:item() , kl.sum(kl.sign(a)):item()})
    assert.same({{-1.0, -1.0}, {1.0, 1.0}}, kl.sign(c):totable())
  end)

  it("of two versions of a variable are two, and so are two draws, two numbers and two results", function()
    local text = debug[[
      local v = kl.Variable{1.0, 4.0}
      local f = kl.jit(function()
        local before = kl.exp(kl.log(v))
        v:assign_add(kl.ones{2})
        local a, b = kl.random.uniform{3}, kl.random.uniform{3}
        local p, q = kl.sqrt(v * 2), kl.sqrt(v * 2)
        return before, kl.exp(kl.log(v)), a, b, p, q
      end)
      f()
    ]]
    assert.equal(2, count(text, "dead code", "= log%("))
    assert.equal(2, count(text, "dead code", "= random_uniform%("))
    assert.equal(2, count(text, "dead code", "= multiply%(.- number"))
    assert.equal(2, count(text, "dead code", "= sqrt%("))
  end)

  it("that may refuse a value refuse as one", function()
    local output = debug[[
      local t = kl.ones{3}
      local f = kl.jit(function(i) return kl.take(t, i) + kl.take(t, i) * kl.sum(kl.take(t, i)) end)
      print(f(kl.tensor{1, 2}):totable()[1])
      print(pcall(f, kl.tensor{1, 7}))
    ]]
    assert.equal(1, count(output, "dead code", "= take%("))
    assert.matches("\n3.0\n", output)
    assert.matches("false\t[^\n]*kl.take: index 7 at position 1", output)
  end)
end)

describe("KL_DEBUG", function()
  it("= 2 prints every item between the passes: what it reads and where its result lies", function()
    local text = debug[[
      local v, x = kl.Variable(kl.ones{2, 3}), kl.ones{2, 3}
      kl.jit(function(t)
        v:assign_add(kl.flip(t, 2) * 0.5)
        return kl.sum(v)
      end)(x)
    ]]
    for _, line in ipairs{
      "plan after lowering: 3 items\n  input 0: float32 %(2, 3%)\n  variable 0: float32 %(2, 3%)\n",
      "= multiply%(input 0%[2:3, 3:%-1 from 2%], number 0%)\n",
      "plan after placing: 3 items in 2 groups, 0 bytes of arena\n",
      "  0: %%%d+ float32 %(2, 3%) = add%(variable 0, %%%d+%); variable 0, in place\n",
      "  1: %%%d+ float32 %(%) = sum%(%%%d+, 0 1, none%); result 0\n",
    } do
      assert.matches(line, text)
    end
    for _, stage in ipairs{"lowering", "common subexpressions", "dead code", "scheduling", "joining products", "placing"} do
      assert.matches("plan after " .. stage .. ": ", text)
    end
  end)

  it("= 1 prints nothing and checks the plans of random programs", function()
    local output = program.shell(("cd %s; KL_DEBUG=1 KL_PROGRAMS=200 %s run tests/run.lua tests/graph/random_programs_spec.lua")
      :format(program.quote(program.root), program.quote(program.kl)))
    assert.matches("%f[%d]2 passed, 0 failed", output)
    assert.is_nil(output:find("plan after", 1, true))
  end)
end)
