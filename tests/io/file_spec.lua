-- core.io.write_file and read_file: src/io/file.c.
local core = require "kl".core
local support = dofile "tests/io/support.lua"
local write, read, shell = core.io.write_file, core.io.read_file, support.shell

describe("writing a file", function()
  local folder, remove
  before_each(function() folder, remove = support.folder() end)
  after_each(function() remove() end)

  local function names() return shell(("LC_ALL=C ls -A '%s'"):format(folder)) end

  it("writes every byte, and none of an empty string", function()
    local bytes = {}
    for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
    local all = table.concat(bytes):rep(1000)
    write(folder .. "/x", all)
    assert.is_true(read(folder .. "/x") == all)
    write(folder .. "/x", "")
    assert.equal("", read(folder .. "/x"))
  end)
  it("leaves nothing but the file", function()
    write(folder .. "/x", "1")
    write(folder .. "/x", "2")
    assert.equal("x", names())
  end)
  it("works on a name without a folder", function()
    write(folder .. "/script.lua", 'require "kl".core.io.write_file("x", "here")')
    assert.equal("", shell(("cd '%s' && '%s' run script.lua 2>&1"):format(folder, support.program())))
    assert.equal("here", read(folder .. "/x"))
  end)
  it("keeps the permissions of the file it replaces", function()
    write(folder .. "/x", "1")
    os.execute(("chmod 640 '%s/x'"):format(folder))
    write(folder .. "/x", "2")
    assert.equal("640", shell(("stat -c %%a '%s/x'"):format(folder)))
  end)
  it("gives a new file the permissions that the umask leaves", function()
    write(folder .. "/x", "1")
    assert.equal(shell(("cd '%s' && touch y && stat -c %%a y"):format(folder)),
      shell(("stat -c %%a '%s/x'"):format(folder)))
  end)
  it("replaces the file that a symbolic link leads to, and keeps the link", function()
    write(folder .. "/real", "old")
    os.execute(("cd '%s' && mkdir sub && ln -s ../real sub/link"):format(folder))
    write(folder .. "/sub/link", "new")
    assert.equal("new", read(folder .. "/real"))
    assert.equal("../real", shell(("readlink '%s/sub/link'"):format(folder)))
  end)
  it("replaces a temporary file that a dead process has left", function()
    os.execute(("echo stale > '%s/.x.%s.tmp'"):format(folder, shell("echo $PPID"))) -- our own number
    write(folder .. "/x", "fresh")
    assert.equal("fresh", read(folder .. "/x"))
    assert.equal("x", names())
  end)
  it("writes names of 255 bytes, of spaces and of bytes that are no UTF-8", function()
    for _, name in ipairs{("n"):rep(255), ("é"):rep(127), " a 'b'", "caf\xe9", "-x", "...", ".x"} do
      write(folder .. "/" .. name, name)
      assert.equal(name, read(folder .. "/" .. name))
    end
  end)

  describe("raises, and leaves what was there, for", function()
    local cases = {
      {"a folder", "", ": not written: .*directory"},
      {"a folder with a slash", "/", ": not written: .*directory"},
      {"a folder's own name", "/sub", ": not written: it is a directory$"},
      {"the folder itself", "/.", ": not written: .*directory"},
      {"a folder that is missing", "/missing/x", ": not written: opening the directory: No such file or directory"},
      {"a file taken for a folder", "/old/x", ": not written: .*: Not a directory"},
      {"a dangling symbolic link", "/dangling", ": not written: it is a symbolic link to a file that does not exist$"},
      {"a ring of symbolic links", "/ring", ": not written: symbolic link: Too many levels of symbolic links"},
      {"a link to a folder", "/tosub", ": not written: it is a directory$"},
      {"a pipe", "/pipe", ": not written: it is not a regular file"},
      {"a name of 256 bytes", "/" .. ("n"):rep(256), ": not written: path: File name too long"},
      {"a path of 5000 bytes", ("/n"):rep(2500), "^%.%.%..*: not written: path: File name too long"},
    }
    for _, case in ipairs(cases) do
      it(case[1], function()
        os.execute(([[cd '%s' && mkdir sub && echo old > old && ln -s nowhere dangling && ln -s ring ring &&
          ln -s sub tosub && mkfifo pipe]]):format(folder))
        local before = names()
        assert.matches(case[3], support.message(write, folder .. case[2], "data"))
        assert.equal(before, names())
        assert.equal("", shell(("ls -A '%s/sub'"):format(folder)))
      end)
    end
    it("a path with the byte 0", function()
      assert.matches("without the byte 0 expected", support.message(write, folder .. "/a\0b", "data"))
      assert.equal("", names())
    end)
    it("wrong arguments", function()
      assert.equal("write_file: a path (a string) expected, got no value", support.message(write))
      assert.equal("write_file: a string expected, got table", support.message(write, folder .. "/x", {}))
    end)
    it("a folder where nobody may write", function()
      assert.matches("^/proc/kl%-spec: not written: making a temporary file beside it: .*%(4 bytes needed, %d+ bytes free%)$",
        support.message(write, "/proc/kl-spec", "data"))
    end)
    it("a folder where this user may not write", function()
      if shell("id -u") == "0" then
        pending("root may write everywhere")
        return
      end
      write(folder .. "/x", "old")
      os.execute(("chmod 500 '%s'"):format(folder))
      assert.matches("Permission denied", support.message(write, folder .. "/x", "new"))
      os.execute(("chmod 700 '%s'"):format(folder))
      assert.equal("old", read(folder .. "/x"))
    end)
  end)

  it("on a full disk raises with bytes needed and free, keeps the old file and removes the new one", function()
    if not os.execute(("mount -t tmpfs -o size=64k tmpfs '%s' 2>/dev/null"):format(folder)) then
      pending("mounting a small file system needs root")
      return
    end
    local ok, trouble = pcall(function()
      write(folder .. "/x", "old")
      for size = 4096, 128 * 1024, 4096 do
        local fits, message = pcall(write, folder .. "/x", ("n"):rep(size))
        if not fits then
          assert.matches(": not written: writing: No space left on device %(" .. size .. " bytes needed, %d+ bytes free%)$",
            message)
        end
        assert.equal("x", names())
        local now = read(folder .. "/x")
        assert.is_true(now == (fits and ("n"):rep(size) or "old"))
        if fits then write(folder .. "/x", "old") end
        -- between the two it depends on what else the file system puts there
        assert.is_true(fits or size > 48 * 1024)
        assert.is_true(not fits or size < 64 * 1024)
      end
    end)
    os.execute(("umount '%s'"):format(folder))
    assert(ok, trouble)
  end)

  describe("survives", function()
    local cases = {
      {"an interrupted write", "write:error=EINTR:when=1", "new"},
      {"an interrupted fsync", "fsync:error=EINTR:when=1", "new"},
      {"a failed write", "write:error=ENOSPC:when=1", "old",
        "/x: not written: writing: No space left on device %(3 bytes needed, %d+ bytes free%)"},
      {"a failed fsync", "fsync:error=EIO:when=1", "old", "/x: not written: fsync: Input/output error"},
      {"a failed change of permissions", "fchmod:error=EPERM:when=1", "old", "/x: not written: permissions: Operation not permitted"},
      {"a failed rename", "renameat:error=EACCES:when=1", "old", "/x: not written: rename: Permission denied"},
      {"a failed fsync of the folder", "fsync:error=EIO:when=2", "new",
        "/x: not written: fsync of the directory, after the file was replaced: Input/output error"},
      {"a folder that cannot be flushed", "fsync:error=EINVAL:when=2", "new"},
      {"a kill while writing", "write:signal=KILL:when=1", "old", ""},
      {"a kill before the rename", "fsync:signal=KILL:when=1", "old", ""},
      {"a kill after the rename", "fsync:signal=KILL:when=2", "new", ""},
    }
    for _, case in ipairs(cases) do
      it(case[1], function()
        if shell("strace -o /dev/null true 2>&1 && echo works") ~= "works" then
          pending("strace is not installed or not allowed")
          return
        end
        write(folder .. "/x", "old")
        write(folder .. "/script.lua", [[
          local ok, message = pcall(require "kl".core.io.write_file, arg[1], "new")
          io.write(ok and "done" or message)]])
        local command = "ASAN_OPTIONS=detect_leaks=0 strace -o /dev/null -e inject=%s '%s' run '%s/script.lua' '%s/x' 2>&1"
        local printed = shell(command:format(case[2], support.program(), folder, folder))
        if case[2]:find("KILL", 1, true) then
          assert.is_nil(printed:find("done", 1, true))
        else
          assert.matches(case[4] or "^done$", printed)
          assert.equal("script.lua\nx", names()) -- no temporary file
        end
        assert.equal(case[3], read(folder .. "/x"))
      end)
    end
  end)

  it("flushes the file before the rename and the folder after it", function()
    if shell("command -v strace") == "" then
      pending("strace is not installed")
      return
    end
    local script = folder .. "/script.lua"
    write(script, ('require "kl".core.io.write_file(%q, "data")'):format(folder .. "/x"))
    local trace = shell(("strace -f -e trace=openat,write,fsync,close,rename,renameat,renameat2 '%s' run '%s' 2>&1"):format(
      support.program(), script))
    local calls = trace:match("(openat[^\n]*%.x%.%d+%.tmp.*)$") or trace
    assert.matches("O_EXCL.*write%(.*fsync%(.*close%(.*renameat[^\n]*%.x%.%d+%.tmp.*fsync%(", calls)
  end)
end)

describe("reading a file", function()
  local folder, remove
  setup(function()
    folder, remove = support.folder()
    write(folder .. "/x", "12345")
  end)
  teardown(function() remove() end)

  it("takes at most the bytes that are allowed", function()
    assert.equal("12345", read(folder .. "/x", 5))
    assert.equal(folder .. "/x: too large: at most 4 bytes expected, 5 found", support.message(read, folder .. "/x", 4))
  end)
  it("reads files that do not know their size", function()
    assert.matches("%d", read("/proc/self/stat"))
    assert.matches(": too large: at most 1 bytes expected, more found", support.message(read, "/proc/self/stat", 1))
  end)
  it("raises for what cannot be read", function()
    os.execute(("mkfifo '%s/pipe'"):format(folder))
    assert.equal(folder .. "/y: cannot be read: No such file or directory", support.message(read, folder .. "/y"))
    assert.equal(folder .. ": cannot be read: Is a directory", support.message(read, folder))
    assert.equal(folder .. "/x/y: cannot be read: Not a directory", support.message(read, folder .. "/x/y"))
    assert.equal(folder .. "/pipe: cannot be read: it is not a regular file", support.message(read, folder .. "/pipe"))
    assert.equal("/dev/zero: cannot be read: it is not a regular file", support.message(read, "/dev/zero"))
    assert.equal("read_file: a path (a string) expected, got table", support.message(read, {}))
    assert.equal("read_file: a number of bytes > 0 expected, got 0", support.message(read, folder .. "/x", 0))
  end)
  it("leaves nothing behind when memory is short", function()
    support.each_allocation(function() return read(folder .. "/x") end)
  end)
end)

describe("CRC-32C", function()
  local crc = core.io.crc32c
  it("has the known values", function()
    assert.same({0xe3069283, 0xc78ab0e5}, {crc("123456789")})
    assert.same({0, 0xa282ead8}, {crc("")})
    assert.equal(0x8a9136aa, (crc(("\0"):rep(32))))
    assert.equal(0x62a8ab43, (crc(("\xff"):rep(32))))
  end)
  it("is the same by table and by instruction, at every length and offset", function()
    local bytes = {}
    for i = 1, 300 do bytes[i] = string.char(i * i * 7 % 256) end
    bytes = table.concat(bytes)
    local has = pcall(crc, "", "instruction")
    for first = 1, 9 do
      for last = first - 1, 300, first do
        local piece = bytes:sub(first, last)
        assert.equal((crc(piece, "table")), (crc(piece)))
        if has then assert.equal((crc(piece, "table")), (crc(piece, "instruction"))) end
      end
    end
  end)
end)
