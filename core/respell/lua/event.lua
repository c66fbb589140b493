-- Event: one bus for what sessions, scripts and programs tell each other.
--
-- The host keeps subscriptions and what waits in them (respell/store/bus.py); they persist,
-- so that a session which is resumed elsewhere goes on where its subscription stood.

return function(engine)
  local raw = engine.raw
  local type, error, format, find = raw.type, raw.error, raw.string.format, raw.string.find
  local hooks = engine.hooks

  local DEFAULT_TIMEOUT_MS, MAX_TYPE_BYTES = 5000, 255

  local function text(value, name, call)
    if type(value) ~= "string" then
      error(format("%s%s: %s must be a string, not %s", engine.where(), call, name,
        value == nil and "nil" or "a " .. type(value)), 0)
    end
    return value
  end

  -- What the host would refuse anyway: no hook is to be asked about that.
  local function type_of_event(kind, call)
    text(kind, "type", call)
    if find(kind, "*", 1, true) then
      error(format("%s%s: type has no star; only patterns of subscriptions do: %q", engine.where(), call, kind), 0)
    elseif #kind == 0 or #kind > MAX_TYPE_BYTES then
      error(format("%s%s: type has 1 to %d bytes, not %d", engine.where(), call, MAX_TYPE_BYTES, #kind), 0)
    elseif find(kind, "[%s%c]") then
      error(format("%s%s: type must have no spaces and no control characters: %q", engine.where(), call, kind), 0)
    end
    return kind
  end

  local Event = {}

  -- (type, data, {correlation_id, ttl_seconds, language, target_language}) -> true
  function Event.publish(kind, data, options)
    local call = "Event.publish"
    kind, options = type_of_event(kind, call), engine.options(options, call)
    local function perform(given)
      local args = { type = kind, data = given, session = engine.current_session, options = options }
      return engine.call("event.publish", engine.encode(args, call))
    end
    if not hooks.wanted("BeforeEventEmit", "AfterEventEmit") then return perform(data) end
    return hooks.around {
      before = "BeforeEventEmit", after = "AfterEventEmit", kind = "event", name = kind, data = data,
      event = "event.publish", perform = perform,
    }
  end

  -- A type, "*", or the beginning of types and "*" -> the subscription's id
  function Event.subscribe(pattern, options)
    local call = "Event.subscribe"
    local args = { pattern = text(pattern, "pattern", call), options = engine.options(options, call) }
    return engine.call("event.subscribe", engine.encode(args, call))
  end

  -- The next event, or nil where none comes in time.
  function Event.receive(subscription, timeout_ms)
    local call = "Event.receive"
    if timeout_ms == nil then timeout_ms = DEFAULT_TIMEOUT_MS end
    if type(timeout_ms) ~= "number" then
      error(format("%s%s: timeout_ms must be a number of milliseconds, not a %s", engine.where(), call,
        type(timeout_ms)), 0)
    end
    return engine.call("event.receive", {
      subscription = text(subscription, "subscription", call), timeout_ms = timeout_ms,
    })
  end

  function Event.unsubscribe(subscription)
    return engine.call("event.unsubscribe", { subscription = text(subscription, "subscription", "Event.unsubscribe") })
  end

  function Event.listSubscriptions()
    return engine.call("event.list_subscriptions", {})
  end

  function Event.getStats()
    return engine.call("event.stats", {})
  end

  -- Lets another session hear events of the current one: (pattern, to, level, expires_at).
  function Event.grant(pattern, to, level, expires_at)
    local call = "Event.grant"
    engine.call("event.grant", engine.encode({
      session = engine.current_session, pattern = text(pattern, "pattern", call),
      to = engine.grantee(to, call), level = level, expires_at = expires_at,
    }, call))
  end

  function Event.revoke(pattern, to)
    local call = "Event.revoke"
    return engine.call("event.revoke", {
      session = engine.current_session, pattern = text(pattern, "pattern", call), to = engine.grantee(to, call),
    })
  end

  function Event.acl()
    return engine.call("event.acl", { session = engine.current_session })
  end

  engine.provide_with_aliases("Event", Event)
end
