-- The basic functions, protected calls, and what a script may see of the stack.
--
-- A script sees our library as plain Lua's: each call of it as one frame of C, whatever
-- frames of ours and of real C functions stand behind it, and errors at the script's line.

return function(engine, env)
  local raw = engine.raw
  local type, select, error, next, tonumber = raw.type, raw.select, raw.error, raw.next,
    raw.tonumber
  local xpcall, setmetatable = raw.xpcall, raw.setmetatable
  local create, resume, running = raw.coroutine.create, raw.coroutine.resume,
    raw.coroutine.running
  local find, sub, match, format, gsub, gmatch = raw.string.find, raw.string.sub,
    raw.string.match, raw.string.format, raw.string.gsub, raw.string.gmatch
  local concat, move = raw.table.concat, raw.table.move
  local tointeger = raw.math.tointeger
  local getinfo = raw.debug.getinfo
  local names, handed_out = engine.names, engine.handed_out

  local OURS = "=respell/"

  -- The stack as the script sees it -------------------------------------------------------

  -- Runs `look(thread, ...)` from a coroutine of its own, so that levels of the running
  -- thread don't shift with every function of ours: 0 is `resume`, 1 is this function,
  -- CALLER the one that called it.
  local CALLER = 2

  local function from_outside(look, ...)
    local co = create(look)
    local ok, result, more = resume(co, running(), ...)
    if not ok then
      -- Where C's stack is used up no coroutine begins: nothing can be told of ours then.
      if find(result, "C stack overflow", 1, true) then return nil end
      error(result, 0)
    end
    return result, more
  end

  local SCRIPT, C, LIBRARY = 1, 2, 3

  local function kind_of(info)
    if not info then return nil end
    if info.what == "C" then return C end
    if sub(info.source, 1, #OURS) == OURS then return LIBRARY end
    return SCRIPT
  end

  local function kind_at(thread, level)
    return kind_of(getinfo(thread, level, "S"))
  end

  -- Returns the level of the outermost frame of the library call that the frame at `level`
  -- belongs to, and that frame's kind. A function of ours that C calls begins a call of its
  -- own if it is one that scripts have, or came in the place of one: `pcall(next)`.
  local function whole_call(thread, level)
    local info = getinfo(thread, level, "Sft")
    local kind = kind_of(info)
    while kind and kind ~= SCRIPT do
      local caller = getinfo(thread, level + 1, "Sft")
      local outer = kind_of(caller)
      if kind == C and outer ~= LIBRARY then break end
      if kind == LIBRARY and outer ~= LIBRARY
        and (outer ~= C or info.istailcall or names[info.func] or handed_out[info.func]) then
        break
      end
      level, info, kind = level + 1, caller, outer
    end
    return level, kind
  end

  -- Returns level and kind of the `n`-th frame that a script sees, counted outwards from the
  -- one at `level`; nil where there is none.
  local function visible(thread, level, n)
    while true do
      local whole, kind = whole_call(thread, level)
      if not kind then return nil end
      if n == 0 then return whole, kind end
      level, n = whole + 1, n - 1
    end
  end

  -- Returns "source:line: " of the frame at `level` if it is a script's, else "".
  local function position(thread, level)
    local info = getinfo(thread, level, "Sl")
    if kind_of(info) == SCRIPT and info.currentline > 0 then
      return format("%s:%d: ", info.short_src, info.currentline)
    end
    return ""
  end

  -- Errors ---------------------------------------------------------------------------------

  -- "bad argument" as luaL_argerror says it: by the name the script called, and counting
  -- arguments of methods after `self`.
  local function rename(text, thread, level)
    local number, reason = match(text, "^bad argument #(%-?%d+) to '[^']*' (.*)$")
    if not number then
      number, reason = 1, match(text, "^calling '[^']*' on bad self (.*)$")
      if not reason then return text end
    end
    local info = getinfo(thread, level, "nft")
    -- Behind a tail call of ours, our own words are all there is.
    if info.istailcall then return text end
    local name = info.name or names[info.func] or "?"
    if info.namewhat == "method" then
      number = tonumber(number) - 1
      if number == 0 then return format("calling '%s' on bad self %s", name, reason) end
    end
    return format("bad argument #%d to '%s' %s", number, name, reason)
  end

  -- The script gave `error` a level that ends at a frame of ours, the one at `line`: our
  -- frames were counted where plain Lua has one frame of C.
  local function relocate_level(text, thread, level, line)
    local inner
    while true do
      local info = getinfo(thread, level, "Sl")
      local kind = kind_of(info)
      if not kind then return text end
      if kind == LIBRARY and info.currentline == line then break end
      inner, level = kind, level + 1
    end
    if inner == SCRIPT then return text end
    return position(thread, whole_call(thread, level) + 1) .. text
  end

  local function relocate(thread, level, line, text)
    local kind = kind_at(thread, level)
    if kind == LIBRARY then
      -- Raised by the virtual machine, as if by C: no position, no names of our variables.
      return (gsub(text, " %(%a+ '[^']*'%)$", ""))
    end
    while kind == C do
      level = level + 1
      kind = kind_at(thread, level)
    end
    if kind == SCRIPT then return relocate_level(text, thread, level, tonumber(line)) end
    if not kind then return text end
    level = whole_call(thread, level)
    return position(thread, level + 1) .. rename(text, thread, level)
  end

  -- Turns the position of an error raised in our library into the script's; any other value
  -- stays as it is. To be called before the stack is unwound: directly from a message
  -- handler, or with the coroutine that died.
  local function blame(e, thread)
    if type(e) ~= "string" then return e end
    local line, text = match(e, "^respell/[%a_]+:(%d+): (.*)$")
    if not line then return e end
    if thread then return relocate(thread, 0, line, text) end
    -- What raised comes after the handler, unless the handler is gone by a tail call.
    local handler = getinfo(1, "t").istailcall and 0 or 1
    return from_outside(relocate, CALLER + handler + 1, line, text) or text
  end
  engine.blame = blame

  -- Memory that ran out must not become an error that a script can handle: where it runs
  -- out depends on the machine.
  local ballast = raw.string.rep("\0", 1 << 16)

  -- Raised where the host had to stop a hook, to leave it at re-execution: nothing of the
  -- script's may catch it.
  local ABANDONED = {}
  engine.ABANDONED = ABANDONED

  local function check_memory(failure)
    if failure == "not enough memory" then
      -- A dead coroutine may still hold all there is: make room to say so.
      ballast = nil
      engine.die("memory_bytes", "out of memory")
    elseif failure == ABANDONED then
      error(failure, 0)
    end
  end
  engine.check_memory = check_memory

  local function settle(ok, ...)
    if not ok then
      check_memory((...))
      if engine.on_caught then engine.on_caught() end
    end
    return ok, ...
  end

  local function locate(e)
    if type(e) == "string" and find(e, "^respell/") then e = blame(e) end
    if engine.on_error then engine.on_error(e, true) end
    return e
  end

  local function pcall(f, ...)
    return settle(xpcall(f, locate, ...))
  end
  engine.pcall = pcall
  engine.provide("pcall", pcall)

  -- Handlers are entered by a tail call that the script should not see in tracebacks.
  local handlers = setmetatable({}, { __mode = "k" })

  engine.provide("xpcall", function(f, handler, ...)
    if type(handler) ~= "function" then
      error(format("bad argument #2 to 'xpcall' (function expected, got %s)",
        handler == nil and "no value" or type(handler)))
    end
    local function handle(e)
      if e == ABANDONED then return e end
      if type(e) == "string" and find(e, "^respell/") then e = blame(e) end
      if engine.on_error then engine.on_error(e, true) end
      if not names[handler] then return handler(e) end
      -- `debug.traceback` takes a tail call for one of the script's.
      local value = handler(e)
      return value
    end
    if names[handler] then handed_out[handle] = true else handlers[handler] = true end
    return settle(xpcall(f, handle, ...))
  end)

  -- Tracebacks -----------------------------------------------------------------------------

  local function name_in(t, f, prefix, found)
    for name, value in next, t do
      if type(value) == "function" and value == f and type(name) == "string" then
        name = prefix .. name
        if not found or name < found then found = name end
      end
    end
    return found
  end

  -- Returns the name of a function that is a global or a field of a loaded module.
  local function global_name(f)
    local found = names[f] or name_in(env, f, "", nil)
    if found or not engine.loaded then return found end
    for module, value in next, engine.loaded do
      if type(value) == "table" and type(module) == "string" then
        found = name_in(value, f, module .. ".", found)
      end
    end
    return found
  end

  local function describe_function(info, kind)
    local name = global_name(info.func)
    if name then return format("function '%s'", name) end
    if info.namewhat ~= "" then return format("%s '%s'", info.namewhat, info.name) end
    if info.what == "main" then return "main chunk" end
    if kind == SCRIPT then return format("function <%s:%d>", info.short_src, info.linedefined) end
    return "?"
  end

  -- What our functions call has the name of a variable of ours; called by C it has none.
  local function without_our_name(thread, level, info)
    if kind_at(thread, level + 1) == LIBRARY then info.name, info.namewhat = nil, "" end
    return info
  end

  local function describe(thread, level, kind)
    local info = without_our_name(thread, level, getinfo(thread, level, "Slntf"))
    local where = "[C]:"
    if kind == SCRIPT then
      where = info.currentline > 0 and format("%s:%d:", info.short_src, info.currentline)
        or info.short_src .. ":"
    end
    local tail = kind == SCRIPT and info.istailcall
      and not (handlers[info.func] or engine.closers[info.func])
    return format("\n\t%s in %s%s", where, describe_function(info, kind),
      tail and "\n\t(...tail calls...)" or "")
  end

  -- Level of the outermost frame, without asking for each: asking costs its depth.
  local function outermost(thread, level)
    local low, high = level, level + 1
    while getinfo(thread, high, "") do low, high = high, high * 2 end
    while high - low > 1 do
      local middle = (low + high) // 2
      if getinfo(thread, middle, "") then low = middle else high = middle end
    end
    return low
  end

  -- Appends the frames that a script sees from `level` on, at most `limit`; returns the level
  -- after the last one.
  local function append_frames(out, thread, level, limit)
    for _ = 1, limit do
      local whole, kind = whole_call(thread, level)
      if not kind then break end
      out[#out + 1] = describe(thread, whole, kind)
      level = whole + 1
    end
    return level
  end

  -- As luaL_traceback, which doesn't count the first of those that it leaves out.
  local HEAD, TAIL, SKIPPING = 10, 11, "\n\t...\t(skipping %d levels)"

  -- `return debug.traceback(…)` is a tail call, and the script's frame is gone where plain
  -- Lua, which is C there, still has it. It is counted all the same.
  local function count_lost(thread, level, n)
    if n > 0 and getinfo(thread, level, "t").istailcall then return n - 1, n == 1 end
    return n, false
  end

  -- Returns the traceback from the `n`-th visible frame outwards of `level` on.
  local function trace(thread, level, n, message)
    local title = message and message .. "\nstack traceback:" or "stack traceback:"
    local lost
    n, lost = count_lost(thread, level, n)
    if lost then title, n = title .. "\n\t(...tail calls...)", 1 end
    level = visible(thread, level, n)
    if not level then return title end
    local last = outermost(thread, level)
    local frames = {}
    if last - level < 8 * (HEAD + TAIL) then
      append_frames(frames, thread, level, last + 1)
      local extra = #frames - HEAD - TAIL
      if extra <= 1 then return title .. concat(frames) end
      move(frames, HEAD + extra + 1, #frames, HEAD + 2)
      frames[HEAD + 1] = format(SKIPPING, extra - 1)
      return title .. concat(frames, "", 1, HEAD + TAIL + 1)
    end
    local after = append_frames(frames, thread, level, HEAD)
    local tail = {}
    append_frames(tail, thread, last - 4 * TAIL, 8 * TAIL)
    return concat {
      title, concat(frames), format(SKIPPING, last - after - TAIL),
      concat(tail, "", #tail - TAIL + 1),
    }
  end

  -- For our own handlers: the frames that the script would see, from `level` outwards (1 is
  -- the caller).
  function engine.traceback(message, level)
    return from_outside(trace, CALLER + (level or 1), 0, message) or message
  end

  local debug = {}

  local function expect_level(name, argument, value)
    local level = tointeger(value)
    if not level then
      error(format("bad argument #%d to '%s' (number expected, got %s)", argument, name,
        value == nil and "no value" or type(value)))
    end
    return level
  end

  function debug.traceback(...)
    local thread, message, level = ...
    local argument = 3
    if type(thread) ~= "thread" then
      thread, message, level, argument = nil, thread, message, 2
    end
    if message ~= nil and type(message) ~= "string" and type(message) ~= "number" then
      return message
    end
    if level == nil then level = thread and 0 or 1 end
    level = expect_level("traceback", argument, level)
    if thread and thread ~= running() then return trace(thread, 0, level, message) end
    return from_outside(trace, CALLER, level, message)
      or (message and message .. "\nstack traceback:" or "stack traceback:")
  end

  local FIELDS = {
    S = { "source", "short_src", "linedefined", "lastlinedefined", "what" },
    l = { "currentline" }, n = { "name", "namewhat" }, t = { "istailcall" },
    u = { "nups", "nparams", "isvararg" }, L = { "activelines" }, f = {}, r = {},
  }
  local AS_C = {
    source = "=[C]", short_src = "[C]", linedefined = -1, lastlinedefined = -1, what = "C",
    currentline = -1, istailcall = false, nups = 0, nparams = 0, isvararg = true,
  }

  -- The fields of `info` that `what` asks for; functions of ours look like C.
  local function safe_info(info, what, f)
    local kind = kind_of(info)
    local seen = {}
    for option in gmatch(what, ".") do
      for _, field in raw.ipairs(FIELDS[option]) do
        if kind == LIBRARY and AS_C[field] ~= nil then
          seen[field] = AS_C[field]
        elseif kind == SCRIPT or field ~= "activelines" then
          seen[field] = info[field]
        end
      end
    end
    if seen.source then seen.source = engine.given_name(seen.source) end
    if find(what, "f", 1, true) and (kind == SCRIPT or f or names[info.func]) then
      seen.func = f or info.func
    end
    return seen
  end

  local function info_at(thread, level, n, what)
    n = count_lost(thread, level, n)
    level = visible(thread, level, n)
    if not level then return nil end
    return safe_info(without_our_name(thread, level, getinfo(thread, level, what .. "Sf")), what)
  end

  function debug.getinfo(...)
    local thread, of, what = ...
    local argument = 2
    if type(thread) ~= "thread" then
      thread, of, what, argument = nil, thread, of, 1
    end
    if what == nil then
      what = "flnStu"
    elseif type(what) ~= "string" then
      error(format("bad argument #%d to 'getinfo' (string expected, got %s)", argument + 1, type(what)))
    elseif find(what, "[^SlnutfLr]") then
      error(format("bad argument #%d to 'getinfo' (invalid option)", argument + 1))
    end
    if type(of) == "function" then
      local info = getinfo(of, what .. "S")
      return safe_info(info, what, of)
    end
    local level = expect_level("getinfo", argument, of)
    if level < 0 then return nil end
    if thread and thread ~= running() then return info_at(thread, 0, level, what) end
    return (from_outside(info_at, CALLER, level, what))
  end

  engine.provide("debug", debug)

  -- Output and the rest --------------------------------------------------------------------

  engine.provide("print", function(...)
    local n = select("#", ...)
    local tostring = engine.tostring
    if n == 1 then
      engine.output("output.line", tostring((...)))
      return
    end
    local texts = { ... }
    for i = 1, n do texts[i] = tostring(texts[i]) end
    engine.output("output.line", concat(texts, "\t", 1, n))
  end)

  local warnings = false

  engine.provide("warn", function(...)
    local n = select("#", ...)
    local texts = { ... }
    for i = 1, n > 0 and n or 1 do
      local kind = type(texts[i])
      if kind ~= "string" and kind ~= "number" then
        error(format("bad argument #%d to 'warn' (string expected, got %s)", i,
          n == 0 and "no value" or kind))
      end
    end
    if n == 1 and find(texts[1], "^@") then
      if texts[1] == "@on" then warnings = true elseif texts[1] == "@off" then warnings = false end
    elseif warnings then
      engine.output("output.error", "Lua warning: " .. concat(texts) .. "\n")
    end
  end)

  for _, name in raw.ipairs { "assert", "error", "rawequal", "rawlen", "select", "tonumber", "type" } do
    engine.provide(name, raw[name])
  end
  env._G = env
  env._VERSION = raw._VERSION
end
