-- Coroutines that give values one after the other: generators of the user's.
local coroutines = {}

--- A function that gives what the coroutine yields next, and nothing once it has ended; what it returns at its end is no value.
---@param thread thread
---@param fail fun(message: any) # raises the coroutine's own error
function coroutines.iterate(thread, fail)
  return function()
    if coroutine.status(thread) == "dead" then return nil end
    local results = table.pack(coroutine.resume(thread))
    if not results[1] then fail(results[2]) end
    if coroutine.status(thread) == "dead" then return nil end
    return table.unpack(results, 2, results.n)
  end
end

--- Ends a coroutine that has not ended, with the variables that are to be closed in it.
---@param thread thread
function coroutines.close(thread)
  if coroutine.status(thread) ~= "suspended" then return end
  local ok, message = coroutine.close(thread)
  if not ok then error(message, 0) end
end

return coroutines
