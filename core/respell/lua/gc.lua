-- Garbage collection that a script can't notice: finalizers never run, weak tables hold
-- what is in them, `collectgarbage` answers with constants.
--
-- When the collector runs depends on addresses, on the hooks of a debugger and on the
-- machine, so anything it did that a script can see would differ at re-execution.
--
-- A weak table is one whose metatable has a field `__mode` at the time the collector looks.
-- So no metatable ever keeps that field: it is moved to `shadows`. A guard, the hidden
-- metatable of a metatable, catches later assignments and lets the field be read.

return function(engine, env)
  local raw = engine.raw
  local type, error, next, rawget, rawset, rawequal, setmetatable =
    raw.type, raw.error, raw.next, raw.rawget, raw.rawset, raw.rawequal, raw.setmetatable
  local meta_of, set_meta = raw.debug.getmetatable, raw.debug.setmetatable
  local find, format = raw.string.find, raw.string.format
  local identify, identify_later = engine.identify, engine.identify_later

  local weak_keys = { __mode = "k" }
  local used = setmetatable({}, weak_keys)      -- tables that are the metatable of something
  local shadows = setmetatable({}, weak_keys)   -- metatable -> its `__mode`
  local hooked = setmetatable({}, weak_keys)    -- script metatables that got `catch` as a field

  local guard, reading_guard = {}, {}

  local function makes_weak(mode)
    return type(mode) == "string" and find(mode, "^%Z*[kv]") ~= nil
  end

  -- A look-up, as `==` would call a script's `__eq`.
  local is_guard = { [guard] = true, [reading_guard] = true }

  -- What a script sees when it walks over a table with hidden or moved fields.
  local function view(t)
    local seen = {}
    for k, v in next, t do
      if not (hooked[t] and (v == guard.__newindex or v == reading_guard.__index)) then
        seen[k] = v
      end
    end
    seen.__mode = shadows[t] or seen.__mode
    return seen
  end
  local views

  local function show_view(t)
    if not views then
      views = setmetatable({}, weak_keys)
      engine.show_instead(views)
    end
    views[t] = view
  end

  -- Closing variables when memory has run out -------------------------------------------------

  -- Lua closes variables before `pcall` returns the error. A script must not be run then: where
  -- memory runs out depends on the machine, so what it does would differ at re-execution. Each
  -- `__close` gets a look at the error before it (one that is put in place of another does not).
  local closers = setmetatable({}, weak_keys)   -- function -> the one that looks first
  engine.closers = closers                      -- base.lua leaves their tail calls out

  local can_close = { ["function"] = true, table = true }

  local function closer(close)
    if not can_close[type(close)] then return close end   -- fails as in plain Lua
    local known = closers[close]
    if known then return known end
    local function look_first(value, failure)
      engine.check_memory(failure)
      return close(value, failure)
    end
    closers[close], closers[look_first] = look_first, look_first
    return look_first
  end

  local hook, read_mode

  local function hide_mode(t, mode)
    rawset(t, "__mode", nil)
    shadows[t] = mode
    show_view(t)
    local own = meta_of(t)
    if own == nil or is_guard[own] then
      set_meta(t, reading_guard)
    else
      hook(own)
      if rawget(own, "__index") == nil then rawset(own, "__index", read_mode) end
    end
  end

  -- `__newindex` of the guards.
  local function catch(t, k, v)
    if k == "__mode" and used[t] then
      if makes_weak(v) then return hide_mode(t, v) end
      shadows[t] = nil
    elseif k == "__close" and used[t] then
      v = closer(v)
    elseif k == nil then
      error("table index is nil")
    elseif k ~= k then
      error("table index is NaN")
    end
    rawset(t, k, v)
  end

  function read_mode(t, k)
    if k == "__mode" then return shadows[t] end
    return nil
  end

  guard.__newindex = catch
  reading_guard.__newindex, reading_guard.__index = catch, read_mode

  -- A metatable with a metatable of the script's has no room for a guard: the script's gets
  -- the hook, unless it has a field of its own there.
  function hook(meta)
    if rawget(meta, "__newindex") == nil then
      rawset(meta, "__newindex", catch)
      hooked[meta] = true
      show_view(meta)
    end
  end

  -- Hooks cost every new field of every object of a class, so they wait until some source
  -- has the word in it. `source_checked` turns false to true with the first source.
  local watching, source_checked = true, false

  local function watch()
    watching = true
    for t in next, used do
      local own = meta_of(t)
      if own ~= nil and not is_guard[own] then hook(own) end
    end
  end

  -- To be called with the text of every chunk before it runs.
  function engine.note_source(text)
    local mentioned = find(text, "__mode", 1, true) ~= nil
    if not source_checked then
      source_checked, watching = true, mentioned
    elseif mentioned and not watching then
      watch()
    end
  end

  local function check_first_source()
    if not source_checked and engine.init and engine.init.source then
      engine.note_source(engine.init.source)
    end
  end

  local noted = false

  local function note_finalizer()
    if not noted then
      noted = true
      engine.record("note.finalizer", {}, nil)
    end
  end

  local function prepare(t)
    check_first_source()
    used[t] = true
    identify(t)
    local own = meta_of(t)
    if own == nil then
      set_meta(t, guard)
    elseif watching then
      hook(own)
    end
    local mode, close = rawget(t, "__mode"), rawget(t, "__close")
    if makes_weak(mode) then hide_mode(t, mode) end
    if can_close[type(close)] then rawset(t, "__close", closer(close)) end
  end

  -- A finalizer is armed by what the metatable has at the moment it is set.
  local function set_unarmed(t, meta, finalizer)
    local own = meta_of(t)
    if own ~= nil and rawget(own, "__metatable") ~= nil then return setmetatable(t, meta) end
    rawset(meta, "__gc", nil)
    setmetatable(t, meta)
    rawset(meta, "__gc", finalizer)
    note_finalizer()
  end

  -- `t` is itself a metatable, so its guard must not get lost.
  local function regard(t, meta)
    if meta == nil then
      set_meta(t, shadows[t] and reading_guard or guard)
    elseif watching then
      hook(meta)
    end
  end

  local function set_carefully(...)
    local t, meta = ...
    if meta == nil or type(t) ~= "table" or type(meta) ~= "table" then
      -- Also the wrong calls, which raise here.
      setmetatable(...)
      if used[t] then regard(t, nil) end
      identify_later(t)
      return
    end
    -- First, as a collection may come at any moment after.
    if not used[meta] then prepare(meta) end
    local finalizer = rawget(meta, "__gc")
    if finalizer == nil then
      setmetatable(t, meta)
    else
      set_unarmed(t, meta, finalizer)
    end
    identify_later(t)
    if used[t] then regard(t, meta) end
  end

  engine.provide("setmetatable", function(...)
    local t, meta = ...
    if used[meta] and not used[t] and rawget(meta, "__gc") == nil then
      setmetatable(t, meta)
      identify_later(t)
    else
      set_carefully(...)
    end
    return t
  end)

  local has_metatable = { table = true, string = true }

  -- Also for those who look on: the metatable as the script knows it.
  engine.metatable_of = engine.provide("getmetatable", function(...)
    local meta = meta_of(...)
    if meta == nil or is_guard[meta] or not has_metatable[type(...)] then return nil end
    local protected = rawget(meta, "__metatable")
    if protected ~= nil then return protected end
    return meta
  end)

  engine.provide("rawset", function(...)
    local t, k, mode = ...
    if k == "__mode" and type(t) == "table" and used[t] then
      if makes_weak(mode) then
        hide_mode(t, mode)
        return t
      end
      shadows[t] = nil
    end
    return rawset(...)
  end)

  engine.provide("rawget", function(...)
    local t, k = ...
    local value = rawget(...)
    if k == "__mode" and value == nil then return shadows[t] end
    if hooked[t] and (rawequal(value, catch) or rawequal(value, read_mode)) then return nil end
    return value
  end)

  -- This library is most of the heap of a small script. Marked again in every cycle it makes
  -- garbage twice as dear as in plain Lua; as an old generation it costs nothing.
  raw.collectgarbage("generational")

  -- The collector's settings are remembered, as plain Lua would report them back.
  local mode, stopped, pause, step = "incremental", false, 200, 100

  local function switch(to)
    local before = mode
    mode = to
    return before
  end

  local options = {
    collect = function() return 0 end,
    stop = function() stopped = true return 0 end,
    restart = function() stopped = false return 0 end,
    count = function() return 256.0 end,
    step = function() return true end,
    isrunning = function() return not stopped end,
    incremental = function() return switch("incremental") end,
    generational = function() return switch("generational") end,
    setpause = function(value) local before = pause; pause = value or 0 return before end,
    setstepmul = function(value) local before = step; step = value or 0 return before end,
  }

  engine.provide("collectgarbage", function(option, value)
    if option == nil then option = "collect" end
    local answer = options[option]
    if not answer then
      if type(option) ~= "string" then
        error(format("bad argument #1 to 'collectgarbage' (string expected, got %s)", type(option)))
      end
      error(format("bad argument #1 to 'collectgarbage' (invalid option '%s')", option))
    end
    return answer(value)
  end)
end
