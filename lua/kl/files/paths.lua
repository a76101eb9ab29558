-- Files that callbacks write: their folders, whether they are there.
local core = require "kl.core"

local files = {}

--- Makes the folder that a file is to lie in.
function files.make_parent(path)
  local folder = path:match("^(.+)/[^/]*$")
  if folder then core.io.make_folder(folder) end
end

---@return boolean # true if something can be opened under that name
function files.exists(path)
  local file <close> = io.open(path, "rb")
  return file ~= nil
end

return files
