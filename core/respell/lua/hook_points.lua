-- The points that hooks can be registered for (respell/hooks/points.py has the same ones).

return function(engine)
  local raw = engine.raw
  local type, error, ipairs = raw.type, raw.error, raw.ipairs
  local format, gsub, lower, find, match = raw.string.format, raw.string.gsub, raw.string.lower,
    raw.string.find, raw.string.match
  local concat = raw.table.concat

  -- {name, when, other spellings …}: a point stands before what is performed, after it, at its
  -- error, or only tells of something.
  local POINTS = {
    { "ToolValidation", "tell", "tool:validation" },
    { "BeforeToolDiscovery", "before", "tool:before_discovery" },
    { "AfterToolDiscovery", "after", "tool:after_discovery" },
    { "BeforeToolExecution", "before", "tool:before_execution" },
    { "AfterToolExecution", "after", "tool:after_execution" },
    { "ToolError", "error", "tool:error" },
    { "BeforeAgentInit", "before", "agent:before_init" },
    { "AfterAgentInit", "after", "agent:after_init" },
    { "BeforeAgentExecution", "before", "agent:before_execution" },
    { "AfterAgentExecution", "after", "agent:after_execution" },
    { "AgentError", "error", "agent:error" },
    { "BeforeAgentShutdown", "before", "agent:before_shutdown" },
    { "AfterAgentShutdown", "after", "agent:after_shutdown" },
    { "BeforeWorkflowStart", "before", "workflow:before_start" },
    { "WorkflowStageTransition", "tell", "workflow:stage_transition" },
    { "BeforeWorkflowStage", "before", "workflow:before_stage" },
    { "AfterWorkflowStage", "after", "workflow:after_stage" },
    { "AfterWorkflowComplete", "after", "workflow:after_complete" },
    { "WorkflowError", "error", "workflow:error" },
    { "BeforeStateRead", "before", "state:before_read" },
    { "AfterStateRead", "after", "state:after_read" },
    { "BeforeStateWrite", "before", "state:before_write" },
    { "AfterStateWrite", "after", "state:after_write" },
    { "SessionStart", "before", "session:start", "session:create" },
    { "SessionCheckpoint", "before", "session:suspend", "session:checkpoint" },
    { "SessionRestore", "before", "session:resume", "session:restore" },
    { "SessionEnd", "before", "session:end", "session:complete" },
    { "SessionSave", "before", "session:save" },
    { "SessionArchive", "before", "session:archive" },
    { "SessionDelete", "before", "session:delete" },
    { "artifact:before_create", "before", "before_artifact_create", "BeforeArtifactCreate" },
    { "artifact:after_create", "after", "after_artifact_create", "AfterArtifactCreate" },
    { "artifact:accessed", "after", "artifact_accessed", "ArtifactAccessed" },
    { "artifact:before_delete", "before", "before_artifact_delete", "BeforeArtifactDelete" },
    { "artifact:after_delete", "after", "after_artifact_delete", "AfterArtifactDelete" },
    { "BeforeEventEmit", "before", "event:before_emit" },
    { "AfterEventEmit", "after", "event:after_emit" },
    { "ResourceLimitExceeded", "tell", "system:resource_limit_exceeded" },
    { "SecurityViolation", "tell", "system:security_violation" },
  }

  local function snake(name)
    if find(name, ":", 1, true) then return name end
    return (lower(gsub(gsub(name, "(%u)", "_%1"), "^_", "")))
  end

  local names, spellings, places = {}, {}, {}
  for i, one in ipairs(POINTS) do
    local name = one[1]
    names[i], places[name] = name, one[2]
    spellings[name], spellings[snake(name)] = name, name
    for n = 3, #one do spellings[one[n]] = name end
  end

  -- The point of that name, and where it stands.
  function engine.hook_point(name)
    local point = spellings[name]
    if point then return point, places[point] end
    if type(name) == "string" and match(name, "^custom:.") then return name, "before" end
    error(format("%shook point %s is not fired by anything here; there are %s, and custom:NAME for Hook.trigger",
      engine.where(), type(name) == "string" and format("%q", name) or "a " .. type(name),
      concat(names, ", ")), 0)
  end
end
