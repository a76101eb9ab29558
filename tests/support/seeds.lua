-- A helper of busted: every file, block and test begins from a seed made of its own name.  So what is drawn in it is the same in
-- every run, alone and among the others, in whatever order the tests are.
local busted = require "busted"

local function name_of(element)
  local parent = busted.parent(element)
  return (parent and name_of(parent) .. " " or "") .. tostring(element.name)
end

local function seed(element)
  local n = 5381
  for byte in name_of(element):gmatch(".") do n = (n * 33 + byte:byte()) & 0x7fffffff end
  require "kl".set_seed(n)
  return nil, true
end

for _, kind in ipairs{"file", "describe", "test"} do busted.subscribe({kind, "start"}, seed) end
