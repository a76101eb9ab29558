-- Small random programs over variables and inputs, as Lua text.  A statement is tried as it is written, so that the
-- generator knows the shape and dtype of every value and leaves out what is an error.
local kl = require "kl"
local gen = require "gen"

local program_gen = {}

local shapes = {{}, {}, {1}, {3}, {3}, {2, 3}, {2, 3}, {3, 3}, {1, 3}, {2, 1}, {0, 3}, {0}, {2, 3, 2}, {4, 1, 3}}
local large = {{}, {300}, {90, 300}, {90, 300}, {90, 1}, {300, 90}, {300, 300}, {1, 300}}

local function pick(list) return list[gen.integer(1, #list)] end
local function chance(p) return gen.uniform() < p end

local function list_text(list) return "{" .. table.concat(list, ", ") .. "}" end

--- A description {shape, dtype, layout} of an input; layouts other than "plain" are made by program_gen.inputs.
local function new_input(sizes)
  local dtype = chance(0.65) and "float32" or pick{"float64", "int32", "bool", "int64"}
  return {shape = pick(sizes), dtype = dtype, layout = chance(0.6) and "plain" or pick{"transposed", "window", "flipped"}}
end

local function make_tensor(spec, mirrored)
  local shape = {}
  for i, n in ipairs(spec.shape) do shape[mirrored and #spec.shape - i + 1 or i] = n end
  local count = 1
  for _, n in ipairs(shape) do count = count * n end
  local x
  if count > 1000 then
    x = kl.sin(kl.arange(count) * (1 + gen.uniform())) * 2
  else
    local list = {}
    for i = 1, count do list[i] = math.floor(gen.uniform() * 17 - 8) / 4 end
    x = count > 0 and kl.tensor(list) or kl.zeros{0}
  end
  if spec.dtype == "bool" then x = kl.greater(x, 0) end
  return kl.cast(x, spec.dtype):reshape(shape)
end

--- Fresh tensors for one call.
function program_gen.inputs(specs)
  local inputs = {}
  for i, spec in ipairs(specs) do
    local t = make_tensor(spec, spec.layout == "transposed")
    if spec.layout == "transposed" then t = kl.transpose(t)
    elseif spec.layout == "flipped" and #spec.shape > 0 then t = kl.flip(t)
    elseif spec.layout == "window" and #spec.shape > 0 then
      t = kl.concatenate({t, t}, {axis = -1})
      local starts = {}
      for axis = 1, #spec.shape do starts[axis] = 1 end
      t = kl.slice(t, starts, spec.shape)
    end
    inputs[i] = t
  end
  return inputs
end

function program_gen.variables(specs)
  local variables = {}
  for i, spec in ipairs(specs) do variables[i] = kl.Variable(make_tensor(spec), {trainable = spec.trainable}) end
  return variables
end

local unary = {"negative", "abs", "sign", "square", "exp", "tanh", "sigmoid", "relu", "floor", "sin", "softplus", "isnan", "sqrt",
  "log1p", "stop_gradient", "copy"}
local binary = {"add", "subtract", "multiply", "divide", "minimum", "maximum", "less", "equal", "greater_equal", "logical_and",
  "add", "multiply", "subtract"}

--- What a statement may be: each gives the text of an expression, or nothing.  `a()` is the name of a value.
local function expressions(p)
  local function a(test)
    for _ = 1, 8 do
      local name = chance(0.6) and #p.names > 6 and p.names[gen.integer(#p.names - 5, #p.names)] or pick(p.names)
      if not test or test(p.info[name]) then return name end
    end
    return pick(p.names)
  end
  local function is_float(i) return i.dtype:find("float") ~= nil end
  local function has_axes(i) return #i.shape > 0 end
  local function axis(name) return gen.integer(1, math.max(1, #p.info[name].shape)) end
  local function number() return pick{"2", "0.5", "-1.25", "3", "1e-3", "0"} end
  return {
    {4, function() return ("kl.%s(%s)"):format(pick(unary), a()) end},
    {6, function() return ("kl.%s(%s, %s)"):format(pick(binary), a(), a()) end},
    {3, function() return ("%s %s %s"):format(a(), pick{"+", "*", "-", "/", "^"}, number()) end},
    {1, function() return ("%s - %s"):format(number(), a()) end},
    {1, function() return ("kl.clip(%s, -1, %s)"):format(a(), pick{"1", "0.75"}) end},
    {2, function() return ("kl.where(%s, %s, %s)"):format(a(function(i) return i.dtype == "bool" end), a(), a()) end},
    {2, function() return ("kl.cast(%s, \"%s\")"):format(a(), pick{"float32", "float64", "int32", "bool"}) end},
    {2, function()
      local x = a(has_axes)
      return ("kl.%s(%s, {axis = %d, keepdims = %s})"):format(pick{"sum", "mean", "max", "min"}, x, axis(x),
        tostring(chance(0.5)))
    end},
    {2, function() return ("kl.%s(%s)"):format(pick{"sum", "mean", "sum", "any"}, a()) end},
    {1, function()
      local x = a(has_axes)
      return ("kl.%s(%s, {axis = %d})"):format(pick{"softmax", "cumsum", "log_softmax", "argmax"}, x, axis(x))
    end},
    {2, function()
      local x = a(function(i) return #i.shape == 2 end)
      local y = chance(0.5) and a(function(i) return #i.shape == 2 end) or ("kl.transpose(%s)"):format(chance(0.5) and x or a())
      return ("kl.matmul(%s, %s)"):format(x, y)
    end},
    {2, function() return ("kl.transpose(%s)"):format(a(has_axes)) end},
    {2, function() return ("kl.flip(%s, %d)"):format((function(x) return x, axis(x) end)(a(has_axes))) end},
    {1, function() return ("kl.reshape(%s, {-1})"):format(a()) end},
    {1, function()
      local x = a(function(i) return #i.shape == 2 end)
      local s = p.info[x].shape
      return ("kl.reshape(%s, %s)"):format(x, list_text{s[2] or 1, s[1] or 1})
    end},
    {1, function() return ("kl.expand_dims(%s, %d)"):format((function(x) return x, axis(x) end)(a())) end},
    {1, function()
      local x = a()
      local shape = {table.unpack(p.info[x].shape)}
      if #shape > 2 then return nil end
      table.insert(shape, 1, 2)
      return ("kl.broadcast_to(%s, %s)"):format(x, list_text(shape))
    end},
    {2, function()
      local x = a(has_axes)
      local starts, shape = {}, {}
      for i, n in ipairs(p.info[x].shape) do
        starts[i] = gen.integer(1, math.max(1, n))
        shape[i] = gen.integer(0, math.max(0, n - starts[i] + 1))
        if chance(0.5) then starts[i], shape[i] = 1, n end
      end
      return ("kl.slice(%s, %s, %s)"):format(x, list_text(starts), list_text(shape))
    end},
    {1, function() return ("kl.concatenate({%s, %s}, {axis = 1})"):format(a(has_axes), a(has_axes)) end},
    {1, function() return ("kl.take(%s, kl.tensor{1, 2, 1}, {axis = -1})"):format(a(has_axes)) end},
    {1, function() return ("kl.one_hot(kl.argmax(%s, {axis = 1}), 3)"):format(a(has_axes)) end},
    {1, function() return ("kl.random.dropout(%s, 0.5)"):format(a(is_float)) end},
    {1, function() return ("kl.random.uniform{%d}"):format(gen.integer(0, 4)) end},
    {2, function() return ("v[%d].value"):format(gen.integer(1, p.nvariables)) end},
    {3, function() return ("v[%d] %s %s"):format(gen.integer(1, p.nvariables), pick{"+", "*", "-"}, a()) end},
    {1, function() return ("kl.transpose(v[%d])"):format(gen.integer(1, p.nvariables)) end},
    {1, function()
      return ("%s * %s:item()"):format(a(), a(function(i) return #i.shape == 0 and i.dtype == "float32" end))
    end},
  }
end

--- Runs the text in the environment of what was made so far; false if it is an error.
local function try(p, text, name)
  local f = assert(load(("local kl, v = ...; %s"):format(text), text, "t", p.env))
  if not pcall(f, kl, p.env.v) then return false end
  p.lines[#p.lines + 1] = name and "local " .. text or text
  if name then
    p.names[#p.names + 1] = name
    local t = p.env[name]
    p.info[name] = {shape = t.shape, dtype = t.dtype}
  end
  return true
end

local function is_float(p, name) return p.info[name].dtype:find("float") ~= nil end

local function total(shape)
  local n = 1
  for _, d in ipairs(shape) do n = n * d end
  return n
end

--- One more statement.
local function add_statement(p, kinds, weight)
  local n = #p.lines + 1
  local r = gen.uniform()
  if r < 0.14 then
    local v, x = gen.integer(1, p.nvariables), pick(p.names)
    local what = chance(0.15) and ("v[%d]"):format(gen.integer(1, p.nvariables)) or chance(0.1) and "0.5" or x
    try(p, ("v[%d]:%s(%s)"):format(v, pick{"assign", "assign_add", "assign_sub"}, what))
  elseif r < 0.18 and #p.open < 2 then
    local tape = "tape" .. n
    if try(p, ("%s = kl.GradientTape{persistent = %s}"):format(tape, tostring(chance(0.3)))) then
      p.lines[#p.lines] = ("local %s <close> = kl.GradientTape{persistent = %s}"):format(tape, p.lines[#p.lines]:match("true") or "false")
      p.open[#p.open + 1] = tape
    end
  elseif r < 0.30 and #p.open > 0 then
    local target, source = pick(p.names), gen.integer(1, p.nvariables)
    local tape = pick(p.open)
    if is_float(p, target) then
      local g = "g" .. n
      try(p, ("%s = %s:gradient(kl.sum(%s), v[%d], {unconnected_gradients = \"zero\"})"):format(g, tape, target, source), g)
    end
  else
    local at = gen.uniform() * weight
    for _, kind in ipairs(kinds) do
      at = at - kind[1]
      if at <= 0 then
        local text = #p.texts > 0 and chance(0.12) and pick(p.texts) or kind[2]() -- again
        local name = "a" .. n
        if text and try(p, name .. " = " .. text, name) then
          p.texts[#p.texts + 1] = text
          if total(p.info[name].shape) > p.most then -- nothing may grow without end
            p.names[#p.names] = nil
          end
        end
        return
      end
    end
  end
end

--- The program with that seed: {text, function(kl, v, x) -> list, inputs, variables: descriptions}.
function program_gen.program(seed)
  gen.restart("program " .. seed)
  local is_large = seed % 40 == 0
  local sizes = is_large and large or shapes
  local p = {lines = {}, names = {}, info = {}, env = {}, open = {}, texts = {}, inputs = {}, variables = {},
    most = is_large and 1e5 or 200}
  p.nvariables = gen.integer(1, 3)
  for i = 1, gen.integer(1, 3) do p.inputs[i] = new_input(sizes) end
  for i = 1, p.nvariables do
    p.variables[i] = {shape = pick(sizes), dtype = chance(0.85) and "float32" or pick{"float64", "int32"}, trainable = chance(0.9)}
  end
  kl.set_seed(seed)
  p.env.v = program_gen.variables(p.variables)
  local x = program_gen.inputs(p.inputs)
  p.env.x = x
  for i = 1, #x do try(p, ("x%d = x[%d]"):format(i, i), "x" .. i) end
  local kinds, weight = expressions(p), 0
  for _, kind in ipairs(kinds) do weight = weight + kind[1] end
  for _ = 1, gen.integer(4, 36) do add_statement(p, kinds, weight) end
  local results = {}
  for i = 1, gen.integer(0, 4) do
    results[i] = chance(0.2) and ("v[%d].value"):format(gen.integer(1, p.nvariables)) or pick(p.names)
  end
  if #results > 0 and chance(0.2) then results[#results + 1] = results[1] end
  if #results > 0 and chance(0.1) then results[#results + 1] = ("kl.reshape(%s, {-1})"):format(results[1]) end
  p.lines[#p.lines + 1] = ("return {%s}"):format(table.concat(results, ", "))
  for i = #p.open, 1, -1 do getmetatable(p.env[p.open[i]]).__close(p.env[p.open[i]]) end
  local text = "local kl, v, x = ...\n" .. table.concat(p.lines, "\n")
  return {text = text, run = assert(load(text, "=program")), inputs = p.inputs, variables = p.variables, large = is_large}
end

return program_gen
