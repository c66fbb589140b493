-- Making workflows, and carrying them out.
--
-- A workflow is made once and carried out as often as one likes. Each time is an event,
-- `workflow.KIND`, with the events of its steps inside (workflow_steps.lua; the four kinds
-- are in workflow_kinds.lua and workflow_parallel.lua).

return function(engine)
  local raw = engine.raw
  local type, error, ipairs, next, setmetatable = raw.type, raw.error, raw.ipairs, raw.next, raw.setmetatable
  local format, concat, floor = raw.string.format, raw.table.concat, raw.math.floor
  local workflow = engine.workflow
  local kinds, fail, type_of = workflow.kinds, workflow.fail, workflow.type_of

  local TYPES = { "sequential", "conditional", "loop", "parallel" }
  local COMMON = {
    "type", "name", "description", "error_strategy", "timeout_ms", "aggregation_strategy", "on_start", "on_complete",
    "on_error",
  }
  local AGGREGATIONS = { collect_all = true, collect_outputs = true, last_only = true, none = true }

  local states = setmetatable({}, { __mode = "k" })   -- instance -> what it is
  local Meta = { __name = "Workflow" }
  local last_number = 0

  workflow.TYPES, workflow.states, workflow.Meta = TYPES, states, Meta

  function workflow.is_instance(value) return type(value) == "table" and states[value] ~= nil end

  -- Making one -----------------------------------------------------------------------------

  local allowed = {}   -- kind -> option -> true
  for _, kind in ipairs(TYPES) do
    allowed[kind] = {}
    for _, name in ipairs(COMMON) do allowed[kind][name] = true end
    for _, name in ipairs(kinds[kind].options) do allowed[kind][name] = true end
  end

  local function check_options(kind, definition, call)
    if type(definition) ~= "table" or states[definition] then
      fail(call, "a table is expected, got %s", type(definition))
    end
    local unknown = engine.unknown_key(definition, allowed[kind])
    if unknown then
      fail(call, "unknown option %s; there are %s, %s", unknown, concat(kinds[kind].options, ", "),
        concat(COMMON, ", ", 2))
    end
    for _, name in ipairs { "name", "description" } do
      local value = definition[name]
      if value ~= nil and (type(value) ~= "string" or (name == "name" and value == "")) then
        fail(call, "%s must be a string that is not empty, not %s", name, type_of(value))
      end
    end
  end

  local CALLBACKS = { "on_start", "on_complete", "on_error", "on_iteration", "on_branch_complete" }

  local function callbacks_of(definition, call)
    local callbacks = {}
    for _, name in ipairs(CALLBACKS) do
      local fn = definition[name]
      if fn ~= nil and type(fn) ~= "function" then fail(call, "%s must be a function, not %s", name, type_of(fn)) end
      callbacks[name] = { fn }
    end
    return callbacks
  end

  -- An instance that no list has yet.
  function workflow.make(kind, definition, call)
    check_options(kind, definition, call)
    local aggregation = definition.aggregation_strategy
    if aggregation ~= nil and not AGGREGATIONS[aggregation] then
      fail(call, "aggregation_strategy must be collect_all, collect_outputs, last_only or none")
    end
    local state = {
      kind = kind, name = definition.name or kind, description = definition.description,
      timeout_s = workflow.seconds_of(definition.timeout_ms, call, "timeout_ms"),
      strategy = workflow.strategy_of(definition.error_strategy or kinds[kind].default_strategy or "fail_fast", call),
      aggregation = aggregation or "collect_all", callbacks = callbacks_of(definition, call),
      made = kinds[kind].read(definition, call),
      total = 0, succeeded = 0, failed = 0, seconds = 0.0,
    }
    last_number = last_number + 1
    state.id = format("workflow-%d", last_number)
    local instance = { type = kind, name = state.name, id = state.id, description = state.description }
    engine.identify(instance)
    states[instance] = state
    return setmetatable(instance, Meta)
  end

  -- Carrying one out -----------------------------------------------------------------------

  function workflow.debug(run, message, ...)
    if workflow.debugs then engine.output("log.debug", format("workflow %s: " .. message, run.state.name, ...)) end
  end

  -- Calls the functions that want to know of something.
  function workflow.told(run, what, ...)
    for _, fn in ipairs(run.state.callbacks[what] or {}) do fn(...) end
  end

  function workflow.transition(run, from, to)
    workflow.debug(run, "%s is done, %s comes next", from, to)
    local name = run.state.name
    engine.hooks.fire("WorkflowStageTransition", "workflow", name, { workflow = name, from_stage = from, to_stage = to })
  end

  local function new_run(state, input)
    return {
      state = state, input = input, previous = input, previous_output = nil, steps = {}, entries = {}, data = {}, failed = 0,
      strategy = state.strategy, is_timed = state.timeout_s ~= nil,
    }
  end

  -- A branch's part of a run: what was done before it is there, what it does is its own.
  function workflow.inner_run(run, branch)
    local inner = new_run(run.state, run.input)
    for name, entry in next, run.steps do inner.steps[name] = entry end
    inner.data, inner.previous, inner.loop, inner.is_timed = run.data, nil, run.loop, run.is_timed
    local given = run.strategy
    inner.strategy = branch.strategy or {
      kind = "fail_fast", attempts = given.attempts, backoff_s = given.backoff_s, exponential = given.exponential,
    }
    return inner
  end

  local function scalar(value)
    if type(value) == "table" then
      local ok, text = engine.pcall(engine.to_json_text, value)
      return ok and text or engine.tostring(value)
    end
    return value
  end

  local function aggregated(state, entries)
    if state.aggregation == "none" then return {} end
    if state.aggregation == "last_only" then return { entries[#entries] } end
    if state.aggregation == "collect_all" then return entries end
    local outputs = {}
    for i, entry in ipairs(entries) do outputs[i] = entry.output end
    return outputs
  end

  -- `data` has what each step or branch came to by its name, and v0.6.0's own fields where
  -- no step has their name.
  local function data_of(kind, run, entries, output)
    local data = {}
    for _, entry in ipairs(entries) do
      if entry.success then data[entry.name] = entry.result end
    end
    for name, value in next, kind.data(run) do
      if data[name] == nil then data[name] = value end
    end
    if data.final_output == nil then data.final_output = scalar(output) end
    return data
  end

  local function result_of(run, seconds)
    local state = run.state
    local kind = kinds[state.kind]
    if kind.finish then kind.finish(run) end
    local entries = kind.entries and kind.entries(run) or run.entries
    local output = kind.output(run)
    local result = {
      success = run.error == nil, error = run.error, timed_out = run.timed_out or nil, output = output,
      workflow = state.name, workflow_id = state.id, type = state.kind, steps = run.entries,
      data = data_of(kind, run, entries, output), results = aggregated(state, entries),
      steps_executed = #run.entries, steps_failed = run.failed, duration_ms = seconds * 1000,
    }
    if state.kind == "parallel" then result.branches = entries end
    if state.kind == "loop" then result.iterations, result.break_reason = entries, run.break_reason end
    return result
  end

  local function time_over(run)
    local state = run.state
    run.timed_out = true
    run.error = format("the workflow %s timed out after %d ms", state.name, floor(state.timeout_s * 1000))
    if run.current then
      run.failed = run.failed + 1
      run.entries[#run.entries + 1] = {
        name = run.current, success = false, timed_out = true, error = "left: the time was over",
      }
    end
  end

  local function go(run, o)
    local state = run.state
    run.ordinal = o
    local function body() return kinds[state.kind].go(run, state.made) end
    local ok, value, is_late
    if state.timeout_s then
      local results
      -- The branches of a parallel one are ended inside of this event, too.
      results, is_late = engine.parallel({ body }, 1, o, state.timeout_s)
      ok, value = results[1].ok, results[1].value
    else
      ok, value = engine.pcall(body)
    end
    if is_late then
      time_over(run)
    elseif not ok then
      run.error = engine.error_text(value)
    end
  end

  local function count(state, result, seconds, started)
    state.total, state.seconds, state.last_at = state.total + 1, state.seconds + seconds, started
    if result.success then state.succeeded = state.succeeded + 1 else state.failed = state.failed + 1 end
  end

  local function tell_of_error(run, result)
    local info = { workflow = run.state.name, workflow_id = run.state.id, type = run.state.kind, result = result }
    local own = run.state.callbacks.on_error
    for _, fn in ipairs(own) do fn(result.error, info) end
    if #own == 0 and workflow.default_handler then workflow.default_handler(result.error, info) end
  end

  local function carry_out(state, run, o, started)
    workflow.told(run, "on_start", run.input)
    go(run, o)
    local seconds = engine.record("workflow.duration", { workflow = state.name }, function()
      return raw.math.max(engine.port.now() - started, 0) / 1000000
    end)
    local result = result_of(run, seconds)
    count(state, result, seconds, started)
    if not result.success then tell_of_error(run, result) end
    workflow.told(run, "on_complete", result)
    return result
  end

  local function as_event(state, input, outer)
    local run = new_run(state, input)
    if outer then run.data, run.loop = outer.data, outer.loop end
    local args = { name = state.name, id = state.id }
    if state.kind == "parallel" then
      args.branches = {}
      for i, branch in ipairs(state.made.branches) do args.branches[i] = branch.name end
    end
    local result
    engine.span("workflow." .. state.kind, args, function(o, started)
      result = carry_out(state, run, o, started)
      return { success = result.success, error = result.error, timed_out = result.timed_out }
    end, engine.port.now)
    return result
  end

  -- With hooks a failure has to be raised for those at WorkflowError; it is a result again
  -- where they leave it one.
  local function with_hooks(state, input, outer)
    local result
    local ok, outcome = engine.pcall(engine.hooks.around, {
      before = "BeforeWorkflowStart", after = "AfterWorkflowComplete", error = "WorkflowError", kind = "workflow",
      name = state.name, event = "workflow." .. state.kind,
      data = { workflow = state.name, workflow_type = state.kind, input = input },
      perform = function(data)
        result = as_event(state, data.input, outer)
        if not result.success then error(result.error, 0) end
        return result
      end,
    })
    if ok then return outcome end
    if result and not result.success and outcome == result.error then return result end
    error(outcome, 0)
  end

  local function execute(instance, input, outer)
    local state = states[instance]
    if engine.hooks.wanted("BeforeWorkflowStart", "AfterWorkflowComplete", "WorkflowError") then
      return with_hooks(state, input, outer)
    end
    return as_event(state, input, outer)
  end

  -- Carries out; `outer` is the run that it is a step of.
  workflow.execute = execute
end
