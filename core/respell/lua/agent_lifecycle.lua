-- The lifecycle of agents, with the states of rs-llmspell v0.6.0.
--
-- An agent can be asked as soon as it is made; one that is paused, has an error or was
-- terminated refuses. Each change is an event, `agent.state`, with its time.

return function(engine)
  local raw = engine.raw
  local type, ipairs = raw.type, raw.ipairs
  local format, concat = raw.string.format, raw.table.concat
  local agents = engine.agents
  local Instance, fail, type_of, state_of = agents.Instance, agents.fail, agents.type_of, agents.state_of

  local FROM = {
    initialize = { Uninitialized = "Ready" },
    start = { Uninitialized = "Running", Ready = "Running" },
    pause = { Uninitialized = "Paused", Ready = "Paused", Running = "Paused" },
    resume = { Paused = "Running" },
    stop = { Uninitialized = "Ready", Ready = "Ready", Running = "Ready", Paused = "Ready" },
    terminate = {
      Uninitialized = "Terminated", Ready = "Terminated", Running = "Terminated", Paused = "Terminated",
      Error = "Terminated",
    },
    setError = { Uninitialized = "Error", Ready = "Error", Running = "Error", Paused = "Error", Error = "Error" },
    recover = { Error = "Ready" },
  }

  local function life_of(state)
    if not state.life then state.life = { now = "Uninitialized", changes = {}, recoveries = 0 } end
    return state.life
  end

  local function known_calls(from)
    local calls = {}
    for _, call in ipairs { "initialize", "start", "pause", "resume", "stop", "terminate", "setError", "recover" } do
      if FROM[call][from] then calls[#calls + 1] = call end
    end
    return #calls > 0 and concat(calls, ", ") or "none"
  end

  local function change(agent, call, reason)
    local state = state_of(agent, "Agent." .. call)
    local life = life_of(state)
    local to = FROM[call][life.now]
    if not to then
      fail("Agent." .. call, "the agent %q is %s; what it can do now: %s", state.config.name, life.now,
        known_calls(life.now))
    end
    local args = { agent = state.config.name, from = life.now, to = to, reason = reason }
    local at = engine.record("agent.state", args, function() return engine.port.now() end)
    life.changes[#life.changes + 1] = { from = life.now, to = to, at = at, reason = reason }
    life.now = to
  end

  for _, call in ipairs { "initialize", "start", "pause", "resume", "stop", "terminate" } do
    Instance[call] = function(self) change(self, call) end
  end

  -- Marks it as having an error, for a reason of the script's: it refuses until it recovers.
  function Instance:setError(message)
    if type(message) ~= "string" or message == "" then
      fail("Agent.setError", "the message must be a string that is not empty, not %s", type_of(message))
    end
    change(self, "setError", message)
    local state = state_of(self, "Agent.setError")
    state.last_error = message
  end

  function Instance:recover()
    local life = life_of(state_of(self, "Agent.recover"))
    change(self, "recover")
    life.recoveries = life.recoveries + 1
  end

  function Instance:getAgentState() return life_of(state_of(self, "Agent.getAgentState")).now end

  -- Changes, oldest first: {from, to, at, reason}.
  function Instance:getStateHistory()
    local found = {}
    for i, it in ipairs(life_of(state_of(self, "Agent.getStateHistory")).changes) do
      found[i] = { from = it.from, to = it.to, at = engine.rfc3339(it.at), reason = it.reason }
    end
    return found
  end

  -- Of setError, or of the last request that failed; nil where there was none.
  function Instance:getLastError() return state_of(self, "Agent.getLastError").last_error end

  function Instance:getRecoveryAttempts()
    return life_of(state_of(self, "Agent.getRecoveryAttempts")).recoveries
  end

  -- How long it was in each state before the one it is in, in seconds.
  function Instance:getStateMetrics()
    local life = life_of(state_of(self, "Agent.getStateMetrics"))
    local seconds, errors = {}, 0
    for i, it in ipairs(life.changes) do
      if it.to == "Error" then errors = errors + 1 end
      local before = life.changes[i - 1]
      if before then seconds[it.from] = (seconds[it.from] or 0.0) + (it.at - before.at) / 1000000 end
    end
    return {
      current_state = life.now, transitions = #life.changes, seconds_in_state = seconds, errors = errors,
      recovery_attempts = life.recoveries,
    }
  end

  local REFUSES = {
    Paused = "is paused: agent:resume() lets it go on", Terminated = "was terminated, and can't be asked any more",
  }

  agents.checks[1] = function(state, call)
    local life = state.life
    if not life then return end
    if life.now == "Error" then
      fail(call, "the agent %q has an error (%s): agent:recover() lets it go on", state.config.name, state.last_error)
    elseif REFUSES[life.now] then
      fail(call, "the agent %q %s", state.config.name, REFUSES[life.now])
    end
  end

  agents.state_now = function(state) return state.life and state.life.now or "Uninitialized" end
end
