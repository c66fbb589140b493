-- State: values by scope and key (respell/engine/effects/state.py says which scopes).
--
-- Scripts call this in loops, so arguments go out as bytes that are put together here:
-- a map with its keys in canonical order, key < scope < value.

return function(engine, env)
  local raw = engine.raw
  local type, select, error = raw.type, raw.select, raw.error
  local format, tostring = raw.string.format, raw.tostring
  local encode, encode_string = engine.encode, engine.encode_string

  local SCOPES = "scopes are global, session:ID, agent:NAME, workflow:NAME, custom:NAME, or a name of your own"
  local KEY, SCOPE, VALUE = "\xa3key", "\xa5scope", "\xa5value"
  local ONE, TWO, THREE = "\x81", "\x82", "\x83"

  local function wrong(call, name, value)
    return error(format("%sState.%s: %s must be a string, not %s%s", engine.where(), call, name,
      value == nil and "nil" or "a " .. type(value), name == "scope" and "; " .. SCOPES or ""), 0)
  end

  local function text(value, call, name)
    if type(value) == "string" then return encode_string(value) end
    if type(value) == "number" and name == "key" then return encode_string(tostring(value)) end
    return wrong(call, name, value)
  end

  -- The running session's own scope is left out: it is what the host takes without one.
  local function default_scope()
    local current = engine.current_session
    return current and "session:" .. current
  end

  local function target(scope, key, call)
    if key == nil then scope, key = default_scope(), scope end
    if scope == nil then return ONE .. KEY .. text(key, call, "key") end
    return TWO .. KEY .. text(key, call, "key") .. SCOPE .. text(scope, call, "scope")
  end

  -- With hooks around it: they get {scope, key, value}. Without a scope it is the session's.
  local function hooked(before, after, operation, data, perform)
    return engine.hooks.around {
      before = before, after = after, kind = "state", name = tostring(data.key or data.scope or "session"),
      data = data, args = data, event = "state." .. operation, perform = perform,
    }
  end

  local State = {}

  local function get(data) return engine.call("state.get", target(data.scope, data.key, "get")) end

  function State.get(scope, key)
    local args = target(scope, key, "get")
    if engine.hooks.wanted("BeforeStateRead", "AfterStateRead") then
      if key == nil then scope, key = default_scope(), scope end
      return hooked("BeforeStateRead", "AfterStateRead", "get", { scope = scope, key = key }, get)
    end
    return engine.call("state.get", args)
  end

  local function delete(data) return engine.call("state.delete", target(data.scope, data.key, "delete")) end

  function State.delete(scope, key)
    local args = target(scope, key, "delete")
    if engine.hooks.wanted("BeforeStateWrite", "AfterStateWrite") then
      if key == nil then scope, key = default_scope(), scope end
      return hooked("BeforeStateWrite", "AfterStateWrite", "delete", { scope = scope, key = key }, delete)
    end
    return engine.call("state.delete", args)
  end

  local function set(scope, key, value)
    key = KEY .. text(key, "set", "key")
    if scope ~= nil then scope = SCOPE .. text(scope, "set", "scope") end
    local args
    if value == nil then
      args = scope and TWO .. key .. scope or ONE .. key
    else
      value = encode(value, "State.set")
      args = scope and THREE .. key .. scope .. VALUE .. value or TWO .. key .. VALUE .. value
    end
    engine.call("state.set", args)
  end

  local function set_data(data) set(data.scope, data.key, data.value) end

  -- ([scope,] key, value); nil deletes.
  function State.set(...)
    local n = select("#", ...)
    local scope, key, value = ...
    if n < 2 then
      error(engine.where() .. "State.set: give a key and a value, or a scope, a key and a value", 0)
    elseif n == 2 then
      scope, key, value = default_scope(), scope, key
    end
    if not engine.hooks.wanted("BeforeStateWrite", "AfterStateWrite") then return set(scope, key, value) end
    text(key, "set", "key")
    if scope ~= nil then text(scope, "set", "scope") end
    hooked("BeforeStateWrite", "AfterStateWrite", "set", { scope = scope, key = key, value = value }, set_data)
  end

  local function list(data)
    local scope = data.scope
    return engine.call("state.list", scope == nil and "" or ONE .. SCOPE .. text(scope, "list", "scope"))
  end

  function State.list(scope)
    if scope == nil then scope = default_scope() end
    if not engine.hooks.wanted("BeforeStateRead", "AfterStateRead") then return list({ scope = scope }) end
    if scope ~= nil then text(scope, "list", "scope") end
    return hooked("BeforeStateRead", "AfterStateRead", "list", { scope = scope }, list)
  end

  -- What another session may do with the state of a session: ([scope,] to, level, expires_at).
  -- Only a scope has a colon, so it is told from the session by that.
  local function grant_target(call, scope, to, ...)
    if scope == nil then return default_scope(), engine.grantee(to, call), ... end
    if type(scope) == "string" and (scope == "global" or raw.string.find(scope, ":", 1, true)) then
      return scope, engine.grantee(to, call), ...
    end
    return default_scope(), engine.grantee(scope, call), to, ...
  end

  function State.grant(...)
    local call = "State.grant"
    local scope, to, level, expires_at = grant_target(call, ...)
    engine.call("state.grant", encode({ scope = scope, to = to, level = level, expires_at = expires_at }, call))
  end

  function State.revoke(...)
    local scope, to = grant_target("State.revoke", ...)
    return engine.call("state.revoke", { scope = scope, to = to })
  end

  function State.acl(scope)
    if scope == nil then scope = default_scope() end
    return engine.call("state.acl", scope == nil and "" or ONE .. SCOPE .. text(scope, "acl", "scope"))
  end

  engine.provide("State", State)
  State.load, State.save = State.get, State.set
  State.list_keys, State.listKeys = State.list, State.list
end
