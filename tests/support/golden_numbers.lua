--- The golden cases of a family (losses, metrics), lists by class; see tests/golden/README.md.
return function(family)
  local json = require "kl".json
  local file <close> = assert(io.open(("tests/golden/keras_numbers/%s.json"):format(family)))
  local by_class = {}
  for _, entry in ipairs(json.decode(file:read("a"))) do
    local name = entry.case.object.class_name
    by_class[name] = by_class[name] or {}
    table.insert(by_class[name], entry)
  end
  return by_class
end
