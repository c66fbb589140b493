-- How agents fare: executions counted, health, alerts at limits of the script's own.

return function(engine)
  local raw = engine.raw
  local type, next, ipairs, tostring = raw.type, raw.next, raw.ipairs, engine.tostring
  local format = raw.string.format
  local agents = engine.agents
  local Instance, fail, type_of, state_of, copy = agents.Instance, agents.fail, agents.type_of, agents.state_of,
    agents.copy

  local ERRORS_THAT_DEGRADE = 3

  local function counts_of(state)
    if not state.counts then state.counts = { total = 0, failed = 0, in_a_row = 0 } end
    return state.counts
  end

  local function share(part, whole)
    return whole > 0 and part / whole or 0.0
  end

  -- Health -------------------------------------------------------------------------------

  -- unhealthy: it has an error or was terminated. degraded: its last three executions failed.
  local function status_of(state)
    local now = agents.state_now(state)
    if now == "Error" or now == "Terminated" then return "unhealthy" end
    return counts_of(state).in_a_row >= ERRORS_THAT_DEGRADE and "degraded" or "healthy"
  end

  function Instance:getHealth()
    local state = state_of(self, "Agent.getHealth")
    local counts, status = counts_of(state), status_of(state)
    return {
      status = status, healthy = status == "healthy", state = agents.state_now(state), executions = counts.total,
      errors = counts.failed, errors_in_a_row = counts.in_a_row, error_rate = share(counts.failed, counts.total),
      last_error = state.last_error,
    }
  end

  function Instance:isHealthy() return status_of(state_of(self, "Agent.isHealthy")) == "healthy" end

  -- What its executions took. Times are in the history, as durations of events.
  function Instance:getPerformance()
    local state = state_of(self, "Agent.getPerformance")
    local counts, total = counts_of(state), state.total
    local executions = counts.total
    return {
      total_executions = executions, successful_executions = executions - counts.failed,
      failed_executions = counts.failed, success_rate = share(executions - counts.failed, executions),
      requests_per_execution = share(total.requests, executions),
      tokens_per_execution = share(total.input_tokens + total.output_tokens, executions),
      tool_calls_per_execution = share(state.tool_calls, executions),
      cost_usd_per_execution = total.cost_usd and share(total.cost_usd, executions) or nil,
    }
  end

  -- Of all agents that the script has.
  function Instance:getBridgeMetrics()
    state_of(self, "Agent.getBridgeMetrics")
    local found = {
      agents = 0, executions = 0, failed_executions = 0, requests = 0, input_tokens = 0, output_tokens = 0,
      tool_calls = 0, cost_usd = 0.0,
    }
    local seen = {}
    for _, name in ipairs(agents.in_order) do
      local agent = agents.by_name[name]
      if not seen[agent] then
        seen[agent] = true
        local state = agents.states[agent]
        local counts, total = counts_of(state), state.total
        found.agents = found.agents + 1
        found.executions, found.failed_executions = found.executions + counts.total, found.failed_executions + counts.failed
        found.tool_calls = found.tool_calls + state.tool_calls
        if not state.members then   -- what a composite spent is what its members did
          found.requests = found.requests + total.requests
          found.input_tokens = found.input_tokens + total.input_tokens
          found.output_tokens = found.output_tokens + total.output_tokens
          found.cost_usd = found.cost_usd + (total.cost_usd or 0.0)
        end
      end
    end
    return found
  end

  -- A line of the log: logEvent(type, message or fields).
  function Instance:logEvent(kind, message)
    local state = state_of(self, "Agent.logEvent")
    if type(kind) ~= "string" or kind == "" then
      fail("Agent.logEvent", "the event's type must be a string, not %s", type_of(kind))
    end
    local text = message
    if type(message) == "table" then text = engine.to_json_text(message) end
    engine.output("log.info", format("agent %s: %s%s", state.config.name, kind,
      text ~= nil and " " .. tostring(text) or ""))
  end

  -- Alerts -------------------------------------------------------------------------------

  local VALUE = {
    max_error_rate = function(state, counts) return share(counts.failed, counts.total) end,
    max_errors_in_a_row = function(_, counts) return counts.in_a_row end,
    max_requests = function(state) return state.total.requests end,
    max_tokens = function(state) return state.total.input_tokens + state.total.output_tokens end,
    max_cost_usd = function(state) return state.total.cost_usd or 0.0 end,
  }
  local NAMES = { "max_error_rate", "max_errors_in_a_row", "max_requests", "max_tokens", "max_cost_usd" }
  local OPTIONS = { on_alert = true }
  for _, name in ipairs(NAMES) do OPTIONS[name] = true end

  -- Limits after whose crossing an alert is listed, logged, and told to on_alert(alert).
  function Instance:configureAlerts(given)
    local call = "Agent.configureAlerts"
    local state = state_of(self, call)
    if type(given) ~= "table" then fail(call, "a table with limits is expected, not %s", type_of(given)) end
    local unknown = engine.unknown_key(given, OPTIONS)
    if unknown then
      fail(call, "there is no limit %s; there are %s, and on_alert", unknown, raw.table.concat(NAMES, ", "))
    end
    local limits = {}
    for _, name in ipairs(NAMES) do
      local value = given[name]
      if value ~= nil and (type(value) ~= "number" or not (value >= 0)) then
        fail(call, "%s must be a number of at least 0, not %s", name, type_of(value))
      end
      limits[name] = value
    end
    if given.on_alert ~= nil and type(given.on_alert) ~= "function" then
      fail(call, "on_alert must be a function, not %s", type_of(given.on_alert))
    end
    state.alerts = { limits = limits, on_alert = given.on_alert, crossed = {}, list = {} }
  end

  -- {name, limit, value, execution, message}, oldest first.
  function Instance:getAlerts()
    local state = state_of(self, "Agent.getAlerts")
    return copy(state.alerts and state.alerts.list or {})
  end

  local function check_alerts(state, counts)
    local alerts = state.alerts
    for _, name in ipairs(NAMES) do
      local limit = alerts.limits[name]
      local value = limit and VALUE[name](state, counts)
      local is_over = limit ~= nil and value > limit
      if is_over and not alerts.crossed[name] then
        local alert = {
          name = name, limit = limit, value = value, execution = counts.total,
          message = format("agent %s: %s is %s, above %s", state.config.name, name, tostring(value), tostring(limit)),
        }
        alerts.list[#alerts.list + 1] = alert
        engine.output("log.warn", alert.message)
        if alerts.on_alert then alerts.on_alert(copy(alert)) end
      end
      alerts.crossed[name] = is_over
    end
  end

  agents.watchers[1] = function(state, ok, failure)
    local counts = counts_of(state)
    counts.total = counts.total + 1
    if ok then
      counts.in_a_row = 0
    else
      counts.failed, counts.in_a_row = counts.failed + 1, counts.in_a_row + 1
      state.last_error = engine.error_text(failure)
    end
    if state.alerts then check_alerts(state, counts) end
  end
end
