-- Streaming: the values that a function yields, one by one.

return function(engine, env)
  local raw = engine.raw
  local type, error, setmetatable = raw.type, raw.error, raw.setmetatable
  local format = raw.string.format
  local coroutine = env.coroutine
  local create, resume, status, yield = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield

  local streams = setmetatable({}, { __mode = "k" })   -- stream -> {co, has, value, fn}

  local function fail(call, message, ...)
    error(format("%s%s: %s", engine.where(), call, format(message, ...)), 0)
  end

  local function state_of(stream, call)
    local state = streams[stream]
    if not state then fail("stream:" .. call, "call it with a colon on a stream, as in stream:%s()", call) end
    return state
  end

  -- Runs the function up to its next value, if none waits; false once it has ended.
  local function look(state)
    if state.has then return true end
    if status(state.co) == "dead" then return false end
    local ok, value
    if state.fn then
      local fn = state.fn
      state.fn = nil
      ok, value = resume(state.co, fn)
    else
      ok, value = resume(state.co)
    end
    if not ok then error(value, 0) end
    if status(state.co) == "dead" then return false end
    state.has, state.value = true, value
    return true
  end

  local Stream = {}
  local Meta = { __name = "Stream", __index = Stream }

  -- The next value; nil once there is none.
  function Stream:next()
    local state = state_of(self, "next")
    if not look(state) then return nil end
    state.has = false
    return state.value
  end

  -- Whether there is none left; the function runs up to its next value to know.
  function Stream:isDone() return not look(state_of(self, "isDone")) end
  Stream.is_done = Stream.isDone

  -- All that are left, as a list.
  function Stream:collect()
    local state = state_of(self, "collect")
    local all, n = {}, 0
    while look(state) do
      n, state.has = n + 1, false
      all[n] = state.value
    end
    return all
  end

  local Streaming = {}

  -- A stream of what fn(yield) yields: by that function, Streaming.yield or coroutine.yield.
  function Streaming.create(fn)
    if type(fn) ~= "function" then
      fail("Streaming.create", "a function is expected, not %s", fn == nil and "nil" or "a " .. type(fn))
    end
    local stream = {}
    engine.identify(stream)
    streams[stream] = { fn = fn, co = create(function(f) f(yield) end) }
    return setmetatable(stream, Meta)
  end

  -- Hands a value on from inside of a stream's function.
  function Streaming.yield(value) return yield(value) end

  engine.provide("Streaming", Streaming)
end
