-- The kl program as users start it, the prompt, kl.so and an installed copy.
local program = require "program"

local shell, quote, kl = program.shell, program.quote, program.quote(program.kl)
local sanitized = program.build:find("asan") ~= nil

local function lines(text) return (text:gsub("kl: seed[^\n]*\n", "")) end

describe("kl run", function()
  it("gives the script its arguments in `arg` and as `...`, and ends with status 0", function()
    local output, status, path = program.run([[print(arg[0], #arg, arg[1], arg[2], select("#", ...), (...))]], "'a b' --threads")
    assert.equal(path .. "\t2\ta b\t--threads\t2\ta b\n", output)
    assert.equal(0, status)
  end)

  for what, case in pairs{
    ["an error"] = {[[error("my words")]], "^kl: /tmp/[^:]+:1: my words\n"},
    ["an error object with __tostring"] = {[[error(setmetatable({}, {__tostring = function() return "as text" end}))]],
      "^kl: as text\n$"},
    ["an error object that is a table"] = {[[error({})]], "^kl: %(an error object of type table%)\n$"},
    ["an error object that is nil"] = {[[error()]], "^kl: %(an error object of type nil%)\n$"},
    ["an error object that is a number"] = {[[error(42)]], "^kl: "},
    ["an error in __tostring of an error object"] = {[[error(setmetatable({}, {__tostring = error}))]], "^kl: "},
    ["an endless recursion"] = {[[local function f() return 1 + f() end f()]], "^kl: .*stack overflow"},
    ["a script that does not parse"] = {[[local x = = 1]], "^kl: /tmp/[^:]+:1: unexpected symbol near '='\n$"},
    ["bytecode"] = {string.dump(load("print(1)")), "^kl: .*attempt to load a binary chunk %(mode is 't'%)"},
    ["a missing module"] = {[[require "kl.nothing"]], "^kl: .*module 'kl%.nothing' not found"},
  } do
    it("ends with status 1 and a message for " .. what, function()
      local output, status = program.run(case[1])
      assert.matches(case[2], output)
      assert.equal(1, status)
    end)
  end

  it("shows only the user's frames of the stack", function()
    local output, status = program.run([[
local kl = require "kl"
local function inner(x)
  kl.matmul(x, kl.ones{5})
end
local Mine = kl.Layer:extend("Mine")
function Mine:call(x)
  inner(x)
  return x
end
Mine{name = "mine"}(kl.ones{2, 3})
]])
    output = lines(output):gsub("/tmp/[%w_]+", "FILE")
    assert.equal(1, status)
    assert.matches("^kl: FILE:3: kl%.matmul: inner dimensions differ: .*%(in layer 'mine', a Mine%)\n"
      .. "stack:\n  FILE:3: in .-inner.-\n"
      .. "  FILE:7: in [^\n]*\n  FILE:10: in the main chunk\n$", output)
  end)

  it("passes on os.exit's status and finishes what is written", function()
    local output, status = program.run([[io.write("half"); os.exit(7, true)]])
    assert.same({"half", 7}, {output, status})
  end)

  for what, case in pairs{
    ["a missing script"] = {"run /tmp/no/such/file.lua", 1,
      "^kl: cannot open /tmp/no/such/file%.lua: No such file or directory\n$"},
    ["a folder as script"] = {"run /tmp", 1, "^kl: cannot read /tmp"},
    ["no script"] = {"run", 2, "^kl: run needs the name of a script\ntry: kl %-%-help\n$"},
    ["an unknown option"] = {"--nonsense", 2, "^kl: unknown option %-%-nonsense\n"},
    ["an unknown option of run"] = {"run --nonsense x.lua", 2, "^kl: unknown option %-%-nonsense\n"},
    ["an unknown command"] = {"train.lua", 2, "^kl: unknown command 'train%.lua' %(to run a script: kl run FILE%)\n"},
    ["an argument for info"] = {"info more", 2, "^kl: info takes no arguments, got more\n"},
    ["no number of threads"] = {"run --threads", 2, "^kl: %-%-threads needs a number of threads, got nothing\n"},
    ["threads = 0"] = {"run --threads 0 x.lua", 2, "^kl: %-%-threads needs a number of threads, got 0\n"},
    ["threads = 257"] = {"run --threads=257 x.lua", 2, "^kl: %-%-threads needs a number of threads, got 257\n"},
    ["threads = 2x"] = {"run --threads 2x x.lua", 2, "^kl: %-%-threads needs a number of threads, got 2x\n"},
    ["threads = nothing"] = {"run --threads= x.lua", 2, "^kl: %-%-threads needs a number of threads"},
  } do
    it("refuses " .. what, function()
      local output, status = shell(kl .. " " .. case[1])
      assert.equal(case[2], status)
      assert.matches(case[3], output)
    end)
  end

  it("takes the number of threads from --threads, else from KL_THREADS", function()
    local path = program.script([[print(require "kl".core.get_threads())]])
    assert.equal("3\n", (shell(("%s run --threads 3 %s"):format(kl, path))))
    assert.equal("2\n", (shell(("%s run --threads=2 %s"):format(kl, path))))
    assert.equal("5\n", (shell(("KL_THREADS=5 %s run %s"):format(kl, path))))
    assert.equal("4\n", (shell(("KL_THREADS=5 %s run --threads 4 %s"):format(kl, path))))
    os.remove(path)
  end)

  for variable, values in pairs{KL_THREADS = {"0", "many", "2x", "-1", "300", "1e3"}, KL_CPU = {"avx3", "AVX2", "none"},
    KL_DEBUG = {"3", "all", "-1"}} do
    it("refuses what " .. variable .. " cannot be", function()
      for _, value in ipairs(values) do
        local output, status = program.run([[require "kl"]], "", variable .. "=" .. value)
        assert.equal(1, status, value)
        assert.matches("^kl: ", output)
        assert.is_truthy(output:find(value, 1, true), output)
      end
    end)
  end

  it("takes KL_CPU=baseline, which every processor has", function()
    local output = program.run([[print(require "kl".core.device_info().cpu)]], "", "KL_CPU=baseline")
    assert.equal("baseline\n", output)
  end)

  it("works from any folder, and finds the bundled data next to the program", function()
    local path = program.script([[
      local kl = require "kl"
      print(kl.sum(kl.ones{3}):item(), kl.datasets.mnist and #kl.datasets.mnist.load_data().labels)
    ]])
    local output, status = shell(("cd / && env -u KL_LUA_PATH KL_DATA_PATH=%s %s run %s"):format(
      quote(program.root .. "/data"), kl, path))
    os.remove(path)
    assert.equal(0, status, output)
    assert.matches("^3%.0\t%d+\n$", lines(output))
  end)

  it("takes kl's Lua files from KL_LUA_PATH and blames nothing else", function()
    local folder = os.tmpname()
    os.remove(folder)
    shell("mkdir -p " .. folder .. "/kl")
    local file = assert(io.open(folder .. "/kl/init.lua", "w"))
    file:write("return {mine = true}")
    file:close()
    local output = program.run([[print(require "kl".mine)]], "", "KL_LUA_PATH=" .. folder)
    assert.equal("true\n", output)
    local wrong, status = program.run([[require "kl"]], "", "KL_LUA_PATH=/tmp/nowhere")
    assert.equal(1, status)
    assert.matches("no file for kl below KL_LUA_PATH=/tmp/nowhere", wrong)
    shell("rm -r " .. folder)
  end)

  it("ends quietly when its reader goes away", function()
    local path = program.script([[for i = 1, 200000 do print(i) end]])
    local output = shell(("%s run %s | head -n 1"):format(kl, path))
    os.remove(path)
    assert.equal("1\n", output)
  end)

  it("starts in little time (told, not asserted)", function()
    local path = program.script("")
    local with = program.script([[require "kl"]])
    local function time(script)
      local out = shell(
        ("for i in 1 2 3 4 5; do s=$(date +%%s%%N); %s run %s; e=$(date +%%s%%N); echo $((e - s)); done"):format(kl, script))
      local best = math.huge
      for n in lines(out):gmatch("%d+") do best = math.min(best, n / 1e6) end
      return best
    end
    print(("  kl run on an empty script: %.1f ms; with require \"kl\": %.1f ms"):format(time(path), time(with)))
    os.remove(path)
    os.remove(with)
  end)
end)

describe("kl", function()
  it("--help says what there is, on standard output", function()
    for _, word in ipairs{"--help", "-h", "help"} do
      local output, status = shell(kl .. " " .. word .. " 2>/dev/null")
      assert.equal(0, status)
      assert.matches("kl run %[OPTIONS%] FILE", output)
    end
  end)

  it("--version and info tell what it is made of", function()
    local output, status = shell(kl .. " --version")
    assert.equal(0, status)
    assert.matches("^kl %d", output)
    output, status = shell(kl .. " info")
    assert.equal(0, status)
    for _, word in ipairs{"Lua 5%.4", "threads", "OpenBLAS", "MNIST", "memory limit"} do assert.matches(word, output) end
  end)
end)

describe("the prompt on a pipe", function()
  it("prints the values of expressions and nothing for statements", function()
    local output, status = program.prompt([[
1 + 1
x = 5
x, "and", nil
kl.tensor{1, 2}
local y = 3
y
]])
    assert.equal("2\n5\tand\tnil\ntensor([1, 2], shape=(2,), dtype=int32)\nnil\n", lines(output))
    assert.equal(0, status)
  end)

  it("prints plain tables by what is in them, as kl.print does", function()
    local output = program.prompt([[
kl.zeros{3, 2}.shape, "a"
{1, {a = true, b = "x", ["c d"] = {}}, [7] = 0}
local t = {}; for i = 1, 50 do t[i] = i end; return t
{kl.ones{2, 1}, kl.ones{1}}
local t = {}; t.t = t; return t
kl.print(kl.ones{2}.shape, 3)
print(kl.layers)
]])
    assert.equal("{3, 2}\ta\n"
      .. "{1, {a = true, b = \"x\", [\"c d\"] = {}}, ... (1 more)}\n"
      .. "{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, ... (50 in all)}\n"
      .. "{tensor([[1.],\n        [1.]], shape=(2, 1), dtype=float32),\n tensor([1.], shape=(1,), dtype=float32)}\n"
      .. "{t = {t = {t = {...}}}}\n{2}\t3\n", (lines(output):gsub("kl%.layers[^\n]*\n", "")))
  end)

  it("reads on while a statement is unfinished", function()
    local output, status = program.prompt("for i = 1, 2 do\nprint(i)\nend\nfunction f(a)\n  return a * 2\nend\nf(21)\n(3 +\n4)\n")
    assert.equal("1\n2\n42\n7\n", lines(output))
    assert.equal(0, status)
  end)

  it("goes on after errors of every kind and ends with status 0", function()
    local output, status = program.prompt([[
error("one")
x = = 2
nothing.field
kl.matmul(kl.ones{2}, kl.ones{3})
error({})
error()
print("still here")
error("last")]])
    assert.matches("kl: prompt:1: one\n", output)
    assert.matches("kl: prompt:1: unexpected symbol near '='\n", output)
    assert.matches("kl: prompt:1: kl%.matmul: inner", output)
    assert.matches("kl: %(an error object of type table%)\n", output)
    assert.matches("\nstill here\n", output)
    assert.equal(0, status)
  end)

  it("says what is unfinished at the end of input", function()
    local output, status = program.prompt("print(1)\nfor i = 1, 2 do\n")
    assert.matches("1\n", output)
    assert.matches("'end' expected .*near <eof>", output)
    assert.equal(0, status)
  end)

  it("survives an error in __tostring of a result", function()
    local output, status = program.prompt("setmetatable({}, {__tostring = function() error('no') end})\nprint('on')\n")
    assert.matches("no\n", output)
    assert.matches("on\n", output)
    assert.equal(0, status)
  end)
end)

describe("the prompt on a terminal", function()
  local function expect(script)
    local path = program.script(([[
      set timeout 300
      proc need {text} { expect -ex $text {} timeout { puts "MISSING: $text"; exit 9 } \
        eof { puts "ENDED BEFORE: $text"; exit 8 } }
      spawn -noecho {%s}
      need "> "
      %s
      send "\004"
      expect eof
      lassign [wait] pid spawnid os status
      exit $status
    ]]):format(program.kl, script))
    local output, status = shell("TERM=dumb expect " .. path)
    os.remove(path)
    return output, status
  end

  it("gives the prompt back with its variables when Ctrl-C stops an endless loop, as often as needed", function()
    local output, status = expect([[
      send "x = 41\r"
      need "> "
      for {set i 0} {$i < 3} {incr i} {
        send "print('be' .. 'gun') while true do x = x end\r"
        need "begun"
        send "\003"
        need "interrupted"
        need "> "
      }
      send "print('x is ' .. x + 1)\r"
      need "x is 42"
    ]])
    assert.equal(0, status, output)
  end)

  it("stops a long run of tensor operations, and leaves the tensors usable", function()
    local output, status = expect([[
      send "t = kl.ones{64, 64}\r"
      need "> "
      send "print('be' .. 'gun') while true do u = kl.matmul(t, t) end\r"
      need "begun"
      send "\003"
      need "interrupted"
      need "> "
      send "kl.sum(kl.matmul(t, t)):item()\r"
      need "262144.0"
    ]])
    assert.equal(0, status, output)
  end)
end)

describe("kl.so", function()
  local train = [[
    local kl = require "kl"
    kl.set_seed(1)
    local model = kl.Sequential{kl.Input{3}, kl.layers.Dense{4, activation = "relu"}, kl.layers.Dense{1}}
    model:compile{optimizer = "adam", loss = "mse"}
    local x, y = kl.ones{8, 3}, kl.zeros{8, 1}
    local first = model:train_on_batch{x, y}.loss
    for _ = 1, 50 do model:train_on_batch{x, y} end
    print(model:train_on_batch{x, y}.loss < first, kl.core.is_program())
  ]]

  local clean = "env -u KL_DATA_PATH -u KL_LUA_PATH"

  local function with_lua(folder)
    local path = program.script(train)
    local output, status = shell(("cd / && %s lua5.4 -e %s %s"):format(clean,
      quote(("package.cpath = %q"):format(folder .. "/?.so")), path))
    os.remove(path)
    return output, status
  end

  it("is loaded by a stock lua5.4 in another folder and trains", function()
    if sanitized then return pending("a stock Lua cannot load a sanitized library") end
    local output, status = with_lua(program.build)
    assert.equal(0, status, output)
    assert.equal("true\tfalse\n", output)
  end)

  it("and the program work from an installed copy, without the source tree", function()
    if sanitized then return pending("a stock Lua cannot load a sanitized library") end
    local prefix = os.tmpname()
    os.remove(prefix)
    local output, status = shell(("make -s install PREFIX=%s BUILD=%s"):format(prefix, quote(program.build)))
    assert.equal(0, status, output)
    output, status = with_lua(prefix .. "/lib/lua/5.4")
    assert.equal(0, status, output)
    assert.equal("true\tfalse\n", output)
    local path = program.script(train .. " print(#kl.datasets.mnist.load_data().labels, kl.datasets.mnist.path)")
    output, status = shell(("cd / && %s %s/bin/kl run %s"):format(clean, prefix, path))
    os.remove(path)
    assert.equal(0, status, output)
    assert.matches("true\ttrue\n%d+\t", lines(output))
    output = shell(("cd / && %s %s/bin/kl info"):format(clean, prefix))
    assert.is_truthy(output:find(prefix, 1, true) and output:find("share/kl/data", 1, true), output)
    shell("rm -r " .. prefix)
  end)
end)
