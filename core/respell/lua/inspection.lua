-- What a debugger sees of a script that stands still: stacks, variables, values.
--
-- Looking leaves no trace: nothing of the script is called, no object gets an id. Evaluating
-- does what it says, so the host has it done by a worker that is thrown away.

return function(engine, env)
  local raw = engine.raw
  local next, type, error, pcall, rawget, rawequal, rawlen =
    raw.next, raw.type, raw.error, raw.pcall, raw.rawget, raw.rawequal, raw.rawlen
  local getinfo, getlocal, getupvalue, sethook = raw.debug.getinfo, raw.debug.getlocal,
    raw.debug.getupvalue, raw.debug.sethook
  local setmetatable = raw.setmetatable
  local create, resume, running, status =
    raw.coroutine.create, raw.coroutine.resume, raw.coroutine.running, raw.coroutine.status
  local yield = raw.coroutine.yield
  local format, sub, byte, find, concat = raw.string.format, raw.string.sub, raw.string.byte,
    raw.string.find, raw.table.concat
  local math_type, tostring, unpack = raw.math.type, raw.tostring, raw.table.unpack
  local chunk_of, known_id = engine.chunk_of, engine.known_id
  local scope = engine.scope   -- lua/scope.lua
  local script_level, find_local, find_upvalue, varargs_of =
    scope.script_level, scope.find_local, scope.find_upvalue, scope.varargs

  local SHOWN_BYTES, PREVIEW, MOST_FRAMES = 1024, 6, 200
  local SORTED = 1000   -- most entries of a table whose keys are sorted for a preview

  local view = {}
  engine.debug_view = view

  local main, co_number
  local here, here_level      -- the thread that stands still, and the level of its script
  local refs                  -- number -> object, while it stands still
  local keys_of, named_of     -- table -> its keys; those that are not of its list
  local first_globals = {}

  function view.start(main_thread, _, number_of)
    main, co_number = main_thread, number_of
    for k, v in next, env do first_globals[k] = v end
    engine.remember_globals()
  end

  -- Frames --------------------------------------------------------------------------------

  -- Number of frames outside of `level`, itself included: asking costs its depth.
  local function depth_at(thread, level)
    if not getinfo(thread, level, "l") then return 0 end
    local low, high = level, level + 1
    while getinfo(thread, high, "l") do low, high = high, high + (high - level) end
    while high - low > 1 do
      local middle = (low + high) // 2
      if getinfo(thread, middle, "l") then low = middle else high = middle end
    end
    return low - level + 1
  end

  function view.enter(thread)
    here, here_level, refs, keys_of, named_of = thread, nil, {}, {}, {}
  end

  local script_at   -- at which level the script was when a condition was computed last

  function view.leave()
    here, refs, keys_of, named_of = nil, nil, nil, nil
  end

  local function name_of(info)
    if info.what == "main" then return "main chunk" end
    if info.name then return info.name end
    return format("function <%s:%d>", chunk_of(info.func) or "?", info.linedefined)
  end

  local function frame_at(thread, level)
    local info = getinfo(thread, level, "nSltfu")
    return {
      name = name_of(info), source = chunk_of(info.func), line = info.currentline,
      defined = info.linedefined, tail = info.istailcall, what = info.namewhat,
      params = info.nparams, varargs = info.isvararg,
    }
  end

  -- Where the worker stands: `pause` has called this, so it is three levels inside.
  function view.place()
    local co = running()
    -- The stack is looked at from another coroutine, as all orders are.
    local place
    local look = create(function()
      local level = script_level(co, 0)
      if level then
        place = frame_at(co, level)
        place.depth = depth_at(co, level)
      else
        place = { depth = 0 }
      end
      place.coroutine = co_number(co)
    end)
    local ok, failure = resume(look)
    -- No coroutine begins where C's stack is used up.
    if failure == "C stack overflow" then return { depth = 0, coroutine = co_number(co) } end
    if not ok then error(failure, 0) end
    return place
  end

  -- The function that has just been entered, as the line hook's call hook asks for it.
  function view.called()
    local info = getinfo(3, "nSf")
    return { name = name_of(info), source = chunk_of(info.func), line = info.linedefined }
  end

  -- Values --------------------------------------------------------------------------------

  local function hold(object)
    local known = refs[object]
    if known then return known end
    local n = #refs + 1
    refs[n], refs[object] = object, n
    return n
  end

  local function id_text(kind, object)
    local id = known_id(object)
    return id and format("%s: #%d", kind, id) or kind
  end

  local describe

  local function function_text(f)
    local info = getinfo(f, "S")
    local source = info.what ~= "C" and chunk_of(f)
    if source then return format("function <%s:%d>", source, info.linedefined) end
    return "function: builtin"
  end

  local function preview(t, size)
    local parts, n = {}, 0
    local length = rawlen(t)
    for i = 1, length < PREVIEW and length or PREVIEW do
      n = n + 1
      parts[n] = { value = describe(rawget(t, i), true) }
    end
    if n < PREVIEW and size <= SORTED then
      local keys, count = engine.keys(t, true)
      for i = 1, count do
        if n == PREVIEW then break end
        local k = keys[i]
        if not (math_type(k) == "integer" and k >= 1 and k <= length) then
          n = n + 1
          parts[n] = { key = describe(k, true), value = describe(rawget(t, k), true) }
        end
      end
    end
    return parts
  end

  local function count_of(t)
    local n = 0
    for _ in next, t do n = n + 1 end
    return n
  end

  -- The upvalues of a function of the script, as its author knows them.
  local function upvalues_of(f)
    local list, i = {}, 1
    local name, value = getupvalue(f, i)
    while name and chunk_of(f) do
      if name ~= "_ENV" then list[#list + 1] = { name = name, value = value } end
      i = i + 1
      name, value = getupvalue(f, i)
    end
    return list
  end

  -- A value as data: type, text, and for what has an inside a number to ask for it by.
  function describe(v, shallow)
    local kind = type(v)
    if kind == "string" then
      local cut = #v > SHOWN_BYTES
      -- The whole of it can be asked for by `bytes`.
      local held = refs and not shallow and #v > 0 and hold(v) or nil
      return { type = kind, text = cut and sub(v, 1, SHOWN_BYTES) or v, size = #v, bytes = held }
    elseif kind == "number" then
      return { type = math_type(v), text = tostring(v) }
    elseif kind == "table" then
      local shown = { type = kind, text = id_text(kind, v), ref = hold(v), size = count_of(v) }
      if not shallow then
        shown.preview = preview(v, shown.size)
        shown.length = rawlen(v)
        shown.meta = engine.metatable_of(v) ~= nil or nil
      end
      return shown
    elseif kind == "function" then
      return { type = kind, text = function_text(v), ref = hold(v), size = #upvalues_of(v) }
    elseif kind == "thread" then
      return { type = kind, text = format("coroutine %d (%s)", co_number(v), status(v)), ref = hold(v) }
    end
    return { type = kind, text = tostring(v) }
  end

  -- The same while the script runs, without a number to ask for what is inside by.
  function view.describe_now(v)
    local kept = refs
    refs = {}
    local shown = describe(v)
    refs, shown.ref, shown.bytes = kept, nil, nil
    return shown
  end

  -- Error values as text, without calling a `__tostring`.
  function view.error_text(e)
    if type(e) == "string" then return e end
    local message = type(e) == "table" and rawget(e, "message")
    if type(message) == "string" then return message end
    if type(e) == "number" then return tostring(e) end
    return format("(error object is a %s value)", type(e))
  end


  function view.main_thread() return main end

  -- What can be asked for -----------------------------------------------------------------

  local orders = {}
  view.orders = orders

  local function thread_of(number)
    if number == nil or number == co_number(here) then return here end
    if number == 0 then return main end
    for co in next, engine.coroutines do
      if co_number(co) == number then return co end
    end
    error("there is no coroutine " .. tostring(number), 0)
  end

  view.thread_of = thread_of

  -- The stack of one coroutine, innermost first.
  function orders.stack(order)
    local thread = thread_of(order.coroutine)
    local frames, total = {}, 0
    local level = script_level(thread, 0)
    local depth = level and depth_at(thread, level) + level
    local first, most = order.first or 0, order.count or MOST_FRAMES
    while level and total < first + most do
      if total >= first then
        local frame = frame_at(thread, level)
        frame.level, frame.depth = level, depth - level
        frames[#frames + 1] = frame
      end
      total = total + 1
      level = script_level(thread, level + 1)
    end
    return { frames = frames, coroutine = co_number(thread), status = status(thread) }
  end

  function orders.coroutines()
    local list = { { coroutine = 0, status = here == main and "running" or status(main) } }
    for co in next, engine.coroutines do
      local state = co == here and "running" or status(co)
      if state ~= "dead" or getinfo(co, 0, "l") then
        list[#list + 1] = { coroutine = co_number(co), status = state }
      end
    end
    return list
  end

  local function level_of(thread, order)
    local level = order.level
    if not level then level = script_level(thread, 0) end
    if not level or not getinfo(thread, level, "l") then error("no function of the script runs here", 0) end
    return level
  end

  local function locals_of(thread, level)
    local list = {}
    local i = 1
    local name, value = getlocal(thread, level, i)
    while name do
      if byte(name) ~= 40 then
        list[#list + 1] = { name = name, value = describe(value), index = i }
      end
      i = i + 1
      name, value = getlocal(thread, level, i)
    end
    return list
  end

  function orders.variables(order)
    local thread = thread_of(order.coroutine)
    local level = level_of(thread, order)
    local varargs, upvalues = {}, {}
    local i = 1
    local name, value = getlocal(thread, level, -i)
    while name do
      varargs[i] = { name = format("...[%d]", i), value = describe(value) }
      i = i + 1
      name, value = getlocal(thread, level, -i)
    end
    local f = getinfo(thread, level, "f").func
    i = 1
    name, value = getupvalue(f, i)
    while name do
      if name ~= "_ENV" then upvalues[#upvalues + 1] = { name = name, value = describe(value) } end
      i = i + 1
      name, value = getupvalue(f, i)
    end
    return { locals = locals_of(thread, level), varargs = varargs, upvalues = upvalues }
  end

  -- Globals that the script made or changed, and the names of those it took away.
  function orders.globals()
    local changed, gone = {}, {}
    local keys, n = engine.keys(env, true)
    for i = 1, n do
      local k = keys[i]
      local v = rawget(env, k)
      if not rawequal(v, first_globals[k]) then
        changed[#changed + 1] = { name = describe(k, true), value = describe(v) }
      end
    end
    for k in next, first_globals do
      if rawget(env, k) == nil and type(k) == "string" then gone[#gone + 1] = k end
    end
    raw.table.sort(gone)
    return { changed = changed, gone = gone }
  end

  -- Keys of a table besides those of its list, 1 to its length.
  local function named_keys(object)
    local keys, n = engine.keys(object, true)
    local length, named, count = rawlen(object), {}, 0
    for i = 1, n do
      local k = keys[i]
      if not (math_type(k) == "integer" and k >= 1 and k <= length) then
        count = count + 1
        named[count] = k
      end
    end
    return { keys = named, n = count }
  end

  -- What is inside of a table (its pairs, its metatable) or a function (its upvalues). `only`
  -- "indexed" are the items of a table's list, "named" all others.
  function orders.children(order)
    local object = refs[order.ref]
    local first, count = order.first or 0, order.count or 100
    local list = {}
    if type(object) == "table" then
      local meta = engine.metatable_of(object)
      meta = meta ~= nil and describe(meta) or nil
      if order.only == "indexed" then
        local length = rawlen(object)
        for i = first + 1, raw.math.min(first + count, length) do
          list[#list + 1] = { key = describe(i, true), value = describe(rawget(object, i)) }
        end
        return { children = list, total = length, meta = meta }
      end
      local known = order.only == "named" and named_of or keys_of
      local kept = known[object]
      if not kept then
        if order.only == "named" then
          kept = named_keys(object)
        else
          local keys, n = engine.keys(object, true)
          kept = { keys = keys, n = n }
        end
        known[object] = kept
      end
      for i = first + 1, raw.math.min(first + count, kept.n) do
        local k = kept.keys[i]
        list[#list + 1] = { key = describe(k, true), value = describe(rawget(object, k)) }
      end
      return { children = list, total = kept.n, meta = meta }
    elseif type(object) == "function" then
      for i, one in raw.ipairs(upvalues_of(object)) do
        list[i] = { name = one.name, value = describe(one.value) }
      end
      return { children = list, total = #list }
    end
    return { children = list, total = 0 }
  end

  -- Bytes of a string that was shown.
  function orders.bytes(order)
    local text = refs[order.ref]
    if type(text) ~= "string" then error("no string was shown by this number", 0) end
    return { bytes = sub(text, order.first + 1, order.first + order.count), size = #text }
  end

  -- Evaluating ----------------------------------------------------------------------------

  local function compile(text, names)
    local chunk, expected = raw.load("return " .. text, "=evaluate", "t", names)
    if chunk then return chunk end
    local statement, message = raw.load(text, "=evaluate", "t", names)
    -- What is an expression up to its end, as `1 +`, was meant to be one.
    if not statement and raw.string.find(expected, "near <eof>$") then message = expected end
    if not statement then error((raw.string.gsub(message, "^evaluate:%d+: ", "")), 0) end
    return statement
  end

  -- Only in a worker that is thrown away.
  function orders.evaluate(order)
    local thread = thread_of(order.coroutine)
    local level = order.level or script_level(thread, 0)
    local output = {}
    engine.on_output = function(text) output[#output + 1] = text end
    engine.refuse_effects(function(name)
      error(format("this would cause %s; evaluating performs no effects", name), 0)
    end)
    engine.on_error = nil
    local ok, chunk = pcall(compile, order.text, scope.of(thread, level))
    if not ok then return { error = chunk, output = output } end
    local args, n = varargs_of(thread, level)
    local co = create(chunk)
    local results = raw.table.pack(resume(co, unpack(args, 1, n)))
    if status(co) ~= "dead" then return { error = "it yields: there is nobody to yield to", output = output } end
    if not results[1] then
      local message = engine.blame(results[2], co)
      return { error = (raw.string.gsub(view.error_text(message), "^evaluate:%d+: ", "")), output = output }
    end
    local list = {}
    for i = 2, results.n do list[i - 1] = describe(results[i]) end
    return { values = list, output = output, truth = results[2] and true or false }
  end

  -- Sets a variable to what an expression comes to, as an edit would (lua/scope.lua).
  function orders.assign(order)
    local thread = thread_of(order.coroutine)
    local level = scope.level_of_frame(thread, order.frame or 0)
    local ok, old, new = scope.assign(thread, level, order.name, order.text)
    if ok then return { old = describe(old), new = describe(new) } end
    if type(old) ~= "table" then return { error = old } end
    local _, names = scope.names(thread, level)
    return { missing = old.missing, names = names }
  end

  -- Conditions: computed on the spot if that calls nothing but what is known to leave no
  -- trace; else nil. A call that is none of these is refused before its first instruction.
  local IMPURE = {}
  local harmless = {}
  for _, library in raw.ipairs { raw.string, raw.math, raw.utf8 } do
    for _, f in next, library do harmless[f] = true end
  end
  harmless[raw.math.random], harmless[raw.math.randomseed] = nil, nil
  harmless[raw.string.rep], harmless[raw.string.gsub], harmless[raw.string.gmatch] = nil, nil, nil
  -- What looks names up; no script has these.
  for _, f in raw.ipairs { find_local, find_upvalue, varargs_of, getlocal, getupvalue, unpack } do
    harmless[f] = true
  end
  for _, name in raw.ipairs { "type", "tonumber", "rawlen", "rawequal", "rawget", "select" } do
    harmless[raw[name]] = true
  end

  -- Each text is compiled once; the place that its names mean is changed under it.
  local compiled = {}   -- text -> {chunk, place, index}, or {error = …}

  local function compile_once(text, only_expression)
    local place = {}
    local function index(_, name)
      local thread, level = place[1], place[2]
      if level then
        local i, value = find_local(thread, level, name)
        if i then return value end
        i, value = find_upvalue(place[3], name)
        if i then return value end
      end
      return env[name]
    end
    local function newindex() error(IMPURE, 0) end
    local scope = setmetatable({}, { __index = index, __newindex = newindex })
    local ok, chunk
    if only_expression then
      -- What is no expression may never end, and what has several values is not one.
      if find(text, "...", 1, true) then return nil end
      ok, chunk = true, raw.load("return (" .. text .. "\n)", "=evaluate", "t", scope)
      if not chunk then return nil end
    else
      ok, chunk = pcall(compile, text, scope)
    end
    if not ok then return { error = chunk } end
    local it = { chunk = chunk, place = place, varargs = find(text, "...", 1, true) }
    function it.guard()
      local f = getinfo(2, "f").func
      if f ~= chunk and f ~= index and not harmless[f] and not (f == yield and it.over) then
        error(IMPURE, 0)
      end
    end
    return it
  end

  -- One coroutine computes the same text again and again: a new one with a hook is dear.
  local function worker_of(it)
    return create(function()
      sethook(it.guard, "c")
      while true do
        it.over = false
        local value
        if it.varargs then
          local args, n = varargs_of(it.place[1], it.place[2])
          value = it.chunk(unpack(args, 1, n))
        else
          value = it.chunk()
        end
        it.over = true
        yield(value)
      end
    end)
  end

  local function compute(it)
    local work = it.work
    if not work then
      work = worker_of(it)
      sethook(work)
      it.work = work
    end
    local ok, value = resume(work)
    if not ok then
      it.work = nil
      if rawequal(value, IMPURE) then return nil end
    end
    return ok, value
  end

  -- Returns whether it could be computed, and the value; nil where it would leave a trace. `f`
  -- is the function of the script that the line is in.
  local function pure_values(text, f)
    local it = compiled[text]
    if not it then
      it = compile_once(text)
      compiled[text] = it
    end
    if it.error then return false, it.error end
    local thread = running()
    if not script_at or not getinfo(thread, script_at, "l")
      or getinfo(thread, script_at, "f").func ~= f then
      script_at = script_level(thread, 1) - 1   -- as seen from here, and from `work`
    end
    it.place[1], it.place[2], it.place[3] = thread, script_at, f
    return compute(it)
  end

  -- The value of an expression, as one of here; nothing where it can't be computed without a
  -- trace, has an error, or is no expression.
  function orders.look(order)
    local thread = thread_of(order.coroutine)
    local level = order.level or script_level(thread, 0)
    local it = compile_once(order.text, true)
    if not it then return {} end
    it.place[1], it.place[2] = thread, level
    it.place[3] = level and getinfo(thread, level, "f").func
    local ok, value = compute(it)
    if not ok then return {} end
    return { value = describe(value) }
  end

  -- Whether `text` is true where the script stands; nil if that can't be said without a
  -- trace. An error in it counts as false.
  function view.pure(text, f)
    local ok, value = pure_values(text, f)
    if ok == nil then return nil end
    return ok and value and true or false
  end

  -- The text of a log point: pieces are texts and {expression}; nil as above.
  function view.pure_message(pieces, f)
    local texts = {}
    for i, piece in raw.ipairs(pieces) do
      if type(piece) == "string" then
        texts[i] = piece
      else
        local ok, value = pure_values(piece[1], f)
        if ok == nil then return nil end
        if not ok then
          texts[i] = "<" .. view.error_text(value) .. ">"
        elseif type(value) == "string" then
          texts[i] = value
        else
          refs = refs or {}
          texts[i] = describe(value, true).text
        end
      end
    end
    return concat(texts)
  end
end
