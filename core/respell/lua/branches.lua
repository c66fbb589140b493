-- Parallel branches: coroutines that are left only where they wait for an effect.
--
-- The order in which outcomes were recorded is the order in which branches go on, live and
-- at re-execution alike.

return function(engine)
  local raw = engine.raw
  local type, next, setmetatable = raw.type, raw.next, raw.setmetatable
  local resume, yield, isyieldable = raw.coroutine.resume, raw.coroutine.yield, raw.coroutine.isyieldable
  local table_pack = raw.table.pack
  local take, pump, completed = engine.answers.take, engine.answers.pump, engine.answers.completed
  local move_inside, WAIT = engine.move_inside, engine.WAIT

  local numbers = setmetatable({}, { __mode = "k" })

  -- The number of the branch that a coroutine is; nil for one of the script's own.
  function engine.branch_of(co) return numbers[co] end

  -- Which of `blocked` (ordinal -> branch) is answered first? Answers that came while a
  -- branch could not be left stay in line, so the order is that of the history.
  local function next_arrival(blocked)
    while true do
      -- A scheduler inside a branch always leaves it to the outermost one to take answers:
      -- at re-execution some may be in line earlier than they were live.
      if engine.scheduling > 1 and isyieldable() then
        local any = {}
        for one in next, blocked do any[one] = true end
        return yield(WAIT, any)
      end
      local o = take(blocked)
      if o then return o end
      pump()
    end
  end

  -- Runs functions as branches, `limit` at a time, and returns an array of {ok, value}.
  -- A branch is left only where it waits for an effect that was posted.
  function engine.parallel(functions, limit)
    local n = #functions
    local results, blocked, running_now, started = {}, {}, 0, 0
    local outer = move_inside(0)
    move_inside(outer)
    local hooks = engine.swap_hooks(nil)
    engine.swap_hooks(hooks)
    engine.scheduling = engine.scheduling + 1

    local function advance(branch, ...)
      move_inside(branch.inside)
      local outer_hooks = engine.swap_hooks(branch.hooks)
      engine.note_resume(branch.co)
      local result = table_pack(resume(branch.co, ...))
      branch.inside = move_inside(outer)
      branch.hooks = engine.swap_hooks(outer_hooks)
      if not result[1] then
        engine.check_memory(result[2])
        results[branch.index] = { ok = false, value = result[2] }
      elseif raw.coroutine.status(branch.co) == "dead" then
        results[branch.index] = { ok = true, value = result[2] }
      elseif result[2] == WAIT then
        local o = result[3]
        branch.waits = o
        if type(o) == "table" then
          for one in next, o do blocked[one] = branch end
        else
          blocked[o] = branch
        end
        return
      else
        results[branch.index] = { ok = false, value = "attempt to yield from outside a coroutine" }
        raw.coroutine.close(branch.co)
      end
      running_now = running_now - 1
    end

    local function start()
      started = started + 1
      running_now = running_now + 1
      local co = raw.coroutine.create(functions[started])
      numbers[co] = engine.identify(co)
      engine.coroutines[co] = true
      if engine.on_coroutine then engine.on_coroutine(co) end
      advance({ co = co, index = started, inside = outer, hooks = hooks })
    end

    while started < n or running_now > 0 do
      while started < n and running_now < limit do start() end
      if running_now > 0 then
        local o = next_arrival(blocked)
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
    end
    engine.scheduling = engine.scheduling - 1
    return results
  end
end
