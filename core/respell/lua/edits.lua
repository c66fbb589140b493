-- Edits: variables that a fork sets at a position (an event, and line steps after it).
--
-- They are part of the fork's history and applied again at every re-execution. Before that,
-- they are marked `check`: then the re-execution ends at them, and tells what is in scope.

return function(engine, env)
  local raw = engine.raw
  local getinfo, getlocal, setlocal = raw.debug.getinfo, raw.debug.getlocal, raw.debug.setlocal
  local getupvalue, setupvalue, sethook = raw.debug.getupvalue, raw.debug.setupvalue, raw.debug.sethook
  local sub, byte, rawset, next, type = raw.string.sub, raw.string.byte, raw.rawset, raw.next, raw.type

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

  local first_globals = {}   -- those that a script begins with

  function engine.remember_globals()
    for name in next, env do first_globals[name] = true end
  end

  -- The variables that the function at `level` sees (only globals without one): a set of all,
  -- and a list of those that the script made.
  local function in_scope(level)
    local all, list = {}, {}
    local function see(name)
      if byte(name) ~= 40 and not all[name] then   -- "(temporary)" and the like have no name
        all[name] = true
        list[#list + 1] = name
      end
    end
    if level then
      local i, name = 1, getlocal(level, 1)
      while name do
        see(name)
        i = i + 1
        name = getlocal(level, i)
      end
      local f = getinfo(level, "f").func
      i, name = 1, getupvalue(f, 1)
      while name do
        if name ~= "_ENV" then see(name) end
        i = i + 1
        name = getupvalue(f, i)
      end
    end
    for name in next, env do
      if type(name) == "string" then
        if first_globals[name] then all[name] = true else see(name) end
      end
    end
    return all, list
  end

  -- Ends the re-execution at edits that are to be checked; `level` as it sees it itself.
  local function tell(level, list)
    local all, names = in_scope(level and level + 1)
    local missing = {}
    for _, edit in raw.ipairs(list) do
      if edit.check and not all[edit.name] then missing[#missing + 1] = edit.name end
    end
    engine.stop_here("scope", { missing = missing, names = names })
  end

  -- Called when the answer of the edits' event is delivered. Line steps are counted over all
  -- coroutines, so each of them is hooked until the last edit is done.
  function engine.apply_edits(list)
    local left, steps = 0, 0
    for _, edit in raw.ipairs(list) do
      if edit.steps == 0 then
        local level = script_level(3)
        if edit.check then tell(level, list) end
        if level then set_variable(level, edit.name, edit.value) else rawset(env, edit.name, edit.value) end
      else
        left = left + 1
      end
    end
    if left == 0 then return end
    -- `level` is the script's, as its caller sees it; true once the last edit is done.
    local function step(level)
      steps = steps + 1
      engine.line_steps = steps
      for _, edit in raw.ipairs(list) do
        if edit.steps == steps then
          if edit.check then tell(level + 2, list) end
          set_variable(level + 2, edit.name, edit.value)
          left = left - 1
        end
      end
      return left == 0
    end
    if engine.on_step_edits then return engine.on_step_edits(step) end
    local hooked = {}
    local function disarm()
      for co in next, hooked do sethook(co) end
      sethook()
      engine.on_coroutine = nil
    end
    local function hook()
      if of_script(getinfo(2, "S")) and step(2) then disarm() end
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
