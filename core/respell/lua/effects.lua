-- Effects: the one way out of the Lua runtime, and the one place where the history comes in.
--
-- While records are left, an effect is compared with the next one and its recorded outcome
-- is the answer. At the frontier it goes live: the host is asked. Nothing here ever raises
-- to stop the script: a stop reports to the host and ends the process, so no pcall,
-- coroutine or __close of the script can notice it.
--
-- Frames: 4-byte length, 1-byte kind, payload (respell/engine/wire.py has the same list).

return function(engine, env)
  local raw, port = engine.raw, engine.port
  local error, type, pcall, next = raw.error, raw.type, raw.pcall, raw.next
  local pack, unpack, sub, byte, format, find, match = raw.string.pack, raw.string.unpack, raw.string.sub,
    raw.string.byte, raw.string.format, raw.string.find, raw.string.match
  local yield, isyieldable = raw.coroutine.yield, raw.coroutine.isyieldable
  local concat = raw.table.concat
  local encode, decode, encode_string = engine.encode, engine.decode, engine.encode_string
  local locate, coroutine_number, check_guard = engine.locate, engine.coroutine_number, engine.check_guard
  local arrive, take, forget, completed, answers_in_line = engine.answers.arrive, engine.answers.take,
    engine.answers.forget, engine.answers.completed, engine.answers.in_line
  local send, receive = port.send, port.receive

  -- worker -> host
  local RECORD, CALL, WINDOW, BLOB, FINISH, STOPPED, IN_HOOK, EDITED =
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x09, 0x0c
  -- host -> worker
  local HISTORY, END, ANSWER, DATA = 0x82, 0x83, 0x84, 0x85
  -- parts of an event and their status (respell/history/record.py)
  local EFFECT, BEGIN, INTENT, OUTCOME, FINAL, NOTE = 1, 2, 3, 4, 5, 6
  local NONE, OK, FAILED, REFUSED, LIMITED = 0, 1, 2, 3, 4
  local FORMAT = "<BI8I8I8Bs1s1I4I4i8s4s4s4"
  local FRAME, OWN_BYTES = "<I4BBI8I8Bs1s1I4I4s4s4", 37
  -- What an END says of what comes after it (respell/engine/frames.py).
  local LIVE, OPEN, RUNS_ON, CLOSED, MORE = 1, 2, 3, 4, 5

  -- Those that the host performs outside the store: they are posted, and in a parallel
  -- branch the others go on meanwhile. All the rest is answered at once.
  local posted = {
    ["tool.invoke"] = true, ["agent.request"] = true, ["agent.chunks"] = true,
    ["file.open"] = true, ["file.write"] = true, ["file.remove"] = true, ["file.rename"] = true,
    ["file.temporary"] = true, ["process.execute"] = true, ["process.open"] = true,
    ["input.read"] = true, ["timer.sleep"] = true, ["timer.deadline"] = true, ["session.suspend"] = true,
    ["event.receive"] = true,
    ["session.replay"] = true, ["session.replay_metadata"] = true, ["session.diff"] = true,
    ["session.stats"] = true, ["session.timeline"] = true, ["session.causes"] = true, ["session.check_fork"] = true,
    ["session.export"] = true, ["session.import"] = true,
  }
  engine.posted = posted

  local ordinal = 0          -- of the last event the script caused
  local current = 0          -- ordinal of the event we are inside of
  local numbers = {}         -- ordinal -> event number, while known and open
  local tracing, trace, traced = false, {}, 0

  -- The history -------------------------------------------------------------------------

  local window, at, stop = "", 1, 0
  local waiting, first, last = {}, 1, 0   -- windows received and not yet read
  local ended, live = false, false
  local end_kind = 0         -- what the last END said
  -- A session that was stopped while it computed may compute for ever: its replay ends with
  -- the last record instead of at the next effect.
  local stops_at_end = false
  -- A debugger's: stands still at the end of a history that may grow. `peeking`: nobody waits.
  local on_frontier
  local peeking = false
  local have = false
  local records_read = 0     -- of the whole history
  local r_part, r_number, r_ordinal, r_parent, r_status, r_name, r_source, r_line, r_coroutine,
    r_at, r_args, r_outcome, r_meta

  local timed_out = {}       -- ordinal of a hook's call that the host stopped -> why

  local function keep_frame(frame)
    local kind = byte(frame)
    if kind == HISTORY then
      last = last + 1
      waiting[last] = sub(frame, 2)
      ended = false
    elseif kind == END then
      end_kind = byte(frame, 2)
      ended = end_kind ~= MORE
      live = end_kind == LIVE
      if end_kind == RUNS_ON then stops_at_end = false end
    else
      return kind
    end
  end

  local function put_frame(payload)
    send(pack("<s4", payload))
  end

  -- What an effect failed of, as the host knows it (respell/engine/performing.py).
  local function failed_of(meta)
    if find(meta, "\xa5error\xb0PermissionDenied", 1, true) then return REFUSED end
    if find(meta, "\xa5error\xadLimitExceeded", 1, true) then return LIMITED end
    return FAILED
  end

  -- Reads one record: true if there was one. An answer is put in line, what the host added
  -- of itself is passed over, what the script caused becomes the current record.
  local function read_one()
    if at > stop then
      window, at, stop = "", 1, 0   -- it makes room for the next one
      while first > last do
        if not ended then
          keep_frame(receive())
        elseif end_kind == OPEN and on_frontier and not peeking then
          on_frontier()
        else
          return false
        end
      end
      window, at, stop = waiting[first], 1, #waiting[first]
      waiting[first] = nil
      first = first + 1
      put_frame(pack("<B", WINDOW))
    end
    r_part, r_number, r_ordinal, r_parent, r_status, r_name, r_source, r_line, r_coroutine,
      r_at, r_args, r_outcome, r_meta, at = unpack(FORMAT, window, at)
    records_read = records_read + 1
    if r_status == FAILED and r_meta ~= "" then r_status = failed_of(r_meta) end
    if r_part == OUTCOME then
      arrive(r_ordinal, r_status, r_outcome)
    else
      have = r_part ~= NOTE
      if r_name == "hook.timed_out" and not have then
        local note = decode(r_args)
        timed_out[note.ordinal] = format("it took longer than %.14g s and was stopped", note.seconds)
      end
    end
    return true
  end

  -- Makes the next record of the script the current one; false when there is none left.
  local function look()
    while not have do
      if not read_one() then return false end
    end
    return true
  end

  -- The same, but does not wait until more of it is recorded.
  local function peek()
    peeking = true
    local more = look()
    peeking = false
    return more
  end
  -- How many records have been used up; the current one has not.
  local function records_used()
    return have and records_read - 1 or records_read
  end
  engine.records_used = records_used

  -- Stops -------------------------------------------------------------------------------

  -- A debugger (lua/debugger.lua) is told of each event as the script gets to know of it, by
  -- its number, and comes in the place of the process's end.
  local on_answer, on_stop
  local edits_at     -- of variables that are set at positions (lua/edits.lua)
  local is_watched = false

  function engine.watch_events(answered, stopped, at_frontier)
    on_answer, on_stop, on_frontier, is_watched = answered, stopped, at_frontier, true
  end

  -- The script gets to know of an event, if it has not before.
  local function arrived(o, number)
    if edits_at then edits_at(o) end
    if on_answer then on_answer(number) end
  end

  -- For a debugger, which waits for its orders on the same line.
  engine.keep_frame = keep_frame

  -- Whether an event of this number was answered, and the script has yet to be told so.
  function engine.is_answered(number)
    for o in next, completed do
      if numbers[o] == number then return true end
    end
    return false
  end

  -- Whether there may be more to go on with than when a debugger stood still at the end.
  function engine.may_have_more() return first <= last or not ended or end_kind ~= OPEN end

  -- Reports and ends the process; the script never learns of it.
  local function stop_here(kind, report)
    if on_stop then return on_stop(kind, report) end
    report.kind, report.lines, report.steps = kind, engine.lines, engine.line_steps
    report.used = records_used()
    if tracing then port.trace(concat(trace, "\0", 1, traced)) end
    port.finish(pack("<B", STOPPED) .. encode(report))
  end

  engine.stop_here = stop_here

  function engine.die(kind, message)
    -- Nothing may be allocated on this side once memory is out.
    port.die(kind, message)
  end

  -- `was`: what is shown of the recorded one, where that is not its arguments.
  local function diverge(what, name, args, source, line, was)
    local report = { what = what, ordinal = ordinal }
    if name then
      report.found = { name = name, args = args, source = source, line = line }
    end
    if have then
      report.expected = {
        number = r_number, name = r_name, args = was or r_args, source = r_source, line = r_line,
        part = r_part,
      }
    end
    stop_here("divergence", report)
  end

  local function frontier(name, args, source, line)
    stop_here("frontier", {
      ordinal = ordinal, found = { name = name, args = args, source = source, line = line },
    })
  end

  -- Re-execution ------------------------------------------------------------------------

  local trace_from, trace_bytes = 1, 0
  local MOST_TRACE, LARGE = 1 << 20, 1 << 10

  -- "name \0 arguments \0 source \0 line \0": the arguments' end is known from their bytes.
  local function note_trace(name, args, source, line)
    if ordinal < trace_from then return end
    local n = traced
    trace[n + 1], trace[n + 2], trace[n + 3], trace[n + 4] = name, args, source, line
    traced = n + 4
    if #args > LARGE then trace_bytes = trace_bytes + #args end
    if traced == 1024 or trace_bytes > MOST_TRACE then
      port.trace(concat(trace, "\0", 1, traced))
      if trace_bytes > MOST_TRACE then trace = {} end   -- what is held there may be large
      traced, trace_bytes = 0, 0
    end
  end

  local script_changed = false

  -- The hook call in which nothing has happened yet, if we are in one. It is one record in
  -- the end, unless something does happen: then it begins first.
  local pending, begin_pending

  -- The hook's call that we compute in, and the one that the host knows of: it stops those
  -- that take too long. Until the history's end it need not know.
  local hook_now, hook_told = 0, 0
  local ABANDONED = engine.ABANDONED

  local function tell_hook()
    local more = peek()
    if timed_out[hook_now] then
      -- It went on from here for ever. What its `__close` would cause leads back here.
      pending = ABANDONED
      return error(ABANDONED, 0)
    elseif live and not more then
      hook_told = hook_now
      put_frame(pack("<BI8", IN_HOOK, hook_now))
    end
  end

  -- What raises the error of an effect that must not happen: an expression is evaluated.
  local refuse

  function engine.refuse_effects(raise)
    refuse, pending = raise, {}
  end

  -- To be called before the script is ended by what it calls.
  function engine.check_may_end(name)
    if refuse then return refuse(name) end
  end

  local function allow_again(was_refused, was_pending, ...)
    refuse, pending = was_refused, was_pending
    return ...
  end

  -- Calls `f`, which never raises, and has `raise(name)` raise an error for each effect meanwhile.
  function engine.without_effects(raise, f, ...)
    local was_refused, was_pending = refuse, pending
    refuse, pending = raise, {}
    return allow_again(was_refused, was_pending, f(...))
  end

  local function compare(part, name, args, source, line)
    if r_name ~= name then
      return diverge("another effect", name, args, source, line)
    elseif r_part ~= part then
      return diverge("something else happens inside of it", name, args, source, line)
    elseif r_args ~= args then
      return diverge("other arguments", name, args, source, line)
    elseif not script_changed and (r_line ~= line or r_source ~= source) then
      return diverge("another line", name, args, source, line)
    end
    have = false
  end

  -- To be called once a record is used: where it was the last one, a replay ends here. A
  -- debugger that follows a session may go ahead of its history, up to the next effect.
  -- `number` is the event's, if the script would have its answer next; `apart` is the effect's,
  -- if that answer is in a record of its own, which may come only while we stand here.
  local function check_end(number, apart)
    while not peek() and not live and stops_at_end do
      if on_answer and number and (not apart or completed[apart]) then on_answer(number) end
      if end_kind ~= OPEN and end_kind ~= CLOSED then
        return stop_here("frontier", { ordinal = ordinal })
      end
      if on_frontier(true) then return end
    end
  end

  -- Live --------------------------------------------------------------------------------

  local function frame(kind, part, o, status, name, args, outcome, source, line)
    -- The payload's own bytes are those of its numbers and lengths.
    send(pack(FRAME, OWN_BYTES + #name + #source + #args + #outcome, kind, part, o, current, status, name,
      source, line < 0 and 0 or line, coroutine_number(), args, outcome))
  end

  -- Blocks until one more answer is in line.
  local function pump()
    local before = answers_in_line()
    while answers_in_line() == before do
      if have then
        return diverge("more was recorded while the script waits")
      elseif not read_one() then
        if not live then return frontier("", "", "", 0) end
        arrive(unpack("<I8Bs4", port.receive_answer(), 2))
      end
    end
  end

  local TELLING = { [REFUSED] = "SecurityViolation", [LIMITED] = "ResourceLimitExceeded" }

  local function fail(status, outcome, source, line, name)
    local message = decode(outcome)
    local point = TELLING[status]
    if point and engine.hooks.wanted(point) then
      engine.hooks.fire(point, "system", name, { effect = name, error = engine.error_text(message) })
    end
    if line > 0 then message = format("%s:%d: %s", source, line, engine.error_text(message)) end
    return error(message, 0)
  end

  local function deliver(o, status, outcome, source, line, name, number)
    if hook_now ~= hook_told then tell_hook() end
    if is_watched then arrived(o, number or numbers[o]) end
    if status >= FAILED then return fail(status, outcome, source, line, name) end
    return decode(outcome)
  end

  -- Waits until effect `o` is answered, whatever else is answered before it.
  local function wait_sync(o)
    while not completed[o] do pump() end
    take({ [o] = true })
    local c = completed[o]
    completed[o] = nil
    return c[1], c[2]
  end

  -- In a parallel branch the others may go on; `engine.WAIT` is what the scheduler knows.
  -- How many schedulers the running code is inside of: they are in lua/branches.lua.
  local WAIT = {}
  engine.WAIT = WAIT
  engine.scheduling = 0

  -- Where a coroutine of the script can't be left, the whole branch waits.
  function engine.wait_here(_, o)
    if type(o) ~= "table" then return wait_sync(o) end
    while true do
      local one = take(o)
      if one then return one end
      pump()
    end
  end

  local function wait(o)
    if engine.scheduling > 0 and isyieldable() then
      return yield(WAIT, o)
    end
    return wait_sync(o)
  end

  local function perform(part, o, name, args, source, line)
    if look() then
      -- Around which hooks of the host were has its outcome in a record of its own.
      local apart = part == EFFECT and r_part == INTENT
      compare(apart and INTENT or part, name, args, source, line)
      local status, outcome, number = r_status, r_outcome, r_number
      if part == INTENT then numbers[o] = number end
      if stops_at_end then check_end(part == EFFECT and number, apart and o) end
      if apart then status, outcome = wait_sync(o) end
      if part == EFFECT then return deliver(o, status, outcome, source, line, name, number) end
    elseif live then
      frame(CALL, part, o, NONE, name, args, "", source, line)
      if part == EFFECT then
        local status, outcome = wait_sync(o)
        return deliver(o, status, outcome, source, line, name)
      end
    else
      return frontier(name, args, source, line)
    end
    local status, outcome = wait(o)
    return deliver(o, status, outcome, source, line, name)
  end

  -- Performs an effect and returns its value; raises "source:line: message" if it failed.
  -- `args` is a table of named arguments, or its canonical bytes.
  function engine.call(name, args)
    if type(args) ~= "string" then args = encode(args, name) end
    local source, line = locate(3)
    local is_posted = posted[name]
    if is_posted then check_guard(name) end
    if pending then begin_pending(name) end
    ordinal = ordinal + 1
    local o = ordinal
    if tracing then note_trace(name, args, source, line) end
    return perform(is_posted and INTENT or EFFECT, o, name, args, source, line)
  end

  -- Begins an effect without waiting for it, and returns its ordinal: a scheduler waits.
  function engine.post(name, args)
    if pending then begin_pending(name) end
    args = encode(args, name)
    local source, line = locate(3)
    check_guard(name)
    ordinal = ordinal + 1
    local o = ordinal
    if tracing then note_trace(name, args, source, line) end
    if look() then
      compare(INTENT, name, args, source, line)
      numbers[o] = r_number
      if is_watched then arrived(o, r_number) end
      if stops_at_end then check_end() end
    elseif live then
      frame(CALL, INTENT, o, NONE, name, args, "", source, line)
      if is_watched then arrived(o) end
    else
      return frontier(name, args, source, line)
    end
    return o
  end

  -- Records what needs no answer: `produce` makes the value live; re-execution gets the
  -- recorded one. In a simulation everything is asked for, this too.
  local ask_all = false
  function engine.record(name, args, produce)
    if type(args) ~= "string" then args = encode(args, name) end
    local source, line = locate(3)
    if pending then begin_pending(name) end
    ordinal = ordinal + 1
    if tracing then note_trace(name, args, source, line) end
    if look() then
      compare(EFFECT, name, args, source, line)
      local status, outcome, number = r_status, r_outcome, r_number
      if stops_at_end then check_end(number) end
      return deliver(ordinal, status, outcome, source, line, name, number)
    elseif not live then
      return frontier(name, args, source, line)
    elseif ask_all and produce then
      return perform(EFFECT, ordinal, name, args, source, line)
    end
    local value = produce and produce()
    frame(RECORD, EFFECT, ordinal, OK, name, args, produce and encode(value, name) or "",
      source, line)
    if is_watched then arrived(ordinal) end
    return value
  end

  -- An output event: `text` goes to where `name` says, once it is committed.
  function engine.output(name, text)
    if engine.on_output then return engine.on_output(text) end
    return engine.record(name, "\x81\xa4text" .. encode_string(text))
  end

  -- Spans: events with others inside -----------------------------------------------------

  local spans = {}           -- ordinal of an open one -> {outer, name, source, line}

  local function begin(name, args, source, line, produce)
    if pending then begin_pending(name) end
    ordinal = ordinal + 1
    local o = ordinal
    if tracing then note_trace(name, args, source, line) end
    local value
    if look() then
      compare(BEGIN, name, args, source, line)
      numbers[o] = r_number
      value = decode(r_outcome)
      if is_watched then arrived(o, r_number) end
      if stops_at_end then check_end() end
      if hook_now ~= hook_told then tell_hook() end
    elseif live then
      value = produce and produce()
      frame(RECORD, BEGIN, o, NONE, name, args, produce and encode(value, name) or "", source, line)
      if is_watched then arrived(o) end
    else
      return frontier(name, args, source, line)
    end
    spans[o] = { outer = current, name = name, source = source, line = line }
    return o, value
  end

  local function finish(o, name, status, outcome, source, line)
    numbers[o], spans[o] = nil, nil
    if look() then
      if r_part ~= FINAL or r_ordinal ~= o then
        return diverge("another effect", name, "", source, line)
      elseif r_status ~= status or r_outcome ~= outcome then
        return diverge("another result", name, outcome, source, line, r_outcome)
      end
      have = false
      if stops_at_end then check_end() end
      if hook_now ~= hook_told then tell_hook() end
    elseif live then
      frame(RECORD, FINAL, o, status, name, "", outcome, source, line)
    else
      return frontier(name, "", source, line)
    end
  end

  -- What `body` did: its value, or the text of its error, as an outcome. A body that hands
  -- on what an effect came to also returns that outcome's bytes: decoded and encoded again
  -- they could be others.
  local function closed(o, name, source, line, outer, ok, value, bytes)
    current = outer
    local encodable, outcome = true, ""
    if ok and bytes then
      outcome = bytes
    elseif ok then
      encodable, outcome = pcall(encode, value, name)
      if not encodable then ok, value = false, outcome end
    end
    if not ok then outcome = encode_string(engine.error_text(value)) end
    finish(o, name, ok and OK or FAILED, outcome, source, line)
    if not ok then return error(value, 0) end
    return value
  end

  -- Runs `body(o, produced)` as one event; the effects it causes are inside of it.
  -- The body returns one value that can be encoded; its error is raised again after the end.
  function engine.span(name, args, body, produce)
    if type(args) ~= "string" then args = encode(args, name) end
    local source, line = locate(3)
    local outer = current
    local o, produced = begin(name, args, source, line, produce)
    current = o
    return closed(o, name, source, line, outer, engine.pcall(body, o, produced))
  end

  -- Hook calls: {at, component, data, hook, point} -> {type, …, us} ------------------------

  -- `at` (microseconds since 1970) and `us` (microseconds it took) are what was recorded.
  local HOOK, AT, US = "hook.call", "\x85\xa2at\xcf", "\xa2us"
  local AT_BYTES = #AT + 8
  local hook_ended   -- when the hook before in the chain ended: when the next one begins

  function begin_pending(name)
    if refuse then return refuse(name) end
    local call = pending
    if call == ABANDONED then return error(ABANDONED, 0) end
    pending = nil
    call.o = begin(HOOK, call.args, call.source, call.line)
    current = call.o
  end

  -- Whether `outcome` is what was recorded; of one without error, up to the time it took,
  -- which is returned then.
  local function same_outcome(status, outcome)
    if r_status ~= status then return false end
    if status == FAILED then return r_outcome == outcome end
    local n = #outcome + #US
    if sub(r_outcome, 1, n) ~= outcome .. US then return false end
    return true, decode(sub(r_outcome, n + 1))
  end

  local function end_hook(call, part, at, status, outcome)
    local o, source, line = call.o, call.source, call.line
    if look() then
      local same, us = same_outcome(status, outcome)
      local here = r_part == part and r_name == HOOK and (part == EFFECT or r_ordinal == o)
      if here and (part == FINAL or r_args == call.args) and not same then
        if status == OK then outcome = outcome .. (match(r_outcome, US .. ".*$") or US .. encode(0)) end
        return diverge("another result", HOOK, outcome, source, line, r_outcome)
      elseif part == FINAL and not here then
        return diverge("another effect", HOOK, "", source, line)
      end
      if part == EFFECT then
        compare(EFFECT, HOOK, call.args, source, line)
        if is_watched then arrived(o, r_number) end
      end
      have = false
      if stops_at_end then check_end() end
      return us
    elseif not live then
      return frontier(HOOK, part == EFFECT and call.args or "", source, line)
    end
    local us
    if status == OK then
      hook_ended = port.now()
      us = hook_ended > at and hook_ended - at or 0
      outcome = outcome .. US .. encode(us)
    else
      hook_ended = nil
    end
    frame(RECORD, part, o, status, HOOK, part == EFFECT and call.args or "", outcome, source, line)
    -- After a call in one record the host takes the next one to be computing.
    if part == EFFECT then hook_now, hook_told = o + 1, o + 1 end
    return us
  end

  -- To be called where hooks have run: we compute in that call again, or in none.
  function engine.hook_left(call)
    hook_ended = nil
    hook_now = call and call.o or 0
    if hook_now ~= hook_told then tell_hook() end
  end

  -- To be called where another branch goes on: it computes in that call, or in none.
  function engine.hook_resumed(call)
    hook_now = call and call.o or 0
    if hook_now ~= hook_told and live and not look() and not timed_out[hook_now] then tell_hook() end
  end

  -- Runs `body(at, call)`, which never raises, as the call of a hook: an event that other events
  -- are inside of. It returns its outcome: true, the canonical bytes of a map that lacks the
  -- last key, `us`, and a value; or false and the text of an error. Returns that value or
  -- nil, what was recorded of the time (when it began, how long it took), and that text.
  -- The arguments without `at` are the bytes of `head`, `data` and `tail`.
  function engine.hook_call(source, line, head, data, tail, body)
    if pending then begin_pending(HOOK) end
    local at
    if look() and r_name == HOOK and #r_args > AT_BYTES then
      at = unpack(">I8", r_args, #AT + 1)
    else
      at = hook_ended or port.now()
    end
    hook_ended = nil
    local call = { source = source, line = line, args = AT .. pack(">I8", at) .. head .. data .. tail }
    local outer, scheduling = current, engine.scheduling
    hook_now = ordinal + 1
    local failure = timed_out[hook_now]
    if failure and look() and r_part == BEGIN then failure = nil end   -- something happened inside
    if hook_now ~= hook_told and not failure and not look() then tell_hook() end
    local ok, outcome, value
    pending = call
    if not failure then
      local fine
      fine, ok, outcome, value = pcall(body, at, call)
      if not fine then
        failure = ok == ABANDONED and timed_out[call.o]
        if not failure then return error(ok, 0) end
        engine.scheduling, pending = scheduling, nil
      elseif not ok then
        failure = outcome
      end
    end
    if failure then ok, outcome = false, encode_string(failure) end
    local part = FINAL
    if call.o then
      current = outer
    else
      pending, part, ordinal = nil, EFFECT, ordinal + 1
      call.o = ordinal
      if tracing then note_trace(HOOK, call.args, source, line) end
    end
    local us = end_hook(call, part, at, ok and OK or FAILED, outcome)
    if part == FINAL then numbers[call.o], spans[call.o] = nil, nil end
    if failure then timed_out[call.o] = nil end
    return value, at, us, failure or nil
  end

  -- The effect at the heart of a span: same event, its own intent and outcome.
  function engine.perform_inside(o, name, args)
    if type(args) ~= "string" then args = encode(args, name) end
    local source, line = locate(3)
    check_guard(name)
    return perform(INTENT, o, name, args, source, line)
  end

  -- The same in two halves; between them other effects are caused inside of it. The second
  -- half also returns the outcome's bytes.
  function engine.begin_inside(o, name, args)
    if type(args) ~= "string" then args = encode(args, name) end
    local source, line = locate(3)
    check_guard(name)
    spans[o].performs = true
    if look() then
      compare(INTENT, name, args, source, line)
      numbers[o] = r_number
      if stops_at_end then check_end() end
    elseif live then
      frame(CALL, INTENT, o, NONE, name, args, "", source, line)
    else
      return frontier(name, args, source, line)
    end
  end

  function engine.outcome_inside(o)
    local source, line = locate(3)
    local status, outcome = wait(o)
    return deliver(o, status, outcome, source, line, spans[o].name), outcome
  end

  -- For lua/branches.lua.
  engine.answers.pump = pump

  -- Ends all that is open inside of the event `o`, innermost first: nobody goes on with it.
  -- `message` is what each ends with; the host gives up the effects inside of it.
  function engine.end_inside(o, message)
    local left = {}
    for inner, span in next, spans do
      local outer = span
      while outer and outer.outer ~= o do outer = spans[outer.outer] end
      if outer then left[#left + 1] = inner end
    end
    raw.table.sort(left, function(a, b) return a > b end)
    local outcome = encode_string(message)
    for i = 1, #left do
      local inner = left[i]
      local span = spans[inner]
      -- Where it has an effect of its own: one that has been answered is not unwanted.
      if span.performs then forget(inner) end
      finish(inner, span.name, FAILED, outcome, span.source, span.line)
    end
  end

  -- Makes `o` the event we are inside of, and returns the one we were in.
  function engine.move_inside(o)
    local was = current
    current = o
    return was
  end

  -- Blobs -------------------------------------------------------------------------------

  -- Content-addressed, so not an effect: the same hash is the same bytes for ever.
  function engine.blob(hash, offset, size)
    put_frame(pack("<Bs1I8I8", BLOB, hash, offset, size))
    while true do
      local answer = receive()
      local kind = keep_frame(answer)
      if kind == DATA then
        return sub(answer, 2)
      elseif kind == ANSWER then
        arrive(unpack("<I8Bs4", answer, 2))
      end
    end
  end

  function engine.entropy()
    return unpack("<i8i8", port.entropy(16))
  end

  -- Start and end -------------------------------------------------------------------------

  local function report_end(status, payload)
    if engine.flush_files then engine.flush_files() end
    if look() then
      return diverge("the script ended where more was recorded")
    end
    if on_stop then return on_stop("finish", payload) end
    -- An effect that was posted and never waited for would otherwise be cut off.
    if tracing then port.trace(concat(trace, "\0", 1, traced)) end
    payload.lines, payload.steps = engine.lines, engine.line_steps
    payload.events = ordinal
    port.finish(pack("<BB", FINISH, status) .. encode(payload))
  end

  engine.report_end = report_end

  -- Tells the host that an edit is done, and how much of the history it came after.
  local tells_edits = false
  function engine.tell_edited(id)
    if tells_edits then put_frame(pack("<BI8I8", EDITED, id, records_used())) end
  end

  -- Takes over how this run is meant to go (respell/engine/program.py, `Program.init`).
  function engine.configure(init)
    tracing, ask_all, script_changed = init.trace, init.ask_all, init.script_changed
    trace_from, stops_at_end = init.trace_from or 1, init.stops_at_end
    if init.edits then
      engine.take_edits(init.edits)
      edits_at, is_watched = engine.edits_at, true
      tells_edits = init.tells_edits
    end
    if stops_at_end and not engine.debug then check_end() end
  end

  -- Ends the re-execution if there is nothing recorded to go on with; for a debugger, before
  -- and after it stood still at the script's start.
  function engine.check_end(begun)
    if not stops_at_end then return end
    local follows = not peek() and (end_kind == OPEN or end_kind == CLOSED)
    if begun or not follows then check_end() end
  end

  -- The first frame: what to run.
  function engine.receive_init()
    return decode(sub(receive(), 2))
  end
end
