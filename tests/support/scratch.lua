-- Scratch folders of specs.
local scratch = {}

--- A name that nothing has, and a function that removes what is there by then.
function scratch.name()
  local name = os.tmpname()
  os.remove(name)
  return name, function() os.execute(("rm -rf '%s'"):format(name)) end
end

--- A new empty folder, and a function that removes it with what is in it.
function scratch.folder()
  local name, remove = scratch.name()
  assert(os.execute(("mkdir '%s'"):format(name)))
  return name, remove
end

return scratch
