-- Prints what the random ops draw, bit for bit.  random_spec runs it under each instruction set and compares.
local kl = require "kl"
local ops = kl.core.ops

local key = kl.tensor({-8613303245920329199, 987654321}, "int64")
local draws = {
  ops.random_uniform(key, {1003}),
  ops.random_uniform(key, {1003}, -3, 7.1, "float64"),
  ops.random_normal(key, {1003}),
  ops.random_normal(key, {1003}, 1, 2, "float64"),
  ops.random_truncated_normal(key, {1003}),
  ops.random_randint(key, {1003}, -5, 1000),
  ops.random_randint(key, {1003}, 0, 1 << 60, "int64"),
  ops.random_bernoulli(key, {1003}, 0.3),
  ops.random_permutation(key, 1003),
  ops.dropout(kl.ones{1003}, key, 0.3),
}
for _, t in ipairs(draws) do
  for _, v in ipairs(t:totable()) do print(math.type(v) == "float" and ("%a"):format(v) or v) end
end
