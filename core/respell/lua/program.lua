-- The script's start and end.

return function(engine, env)
  local raw = engine.raw
  local type, tostring, pcall = raw.type, raw.tostring, raw.pcall
  local format = raw.string.format
  local getinfo, sethook = raw.debug.getinfo, raw.debug.sethook
  local encode, source_of = engine.encode, engine.source_of
  local OK, FAILED = 1, 2   -- respell/history/record.py

  -- Tells the hooks at SessionEnd that the script is over.
  local function tell_end(status, reason)
    engine.hooks.fire("SessionEnd", "session", engine.init.session_id, {
      session_id = engine.init.session_id, session_status = status, reason = reason,
    })
  end

  -- os.exit: ends the script as completed (true, 0) or failed (anything else); `reason`
  -- is what a failed one says of itself. `told`: the hooks know of it.
  function engine.exit(code, reason, told)
    engine.check_may_end("os.exit")
    if code == nil or code == true or code == 0 then
      if not told then tell_end("completed") end
      return engine.report_end(OK, {})
    end
    if code == false then code = 1 end
    local message = engine.where() .. (reason or format("os.exit(%s)", tostring(code)))
    if not told then tell_end("failed", message) end
    return engine.report_end(FAILED, { message = message, traceback = "", exit_code = code })
  end

  local function describe(failure)
    local description = { message = engine.error_text(engine.blame(failure)), traceback = engine.traceback("", 2) }
    if engine.on_uncaught then
      engine.on_error(failure, false)
      engine.on_uncaught(description)
    end
    return description
  end

  -- The text of an error value, as the stand-alone interpreter shows it.
  function engine.error_text(failure)
    if type(failure) == "string" then return failure end
    if failure == nil then return "(error object is a nil value)" end
    local ok, text = engine.pcall(engine.tostring, failure)
    if type(failure) == "table" then
      local meta = raw.getmetatable(failure)
      if not (meta and raw.rawget(meta, "__tostring")) then
        local encodable, bytes = engine.pcall(engine.to_json_text or engine.tostring, failure)
        return "(error object is a table value) " .. (encodable and bytes or "")
      end
    end
    if ok and type(text) == "string" then return text end
    return format("(error object is a %s value)", type(failure))
  end

  local function result_of(ok, value)
    if ok then
      tell_end("completed")
      return engine.report_end(OK, { result = pcall(encode, value) and value or nil })
    end
    engine.check_memory(value)
    if type(value) ~= "table" then
      -- The stack was too deep even for the handler.
      value = { message = tostring(value), traceback = "" }
    end
    tell_end("failed", value.message)
    return engine.report_end(FAILED, value)
  end

  -- Counts the script's lines, in the main thread and in every coroutine.
  local function count_lines()
    local function hook()
      if source_of(getinfo(2, "f").func) then engine.lines = engine.lines + 1 end
    end
    sethook(hook, "l")
    function engine.on_coroutine(co) sethook(co, hook, "l") end
  end

  function engine.start()
    local init = engine.receive_init()
    engine.main_thread = raw.coroutine.running()
    engine.configure(init)
    engine.init, engine.lines = init, 0
    engine.seed_random(init.seed[1], init.seed[2])
    env.args, env.ARGS, env.input = init.args, init.args, init.input
    for _, name in raw.ipairs(init.without or {}) do env[name] = nil end
    local chunk, message = engine.compile(engine.without_first_comment(init.source), "@" .. init.name)
    if not chunk then
      return engine.report_end(FAILED, { message = message, traceback = "" })
    end
    if init.count_lines then count_lines() end
    if init.edits then engine.remember_globals() end
    if engine.debug then engine.debug(chunk) end
    if init.edits then engine.edits_at(0) end
    return result_of(raw.xpcall(chunk, describe, raw.table.unpack(init.args)))
  end
end
