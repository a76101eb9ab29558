-- What tensors look like when they are printed.
local kl = require "kl"

describe("a printed tensor", function()
  it("begins a new line where a row is long, under its first element, and leaves no blanks at ends of lines", function()
    assert.equal("tensor([[ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16,\n"
      .. "         17, 18, 19]], shape=(1, 20), dtype=int32)", tostring(kl.reshape(kl.arange(20), {1, 20})))
    for _, shape in ipairs{{30}, {3, 40}, {2, 2, 25}, {2000}, {40, 50}, {7, 20, 30}} do
      assert.is_nil(tostring(kl.ones{shape, dtype = "float64"} / 3):find(" \n"))
    end
  end)

  it("of more than 1000 elements shows the ends of its long axes", function()
    assert.equal("tensor([   0,    1,    2, ..., 1997, 1998, 1999], shape=(2000,), dtype=int32)", tostring(kl.arange(2000)))
    assert.equal("tensor([[0., 0.],\n        [0., 0.],\n        [0., 0.],\n        ...,\n        [0., 0.],\n        [0., 0.],\n"
      .. "        [0., 0.]], shape=(600, 2), dtype=float32)", tostring(kl.zeros{600, 2}))
  end)
end)
