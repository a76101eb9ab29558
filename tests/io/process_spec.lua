-- core.run_program: src/io/process.c.
local core = require "kl".core
local program = require "program"
local support = dofile "tests/io/support.lua"
local run = core.run_program

local function sh(script, input, ...) return run({"sh", "-c", script, "sh", ...}, input) end

describe("running a program", function()
  it("is killed when its time is over, with its streams open or closed", function()
    for _, command in ipairs{"exec sleep 1000000", "exec >&- 2>&-; exec sleep 1000000"} do -- a run that waits for it never ends
      assert.matches("sh: still not done after 0.2 s", support.message(run, {"sh", "-c", command}, "", 0.2))
    end
    assert.equal(0, (run({"sh", "-c", "exit 0"}, "", 3600)))
  end)
  it("gives its exit status and both streams apart", function()
    assert.same({0, "out\n", ""}, {sh "echo out"})
    assert.same({3, "out\n", "err\n"}, {sh "echo out; echo err >&2; exit 3"})
    assert.same({255, "", ""}, {sh "exit 255"})
    assert.same({0, "", ""}, {run{"true"}})
  end)
  it("tells a signal from a status", function()
    assert.equal(-9, (sh "kill -9 $$"))
    assert.equal(-15, (sh "kill $$"))
  end)
  it("gives false for a program that is not there", function()
    assert.same({false}, {run{"kl-no-such-program"}})
    assert.same({false}, {run({"/no/such/program"}, ("x"):rep(1000000))})
  end)
  it("finds nothing where PATH is empty", function()
    local output, status = program.run([[
      print((require "kl".core.run_program{"gnuplot", "--version"}))
      print((require "kl".core.run_program{"/bin/sh", "-c", "exit 4"}))]], "", "PATH=")
    assert.equal("false\n4\n", output)
    assert.equal(0, status)
  end)
  it("raises for a file that cannot be run", function()
    assert.matches("^/etc/passwd: cannot be run: Permission denied$", support.message(run, {"/etc/passwd"}))
  end)
  it("hands every byte of arguments and input over", function()
    local bytes = {}
    for i = 1, 255 do bytes[i] = string.char(i) end
    local all = table.concat(bytes)
    assert.same({0, all, ""}, {sh("printf %s \"$1\"", nil, all)})
    assert.same({0, "", ""}, {sh("printf %s \"$1\"", nil, "")})
    assert.same({0, all .. "\0" .. all, ""}, {run({"cat"}, all .. "\0" .. all)})
    for _, text in ipairs{"$(echo no)", "`echo no`", "'\"\\", "a b", "*", "-n x", ";exit 9"} do
      assert.same({0, text, ""}, {sh("printf %s \"$1\"", nil, text)})
    end
  end)
  it("is not blocked by much in any of the three streams", function()
    local much = ("0123456789abcdef"):rep(1 << 18) -- 4 MiB, a pipe holds 64 KiB
    local status, out, errs = sh("tee /dev/stderr", much)
    assert.equal(0, status)
    assert.is_true(out == much and errs == much)
    status, out, errs = sh("head -c 8000000 /dev/zero >&2; printf 0", much)
    assert.same({0, "0"}, {status, out})
    assert.is_true(errs == ("\0"):rep(8000000))
  end)
  it("feeds a program that has closed its output", function()
    local path = os.tmpname()
    local much = ("x"):rep(1 << 20)
    assert.same({0, "", ""}, {sh("exec >&- 2>&-; cat > \"$1\"", much, path)})
    assert.is_true(core.io.read_file(path) == much)
    os.remove(path)
  end)
  it("outlives a program that does not read its input", function()
    local much = ("x"):rep(1 << 22)
    for _ = 1, 20 do
      assert.same({0, "done\n", ""}, {sh("exec 0<&-; echo done", much)})
      assert.same({7, "", ""}, {sh("exit 7", much)})
      assert.same({0, "x", ""}, {run({"head", "-c", "1"}, much)})
    end
  end)
  it("gives a program without input an empty one", function()
    assert.same({0, "", ""}, {run{"cat"}})
  end)
  it("lets programs die of SIGPIPE as they do in a shell", function()
    local output = program.run([[
      local status, out = require "kl".core.run_program{"sh", "-c", "yes | head -n 1"}
      io.write(status, " ", out)]], "", "trap '' PIPE;")
    assert.equal("0 y\n", output)
  end)
  it("works where the standard streams are closed", function()
    local path = os.tmpname()
    program.run(([[
      local status, out, errs = require "kl".core.run_program({"sh", "-c", "cat; echo err >&2; exit 2"}, "in")
      require "kl".core.io.write_file(%q, status .. out .. errs)]]):format(path), "<&- >&- 2>&-")
    local file <close> = assert(io.open(path))
    assert.equal("2inerr\n", file:read("a"))
    os.remove(path)
  end)
  it("leaves no descriptors and no processes behind", function()
    local function count()
      collectgarbage() -- files that others opened and forgot
      local found = 0
      for fd = 0, 1023 do -- by opening and not by ls, beside which the pipe to it may still be half open
        local file = io.open("/proc/self/fdinfo/" .. fd)
        if file then
          file:close()
          found = found + 1
        end
      end
      return found
    end
    run{"true"}
    local before = count()
    for _ = 1, 50 do
      run({"cat"}, "x")
      run{"kl-no-such-program"}
    end
    assert.equal(before, count())
    local zombies = "cat /proc/[0-9]*/stat 2>/dev/null | grep -c \"^[0-9]* (.*) Z $PPID \""
    assert.equal("0", support.shell(zombies))
  end)
  it("leaves nothing behind when memory is short", function()
    support.each_allocation(function() return sh "echo out; echo err >&2" end)
  end)
  it("raises for wrong arguments", function()
    assert.equal("run_program: a list of a program and its arguments expected, got no value", support.message(run))
    assert.equal("run_program: a list of a program and its arguments expected, got an empty table", support.message(run, {}))
    assert.equal("run_program: an argument (a string) expected, got number", support.message(run, {"sh", 1}))
    assert.equal("run_program: an argument without the byte 0 expected, got one", support.message(run, {"sh", "a\0"}))
    assert.equal("run_program: a string as the program's input expected, got table", support.message(run, {"sh"}, {}))
  end)
end)
