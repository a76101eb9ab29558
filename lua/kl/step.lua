-- Running a function as a step: kl.jit's calls and the steps of fit, evaluate and predict.
--
-- An error in a step is caught where the step ends, also inside a coroutine, so that everything the step had opened is
-- closed; it goes on with the stack of the place where it was raised.
local core = require "kl.core"
local errors = require "kl.errors"

local function handler(message)
  if type(message) ~= "string" then return message end
  if message:find("attempt to yield across a C-call boundary", 1, true) then
    message = select(2, pcall(errors.fail, "a step (kl.jit, or one of fit, evaluate and predict) cannot be left by a yield: "
      .. "only coroutines made inside it may yield"))
  end
  return errors.traceback(message)
end

local function finish(ok, ...)
  if not ok then error((...), 0) end
  return ...
end

--- step(f, ...) is f(...), as a step; step.handler is what becomes of an error in one.
return setmetatable({handler = handler}, {__call = function(_, f, ...) return finish(core.call_step(handler, f, ...)) end})
