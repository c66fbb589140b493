-- How a value changes while a script is executed again: every change, the line that made it,
-- and how often lines run.
--
-- Values are looked at on each line, and where functions return or are called: so a change is
-- known to be of the line that was running, not of what that line called. A change's position
-- is the first line at which the new value is there.

return function(engine, env)
  local raw = engine.raw
  local type, rawget, rawequal, next, setmetatable =
    raw.type, raw.rawget, raw.rawequal, raw.next, raw.setmetatable
  local getinfo, getlocal, getupvalue, upvalueid = raw.debug.getinfo, raw.debug.getlocal,
    raw.debug.getupvalue, raw.debug.upvalueid
  local running = raw.coroutine.running
  local chunk_of = engine.chunk_of
  local view = engine.debug_view

  local MOST_CELLS = 64   -- variables of one name that are looked at on every line

  local MOST_BYTES = 1 << 20   -- of values in one answer

  local over_time = {}
  engine.debug_over_time = over_time

  local weak_keys = { __mode = "k" }
  local main, co_number
  local watching            -- the order: scope, name, path, mode, …
  local scope, path, length
  local object              -- the table of whose field changes are looked for, where it is one
  local slots, cells        -- what is known of each variable that is meant: a list; by upvalue
  local activations         -- coroutine -> depth -> slot
  local owners, reaching    -- function -> whether the variable is its own; the upvalue's number
  local depths              -- coroutine -> how deep it was when it was asked last
  local here, slot_here     -- the function whose slot is known, until one is called or returns
  local count               -- activations, or upvalues, seen so far
  local from_start          -- nothing has run before
  local changes, found      -- what was found, and how much of it
  local bytes               -- of the values in it
  local unplaced            -- slots that have a change without a position
  local source, line, func  -- what runs now
  local began               -- whether the activation that is meant began while it was watched
  local first               -- position of the first look at a variable that was there before
  local counting            -- the source whose lines are counted
  local counts, counted     -- line -> times; function -> `counts` if it is of that source

  over_time.done = false    -- whether nothing more is to be looked for

  function over_time.start(main_thread, number_of)
    main, co_number = main_thread, number_of
  end

  -- Slots ---------------------------------------------------------------------------------

  local function new_slot(fresh)
    count = count + 1
    return { number = count, fresh = fresh, chain = {} }
  end

  local function same(a, b)
    return rawequal(a, b) or (a ~= a and b ~= b)
  end

  -- Takes a look at a variable: `base` is its value, `there` whether it is in scope. Which of
  -- variable (0) and keys (1, …) is another one than before is remembered until it is placed.
  local function look(slot, base, there)
    if not there then
      if slot.there == nil then slot.fresh = true end
      slot.there = false
      return
    end
    local chain, value, changed = slot.chain, base, nil
    if (rawequal(chain[0], base) or same(chain[0], base)) and slot.there then
      if length == 0 then return end
    else
      changed = 0
      chain[0] = base
    end
    for i = 1, length do
      if type(value) == "table" then value = rawget(value, path[i]) else value = nil end
      if not same(chain[i], value) then
        changed = changed or i
        chain[i] = value
      end
    end
    slot.there = true
    if changed then
      if not slot.unplaced then
        slot.unplaced, slot.at = true, changed
        unplaced[#unplaced + 1] = slot
      elseif changed < slot.at then
        slot.at = changed
      end
      slot.source, slot.line = source, line
      slot.defined = func and getinfo(func, "S").linedefined
    end
  end

  -- Gives the changes since the last line the position of this one.
  local function place(event, steps)
    for i = 1, #unplaced do
      local slot = unplaced[i]
      unplaced[i] = nil
      slot.unplaced = false
      local value = slot.chain[length]
      local news = not slot.known or not same(value, slot.placed) or watching.renewals
      -- A field that is not there is nothing yet.
      local told = slot.known or (slot.fresh and (length == 0 or value ~= nil))
      slot.placed = value
      if not slot.known then
        slot.known = true
        if not slot.fresh then first = first or { event, steps } end
      end
      if news then
        local text = view.describe_now(value)
        if told and not slot.gone then
          found = found + 1
          local change = {
            event = event, steps = steps, old = slot.text, new = text, source = slot.source,
            line = slot.line, defined = slot.defined, number = slot.number, at = slot.at,
          }
          if watching.mode == "all" then
            if event > watching.from_event
              or (event == watching.from_event and steps >= watching.from_steps) then
              if #changes < watching.limit and bytes < MOST_BYTES then
                changes[#changes + 1] = change
                bytes = bytes + #text.text
              else
                over_time.done = true
              end
            end
          else
            slot.change, changes[1] = change, change
            if watching.mode == "next" then over_time.done = true end
          end
        end
        slot.text = text
      end
    end
  end

  -- Locals --------------------------------------------------------------------------------

  local function is_owner(f)
    local owns = owners[f]
    if owns == nil then
      owns = getinfo(f, "S").linedefined == watching.defined and chunk_of(f) == watching.source
      owners[f] = owns
    end
    return owns
  end

  -- Number of the upvalue of a function that has the name; false for none.
  local function reaches(f)
    local i = reaching[f]
    if i == nil then
      i = 1
      local name = getupvalue(f, i)
      while name and name ~= watching.name do
        i = i + 1
        name = getupvalue(f, i)
      end
      i = name and i or false
      reaching[f] = i
    end
    return i
  end

  -- Number of frames from a level on outward, itself included. The level is as its caller
  -- sees it: 1 is the caller.
  local function depth_of(level, co)
    level = level + 1
    local depth = depths[co] or 1
    if getinfo(level + depth - 1, "") and not getinfo(level + depth, "") then return depth end
    local low, high = 1, 2
    while getinfo(level + high - 1, "") do low, high = high, high * 2 end
    while high - low > 1 do
      local middle = (low + high) // 2
      if getinfo(level + middle - 1, "") then low = middle else high = middle end
    end
    depths[co] = low
    return low
  end

  -- The same of any thread, all its frames; of the one that runs without this function's.
  local function depth_of_thread(co)
    if not getinfo(co, 0, "") then return 0 end
    local low, high = 1, 2
    while getinfo(co, high - 1, "") do low, high = high, high * 2 end
    while high - low > 1 do
      local middle = (low + high) // 2
      if getinfo(co, middle - 1, "") then low = middle else high = middle end
    end
    return co == running() and low - 1 or low
  end

  local function thread_of(number)
    if number == 0 then return main end
    for co in next, engine.coroutines do
      if co_number(co) == number then return co end
    end
  end

  local function is_meant(co, depth)
    return watching.mode == "all"
      or (depth == watching.depth and co_number(co) == watching.coroutine)
  end

  -- The activation of a depth; one that began before anything was looked at is made here.
  local function slot_at(co, depth, begins)
    if not is_meant(co, depth) then return nil end
    local of = activations[co]
    if not of then
      of = {}
      activations[co] = of
    end
    local slot = of[depth]
    if begins or not slot then
      if slot then slot.gone = true end
      if begins and watching.mode ~= "all" then changes, first, began = {}, nil, true end
      if begins and watching.mode == "next" then over_time.done = true end
      slot = new_slot(begins or from_start)
      slot.co, slot.depth, slot.index = co, depth, watching.index
      of[depth] = slot
      if watching.mode ~= "all" then slots[1] = slot end
    end
    return slot
  end

  -- Looks at the local of the function at a level, as the caller sees it.
  local function look_at(slot, level)
    local name, value = getlocal(level + 1, watching.index)
    return look(slot, value, name == watching.name)
  end

  -- Looks at all activations from inside of a function that may change them.
  local function look_outside()
    for thread, of in next, activations do
      local total = depth_of_thread(thread)
      local n = 0
      for depth, slot in next, of do
        n = n + 1
        local level = total - depth
        local info = level >= 0 and getinfo(thread, level, "f")
        if not info then
          of[depth] = nil
        elseif n <= MOST_CELLS and is_owner(info.func) then
          local name, value = getlocal(thread, level, watching.index)
          look(slot, value, name == watching.name)
        end
      end
    end
  end

  -- Levels: 1 is this, 2 what the hook calls, 3 the hook, 4 the script's function.
  local function locals_on_line(f)
    if f == here then
      if slot_here then look_at(slot_here, 4) end
    elseif is_owner(f) then
      local co = running()
      local slot = slot_at(co, depth_of(4, co))
      here, slot_here = f, slot
      if slot then look_at(slot, 4) end
    elseif reaches(f) then
      look_outside()
    end
  end

  -- Levels: 1 is this, 2 the hook, 3 the function that is called, 4 the one that calls it.
  local function locals_on_call(what)
    if what == "tail call" then look_outside() end
    local f = getinfo(3, "f").func
    if what ~= "tail call" then
      local caller = getinfo(4, "f")
      if caller and is_owner(caller.func) then
        local co = running()
        local slot = slot_at(co, depth_of(4, co))
        if slot then look_at(slot, 4) end
      elseif caller and reaches(caller.func) then
        look_outside()
      end
    end
    if is_owner(f) then
      local co = running()
      slot_at(co, depth_of(3, co), true)
    end
  end

  local function locals_on_return(f)
    if is_owner(f) then
      local co = running()
      local of = activations[co]
      local depth = of and depth_of(3, co)
      local slot = of and of[depth]
      if slot then
        -- What it did last nobody sees at a line.
        slot.gone = true
        of[depth] = nil
        if watching.mode == "next" then over_time.done = true end
      end
    elseif reaches(f) then
      look_outside()
    end
  end

  -- Globals and upvalues ------------------------------------------------------------------

  local function look_at_cells(f)
    if f and is_owner(f) then
      local i = reaches(f)
      local id = i and upvalueid(f, i)
      if id and not cells[id] and (watching.mode ~= "next" or count == 0) then
        local slot = new_slot(false)
        slot.f, slot.i = f, i
        cells[id] = slot
        if #slots < MOST_CELLS then slots[#slots + 1] = slot end
      end
      local slot = id and cells[id]
      if slot then
        local _, value = getupvalue(f, i)
        look(slot, value, true)
      end
    end
    for n = 1, #slots do
      local slot = slots[n]
      local _, value = getupvalue(slot.f, slot.i)
      look(slot, value, true)
    end
  end

  -- Hooks ---------------------------------------------------------------------------------

  local global

  -- Called on each line, from `on_line`; at the end without a function.
  function over_time.on_line(f, event, steps, at)
    if scope == "global" then
      look(global, rawget(env, watching.name), true)
    elseif scope == "object" then
      look(global, object, true)
    elseif scope == "upvalue" then
      look_at_cells(f)
    elseif f then
      locals_on_line(f)
    end
    if #unplaced > 0 then place(event, steps) end
    if f then
      if f ~= func then source, func = chunk_of(f), f end
      line = at
    end
  end

  function over_time.on_call(what)
    here = nil
    if scope == "local" then locals_on_call(what) end
  end

  -- From here on the caller's line runs, which is no new one. Levels as above.
  function over_time.on_return()
    here = nil
    local f = getinfo(2, "f").func
    if scope == "global" then
      look(global, rawget(env, watching.name), true)
    elseif scope == "object" then
      look(global, object, true)
    elseif scope == "upvalue" then
      look_at_cells()
    else
      locals_on_return(f)
    end
    local level = 3
    local caller = getinfo(level, "fl")
    while caller do
      local name = chunk_of(caller.func)
      if name and caller.currentline > 0 then
        source, line, func = name, caller.currentline, caller.func
        return
      end
      level = level + 1
      caller = getinfo(level, "fl")
    end
  end

  -- Orders --------------------------------------------------------------------------------

  -- The table that a variable of a frame, with keys behind it, means now; nil for none.
  local function table_at(order, keys)
    local thread = thread_of(order.coroutine)
    local level = depth_of_thread(thread) - order.depth
    local found, value
    local i = 1
    local name, v = getlocal(thread, level, i)
    while name do
      if name == order.name then found, value = true, v end
      i = i + 1
      name, v = getlocal(thread, level, i)
    end
    if not found then
      found, value = engine.scope.find_upvalue(getinfo(thread, level, "f").func, order.name)
    end
    if not found then value = rawget(env, order.name) end
    for i = 1, keys do
      if type(value) ~= "table" then return nil end
      value = rawget(value, order.path[i])
    end
    return type(value) == "table" and value or nil
  end

  -- Takes over what is to be watched; `all_of_it` where nothing has run yet.
  function over_time.watch(order, all_of_it)
    watching = order
    scope, path = order.scope, order.path or {}
    length = #path
    slots, cells, activations = {}, {}, setmetatable({}, weak_keys)
    owners, reaching, depths = setmetatable({}, weak_keys), setmetatable({}, weak_keys),
      setmetatable({}, weak_keys)
    count, from_start, changes, found, unplaced, first, began = 0, all_of_it, {}, 0, {}, nil, all_of_it
    source, line, func, here, bytes = nil, nil, nil, nil, 0
    over_time.done = false
    global = nil
    if scope == "global" then
      global = new_slot(false)
      slots[1] = global
    end
    if scope == "object" then
      object = table_at(order, length - 1)
      path, length = { order.path[length] }, 1
      global = new_slot(false)
      slots[1] = global
      look(global, object, true)
      place(0, 0)
      return
    end
    if order.mode ~= "next" then return end
    -- What is there now is what changes are looked for from.
    if scope == "global" then
      look(global, rawget(env, order.name), true)
    else
      local thread = thread_of(order.coroutine)
      local level = depth_of_thread(thread) - order.depth
      local f = getinfo(thread, level, "f").func
      if scope == "local" then
        local slot = slot_at(thread, order.depth)
        local name, value = getlocal(thread, level, order.index)
        look(slot, value, name == order.name)
      else
        look_at_cells(f)
      end
      source, line, func = chunk_of(f), getinfo(thread, level, "l").currentline, f
    end
    place(0, 0)
  end

  -- What came of it. Of several upvalues that of the function at the place is meant.
  function over_time.watched()
    local change = changes[1]
    local thread = scope == "upvalue" and count > 1 and watching.mode == "last"
      and thread_of(watching.coroutine)
    local level = thread and depth_of_thread(thread) - watching.depth
    if level and level >= 0 then
      local info = getinfo(thread, level, "f")
      local i = info and is_owner(info.func) and reaches(info.func)
      local slot = i and cells[upvalueid(info.func, i)]
      if slot then change = slot.change end
    end
    return {
      first = first, change = change, variables = count, found = found, began = began,
      changes = watching.mode == "all" and changes or nil, more = over_time.done or nil,
    }
  end

  -- Lines that ran --------------------------------------------------------------------------

  -- Of one source alone: a script may have very many.
  function over_time.count(of_source)
    counting = of_source
    counts, counted = {}, setmetatable({}, weak_keys)
    scope = nil
    over_time.done = false
  end

  function over_time.count_line(f, at)
    local of = counted[f]
    if not of then
      of = chunk_of(f) == counting and counts
      counted[f] = of
    end
    if of then of[at] = (of[at] or 0) + 1 end
  end

  function over_time.counted()
    return counts
  end
end
