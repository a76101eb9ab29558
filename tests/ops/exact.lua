-- What the samples of ops that compute nothing share.
local kl = require "kl"

local samples = {}

function samples.ones(...) return kl.broadcast_to(1.0, {...}) end

--- One input x of a shape.
function samples.x(...) return {x = {{...}, -2, 2}} end

--- Cases of one op, and one of each type that is no float, like the second case.
function samples.exact(list)
  local like = list[2]
  for _, dtype in ipairs{"bool", "uint8", "int32", "int64"} do
    local inputs = {}
    for name, spec in pairs(like.inputs) do
      local function typed(s) return {s[1], 0, 100, dtype = dtype} end
      if type(spec) ~= "table" then
        inputs[name] = spec
      elseif spec.list then
        inputs[name] = {list = {}}
        for i, s in ipairs(spec.list) do inputs[name].list[i] = typed(s) end
      else
        inputs[name] = typed(spec)
      end
    end
    list[#list + 1] = {inputs = inputs, options = like.options, reference = like.reference, dtype = dtype}
  end
  for _, case in ipairs(list) do case.ulps = 0 end
  return list
end

--- Cases with the calls that are refused: {function, pattern of the message}.
function samples.with_errors(cases, ...)
  cases.errors = {...}
  return cases
end

return samples
