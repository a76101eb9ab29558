-- Bundled data sets.
return {mnist = require "kl.datasets.mnist"}
