-- All operations: the primitives bound from C, and composites written with them (no gradient rule needed).
local core = require "kl.core"

local ops = {}
for name, f in pairs(core.ops) do
  if not name:find("^random_") and name ~= "dropout" and name ~= "sequence" and not name:find("_direction$") then
    ops[name] = f
  end
end

for _, part in ipairs{"create", "array", "statistics", "activation"} do
  for name, f in pairs(require("kl.ops." .. part)) do ops[name] = f end
end

return ops
