-- What `kl info` prints: all that a report about speed or results should tell.
local core = require "kl.core"
local version = require "kl.version"

local info = {}

local function mib(bytes) return ("%.0f MiB"):format(bytes / 2 ^ 20) end

--- The facts as a list of {name, value}.
---@return table
function info.facts()
  local device = core.device_info()
  local memory = core.memory_stats()
  local ok, path = pcall(require "kl.datasets.files".find, "mnist/train-images-idx3-ubyte.gz")
  return {
    {"kl", version.kl},
    {"Lua", _VERSION},
    {"processor", device.processor},
    {"kernels", device.cpu .. (os.getenv("KL_CPU") and " (KL_CPU)" or "")},
    {"threads", tostring(device.threads) .. (os.getenv("KL_THREADS") and " (KL_THREADS)" or "")},
    {"OpenBLAS", device.cpu == "baseline" and device.blas or "not needed: kl's own products are faster with " .. device.cpu},
    {"memory limit", mib(memory.limit_bytes)},
    {"MNIST", ok and path or "not found (KL_DATA_PATH)"},
  }
end

function info.print()
  for _, fact in ipairs(info.facts()) do print(("%-18s %s"):format(fact[1], fact[2])) end
end

return info
