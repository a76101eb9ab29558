-- Runs the specs: kl run tests/run.lua [busted options] [files].  The last line is "N passed, N failed".
require "busted.runner"{standalone = false, output = "tests/support/output.lua"}
