-- Gradients: GradientTape and what stands around it (keras-semantics 14).
local core = require "kl.core"
local args = require "kl.args"
local errors = require "kl.errors"
local ops = require "kl.ops"
local tree = require "kl.tree"

local grad = {}

local tape_params = args.params{{"persistent", false}, {"watch_accessed_variables", true}}
local tape_defaults = args.read("GradientTape", tape_params)

--- Records operations on watched tensors from now on until the tape is closed:
---   local tape <close> = kl.GradientTape()
--- Trainable variables are watched when they are read.
---@param options? table # persistent = false, watch_accessed_variables = true
---@return kl.GradientTape
function grad.GradientTape(options)
  local o = options == nil and tape_defaults or args.read("GradientTape", tape_params, options)
  return core.tape(o.persistent, o.watch_accessed_variables)
end

local Tape = core.tape_methods

--- Watches a tensor, a variable, or a structure of them.  Only floats can be watched.
function Tape:watch(structure)
  if structure == nil then errors.fail("watch: a tensor or variable expected, got nil") end
  for _, leaf in ipairs(tree.flatten(structure)) do
    if not Tape._watch(self, leaf) then
      core.warn("watch: a tensor of " .. leaf.dtype .. " has no gradient: only floats do")
    end
  end
end

local gradient_params = args.params{{"output_gradients"}, {"unconnected_gradients", "none"}}
local gradient_defaults = args.read("gradient", gradient_params)

--- The gradient of the sum of `target` (a tensor or a list) with respect to `sources`, in the structure of sources.
--- Where no path leads from a source to the target: nil for a single source, false in a structure, zeros with
--- unconnected_gradients = "zero".
---@param options? table # output_gradients: one weight per target (a vector-Jacobian product); unconnected_gradients
function Tape:gradient(target, sources, options)
  local o = options == nil and gradient_defaults or args.read("gradient", gradient_params, options)
  if target == nil or sources == nil then
    errors.fail("gradient: a %s expected, got nil",
      target == nil and "target (a tensor or a list)" or "source (a tensor, a variable or a structure)")
  end
  local targets, seeds = tree.flatten(target), {}
  if o.output_gradients ~= nil then
    seeds = tree.flatten(o.output_gradients)
    if #seeds ~= #targets then
      errors.fail("gradient: output_gradients has %d entries for %d targets", #seeds, #targets)
    end
  end
  if o.unconnected_gradients ~= "none" and o.unconnected_gradients ~= "zero" then
    errors.fail("gradient: unconnected_gradients must be \"none\" or \"zero\", got %s",
      errors.show(o.unconnected_gradients))
  end
  local list = core.leaves(sources) -- nil if they are nested deeper
  local leaves = list or tree.flatten(sources)
  local results = Tape._gradient(self, targets, leaves, seeds)
  if o.unconnected_gradients == "zero" then
    for i, g in ipairs(results) do
      if not g then results[i] = ops.zeros_like(leaves[i]) end
    end
  end
  if tree.is_leaf(sources) then return results[1] or nil end
  return list and results or tree.pack(sources, results)
end

local jacobian_params = args.params{{"unconnected_gradients", "none"}}

local function read_unconnected(what, options)
  local o = args.read(what, jacobian_params, options)
  if o.unconnected_gradients ~= "none" and o.unconnected_gradients ~= "zero" then
    errors.fail("%s: unconnected_gradients must be \"none\" or \"zero\", got %s", what, errors.show(o.unconnected_gradients))
  end
  return o.unconnected_gradients == "zero"
end

--- A tensor or variable whose shape is known.
local function check_known(what, role, t)
  if not core.kind(t) then
    errors.fail("%s: %s must be one tensor or variable, got %s", what, role, errors.show(t))
  end
  if not core.size(t) then
    errors.fail("%s: %s has a shape that is not known, %s", what, role, core.shape_text(t))
  end
  return t
end

local function joined_shape(what, ...)
  local shape = {}
  for _, part in ipairs{...} do table.move(part, 1, #part, #shape + 1, shape) end
  if #shape > 8 then errors.fail("%s: the result would have %d axes, the largest rank is 8", what, #shape) end
  return shape
end

--- One sweep of the tape for each element of a target whose shape is `inner`, and `target`'s without the axes that come
--- first: {gradients by source} per element.  The tape's nodes are those of the beginning in every sweep, though a
--- persistent tape may record what the sweeps do; afterwards it is as if one gradient had been asked.
local function sweep_elements(tape, target, inner, sources)
  local n, rows = 1, {}
  for _, length in ipairs(inner) do n = n * length end
  local nodes = tape:_count()
  if n == 0 then rows[1] = Tape._gradient(tape, {target}, sources, {}, nodes) end -- which paths there are
  local positions = ops.arange(n)
  for i = 1, n do -- the element's number is a scalar of the graph: a step does the same for each
    local chosen = ops.reshape(ops.cast(ops.equal(positions, i - 1), target.dtype), inner)
    rows[i] = Tape._gradient(tape, {target}, sources, {chosen}, nodes)
  end
  tape:_use()
  return n, rows
end

--- The gradients by one source, along a new axis; false where there is no path.
local function stack_rows(n, rows, s, source, axis)
  local list, found = {}, false
  for i, row in ipairs(rows) do
    list[i], found = row[s], found or row[s] ~= false
  end
  if not found then return false end
  for i, g in ipairs(list) do list[i] = g or ops.zeros_like(source) end
  if n == 0 then return ops.zeros{0, dtype = source.dtype} end
  return ops.stack(list, axis)
end

--- The derivative of every element of `target` by every element of the sources: of shape target's shape followed by the
--- source's, in the structure of sources.  Takes one reverse sweep for each element of target, and the place of one
--- gradient.  Where no path leads from a source to the target: as tape:gradient.
---@param target kl.Tensor
---@param options? table # unconnected_gradients = "none" or "zero"
function Tape:jacobian(target, sources, options)
  local what = "jacobian"
  local zeros = read_unconnected(what, options)
  if sources == nil then errors.fail("jacobian: source (a tensor, a variable or a structure) expected, got nil") end
  check_known(what, "the target", target)
  local leaves, shapes, results = tree.flatten(sources), {}, {}
  for i, source in ipairs(leaves) do
    check_known(what, "source " .. i, source)
    shapes[i] = joined_shape(what, target.shape, source.shape)
  end
  local n, rows = sweep_elements(self, target, target.shape, leaves)
  for i, source in ipairs(leaves) do
    local g = stack_rows(n, rows, i, source, 1)
    if g then
      results[i] = ops.reshape(g, shapes[i])
    else
      results[i] = zeros and ops.zeros{shapes[i], dtype = source.dtype}
    end
  end
  if tree.is_leaf(sources) then return results[1] or nil end
  return tree.pack(sources, results)
end

--- The Jacobian of each example by itself: target (b, ...t) and source (b, ...s) give (b, ...t, ...s).  Each example of
--- target must depend on its own example of source only: the sum over the batch is differentiated, so one reverse sweep
--- for each element of t is enough.  nil where there is no path.
---@param target kl.Tensor
---@param source kl.Tensor
---@param options? table # unconnected_gradients = "none" or "zero"
function Tape:batch_jacobian(target, source, options)
  local what = "batch_jacobian"
  local zeros = read_unconnected(what, options)
  check_known(what, "the target", target)
  check_known(what, "the source", source)
  local of, by = target.shape, source.shape
  if #of == 0 or #by == 0 or of[1] ~= by[1] then
    errors.fail("batch_jacobian: target of shape %s and source of shape %s must have a first axis of the same length",
      core.shape_text(target), core.shape_text(source))
  end
  local inner = {table.unpack(of, 2)}
  local shape = joined_shape(what, of, {table.unpack(by, 2)})
  local n, rows = sweep_elements(self, target, inner, {source})
  local g = stack_rows(n, rows, 1, source, 2)
  if g then return ops.reshape(g, shape) end
  return zeros and ops.zeros{shape, dtype = source.dtype} or nil
end

--- Gives a function its own gradient.  `f` returns its value (a tensor or a list) and a function that gets one upstream
--- gradient per value and returns one gradient per tensor argument (a single one, or a list; false for none).  If f reads
--- variables, that function gets them as a last argument, a list, and returns their gradients as a second list.
---@param f function
---@return function
function grad.custom_gradient(f)
  if type(f) ~= "function" then errors.fail("custom_gradient: a function expected, got %s", errors.show(f)) end
  return function(...)
    local arguments = {...}
    local inputs = {}
    for i = 1, select("#", ...) do
      if core.kind(arguments[i]) then
        inputs[#inputs + 1] = arguments[i]
      end
    end
    local value, rule, variables
    do
      local pause <close> = core.pause_tapes()
      local probe <close> = core.tape(true, true)
      value, rule = f(...)
      variables = probe:watched_variables()
      probe:reset()
      local _ = pause
    end
    if value == nil or type(rule) ~= "function" then
      errors.fail("custom_gradient: the function must return its value and a gradient function, got %s",
        errors.show(rule) .. (value == nil and " and no value" or ""))
    end
    local own = {}
    for _, input in ipairs(inputs) do own[input] = true end
    local extra = {}
    for _, v in ipairs(variables) do
      if not own[v] then extra[#extra + 1] = v end
    end
    local values = tree.flatten(value)
    local all = {table.unpack(inputs)}
    for _, v in ipairs(extra) do all[#all + 1] = v end
    local outputs = core.custom(values, all, function(...)
      local upstream = {...}
      for i, g in ipairs(upstream) do
        if not g then upstream[i] = ops.zeros_like(values[i]) end
      end
      if #extra > 0 then upstream[#upstream + 1] = extra end
      local gradients, of_variables = rule(table.unpack(upstream))
      if tree.is_leaf(gradients) then gradients = {gradients} end
      if #gradients ~= #inputs then
        errors.fail("custom_gradient: the gradient function returned %d gradients for %d tensor arguments", #gradients, #inputs)
      end
      local list = {table.unpack(gradients, 1, #inputs)}
      if #extra > 0 then
        if type(of_variables) ~= "table" or #of_variables ~= #extra then
          errors.fail("custom_gradient: the function reads %d variables: their gradients must be returned as a second list", #extra)
        end
        for _, g in ipairs(of_variables) do list[#list + 1] = g end
      end
      return list
    end)
    if tree.is_leaf(value) then return outputs[1] end
    return tree.pack(value, outputs)
  end
end

--- Compares the gradient of f at x (a tensor or a list of tensors; computed in float64) with central differences along
--- random directions.  f returns one tensor; its sum is differentiated.  Returns true, or false and what differs.
---@param f function
---@param x kl.Tensor|kl.Tensor[]
---@param options? table # directions = 3, eps = 1e-6, rtol = 1e-3, atol = 1e-5
function grad.gradcheck(f, x, options)
  local o = args.read("gradcheck", args.params{{"directions", 3}, {"eps", 1e-6}, {"rtol", 1e-3}, {"atol", 1e-5}}, options)
  if type(f) ~= "function" then errors.fail("gradcheck: a function expected, got %s", errors.show(f)) end
  local random = require "kl.random"
  local point = {}
  for i, t in ipairs(tree.flatten(x)) do point[i] = ops.cast(t, "float64") end
  local function value(at)
    return ops.sum(f(table.unpack(at)))
  end
  local tape <close> = grad.GradientTape{watch_accessed_variables = false}
  tape:watch(point)
  local gradients = tape:gradient(value(point), point, {unconnected_gradients = "zero"})
  for n = 1, o.directions do
    local forward, backward, analytic = {}, {}, 0.0
    for i, t in ipairs(point) do
      local direction = random.normal{t.shape, dtype = "float64"}
      forward[i], backward[i] = t + direction * o.eps, t - direction * o.eps
      analytic = analytic + ops.sum(gradients[i] * direction):item()
    end
    local numeric = (value(forward):item() - value(backward):item()) / (2 * o.eps)
    local close = math.abs(analytic - numeric) <= o.atol + o.rtol * math.abs(numeric)
    if not close then -- or NaN
      return false, ("direction %d: the gradient gives %.9g, differences give %.9g"):format(n, analytic, numeric)
    end
  end
  return true
end

return grad
