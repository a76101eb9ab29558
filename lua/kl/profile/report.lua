-- What a profile found, as a table of numbers, and as text.
--
-- The counters are C's, since the profile began (core.profile_totals, profile_rows); a report is the difference between two
-- readings, so that profiles may lie inside each other.
local core = require "kl.core"

local report = {}

---@class kl.profile.Reading
---@field totals table<string, number>
---@field ops table[]
---@field kernels table[]
---@field plans table

local function read_rows() return {ops = core.profile_rows(false), kernels = core.profile_rows(true), plans = core.plans()} end

--- The counters at the beginning and at the end; the clock runs between the two readings only.
---@return kl.profile.Reading
function report.read_first()
  local reading = read_rows()
  reading.totals = core.profile_totals()
  return reading
end

function report.read_last()
  local totals = core.profile_totals()
  local reading = read_rows()
  reading.totals = totals
  return reading
end

local counted = {"calls", "seconds", "flops", "bytes"}

local function key_of(row) return table.concat({row.name, row.line, row.layer, row.phase}, "\0") end

--- Rows of `last` less what `first` had already.
local function rows_between(first, last)
  local before, list = {}, {}
  for _, row in ipairs(first) do before[key_of(row)] = row end
  for _, row in ipairs(last) do
    local old = before[key_of(row)]
    local new = {name = row.name, line = row.line, layer = row.layer, phase = row.phase}
    for _, field in ipairs(counted) do new[field] = row[field] - (old and old[field] or 0) end
    if new.calls > 0 then list[#list + 1] = new end
  end
  return list
end

--- A layer outside of its model's call (while it is built, in an optimizer's update) has a path that does not begin with the
--- model's name; if exactly one longer path ends so, it is that layer.
local function unify_layers(rows)
  local paths, unified = {}, {}
  for _, row in ipairs(rows) do paths[row.layer] = true end
  for layer in pairs(paths) do
    local found, count = layer, 0
    for path in pairs(paths) do
      if layer ~= "" and path:sub(-#layer - 1) == "/" .. layer then found, count = path, count + 1 end
    end
    unified[layer] = count == 1 and found or layer
  end
  for _, row in ipairs(rows) do row.layer = unified[row.layer] end
end

--- The fraction of the machine's peak that a row reaches: of the multiply-adds or of the memory's bandwidth, whichever is more.
local function fraction_of_peak(row, peak)
  if row.seconds <= 0 then return 0.0 end
  local flops = peak.flops > 0 and row.flops / peak.flops or 0
  local bytes = peak.bandwidth > 0 and row.bytes / peak.bandwidth or 0
  return math.max(flops, bytes) / row.seconds
end

--- Rows summed by what `name_of` gives, the longest first.
local function sum_by(rows, name_of, kernel_seconds, peak)
  local by_name, list = {}, {}
  for _, row in ipairs(rows) do
    local name = name_of(row)
    local sum = by_name[name]
    if not sum then
      sum = {name = name, calls = 0, seconds = 0.0, flops = 0.0, bytes = 0.0, forward = 0.0, backward = 0.0, update = 0.0}
      by_name[name] = sum
      list[#list + 1] = sum
    end
    for _, field in ipairs(counted) do sum[field] = sum[field] + row[field] end
    sum[row.phase] = sum[row.phase] + row.seconds
  end
  for _, sum in ipairs(list) do
    sum.share = kernel_seconds > 0 and sum.seconds / kernel_seconds or 0.0
    sum.of_peak = fraction_of_peak(sum, peak)
  end
  table.sort(list, function(a, b)
    if a.seconds ~= b.seconds then return a.seconds > b.seconds end
    return a.name < b.name
  end)
  return list
end

local Report = {}
Report.__index = Report

--- What happened between two readings.
---@param first kl.profile.Reading
---@param last kl.profile.Reading
---@param peak table # flops, bandwidth
function report.between(first, last, peak)
  local d = {}
  for name, value in pairs(last.totals) do d[name] = value - first.totals[name] end
  local ops, kernels = rows_between(first.ops, last.ops), rows_between(first.kernels, last.kernels)
  unify_layers(ops)
  unify_layers(kernels)
  local steps = d.recorded_steps + d.replayed_steps + d.immediate_steps
  local seconds = d.seconds - d.own_seconds
  local r = {
    seconds = seconds, kernel_seconds = d.kernel_seconds, overhead_seconds = math.max(seconds - d.kernel_seconds, 0.0),
    calls = d.calls, steps = steps, recorded_steps = d.recorded_steps, replayed_steps = d.replayed_steps,
    immediate_steps = d.immediate_steps, peak = peak, lost = d.lost, device = core.device_info(),
    ops = sum_by(ops, function(row) return row.name end, d.kernel_seconds, peak),
    layers = sum_by(ops, function(row) return row.layer end, d.kernel_seconds, peak),
    lines = sum_by(ops, function(row) return row.line end, d.kernel_seconds, peak),
    kernels = sum_by(kernels, function(row) return row.name .. "\0" .. row.line .. "\0" .. row.layer end, d.kernel_seconds, peak),
    plans = {hits = last.plans.hits - first.plans.hits, misses = last.plans.misses - first.plans.misses,
      plans = last.plans.plans, arena_bytes = last.plans.arena_bytes},
  }
  for _, row in ipairs(r.kernels) do row.name, row.line, row.layer = row.name:match("^(%Z*)%z(%Z*)%z(%Z*)$") end
  if steps > 0 then
    local inside = math.max(d.step_seconds - d.step_own_seconds - d.step_kernel_seconds, 0.0)
    local between = math.max(d.gap_seconds - d.gap_own_seconds - d.gap_kernel_seconds, 0.0)
    r.per_step = {kernel_seconds = (d.step_kernel_seconds + d.gap_kernel_seconds) / steps, inside_seconds = inside / steps,
      between_seconds = between / steps, overhead_seconds = (inside + between) / steps}
  end
  local least = 0.0 -- the time the kernels would take at the peak
  for _, row in ipairs(kernels) do least = least + fraction_of_peak(row, peak) * row.seconds end
  r.of_peak = d.kernel_seconds > 0 and least / d.kernel_seconds or 0.0
  return setmetatable(r, Report)
end

local function time_text(seconds)
  if seconds >= 1 then return ("%.2f s"):format(seconds) end
  if seconds >= 1e-3 then return ("%.2f ms"):format(seconds * 1e3) end
  return ("%.1f us"):format(seconds * 1e6)
end

local function percent(fraction) return ("%.1f %%"):format(fraction * 100) end

local function rate(amount, row) return row.seconds > 0 and ("%.1f"):format(amount / row.seconds * 1e-9) or "" end

local MOST_ROWS = 24    -- of a table; the rest is one row
local NAME_WIDTH = 30

--- The end of a path says more than its beginning.
local function shorten(name, width)
  if #name <= width then return name end
  return ".." .. name:sub(-(width - 2))
end

local function phase_table(lines, title, rows, empty_name)
  lines[#lines + 1] = ""
  lines[#lines + 1] = ("%-" .. NAME_WIDTH .. "s %8s %10s %11s %9s %9s %7s %8s %7s %8s"):format(title, "calls", "forward ms", "backward ms",
    "update ms", "total ms", "share", "GFLOP/s", "GB/s", "of peak")
  local rest
  for i, row in ipairs(rows) do
    if i <= MOST_ROWS or #rows == MOST_ROWS + 1 then
      local name = row.name == "" and empty_name or row.name
      lines[#lines + 1] = ("%-" .. NAME_WIDTH .. "s %8d %10.2f %11.2f %9.2f %9.2f %7s %8s %7s %8s"):format(shorten(name, NAME_WIDTH),
        row.calls, row.forward * 1e3, row.backward * 1e3, row.update * 1e3, row.seconds * 1e3, percent(row.share), rate(row.flops, row),
        rate(row.bytes, row), percent(row.of_peak))
    else
      rest = rest or {count = 0, seconds = 0.0, share = 0.0}
      rest.count, rest.seconds, rest.share = rest.count + 1, rest.seconds + row.seconds, rest.share + row.share
    end
  end
  if rest then
    lines[#lines + 1] = ("%-" .. NAME_WIDTH .. "s %8s %10s %11s %9s %9.2f %7s"):format(("(%d more)"):format(rest.count), "", "", "", "",
      rest.seconds * 1e3, percent(rest.share))
  end
end

local MOST_KERNELS = 12

local function kernel_table(lines, rows)
  lines[#lines + 1] = ""
  lines[#lines + 1] = ("%-48s %8s %9s %9s %7s %8s  %s"):format("longest kernels", "calls", "mean us", "total ms", "share", "of peak",
    "where")
  for i = 1, math.min(#rows, MOST_KERNELS) do
    local row = rows[i]
    local where = row.line .. (row.line ~= "" and row.layer ~= "" and "  " or "") .. row.layer
    lines[#lines + 1] = (("%-48s %8d %9.1f %9.2f %7s %8s  %s"):format(row.name, row.calls, row.seconds / row.calls * 1e6,
      row.seconds * 1e3, percent(row.share), percent(row.of_peak), where)):gsub("%s+$", "")
  end
end

--- The report as text.
function Report:__tostring()
  local lines = {}
  local function say(name, format, ...) lines[#lines + 1] = ("  %-16s " .. format):format(name, ...) end
  local kinds = {}
  for _, kind in ipairs{"recorded", "replayed", "immediate"} do
    local n = self[kind .. "_steps"]
    if n > 0 then kinds[#kinds + 1] = ("%d %s"):format(n, kind) end
  end
  lines[1] = ("kl profile: %s, %d step%s%s, %d kernel calls"):format(time_text(self.seconds), self.steps,
    self.steps == 1 and "" or "s", #kinds > 0 and " (" .. table.concat(kinds, ", ") .. ")" or "", self.calls)
  say("kernels", "%s, %s of the time, at %s of the machine's peak", time_text(self.kernel_seconds),
    percent(self.seconds > 0 and self.kernel_seconds / self.seconds or 0.0), percent(self.of_peak))
  local per_step = self.per_step
  if per_step then
    say("per step", "%.1f us in kernels, %.1f us outside of them: %.1f us inside the step, %.1f us between steps",
      per_step.kernel_seconds * 1e6, per_step.overhead_seconds * 1e6, per_step.inside_seconds * 1e6, per_step.between_seconds * 1e6)
  else
    say("outside kernels", "%s, %.2f us per kernel call", time_text(self.overhead_seconds),
      self.calls > 0 and self.overhead_seconds / self.calls * 1e6 or 0.0)
  end
  say("machine", "%s, %s, %d thread%s; measured: %.0f GFLOP/s (float32), %.1f GB/s read", self.device.processor, self.device.cpu,
    self.device.threads, self.device.threads == 1 and "" or "s", self.peak.flops * 1e-9, self.peak.bandwidth * 1e-9)
  say("plans", "%d found, %d made, %d kept; arena %.1f MiB", self.plans.hits, self.plans.misses, self.plans.plans,
    self.plans.arena_bytes / 2 ^ 20)
  if self.calls == 0 then
    lines[#lines + 1] = "  no kernel ran"
    return table.concat(lines, "\n")
  end
  phase_table(lines, "by operation", self.ops, "")
  phase_table(lines, "by layer", self.layers, "(outside of layers)")
  kernel_table(lines, self.kernels)
  lines[#lines + 1] = ""
  lines[#lines + 1] = [[
Operations that ran as one kernel, fused(...), share its time by their elements; a product counts K/8 per element.
Flops are 2mnk for a product, else one per element.  "of peak" is of the arithmetic or of the bandwidth, whichever is
more; data that is still in the caches can pass 100 %.]]
  if self.lost > 0 then lines[#lines + 1] = ("(%d events were not kept: there was no room for them)"):format(self.lost) end
  return table.concat(lines, "\n")
end

return report
