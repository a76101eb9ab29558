-- Times a workload beside other frameworks: kl run scripts/bench.lua WORKLOAD [--threads N] [--seconds S] [--set NAME=INT]
-- Prints one JSON line: the median and the least mean step time over blocks, in microseconds.  --mode eager runs the steps
-- operation by operation; --mode lua (mlp) is a train_step of one's own, whose Lua runs at every step.
local kl = require "kl"
local layers = kl.layers

local workloads = {
  -- 784 -> 512 relu -> dropout 0.5 -> 10 softmax, RMSprop, one batch in memory
  mlp = {batch = 32, features = 784, units = 512, classes = 10},
  -- y = w x + b by hand with the gradient tape, full batch
  linreg = {batch = 1000},
  -- the same under kl.jit with replay
  linreg_jit = {batch = 1000},
  -- one forward pass of the mlp on one sample
  predict1 = {batch = 1, features = 784, units = 512, classes = 10},
}

local options = {seconds = 3.0, mode = ""}
local name
local i = 1
while arg[i] do
  local a = arg[i]
  if a == "--threads" then
    options.threads = math.tointeger(tonumber(arg[i + 1]))
    i = i + 1
  elseif a == "--seconds" then
    options.seconds = tonumber(arg[i + 1])
    i = i + 1
  elseif a == "--mode" then
    options.mode = arg[i + 1]
    i = i + 1
  elseif a == "--set" then
    local key, value = (arg[i + 1] or ""):match("^(%w+)=(%d+)$")
    assert(key, "--set NAME=INT expected")
    options[#options + 1] = {key, math.tointeger(value)}
    i = i + 1
  else
    name = a
  end
  i = i + 1
end
local sizes = workloads[name]
if not sizes then
  io.stderr:write(("bench: no workload %s; there are linreg, linreg_jit, mlp, predict1\n"):format(tostring(name)))
  os.exit(2)
end
for _, pair in ipairs(options) do
  if not sizes[pair[1]] then
    io.stderr:write(("bench: %s has no size %s\n"):format(name, pair[1]))
    os.exit(2)
  end
  sizes[pair[1]] = pair[2]
end
if options.threads then kl.set_threads(options.threads) end
kl.set_seed(0)

-- What a user would write: the same step as kl.Model's own.
local OwnStep = kl.Model:extend("OwnStep")
function OwnStep:train_step(data)
  local x, y = data[1], data[2]
  local tape <close> = kl.GradientTape()
  local y_pred = self(x, {training = true})
  local loss = self:compute_loss{x = x, y = y, y_pred = y_pred}
  self.optimizer:apply_gradients(tape:gradient(loss, self.trainable_weights), self.trainable_weights)
  return self:compute_metrics{x = x, y = y, y_pred = y_pred, loss = loss}
end

local function mlp()
  local inputs = kl.Input{sizes.features}
  local h = layers.Dropout{0.5}(layers.Dense{sizes.units, activation = "relu"}(inputs))
  local class = options.mode == "lua" and OwnStep or kl.Model
  local model = class{inputs = inputs, outputs = layers.Dense{sizes.classes, activation = "softmax"}(h)}
  model:compile{optimizer = "rmsprop", loss = "sparse_categorical_crossentropy", metrics = {"accuracy"},
    run_eagerly = options.mode == "eager"}
  return model
end

local steps = {}

function steps.mlp()
  local model = mlp()
  local data = {kl.random.uniform{sizes.batch, sizes.features}, kl.random.randint({sizes.batch}, 0, sizes.classes)}
  local first = true
  return function() -- as fit runs it on arrays, without callbacks of the user's
    model:_run_train_step(data, not first)
    first = false
  end
end

function steps.predict1()
  local model = mlp()
  local x = kl.random.uniform{sizes.batch, sizes.features}
  return function() model(x, {training = false}) end
end

local function linreg(wrap)
  local x = kl.random.uniform{sizes.batch, 1}
  local y = x * 3 + 2
  local w, b = kl.Variable(kl.zeros{1, 1}), kl.Variable(kl.zeros{1})
  return wrap(function()
    local tape <close> = kl.GradientTape()
    local loss = kl.mean((kl.matmul(x, w) + b - y) ^ 2)
    local dw, db = table.unpack(tape:gradient(loss, {w, b}))
    w:assign_sub(dw * 0.1)
    b:assign_sub(db * 0.1)
  end)
end

function steps.linreg() return linreg(function(f) return f end) end
function steps.linreg_jit() return linreg(function(f) return kl.jit(f, {replay = options.mode ~= "lua"}) end) end

local clock = kl.core.clock

--- Median and minimum over blocks of the mean time of a step, in microseconds, and the number of steps.
local function measure(step, seconds)
  for _ = 1, 20 do step() end
  local start = clock()
  step()
  local one = clock() - start
  local block = math.max(1, math.floor(seconds / 15 / math.max(one, 1e-7)))
  local times = {}
  local finish = clock() + seconds
  while clock() < finish or #times < 3 do
    start = clock()
    for _ = 1, block do step() end
    times[#times + 1] = (clock() - start) / block * 1e6
  end
  table.sort(times)
  return times[#times // 2 + 1], times[1], block * #times
end

local function peak_rss_mib()
  for line in io.lines("/proc/self/status") do
    local kib = line:match("^VmHWM:%s*(%d+)")
    if kib then return math.floor(tonumber(kib) / 1024 + 0.5) end
  end
end

local median, least, count = measure(steps[name](), options.seconds)
print(kl.json.encode{peer = "kl " .. require "kl.version".kl, workload = name, mode = options.mode,
  threads = kl.core.get_threads(), sizes = sizes, us_per_step = math.floor(median * 10 + 0.5) / 10,
  us_min = math.floor(least * 10 + 0.5) / 10, steps = count, peak_rss_mib = peak_rss_mib()})
