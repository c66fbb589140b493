-- The points that hooks can be registered for, and what they are also called.

return function(engine)
  local raw = engine.raw
  local type, error, ipairs = raw.type, raw.error, raw.ipairs
  local format, gsub, lower, match = raw.string.format, raw.string.gsub, raw.string.lower, raw.string.match
  local concat = raw.table.concat

  -- Where a point stands: before what is performed, after it, at its error, or beside it.
  local PLACES = {
    before = [[ BeforeToolDiscovery ToolValidation BeforeToolExecution BeforeAgentInit BeforeAgentExecution
      BeforeAgentShutdown BeforeWorkflowStart BeforeWorkflowStage BeforeStateRead BeforeStateWrite
      SessionCheckpoint SessionEnd SessionSave BeforeEventEmit artifact:before_create artifact:before_delete
      artifact:before_validate ]],
    after = [[ AfterToolDiscovery AfterToolExecution AfterAgentInit AfterAgentExecution AfterAgentShutdown
      AfterWorkflowComplete AfterWorkflowStage AfterStateRead AfterStateWrite SessionStart SessionRestore
      AfterEventEmit artifact:after_create artifact:derived artifact:accessed artifact:after_delete
      artifact:after_validate ]],
    error = " ToolError AgentError WorkflowError ",
    beside = " WorkflowStageTransition artifact:validation_failed SecurityViolation ResourceLimitExceeded ",
  }

  local SHORT = {
    SessionStart = "session:start", SessionEnd = "session:end", SessionCheckpoint = "session:suspend",
    SessionRestore = "session:resume", SessionSave = "session:save",
  }

  local function snake(name)
    return (lower(gsub(gsub(name, "(%u)", "_%1"), "^_", "")))
  end

  -- BeforeToolExecution: tool:before_execution; ToolError: tool:error.
  local function short(name)
    if SHORT[name] then return SHORT[name] end
    for _, family in ipairs { "Tool", "Agent", "Workflow", "State", "Event" } do
      local at, rest = match(name, "^(%l*%u?%l*)" .. family .. "(%u%a*)$")
      if at == "Before" or at == "After" or at == "" then
        return lower(family) .. ":" .. snake(at .. rest)
      end
    end
  end

  local spellings, places, names = {}, {}, {}
  for place, list in raw.next, PLACES do
    for name in raw.string.gmatch(list, "%S+") do
      names[#names + 1] = name
      places[name] = place
      spellings[name], spellings[snake(name)] = name, name
      local other = short(name)
      if other then spellings[other] = name end
    end
  end
  raw.table.sort(names)

  engine.hook_points = { names = names, places = places, spellings = spellings }

  -- The point of that name, and where it stands.
  function engine.hook_point(name)
    local point = spellings[name]
    if point then return point, places[point] end
    if type(name) == "string" and match(name, "^custom:.") then return name, "before" end
    error(format("%shook point %s is not fired by anything; there are %s, and custom:NAME for Hook.trigger",
      engine.where(), type(name) == "string" and format("%q", name) or "a " .. type(name),
      concat(names, ", ")), 0)
  end
end
