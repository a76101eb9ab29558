-- kl.print, and what the prompt prints: values as print does, but plain tables by what is in them.
local MOST, DEEPEST = 20, 3 -- entries shown, tables in tables

local show

local function entries(t, depth)
  local parts, names, others = {}, {}, 0
  for i = 1, math.min(#t, MOST) do parts[i] = show(t[i], depth + 1) end
  if #t > MOST then parts[#parts + 1] = ("... (%d in all)"):format(#t) end
  for key in next, t do
    if type(key) == "string" then
      names[#names + 1] = key
    elseif not (math.type(key) == "integer" and key >= 1 and key <= #t) then
      others = others + 1
    end
  end
  table.sort(names)
  for i = 1, math.min(#names, MOST) do
    local key = names[i]:find("^[%a_][%w_]*$") and names[i] or ("[%q]"):format(names[i])
    parts[#parts + 1] = ("%s = %s"):format(key, show(t[names[i]], depth + 1))
  end
  if #names > MOST then parts[#parts + 1] = ("... (%d names in all)"):format(#names) end
  if others > 0 then parts[#parts + 1] = ("... (%d more)"):format(others) end
  return parts
end

function show(value, depth)
  if type(value) == "string" then return depth > 0 and ("%q"):format(value) or value end
  if type(value) ~= "table" or getmetatable(value) ~= nil then return tostring(value) end
  if depth == DEEPEST then return next(value) == nil and "{}" or "{...}" end
  local parts = entries(value, depth)
  local text = table.concat(parts, ", ")
  if text:find("\n") then text = table.concat(parts, ",\n ") end -- tensors of several lines
  return "{" .. text .. "}"
end

return function(...)
  local shown = table.pack(...)
  for i = 1, shown.n do
    if type(shown[i]) == "table" then shown[i] = show(shown[i], 0) end
  end
  print(table.unpack(shown, 1, shown.n))
end
