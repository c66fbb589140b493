-- Which lines of a source have code: where a line hook can stop.

return function(engine)
  local raw = engine.raw
  local byte, string_unpack, next, error = raw.string.byte, raw.string.unpack, raw.next, raw.error

  -- Reads what `string.dump` wrote of a chunk of ours (lundump.c): all lines that have code, and
  -- where functions begin and end.
  local function lines_in(dumped)
    local at = 1
    local lines, functions = {}, {}
    local function read(what)
      local value
      value, at = string_unpack(what, dumped, at)
      return value
    end
    local function size()
      local x = 0
      while true do
        local b = byte(dumped, at)
        at = at + 1
        x = x << 7 | b & 0x7f
        if b & 0x80 ~= 0 then return x end
      end
    end
    local function skip_string()
      local n = size()
      if n > 1 then at = at + n - 1 end
    end
    local function read_function()
      skip_string()
      local defined, last = size(), size()
      at = at + 3                      -- parameters, vararg, stack size
      local vararg = byte(dumped, at - 2) ~= 0
      local n = size()
      at = at + 4 * n                  -- instructions
      for _ = 1, size() do
        local kind = read("B")
        if kind == 0x13 then at = at + 8       -- float
        elseif kind == 0x03 then at = at + 8   -- integer
        elseif kind == 0x04 or kind == 0x14 then skip_string() end
      end
      n = size()
      at = at + 3 * n                  -- upvalues
      for _ = 1, size() do read_function() end
      n = size()
      local deltas = at
      at = at + n
      local absolute = {}
      for _ = 1, size() do
        local pc = size()
        absolute[pc] = size()
      end
      for _ = 1, size() do skip_string() size() size() end   -- names of locals
      for _ = 1, size() do skip_string() end                 -- names of upvalues
      local line = defined
      local first
      for pc = 0, n - 1 do
        local delta = string_unpack("b", dumped, deltas + pc)
        if delta == -128 then line = absolute[pc] else line = line + delta end
        -- The first instruction of a function with varargs only prepares them.
        if not (vararg and pc == 0) then
          lines[line] = true
          if not first or line < first then first = line end
        end
      end
      functions[#functions + 1] = { defined, last }
    end
    at = at + 4 + 1 + 1 + 6 + 3 + 8 + 8 + 1   -- header, and the number of upvalues
    read_function()
    return lines, functions
  end

  function engine.debug_view.orders.lines(order)
    local chunk, message = raw.load(engine.without_first_comment(order.source), "=lines", "t", {})
    if not chunk then error(message, 0) end
    local lines, functions = lines_in(raw.string.dump(chunk))
    local list = {}
    for line in next, lines do list[#list + 1] = line end
    raw.table.sort(list)
    return { lines = list, functions = functions }
  end
end
