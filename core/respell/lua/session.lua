-- Session: durable sessions, and the ids by which scripts hold them.
--
-- An id is a plain string. Once a script has got one in its hands it is *known*, and a
-- known one also answers fields (each an effect, so that re-execution sees what was) and
-- methods. Until the first is known, strings are indexed as ever, at full speed.

return function(engine, env)
  local raw = engine.raw
  local type, error, next, select = raw.type, raw.error, raw.next, raw.select
  local rawget, setmetatable = raw.rawget, raw.setmetatable
  local format, gsub, lower = raw.string.format, raw.string.gsub, raw.string.lower
  local concat, sort = raw.table.concat, raw.table.sort
  local tostring = env.tostring

  local function fail(call, message, ...)
    error(engine.where() .. call .. ": " .. format(message, ...), 0)
  end

  local function type_of(value)
    return value == nil and "nil" or "a " .. type(value)
  end

  local function snake(name)
    return (gsub(name, "%u", function(letter) return "_" .. lower(letter) end))
  end

  -- Each name also answers to its snake_case form.
  local function with_aliases(t)
    local both = {}
    for name, f in next, t do both[name], both[snake(name)] = f, f end
    return both
  end

  engine.with_aliases = with_aliases

  -- Installs a global; its functions go by their own names, not by the aliases.
  function engine.provide_with_aliases(name, library)
    engine.provide(name, library)
    for key, f in next, with_aliases(library) do library[key] = f end
  end

  -- Which session an argument means: nil for the one that runs, else its id.
  local function session_id(value, call)
    local id = value
    if type(id) == "table" then id = rawget(id, "id") end
    if type(id) ~= "string" or id == "" then
      fail(call, "session must be an id or a session's record, not %s",
        id == "" and "an empty string" or type_of(value))
    end
    if id == engine.init.session_id then return nil end
    return id
  end

  -- The same, for the session that something is granted to.
  function engine.grantee(value, call)
    return session_id(value, call) or engine.init.session_id
  end

  -- The same, where nil and "" mean the current session.
  function engine.session_or_current(value, call)
    if value == nil or value == "" then return engine.current_session end
    return session_id(value, call)
  end

  -- A table of options, or nil. As arguments of an effect they are a table in any case.
  local function options(value, call)
    if value ~= nil and type(value) ~= "table" then
      fail(call, "options must be a table, not %s", type_of(value))
    end
    return value
  end
  engine.options = options

  -- Known ids ----------------------------------------------------------------------------

  local known = {}
  local methods = {}
  local fields = {
    name = true, description = true, status = true, tags = true, metadata = true,
    custom_metadata = true, parent_session_id = true, created_at = true, updated_at = true,
    ended_at = true, created_by = true, creator = true, forked_from = true, script = true,
    running = true, interrupted = true, events = true, artifacts = true, usage = true,
    limits = true, waiting_for = true, error = true,
  }

  local function answer(id, key)
    if key == "id" then return id end
    if methods[key] then return methods[key] end
    if fields[key] then
      return engine.call("session.get", { field = key, session = session_id(id) })
    end
  end

  local function index_strings()
    local meta = raw.getmetatable("")
    local plain = meta.__index
    if type(plain) == "function" then
      meta.__index = function(s, key)
        local value = plain(s, key)
        if value ~= nil or not known[s] then return value end
        return answer(s, key)
      end
    else
      meta.__index = function(s, key)
        local value = plain[key]
        if value ~= nil or not known[s] then return value end
        return answer(s, key)
      end
    end
  end

  local function know(id)
    if next(known) == nil then index_strings() end
    known[id] = true
    return id
  end
  engine.know_session = know

  -- Calls --------------------------------------------------------------------------------

  local Session = {}

  local function create(given)
    return know(engine.call("session.create", engine.encode(given, "Session.create")))
  end

  function Session.create(given)
    given = options(given, "Session.create") or {}
    if not engine.hooks.wanted("SessionStart") then return create(given) end
    given = engine.decode(engine.encode(given, "Session.create"))
    engine.call("session.check", { operation = "create", options = given })
    return engine.hooks.around {
      before = "SessionStart", kind = "session", name = given.name or "session", data = given, args = given,
      event = "session.create", perform = create,
    }
  end

  function Session.get(id)
    return engine.call("session.get", { session = session_id(id, "Session.get") })
  end

  function Session.load(id)
    return know(engine.call("session.load", { session = session_id(id, "Session.load") }))
  end

  function Session.list(filter)
    return engine.call("session.list", options(filter, "Session.list") or {})
  end

  function Session.getCurrent()
    return know(engine.current_session or engine.init.session_id)
  end

  -- nil makes it the running session again.
  function Session.setCurrent(id)
    if id ~= nil then
      id = session_id(id, "Session.setCurrent")
      if id ~= nil then
        engine.call("session.set_current", { session = id })
        know(id)
      end
    end
    engine.current_session = id
  end

  -- Lifecycle ----------------------------------------------------------------------------

  local function suspend_options(given)
    local args = {}
    local keys, n = engine.keys(given)
    for i = 1, n do
      if keys[i] ~= "prompt" and keys[i] ~= "schema" then
        fail("Session.suspend", "there is no option %s; there are prompt and schema", tostring(keys[i]))
      end
      args[keys[i]] = given[keys[i]]
    end
    if args.prompt ~= nil and type(args.prompt) ~= "string" then
      fail("Session.suspend", "prompt must be a string, not %s", type_of(args.prompt))
    elseif args.schema ~= nil and type(args.schema) ~= "table" then
      fail("Session.suspend", "schema must be a table (a JSON schema), not %s", type_of(args.schema))
    end
    return args
  end

  -- operation -> what performs it: (session, {value, reason, prompt, schema}, o) -> value.
  -- The session is nil for the running program.
  local operations = {
    save = function(id) engine.call("session.save", { session = id, told = true }) end,
    resume = function(id, given)
      engine.call("session.resume", engine.encode({ session = id, value = given.value }, "Session.resume"))
    end,
    archive = function(id) engine.call("session.archive", { session = id }) end,
    delete = function(id)
      engine.call("session.delete", { session = id })
      if id == engine.current_session then engine.current_session = nil end
    end,
    suspend = function(id, given, o)
      if id then return engine.call("session.suspend_other", { session = id }) end
      local args = engine.encode({ prompt = given.prompt, schema = given.schema }, "Session.suspend")
      if o then return engine.perform_inside(o, "session.suspend", args) end
      return engine.call("session.suspend", args)
    end,
    -- Of the running program: ends it here, as os.exit does.
    complete = function(id)
      if not id then return engine.exit(true, nil, true) end
      engine.call("session.complete", { session = id })
    end,
    fail = function(id, given)
      if not id then return engine.exit(false, given.reason, true) end
      engine.call("session.fail", { session = id, reason = given.reason })
    end,
  }
  local POINTS = {
    save = "SessionSave", resume = "SessionRestore", archive = "SessionArchive", delete = "SessionDelete",
    suspend = "SessionCheckpoint", complete = "SessionEnd", fail = "SessionEnd",
  }

  local function other_operation(id)
    return function(target)
      local perform = operations[target]
      if not perform then
        local known = engine.keys(operations)
        fail("Session", "a hook can't redirect to %q; there are %s", target, concat(known, ", "))
      end
      return function(data) return perform(id, data) end
    end
  end

  -- What hooks get of a session, with what the operation was given.
  local function told(record, given)
    local data = {
      session_id = record.id, session_status = record.status, name = record.name,
      description = record.description, tags = record.tags, metadata = record.metadata,
      created_at = record.created_at, updated_at = record.updated_at,
    }
    for key, value in next, given do data[key] = value end
    return data
  end

  -- Performs an operation with the hooks around it; what would be refused is, before them.
  local function operate(operation, id, given)
    local perform, point = operations[operation], POINTS[operation]
    if not engine.hooks.wanted(point) then return perform(id, given) end
    local asked = { operation = operation, session = id, value = given.value, reason = given.reason }
    local record = engine.call("session.check", asked)
    local event = "session." .. operation
    if operation == "suspend" and id then event = "session.suspend_other" end
    return engine.hooks.around {
      before = point, kind = "session", name = record.id, data = told(record, given), event = event,
      args = { session = id, prompt = given.prompt, schema = given.schema, reason = given.reason },
      perform = function(data, o) return perform(id, data, o) end, redirect = other_operation(id),
    }
  end

  -- The running program's return from being suspended.
  local function restored(value)
    if not engine.hooks.wanted("SessionRestore") then return value end
    local record = engine.call("session.get", {})
    return engine.hooks.around {
      before = "SessionRestore", kind = "session", name = record.id, data = told(record, { value = value }),
      args = { value = value }, event = "session.restore", perform = function(data) return data.value end,
    }
  end

  function Session.save(id)
    operate("save", session_id(id, "Session.save"), {})
  end

  -- () and {prompt, schema} suspend the program that runs, and return the value given at
  -- resume; so does its own id. Any other id suspends that session.
  function Session.suspend(...)
    local given, more = ...
    local asked, id = {}, nil
    if more ~= nil then
      fail("Session.suspend", "takes nothing, an id, or {prompt, schema}, and no second argument; "
        .. "the value is given with Session.resume")
    end
    if type(given) == "table" and rawget(given, "id") == nil then
      asked = suspend_options(given)
    elseif select("#", ...) > 0 then
      id = session_id(given, "Session.suspend")
    end
    local value = operate("suspend", id, asked)
    if id == nil then return restored(value) end
  end

  function Session.resume(id, value)
    operate("resume", session_id(id, "Session.resume"), { value = value })
  end

  function Session.complete(id)
    operate("complete", session_id(id, "Session.complete"), {})
  end

  function Session.fail(id, reason)
    id = session_id(id, "Session.fail")
    if reason ~= nil and type(reason) ~= "string" then
      fail("Session.fail", "reason must be a string, not %s", type_of(reason))
    end
    operate("fail", id, { reason = reason })
  end

  function Session.archive(id)
    operate("archive", session_id(id, "Session.archive"), {})
  end

  function Session.delete(id)
    operate("delete", session_id(id, "Session.delete"), {})
  end

  -- Tags, metadata, history --------------------------------------------------------------

  function Session.getTags(id)
    return engine.call("session.get", { session = session_id(id, "Session.getTags"), field = "tags" })
  end

  function Session.setTags(id, tags)
    engine.call("session.set_tags", { session = session_id(id, "Session.setTags"), tags = tags or {} })
  end

  function Session.addTag(id, tag)
    engine.call("session.add_tag", { session = session_id(id, "Session.addTag"), tag = tag })
  end

  function Session.removeTag(id, tag)
    return engine.call("session.remove_tag", { session = session_id(id, "Session.removeTag"), tag = tag })
  end

  function Session.updateMetadata(id, metadata)
    local call = "Session.updateMetadata"
    local args = { session = session_id(id, call), metadata = options(metadata, call) or {} }
    engine.call("session.update_metadata", engine.encode(args, call))
  end

  -- What is still buffered belongs to what they tell, so it is committed first.
  local function of_history(name, call, id, given)
    id = session_id(id, call)
    given = options(given, call)
    engine.call("session.save", {})
    return engine.call(name, { session = id, options = given })
  end

  function Session.getTimeline(id, given)
    return of_history("session.timeline", "Session.getTimeline", id, given)
  end

  -- An event, what caused it, what caused that, …: the line of the script is the last one's.
  function Session.getCauses(id, number)
    local call = "Session.getCauses"
    id = session_id(id, call)
    if type(number) ~= "number" then fail(call, "number must be that of an event, not %s", type_of(number)) end
    engine.call("session.save", {})
    return engine.call("session.causes", { session = id, number = number })
  end

  -- With {by = "hour" / "day" / "week", since, until} also bucket by bucket.
  function Session.stats(id, given)
    return of_history("session.stats", "Session.stats", id, given)
  end

  -- As arguments of an effect; a function is called once the replay has ended.
  function Session.replay(id, given)
    local call = "Session.replay"
    local plain, callback = nil, nil
    if options(given, call) then
      plain, callback = engine.replay_options(given), given.progress_callback
      plain.progress_callback = nil
      if callback ~= nil and type(callback) ~= "function" then
        fail(call, "progress_callback must be a function, not %s", type_of(callback))
      end
      plain = engine.decode(engine.encode(plain, call))
    end
    local result = of_history("session.replay", call, id, plain)
    if callback then callback(result.events_replayed, result.events_replayed) end
    return result
  end

  function Session.getReplayMetadata(id)
    return of_history("session.replay_metadata", "Session.getReplayMetadata", id)
  end

  function Session.diff(a, b)
    local call = "Session.diff"
    a, b = session_id(a, call), session_id(b, call)
    engine.call("session.save", {})
    return engine.call("session.diff", { a = a, b = b })
  end

  -- Another script and variables are checked first, which takes long; the fork itself is
  -- one transaction with its outcome.
  function Session.fork(id, given)
    local call = "Session.fork"
    id = session_id(id, call)
    given = options(given, call)
    local plain = {}
    if given then
      local keys, n = engine.keys(given)
      for i = 1, n do plain[keys[i]] = given[keys[i]] end
    end
    if plain.source ~= nil then fail(call, "there is no option source; script names the file") end
    engine.call("session.save", {})
    if plain.script ~= nil or plain.var ~= nil then
      local args = { session = id, options = {
        at = plain.at, script = plain.script, var = plain.var, outcome = plain.outcome,
      } }
      plain.source = engine.call("session.check_fork", engine.encode(args, call))
    end
    return know(engine.call("session.fork", engine.encode({ session = id, options = plain }, call)))
  end

  local function path_of(path, call)
    if type(path) ~= "string" then fail(call, "path must be a string, not %s", type_of(path)) end
    return path
  end

  function Session.export(id, path, given)
    local call = "Session.export"
    id, path, given = session_id(id, call), path_of(path, call), options(given, call)
    engine.call("session.save", {})
    return engine.call("session.export", { session = id, path = path, options = given })
  end

  function Session.import(path)
    return know(engine.call("session.import", { path = path_of(path, "Session.import") }))
  end

  function Session.canReplay(id)
    return engine.call("session.can_replay", { session = session_id(id, "Session.canReplay") })
  end

  function Session.listReplayable()
    local ids = engine.call("session.list_replayable", {})
    for i = 1, #ids do know(ids[i]) end
    return ids
  end

  -- Builder ------------------------------------------------------------------------------

  local Builder = {}

  local function builder_options(builder, call)
    local given = type(builder) == "table" and rawget(builder, "options")
    if type(given) ~= "table" then
      fail("Session.builder", "call its methods with a colon, as in builder:%s(…)", call)
    end
    return given
  end

  for method, option in next, {
    name = "name", description = "description", tags = "tags", parent = "parent",
    parent_session_id = "parent", maxDuration = "max_duration", maxIdleTime = "max_idle_time",
    limits = "limits", rate = "rate", createdBy = "created_by",
  } do
    Builder[method] = function(self, value)
      builder_options(self, method)[option] = value
      return self
    end
  end

  function Builder.tag(self, tag)
    local given = builder_options(self, "tag")
    given.tags = given.tags or {}
    given.tags[#given.tags + 1] = tag
    return self
  end

  local function put(self, method, option, key, value)
    local given = builder_options(self, method)
    if type(given[option]) ~= "table" then given[option] = {} end
    given[option][key] = value
    return self
  end

  -- metadata(table) or metadata(key, value)
  function Builder.metadata(self, key, value)
    if type(key) ~= "table" then return put(self, "metadata", "metadata", key, value) end
    local keys, n = engine.keys(key)
    for i = 1, n do put(self, "metadata", "metadata", keys[i], key[keys[i]]) end
    return self
  end

  function Builder.limit(self, name, value)
    return put(self, "limit", "limits", name, value)
  end

  function Builder.build(self)
    return Session.create(builder_options(self, "build"))
  end

  Builder = with_aliases(Builder)
  local names = {}
  for name in next, Builder do names[#names + 1] = name end
  sort(names)
  local builder_meta = {
    __index = function(_, name)
      if Builder[name] then return Builder[name] end
      fail("Session.builder", "it has no method %s; there are %s", tostring(name), concat(names, ", "))
    end,
  }

  function Session.builder()
    return setmetatable({ options = {} }, builder_meta)
  end

  engine.provide_with_aliases("Session", Session)
  for name, f in next, Session do methods[name] = f end
  for _, name in raw.ipairs {
    "create", "builder", "list", "getCurrent", "get_current", "listReplayable", "list_replayable",
    "import",
  } do
    methods[name] = nil
  end
end
