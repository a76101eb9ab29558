std = "lua54"
self = false -- methods that do not need their object
max_line_length = 140
files["tests"] = {std = "lua54+busted"}
-- Tests replace these to catch what is written.
files["tests/**/*_spec.lua"] = {globals = {"io", "os"}}
