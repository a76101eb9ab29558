-- Small models for the specs of training.
local kl = require "kl"

kl.set_seed(1)
local training = {}

--- The numbers as a tensor of shape (n, 1).
function training.column(numbers) return kl.tensor(numbers, "float32"):reshape{-1, 1} end

--- y = w x, one input and no bias, compiled with plain SGD and the squared error unless `options` say otherwise.
function training.line(w, options)
  local model = kl.Sequential{kl.Input{1}, kl.layers.Dense{1, use_bias = false}}
  model:set_weights{ {{w}} }
  local given = {optimizer = kl.optimizers.SGD{learning_rate = 0.1}, loss = "mse"}
  for name, value in pairs(options or {}) do given[name] = value end
  model:compile(given)
  return model
end

--- The weight of such a model.
function training.weight(model) return model.weights[1].value:item() end

local Watched = kl.Model:extend("Watched")
function Watched:call(x) return x end
function Watched:train_step(data)
  table.insert(self.seen, {data[1]:reshape{-1}:totable(), data[2] and data[2]:reshape{-1}:totable(),
    data[3] and data[3]:reshape{-1}:totable()})
  return {loss = 0.0}
end

--- A model that only notes the batches its train_step gets, in `seen`: lists of the numbers of x, y and sample_weight.
function training.watched()
  local model = Watched()
  model.seen = {}
  model:compile{}
  return model
end

--- The x of those batches, one list.
function training.all_seen(model)
  local all = {}
  for _, batch in ipairs(model.seen) do
    for _, v in ipairs(batch[1]) do all[#all + 1] = v end
  end
  return all
end

--- What f writes to standard output through io.stdout, and what it returns.
function training.output_of(f)
  local text, real = {}, io.stdout
  local catcher = {flush = function() end}
  function catcher:write(...)
    for _, part in ipairs{...} do text[#text + 1] = tostring(part) end
    return self
  end
  io.stdout = catcher -- luacheck: ignore 122
  local ok, result = pcall(f)
  io.stdout = real -- luacheck: ignore 122
  if not ok then error(result, 0) end
  return table.concat(text), result
end

--- The program under test as a process of its own; what the script prints, standard error included.  `before` stands in
--- front of the command.
function training.run_script(text, before)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  file:flush()
  local program = (os.getenv("KL_BUILD") or "build") .. "/kl"
  local pipe <close> = assert(io.popen(("%s '%s' run %s 2>&1"):format(before or "", program, path)))
  local output = pipe:read("a")
  os.remove(path)
  return output, path
end

return training
