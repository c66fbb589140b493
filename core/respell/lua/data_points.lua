-- Data breakpoints: follows one variable through the whole execution, and notes each change.
--
-- A local is that of one activation of its function: the one that ran at the position at which
-- the breakpoint was set, which the execution comes to (or ends before). Until then the
-- changes of every activation are kept until the next one begins. An upvalue is told from those of
-- other closures in the same way.

return function(engine)
  local raw = engine.raw
  local next, type, rawget, rawequal = raw.next, raw.type, raw.rawget, raw.rawequal
  local getinfo, getlocal, getupvalue, upvalueid =
    raw.debug.getinfo, raw.debug.getlocal, raw.debug.getupvalue, raw.debug.upvalueid
  local running, status = raw.coroutine.running, raw.coroutine.status
  local math_type = raw.math.type
  local chunk_of = engine.chunk_of
  local view = engine.debug_view

  local CLOSURES = 16   -- most of which each line is looked at; of others those that run
  local ABSENT = {}     -- the value of a local whose scope has not begun

  -- What tells the variable that a name means at a frame from others of that name.
  function view.orders.data_scope(order)
    local thread, level = view.thread_of(order.coroutine), order.level
    local found
    local i = 1
    local name = getlocal(thread, level, i)
    while name do
      if name == order.name then found = i end
      i = i + 1
      name = getlocal(thread, level, i)
    end
    if found then return { scope = "local", index = found } end
    local f = getinfo(thread, level, "f").func
    i = 1
    name = getupvalue(f, i)
    while name do
      if name == order.name then return { scope = "upvalue" } end
      i = i + 1
      name = getupvalue(f, i)
    end
    return { scope = "global" }
  end

  -- Returns functions to be called on each line (without a function at the end) and on each
  -- call, and one that returns all changes. `co_number` numbers coroutines, `counts` says whether a change counts.
  function engine.data_point(order, env, co_number, counts)
    local name, path, scope = order.name, order.path, order.scope
    local index, depth, coroutine = order.index, order.depth, order.coroutine
    local at_event, at_steps = order.event, order.steps
    local base
    local passed, closed = false, false   -- the position was passed; nothing more can change
    local owners = raw.setmetatable({}, { __mode = "k" })
    local reaching = raw.setmetatable({}, { __mode = "k" })

    local function is_owner(f)
      local owns = owners[f]
      if owns == nil then
        owns = getinfo(f, "S").linedefined == order.defined and chunk_of(f) == order.source
        owners[f] = owns
      end
      return owns
    end

    local function upvalue_named(f)
      local found = reaching[f]
      if found == nil then
        found = false
        local i = 1
        local known_name = getupvalue(f, i)
        while known_name do
          if known_name == name then found = i break end
          i = i + 1
          known_name = getupvalue(f, i)
        end
        reaching[f] = found
      end
      return found
    end

    local function walk(value)
      for i = 1, #path do
        if type(value) ~= "table" then return nil end
        value = rawget(value, path[i])
      end
      return value
    end

    local function shown(value)
      if rawequal(value, ABSENT) then value = nil end
      return view.describe_now(value)
    end

    local function differ(value, before)
      if rawequal(before, ABSENT) then return not rawequal(value, nil) end
      -- Two that are no numbers (NaN) are the same.
      return not rawequal(value, before)
        and not (math_type(value) == "float" and value ~= value and before ~= before)
    end

    -- Compares with what there was, and keeps the change. `it` is what is kept of one variable.
    local function compare(it, value, f, event, steps)
      if not it.known then
        it.known = true
      elseif rawequal(value, ABSENT) then
        return   -- the last value it had is what the next one is compared with
      elseif differ(value, it.last) and counts(f) then
        local list = it.changes
        list[#list + 1] = { event, steps, shown(it.last), shown(value) }
      end
      it.last = value
    end

    local one = { changes = {} }

    -- Globals ---------------------------------------------------------------------------

    local function global_line(f, event, steps)
      compare(one, walk(rawget(env, name)), f, event, steps)
    end

    -- Locals ----------------------------------------------------------------------------

    local thread   -- of the coroutine that it is in

    local function the_thread()
      if coroutine == 0 then return view.main_thread() end
      if thread and status(thread) ~= "dead" then return thread end
      thread = nil
      for co in next, engine.coroutines do
        if co_number(co) == coroutine then thread = co end
      end
      return thread
    end

    local function depth_of(co, level)
      local low, high = level, level + 1
      if not getinfo(co, level, "l") then return 0 end
      while getinfo(co, high, "l") do low, high = high, high + (high - level) end
      while high - low > 1 do
        local middle = (low + high) // 2
        if getinfo(co, middle, "l") then low = middle else high = middle end
      end
      return low - level + 1
    end

    -- The variable in its frame; ABSENT where its scope has not begun.
    local function value_at(co, level)
      local found, value
      if co and co ~= running() then
        found, value = getlocal(co, level, index)
      else
        found, value = getlocal(level + 1, index)
      end
      if found ~= name then return ABSENT end
      return value
    end

    local function local_value(value)
      if rawequal(value, ABSENT) then return value end
      base = value
      return walk(value)
    end

    -- Levels: 1 is here, 2 `on_line`, 3 the script's.
    local function local_line(f, event, steps)
      if closed then return end
      if not passed and (event > at_event or (event == at_event and steps >= at_steps)) then
        passed = true
      end
      if not f then return end
      local value
      local co = running()
      local here = co_number(co) == coroutine
      if here and is_owner(f) and getinfo(2 + depth, "l") and not getinfo(3 + depth, "l") then
        value = local_value(value_at(nil, 3))
      elseif one.known and upvalue_named(f) then
        -- A function inside of it may have changed the variable: it is looked for in its frame.
        local frame = the_thread()
        if not frame then return end
        local first = here and 3 or 0
        -- Levels of the thread that runs are counted from where they are asked for.
        local level = depth_of(frame, here and first + 1 or first) - depth + first
        if level < first or not getinfo(frame, level, "f")
          or not is_owner(getinfo(frame, level, "f").func) then
          return
        end
        value = value_at(frame, level)
        if rawequal(value, ABSENT) then return end
        value = local_value(value)
      elseif one.known and #path > 0 and not rawequal(one.last, ABSENT) then
        value = walk(base)
      else
        return
      end
      compare(one, value, f, event, steps)
    end

    -- A function that is called where its frame was takes its place. Levels as above.
    local function local_call(what)
      if closed or co_number(running()) ~= coroutine then return end
      if getinfo(3 + depth, "l") or not getinfo(2 + depth, "l") then return end
      if passed then
        closed = true
      else
        one, base = { changes = {} }, nil
      end
    end

    -- Upvalues --------------------------------------------------------------------------

    local by_id, all, current, chosen = {}, {}, nil, nil

    local function choose()
      local level = 4
      local info = getinfo(level, "f")
      while info do
        if is_owner(info.func) then
          local i = upvalue_named(info.func)
          chosen = i and by_id[upvalueid(info.func, i)]
          if chosen then return end
        end
        level = level + 1
        info = getinfo(level, "f")
      end
      chosen = current
    end

    local function look(it, f, event, steps)
      local _, value = getupvalue(it.f, it.i)
      compare(it, walk(value), f, event, steps)
    end

    local function upvalue_line(f, event, steps)
      if f and is_owner(f) and not chosen then
        local i = upvalue_named(f)
        if i then
          local id = upvalueid(f, i)
          current = by_id[id]
          if not current then
            current = { changes = {}, f = f, i = i }
            by_id[id], all[#all + 1] = current, current
          end
        end
      end
      if chosen then
        look(chosen, f, event, steps)
      elseif #all <= CLOSURES then
        for i = 1, #all do look(all[i], f, event, steps) end
      elseif current then
        look(current, f, event, steps)
      end
      if f and not chosen and current
        and (event > at_event or (event == at_event and steps >= at_steps)) then
        choose()
      end
    end

    if scope == "local" then
      return local_line, local_call, function() return one.changes end
    elseif scope == "upvalue" then
      return upvalue_line, nil, function() return (chosen or current or one).changes end
    end
    return global_line, nil, function() return one.changes end
  end
end
