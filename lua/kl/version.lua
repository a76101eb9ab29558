-- The version of kl, and what `kl --version` prints.
local version = {
  kl = "0.1.0",
  keras = "3.16.0", -- the Keras whose file layouts are read and written
}

function version.print()
  print(("kl %s (%s)"):format(version.kl, _VERSION))
end

return version
