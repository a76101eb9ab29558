-- Random programs as steps and as replays give the bits of immediate mode: results, and every variable after every call.
-- KL_PROGRAMS = how many; KL_PROGRAM = only the one with that seed, printed; KL_TEST_SEED moves all of them.
local kl = require "kl"
local gen = require "gen"
local program_gen = require "program_gen"

local COUNT = tonumber(os.getenv("KL_PROGRAMS") or 2000)
local CALLS = 3

--- Dtype, shape and bits as a text.
local function bits(t)
  local parts, values = {}, t:reshape{-1}:totable()
  for i, x in ipairs(values) do
    parts[i] = math.type(x) ~= "float" and tostring(x) or x ~= x and "nan" or ("%a"):format(x)
  end
  return ("%s (%s): %s"):format(t.dtype, table.concat(t.shape, ", "), table.concat(parts, " "))
end

--- The same by its bytes: not to be read, but made quickly; NaNs that are not the same NaN differ.
local function packed(t) return ("%s (%s): %s"):format(t.dtype, table.concat(t.shape, ", "), kl.core.io.raw_bytes(t)) end

--- All that can be seen of running the program: a list of lines.
local function observe(program, wrap, show)
  gen.restart("data")
  kl.set_seed(1)
  local v = program_gen.variables(program.variables)
  local f = wrap(program.run)
  local seen, kept = {}, {}
  local function note(call, what, t) seen[#seen + 1] = ("call %d: %s = %s"):format(call, what, show(t)) end
  for call = 1, CALLS do
    local x = program_gen.inputs(program.inputs)
    local ok, results = pcall(f, kl, v, x)
    if not ok then seen[#seen + 1] = ("call %d: %s"):format(call, tostring(results):match("[^\n]*")) end
    for i, t in ipairs(ok and results or {}) do
      note(call, "result " .. i, t)
      kept[#kept + 1] = {call, i, t}
    end
    for i, variable in ipairs(v) do note(call, "variable " .. i, variable.value) end
    for i, t in ipairs(x) do note(call, "input " .. i, t) end
  end
  for _, k in ipairs(kept) do note(k[1], ("result %d at the end"):format(k[2]), k[3]) end
  return seen
end

local function as_step(options)
  return function(f)
    local step = kl.jit(function(v, x) return f(kl, v, x) end, options)
    return function(_, v, x) return step(v, x) end
  end
end

local function check(seed)
  local program = program_gen.program(seed)
  if os.getenv("KL_PROGRAM") then print(program.text) end
  local function immediate(f) return f end
  local expected = observe(program, immediate, packed)
  local ways = {{"a step", 1, as_step()}, {"a step", 2, as_step()}, {"a replay", 2, as_step{replay = true}}}
  if program.text:find(":item()", 1, true) then ways[3] = nil end -- a replay reads no value
  for _, way in ipairs(ways) do
    kl.set_threads(way[2])
    local got = observe(program, way[3], packed)
    local first, second
    for i = 1, math.max(#expected, #got) do
      if expected[i] ~= got[i] then -- once more, to be read
        first = first or observe(program, immediate, bits)
        second = second or observe(program, way[3], bits)
      end
      local differs = expected[i] ~= got[i] and not (first[i] or ""):find("nan", 1, true) -- which NaN it is says nothing
      if differs or first and first[i] ~= second[i] then
        error(("KL_PROGRAM=%d (KL_TEST_SEED=%d), %s, %d threads:\n%s\nimmediate: %s\nthere:     %s"):format(seed, gen.seed, way[1],
          way[2], program.text, (first[i] or "nothing"):sub(1, 1000), (second[i] or "nothing"):sub(1, 1000)), 0)
      end
    end
  end
end

describe("random programs (seed " .. gen.seed .. ")", function()
  local before = kl.core.get_threads()
  after_each(function() kl.set_threads(before) end)

  local only = tonumber(os.getenv("KL_PROGRAM"))
  for first = only or 1, only or COUNT, 100 do
    local last = only or math.min(first + 99, COUNT)
    it(("%d to %d give the bits of immediate mode as steps and as replays"):format(first, last), function()
      for seed = first, last do check(seed) end
    end)
  end
end)
