-- A generative adversarial network with two optimizers, for points or digits: kl run scripts/gan.lua [EPOCHS] [ring|mnist] [FIGURE]
local kl = require "kl"
local layers = kl.layers

local epochs, figure = tonumber(arg[1] or 60), arg[2]
local LATENT = 32

local GAN = kl.Model:extend("GAN")
function GAN:init(size, units)
  GAN.super.init(self)
  local function leaky() return layers.LeakyReLU{negative_slope = 0.2} end
  self.generator = kl.Sequential{kl.Input{LATENT}, layers.Dense{units}, leaky(), layers.Dense{units}, leaky(),
    layers.Dense{size}, name = "generator"}
  self.discriminator = kl.Sequential{kl.Input{size}, layers.Dense{units}, leaky(), layers.Dropout{0.2}, layers.Dense{units}, leaky(),
    layers.Dense{1}, name = "discriminator"}
  self.d_loss, self.g_loss = kl.metrics.Mean{name = "d_loss"}, kl.metrics.Mean{name = "g_loss"}
end
function GAN:compile(args)
  GAN.super.compile(self, {})
  self.d_optimizer, self.g_optimizer = args.d_optimizer, args.g_optimizer
  self.loss_fn = kl.losses.BinaryCrossentropy{from_logits = true}
end
function GAN.get:metrics() return {self.d_loss, self.g_loss} end
function GAN:call(noise) return self.generator(noise) end

function GAN:train_step(data)
  local real = data[1]
  local n = real.shape[1]
  -- The discriminator learns to tell real ones (1) from made ones (0) ...
  local made = self.generator(kl.random.normal{n, LATENT}, {training = true})
  local labels = kl.concatenate({kl.ones{n, 1}, kl.zeros{n, 1}}, {axis = 1})
  do
    local tape <close> = kl.GradientTape()
    local loss = self.loss_fn(labels, self.discriminator(kl.concatenate({real, made}, {axis = 1}), {training = true}))
    local weights = self.discriminator.trainable_weights
    self.d_optimizer:apply_gradients(tape:gradient(loss, weights), weights)
    self.d_loss:update_state(loss)
  end
  -- ... and the generator to make what it takes for real.
  local tape <close> = kl.GradientTape()
  local judged = self.discriminator(self.generator(kl.random.normal{n, LATENT}, {training = true}), {training = true})
  local loss = self.loss_fn(kl.ones{n, 1}, judged)
  local weights = self.generator.trainable_weights
  self.g_optimizer:apply_gradients(tape:gradient(loss, weights), weights)
  self.g_loss:update_state(loss)
  return {d_loss = self.d_loss:result(), g_loss = self.g_loss:result()}
end

-- Points on a circle of radius 2.
kl.set_seed(10)
local angle = kl.random.uniform{4096, 1} * (2 * math.pi)
local data = kl.concatenate({kl.cos(angle), kl.sin(angle)}, {axis = -1}) * 2
local gan = GAN(2, 64)
local function adam() return kl.optimizers.Adam{learning_rate = 5e-4, beta_1 = 0.5} end
gan:compile{d_optimizer = adam(), g_optimizer = adam()}
local history = gan:fit{data, epochs = epochs, batch_size = 128, verbose = 0}.history
print(("losses after %d epochs: discriminator %.3f, generator %.3f"):format(epochs, history.d_loss[epochs], history.g_loss[epochs]))

local samples = gan:predict{kl.random.normal{400, LATENT}, verbose = 0}
local radius = kl.sqrt(kl.sum(kl.square(samples), {axis = -1}))
print(("made points lie at %.2f +- %.2f from the middle (2 wanted)"):format(kl.mean(radius):item(), kl.std(radius):item()))
if figure then
  local fig = kl.plot.figure{title = "real and made", width = 640, height = 600, aspect = "equal"}
  local function x_and_y(points) return points[{ {}, {1, 1} }]:reshape{-1}, points[{ {}, {2, 2} }]:reshape{-1} end
  local x, y = x_and_y(data[{ {1, 400} }])
  fig:scatter(x, y, {label = "real"})
  x, y = x_and_y(samples)
  fig:scatter(x, y, {label = "made"})
  fig:save(figure)
end
