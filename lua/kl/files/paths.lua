-- Names of files: whether something is there, and the folder that a file is to lie in.
local core = require "kl.core"

local paths = {}

--- Makes the folder that a file is to lie in, and those above it, where they are missing.
---@param path string
function paths.make_parent(path)
  local folder = path:match("^(.+)/[^/]*$")
  if folder then core.io.make_folder(folder) end
end

---@param path string
---@return boolean # true if something can be opened for reading under that name
function paths.exists(path)
  local file <close> = io.open(path, "rb")
  return file ~= nil
end

return paths
