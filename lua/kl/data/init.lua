-- Data sets.
return {
  Dataset = require "kl.data.dataset",
  image_dataset_from_directory = require "kl.data.directory",
  split_dataset = require "kl.data.split",
  timeseries_dataset_from_array = require "kl.data.timeseries",
}
