--- The names of variables or layers, in one text.
return function(list)
  local names = {}
  for i, x in ipairs(list) do names[i] = x.name end
  return table.concat(names, " ")
end
