-- Names that users of TensorFlow, PyTorch, Torch7, numpy and matplotlib try, and what does the same here.  Only where the name
-- or the arguments differ: what is called alike is an alias of an op.  Errors about unknown names end with these; the file is
-- read when the first is raised.
local elsewhere, families = {}, {}

local function both(a, b)
  local joined = {}
  for _, list in ipairs{a, b} do
    for name, text in pairs(list) do joined[name] = text end
  end
  return joined
end

-- Of tensors and of the module: t:view(...), kl.view(t, ...).
local ops = {
  view = "t:reshape{...}", permute = "t:transpose{...}, or kl.transpose(t, axes)", expand = "t:broadcast_to{...}",
  swapdims = "t:swapaxes(a, b)", t = "t:transpose()", T = "t:transpose()", size = "t.shape, #t for the first axis",
  rank = "t.ndim",
  dim = "t.ndim", numel = "#t:ravel()", nelement = "#t:ravel()", nElement = "#t:ravel()",
  scatter_update = "kl.slice_update, or kl.where(mask, new, t)",
  masked_fill = "kl.where(mask, value, t)", masked_select = "t[mask]",
  index_select = "kl.take(t, indices, {axis = axis})",
  narrow = "t[{ {first, last} }]", chunk = "kl.split(t, parts)", max_pool = "kl.max",
  range = "kl.arange(start, stop, step)",
}

--- Methods and properties of tensors and variables.
families["kl.tensor"] = both(ops, {
  numpy = "t:totable(), t:item() for one element, or kl.save(path, t)", tolist = "t:totable()",
  data = "t.value of a variable, or t:totable()",
  float = "t:cast(\"float32\")", double = "t:cast(\"float64\")", long = "t:cast(\"int64\")", int = "t:cast(\"int32\")",
  bool = "t:cast(\"bool\")", byte = "t:cast(\"uint8\")", to = "t:cast(dtype); there is one device",
  type = "t.dtype, t:cast(dtype)",
  cpu = "t itself: there is one device", cuda = "t itself: there is one device",
  contiguous = "t itself: any layout is taken",
  select = "t[i], or t[{ {}, i }]", fill_ = "v:assign(kl.full_like(v, value)) of a variable",
  copy_ = "v:assign(t) of a variable",
  add_ = "v:assign_add(t) of a variable", sub_ = "v:assign_sub(t) of a variable",
  zero_ = "v:assign(kl.zeros_like(v)) of a variable",
  mul_ = "v:assign(v * t) of a variable", backward = "a tape: tape:gradient(loss, variables)",
  grad = "tape:gradient(loss, variables)",
  requires_grad = "kl.Variable, or tape:watch(t)", requires_grad_ = "kl.Variable, or tape:watch(t)",
  append = "kl.concatenate({t, u}, 1)",
})

--- kl.<name>.
families["kl"] = both(ops, {
  shape = "t.shape", ndim = "t.ndim",
  constant = "kl.tensor(data, dtype)", as_tensor = "kl.tensor(data, dtype)", from_numpy = "kl.load(path)",
  Tensor = "kl.tensor(data), kl.zeros{...}",
  array = "kl.tensor(data, dtype)", fill = "kl.full(shape, value)", empty = "kl.zeros{...}",
  rand = "kl.random.uniform{...}",
  randn = "kl.random.normal{...}", randint = "kl.random.randint(shape, low, high)",
  randperm = "kl.random.permutation(n)",
  rand_like = "kl.random.uniform{t.shape}", randn_like = "kl.random.normal{t.shape}", manual_seed = "kl.set_seed(n)",
  nn = "kl.layers and the ops of kl", keras = "kl itself: kl.layers, kl.Model, ...", math = "the ops of kl",
  linalg = "the ops of kl: kl.norm, kl.solve, kl.einsum",
  func = "kl.jit(f)", compile = "kl.jit(f)", no_grad = "operations outside of a tape, or tape:stop_recording()",
  optim = "kl.optimizers", tensors = "kl.tensor", strings = "Lua's string library", io = "kl.load and kl.save",
  image = "kl.load of a picture",
  train = "model:save_weights, kl.callbacks.ModelCheckpoint", inverse = "kl.solve(a, kl.eye(n))",
  inv = "kl.solve(a, kl.eye(n))",
  sigmoid_cross_entropy_with_logits = "kl.losses.binary_crossentropy(y, x, {from_logits = true})",
  softmax_cross_entropy_with_logits = "kl.losses.categorical_crossentropy(y, x, {from_logits = true})",
  sparse_softmax_cross_entropy_with_logits = "kl.losses.sparse_categorical_crossentropy(y, x, {from_logits = true})",
  cross_entropy = "kl.losses.sparse_categorical_crossentropy(y, x, {from_logits = true})",
  mse_loss = "kl.losses.mean_squared_error(y, x)",
  shuffle = "kl.random.shuffle(t)", custom_grad = "kl.custom_gradient", show = "fig:show()",
  imshow = "kl.plot.figure{}:image(picture)",
})

--- kl.random.<name>.
families["kl.random"] = {
  rand = "kl.random.uniform{...}", uniform_ = "kl.random.uniform{...}", seed = "kl.set_seed(n)",
  set_global_seed = "kl.set_seed(n)",
  choice = "kl.take(t, kl.random.randint(...)), or kl.random.categorical", multinomial = "kl.random.categorical",
  stateless_uniform = "kl.random.uniform{..., seed = n}", stateless_normal = "kl.random.normal{..., seed = n}",
  randperm = "kl.random.permutation(n)", standard_normal = "kl.random.normal{...}",
}

--- Methods of figures and axes, and kl.plot.<name>, for those who know matplotlib.
families["kl.plot"] = {
  plot = "fig:line(x, y, {label = ...}) of kl.plot.figure{...}", hist = "fig:histogram(values)",
  imshow = "fig:image(picture) or fig:heatmap(matrix)",
  matshow = "fig:heatmap(matrix)", pcolormesh = "fig:heatmap(x, y, matrix)", pcolor = "fig:heatmap(x, y, matrix)",
  contour = "fig:heatmap(x, y, matrix)", contourf = "fig:heatmap(x, y, matrix)", axhline = "fig:hline(y)",
  axvline = "fig:vline(x)",
  subplots = "kl.plot.figure{rows = ..., columns = ...}",
  subplot = "fig:axes(row, column) of kl.plot.figure{rows = ..., columns = ...}",
  add_subplot = "fig:axes(row, column)", savefig = "fig:save(path)",
  close = "nothing: a figure is drawn when it is saved or shown",
  clf = "a new kl.plot.figure{}", semilogy = "fig:line(x, y) with kl.plot.figure{yscale = \"log\"}",
  semilogx = "fig:line(x, y) with kl.plot.figure{xscale = \"log\"}",
  loglog = "fig:line(x, y) with kl.plot.figure{xscale = \"log\", yscale = \"log\"}",
  xlabel = "fig:configure{xlabel = ...}", ylabel = "fig:configure{ylabel = ...}",
  suptitle = "kl.plot.figure{title = ...}",
  xlim = "fig:configure{xlim = {low, high}}", ylim = "fig:configure{ylim = {low, high}}",
  legend = "fig:configure{legend = place}; labelled series have one",
  grid = "fig:configure{grid = true}", set_xlabel = "axes:configure{xlabel = ...}",
  set_ylabel = "axes:configure{ylabel = ...}",
  set_title = "axes:configure{title = ...}", set_xlim = "axes:configure{xlim = {low, high}}",
  set_ylim = "axes:configure{ylim = {low, high}}",
  xscale = "fig:configure{xscale = \"log\"}", yscale = "fig:configure{yscale = \"log\"}",
  xticks = "fig:configure{xticks = ..., xticklabels = ...}",
  yticks = "fig:configure{yticks = ..., yticklabels = ...}", colorbar = "fig:heatmap(matrix, {colorbar = true})",
  axis = "fig:configure{frame = false}",
  twinx = "fig:line(x, y, {axis = \"right\"})", annotate = "fig:text(x, y, text)",
  tight_layout = "nothing: there is room for all texts",
  show = "fig:show() of a figure", save = "fig:save(path) of a figure",
  figsize = "kl.plot.figure{width = ..., height = ...}",
}

elsewhere.families = families

--- What an error about an unknown name ends with: what does the same here, or nil.
---@param family string # "kl", "kl.tensor", "kl.random", "kl.plot"; of others nothing is known
---@return string?
function elsewhere.hint(family, name)
  local text = families[family] and families[family][name]
  return text and (": use %s"):format(text)
end

return elsewhere
