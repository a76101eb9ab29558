-- Slots: numbered places in a structure for the tensors that flow through a graph.
local core = require "kl.core"
local tree = require "kl.tree"

local slots = {metatable = {}} -- of its own, so that a slot is no other leaf

local metatable = slots.metatable

function slots.new(number) return setmetatable({slot = number}, metatable) end

--- Every symbolic tensor of a structure replaced by its slot.
---@param slot_of fun(t: kl.Tensor): integer
function slots.compile(structure, slot_of)
  return tree.map(function(leaf) return core.is_symbolic(leaf) and slots.new(slot_of(leaf)) or leaf end, structure)
end

--- Every slot of a structure replaced by its value.
function slots.fill(structure, values)
  if getmetatable(structure) == metatable then return values[structure.slot] end
  return tree.map(function(leaf)
    if getmetatable(leaf) == metatable then return values[leaf.slot] end
    return leaf
  end, structure)
end

return slots
