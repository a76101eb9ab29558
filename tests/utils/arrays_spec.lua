-- kl.utils' helpers for arrays, and what resets names and seeds.  Values are Keras's (keras.utils of 3.15.1).
local kl = require "kl"
local assert = require "luassert"
local near = require "near"
local raises = require "raises"
local U = kl.utils

describe("to_categorical", function()
  it("makes a row per label", function()
    near(U.to_categorical{0, 2, 1}, {{1, 0, 0}, {0, 0, 1}, {0, 1, 0}}, "a list")
    near(U.to_categorical{kl.tensor{{0}, {2}}, num_classes = 4}, {{1, 0, 0, 0}, {0, 0, 1, 0}}, "a column")
    near(U.to_categorical(kl.tensor{{0, 1}, {1, 1}}), {{{1, 0}, {0, 1}}, {{0, 1}, {0, 1}}}, "two axes")
    near(U.to_categorical{{1, 0}, 2}, {{0, 1}, {1, 0}}, "by position")
    raises(function() U.to_categorical{{0, 3}, 3} end, "labels must be from 0 to 2 %(num_classes %- 1%), got 3")
    raises(function() U.to_categorical{{0, -1}} end, "labels must be from 0 to 0 .*, got %-1")
    raises(function() U.to_categorical{{0, 1}, num_class = 2} end, "unknown option 'num_class'; did you mean 'num_classes'")
  end)
end)

describe("normalize", function()
  it("divides by the norm, by 1 where that is 0", function()
    near(U.normalize{{{3, 4}, {0, 0}}}, {{0.6, 0.8}, {0, 0}}, "order 2")
    near(U.normalize{{{3, -1}, {1, 1}}, axis = 1, order = 1}, {{0.75, -0.5}, {0.25, 0.5}}, "order 1 over the first axis")
    near(U.normalize{{{2, -4}}, order = math.huge}, {{0.5, -1}}, "the largest")
    raises(function() U.normalize{{{1}}, order = 0} end, "'order' must be above 0")
  end)
end)

describe("pad_sequences", function()
  it("cuts and fills, by default in front", function()
    local s = {{1, 2, 3}, {4}, {}}
    near(U.pad_sequences{s}, {{1, 2, 3}, {0, 0, 4}, {0, 0, 0}}, "defaults")
    near(U.pad_sequences{s, maxlen = 2}, {{2, 3}, {0, 4}, {0, 0}}, "maxlen")
    near(U.pad_sequences{s, 2, "float32", "post", "post", 0.5}, {{1, 2}, {4, 0.5}, {0.5, 0.5}}, "behind")
    assert.equal("int32", U.pad_sequences{s}.dtype)
    near(U.pad_sequences{{kl.tensor{{1, 2}}, {{3, 4}, {5, 6}}}}, {{{0, 0}, {1, 2}}, {{3, 4}, {5, 6}}}, "rows")
    raises(function() U.pad_sequences{{1, 2}} end, "a list of sequences expected")
    raises(function() U.pad_sequences{s, padding = "front"} end, "'padding' must be \"pre\" or \"post\"")
    raises(function() U.pad_sequences{{{{1, 2}}, {{1}}}} end, "the elements of sequence 2 have shape %(1%), those before it %(2%)")
    raises(function() U.pad_sequences{{}} end, "the list of sequences is empty")
  end)
end)

describe("clear_session and set_random_seed", function()
  it("let automatic names and numbers begin anew", function()
    U.clear_session()
    assert.equal("dense", kl.layers.Dense{1}.name)
    assert.equal("dense_1", kl.layers.Dense{1}.name)
    U.clear_session()
    assert.equal("dense", kl.layers.Dense{1}.name)
    U.set_random_seed(7)
    local first = kl.random.normal{3}
    U.set_random_seed(7)
    assert.is_true(kl.array_equal(first, kl.random.normal{3}))
  end)
end)
