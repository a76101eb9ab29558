-- Names that users of other libraries bring along: those that are ops here, and those that errors explain.
local kl = require "kl"
local raises = require "raises"

describe("an op that others call by another name", function()
  it("has that name too, as a function and as a method", function()
    local t = kl.tensor{{1.0, -2.0}, {3.0, 4.0}}
    for name, own in pairs{cat = "concatenate", mm = "matmul", clamp = "clip", clip_by_value = "clip", eq = "equal", ne = "not_equal",
      lt = "less", le = "less_equal", gt = "greater", ge = "greater_equal", unsqueeze = "expand_dims", detach = "stop_gradient",
      clone = "copy", reduce_any = "any", reduce_all = "all", reduce_std = "std", reduce_variance = "var", reduce_logsumexp = "logsumexp",
      reduce_sum = "sum", flatten = "ravel", concat = "concatenate", asin = "arcsin"} do
      assert(kl[name], name)
      assert.equal(t[own], t[name])
    end
    assert.same({{false, true}, {false, false}}, t:lt(0):totable())
    assert.same({{1, 0}, {2, 2}}, t:clamp(0, 2):totable())
    assert.same({4, 2}, kl.cat({t, t}, 1).shape)
    assert.equal("int64", kl.convert_to_tensor({1, 2}, "int64").dtype)
    assert.equal("float64", kl.tensor({1, 2}, {dtype = "float64"}).dtype)
  end)
end)

describe("an error about a name known from elsewhere", function()
  local t, v = kl.ones{2}, kl.Variable{1.0}
  local fig = kl.plot.figure{}
  local cases = {
    {function() return kl.range end, "there is no kl.range: use kl.arange"},
    {function() return kl.constant(1) end, "there is no kl.constant: use kl.tensor%(data, dtype%)"},
    {function() return kl.random.rand(2) end, "there is no function 'rand' in kl.random: use kl.random.uniform"},
    {function() return t:numpy() end, "a tensor has no method or property 'numpy': use t:totable%(%), t:item%(%)"},
    {function() return t:view(-1) end, "'view': use t:reshape"},
    {function() return v:add_(1) end, "a variable has no method or property 'add_': use v:assign_add"},
    {function() return v:numpy() end, "a variable has no method or property 'numpy': use t:totable"},
    {function() fig:plot{1, 2} end, "figures have no method 'plot': use fig:line"},
    {function() fig[1]:set_title("x") end, "axes have no method 'set_title': use axes:configure"},
    {function() kl.plot.imshow{1} end, "there is no function 'imshow' in kl.plot: use fig:image%(picture%) or fig:heatmap%(matrix%)"},
  }
  it("says what does the same", function()
    for _, case in ipairs(cases) do raises(case[1], case[2]) end
  end)

  it("names the nearest where the name is known from nowhere", function()
    raises(function() return t:mena() end, "no method or property 'mena'; did you mean 'mean'%?")
    raises(function() return v:asign(1) end, "no method or property 'asign'; did you mean 'assign'%?")
    raises(function() return v:reshpe(1) end, "no method or property 'reshpe'; did you mean 'reshape'%?")
    raises(function() fig:lien{1} end, "figures have no method 'lien'; did you mean 'line'%?")
    raises(function() return fig[1].tuoched end, "axes have no method 'tuoched'")
  end)

  it("sends nobody to a name that does not exist", function()
    local elsewhere = require "kl.elsewhere"
    for family, names in pairs(elsewhere.families) do
      for name, text in pairs(names) do
        local found = family == "kl.tensor" and (pcall(function() return t[name] end)) or family == "kl" and rawget(kl, name) ~= nil
          or family == "kl.random" and rawget(kl.random, name) ~= nil
        assert(not found, family .. "." .. name .. " is explained, and exists")
        for part, used in text:gmatch("kl%.([%w_]+)%.?([%w_]*)") do
          local value = kl[part]
          if used ~= "" then assert(value[used] ~= nil, text) end
        end
        for used in text:gmatch("[^%w]t:([%w_]+)") do assert(t[used] ~= nil, text) end
        for used in text:gmatch("fig:([%w_]+)") do assert(fig[used] ~= nil, text) end
      end
    end
  end)

  it("is raised by a data set that is taken for an iterator", function()
    raises(function()
      for _ in kl.data.Dataset.range(3) do end
    end, "a data set is not an iterator: loop over ds:each%(%)")
  end)
end)
