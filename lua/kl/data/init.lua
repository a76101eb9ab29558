-- Data sets.
return {Dataset = require "kl.data.dataset"}
