-- Hook: functions of the script that run before and after an effect.
--
-- Each execution is an event of its own (`hook.call`) inside the effect it belongs to; what
-- it causes is inside of that. On re-execution the function runs again with the recorded
-- context, and its result is compared.

return function(engine, env)
  local raw = engine.raw
  local type, error, pcall, setmetatable, ipairs = raw.type, raw.error, raw.pcall, raw.setmetatable, raw.ipairs
  local format, gsub, lower, sub = raw.string.format, raw.string.gsub, raw.string.lower, raw.string.sub
  local concat, sort, remove = raw.table.concat, raw.table.sort, raw.table.remove
  local encode, decode = engine.encode, engine.decode

  local FAILURES_THAT_OPEN = 3
  local HALF_OPEN_AFTER_US = 15 * 1000000
  local OPTIONS = { priority = true, name = true, tags = true }
  local PRIORITY = { highest = -1000, high = -100, normal = 0, low = 100, lowest = 1000 }

  -- Only what something really fires can be registered for.
  local POINTS = { "BeforeToolExecution", "AfterToolExecution" }
  local spellings = {}
  for _, point in ipairs(POINTS) do
    local snake = lower(gsub(gsub(point, "(%u)", "_%1"), "^_", ""))
    spellings[point], spellings[snake] = point, point
  end
  spellings["tool:before_execution"] = "BeforeToolExecution"
  spellings["tool:after_execution"] = "AfterToolExecution"

  local hooks = {}                 -- id -> hook
  local at_point = {}              -- point -> array of hooks, in the order they run
  for _, point in ipairs(POINTS) do at_point[point] = {} end
  local last_id = 0

  local Handle = { __name = "Hook" }
  Handle.__index = Handle

  local function point_named(name)
    local point = spellings[name]
    if point then return point end
    error(format("%shook point %s is not fired by anything; there are %s", engine.where(),
      type(name) == "string" and format("%q", name) or "a " .. type(name), concat(POINTS, ", ")), 0)
  end

  local function options_of(options)
    if options == nil then return {} end
    if type(options) == "table" then
      local unknown = engine.unknown_key(options, OPTIONS)
      if unknown then
        error(format("%sHook.register: unknown option %s; there are priority, name, tags",
          engine.where(), unknown), 0)
      end
      return options
    end
    return { priority = options }
  end

  local function priority_of(priority)
    if priority == nil then return 0 end
    local known = PRIORITY[priority]
    if known then return known end
    if type(priority) == "number" then return priority end
    error(format("%sHook.register: priority must be a number or one of highest, high, normal, low, lowest",
      engine.where()), 0)
  end

  local function before(a, b)
    if a.priority ~= b.priority then return a.priority < b.priority end
    return a.id < b.id
  end

  local function unregister(id)
    local hook = hooks[id]
    if not hook then return false end
    hooks[id] = nil
    local list = at_point[hook.point]
    for i = 1, #list do
      if list[i] == hook then remove(list, i) break end
    end
    return true
  end

  local function id_of(handle)
    return type(handle) == "table" and raw.rawget(handle, "_id") or handle
  end

  local Hook = {}

  function Hook.register(point, fn, options)
    point = point_named(point)
    if type(fn) ~= "function" then
      error(format("%sbad argument #2 to 'register' (function expected, got %s)", engine.where(), type(fn)), 0)
    end
    options = options_of(options)
    last_id = last_id + 1
    local hook = {
      id = last_id, point = point, fn = fn, priority = priority_of(options.priority),
      name = options.name or format("%s#%d", point, last_id), tags = options.tags or {}, failures = 0,
    }
    hooks[last_id] = hook
    local list = at_point[point]
    list[#list + 1] = hook
    sort(list, before)
    return setmetatable({ _id = last_id }, Handle)
  end

  function Handle:id() return self._id end
  function Handle:point()
    local hook = hooks[self._id]
    return hook and hook.point
  end
  Handle.hook_point = Handle.point
  function Handle:unregister() return unregister(self._id) end

  function Hook.unregister(handle) return unregister(id_of(handle)) end

  function Hook.list(filter)
    local wanted = type(filter) == "table" and filter.hook_point or filter
    if type(wanted) == "string" then wanted = point_named(wanted) else wanted = nil end
    local found = {}
    for id = 1, last_id do
      local hook = hooks[id]
      if hook and (not wanted or hook.point == wanted) then
        found[#found + 1] = {
          id = id, name = hook.name, point = hook.point, hook_point = hook.point,
          priority = hook.priority, language = "lua", tags = hook.tags,
        }
      end
    end
    return found
  end

  env.Hook = Hook

  -- Results ------------------------------------------------------------------------------

  local KNOWN = { continue = true, modified = true, replace = true, cancel = true, redirect = true, skipped = true }

  local function normalised(result)
    if result == nil or result == "continue" then return { type = "continue" } end
    if result == "skip" or result == "skipped" then return { type = "skipped" } end
    if type(result) == "string" then return { type = "cancel", reason = result } end
    if type(result) == "table" then
      local kind = result.type or result.action
      if kind == "skip" then kind = "skipped" end
      if KNOWN[kind] then
        return { type = kind, data = result.data, reason = result.reason, target = result.target }
      end
      error(format("a hook can't return the result %s; it can return %s", engine.tostring(kind),
        "continue, modified, replace, cancel, redirect, skipped"), 0)
    end
    error(format("a hook must return nothing, a string or a table, not a %s", type(result)), 0)
  end

  local function copy(value) return decode(encode(value, "hook data")) end

  local function closed(hook, now)
    if hook.failures < FAILURES_THAT_OPEN then return true end
    return now - hook.opened >= HALF_OPEN_AFTER_US
  end

  -- The hooks we are inside of, innermost first: {hook, outer}. Each parallel branch has its
  -- own, which the scheduler puts in place.
  local inside

  function engine.swap_hooks(others)
    local was = inside
    inside = others
    return was
  end

  local function runs_already(hook)
    local one = inside
    while one do
      if one.hook == hook then return true end
      one = one.outer
    end
    return false
  end

  -- Runs one hook as an event; raises what went wrong in it.
  local function call(hook, now, tool, data)
    local args = { hook = hook.name, point = hook.point, component = tool, data = data }
    return engine.span("hook.call", args, function()
      local outer = inside
      inside = { hook = hook, outer = outer }
      local ok, result = engine.pcall(hook.fn, {
        point = hook.point, session_id = engine.init.session_id,
        correlation_id = engine.init.session_id, component = tool,
        component_id = { type = "tool", name = tool }, data = copy(data), metadata = {},
        language = "lua", timestamp = engine.rfc3339(now),
      })
      inside = outer
      if not ok then error(engine.error_text(result), 0) end
      return normalised(result)
    end)
  end

  -- Runs one hook; a failing one is reported, and otherwise as if it had not run.
  local function run(hook, now, tool, data)
    local ok, result = engine.pcall(call, hook, now, tool, data)
    if ok then
      hook.failures = 0
      return result
    end
    hook.failures = hook.failures + 1
    local left_out = ""
    if hook.failures >= FAILURES_THAT_OPEN then
      hook.opened = now
      left_out = format("; it is left out for %d s", HALF_OPEN_AFTER_US // 1000000)
    end
    engine.output("log.warn", format("hook %s failed: %s%s", hook.name, result, left_out))
    return { type = "failed" }
  end

  -- The other parts of the runtime ---------------------------------------------------------

  -- Whether anything would run at one of the tool's points.
  function engine.has_tool_hooks()
    return #at_point.BeforeToolExecution > 0 or #at_point.AfterToolExecution > 0
  end

  -- Runs the hooks of a point; calls `act(hook, result)` for each result that counts, until
  -- that returns true. A hook never runs inside of itself.
  function engine.run_hooks(point, now, tool, data, act)
    local list = raw.table.pack(raw.table.unpack(at_point[point]))
    for i = 1, list.n do
      local hook = list[i]
      if hooks[hook.id] and not runs_already(hook) and closed(hook, now) then
        local result = run(hook, now, tool, data())
        if result.type ~= "continue" and result.type ~= "skipped" and result.type ~= "failed"
          and act(hook, result) then
          return
        end
      end
    end
  end
end
