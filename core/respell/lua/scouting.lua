-- Running fast past breakpoints: hooks only where one could stop.
--
-- Lines are not counted, so a hit says no more than after which event it is; the host has the
-- place found again by counting from there. Each thread has one of three masks:
--
--   c     no function that has a breakpoint is on its stack: calls are looked at
--   cr    one is, but another one runs: calls and returns are looked at
--   l     one runs, or did lately: lines are looked up, which is cheaper than to ask at each call
--         who it was. Now and then it is asked whether it is c or cr by now.

return function(engine)
  local raw = engine.raw
  local next = raw.next
  local getinfo, sethook = raw.debug.getinfo, raw.debug.sethook
  local running, status = raw.coroutine.running, raw.coroutine.status
  local chunk_of = engine.chunk_of

  local OFTEN = 10000   -- instructions after which it is asked

  -- `lines` and `functions` are what is to be found, as in debugger.lua; `matching` says which
  -- of a list hold, `hit` is told.
  function engine.scout(main, lines, functions, matching, hit)
    lines, functions = lines or {}, functions or {}
    local with_calls = next(functions) ~= nil
    local line_mask = with_calls and "cl" or "l"
    local by_function = raw.setmetatable({}, { __mode = "k" })
    local by_place = {}   -- of those sources alone that have one: a script may have very many
    local entering
    local on_scout, on_lines

    for _, listed in next, { lines, functions } do
      for _, list in next, listed do
        for _, point in next, list do by_place[point.source] = {} end
      end
    end

    local function is_of(list, source)
      for _, point in next, list do
        if point.source == source then return true end
      end
      return false
    end

    local function look_at(f)
      local info = getinfo(f, "S")
      local source = info.what ~= "C" and chunk_of(f)
      local of_source = source and by_place[source]
      if not of_source then return false end
      local first, last = info.linedefined, info.lastlinedefined
      local place = first << 32 | (last & 0xffffffff)
      local found = of_source[place]
      if found == nil then
        found = functions[first] ~= nil and is_of(functions[first], source)
        if not found then
          for line in next, getinfo(f, "L").activelines or {} do
            local list = lines[line]
            if list and is_of(list, source) then found = true break end
          end
        end
        of_source[place] = found
      end
      return found
    end

    local function is_active(f)
      local active = by_function[f]
      if active == nil then
        active = look_at(f)
        by_function[f] = active
      end
      return active
    end

    local function active_within(thread, level)
      local info = getinfo(thread, level, "f")
      while info do
        if is_active(info.func) then return true end
        level = level + 1
        info = getinfo(thread, level, "f")
      end
      return false
    end

    local function look_at_lines() sethook(on_lines, line_mask, OFTEN) end

    local look_closer

    -- Each line pays for what is done here; of the count and of calls there is no line.
    function on_lines(what, line)
      if line and not lines[line] then return end
      return look_closer(what, line)
    end

    if with_calls then
      function on_lines(what, line)
        if line and not lines[line] and not entering then return end
        return look_closer(what, line)
      end
    end

    -- It is called in the place of the hook, and calls `matching` itself, as `on_line` does:
    -- conditions know by the level where the script is.
    function look_closer(what, line)
      local f = getinfo(2, "f").func
      if what == "count" then
        if not is_active(f) then
          sethook(on_scout, active_within(running(), 3) and "cr" or "c")
        end
      elseif what == "line" then
        local source, list, entered = chunk_of(f), lines[line], entering
        if not source then return end
        entering = nil
        if (list and matching(list, source, f)) or (entered and matching(entered, source, f)) then
          return hit()
        end
      else
        entering = functions[getinfo(f, "S").linedefined]
      end
    end

    -- On a call or a return.
    function on_scout(what)
      if what == "return" then
        local info = getinfo(3, "f")
        if info and is_active(info.func) then look_at_lines() end
        return
      end
      local f = getinfo(2, "f").func
      if is_active(f) then
        if with_calls then entering = functions[getinfo(f, "S").linedefined] end
        look_at_lines()
      end
    end

    local function begin_in(thread)
      if active_within(thread, 0) then
        sethook(thread, on_lines, line_mask, OFTEN)
      else
        sethook(thread, on_scout, "c")
      end
    end

    local it = {}

    -- Puts the hooks in place, in every thread.
    function it.begin()
      entering = nil
      begin_in(main)
      for co in next, engine.coroutines do
        if status(co) ~= "dead" then begin_in(co) end
      end
    end

    function it.on_coroutine(co) sethook(co, on_scout, "c") end

    return it
  end
end
