-- Data sets.
return {
  Dataset = require "kl.data.dataset",
  image_dataset_from_directory = require "kl.data.directory",
  timeseries_dataset_from_array = require "kl.data.timeseries",
}
