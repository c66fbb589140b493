-- Hook: which hooks there are, in which order they run, and how they fare.

return function(engine)
  local raw = engine.raw
  local type, error, next, ipairs, setmetatable = raw.type, raw.error, raw.next, raw.ipairs, raw.setmetatable
  local format = raw.string.format
  local sort, remove, move = raw.table.sort, raw.table.remove, raw.table.move
  local encode_string = engine.encode_string

  local FAILURES_THAT_OPEN = 3
  local HALF_OPEN_AFTER_US = 15 * 1000000
  local SAMPLES = 1000
  local OPTIONS = { priority = true, name = true, tags = true }
  local FILTER = { hook_point = true, point = true, language = true, priority = true, tag = true, name = true }
  local PRIORITY = { highest = -1000, high = -100, normal = 0, low = 100, lowest = 1000 }

  local function fail(call, message, ...)
    error(format("%s%s: " .. message, engine.where(), call, ...), 0)
  end

  local function type_of(value)
    return value == nil and "nil" or "a " .. type(value)
  end

  -- The registry ---------------------------------------------------------------------------

  local hooks, last_id = {}, 0     -- id -> hook
  local at_point = {}              -- point -> array of the enabled ones, in the order they run
  local taken = {}                 -- "point \0 name" of those there are
  local all_enabled = true

  local function before(a, b)
    if a.priority ~= b.priority then return a.priority < b.priority end
    return a.id < b.id
  end

  local function put_in(hook)
    local list = at_point[hook.point]
    if not list then
      list = {}
      at_point[hook.point] = list
    end
    list[#list + 1] = hook
    sort(list, before)
  end

  local function take_out(hook)
    local list = at_point[hook.point]
    for i = 1, #list do
      if list[i] == hook then
        remove(list, i)
        break
      end
    end
    if #list == 0 then at_point[hook.point] = nil end
  end

  local function unregister(hook)
    if not hook or not hooks[hook.id] then return false end
    hooks[hook.id], taken[hook.point .. "\0" .. hook.name] = nil, nil
    if hook.enabled then take_out(hook) end
    return true
  end

  local function enable(hook, on)
    if hook.enabled == on then return end
    hook.enabled = on
    if not hooks[hook.id] then return end
    if on then put_in(hook) else take_out(hook) end
  end

  -- Whether any hook would run at one of these points; false for none.
  local function wanted(a, b, c)
    return all_enabled and (a and at_point[a] or b and at_point[b] or c and at_point[c]) and true or false
  end

  local Handle = { __name = "Hook" }
  local handles = setmetatable({}, { __mode = "k" })   -- handle -> hook

  -- The hook that a handle, or an id of a registered one, stands for.
  local function hook_of(handle, call)
    local hook = handles[handle]
    if not hook and type(handle) ~= "table" then hook = hooks[handle] end
    if not hook and call then
      fail(call, "what Hook.register returned is expected, not %s", type_of(handle))
    end
    return hook
  end

  local function options_of(options)
    if options == nil then return {} end
    if type(options) ~= "table" then return { priority = options } end
    local unknown = engine.unknown_key(options, OPTIONS)
    if unknown then fail("Hook.register", "unknown option %s; there are priority, name, tags", unknown) end
    if options.name ~= nil and (type(options.name) ~= "string" or options.name == "") then
      fail("Hook.register", "name must be a text, not %s", options.name == "" and "an empty one" or type_of(options.name))
    elseif options.tags ~= nil and type(options.tags) ~= "table" then
      fail("Hook.register", "tags must be a list of texts, not %s", type_of(options.tags))
    end
    return options
  end

  local function priority_of(priority, call)
    if priority == nil then return 0 end
    local known = PRIORITY[priority]
    if known then return known end
    if type(priority) == "number" and priority == priority then return priority end
    fail(call, "priority must be a number or one of highest, high, normal, low, lowest")
  end

  local Hook = {}

  function Hook.register(point, fn, options)
    local place
    point, place = engine.hook_point(point)
    if type(fn) ~= "function" then
      error(format("%sbad argument #2 to 'register' (function expected, got %s)", engine.where(),
        fn == nil and "no value" or type(fn)), 0)
    end
    options = options_of(options)
    local priority = priority_of(options.priority, "Hook.register")
    local name = options.name or format("%s#%d", point, last_id + 1)
    local key = point .. "\0" .. name
    if taken[key] then
      fail("Hook.register", "there is a hook named %q at %s already; unregister it, or choose another name",
        name, point)
    end
    local tags = {}
    for i, tag in ipairs(options.tags or {}) do tags[i] = engine.tostring(tag) end
    last_id = last_id + 1
    local hook = {
      id = last_id, point = point, place = place, fn = fn, priority = priority, name = name, tags = tags,
      enabled = true, failures = 0, calls = 0, skipped = 0, failed = 0, times = {}, timed = 0,
      encoded = "\xa4hook" .. encode_string(name) .. "\xa5point" .. encode_string(point),
    }
    hooks[last_id], taken[key] = hook, true
    put_in(hook)
    local handle = {}
    handles[handle] = hook
    engine.identify(handle)
    return setmetatable(handle, Handle)
  end

  function Hook.unregister(handle) return unregister(hook_of(handle)) end

  -- One hook, or with a boolean all of them together: both must be on for it to run.
  function Hook.enable(handle) enable(hook_of(handle, "Hook.enable"), true) end
  function Hook.disable(handle) enable(hook_of(handle, "Hook.disable"), false) end
  function Hook.enableAll() all_enabled = true end
  function Hook.disableAll() all_enabled = false end

  local function state_of(hook)
    if hook.failures < FAILURES_THAT_OPEN then return "closed" end
    return "open"
  end

  local function entry(hook)
    return {
      id = hook.id, name = hook.name, point = hook.point, hook_point = hook.point, priority = hook.priority,
      language = "lua", tags = move(hook.tags, 1, #hook.tags, 1, {}), enabled = hook.enabled,
      circuit = state_of(hook), version = "1.0.0", description = "",
    }
  end

  local function has_tag(hook, tag)
    for _, own in ipairs(hook.tags) do
      if own == tag then return true end
    end
    return false
  end

  local function matches(hook, filter)
    return (not filter.point or hook.point == filter.point)
      and (not filter.priority or hook.priority == filter.priority)
      and (filter.language == nil or filter.language == "lua")
      and (filter.tag == nil or has_tag(hook, filter.tag))
      and (filter.name == nil or hook.name == filter.name)
  end

  -- nil, a point, or {hook_point, language, priority, tag, name}.
  local function filter_of(filter)
    if filter == nil then return {} end
    if type(filter) ~= "table" then return { point = (engine.hook_point(filter)) } end
    local unknown = engine.unknown_key(filter, FILTER)
    if unknown then
      fail("Hook.list", "unknown filter %s; there are hook_point, language, priority, tag, name", unknown)
    end
    local point = filter.hook_point or filter.point
    return {
      point = point and engine.hook_point(point), language = filter.language, tag = filter.tag, name = filter.name,
      priority = filter.priority and priority_of(filter.priority, "Hook.list"),
    }
  end

  function Hook.list(filter)
    filter = filter_of(filter)
    local found = {}
    for id = 1, last_id do
      if hooks[id] and matches(hooks[id], filter) then found[#found + 1] = entry(hooks[id]) end
    end
    return found
  end

  -- Metrics --------------------------------------------------------------------------------

  local function note_time(hook, us)
    hook.timed = hook.timed + 1
    hook.times[(hook.timed - 1) % SAMPLES + 1] = us
  end

  local function percentiles(times)
    local sorted = move(times, 1, #times, 1, {})
    sort(sorted)
    local function at(share)
      local i = raw.math.max(raw.math.ceil(share * #sorted), 1)
      return sorted[i] and sorted[i] / 1000
    end
    return at(0.50), at(0.95), at(0.99)
  end

  -- Of one hook, or an array of all: times in milliseconds, of its last 1000 calls that went
  -- well. They are what was recorded, so that a re-execution sees the same.
  local function metrics(hook)
    local p50, p95, p99 = percentiles(hook.times)
    return {
      id = hook.id, name = hook.name, point = hook.point, calls = hook.calls, failures = hook.failed,
      skipped = hook.skipped, circuit = state_of(hook), p50_ms = p50, p95_ms = p95, p99_ms = p99,
    }
  end

  function Hook.metrics(handle)
    if handle ~= nil then return metrics(hook_of(handle, "Hook.metrics")) end
    local all = {}
    for id = 1, last_id do
      if hooks[id] then all[#all + 1] = metrics(hooks[id]) end
    end
    return all
  end

  -- Handles --------------------------------------------------------------------------------

  local Methods = {}
  function Methods:id() return hook_of(self, "Hook.id").id end
  function Methods:name() return hook_of(self, "Hook.name").name end
  function Methods:point() return hook_of(self, "Hook.point").point end
  Methods.hook_point = Methods.point
  function Methods:unregister() return unregister(hook_of(self, "Hook.unregister")) end
  function Methods:enable() enable(hook_of(self, "Hook.enable"), true) end
  function Methods:disable() enable(hook_of(self, "Hook.disable"), false) end
  function Methods:enabled() return hook_of(self, "Hook.enabled").enabled and all_enabled end
  function Methods:metrics() return metrics(hook_of(self, "Hook.metrics")) end
  Handle.__index = Methods

  -- For lua/hook.lua -----------------------------------------------------------------------

  local registry = { Hook = Hook, Methods = Methods, wanted = wanted }
  engine.hook_registry = registry

  -- The hooks at a point as they are now; nil for none.
  function registry.at(point)
    local list = at_point[point]
    return list and all_enabled and move(list, 1, #list, 1, {}) or nil
  end

  -- Whether a hook that was there when its chain began is to run.
  function registry.runs(hook, now)
    return hooks[hook.id] and hook.enabled
      and not (hook.failures >= FAILURES_THAT_OPEN and now - hook.opened < HALF_OPEN_AFTER_US)
  end

  -- Notes that a call at `now` failed; returns what that leads to, in words.
  function registry.failed(hook, now)
    hook.calls, hook.failed, hook.failures = hook.calls + 1, hook.failed + 1, hook.failures + 1
    if hook.failures < FAILURES_THAT_OPEN then return "" end
    hook.opened = now
    return format("; it is left out for %d s", HALF_OPEN_AFTER_US // 1000000)
  end

  -- Notes that a call went well and took so many microseconds, or counts as not made.
  function registry.went_well(hook, skipped, us)
    hook.failures = 0
    if skipped then
      hook.skipped = hook.skipped + 1
    else
      hook.calls = hook.calls + 1
      note_time(hook, us)
    end
  end
end
