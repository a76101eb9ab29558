-- Data sets: MNIST is bundled, of the others the files are read where they are put.
local others = require "kl.datasets.others"

return {
  mnist = require "kl.datasets.mnist", fashion_mnist = others.fashion_mnist, cifar10 = others.cifar10, cifar100 = others.cifar100,
  boston_housing = others.boston_housing, california_housing = others.california_housing, imdb = others.imdb, reuters = others.reuters,
}
