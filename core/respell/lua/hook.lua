-- Hook: functions of the script that run around what it does.
--
-- Each call is an event of its own (`hook.call`) inside of what it surrounds, and what it
-- causes is inside of that. On re-execution the function runs again with the recorded
-- context, and its result is compared.

return function(engine, env)
  local raw = engine.raw
  local type, error, next, ipairs, setmetatable = raw.type, raw.error, raw.next, raw.ipairs, raw.setmetatable
  local format, sub, char = raw.string.format, raw.string.sub, raw.string.char
  local sort, remove, move = raw.table.sort, raw.table.remove, raw.table.move
  local encode, decode, encode_string = engine.encode, engine.decode, engine.encode_string

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

  -- One call -------------------------------------------------------------------------------

  -- The hooks we are inside of, innermost first: {hook, outer}. Each parallel branch has its
  -- own, which the scheduler puts in place.
  local inside

  function engine.swap_hooks(others)
    local was = inside
    inside = others
    if was ~= others then engine.hook_resumed(others and others.call) end
    return was
  end
  function engine.hooks_inside() return inside end

  local function runs_already(hook)
    local one = inside
    while one do
      if one.hook == hook then return true end
      one = one.outer
    end
    return false
  end

  local function left_out(hook, now)
    return hook.failures >= FAILURES_THAT_OPEN and now - hook.opened < HALF_OPEN_AFTER_US
  end

  -- The canonical form of a result, without the closing `us`. Keys are in their order.
  local CONTINUED, CONTINUE = "\x82\xa4type\xa8continue", { type = "continue" }
  local KEYS = { "data", "delay_ms", "key", "max_attempts", "operations", "reason", "target", "ttl" }

  local function outcome_of(result)
    if result.type == "continue" then return CONTINUED end
    local n, bytes = 2, ""
    for _, key in ipairs(KEYS) do
      local value = result[key]
      if value ~= nil then
        n = n + 1
        local encoded = encode(value, "hook result")
        if key == "data" then result.bytes = encoded end
        bytes = bytes .. encode_string(key) .. encoded
      end
    end
    return char(0x80 + n) .. bytes .. "\xa4type" .. encode_string(result.type)
  end

  -- As text, which metadata are.
  local ATTEMPTS = setmetatable({ "1" }, { __index = function(_, n) return raw.tostring(n) end })

  -- Runs one hook as an event. `chain` says where we are, `data` is its canonical form.
  local function call(hook, chain, data)
    local outer = inside
    local function body(at, this)
      inside = { hook = hook, outer = outer, call = this }
      local ok, result = engine.pcall(hook.fn, {
        point = hook.point, session_id = engine.init.session_id, correlation_id = engine.init.session_id,
        component = chain.name, component_id = { type = chain.kind, name = chain.name }, data = decode(data),
        metadata = { operation = chain.operation, attempt = ATTEMPTS[chain.attempt] },
        language = "lua", timestamp = engine.rfc3339(at),
      })
      if ok and (result == nil or result == "continue") then return true, CONTINUED, CONTINUE end
      if ok then ok, result = engine.pcall(engine.hook_result, result, chain.place or hook.place) end
      if ok and result.type == "redirect" and not chain.redirect then
        ok, result = false, format("a hook can't redirect %s", chain.operation)
      end
      local outcome
      if ok then ok, outcome = engine.pcall(outcome_of, result) end
      if ok then return true, outcome, result end
      return false, engine.error_text(outcome or result)
    end
    local result, at, us, failure = engine.hook_call(chain.source, chain.line, chain.head, data,
      hook.encoded, body)
    inside = outer
    return result or { type = "failed", reason = failure }, at, us
  end

  -- Runs one hook; a failing one is reported, and otherwise as if it had not run.
  local function run(hook, chain, data)
    local result, at, us = call(hook, chain, data)
    chain.now = at
    if result.type == "failed" then
      hook.calls, hook.failed, hook.failures = hook.calls + 1, hook.failed + 1, hook.failures + 1
      local note = ""
      if hook.failures >= FAILURES_THAT_OPEN then
        hook.opened = at
        note = format("; it is left out for %d s", HALF_OPEN_AFTER_US // 1000000)
      end
      engine.output("log.warn", format("hook %s failed: %s%s", hook.name, result.reason, note))
      return result
    end
    hook.failures = 0
    if result.type == "skipped" then
      hook.skipped = hook.skipped + 1
    else
      hook.calls = hook.calls + 1
      note_time(hook, us)
    end
    return result
  end

  -- Chains ---------------------------------------------------------------------------------

  local function cancelled(hook, reason)
    error(format("%scancelled by %s: %s", engine.where(), hook.name, reason), 0)
  end

  -- Waits as a retry says; false once a hook has had its attempts.
  local function waits_for_retry(chain, hook, result)
    local tries = (chain.tries[hook] or 1) + 1
    if tries > result.max_attempts then return false end
    chain.tries[hook] = tries
    engine.call("timer.sleep", { seconds = result.delay_ms / 1000 })
    return true
  end

  local PASSED = { continue = true, skipped = true, failed = true }

  -- Runs the hooks of a point in their order; `act(hook, result)` says what becomes of each
  -- result that counts. What it returns ends the chain: true, or what is to be done now.
  local function run_chain(chain, point, act)
    local list = at_point[point]
    if not list or not all_enabled then return end
    list = move(list, 1, #list, 1, {})
    for i = 1, #list do
      local hook = list[i]
      if hooks[hook.id] and hook.enabled and not runs_already(hook) and not left_out(hook, chain.now) then
        chain.bytes = chain.bytes or encode(chain.data, chain.operation)
        local result = run(hook, chain, chain.bytes)
        if result.type == "fork" then
          local outer = inside
          engine.hook_left(outer and outer.call)
          inside = { hook = hook, outer = outer, call = outer and outer.call }
          engine.hook_operations(hook, result.operations)
          inside = outer
        elseif not PASSED[result.type] then
          engine.hook_left(inside and inside.call)
          local ended = act(hook, result)
          if ended then return ended end
        end
      end
    end
    engine.hook_left(inside and inside.call)
  end

  local function set(chain, data)
    chain.data, chain.bytes = data, nil
  end

  local function take(chain, result)
    chain.data, chain.bytes = result.bytes and decode(result.bytes), result.bytes
  end

  -- What is performed takes its arguments in the same form as before.
  local function take_arguments(chain, spec, hook, result)
    local was, is = type(spec.data), type(result.data)
    if is ~= was and spec.kind ~= "custom" then
      cancelled(hook, format("the arguments of %s must be a %s, and it made them a %s", spec.event, was, is))
    end
    take(chain, result)
  end

  local function named(chain, name)
    chain.name = name
    chain.head = "\xa9component" .. encode_string(name) .. "\xa4data"
  end

  -- Before it: true when there is an outcome already, which is the chain's data then.
  local function before_it(chain, spec)
    return run_chain(chain, spec.before, function(hook, result)
      local kind = result.type
      if kind == "modified" then
        take_arguments(chain, spec, hook, result)
      elseif kind == "replace" then
        take(chain, result)
        return true
      elseif kind == "cancel" then
        cancelled(hook, result.reason)
      elseif kind == "redirect" then
        chain.perform = spec.redirect(result.target)
        named(chain, result.target)
      elseif kind == "retry" then
        if not waits_for_retry(chain, hook, result) then
          cancelled(hook, format("it wants another try after %d", result.max_attempts))
        end
        return "again"
      elseif kind == "cache" then
        local found, outcome = engine.kept_outcome(chain.kind .. "\0" .. result.key, chain.now)
        if found then
          set(chain, outcome)
          return true
        end
        chain.keep[#chain.keep + 1] = result
      end
    end)
  end

  -- At its error, which is raised if no hook has another outcome for it.
  local function at_error(chain, spec, message)
    local input = chain.data
    set(chain, { error = engine.error_text(message), input = input })
    local handled = false
    local ended = run_chain(chain, spec.error, function(hook, result)
      local kind = result.type
      if kind == "modified" or kind == "replace" then
        take(chain, result)
        handled = true
        return kind == "replace"
      elseif kind == "cancel" then
        cancelled(hook, result.reason)
      elseif kind == "retry" and waits_for_retry(chain, hook, result) then
        return "again"
      end
    end)
    if ended == "again" then
      set(chain, input)
      return "again"
    elseif not handled then
      error(message, 0)
    end
  end

  -- Each attempt after the first is an effect of its own inside of the event.
  local function perform(chain, spec)
    local o = chain.attempt == 1 and chain.o or nil
    while true do
      local ok, outcome = engine.pcall(chain.perform, chain.data, o, chain.now)
      if ok then
        set(chain, outcome)
        for _, one in ipairs(chain.keep) do
          engine.keep_outcome(chain.kind .. "\0" .. one.key, outcome, chain.now, one.ttl)
        end
        return
      elseif not wanted(spec.error) then
        return error(outcome, 0)
      elseif at_error(chain, spec, outcome) ~= "again" then
        return
      end
      o, chain.attempt = nil, chain.attempt + 1
    end
  end

  local function after_it(chain, spec)
    return run_chain(chain, spec.after, function(hook, result)
      local kind = result.type
      if kind == "modified" then
        take(chain, result)
      elseif kind == "replace" then
        take(chain, result)
        return true
      elseif kind == "cancel" then
        cancelled(hook, result.reason)
      elseif kind == "retry" then
        if waits_for_retry(chain, hook, result) then return "again" end
      elseif kind == "cache" then
        engine.keep_outcome(chain.kind .. "\0" .. result.key, chain.data, chain.now, result.ttl)
      end
    end)
  end

  local function surrounded(chain, spec)
    local input, performs = spec.data, spec.perform
    local done
    repeat
      set(chain, input)
      chain.perform, chain.keep = performs, {}
      named(chain, spec.name)
      done = before_it(chain, spec)
    until done ~= "again"
    local used = chain.data   -- what it is performed with
    if not done then perform(chain, spec) end
    while after_it(chain, spec) == "again" do
      set(chain, used)
      chain.attempt = chain.attempt + 1
      perform(chain, spec)
    end
    return chain.data
  end

  -- The other parts of the runtime ---------------------------------------------------------

  local H = { wanted = wanted }
  engine.hooks = H

  -- Performs something with the hooks around it, and returns its outcome.
  --
  -- spec.before, after, error: points; nil for none. spec.kind and name: of the component.
  -- spec.data: what the hooks get, and `perform(data, o)` then. With hooks there is an event
  -- `hooked.EVENT` around all of it, or EVENT itself where that is posted: then `perform`
  -- does it as that event, by engine.perform_inside(o, …). Without `o` it is an effect as ever.
  -- The third argument of `perform` is the time, in microseconds, as it was recorded.
  -- spec.args: what the event says of its arguments; spec.redirect(target): what performs
  -- another one instead, which no hook can where this is nil.
  function H.around(spec)
    if not wanted(spec.before, spec.after, spec.error) then return spec.perform(spec.data) end
    local event = spec.event
    if not engine.posted[event] and sub(event, 1, 5) ~= "hook." then event = "hooked." .. event end
    local source, line = engine.here()
    local function body(o, now)
      return surrounded({
        o = o, now = now, kind = spec.kind, operation = spec.event, redirect = spec.redirect, attempt = 1,
        place = spec.place, tries = {}, source = source, line = line,
      }, spec)
    end
    return engine.span(event, spec.args or { name = spec.name, data = spec.data }, body, engine.port.now)
  end

  -- Tells the hooks of a point of something that none of them can change.
  function H.fire(point, kind, name, data)
    if not wanted(point) then return end
    H.around {
      before = point, place = "tell", kind = kind, name = name, data = data, event = "hook.fire",
      args = { point = point, name = name, data = data }, perform = function() end,
    }
  end

  -- A point of the script's own: returns the data, as the hooks have left it.
  function Hook.trigger(point, data)
    if type(point) ~= "string" or not raw.string.match(point, "^custom:.") then
      fail("Hook.trigger", "the point must be custom:NAME, not %s",
        type(point) == "string" and format("%q", point) or type_of(point))
    end
    return H.around {
      before = point, kind = "custom", name = sub(point, 8), data = data, event = "hook.trigger",
      args = { point = point, data = data }, perform = function(given) return given end,
    }
  end

  engine.provide_with_aliases("Hook", Hook)
  for name, f in next, engine.with_aliases(Methods) do Methods[name] = f end
end
