-- core.io.encode_png, encode_jpeg and decode_image: src/io/png.c, jpeg.c, image.c.
local kl = require "kl"
local core = kl.core
local support = dofile "tests/io/support.lua"
local encode_png, encode_jpeg, decode = core.io.encode_png, core.io.encode_jpeg, core.io.decode_image

--- A picture whose samples differ in all directions.
local function picture(...)
  local n = 1
  for _, d in ipairs{...} do n = n * d end
  return ((kl.arange(n) * 37) % 251):cast("uint8"):reshape{...}
end

--- A PNG chunk, with a right CRC where zlib's is known to kl only through libpng: it is computed here.
local function crc32(text)
  local crc = 0xFFFFFFFF
  for i = 1, #text do
    crc = crc ~ text:byte(i)
    for _ = 1, 8 do crc = crc & 1 == 1 and crc >> 1 ~ 0xEDB88320 or crc >> 1 end
  end
  return crc ~ 0xFFFFFFFF
end
local function chunk(kind, data) return string.pack(">I4", #data) .. kind .. data .. string.pack(">I4", crc32(kind .. data)) end
local function header(width, height, depth, type)
  return "\x89PNG\r\n\x1a\n" .. chunk("IHDR", string.pack(">I4I4BBBBB", width, height, depth, type, 0, 0, 0))
end

describe("PNG", function()
  for _, shape in ipairs{{1, 1, 1}, {5, 7, 1}, {5, 7, 2}, {4, 3, 3}, {6, 5, 4}, {70, 300, 3}} do
    it(("keeps every sample of %s"):format(table.concat(shape, " x ")), function()
      local x = picture(table.unpack(shape))
      for compression = 0, 9, 3 do
        assert.is_true(kl.array_equal(x, decode(encode_png(x, {compression = compression}))))
      end
      assert.equal(encode_png(x), encode_png(x))
    end)
  end
  it("takes a picture without an axis of channels, views and variables", function()
    local x = picture(6, 8)
    assert.is_true(kl.array_equal(x:reshape{6, 8, 1}, decode(encode_png(x))))
    assert.is_true(kl.array_equal(x:transpose():reshape{8, 6, 1}, decode(encode_png(x:transpose()))))
    assert.is_true(kl.array_equal(x:reshape{6, 8, 1}, decode(encode_png(kl.Variable(x)))))
  end)
  it("refuses every truncation and bytes behind the end", function()
    local raw = encode_png(picture(4, 5, 3))
    for n = 0, #raw - 1 do
      assert.matches(n < 8 and "a PNG or JPEG file expected" or "the PNG file is cut off after " .. n,
        support.message(decode, raw:sub(1, n)))
    end
    assert.matches("the end of the PNG file expected at offset " .. #raw .. ", 3 more bytes found$",
      support.message(decode, raw .. "abc"))
  end)
  it("refuses a flipped bit wherever a checksum covers it", function()
    local raw = encode_png(picture(4, 5, 3))
    for at = 1, #raw do
      for bit = 0, 7 do
        assert.is_false(pcall(decode, raw:sub(1, at - 1) .. string.char(raw:byte(at) ~ 1 << bit) .. raw:sub(at + 1)))
      end
    end
  end)
  it("refuses pictures that are too large before it makes room for them", function()
    assert.matches("^image: an image of 1 to 16384 pixels in height and width expected, found 16385 x 4$",
      support.message(decode, header(4, 16385, 8, 2) .. chunk("IDAT", "")))
    assert.matches("^big.png: an image of at most 268435456 bytes expected, found 16384 x 16384 pixels of 4 channels, 1073741824 bytes",
      support.message(decode, header(16384, 16384, 8, 6) .. chunk("IDAT", ""), {name = "big.png"}))
    assert.matches("cut off: 8000 x 8000 pixels cannot come from 45 bytes",
      support.message(decode, header(8000, 8000, 8, 0) .. chunk("IDAT", "")))
    local raw = encode_png(picture(10, 10))
    assert.same({10, 10, 1}, decode(raw, {max_bytes = 100}).shape)
    assert.matches("at most 99 bytes expected, found 10 x 10 pixels of 1 channels, 100 bytes; a larger limit can be given$",
      support.message(decode, raw, {max_bytes = 99}))
  end)
end)

describe("JPEG", function()
  it("keeps smooth pictures nearly, the better the higher the quality", function()
    for _, channels in ipairs{1, 3} do
      local x = (kl.arange(40):reshape{40, 1, 1} * 3 + kl.arange(50):reshape{1, 50, 1} * 2 + kl.zeros{1, 1, channels}):cast("uint8")
      local last, size = 256, 0
      for _, quality in ipairs{1, 50, 95} do
        local raw = encode_jpeg(x, {quality = quality})
        local y = decode(raw)
        assert.same({40, 50, channels}, y.shape)
        local off = kl.mean(kl.abs(y:cast("float32") - x:cast("float32"))):item()
        assert.is_true(off < last and #raw > size)
        last, size = off, #raw
      end
      assert.is_true(last < 1)
      assert.equal(encode_jpeg(x, {quality = 95}), encode_jpeg(x))
    end
  end)
  it("refuses every truncation", function()
    local raw = encode_jpeg(picture(20, 20, 3))
    for n = 0, #raw - 1 do
      assert.matches(n < 3 and "a PNG or JPEG file expected" or "^image: damaged or cut off JPEG file of " .. n .. " bytes: ",
        support.message(decode, raw:sub(1, n)))
    end
  end)
  it("takes bytes behind the end, where cameras write more pictures", function()
    local raw = encode_jpeg(picture(20, 20, 3))
    assert.is_true(kl.array_equal(decode(raw), decode(raw .. raw)))
  end)
  it("gives a picture or an error for any flipped bit", function()
    local raw = encode_jpeg(picture(9, 9, 3))
    local refused = 0
    for at = 1, #raw do
      for bit = 0, 7 do
        local ok, y = pcall(decode, raw:sub(1, at - 1) .. string.char(raw:byte(at) ~ 1 << bit) .. raw:sub(at + 1), {max_bytes = 1 << 20})
        if ok then assert.equal("uint8", y.dtype) else refused = refused + 1 end
      end
    end
    assert.is_true(refused > 100)
  end)
  it("obeys the limit", function()
    local raw = encode_jpeg(picture(20, 20, 3))
    assert.matches("at most 1199 bytes expected, found 20 x 20 pixels of 3 channels", support.message(decode, raw, {max_bytes = 1199}))
  end)
end)

describe("decode_image", function()
  it("changes the number of channels", function()
    local grey = picture(3, 4, 1)
    local rgb, rgba = picture(3, 4, 3), picture(3, 4, 4)
    local full = kl.full({3, 4, 1}, 255, {dtype = "uint8"})
    local function luma(x)
      local c = x:cast("int32")
      return ((c[{{}, {}, {1, 1}}] * 19595 + c[{{}, {}, {2, 2}}] * 38470 + c[{{}, {}, {3, 3}}] * 7471 + 32768) // 65536):cast("uint8")
    end
    local alpha = rgba[{{}, {}, {4, 4}}]
    local cases = {
      {grey, 1, grey}, {grey, 3, kl.concatenate({grey, grey, grey}, {axis = 3})}, {grey, 2, kl.concatenate({grey, full}, {axis = 3})},
      {grey, 4, kl.concatenate({grey, grey, grey, full}, {axis = 3})},
      {rgb, 1, luma(rgb)}, {rgb, 3, rgb}, {rgb, 4, kl.concatenate({rgb, full}, {axis = 3})},
      {rgba, 1, luma(rgba)}, {rgba, 3, rgba[{{}, {}, {1, 3}}]}, {rgba, 4, rgba}, {rgba, 0, rgba},
      {rgba, 2, kl.concatenate({luma(rgba), alpha}, {axis = 3})},
    }
    for _, case in ipairs(cases) do
      assert.is_true(kl.array_equal(case[3], decode(encode_png(case[1]), {channels = case[2]})))
    end
  end)
  it("says what is wrong with its arguments", function()
    local x = picture(4, 4, 3)
    local cases = {
      {decode, "GIF89a", nil, "a PNG or JPEG file expected, found one that begins with 47 49 46 38$"},
      {decode, "", nil, "found 0 bytes$"},
      {decode, 5, nil, "decode_image: a string, the bytes of an image file, expected, got number"},
      {decode, encode_png(x), {channels = 5}, "decode_image: channels: an integer from 0 to 4 expected, got 5"},
      {decode, encode_png(x), {max_bytes = 0}, "decode_image: max_bytes: a number of bytes > 0 expected, got 0"},
      {decode, encode_png(x), 3, "decode_image: a table of options expected, got number"},
      {encode_png, 5, nil, "encode_png: a tensor expected, got number"},
      {encode_png, x:cast("float32"), nil, "encode_png: a tensor of uint8, 0 to 255, expected, got float32"},
      {encode_png, picture(4), nil, "with 1 to 4 channels expected, got %(4,%)"},
      {encode_png, picture(4, 4, 5), nil, "expected, got %(4, 4, 5%)"},
      {encode_png, picture(1, 4, 4, 3), nil, "expected, got %(1, 4, 4, 3%)"},
      {encode_png, kl.zeros({0, 4}, {dtype = "uint8"}), nil, "at least one pixel"},
      {encode_png, x, {compression = 10}, "compression: an integer from 0 to 9 expected, got 10"},
      {encode_jpeg, picture(4, 4, 4), nil, "with 1 or 3 channels expected, got %(4, 4, 4%)"},
      {encode_jpeg, picture(4, 4, 2), nil, "with 1 or 3 channels expected, got %(4, 4, 2%)"},
      {encode_jpeg, kl.zeros({65501, 1}, {dtype = "uint8"}), nil, "1 to 65500 pixels a side, got 65501 x 1"},
      {encode_jpeg, x, {quality = 0}, "quality: an integer from 1 to 100 expected, got 0"},
    }
    for _, case in ipairs(cases) do assert.matches(case[4], support.message(case[1], case[2], case[3])) end
  end)
  it("leaves nothing behind when memory is short", function()
    local x = picture(50, 40, 3)
    local png, jpeg = encode_png(x), encode_jpeg(x)
    for _, f in ipairs{function() return decode(png) end, function() return decode(jpeg) end, function() return encode_png(x) end,
      function() return encode_jpeg(x) end, function() return encode_png(x:transpose{2, 1, 3}) end} do
      support.each_allocation(f)
    end
  end)
end)
