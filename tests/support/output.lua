-- Busted's output for the project: nothing for what passes, the whole message for what fails, one last line with
-- counts. Skipped ("pending") tests are named and count as neither.
return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()

  local function report(kind, item)
    local where = item.element and item.element.trace and item.element.trace.short_src or ""
    io.write(("%s: %s (%s:%s)\n"):format(kind, item.name or "?", where,
      item.element and item.element.trace and item.element.trace.currentline or "?"))
    if item.message then
      local text = type(item.message) == "string" and item.message or require "pl.pretty".write(item.message)
      io.write("  ", text:gsub("\n", "\n  "), "\n")
    end
    if item.trace and item.trace.traceback and kind == "ERROR" then io.write(item.trace.traceback, "\n") end
  end

  function handler.suiteEnd()
    for _, item in ipairs(handler.failures) do report("FAILED", item) end
    for _, item in ipairs(handler.errors) do report("ERROR", item) end
    for _, item in ipairs(handler.pendings) do report("skipped", item) end
    io.write(("%d passed, %d failed\n"):format(handler.successesCount, handler.failuresCount + handler.errorsCount))
    io.flush()
    return nil, true
  end

  busted.subscribe({"suite", "end"}, handler.suiteEnd)
  return handler
end
