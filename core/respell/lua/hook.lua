-- Hooks: functions of the script that run around what it does.
--
-- Each call is an event of its own (`hook.call`) inside of what it surrounds, and what it
-- causes is inside of that. On re-execution the function runs again with the recorded
-- context, and its result is compared.

return function(engine)
  local raw = engine.raw
  local type, error, next, ipairs, setmetatable = raw.type, raw.error, raw.next, raw.ipairs, raw.setmetatable
  local format, sub, char = raw.string.format, raw.string.sub, raw.string.char
  local encode, decode, encode_string = engine.encode, engine.decode, engine.encode_string
  local registry = engine.hook_registry
  local wanted, Hook = registry.wanted, registry.Hook

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
      engine.output("log.warn", format("hook %s failed: %s%s", hook.name, result.reason, registry.failed(hook, at)))
    else
      registry.went_well(hook, result.type == "skipped", us)
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
    local list = registry.at(point)
    if not list then return end
    for i = 1, #list do
      local hook = list[i]
      if registry.runs(hook, chain.now) and not runs_already(hook) then
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

  -- For what takes outcomes apart: hooks of any language may have made something else of one.
  function H.check_outcome(fits, call, wanted, outcome)
    if fits then return end
    error(format("%s%s: hooks made its outcome %s; it must be %s", engine.where(), call,
      outcome == nil and "nil" or type(outcome) == "table" and "another table" or "a " .. type(outcome), wanted), 0)
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
      error(format("%sHook.trigger: the point must be custom:NAME, not %s", engine.where(),
        type(point) == "string" and format("%q", point) or point == nil and "nil" or "a " .. type(point)), 0)
    end
    return H.around {
      before = point, kind = "custom", name = sub(point, 8), data = data, event = "hook.trigger",
      args = { point = point, data = data }, perform = function(given) return given end,
    }
  end

  engine.provide_with_aliases("Hook", Hook)
  local methods = registry.Methods
  for name, f in next, engine.with_aliases(methods) do methods[name] = f end
end
