-- Finding data files: in KL_DATA_PATH, beside the source tree's program, or where `make install` put them.
local core = require "kl.core"
local errors = require "kl.errors"
local paths = require "kl.files.paths"

local files = {}

local function folders()
  local list = {}
  for path in (os.getenv("KL_DATA_PATH") or ""):gmatch("[^:]+") do list[#list + 1] = path end
  local here = core.program_folder()
  if here then
    for _, relative in ipairs{"/../data", "/../share/kl/data", "/../../../share/kl/data"} do list[#list + 1] = here .. relative end
  end
  return list
end

--- The path of a bundled file, or an error that says where it was looked for.
---@param name string # "mnist/train-images-idx3-ubyte.gz"
---@return string
function files.find(name)
  local tried = folders()
  for _, folder in ipairs(tried) do
    local path = folder .. "/" .. name
    if paths.exists(path) then return path end
  end
  errors.fail("the data file %s was not found in %s; set KL_DATA_PATH to the folder that contains it", name,
    #tried > 0 and table.concat(tried, ", ") or "any known place")
end

return files
