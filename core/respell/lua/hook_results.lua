-- What a hook may return, where it may, and what of it needs more than the chain itself:
-- operations beside the effect, and outcomes that are kept.

return function(engine, env)
  local raw = engine.raw
  local type, error, next, ipairs = raw.type, raw.error, raw.next, raw.ipairs
  local format, concat = raw.string.format, raw.table.concat
  local tointeger = raw.math.tointeger
  local encode, decode = engine.encode, engine.decode

  local DELAY_MS, ATTEMPTS, TTL_S = 1000, 3, 300
  local MOST_DELAY_MS, MOST_ATTEMPTS = 86400000, 1000
  local MOST_ENTRIES, MOST_BYTES = 1000, 16 * 1024 * 1024
  local CONTINUE = { type = "continue" }

  local function fail(message, ...) error(format(message, ...), 0) end

  local function type_of(value)
    return value == nil and "nothing" or "a " .. type(value)
  end

  local function number(value, name, default, least, most)
    if value == nil then return default end
    if type(value) ~= "number" or not (value >= least and value <= most) then
      fail("%s must be a number from %d to %d, not %s", name, least, most,
        type(value) == "number" and value or type_of(value))
    end
    return value
  end

  local function text(value, name)
    if type(value) ~= "string" or value == "" then
      fail("%s must be a text, not %s", name, value == "" and "an empty one" or type_of(value))
    end
    return value
  end

  local function reason_of(result)
    local reason = result.reason
    return reason ~= nil and engine.error_text(reason) or nil
  end

  -- Operations of a fork -------------------------------------------------------------------

  -- The key that says what an operation is -> {the others it may have, what performs it}.
  local OPERATION_KINDS = { "agent", "artifact", "event", "state", "tool" }
  local OPERATIONS = {
    tool = { { params = "table" }, function(op) env.Tool.invoke(op.tool, op.params or {}) end },
    agent = { { prompt = "string" }, function(op)
      local agent = env.Agent.get(op.agent)
      if not agent then fail("there is no agent %q", op.agent) end
      agent:execute(op.prompt or "")
    end },
    event = { { data = true }, function(op) env.Event.publish(op.event, op.data) end },
    state = { { scope = "string", value = true }, function(op)
      if op.scope then env.State.set(op.scope, op.state, op.value) else env.State.set(op.state, op.value) end
    end },
    artifact = { { content = true, type = "string", tags = "table" }, function(op)
      if not env.Artifact then fail("there are no artifacts here") end
      env.Artifact.store(nil, op.artifact, op.content, { type = op.type, tags = op.tags })
    end },
  }

  local function kind_of_operation(op)
    for _, kind in ipairs(type(op) == "table" and OPERATION_KINDS or {}) do
      if op[kind] ~= nil then return kind end
    end
    fail("each operation of a fork is a table with one of %s", concat(OPERATION_KINDS, ", "))
  end

  local function operations_of(list)
    if type(list) ~= "table" or #list == 0 then
      fail("operations must be a list of at least one, not %s",
        type(list) == "table" and "an empty one" or type_of(list))
    end
    for _, op in ipairs(list) do
      local kind = kind_of_operation(op)
      text(op[kind], kind)
      local others = OPERATIONS[kind][1]
      for _, key in ipairs((engine.keys(op))) do
        local wanted = others[key]
        if key ~= kind and not wanted then
          fail("an operation with %s can't have %s", kind, engine.tostring(key))
        elseif type(wanted) == "string" and type(op[key]) ~= wanted then
          fail("%s of an operation must be a %s, not %s", key, wanted, type_of(op[key]))
        end
      end
    end
    return decode(encode(list, "hook operations"))
  end

  -- Performs the operations; each is an event of its own, and failing it harms no other.
  function engine.hook_operations(hook, operations)
    for _, op in ipairs(operations) do
      local kind = kind_of_operation(op)
      local ok, message = engine.pcall(OPERATIONS[kind][2], op)
      if not ok then
        engine.output("log.warn", format("%s %s, forked by hook %s, failed: %s", kind, op[kind], hook.name,
          engine.error_text(message)))
      end
    end
  end

  -- Kept outcomes --------------------------------------------------------------------------

  local kept, oldest, newest, entries, bytes = {}, 1, 0, 0, 0   -- key -> {bytes, expires, place}
  local in_order = {}                                           -- place -> key

  local function drop(key)
    local entry = kept[key]
    kept[key], in_order[entry.place] = nil, nil
    entries, bytes = entries - 1, bytes - #entry.outcome
  end

  local function make_room()
    while oldest <= newest and (entries > MOST_ENTRIES or bytes > MOST_BYTES) do
      if in_order[oldest] then drop(in_order[oldest]) end
      oldest = oldest + 1
    end
  end

  -- `now` in microseconds, as it was recorded. The oldest go when there are too many.
  function engine.keep_outcome(key, outcome, now, ttl)
    outcome = encode(outcome, "outcome")
    if kept[key] then drop(key) end
    if #outcome > MOST_BYTES then return end
    newest = newest + 1
    kept[key] = { outcome = outcome, expires = now + ttl * 1000000, place = newest }
    in_order[newest] = key
    entries, bytes = entries + 1, bytes + #outcome
    make_room()
  end

  -- Whether an outcome is kept under that key, and a copy of it.
  function engine.kept_outcome(key, now)
    local entry = kept[key]
    if not entry then return false end
    if now >= entry.expires then
      drop(key)
      return false
    end
    return true, decode(entry.outcome)
  end

  -- Results --------------------------------------------------------------------------------

  local EVERYWHERE = { before = true, after = true, error = true, tell = true }
  local AROUND = { before = true, after = true, error = true }

  -- kind -> {where it may be returned, what makes it complete}
  local KINDS = {
    continue = { EVERYWHERE, function() return {} end },
    skipped = { EVERYWHERE, function(r) return { reason = reason_of(r) } end },
    modified = { AROUND, function(r)
      if r.data == nil then fail("a modified result needs data") end
      return { data = r.data }
    end },
    replace = { AROUND, function(r) return { data = r.data } end },
    cancel = { AROUND, function(r) return { reason = reason_of(r) or "no reason given" } end },
    redirect = { { before = true }, function(r) return { target = text(r.target, "target") } end },
    retry = { AROUND, function(r)
      local attempts = number(r.max_attempts, "max_attempts", ATTEMPTS, 1, MOST_ATTEMPTS)
      return {
        delay_ms = number(r.delay_ms, "delay_ms", DELAY_MS, 0, MOST_DELAY_MS),
        max_attempts = tointeger(attempts) or fail("max_attempts must be a whole number"),
      }
    end },
    fork = { EVERYWHERE, function(r) return { operations = operations_of(r.operations) } end },
    cache = { { before = true, after = true }, function(r)
      return { key = text(r.key, "key"), ttl = number(r.ttl, "ttl", TTL_S, 0, 1e9) }
    end },
  }

  local PLACE_NAMES = {
    before = "before what is performed", after = "after what was performed", error = "at an error",
    tell = "at a point that only tells of something",
  }

  local function known_kinds(place)
    local kinds = {}
    for kind, known in next, KINDS do
      if known[1][place] then kinds[#kinds + 1] = kind end
    end
    raw.table.sort(kinds)
    return concat(kinds, ", ")
  end

  -- The complete form of what a hook returned at a point that stands at `place`.
  function engine.hook_result(result, place)
    if result == nil or result == "continue" then return CONTINUE end
    if result == "skip" or result == "skipped" then return { type = "skipped" } end
    if type(result) == "string" then result = { type = "cancel", reason = result } end
    if type(result) ~= "table" then
      fail("a hook must return nothing, a string or a table, not a %s", type(result))
    end
    local kind = result.type
    if kind == nil then kind = result.action end
    if kind == "skip" then kind = "skipped" end
    local known = KINDS[kind]
    if not known then
      fail("a hook can't return the result %s; it can return %s", engine.tostring(kind), known_kinds(place))
    elseif not known[1][place] then
      fail("a hook can't return %s %s; it can return %s", kind, PLACE_NAMES[place], known_kinds(place))
    end
    local complete = known[2](result)
    complete.type = kind
    return complete
  end
end
