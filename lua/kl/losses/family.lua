-- A family of losses: each is a function of per-sample values, once with options for whoever calls it, once as a class.
local define = require "kl.ops.define"
local Loss = require "kl.losses.loss"

--- An empty family; `raw` has the functions with all arguments by position, which is how the classes and metrics call them.
---@return table # functions, classes, raw
return function()
  local family = {functions = {}, classes = {}, raw = {}}

  --- Adds kl.losses.<name>(y_true, y_pred, ...), whose further arguments have the defaults of `params` and may be given as a last
  --- table of options.
  function family.add_function(name, f, params)
    family.raw[name] = f
    family.functions[name] = define("kl.losses." .. name, {"y_true", "y_pred", table.unpack(params or {})}, f)
  end

  --- Adds the function, and the class that takes those arguments as options.
  ---@return table # the class
  function family.add(class_name, name, f, params)
    family.add_function(name, f, params)
    family.classes[class_name] = Loss.of(class_name, f, params)
    return family.classes[class_name]
  end

  return family
end
