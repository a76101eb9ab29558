-- Products of tensors over axes that are summed (dot, tensordot, einsum) and linear equations.
--
-- A product is one matmul: the axes of both operands are put in the order shared ones, own ones, summed ones, and each
-- group becomes one axis.
local core = require "kl.core"
local args = require "kl.args"
local define = require "kl.ops.define"
local errors = require "kl.errors"
local matrix = require "kl.ops.matrix"
local to_tensor = require "kl.ops.to_tensor"

local prim = core.ops
local linear = {}

-- The lengths of some axes as one: -1 where one of them is not known.
local function joined(what, lengths, labels)
  local product = 1
  for _, label in ipairs(labels) do
    if not lengths[label] and product < 0 then errors.fail("%s: more than one axis of unknown length", what) end
    product = product * (lengths[label] or -1)
  end
  return product < 0 and -1 or product
end

local function arrange(x, labels, order, shape)
  local place, axes = {}, {}
  for axis, label in ipairs(labels) do place[label] = axis end
  for i, label in ipairs(order) do axes[i] = place[label] end
  return prim.reshape(prim.transpose(x, axes), shape)
end

local function list_of(...)
  local list = {}
  for _, part in ipairs{...} do table.move(part, 1, #part, #list + 1, list) end
  return list
end

-- The product of a and b, whose axes bear labels, summed over the labels both have that are not in `keep`.  Returns it and
-- its labels.  `lengths` are those of the labels' axes.
local function contract(what, a, la, b, lb, keep, lengths)
  local in_b, shared, summed, own_a, own_b = {}, {}, {}, {}, {}
  for _, label in ipairs(lb) do in_b[label] = true end
  for _, label in ipairs(la) do
    table.insert(not in_b[label] and own_a or keep[label] and shared or summed, label)
    in_b[label] = nil
  end
  for _, label in ipairs(lb) do
    if in_b[label] then own_b[#own_b + 1] = label end
  end
  local n, k = joined(what, lengths, shared), joined(what, lengths, summed)
  local left = arrange(a, la, list_of(shared, own_a, summed), {n, joined(what, lengths, own_a), k})
  local right = arrange(b, lb, list_of(shared, summed, own_b), {n, k, joined(what, lengths, own_b)})
  local labels, shape = list_of(shared, own_a, own_b), {}
  for i, label in ipairs(labels) do shape[i] = lengths[label] or -1 end
  return prim.reshape(prim.matmul(left, right), shape), labels
end

--- The product of two tensors summed over axes: over the last n of x1 and the first n of x2 (axes = n), or over those that
--- two lists name, one for each tensor: kl.tensordot(a, b, {{1}, {2}}).
linear.tensordot = define("kl.tensordot", {"x1", "x2", {"axes", 2}}, function(x1, x2, axes)
  local what = "kl.tensordot"
  x1, x2 = to_tensor(what, "x1", x1), to_tensor(what, "x2", x2)
  local of1, of2 = {}, {}
  if math.type(axes) == "integer" then
    if axes < 0 or axes > x1.ndim or axes > x2.ndim then
      errors.fail("%s: axes = %d for tensors of shape %s and %s", what, axes, core.shape_text(x1), core.shape_text(x2))
    end
    for i = 1, axes do of1[i], of2[i] = x1.ndim - axes + i, i end
  elseif type(axes) == "table" and #axes == 2 then
    of1, of2 = type(axes[1]) == "table" and axes[1] or {axes[1]}, type(axes[2]) == "table" and axes[2] or {axes[2]}
  else
    errors.fail("%s: 'axes' must be an integer or two lists of axes, got %s", what, errors.show(axes))
  end
  if #of1 ~= #of2 then errors.fail("%s: %d axes of x1 and %d of x2 to be summed over", what, #of1, #of2) end
  local la, lb, lengths, keep = {}, {}, {}, {}
  for i, n in ipairs(x1.shape) do la[i], lengths[i], keep[i] = i, n, true end
  for i, n in ipairs(x2.shape) do lb[i], lengths[-i], keep[-i] = -i, n, true end
  for i = 1, #of1 do
    local p, q = args.axis(what, of1[i], x1.ndim), args.axis(what, of2[i], x2.ndim)
    local m, n = x1.shape[p], x2.shape[q]
    if m and n and m ~= n then
      errors.fail("%s: axis %d of x1 has length %d, axis %d of x2 %d", what, p, m, q, n)
    end
    if not keep[p] or lb[q] > 0 then errors.fail("%s: an axis is named twice", what) end
    lb[q], keep[p], lengths[p] = p, false, m or n
  end
  return (contract(what, x1, la, x2, lb, keep, lengths))
end)

--- numpy's dot: of two vectors the sum of their products, of matrices their product; else over the last axis of x1 and
--- the last but one (or only) axis of x2.
linear.dot = define("kl.dot", {"x1", "x2"}, function(x1, x2)
  x1, x2 = to_tensor("kl.dot", "x1", x1), to_tensor("kl.dot", "x2", x2)
  if x1.ndim == 0 or x2.ndim == 0 then return prim.multiply(x1, x2) end
  if x2.ndim <= 2 then return prim.matmul(x1, x2) end
  return linear.tensordot(x1, x2, {{-1}, {-2}})
end)

--- Products summed over the last axis of both.
linear.inner = define("kl.inner", {"x1", "x2"}, function(x1, x2)
  x1, x2 = to_tensor("kl.inner", "x1", x1), to_tensor("kl.inner", "x2", x2)
  if x1.ndim == 0 or x2.ndim == 0 then return prim.multiply(x1, x2) end
  return linear.tensordot(x1, x2, {{-1}, {-1}})
end)

--- The sum of the products of all elements of two tensors of one size.
linear.vdot = define("kl.vdot", {"x1", "x2"}, function(x1, x2)
  x1, x2 = to_tensor("kl.vdot", "x1", x1), to_tensor("kl.vdot", "x2", x2)
  return prim.matmul(prim.reshape(x1, {-1}), prim.reshape(x2, {-1}))
end)

--- Each element of x1 times each of x2: (size of x1, size of x2).
linear.outer = define("kl.outer", {"x1", "x2"}, function(x1, x2)
  x1, x2 = to_tensor("kl.outer", "x1", x1), to_tensor("kl.outer", "x2", x2)
  return prim.multiply(prim.reshape(x1, {-1, 1}), prim.reshape(x2, {1, -1}))
end)

-- The subscripts of einsum for each operand, as lists of labels; "..." stands for as many axes as are left over, labelled
-- from the end ("...1" is the last).
local function read_labels(what, text, ndim)
  local labels, dots = {}, false
  local count = #text:gsub("%.%.%.", "")
  local position = 1
  while position <= #text do
    if text:sub(position, position + 2) == "..." and not dots then
      dots = true
      for i = (ndim or count) - count, 1, -1 do labels[#labels + 1] = "..." .. i end
      position = position + 3
    else
      local letter = text:sub(position, position)
      if not letter:find("%a") then errors.fail("%s: letters and one '...' expected in the subscripts, got '%s'", what, letter) end
      labels[#labels + 1] = letter
      position = position + 1
    end
  end
  return labels, dots
end

-- The labels of the result where "->" is missing: the axes of '...', then the letters that stand once, in their order.
local function implicit_labels(counts)
  local once, dotted = {}, {}
  for label, count in pairs(counts) do
    if #label > 1 then
      dotted[#dotted + 1] = math.tointeger(label:sub(4))
    elseif count == 1 then
      once[#once + 1] = label
    end
  end
  table.sort(once)
  table.sort(dotted, function(a, b) return a > b end)
  for i, number in ipairs(dotted) do dotted[i] = "..." .. number end
  return list_of(dotted, once)
end

-- The operands of einsum as tensors, the labels of their axes, and what stands behind "->" (nil without it).
local function read_operands(what, subscripts, operands)
  if type(subscripts) ~= "string" then
    errors.fail("%s: subscripts such as \"ij,jk->ik\" expected, got %s", what, errors.show(subscripts))
  end
  local text = subscripts:gsub("%s", "")
  local inputs, output = text:match("^([^>]*)%->(.*)$")
  local parts, tensors, lists = {}, {}, {}
  for part in ((inputs or text) .. ","):gmatch("([^,]*),") do parts[#parts + 1] = part end
  if #parts ~= operands.n then
    errors.fail("%s: '%s' has subscripts for %d operand%s, got %d", what, subscripts, #parts, #parts == 1 and "" or "s", operands.n)
  end
  for i, part in ipairs(parts) do
    local x = to_tensor(what, "operand " .. i, operands[i])
    local labels, dots = read_labels(what, part, x.ndim)
    if #labels ~= x.ndim then
      errors.fail("%s: '%s' names %d axes%s, operand %d has shape %s", what, part, #labels, dots and " or more" or "", i,
        core.shape_text(x))
    end
    tensors[i], lists[i] = x, labels
  end
  return tensors, lists, output
end

-- How long the axis of each label is, and how often the label stands.
local function measure(what, tensors, lists)
  local lengths, counts = {}, {}
  for i, labels in ipairs(lists) do
    for axis, label in ipairs(labels) do
      local n = tensors[i].shape[axis]
      if lengths[label] and n and lengths[label] ~= n then
        errors.fail("%s: '%s' is an axis of length %d, and of length %d in operand %d", what, label, lengths[label], n, i)
      end
      lengths[label], counts[label] = lengths[label] or n, (counts[label] or 0) + 1
    end
  end
  return lengths, counts
end

local function read_result(what, output, counts)
  if not output then return implicit_labels(counts) end
  local dotted = 0
  for label in pairs(counts) do dotted = math.max(dotted, math.tointeger(label:match("^%.%.%.(%d+)")) or 0) end
  local result, seen = read_labels(what, output, dotted + #output:gsub("%.%.%.", "")), {}
  for _, label in ipairs(result) do
    if not counts[label] then errors.fail("%s: the result's '%s' is in no operand", what, label) end
    if seen[label] then errors.fail("%s: the result names '%s' twice", what, label) end
    seen[label] = true
  end
  return result
end

-- The diagonal over axes of one label; it comes last.
local function take_diagonals(x, labels)
  for axis = #labels, 1, -1 do
    for before = 1, axis - 1 do
      if labels[before] == labels[axis] then
        x = matrix.diagonal(x, 0, before, axis)
        table.remove(labels, axis)
        table.insert(labels, table.remove(labels, before))
        break
      end
    end
  end
  return x
end

-- The sum over the axes that nothing else names; the labels that are left.
local function sum_alone(x, labels, uses, wanted)
  local kept, axes = {}, {}
  for axis, label in ipairs(labels) do
    if uses[label] == 1 and not wanted[label] then axes[#axes + 1] = axis else kept[#kept + 1] = label end
  end
  return #axes > 0 and prim.sum(x, axes) or x, kept
end

--- Sums of products by Einstein's rule: letters name the axes of each operand, and what is not named behind "->" is
--- summed over: kl.einsum("bij,bjk->bik", a, b), kl.einsum("ii->i", m).  Operands are multiplied from the left.
function linear.einsum(subscripts, ...)
  local what = "kl.einsum"
  local tensors, lists, output = read_operands(what, subscripts, table.pack(...))
  local lengths, counts = measure(what, tensors, lists)
  local result, wanted, uses = read_result(what, output, counts), {}, {}
  for _, label in ipairs(result) do wanted[label] = true end
  for i, labels in ipairs(lists) do
    tensors[i] = take_diagonals(tensors[i], labels)
    for _, label in ipairs(labels) do uses[label] = (uses[label] or 0) + 1 end
  end
  for i, labels in ipairs(lists) do tensors[i], lists[i] = sum_alone(tensors[i], labels, uses, wanted) end
  local x, labels = tensors[1], lists[1]
  for i = 2, #lists do
    local keep = setmetatable({}, {__index = wanted})
    for later = i + 1, #lists do
      for _, label in ipairs(lists[later]) do keep[label] = true end
    end
    x, labels = contract(what, x, labels, tensors[i], lists[i], keep, lengths)
  end
  local place, axes = {}, {}
  for axis, label in ipairs(labels) do place[label] = axis end
  for i, label in ipairs(result) do axes[i] = place[label] end
  return prim.transpose(x, axes)
end

--- The x with a x = b: a is (n, n), b (n) or (n, m).  By elimination, the largest pivot of each column first; n steps, each
--- of a few operations, so for matrices of some hundreds at most.  Of a singular matrix the result is not finite.
linear.solve = define("kl.solve", {"a", "b"}, function(a, b)
  a, b = to_tensor("kl.solve", "a", a), to_tensor("kl.solve", "b", b)
  local n = a.shape[1]
  if a.ndim ~= 2 or not n or a.shape[2] ~= n then errors.fail("kl.solve: 'a' must be square, got %s", core.shape_text(a)) end
  if b.ndim < 1 or b.ndim > 2 or b.shape[1] ~= n then
    errors.fail("kl.solve: 'b' must have shape (%d,) or (%d, m), got %s", n, n, core.shape_text(b))
  end
  if not a.dtype:find("float") then a = prim.cast(a, "float32") end
  local m = b.ndim == 2 and b.shape[2] or 1
  local rows = prim.sequence(0, 1, n, "int32")
  local system = prim.concatenate({a, prim.cast(prim.reshape(b, {n, m}), a.dtype)}, 2)
  for k = 1, n do
    local column = prim.abs(prim.reshape(prim.slice(system, {1, k}, {n, 1}), {n}))
    local pivot = prim.cast(prim.argmax(prim.where(prim.less(rows, k - 1), -1, column)), "int32")
    local order = prim.where(prim.equal(rows, k - 1), pivot, prim.where(prim.equal(rows, pivot), k - 1, rows))
    system = prim.take(system, order, 1)
    local row = prim.slice(system, {k, 1}, {1, n + m})
    row = prim.divide(row, prim.slice(row, {1, k}, {1, 1}))
    local is_pivot = prim.reshape(prim.equal(rows, k - 1), {n, 1})
    local factors = prim.where(is_pivot, 0, prim.slice(system, {1, k}, {n, 1}))
    system = prim.where(is_pivot, row, prim.subtract(system, prim.multiply(factors, row)))
  end
  return prim.reshape(prim.slice(system, {1, n + 1}, {n, m}), b.shape)
end)

return linear
