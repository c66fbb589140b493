-- The os library: clocks are recorded, everything else that leaves the runtime is an effect.

return function(engine)
  local raw = engine.raw
  local type, error, tostring = raw.type, raw.error, raw.tostring
  local pcall = raw.pcall
  local format, gsub, sub = raw.string.format, raw.string.gsub, raw.string.sub
  local tointeger = raw.math.tointeger
  local native_time, native_date, native_clock = raw.os.time, raw.os.date, raw.os.clock

  local function expect_string(name, argument, value)
    if type(value) == "number" then return tostring(value) end
    if type(value) == "string" then return value end
    error(format("bad argument #%d to '%s' (string expected, got %s)", argument, name,
      value == nil and "no value" or type(value)))
  end

  -- Failed operations return nil, a text and the number of the system's error.
  local function outcome(result, path)
    if type(result) ~= "table" or not result.error then return true end
    local text = result.error
    if path and sub(text, 1, #path + 2) ~= path .. ": " then text = path .. ": " .. text end
    return nil, text, result.code or 0
  end

  -- RFC 3339 in UTC, of microseconds since 1970.
  local last_second, last_date
  function engine.rfc3339(us)
    local second = us // 1000000
    if second ~= last_second then
      last_second, last_date = second, native_date("!%Y-%m-%dT%H:%M:%S", second)
    end
    return format("%s.%06dZ", last_date, us % 1000000)
  end

  local library = {}

  -- Time -----------------------------------------------------------------------------------

  -- Calls a native function where its result may be recorded: its errors are results too,
  -- as the time zone of the machine decides about some.
  local function try(f, ...)
    local ok, value = pcall(f, ...)
    if ok then return { value = value } end
    return { error = (gsub(tostring(value), "^respell/os:%d+: ", "")) }
  end

  local function recorded(name, args, produce)
    local result = engine.record(name, args, produce)
    if result.error then error(result.error) end
    return result.value
  end

  local FIELDS = { "year", "month", "day", "hour", "min", "sec", "yday", "wday", "isdst" }

  local NO_ARGUMENTS = engine.encode({})   -- once: clocks are read often

  function library.time(...)
    local given = ...
    if given == nil then return engine.record("clock.time", NO_ARGUMENTS, native_time) end
    if type(given) ~= "table" then
      error(format("bad argument #1 to 'time' (table expected, got %s)", type(given)))
    end
    local asked = {}
    for i = 1, #FIELDS do
      local value = given[FIELDS[i]]
      local kind = type(value)
      if kind == "string" or kind == "number" or kind == "boolean" then asked[FIELDS[i]] = value end
    end
    local result = recorded("clock.time", asked, function()
      return try(function()
        local fields = {}
        for i = 1, #FIELDS do fields[FIELDS[i]] = asked[FIELDS[i]] end
        return { native_time(fields), fields }
      end)
    end)
    -- Plain Lua writes the normalized fields back.
    for i = 1, #FIELDS do given[FIELDS[i]] = result[2][FIELDS[i]] end
    return result[1]
  end

  function library.date(...)
    local text, time = ...
    text = text == nil and "%c" or expect_string("date", 1, text)
    if time ~= nil and not tointeger(time) then
      error(format("bad argument #2 to 'date' (%s)", type(time) == "number"
        and "number has no integer representation" or "number expected, got " .. type(time)))
    end
    -- In parentheses: a tail call would hide what the script called, should it fail.
    return (recorded("clock.date", { format = text, time = tointeger(time) }, function()
      return try(native_date, text, time)
    end))
  end

  function library.clock()
    return engine.record("clock.cpu", {}, function() return native_clock() end)
  end

  library.difftime = raw.os.difftime

  -- The system -----------------------------------------------------------------------------

  function library.getenv(name)
    return engine.call("env.get", { name = expect_string("getenv", 1, name) })
  end

  function library.remove(path)
    path = expect_string("remove", 1, path)
    return outcome(engine.call("file.remove", { path = path }), path)
  end

  function library.rename(from, to)
    from, to = expect_string("rename", 1, from), expect_string("rename", 2, to)
    return outcome(engine.call("file.rename", { from = from, to = to }))
  end

  function library.tmpname()
    local result = engine.call("file.temporary", {})
    if type(result) ~= "table" then return result end
    if result.error then error("unable to generate a unique filename") end
    return result.path
  end

  function library.execute(command)
    if command == nil then
      local result = engine.call("process.execute", {})
      return result == true or type(result) == "table" and not result.error
    end
    command = expect_string("execute", 1, command)
    return engine.process_result(engine.call("process.execute", { command = command }))
  end

  local CATEGORIES = {
    all = true, collate = true, ctype = true, monetary = true, numeric = true, time = true,
  }

  -- One locale, so that texts sort and numbers print alike everywhere.
  function library.setlocale(locale, category)
    if locale ~= nil then locale = expect_string("setlocale", 1, locale) end
    if category ~= nil and not CATEGORIES[expect_string("setlocale", 2, category)] then
      error(format("bad argument #2 to 'setlocale' (invalid option '%s')", category))
    end
    if locale == nil or locale == "" or locale == "C" or locale == "POSIX" then return "C" end
    return nil
  end

  function library.exit(...)
    local code = ...
    if code ~= nil and type(code) ~= "boolean" then
      local number = tointeger(code)
      if not number then
        error(format("bad argument #1 to 'exit' (number expected, got %s)", type(code)))
      end
      code = number
    end
    engine.flush_files()
    return engine.exit(code)
  end

  engine.provide("os", library)
  engine.loaded.os = library
end
