-- Expressions over what was recorded: which effects a breakpoint is about.

return function(engine)
  local raw = engine.raw
  local pcall, error = raw.pcall, raw.error
  local view = engine.debug_view

  local SAFE = {
    type = raw.type, tostring = raw.tostring, tonumber = raw.tonumber, select = raw.select,
    pairs = raw.pairs, ipairs = raw.ipairs, next = raw.next, string = raw.string,
    math = raw.math, table = raw.table, utf8 = raw.utf8,
  }

  -- Whether a text compiles, as a condition or as a statement that `p` would take.
  function view.orders.compiles(order)
    local chunk, message = raw.load("return " .. order.text, "=it", "t", {})
    if not chunk then return { error = (raw.string.gsub(message, "^it:%d+: ", "")) } end
    return {}
  end

  -- Which events of a list an expression is true of. One that can't be computed for an event is
  -- false of it. Only in a worker that is thrown away.
  function view.orders.select(order)
    local event
    local names = raw.setmetatable({}, { __index = function(_, name)
      local value = event[name]
      if value == nil then return SAFE[name] end
      return value
    end })
    local chunk, message = raw.load("return " .. order.text, "=where", "t", names)
    if not chunk then error((raw.string.gsub(message, "^where:%d+: ", "")), 0) end
    local verdicts = {}
    local failure
    for i = 1, #order.events do
      event = order.events[i]
      local ok, verdict = pcall(chunk)
      if not ok then failure = view.error_text(verdict) end
      verdicts[i] = ok and verdict and true or false
    end
    return { verdicts = verdicts, failure = failure }
  end
end
