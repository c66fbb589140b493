-- The debugger's side of a replaying worker: where it stands, and where it stops.
--
-- A position is an event's number and the line steps since the script knew of that event,
-- counted over all coroutines. Lines are counted only from the event on that a run is told to
-- arm at, in the main thread and in every living coroutine. All decisions per line are made
-- here; the host is asked nothing until the worker stops.
--
-- Orders (respell/debug/worker.py): one at a time, and only while the worker stands still.

return function(engine, env)
  local raw, port = engine.raw, engine.port
  local next, type, error, pcall = raw.next, raw.type, raw.error, raw.pcall
  local getinfo, sethook = raw.debug.getinfo, raw.debug.sethook
  local create, resume, running, status, yield = raw.coroutine.create, raw.coroutine.resume,
    raw.coroutine.running, raw.coroutine.status, raw.coroutine.yield
  local byte, sub, pack, unpack = raw.string.byte, raw.string.sub, raw.string.pack, raw.table.unpack
  local encode, decode, chunk_of = engine.encode, engine.decode, engine.chunk_of

  local PAUSED, REPLY, COMMAND = 0x0a, 0x0b, 0x86
  local NEVER = 1 << 62
  local MOST_RETURNED = 16
  local calls = 0                  -- and returns, while it is looked for what one returns
  local DEEP = 120   -- functions; fewer than that never fill a stack

  local view = engine.debug_view   -- lua/inspection.lua
  local over_time = engine.debug_over_time
  local chunks = engine.debug_chunks   -- lua/chunk_marks.lua
  local main                        -- the main thread
  local event, steps = 1, 0         -- where we are
  local counted = true              -- whether `steps` is known
  local armed, hooked = false, false
  -- Where calls and returns are seen as well, the function of a line is that of the line before
  -- until there is one: to ask each time costs as much as all the rest.
  local tracked, moved, line_of = false, true, nil
  -- Whether nothing is to be done at a line but to count it, if nobody was called and nobody
  -- returned since the last one.
  local plain, line_is_ours, was_reached = false, false, false
  -- To ask whether a function far out has returned costs its depth: it has not as long as there
  -- were no more returns than calls, but for a margin. What catches errors ends functions that do
  -- not return; the margin is not known (-1) then.
  local FAR_OUT = 64
  local thread_counted, margin = nil, -1
  local catchers = { [raw.pcall] = true, [raw.xpcall] = true, [raw.load] = true }
  local deep = false                -- whether there is no room for hooks, until an event or a catch
  local arm_at = NEVER
  local step_edits                  -- edits of a fork that wait for their line

  -- What a run is to do; set by the order.
  local to_event, to_steps = NEVER, 0     -- stops there
  local from_event, from_steps = 0, 0     -- where it began: errors there are not new
  local late_event                        -- stops at the first line after this one's answer
  local through                    -- calls are wanted of functions that others call for it, too
  -- "line", "over", "out", "event", "watch", "count", "calls", "returns"
  local want, want_co, want_depth
  local stepping, want_thread             -- whether it is one of the first three; of `want_co`
  local collect = false                   -- go on at hits, and remember the last one
  local last, found                       -- the last hit: {event, steps, reason, more}
  local all_hits, most_hits               -- every hit, if wanted
  local lines, functions, errors          -- breakpoints: line -> list; line defined -> list; which
  local entering                          -- ids of breakpoints on the function that was entered
  local called                            -- the function that was entered, if calls are wanted
  local data_line, data_call, data_changes -- of the variable that is followed; lua/data_points.lua
  local logs                              -- of log points: {event, steps, text}
  local scout                             -- what looks for breakpoints while nothing is counted
  local budget, rearm                     -- lines to count before that; the event to count from again
  local ended                             -- the report of the end, once it is reached
  local at_frontier = false               -- whether we are where the history ends by now
  local ahead                             -- may go on from there, up to the next effect

  local co_numbers = raw.setmetatable({}, { __mode = "k" })

  local function co_number(co)
    local number = co_numbers[co]
    if not number then
      number = engine.branch_of(co) or engine.known_id(co) or 0
      co_numbers[co] = number
    end
    return number
  end

  local pause

  -- Hooks ---------------------------------------------------------------------------------

  local on_hook

  local function set_hooks()
    if scout and not armed and not step_edits then
      hooked = "scout"
      return scout.begin()
    end
    local mask = not deep and (armed or step_edits) and "l" or nil
    if mask and (functions or data_call or want == "calls") then mask = "lc" end
    if mask and (want == "watch" or want == "count") then mask = "lcr" end
    if mask and want == "returns" then mask = "cr" end
    plain = mask == "l" and not (step_edits or lines or data_line or budget)
    if plain then mask = "lcr" end
    tracked, moved, margin = mask == "lcr", true, -1
    if mask == hooked then return end
    hooked = mask
    local f = mask and on_hook or nil
    sethook(main, f, mask)
    for co in next, engine.coroutines do
      if status(co) ~= "dead" then sethook(co, f, mask) end
    end
  end

  -- C's stack takes about 200 calls (metamethods, callbacks, coroutines …), and a hook is one of
  -- them; Lua's has to have space for it. Where the script comes near to either end no line
  -- counts any more, so that what overflows does so where it did without hooks. That is looked
  -- at now and then: a line calls no more than a few.
  local nested, reached = {}, nil
  for i = 1, 40 do nested[i] = pcall end
  nested[#nested + 1] = function() reached = true end

  -- In a coroutine: Lua's stack, which may be used up as well, has next to no part in it.
  local try = create(function()
    while true do
      pcall(unpack(nested))
      yield()
    end
  end)

  local function has_room()
    reached = false
    resume(try)
    return reached
  end

  -- Lua's stack is full at a million values. A call that fails for that is undone by `pcall`.
  local function has_space() return (pcall(unpack, nested, 1, 8000)) end

  local function is_near_the_end()
    return getinfo(DEEP, "") and not (has_room() and (steps & 255 ~= 0 or has_space()))
  end

  local function stand_back()
    deep = true
    if want == "returns" then return pause("gone") end
    set_hooks()
  end

  local function come_closer()
    if not deep then return end
    deep = false
    set_hooks()
  end

  function engine.on_coroutine(co)
    if hooked == "scout" then return scout.on_coroutine(co) end
    if hooked then sethook(co, on_hook, hooked) end
  end

  function engine.on_step_edits(step)
    step_edits = step
    set_hooks()
  end

  -- Hits ----------------------------------------------------------------------------------

  local function note_hit(reason, more)
    if last and last[1] == event and last[2] == steps then return end
    last, found = { event, steps, reason, more }, found + 1
    if all_hits and found <= most_hits then
      all_hits[found] = want == "calls" and { event, steps, more } or { event, steps }
    end
  end

  local function hit(reason, more)
    if collect then return note_hit(reason, more) end
    return pause(reason, more)
  end

  -- Of what is found while nothing is counted only the event is known.
  local function scouted()
    if not collect then
      counted = false
      return pause("scouted")
    end
    if last and last[1] == event then return end
    last, found = { event, -1, "scouted" }, found + 1
  end

  local function log(text)
    logs[#logs + 1] = { event = event, steps = steps, text = text }
  end

  -- Whether the condition of a breakpoint holds at the line we are at. Where it can't be
  -- computed without a trace the host has it computed by a worker that is thrown away.
  local function holds(point, f)
    if not point.condition then return true end
    local outcome = view.pure(point.condition, f)
    if outcome == nil then return pause("condition", { breakpoint = point.id }) == true end
    return outcome
  end

  local function message_of(point, f)
    local text = view.pure_message(point.pieces, f)
    if text == nil then text = pause("message", { breakpoint = point.id }) end
    return text
  end

  -- Whether a log point speaks here: not every hit of it may count.
  local function speaks(point)
    if not point.at then return true end
    if not point.places then
      point.places = {}
      for _, at in raw.ipairs(point.at) do
        local of_event = point.places[at[1]] or {}
        of_event[at[2]] = true
        point.places[at[1]] = of_event
      end
    end
    return point.places[event] and point.places[event][steps]
  end

  -- Returns the ids of the breakpoints of a list that hold here; nil for none.
  local function matching(list, source, f)
    local ids
    for _, point in raw.ipairs(list) do
      if (not point.source or point.source == source) and holds(point, f) then
        if point.pieces then
          if speaks(point) then log(message_of(point, f)) end
        else
          ids = ids or {}
          ids[#ids + 1] = point.id
        end
      end
    end
    return ids
  end

  -- On each line --------------------------------------------------------------------------

  -- Whether a line is what a step was to reach. Levels: 1 is here, 2 `on_line`, 3 the script's.
  -- Step over and out stay in their coroutine as long as it lives.
  local function reached()
    if want == "line" then return true end
    local co = running()
    if co_number(co) == want_co then
      if margin >= 0 then return false end
      local level = want == "over" and 3 + want_depth or 2 + want_depth
      if getinfo(level, "l") == nil then return true end
      if thread_counted and plain then
        local beyond = 1
        while getinfo(level + beyond, "") do beyond = beyond * 2 end
        margin = beyond // 2
      end
      return false
    end
    return not collect and want_co ~= 0 and (not want_thread or status(want_thread) == "dead")
  end

  -- Looks for a breakpoint at a line that is not counted: one of the line, or of the function that
  -- is entered with it. Called in the place of `on_line`: conditions know by the level where the
  -- script is.
  local function on_uncounted_line(line, source, f)
    local list, entered = lines and lines[line], entering
    entering = nil
    if (list and matching(list, source, f)) or (entered and matching(entered, source, f)) then
      return scouted()
    end
  end

  local function on_line(_, line)
    local f = line_of
    if moved then
      f = getinfo(2, "f").func
      line_of, moved = f, not tracked
    end
    local source = chunk_of(f)
    line_is_ours = not source
    if not source then return end
    if step_edits and step_edits(2) then
      step_edits = nil
      if not armed then set_hooks() end
    end
    if not armed then
      if scout then return on_uncounted_line(line, source, f) end
      return
    end
    steps = steps + 1
    if budget then
      budget = budget - 1
      if budget < 0 then
        budget = nil
        if event < rearm then
          armed, counted, arm_at = false, false, rearm
          set_hooks()
          return on_uncounted_line(line, source, f)
        end
      end
    end
    if want == "watch" then
      over_time.on_line(f, event, steps, line)
      if over_time.done then return pause("found") end
    elseif want == "count" then
      over_time.count_line(f, line)
    end
    if data_line then data_line(f, event, steps) end
    local there = (event == to_event and steps == to_steps) or late_event == 0
    if called and not there then
      local entered = called
      called = nil
      return hit("step", entered)
    end
    local list = lines and lines[line]
    if entering or list then
      local entered = entering and matching(entering, source, f)
      entering = nil
      local ids = list and matching(list, source, f)
      if entered then
        raw.table.move(ids or {}, 1, ids and #ids or 0, #entered + 1, entered)
        ids = entered
      end
      if there then return pause("goto", { breakpoints = ids }) end
      if ids then
        return hit(entered and "function breakpoint" or "breakpoint", { breakpoints = ids })
      end
    end
    if there then return pause("goto") end
    was_reached = stepping and reached()
    if was_reached then return hit("step") end
  end

  -- The same where what runs between the two is none of the script's.
  local function through_to_wanted(what)
    if co_number(running()) ~= want_co then return false end
    local level = what == "tail call" and 3 or 4
    local info = getinfo(level, "f")
    while info and not chunk_of(info.func) do
      level = level + 1
      info = getinfo(level, "f")
    end
    return info and getinfo(level + want_depth - 1, "l") ~= nil
      and getinfo(level + want_depth, "l") == nil
  end

  -- Whether the function that is entered runs inside of the one that calls are wanted of, or in
  -- its place. Levels: 1 is here, 2 `on_call`, 3 the script's.
  local function inside_of_wanted(what)
    if through then return through_to_wanted(what) end
    if co_number(running()) ~= want_co or getinfo(4 + want_depth, "l") then return false end
    return getinfo(3 + want_depth, "l") ~= nil
      or (what == "tail call" and getinfo(2 + want_depth, "l") ~= nil)
  end

  local function on_call(what)
    local info = getinfo(2, "S")
    if info.what == "C" or not (armed or scout) then return end
    local list = functions and functions[info.linedefined]
    if list then entering = list end
    if not armed then return end
    if data_call then data_call(what) end
    if want == "calls" and chunk_of(getinfo(2, "f").func) and inside_of_wanted(what) then
      called = view.called()
    end
  end

  -- Whether the function that is looked at has returned, and what. Where another one is seen
  -- at its depth, or one further out, before that, an error has ended it; and where nothing could
  -- be seen for a while, that is not known. Levels: 1 is here, 2 the function entered or left.
  local function on_leaving(what)
    if not armed or co_number(running()) ~= want_co or getinfo(2 + want_depth, "l") then return end
    local there = getinfo(1 + want_depth, "l") ~= nil
    if there and what == "tail call" then return end
    if not there or what ~= "return" then return pause("gone") end
    local info, list = getinfo(2, "r"), {}
    for i = 1, raw.math.min(info.ntransfer, MOST_RETURNED) do
      local _, value = raw.debug.getlocal(2, info.ftransfer + i - 1)
      list[i] = view.describe_now(value)
    end
    return pause("returned", { values = list, count = info.ntransfer })
  end

  function on_hook(what, line)
    if what == "line" then
      -- At lines alone: so it is the same place whatever else is looked at.
      if steps & 7 == 0 and is_near_the_end() then return stand_back() end
      if moved or not plain or late_event == 0 then return on_line(what, line) end
      if line_is_ours then return end
      steps = steps + 1
      if steps == to_steps and event == to_event then return pause("goto") end
      if was_reached then return hit("step") end
      return
    end
    moved = true
    if plain then
      if margin >= 0 and running() == thread_counted then
        if what == "call" then
          margin = margin + 1
        elseif what == "return" then
          margin = catchers[getinfo(2, "f").func] and -1 or margin - 1
        end
      end
      return
    end
    if want == "count" then return end
    if want == "returns" then
      -- No line is looked at: a function may run for a long time.
      calls = calls + 1
      if calls & 7 == 0 and is_near_the_end() then return stand_back() end
      return on_leaving(what)
    end
    if want ~= "watch" then return on_call(what) end
    if not armed then return end
    if what == "return" then return over_time.on_return() end
    return over_time.on_call(what)
  end

  -- At events, errors and the end -----------------------------------------------------------

  local function on_answer(number)
    if not number then return end
    if number <= event then
      -- An answer that comes after a later event's: the place of it is the next line.
      if number == late_event then late_event = 0 end
      return
    end
    come_closer()
    local passed = to_event < number and { steps = steps, counted = counted } or nil
    event, steps, counted = number, 0, true
    entering, called = nil, nil
    if not armed and number >= arm_at then
      armed = true
      set_hooks()
    end
    if passed then return pause("passed", passed) end
    if (number == to_event and to_steps == 0) or late_event == 0 or number == late_event then
      return pause("goto")
    end
    if want == "event" then return hit("event") end
  end

  engine.on_caught = come_closer

  function engine.on_error(failure, caught)
    if not errors or ended or not (armed or scout) then return end
    if errors.kind ~= "all" and caught then return end
    if deep or not has_room() then return end
    if not armed then return scouted() end
    if event == from_event and steps <= from_steps then return end
    if event == to_event and steps == to_steps then return end
    local text = view.error_text(failure)
    return hit("exception", { breakpoints = errors.ids, error = { message = text, caught = caught } })
  end

  local function on_stop(kind, report)
    report.kind = kind
    steps = steps + 1
    if not armed then counted = false end   -- it ends before the event that it was to be armed at
    ended = report
    if want == "watch" then over_time.on_line(nil, event, steps, 0) end
    if data_line then data_line(nil, event, steps) end
    local reason = event == to_event and steps == to_steps and "goto" or "end"
    while true do pause(reason) reason = "end" end
  end

  -- Stands still where the history of a session ends that may go on, until there is more of
  -- it. Inside of an effect that is one step behind its line. After an answer the script may
  -- `go_ahead`, if it is told to, or if it only has to be told of the answer that one goes to:
  -- true if it does.
  local function on_frontier(go_ahead)
    local function may_go()
      return go_ahead and (ahead or late_event and engine.is_answered(late_event))
    end
    if may_go() then return true end
    if not go_ahead then steps = steps + 1 end
    at_frontier = true
    if want == "watch" and not go_ahead then over_time.on_line(nil, event, steps, 0) end
    local goes
    repeat
      pause(event == to_event and steps == to_steps and "goto" or "frontier")
      goes = may_go()
    until goes or engine.may_have_more()
    at_frontier = false
    if not go_ahead then steps = steps - 1 end
    return goes
  end

  -- Orders --------------------------------------------------------------------------------

  local orders = {}

  local function report_of(reason, more)
    local report = view.place()
    report.reason, report.event, report.steps, report.counted = reason, event, steps, counted
    report.used = engine.records_used()
    report.last = last
    report.found, report.hits = found, all_hits
    report.logs = logs
    report.changes = data_changes and data_changes()
    report["end"], report.frontier = ended, at_frontier or nil
    if want == "watch" then report.watch = over_time.watched() end
    if want == "count" then report.counts = over_time.counted() end
    report.chunks, report.more_chunks = chunks.listed()
    if more then for k, v in next, more do report["at_" .. k] = v end end
    return report
  end

  local function tell(kind, value)
    local payload = encode(value)
    port.send(pack("<I4B", #payload + 1, kind) .. payload)
  end

  local function listen(thread)
    while true do
      local frame = port.receive()
      if engine.keep_frame(frame) == COMMAND then
        local order = decode(sub(frame, 2))
        local perform = orders[order.order]
        if perform then
          local ok, reply = pcall(perform, order)
          if ok then tell(REPLY, reply) else tell(REPLY, { refused = view.error_text(reply) }) end
        else
          return order
        end
      end
    end
  end

  function orders.fork(order)
    return { pid = port.fork(order.tie) }
  end

  orders.chunk_text = chunks.text

  for name, perform in next, view.orders do orders[name] = perform end

  -- Takes over what a run is to do.
  local function begin(order)
    if order.order == "verdict" then return order.verdict end
    to_event, to_steps = order.to_event or NEVER, order.to_steps or 0
    late_event = order.late
    want, want_co, want_depth = order.want, order.coroutine, order.depth
    collect, through = order.collect or false, order.through
    stepping = want == "line" or want == "over" or want == "out"
    want_thread = nil
    if want_co and want_co ~= 0 then
      for co in next, engine.coroutines do
        if co_number(co) == want_co then want_thread = co end
      end
    end
    thread_counted, margin, was_reached = nil, -1, false
    if stepping and want ~= "line" and want_depth > FAR_OUT then
      thread_counted = want_co == 0 and main or want_thread
    end
    from_event, from_steps = event, steps
    last, found = nil, 0
    called = nil
    logs = {}
    most_hits = order.most or 0
    all_hits = order.most and {} or nil
    lines, functions, errors = order.lines, order.functions, order.errors
    if want == "watch" then over_time.watch(order.watch, event == 1 and steps == 0) end
    if want == "count" then over_time.count(order.of) end
    chunks.begin(order)
    if not order.goes_on then data_line, data_call, data_changes = nil, nil, nil end
    if order.data and not data_line then
      local data = order.data
      data_line, data_call, data_changes =
        engine.data_point(data, env, co_number, function(f) return not f or holds(data, f) end)
    end
    arm_at, ahead = order.arm or NEVER, order.ahead
    if event >= arm_at then
      if not armed then
        -- In mid-interval nothing was counted yet.
        if steps > 0 or not counted then counted = false end
        armed = true
      end
    elseif armed then
      armed, counted = false, false
    end
    budget, rearm = order.budget, order.rearm
    scout = order.scout and engine.scout(main, lines, functions, matching, scouted) or nil
    hooked = 0   -- the mask may be another one
    set_hooks()
  end

  -- Stands still until the host says how to go on. Orders are carried out in a coroutine of
  -- our own: so the levels of the thread that stands still are the same for all of them.
  function pause(reason, more)
    view.enter(running(), ended)
    tell(PAUSED, report_of(reason, more))
    local ok, order = true, nil
    if has_room() then
      ok, order = resume(create(listen))
    else
      order = listen()
    end
    view.leave()
    if not ok then error(order, 0) end
    return begin(order)
  end

  function engine.debug_event() return event end

  function chunks.on_found() return pause("chunk") end

  found = 0
  logs = {}

  -- Called before the first line.
  function engine.debug(chunk)
    main = running()
    co_numbers[main] = 0
    view.start(main, chunk, co_number)
    over_time.start(main, co_number)
    engine.watch_events(on_answer, on_stop, on_frontier)
    function engine.on_uncaught(failure)
      -- Else it is told once the stack is unwound.
      if has_room() then return on_stop("failed", failure) end
    end
    engine.check_end()   -- one that was stopped before its first event may compute for ever
    pause("entry")
    engine.check_end(true)
  end
end
