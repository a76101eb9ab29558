-- Sorting and selecting beside keras.ops on JAX: random shapes, dtypes, axes, ties and NaNs.
local kl = require "kl"
local gen = require "gen"
local python = require "python"

local nan, inf = 0 / 0, math.huge
local floats = {"float32", "float64"}
local all = {"float32", "float64", "int32", "int64", "uint8", "bool"}

local function pick(list) return list[gen.integer(1, #list)] end

--- {shape, dtype, values} with ties; floats with NaNs and infinities among them where asked.
local function random(dtype, shape, special)
  local n, values = 1, {}
  for _, length in ipairs(shape) do n = n * length end
  for i = 1, n do
    local v = gen.integer(0, 12)
    if dtype == "bool" then v = v > 6
    elseif dtype == "int32" or dtype == "int64" then v = v - 6
    elseif dtype ~= "uint8" then
      v = (v - 6) / 4
      if special and gen.uniform() < 0.15 then v = pick{nan, inf, -inf, -0.0} end
    end
    values[i] = v
  end
  return {shape = shape, dtype = dtype, values = values}
end

local function shape_of(rank, least)
  local shape = {}
  for i = 1, rank do shape[i] = gen.integer(least or 1, 7) end
  return shape
end

local function tensor(spec) return kl.cast(kl.reshape(kl.tensor(spec.values, spec.dtype), spec.shape), spec.dtype) end

local function text(v)
  if v ~= v then return "nan" end
  return v == inf and "inf" or v == -inf and "-inf" or v
end

local function encoded(spec)
  local values = {}
  for i, v in ipairs(spec.values) do values[i] = text(v) end
  return {shape = spec.shape, dtype = spec.dtype, values = values}
end

--- op, inputs, Keras's options (axes from 0), kl's call.
local cases = {}
local function case(op, inputs, options, call)
  cases[#cases + 1] = {op = op, inputs = inputs, options = options, call = call}
end

gen.restart "ops_interop"
for _ = 1, 6 do -- JAX compiles for each shape
  for _, op in ipairs{"sort", "argsort"} do
    local shape = shape_of(gen.integer(1, 3))
    local axis = gen.integer(1, #shape)
    case(op, {random(pick(all), shape, true)}, {axis = axis - 1}, function(x) return kl[op](x, axis) end)
  end
  local shape = shape_of(gen.integer(1, 3))
  local k = gen.integer(1, shape[#shape])
  case("top_k", {random(pick{"float32", "float64", "int32", "int64", "uint8"}, shape, true)}, {k = k},
    function(x) return kl.top_k(x, k) end)
  local classes, rows = gen.integer(2, 7), gen.integer(1, 6)
  local targets = random("int32", {rows})
  for i in ipairs(targets.values) do targets.values[i] = gen.integer(0, classes - 1) end
  local among = gen.integer(1, classes)
  case("in_top_k", {targets, random(pick(floats), {rows, classes})}, {k = among}, function(t, p) return kl.in_top_k(t, p, among) end)
  case("nonzero", {random(pick(all), shape_of(gen.integer(1, 3)), true)}, {}, kl.nonzero)
  local x = random(pick(floats), shape_of(3))
  local axes = pick{{1}, {2}, {3}, {1, 3}, {2, 3}, {1, 2, 3}}
  local from_0, q = {}, {shape = {3}, dtype = "float64", values = {0, 0.3, 1}}
  for i, a in ipairs(axes) do from_0[i] = a - 1 end
  for _, method in ipairs{"linear", "lower", "higher", "midpoint"} do
    case("quantile", {x, q}, {axis = from_0, method = method},
      function(t, p) return kl.quantile(t, p, {axis = axes, method = method}) end)
  end
  local keep = gen.uniform() < 0.5
  case("median", {random(pick{"float32", "float64", "int32"}, shape_of(2))}, {axis = 1, keepdims = keep},
    function(t) return kl.median(t, 2, keep) end)
  local sequence = random(pick(floats), shape_of(1))
  table.sort(sequence.values)
  for _, side in ipairs{"left", "right"} do
    case("searchsorted", {sequence, random(sequence.dtype, shape_of(2))}, {side = side},
      function(s, v) return kl.searchsorted(s, v, side) end)
  end
  case("digitize", {random(sequence.dtype, shape_of(2)), sequence}, {}, kl.digitize)
  local counted = random("int32", shape_of(1))
  for i in ipairs(counted.values) do counted.values[i] = gen.integer(0, 9) end
  case("bincount", {counted}, {minlength = 4}, function(t) return kl.bincount(t, nil, 4) end)
end

describe("kl and keras.ops agree on", function()
  local sent, expected, by_op, names = {}, nil, {}, {}
  for i, c in ipairs(cases) do
    local inputs = {}
    for n, spec in ipairs(c.inputs) do inputs[n] = encoded(spec) end
    sent[i] = {op = c.op, inputs = inputs, options = next(c.options) and c.options or nil}
    if not by_op[c.op] then
      by_op[c.op], names[#names + 1] = {}, c.op
    end
    table.insert(by_op[c.op], i)
  end
  for _, op in ipairs(names) do
    it(op, function()
      expected = expected or python.run("ops_interop.py", {cases = sent})
      for _, i in ipairs(by_op[op]) do
        local inputs = {}
        for n, spec in ipairs(cases[i].inputs) do inputs[n] = tensor(spec) end
        local results = cases[i].call(table.unpack(inputs))
        if kl.core.kind(results) then results = {results} end
        assert.equal(#expected[i], #results)
        for n, e in ipairs(expected[i]) do
          local what = ("case %d, %s: %s"):format(i, op, kl.json.encode(sent[i]))
          assert.same(e.shape, results[n].shape, what)
          if not e.dtype:find("int64") then assert.equal(e.dtype, results[n].dtype, what) end -- x64 of JAX's own positions
          local values = kl.reshape(results[n], {-1}):totable()
          for k, v in ipairs(e.values) do
            local got = text(values[k])
            local close = type(v) == "number" and type(got) == "number" and math.abs(v - got) <= 1e-6 * math.max(1, math.abs(v))
            assert.is_true(close or v == got, ("%s: element %d is %s, Keras has %s"):format(what, k, tostring(got), tostring(v)))
          end
        end
      end
    end)
  end
end)
