-- Dataset: a pipeline of elements, each a list of values (x, y, ...).
--
-- The stages are in families; what they have in common is in stage.lua.
local errors = require "kl.errors"
local stage = require "kl.data.stage"
require "kl.data.sources"
require "kl.data.files"
require "kl.data.order"
require "kl.data.functions"
require "kl.data.batching"
require "kl.data.padding"
require "kl.data.mixing"
require "kl.data.grouping"
require "kl.data.buffers"
require "kl.data.iterator"

local Dataset = stage.Dataset

--- The number of elements of a pass: -1 if it has no end, -2 if it is not known.
---@return integer
function Dataset:cardinality() return self.length end

--- #ds: the number of elements of a pass; an error if it has no end or is not known.
rawget(Dataset, "__instance").__len = function(self)
  if self.length == stage.INFINITE then errors.fail("#: the data set has no end") end
  if self.length == stage.UNKNOWN then errors.fail("#: the number of elements is not known before a pass") end
  return self.length
end

function Dataset:__call()
  errors.fail("a data set is not an iterator: loop over ds:each(), which gives the values of an element, as in for x, y in ds:each() do")
end

function Dataset:__tostring() return ("<kl.data.Dataset %s>"):format(self.text) end

return Dataset
