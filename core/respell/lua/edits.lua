-- Edits: variables that a fork sets at a position (an event, and line steps after it).
--
-- They are part of the fork's history and applied again at every re-execution.

return function(engine, env)
  local raw = engine.raw
  local getinfo, getlocal, setlocal = raw.debug.getinfo, raw.debug.getlocal, raw.debug.setlocal
  local getupvalue, setupvalue, sethook = raw.debug.getupvalue, raw.debug.setupvalue, raw.debug.sethook
  local sub, rawset, next = raw.string.sub, raw.rawset, raw.next

  local function of_script(info)
    return info.what ~= "C" and sub(info.source, 1, 9) ~= "=respell/"
  end

  -- Sets the innermost variable of that name that the function at `level` sees.
  local function set_variable(level, name, value)
    local found
    local i = 1
    while true do
      local known = getlocal(level, i)
      if not known then break end
      if known == name then found = i end
      i = i + 1
    end
    if found then setlocal(level, found, value) return end
    local f = getinfo(level, "f").func
    i = 1
    while true do
      local known = getupvalue(f, i)
      if not known then break end
      if known == name then setupvalue(f, i, value) return end
      i = i + 1
    end
    rawset(env, name, value)
  end

  local function script_level(level)
    local info = getinfo(level, "S")
    while info do
      if of_script(info) then return level end
      level = level + 1
      info = getinfo(level, "S")
    end
  end

  -- Called when the answer of the edits' event is delivered. Line steps are counted over all
  -- coroutines, so each of them is hooked until the last edit is done.
  function engine.apply_edits(list)
    local left, steps = 0, 0
    for _, edit in raw.ipairs(list) do
      if edit.steps == 0 then
        local level = script_level(3)
        if level then set_variable(level, edit.name, edit.value) else rawset(env, edit.name, edit.value) end
      else
        left = left + 1
      end
    end
    if left == 0 then return end
    local hooked = {}
    local function disarm()
      for co in next, hooked do sethook(co) end
      sethook()
      engine.on_coroutine = nil
    end
    local function hook()
      if not of_script(getinfo(2, "S")) then return end
      steps = steps + 1
      for _, edit in raw.ipairs(list) do
        if edit.steps == steps then
          set_variable(3, edit.name, edit.value)
          left = left - 1
        end
      end
      if left == 0 then disarm() end
    end
    local function arm(co)
      hooked[co] = true
      sethook(co, hook, "l")
    end
    sethook(hook, "l")
    for co in next, engine.coroutines do
      if raw.coroutine.status(co) ~= "dead" then arm(co) end
    end
    engine.on_coroutine = arm
  end
end
