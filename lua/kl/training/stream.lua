-- Batches over epochs, and which steps callbacks hear of.
local stream = {}

--- A stream of batches over epochs: each epoch a fresh pass over the source, or with `steps` one that goes on where the last ended
--- and begins again at the data's end.  Passes are numbered from first_pass.
function stream.new(source, first_pass, steps)
  local pass = first_pass -- the number of the next one
  local next_batch
  local function open()
    next_batch = source:open(pass)
    pass = pass + 1
  end
  return {
    begin = function()
      if not next_batch or not steps then open() end
    end,
    next = function(step)
      if steps and step > steps then return nil end
      local batch, sample_of = next_batch(step, steps)
      if batch == nil and steps then
        open()
        batch, sample_of = next_batch(step, steps)
      end
      return batch, sample_of
    end,
    --- Where it stands, as plain values.  in_epoch: between two steps of an epoch, not between two epochs.
    state = function(in_epoch)
      return {next_pass = pass, inside = in_epoch or steps ~= nil, position = next_batch and source:position()}
    end,
    --- Goes there.  Nothing is done, and the reason returned, if the data is not that of the state.
    restore = function(state)
      local why = state.position and source:misfit(state.position)
      pass = state.next_pass - (why and state.inside and 1 or 0)
      if why then return why end
      if state.position then next_batch = source:restore(state.position, state.inside) end
    end,
  }
end

--- Which steps callbacks hear of: with steps_per_execution = n, the beginning of the first and the end of the last of every n.
---@param total? integer # steps of an epoch, if it is known
function stream.groups(model, total)
  local compiled = model._compiled
  local n = compiled and compiled.config.steps_per_execution or 1
  local open = false
  return {
    begins = function(step)
      if (step - 1) % n ~= 0 then return false end
      open = true
      return true
    end,
    ends = function(step)
      if step % n ~= 0 and step ~= total then return false end
      open = false
      return true
    end,
    finish = function(step, f) -- the data ended, or training was stopped, in the middle
      if open and step > 0 then f(step) end
      open = false
    end,
  }
end

return stream
