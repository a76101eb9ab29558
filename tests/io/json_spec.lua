-- core.json: src/io/json.c and src/bind/json.c.
local core = require "kl".core
local support = dofile "tests/io/support.lua"
local json = core.json
local decode, encode, null, array = json.decode, json.encode, json.null, json.array

describe("decoding JSON", function()
  local values = {
    {"true", true}, {"false", false}, {'"text"', "text"}, {" [1,2]\n", {1, 2}}, {"{}", {}}, {"[]", {}},
    {'{"a":{"b":[1,{"c":2}]}}', {a = {b = {1, {c = 2}}}}}, {'{"":1}', {[""] = 1}},
    {'"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20ac\\ud83d\\ude00"', '"\\/\b\f\n\r\té€😀'}, {'"é€😀"', "é€😀"},
    {"\xef\xbb\xbf[1]", {1}},
  }
  for _, case in ipairs(values) do
    it("reads " .. case[1]:gsub("%c", " "), function() assert.same(case[2], decode(case[1])) end)
  end
  it("keeps integers integers, beyond 2^53 too, and all else floats", function()
    local numbers = {
      {"0", 0}, {"-0", 0}, {"9007199254740993", 9007199254740993}, {"-9223372036854775808", math.mininteger},
      {"9223372036854775807", math.maxinteger}, {"1.0", 1.0}, {"1e3", 1000.0}, {"1E+2", 100.0}, {"-2.5e-3", -0.0025},
      {"9223372036854775808", 2.0 ^ 63}, {"-0.0", -0.0}, {"1e-400", 0.0}, {"0.1", 0.1},
      {"0.1000000000000000055511151231257827021181583404541015625000000000000000000000001", 0.1},
      {"Infinity", math.huge}, {"-Infinity", -math.huge}, {("9"):rep(300), 1e300},
    }
    for _, case in ipairs(numbers) do
      for _, text in ipairs{case[1], "[" .. case[1] .. "]", '{"k": ' .. case[1] .. "}"} do
        local value = decode(text)
        if type(value) == "table" then value = value[1] or value.k end
        assert.equal(math.type(case[2]), math.type(value), text)
        assert.equal(case[2], value, text)
        assert.equal(1 / case[2], 1 / value, text)
      end
    end
    local nan = decode("[NaN]")[1]
    assert.is_true(nan ~= nan)
  end)
  it("reads numbers the same under another locale", function()
    local before = os.setlocale(nil, "numeric")
    for _, name in ipairs{"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"} do
      if os.setlocale(name, "numeric") then break end
    end
    local value, text = decode("[0.5]")[1], encode(0.5)
    os.setlocale(before, "numeric")
    assert.equal(0.5, value)
    assert.equal("0.5", text)
  end)
  it("tells arrays from objects and null from absence", function()
    local t = decode '{"list": [], "map": {}, "none": null, "items": [null, 1]}'
    assert.is_true(json.is_array(t.list))
    assert.is_false(json.is_array(t.map))
    assert.is_true(t.none == null)
    assert.equal("null", tostring(null))
    assert.equal(2, #t.items)
    assert.is_true(decode("null") == null)
  end)

  local errors = {
    {"", "line 1, column 1: the text ends too early"},
    {"  \n ", "line 2, column 2: the text ends too early"},
    {"[1,]", "line 1, column 4: no valid JSON here"},
    {"[1 2]", "line 1, column 4: no valid JSON here"},
    {"[1", "the text ends too early"},
    {"[1]]", "no valid JSON here"},
    {"{1:2}", "no valid JSON here"},
    {'{"a":1,}', "no valid JSON here"},
    {'{"a"}', "no valid JSON here"},
    {'{"a":1 "b":2}', "no valid JSON here"},
    {"1 2", "line 1, column 3: no valid JSON here"},
    {"[01]", "line 1, column 2: this is no JSON number"},
    {"[1.]", "this is no JSON number"},
    {"[.5]", "a JSON value expected"},
    {"[+1]", "a JSON value expected"},
    {"[-]", "this is no JSON number"},
    {"[1e]", "this is no JSON number"},
    {"[1x]", "this is no JSON number"},
    {"[0x10]", "this is no JSON number"},
    {"[-NaN]", "this is no JSON number"},
    {"[Inf]", "this is no JSON number"},
    {"[1e999]", "the number does not fit in a double"},
    {"[nul]", "this is no JSON value"},
    {"[True]", "this is no JSON value"},
    {"['a']", "a JSON value expected"},
    {"[1] // no", "line 1, column 5: a JSON value expected"},
    {'["a\n"]', "line 1, column 4: a control character inside a string must be escaped"},
    {'["a]', "line 1, column 2: the string that begins here does not end"},
    {'["\\x"]', "no valid JSON here"},
    {'["\\ud800"]', "no valid JSON here"},
    {'["a\\u0000b"]', "a string with the character U%+0000 is not supported"},
    {'["\xe9"]', "line 1, column 3: this is not valid UTF%-8"},
    {'["\xed\xa0\x80"]', "this is not valid UTF%-8"},
    {'["\xc0\x80"]', "this is not valid UTF%-8"},
    {'["\xf4\x90\x80\x80"]', "this is not valid UTF%-8"},
    {'{"\xff":1}', "this is not valid UTF%-8"},
    {"[1]\0", "line 1, column 4: a JSON value expected"},
    {"[\1]", "a JSON value expected"},
    {'{"a":1,"b":2,"a":3}', 'the key "a" occurs twice in one object'},
    {'[{"x":{"a":1,"\\u0061":2}}]', 'the key "a" occurs twice in one object'},
    {("["):rep(65) .. ("]"):rep(65), "line 1, column 65: nested deeper than 64 levels"},
    {('{"a":'):rep(65) .. "1" .. ("}"):rep(65), "nested deeper than 64 levels"},
  }
  for i, case in ipairs(errors) do
    it(("refuses bad text %d: %s"):format(i, case[1]:sub(1, 20):gsub("[^\32-\126]", "?")), function()
      assert.matches("^kl%.json%.decode: .*" .. case[2], support.message(decode, case[1]))
    end)
  end
  it("refuses every truncation of a document", function()
    local text = '{"a": [1, 2.5, true, null, "x\\n\\u00e9", {"b": -Infinity}], "c": {}}'
    assert.is_table(decode(text))
    for n = 0, #text - 1 do assert.has_error(function() decode(text:sub(1, n)) end) end
  end)
  it("reads 64 levels and objects of a thousand keys", function()
    assert.is_table(decode(("["):rep(64) .. ("]"):rep(64)))
    local parts = {}
    for i = 1, 1000 do parts[i] = ('"k%d":%d'):format(i, i) end
    assert.equal(777, decode("{" .. table.concat(parts, ",") .. "}").k777)
  end)
  it("refuses too much text and too many values", function()
    assert.matches("JSON of at most 67108864 bytes expected, got 67108865",
      support.message(decode, '"' .. ("a"):rep((64 << 20) - 1) .. '"'))
    assert.matches("more than 4194304 values in one text",
      support.message(decode, "[" .. ("1,"):rep(1 << 22) .. "1]"))
  end)
  it("raises for wrong arguments", function()
    assert.equal("kl.json.decode: a string expected, got number", support.message(decode, 12))
  end)
  it("leaves nothing behind when memory is short", function()
    support.each_allocation(function() return decode '{"a": [1, 2.5, "x"], "b": {"c": null, "d": 1}}' end)
    support.each_allocation(function()
      local ok, message = pcall(decode, '{"a": 1, "a": 2}')
      if message:find("out of memory", 1, true) then error(message, 0) end
      return ok
    end)
  end)
end)

describe("encoding JSON", function()
  local values = {
    {true, "true"}, {false, "false"}, {null, "null"}, {1, "1"}, {math.mininteger, "-9223372036854775808"},
    {9007199254740993, "9007199254740993"}, {1.0, "1.0"}, {-0.0, "-0.0"}, {0.1, "0.1"}, {1 / 3, "0.3333333333333333"},
    {1e300, "1e+300"}, {2.0 ^ 63, "9.223372036854776e+18"}, {5e-324, "5e-324"}, {123456789.125, "123456789.125"},
    {math.huge, "Infinity"}, {-math.huge, "-Infinity"}, {0 / 0, "NaN"}, {-(0 / 0), "NaN"},
    {"a\"\\\b\f\n\r\t\1\127é/", '"a\\"\\\\\\b\\f\\n\\r\\t\\u0001\127é/"'}, {{}, "{}"}, {array{}, "[]"}, {array(), "[]"},
    {{1, 2, {3}}, "[1,2,[3]]"}, {{b = 1, a = {c = array{}}, [""] = null, B = 2}, '{"":null,"B":2,"a":{"c":[]},"b":1}'},
  }
  for i, case in ipairs(values) do
    it("writes value " .. i, function() assert.equal(case[2], encode(case[1])) end)
  end
  it("writes what reads back the same", function()
    local value = {numbers = {1, 2.5, 1e-7, math.pi, math.maxinteger, 1e22}, nested = {{a = array{}, b = {}}, "é\n"}, t = true}
    for _, options in ipairs{{}, {indent = 2}} do
      local text = encode(value, options)
      assert.same(value, decode(text))
      assert.equal(text, encode(decode(text), options))
    end
    for i = 1, 2000 do
      local bits = (i * 0x9E3779B97F4A7C15) ~ (i << 32)
      local x = string.unpack("d", string.pack("i8", bits))
      if x == x and x ~= math.huge and x ~= -math.huge then assert.equal(x, decode(encode(x))) end
    end
  end)
  it("indents", function()
    assert.equal('{\n  "a": [\n    1,\n    {}\n  ],\n  "b": []\n}', encode({a = {1, {}}, b = array{}}, {indent = 2}))
  end)

  local cycle = {}
  cycle.self = {cycle}
  local errors = {
    {{a = {1, {b = print}}}, "kl.json.encode: .a[2].b: a boolean, number, string, table or kl.json.null expected, got function"},
    {print, "kl.json.encode: the value: a boolean, number, string, table or kl.json.null expected, got function"},
    {{io.stdout}, "kl.json.encode: [1]: a boolean, number, string, table or kl.json.null expected, got userdata"},
    {{1, 2, x = 3}, "kl.json.encode: the value: a table with string keys only, or with keys from 1 to n only, expected"},
    {{[2] = 1}, "kl.json.encode: the value: a table with string keys only, or with keys from 1 to n only, expected"},
    {{[1.5] = 1}, "kl.json.encode: the value: a table with string keys only, or with keys from 1 to n only, expected"},
    {{[true] = 1}, "kl.json.encode: the value: a table with string keys only, or with keys from 1 to n only, expected"},
    {array{x = 1}, "kl.json.encode: the value: a table with string keys only, or with keys from 1 to n only, expected"},
    {{k = "\xff"}, "kl.json.encode: .k: a string in JSON must be valid UTF-8"},
    {{k = "a\0b"}, "kl.json.encode: .k: a string in JSON with the character U+0000 is not supported"},
    {{["\xff"] = 1}, "kl.json.encode: the value: a key: a string in JSON must be valid UTF-8"},
  }
  for i, case in ipairs(errors) do
    it("refuses bad value " .. i, function() assert.equal(case[2], support.message(encode, case[1])) end)
  end
  it("refuses a table that contains itself", function()
    assert.matches("nested deeper than 64 levels %(a table that contains itself%?%)$", support.message(encode, cycle))
  end)
  it("raises for wrong arguments", function()
    assert.equal("kl.json.encode: a table of options expected, got number", support.message(encode, 1, 2))
    assert.equal("kl.json.encode: indent: an integer from 0 to 16 expected, got x", support.message(encode, 1, {indent = "x"}))
    assert.equal("kl.json.encode: indent: an integer from 0 to 16 expected, got 17", support.message(encode, 1, {indent = 17}))
    assert.equal("kl.json.array: a table expected, got string", support.message(array, "x"))
    assert.matches("kl.json.encode: a value expected, got none", support.message(encode))
  end)
  it("leaves nothing behind when memory is short", function()
    support.each_allocation(function() return encode{a = {1, 2.5, "x"}, b = {c = null}} end)
  end)
end)
