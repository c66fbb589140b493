-- Coroutines, with two additions that a script can't see: each is numbered and known to the
-- debugger, and waiting for the host passes through them.
--
-- In a parallel branch (effects.lua) an effect yields `engine.WAIT`. A coroutine of the
-- script between the effect and the scheduler hands it outwards and the answer inwards; where
-- it can't be left (inside a C function) it waits on the spot.

return function(engine)
  local raw = engine.raw
  local type, error, find, format, setmetatable = raw.type, raw.error, raw.string.find,
    raw.string.format, raw.setmetatable
  local create, resume, yield, status, isyieldable, running, close =
    raw.coroutine.create, raw.coroutine.resume, raw.coroutine.yield, raw.coroutine.status,
    raw.coroutine.isyieldable, raw.coroutine.running, raw.coroutine.close
  local getinfo = raw.debug.getinfo
  local blame, check_memory, identify = engine.blame, engine.check_memory, engine.identify

  local weak_keys = { __mode = "k" }

  -- Every coroutine there is, for a debugger that wants hooks in each.
  local living = setmetatable({}, weak_keys)
  engine.coroutines = living

  -- Those that a script may resume. While a wait is on its way outwards a coroutine is
  -- suspended for Lua, but not for the script; parallel branches are never its to resume.
  local resumable = setmetatable({}, weak_keys)

  -- {[engine.WAIT] = true}: a look-up, as `==` would call a script's `__eq`.
  local waits

  local function new(f)
    local co = create(f)
    if not waits then waits = { [engine.WAIT] = true } end
    identify(co)
    living[co], resumable[co] = true, true
    if engine.on_coroutine then engine.on_coroutine(co) end
    return co
  end
  engine.new_coroutine = new

  local settle

  local function wait(co, ...)
    if not isyieldable() then return settle(co, resume(co, engine.wait_here(...))) end
    resumable[co] = nil
    local function go_on(...)
      resumable[co] = true
      return settle(co, resume(co, ...))
    end
    return go_on(yield(...))
  end

  -- The error of a dead coroutine, as the script sees it.
  local function explain(co, failure)
    if type(failure) == "string" then
      check_memory(failure)
      if find(failure, "^respell/") then failure = blame(failure, co) end
    elseif failure == engine.ABANDONED then
      check_memory(failure)
    end
    if engine.on_error then engine.on_error(failure, true) end
    return failure
  end

  -- What `resume` returned, once it is for the script.
  function settle(co, ok, ...)
    if ok then
      if waits[...] then return wait(co, ...) end
      return true, ...
    end
    return false, explain(co, ...)
  end

  local coroutine = {
    create = function(f) return new(f) end,
    isyieldable = isyieldable,
    running = running,
    yield = yield,
  }

  function coroutine.resume(co, ...)
    if not resumable[co] and type(co) == "thread" then
      return false, "cannot resume non-suspended coroutine"
    end
    engine.note_resume(co)
    return settle(co, resume(co, ...))
  end

  function coroutine.status(...)
    local state = status(...)
    if state == "suspended" and not resumable[...] then return "normal" end
    return state
  end

  function coroutine.close(co)
    if not resumable[co] and type(co) == "thread" and status(co) == "suspended" then
      error("cannot close a normal coroutine")
    end
    local ok, failure = close(co)
    if ok then return true end
    check_memory(failure)
    return false, failure
  end

  -- The error of a wrapped coroutine: closed, and with one more position, as in plain Lua.
  local function fail(co, failure)
    if status(co) == "dead" then
      -- Closing gives the same error back, unless a `__close` raised another one.
      local ok, other = close(co)
      if not ok and not (type(other) == "string" and find(other, "^respell/")) then
        failure = other
      end
    end
    check_memory(failure)
    if type(failure) == "string" then
      local info = getinfo(2, "Sl")
      if info and info.currentline > 0 and not find(info.source, "^=respell/") then
        failure = format("%s:%d: %s", info.short_src, info.currentline, failure)
      end
    end
    return error(failure, 0)
  end

  function coroutine.wrap(f)
    local co = new(f)

    local function pass(ok, ...)
      if ok then
        if waits[...] then return pass(wait(co, ...)) end
        return ...
      end
      return fail(co, explain(co, ...))
    end

    local function wrapped(...)
      if not resumable[co] then return fail(co, "cannot resume non-suspended coroutine") end
      engine.note_resume(co)
      return pass(resume(co, ...))
    end
    engine.handed_out[wrapped] = true
    return wrapped
  end

  engine.provide("coroutine", coroutine)
end
