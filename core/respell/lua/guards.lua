-- Callbacks in which no effect may wait for the world outside, as they have to be over at once.

return function(engine)
  local raw = engine.raw
  local error, pcall, setmetatable = raw.error, raw.pcall, raw.setmetatable
  local format, running = raw.string.format, raw.coroutine.running
  local pack, unpack = raw.table.pack, raw.table.unpack

  -- coroutine -> what it runs as such a callback
  local guarded, guards = setmetatable({}, { __mode = "k" }), 0

  -- What such a callback resumes is a part of it: coroutine -> the one that resumed it last,
  -- kept while there is a guard. One that was resumed before is not inside of any.
  local resumers = setmetatable({}, { __mode = "kv" })

  -- To be called before a coroutine is resumed.
  function engine.note_resume(co)
    if guards > 0 then resumers[co] = running() end
  end

  -- Raises an error where the running code is inside of one; `name` is the effect that it wants.
  function engine.check_guard(name)
    if guards == 0 then return end
    local co = running()
    while co do
      local what = guarded[co]
      if what then error(format("%s%s can't cause %s", engine.where(), what, name), 0) end
      co = resumers[co]
    end
  end

  -- Runs `f(...)` as a callback that has to be over at once; `what` says what and why.
  -- Returns what a pcall does.
  function engine.guard(what, f, ...)
    local co = running()
    local outer = guarded[co]
    guarded[co], guards = what, guards + 1
    local result = pack(pcall(engine.pcall, f, ...))
    guarded[co], guards = outer, guards - 1
    if guards == 0 then resumers = setmetatable({}, { __mode = "kv" }) end
    if not result[1] then return error(result[2], 0) end
    return unpack(result, 2, result.n)
  end
end
