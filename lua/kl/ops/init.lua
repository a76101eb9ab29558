-- All operations: the primitives bound from C, and composites written with them (no gradient rule needed).
local core = require "kl.core"

-- Parts of layers, losses, optimizers and gradient rules: no business of a script's.
local internal = {dropout = true, sequence = true, subtract_one_hot = true, rmsprop_update = true, rmsprop_direction = true,
  adam_update = true, adam_direction = true}

local ops = {}
for name, f in pairs(core.ops) do
  if not name:find("^random_") and not internal[name] then ops[name] = f end
end

for _, part in ipairs{"create", "array", "elementwise", "statistics", "sorting", "selection", "places", "matrix", "linear", "activation"} do
  for name, f in pairs(require("kl.ops." .. part)) do ops[name] = f end
end

return ops
