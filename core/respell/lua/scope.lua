-- What a function of the script sees: its variables by name, read and written as it would, and
-- expressions computed in its place. For edits (edits.lua) and for a debugger (inspection.lua).
--
-- Threads are looked at from another coroutine, so levels begin with 0 at the innermost function.

return function(engine, env)
  local raw = engine.raw
  local getinfo, getlocal, getupvalue = raw.debug.getinfo, raw.debug.getlocal, raw.debug.getupvalue
  local setlocal, setupvalue, setmetatable = raw.debug.setlocal, raw.debug.setupvalue, raw.setmetatable
  local create, resume, running, status =
    raw.coroutine.create, raw.coroutine.resume, raw.coroutine.running, raw.coroutine.status
  local format, gsub, byte, match, unpack = raw.string.format, raw.string.gsub, raw.string.byte,
    raw.string.match, raw.table.unpack
  local error, next, type = raw.error, raw.next, raw.type

  local scope = {}
  engine.scope = scope

  -- Returns the first level at or outside of `level` that is a script's, and its info.
  function scope.script_level(thread, level)
    while true do
      local info = getinfo(thread, level, "Sf")
      if not info then return nil end
      if info.what ~= "C" and engine.source_of(info.func) then return level, info end
      level = level + 1
    end
  end

  -- The level of the script's function that `index` others were called from; nil for none.
  function scope.level_of_frame(thread, index)
    local level = scope.script_level(thread, 0)
    while level and index > 0 do
      level, index = scope.script_level(thread, level + 1), index - 1
    end
    return level
  end

  function scope.find_local(thread, level, wanted)
    local found, value
    local i = 1
    local name, v = getlocal(thread, level, i)
    while name do
      if name == wanted then found, value = i, v end
      i = i + 1
      name, v = getlocal(thread, level, i)
    end
    return found, value
  end

  function scope.find_upvalue(f, wanted)
    local i = 1
    local name, value = getupvalue(f, i)
    while name do
      if name == wanted then return i, value end
      i = i + 1
      name, value = getupvalue(f, i)
    end
  end

  local find_local, find_upvalue = scope.find_local, scope.find_upvalue

  -- Reading and writing by name, as the function at `level` would; without one, globals.
  function scope.of(thread, level)
    local f = level and getinfo(thread, level, "f").func
    local function index(_, name)
      if level then
        local i, value = find_local(thread, level, name)
        if i then return value end
        i, value = find_upvalue(f, name)
        if i then return value end
      end
      return env[name]
    end
    local function newindex(_, name, value)
      if level then
        local i = find_local(thread, level, name)
        if i then setlocal(thread, level, i, value) return end
        i = find_upvalue(f, name)
        if i then setupvalue(f, i, value) return end
      end
      env[name] = value
    end
    return setmetatable({}, { __index = index, __newindex = newindex }), index
  end

  function scope.varargs(thread, level)
    local list, n = {}, 0
    if level then
      local name, value = getlocal(thread, level, -1)
      while name do
        n = n + 1
        list[n] = value
        name, value = getlocal(thread, level, -n - 1)
      end
    end
    return list, n
  end

  local first_globals = {}   -- those that a script begins with

  function engine.remember_globals()
    for name in next, env do first_globals[name] = true end
  end

  -- The variables that the function at `level` sees (only globals without one): a set of all,
  -- and a list of those that the script made.
  function scope.names(thread, level)
    local all, list = {}, {}
    local function see(name)
      if byte(name) ~= 40 and not all[name] then   -- "(temporary)" and the like have no name
        all[name] = true
        list[#list + 1] = name
      end
    end
    if level then
      local i, name = 1, getlocal(thread, level, 1)
      while name do
        see(name)
        i = i + 1
        name = getlocal(thread, level, i)
      end
      local f = getinfo(thread, level, "f").func
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

  -- Assigning -----------------------------------------------------------------------------

  local function refuse(name)
    error(format("this would cause %s; an edit performs no effects", name), 0)
  end

  local function compiled(text, what, shown, names)
    local chunk, message = raw.load(text, "=edit", "t", names)
    if chunk then return chunk end
    return error(format("%s is no %s: %s", shown, what, (gsub(message, "^edit:%d+: ", ""))), 0)
  end

  local function perform(thread, level, name, text)
    local root = match(name, "^%s*([%a_][%w_]*)%s*") or ""
    if not scope.names(thread, level)[root] then
      error({ missing = root }, 0)
    end
    local names = scope.of(thread, level)
    local current = compiled(format("return (%s\n)", name), "variable", name, names)
    local compute = compiled(format("return %s\n", text), "expression", text, names)
    local assign = compiled(format("%s = ...\n", name), "variable", name, names)
    local old = current()
    local varargs, n = scope.varargs(thread, level)
    local new = compute(unpack(varargs, 1, n))
    assign(new)
    return old, new
  end

  local function text_of(failure, co)
    if type(failure) == "table" then return failure end
    return (gsub(engine.error_text(engine.blame(failure, co)), "^edit:%d+: ", ""))
  end

  -- Sets a variable or field, as the function at `level` sees it, to what an expression comes
  -- to there. Returns true, the value it had and the one it has now; or false and why not: a
  -- text, or {missing = name}. What would be an effect is an error.
  function scope.assign(thread, level, name, text)
    local co = create(perform)
    -- Coroutines that it makes are armed once it is over: its own lines count as none.
    local on_coroutine, on_error, made = engine.on_coroutine, engine.on_error, {}
    if on_coroutine then
      function engine.on_coroutine(one) made[#made + 1] = one end
    end
    engine.on_error = nil
    local ok, old, new = engine.without_effects(refuse, resume, co, thread, level, name, text)
    engine.on_coroutine, engine.on_error = on_coroutine, on_error
    for i = 1, #made do
      if status(made[i]) ~= "dead" then on_coroutine(made[i]) end
    end
    if not ok then
      engine.check_memory(old)
      return false, text_of(old, co)
    elseif status(co) ~= "dead" then
      return false, "it yields: there is nobody to yield to"
    end
    return true, old, new
  end

  -- Calls `f` in another coroutine, so that the running one can be looked at from its outside.
  function scope.from_outside(f, ...)
    local here = running()
    local co = create(f)
    local ok, a, b, c = resume(co, here, ...)
    if not ok then return error(a, 0) end
    return a, b, c
  end
end
