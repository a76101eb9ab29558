-- Teaches a network to balance a pole on a cart by policy gradients (REINFORCE): kl run scripts/policy_gradient.lua [ROUNDS] [FIGURE]
--
-- The environment is the cart and pole of Barto, Sutton and Anderson (1983), with the numbers that are usual for it: a force of 10 N to
-- the left or right every 20 ms; an episode ends when the pole leans more than 12 degrees, the cart leaves 2.4 m, or after 500 steps.
local kl = require "kl"
local layers = kl.layers

local rounds, figure = tonumber(arg[1] or 60), arg[2]
local LIMIT, DISCOUNT, CARTS = 500, 0.99, 16

local GRAVITY, CART, POLE, HALF_LENGTH, FORCE, TAU = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02

--- The next state {x, x', angle, angle'} (m, m/s, rad, rad/s), and whether the pole still stands.
local function move(s, to_the_right)
  local x, v, angle, spin = s[1], s[2], s[3], s[4]
  local sin, cos = math.sin(angle), math.cos(angle)
  local pushed = ((to_the_right and FORCE or -FORCE) + POLE * HALF_LENGTH * spin * spin * sin) / (CART + POLE)
  local spin_rate = (GRAVITY * sin - cos * pushed) / (HALF_LENGTH * (4 / 3 - POLE * cos * cos / (CART + POLE)))
  local rate = pushed - POLE * HALF_LENGTH * spin_rate * cos / (CART + POLE)
  local new = {x + TAU * v, v + TAU * rate, angle + TAU * spin, spin + TAU * spin_rate}
  return new, math.abs(new[1]) < 2.4 and math.abs(new[3]) < math.rad(12)
end

kl.set_seed(2)
math.randomseed(2)
local policy = kl.Sequential{kl.Input{4}, layers.Dense{32, activation = "tanh"}, layers.Dense{2}}
local optimizer = kl.optimizers.Adam{learning_rate = 0.01}
local act = kl.jit(function(states) return kl.random.categorical(policy(states), 1) end)

-- The gradient of the expected return: that of the log-probability of what was done, times how much better than usual it went.
-- No kl.jit: every round has another number of steps, and a plan is made for shapes.
local function learn(states, actions, advantages)
  local tape <close> = kl.GradientTape()
  local log_p = kl.sum(kl.log_softmax(policy(states)) * kl.one_hot(actions, 2), -1)
  local loss = -kl.mean(log_p * advantages)
  optimizer:apply_gradients(tape:gradient(loss, policy.trainable_weights), policy.trainable_weights)
end

--- Plays CARTS episodes side by side; each is {states, actions, length}.
local function play()
  local episodes, current = {}, {}
  for i = 1, CARTS do
    episodes[i] = {states = {}, actions = {}}
    current[i] = {}
    for k = 1, 4 do current[i][k] = math.random() * 0.1 - 0.05 end
  end
  local standing = CARTS
  for _ = 1, LIMIT do
    local actions = act(kl.tensor(current)):totable()
    for i, episode in ipairs(episodes) do
      if not episode.ended then
        table.insert(episode.states, current[i])
        table.insert(episode.actions, actions[i][1])
        local stands
        current[i], stands = move(current[i], actions[i][1] == 1)
        if not stands then
          episode.ended, standing = true, standing - 1
        end
      end
    end
    if standing == 0 then break end
  end
  return episodes
end

local lengths = {}
for round = 1, rounds do
  local states, actions, returns = {}, {}, {}
  local total = 0
  for _, episode in ipairs(play()) do
    local n, value = #episode.states, 0
    total = total + n
    local own = {}
    for t = n, 1, -1 do -- every step that the pole stands is worth 1
      value = 1 + DISCOUNT * value
      own[t] = value
    end
    for t = 1, n do
      states[#states + 1], actions[#actions + 1], returns[#returns + 1] = episode.states[t], episode.actions[t], own[t]
    end
  end
  local advantages = kl.tensor(returns)
  advantages = (advantages - kl.mean(advantages)) / (kl.std(advantages) + 1e-6)
  learn(kl.tensor(states), kl.tensor(actions, "int32"), advantages)
  lengths[round] = total / CARTS
  if round % 5 == 0 or round == rounds then print(("round %d: the pole stood for %.1f steps"):format(round, lengths[round])) end
  if lengths[round] == LIMIT then
    print(("solved: all %d poles stood for %d steps in round %d"):format(CARTS, LIMIT, round))
    break
  end
end
if figure then
  local fig = kl.plot.figure{title = "cart and pole", xlabel = "round", ylabel = "steps until it fell"}
  fig:line(lengths, {label = ("mean of %d carts"):format(CARTS)})
  fig:hline(LIMIT, {label = "as long as it goes", style = "dashed"})
  fig:save(figure)
end
