-- Parallel branches: coroutines that are left only where they wait for an effect.
--
-- The order in which outcomes were recorded is the order in which branches go on, live and
-- at re-execution alike.

return function(engine)
  local raw = engine.raw
  local type, next, setmetatable = raw.type, raw.next, raw.setmetatable
  local resume, yield, isyieldable = raw.coroutine.resume, raw.coroutine.yield, raw.coroutine.isyieldable
  local table_pack = raw.table.pack
  local take, pump, completed, forget = engine.answers.take, engine.answers.pump, engine.answers.completed,
    engine.answers.forget
  local move_inside, WAIT = engine.move_inside, engine.WAIT
  local TIMER = {}   -- in the place of a branch: what waits for the deadline

  local numbers = setmetatable({}, { __mode = "k" })

  -- The number of the branch that a coroutine is; nil for one of the script's own.
  function engine.branch_of(co) return numbers[co] end

  -- Which of `blocked` (ordinal -> branch) is answered first? Answers that came while a
  -- branch could not be left stay in line, so the order is that of the history.
  local function next_arrival(blocked)
    while true do
      -- A scheduler inside a branch always leaves it to the outermost one to take answers:
      -- at re-execution some may be in line earlier than they were live.
      if engine.scheduling > 0 and isyieldable() then
        local any = {}
        for one in next, blocked do any[one] = true end
        return yield(WAIT, any)
      end
      local o = take(blocked)
      if o then return o end
      pump()
    end
  end

  -- Leaves a branch where it waits: nothing more of it runs.
  local function leave(branch)
    if type(branch.waits) == "table" then
      for one in next, branch.waits do forget(one) end
    else
      forget(branch.waits)
    end
    engine.coroutines[branch.co] = nil
  end

  -- Runs functions as branches, `limit` at a time, and returns an array of {ok, value}.
  -- A branch is left only where it waits for an effect that was posted. With `inside`, the
  -- ordinal of an event that nothing else is inside of, branches may be left for good:
  --   seconds   when so much time has passed, all that still run or never began;
  --   enough    a function of index and result: when it returns true, the same.
  -- The result of such a branch is {ok = false, left = message}. Also returns whether the
  -- time has passed.
  function engine.parallel(functions, limit, inside, seconds, enough)
    local n = #functions
    local results, blocked, living, running_now, started = {}, {}, {}, 0, 0
    local timer = seconds and engine.post("timer.deadline", { seconds = seconds })
    local is_over, is_late = false, false
    local outer = move_inside(0)
    move_inside(outer)
    local hooks = engine.hooks_inside()

    local function ended(branch, result)
      results[branch.index], living[branch.index] = result, nil
      running_now = running_now - 1
      if enough and enough(branch.index, result) then is_over = true end
    end

    local function advance(branch, ...)
      move_inside(branch.inside)
      local outer_hooks = engine.swap_hooks(branch.hooks)
      engine.note_resume(branch.co)
      engine.scheduling = engine.scheduling + 1
      local result = table_pack(resume(branch.co, ...))
      engine.scheduling = engine.scheduling - 1
      branch.inside = move_inside(outer)
      branch.hooks = engine.swap_hooks(outer_hooks)
      if not result[1] then
        engine.check_memory(result[2])
        ended(branch, { ok = false, value = result[2] })
      elseif raw.coroutine.status(branch.co) == "dead" then
        ended(branch, { ok = true, value = result[2] })
      elseif result[2] == WAIT then
        local o = result[3]
        branch.waits = o
        if type(o) == "table" then
          for one in next, o do blocked[one] = branch end
        else
          blocked[o] = branch
        end
      else
        raw.coroutine.close(branch.co)
        ended(branch, { ok = false, value = "attempt to yield from outside a coroutine" })
      end
    end

    local function start()
      started = started + 1
      running_now = running_now + 1
      local co = raw.coroutine.create(functions[started])
      numbers[co] = engine.identify(co)
      engine.coroutines[co] = true
      if engine.on_coroutine then engine.on_coroutine(co) end
      local branch = { co = co, index = started, inside = outer, hooks = hooks }
      living[started] = branch
      advance(branch)
    end

    local function go_on(o)
      local branch = blocked[o]
      for one, b in next, blocked do
        if b == branch then blocked[one] = nil end
      end
      if type(branch.waits) == "table" then
        advance(branch, o)
      else
        local c = completed[o]
        completed[o] = nil
        advance(branch, c[1], c[2])
      end
    end

    local function leave_all(why)
      for i = 1, n do
        if living[i] then leave(living[i]) end
        results[i] = results[i] or { ok = false, left = why }
      end
      move_inside(inside)
      engine.end_inside(inside, why)
      move_inside(outer)
    end

    if timer then blocked[timer] = TIMER end
    while not is_over and (started < n or running_now > 0) do
      while not is_over and started < n and running_now < limit do start() end
      if not is_over and running_now > 0 then
        local o = next_arrival(blocked)
        if o == timer then
          completed[o] = nil
          is_over, is_late, timer = true, true, nil
        else
          go_on(o)
        end
      end
    end
    -- The host gives up what nobody waits for when the event around it ends.
    if timer then forget(timer) end
    if is_over then
      leave_all(is_late and "left: the time was over" or "left: another branch failed")
    end
    return results, is_late
  end
end
