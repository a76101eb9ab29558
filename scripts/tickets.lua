-- Ranks support tickets: three inputs and two outputs by name, trained at once: kl run scripts/tickets.lua [EPOCHS] [TICKETS]
local kl = require "kl"
local layers = kl.layers

local epochs, tickets = tonumber(arg[1] or 5), tonumber(arg[2] or 1280)
local vocabulary, num_tags, num_departments = 2000, 100, 4

-- The graph: each text is a vector of 0 and 1 over the vocabulary.
local title = kl.Input{vocabulary, name = "title"}
local text_body = kl.Input{vocabulary, name = "text_body"}
local tags = kl.Input{num_tags, name = "tags"}
local features = layers.Dense{64, activation = "relu", name = "mixing"}(layers.Concatenate{name = "all"}{title, text_body, tags})
local priority = layers.Dense{1, activation = "sigmoid", name = "priority"}(features)
local department = layers.Dense{num_departments, activation = "softmax", name = "department"}(features)
local model = kl.Model{inputs = {title, text_body, tags}, outputs = {priority, department}, name = "tickets"}
model:summary()

-- Tickets in which the words do tell: some raise the priority, and every department has words of its own.
kl.set_seed(5)
local function texts(width, probability) return kl.cast(kl.less(kl.random.uniform{tickets, width}, probability), "float32") end
local data = {title = texts(vocabulary, 0.005), text_body = texts(vocabulary, 0.02), tags = texts(num_tags, 0.05)}
local urgency = kl.matmul(data.text_body, kl.random.normal{vocabulary, 1}) + kl.matmul(data.tags, kl.random.normal{num_tags, 1})
local affinity = kl.matmul(data.title, kl.random.normal{vocabulary, num_departments}) +
  kl.matmul(data.text_body, kl.random.normal{vocabulary, num_departments})
local targets = {priority = kl.sigmoid(urgency / 4), department = kl.argmax(affinity, {axis = -1})}

model:compile{
  optimizer = "adam",
  loss = {priority = "mean_squared_error", department = "sparse_categorical_crossentropy"},
  loss_weights = {priority = 4.0, department = 1.0},
  metrics = {priority = {"mean_absolute_error"}, department = {"accuracy"}},
  verbose = 1, -- prints what was understood
}
model:fit{data, targets, epochs = epochs, validation_split = 0.1}

local result = model:evaluate{data, targets, verbose = 0}
print(("department right in %.1f %%, priority off by %.3f"):format(100 * result.department_accuracy,
  result.priority_mean_absolute_error))
local of_priority, of_department = table.unpack(model:predict{data, verbose = 0})
for i = 1, 3 do
  print(("ticket %d: priority %.2f, department %d"):format(i, of_priority[i][1]:item(), kl.argmax(of_department[i]):item()))
end

-- A layer's output can be the input of something else: here a third answer from the same features.
local difficulty = layers.Dense{3, activation = "softmax", name = "difficulty"}(model:get_layer("mixing").output)
local extended = kl.Model{inputs = {title, text_body, tags}, outputs = {priority, department, difficulty}}
print(("with %d outputs: %s"):format(#extended.outputs, table.concat(extended.output_names, ", ")))
