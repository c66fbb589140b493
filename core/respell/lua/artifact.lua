-- Artifact: named, versioned bytes of a session.

return function(engine, env)
  local raw = engine.raw
  local type, error, select, rawget = raw.type, raw.error, raw.select, raw.rawget
  local setmetatable = raw.setmetatable
  local format, match, sub = raw.string.format, raw.string.match, raw.string.sub
  local concat = raw.table.concat
  local tostring = env.tostring

  local WINDOW = 4 * 1024 * 1024

  local function fail(call, message, ...)
    error(engine.where() .. call .. ": " .. format(message, ...), 0)
  end

  local function type_of(value)
    return value == nil and "nil" or "a " .. type(value)
  end

  -- Ids ----------------------------------------------------------------------------------

  local Id = {}

  function Id.__tostring(id) return rawget(id, "id") end

  function Id.__concat(a, b) return tostring(a) .. tostring(b) end

  function Id.__eq(a, b) return rawget(a, "id") == rawget(b, "id") end

  local function as_id(plain)
    return setmetatable(plain, Id)
  end

  local function is_id(outcome)
    return type(outcome) == "table" and type(rawget(outcome, "id")) == "string"
  end

  -- The text of an id: of the table that `store` returned (or one like it), of an entry of
  -- a list, or the text itself.
  local function id_text(value, call)
    local id = value
    if type(id) == "table" and type(rawget(id, "id")) == "table" then id = rawget(id, "id") end
    if type(id) == "table" then
      local text = rawget(id, "id")
      local session, sequence, hash =
        rawget(id, "session_id"), rawget(id, "sequence"), rawget(id, "content_hash")
      if text == nil and type(session) == "string" and raw.math.tointeger(sequence)
        and type(hash) == "string" then
        text = format("%s/%d/%s", session, sequence, sub(hash, 1, 8))
      end
      id = text
    end
    if type(id) ~= "string" then
      fail(call, "id must be what Artifact.store returned, or its text, not %s", type_of(value))
    end
    return id
  end

  -- Entries of lists are flat; scripts also look for the fields below `metadata`, where
  -- `get` has them.
  local Entry = {}

  function Entry.__index(entry, key)
    if key == "metadata" then return entry end
  end

  local function entries(list, call)
    local wanted = "a list of artifacts, each with its id"
    engine.hooks.check_outcome(type(list) == "table", call, wanted, list)
    for i = 1, #list do
      engine.hooks.check_outcome(type(list[i]) == "table" and is_id(list[i].id), call, wanted, list)
      as_id(list[i].id)
      setmetatable(list[i], Entry)
    end
    return list
  end

  local function text(value, call, name)
    if type(value) ~= "string" then fail(call, "%s must be a string, not %s", name, type_of(value)) end
    return value
  end

  local function content_for(value, call)
    if type(value) ~= "string" and type(value) ~= "table" then
      fail(call, "content must be a string or a table, not %s", type_of(value))
    end
    return value
  end

  -- Storing ------------------------------------------------------------------------------

  local Artifact = {}

  -- Performs an effect with the hooks around it: they get its arguments, and its outcome.
  local function hooked(before, after, effect, name, args, call)
    local function perform(data) return engine.call(effect, engine.encode(data, call)) end
    if not engine.hooks.wanted(before, after) then return perform(args) end
    return engine.hooks.around {
      before = before, after = after, kind = "artifact", name = name, data = args, event = effect,
      args = { session = args.session, id = args.id, name = args.name }, perform = perform,
    }
  end

  local function made(effect, name, args, call)
    local id = hooked("artifact:before_create", "artifact:after_create", effect, name, args, call)
    engine.hooks.check_outcome(is_id(id), call, "the id of an artifact", id)
    return as_id(id)
  end

  -- (session, name, content, options), or as in v0.6.0 (session, type, name, content,
  -- options): that one has five arguments, or a string as the fourth.
  function Artifact.store(...)
    local call = "Artifact.store"
    local session, name, content, given, last = ...
    local kind
    if select("#", ...) >= 5 or type(given) == "string" then
      kind, name, content, given = text(name, call, "type"), content, given, last
    end
    text(name, call, "name")
    local args = {
      session = engine.session_or_current(session, call), name = name,
      content = content_for(content, call), type = kind, options = engine.options(given, call),
    }
    return made("artifact.store", name, args, call)
  end

  -- A new artifact that was made from another one.
  function Artifact.derive(session, id, name, content, given)
    local call = "Artifact.derive"
    local args = {
      session = engine.session_or_current(session, call), id = id_text(id, call),
      name = text(name, call, "name"), content = content_for(content, call),
      options = engine.options(given, call),
    }
    return made("artifact.derive", name, args, call)
  end

  -- (session, path, options) or (session, path, type, options). The file is read as
  -- io.open reads it: one snapshot, which is the content then.
  function Artifact.storeFile(session, path, kind, given)
    local call = "Artifact.storeFile"
    text(path, call, "path")
    if kind ~= nil and type(kind) ~= "string" then
      if given ~= nil then fail(call, "type must be a string, not %s", type_of(kind)) end
      kind, given = nil, kind
    end
    given = engine.options(given, call)
    session = engine.session_or_current(session, call)
    local file = engine.call("file.open", { path = path, mode = "rb" })
    if file.error then fail(call, "%s", file.error) end
    local name = match(path, "([^/]*)/*$")
    return made("artifact.store", name, {
      session = session, name = name, blob = file.hash, type = kind, options = given,
    }, call)
  end

  -- Reading ------------------------------------------------------------------------------

  -- Large content is read by its address: it is in the store once, not in the history too.
  local function content_of(found)
    if found.blob == nil then return found.content end
    local parts, n = {}, 0
    for offset = 0, found.size - 1, WINDOW do
      n = n + 1
      parts[n] = engine.blob(found.blob, offset, WINDOW)
    end
    return concat(parts, "", 1, n)
  end

  local function read(effect, session, id, call)
    session, id = engine.session_or_current(session, call), id_text(id, call)
    return hooked(nil, "artifact:accessed", effect, id, { session = session, id = id }, call)
  end

  function Artifact.get(session, id)
    local call = "Artifact.get"
    local found = read("artifact.get", session, id, call)
    engine.hooks.check_outcome(type(found) == "table" and is_id(found.id), call, "a table with id and content", found)
    return { id = as_id(found.id), metadata = found.metadata, content = content_of(found) }
  end

  function Artifact.getContent(session, id)
    local call = "Artifact.getContent"
    local found = read("artifact.get_content", session, id, call)
    engine.hooks.check_outcome(type(found) == "table", call, "a table with content or value", found)
    if found.value ~= nil then return found.value end
    return content_of(found)
  end

  -- (session?, filter?); a filter is told from a session's record by having no id.
  function Artifact.list(session, filter)
    local call = "Artifact.list"
    if filter == nil and type(session) == "table" and rawget(session, "id") == nil then
      session, filter = nil, session
    end
    filter = engine.options(filter, call)
    if session == nil and filter and filter.session_id ~= nil then session = filter.session_id end
    return entries(engine.call("artifact.list", {
      session = engine.session_or_current(session, call), filter = filter,
    }), call)
  end

  function Artifact.query(filter)
    local call = "Artifact.query"
    return entries(engine.call("artifact.query", { filter = engine.options(filter, call) }), call)
  end

  function Artifact.versions(session, name)
    local call = "Artifact.versions"
    return entries(engine.call("artifact.versions", {
      session = engine.session_or_current(session, call), name = text(name, call, "name"),
    }), call)
  end

  function Artifact.delete(session, id)
    local call = "Artifact.delete"
    session, id = engine.session_or_current(session, call), id_text(id, call)
    hooked("artifact:before_delete", "artifact:after_delete", "artifact.delete", id, {
      session = session, id = id,
    }, call)
  end

  -- Reads all of it and compares: true, or false and what is wrong.
  function Artifact.verify(session, id)
    local call = "Artifact.verify"
    local found = engine.call("artifact.verify", {
      session = engine.session_or_current(session, call), id = id_text(id, call),
    })
    if found.intact then return true end
    return false, found.error
  end

  -- Who else may ------------------------------------------------------------------------

  -- "read" (unless given), "write" or "admin", until a time or for good.
  function Artifact.grant(session, id, to, level, expires_at)
    local call = "Artifact.grant"
    engine.call("artifact.grant", engine.encode({
      session = engine.session_or_current(session, call), id = id_text(id, call),
      to = engine.grantee(to, call), level = level, expires_at = expires_at,
    }, call))
  end

  function Artifact.revoke(session, id, to)
    local call = "Artifact.revoke"
    return engine.call("artifact.revoke", {
      session = engine.session_or_current(session, call), id = id_text(id, call),
      to = engine.grantee(to, call),
    })
  end

  function Artifact.acl(session, id)
    local call = "Artifact.acl"
    return engine.call("artifact.acl", {
      session = engine.session_or_current(session, call), id = id_text(id, call),
    })
  end

  -- Who got it by a grant, who was refused it, and who granted it to whom.
  function Artifact.audit(session, id, options)
    local call = "Artifact.audit"
    return engine.call("artifact.audit", {
      session = engine.session_or_current(session, call), id = id_text(id, call),
      options = engine.options(options, call),
    })
  end

  engine.provide_with_aliases("Artifact", Artifact)
end
