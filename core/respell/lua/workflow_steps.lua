-- The steps of workflows: tools, agents, functions and other workflows.
--
-- A step is one event, `workflow.step`; what it does is inside of it. `workflow.step_of` reads
-- a step as the script wrote it, `workflow.do_step` does one.

return function(engine, env)
  local raw = engine.raw
  local type, error, ipairs, next, setmetatable = raw.type, raw.error, raw.ipairs, raw.next, raw.setmetatable
  local format = raw.string.format
  local floor = raw.math.floor
  local workflow = engine.workflow
  local fail, type_of, fill, context = workflow.fail, workflow.type_of, workflow.fill, workflow.context

  local MOST_MS = 100 * 365 * 86400 * 1000
  local MOST_ATTEMPTS = 1000
  local DEFAULT_ATTEMPTS, DEFAULT_BACKOFF_MS, MOST_BACKOFF_S = 3, 1000, 3600

  local KINDS = { sequential = true, conditional = true, loop = true, parallel = true }
  workflow.KINDS = KINDS

  local OPTIONS = {}
  for _, name in ipairs {
    "name", "description", "type", "tool", "agent", "workflow", "fn", "func", "function", "execute", "input",
    "parameters", "timeout_ms", "retry_attempts", "retry_count", "error_strategy", "on_error", "required",
  } do
    OPTIONS[name] = true
  end

  -- Times and strategies -------------------------------------------------------------------

  -- Milliseconds as seconds; nil stays nil.
  function workflow.seconds_of(ms, call, what)
    if ms == nil then return nil end
    if type(ms) ~= "number" or not (ms > 0 and ms <= MOST_MS) then
      fail(call, "%s must be a number of milliseconds above 0, not %s", what,
        type(ms) == "number" and engine.tostring(ms) or type_of(ms))
    end
    return ms / 1000
  end

  local function count_of(value, call, what, least)
    if raw.math.type(value) ~= "integer" or value < least or value > MOST_ATTEMPTS then
      fail(call, "%s must be an integer from %d to %d", what, least, MOST_ATTEMPTS)
    end
    return value
  end

  local STRATEGIES = {
    fail_fast = "fail_fast", fail = "fail_fast", stop = "fail_fast", continue = "continue", retry = "retry",
  }
  local STRATEGY_OPTIONS = {
    type = true, max_attempts = true, backoff_ms = true, exponential = true, on_exhausted = true,
  }

  -- {kind = "fail_fast" or "continue", attempts, backoff_s, exponential}; nil stays nil.
  function workflow.strategy_of(given, call)
    if given == nil then return nil end
    local it = given
    if type(it) == "string" then it = { type = it } end
    local kind = type(it) == "table" and STRATEGIES[it.type]
    if not kind then
      fail(call, "error_strategy must be fail_fast (or fail, stop), continue, retry, or {type = \"retry\", max_attempts, "
        .. "backoff_ms, exponential, on_exhausted}, not %s",
        type(given) == "string" and format("%q", given) or type_of(given))
    end
    local unknown = engine.unknown_key(it, STRATEGY_OPTIONS)
    if unknown then
      fail(call, "error_strategy has no option %s; there are type, max_attempts, backoff_ms, exponential, on_exhausted",
        unknown)
    end
    if kind ~= "retry" then return { kind = kind, attempts = 1 } end
    local after = STRATEGIES[it.on_exhausted or "fail"]
    if not after or after == "retry" then fail(call, "on_exhausted must be fail or continue") end
    local backoff_ms = it.backoff_ms
    if backoff_ms == nil then backoff_ms = DEFAULT_BACKOFF_MS end
    return {
      kind = after, attempts = count_of(it.max_attempts or DEFAULT_ATTEMPTS, call, "max_attempts", 1),
      backoff_s = backoff_ms == 0 and 0 or workflow.seconds_of(backoff_ms, call, "backoff_ms"),
      exponential = it.exponential ~= false,
    }
  end

  -- What a step does -----------------------------------------------------------------------

  -- A step's input: placeholders filled, or what a function makes of the step before.
  local function input_of(run, step)
    local given = step.input
    if type(given) == "function" then return given(run.previous, context(run, { step = step.name })) end
    return fill(run, given)
  end

  local function do_tool(run, step)
    local params = input_of(run, step)
    if params == nil then params = {} end
    return env.Tool.invoke(step.tool, params)
  end

  -- For conditions: what a tool came to.
  function workflow.tool_output(it, run)
    return workflow.output_of("tool", env.Tool.invoke(it.tool, fill(run, it.input or it.parameters or {})))
  end

  -- What a step without input gets: the output of the one before, or what the workflow got.
  local function handed_on(run)
    if run.previous_output ~= nil then return run.previous_output end
    return run.input
  end

  local function as_prompt(value)
    if type(value) ~= "table" then return value end
    if value.prompt ~= nil then return value end
    if value.text ~= nil then return value.text end
    return engine.to_json_text(value)
  end

  local function do_agent(run, step)
    local agent = step.agent
    if type(agent) == "string" then
      agent = env.Agent.get(agent)
      if not agent then error(format("there is no agent named %q", step.agent), 0) end
    end
    local prompt = input_of(run, step)
    if prompt == nil then
      prompt = handed_on(run)
      if type(prompt) == "number" then prompt = engine.tostring(prompt) end
    end
    return agent:execute(as_prompt(prompt))
  end

  local function do_function(run, step, attempt)
    local f = step.fn
    if type(f) == "string" then
      f = env[f]
      if type(f) ~= "function" then error(format("there is no global function named %q", step.fn), 0) end
    end
    local seen = context(run, { step = step.name, attempt = attempt, parameters = fill(run, step.input) })
    if step.takes_context then return f(seen) end
    return f(run.previous, seen)
  end

  local function do_workflow(run, step)
    local inner = step.workflow
    if type(inner) == "string" then
      inner = env.Workflow.get(inner)
      if not inner then error(format("there is no workflow named %q", step.workflow), 0) end
    end
    local given = input_of(run, step)
    if given == nil then given = handed_on(run) end
    return workflow.execute(inner, given, run)
  end

  local DO = { tool = do_tool, agent = do_agent, ["function"] = do_function, workflow = do_workflow }

  -- What tools give among other things is what was asked for.
  local PLAIN = { "result", "output", "rendered", "hash", "uuid", "diff", "datetime", "converted" }

  local function plain(result)
    if type(result) ~= "table" then return result end
    for _, field in ipairs(PLAIN) do
      if result[field] ~= nil then return result[field] end
    end
    return result
  end

  -- What other steps read of a result, and what ended it badly: nil, or a text.
  function workflow.output_of(kind, value)
    if type(value) ~= "table" then return value end
    if kind == "tool" then
      if value.result == nil then return value.text end
      return plain(value.result)
    elseif kind == "agent" then
      return value.text
    elseif kind == "workflow" or (type(value.success) == "boolean" and value.output ~= nil) then
      return value.output
    end
    return value
  end

  local function failure_of(kind, value)
    if type(value) ~= "table" or value.success ~= false then return nil end
    if kind == "function" and value.error == nil and value.output == nil then return nil end
    return engine.error_text(value.error or value.text or "it did not succeed")
  end

  -- Reading a step -------------------------------------------------------------------------

  local function named(value) return type(value) == "string" and value ~= "" end

  local function kind_of(step, call, where)
    local kind = step.type
    if kind == "custom" then kind = "function" end
    if KINDS[kind] then
      return "workflow"
    elseif kind ~= nil then
      if DO[kind] then return kind end
      fail(call, "%s has the type %s; there are tool, agent, function (or custom), workflow", where,
        engine.tostring(kind))
    end
    if step.tool ~= nil then return "tool" end
    if step.agent ~= nil then return "agent" end
    if step.workflow ~= nil then return "workflow" end
    if step.fn ~= nil or step.func ~= nil or step["function"] ~= nil or step.execute ~= nil then return "function" end
    fail(call, "%s must be a function, a workflow, or a table with tool, agent, fn or workflow", where)
  end

  local READ = {}

  function READ.tool(it, step, call, where)
    local tool = step.tool
    if type(tool) == "table" then tool = tool.name end
    if not named(tool) then fail(call, "%s must name its tool, as in {tool = \"calculator\"}", where) end
    it.tool = tool
  end

  function READ.agent(it, step, call, where)
    if not named(step.agent) and type(step.agent) ~= "table" then
      fail(call, "%s must have an agent or its name", where)
    end
    it.agent = step.agent
  end

  READ["function"] = function(it, step, call, where)
    it.fn = step.fn or step.func or step["function"] or step.execute
    it.takes_context = step.execute ~= nil and it.fn == step.execute
    if type(it.fn) ~= "function" and not named(it.fn) then
      fail(call, "%s needs a function: fn = function(previous, context) … end", where)
    end
  end

  function READ.workflow(it, step, call, where)
    local inner = step.workflow
    if inner == nil and KINDS[step.type] then
      local definition = {}
      for key, value in next, step do
        if key ~= "input" and key ~= "on_error" and key ~= "required" then definition[key] = value end
      end
      inner = definition
    end
    if type(inner) == "table" and not workflow.is_instance(inner) then
      if not KINDS[inner.type] then
        fail(call, "%s has a workflow without type; there are sequential, conditional, loop, parallel", where)
      end
      inner = workflow.make(inner.type, inner, call)
    end
    if not named(inner) and not workflow.is_instance(inner) then
      fail(call, "%s must have a workflow, its name or its definition", where)
    end
    it.workflow = inner
  end

  local function written_out(step, index)
    if type(step) == "function" then return { name = format("step_%d", index), type = "function", fn = step } end
    if workflow.is_instance(step) then return { name = step.name, type = "workflow", workflow = step } end
    return step
  end

  -- Reads a step; `where` names it in errors.
  function workflow.step_of(given, index, call, where)
    local step = written_out(given, index)
    where = format("%s %d", where or "step", index)
    if type(step) ~= "table" then
      fail(call, "%s must be a function, a workflow or a table, not %s", where, type_of(given))
    end
    local kind = kind_of(step, call, where)
    local is_definition = kind == "workflow" and step.workflow == nil
    local unknown = not is_definition and engine.unknown_key(step, OPTIONS)
    if unknown then
      fail(call, "%s has no option %s; there are name, type, tool, agent, workflow, fn, input, timeout_ms, "
        .. "retry_attempts, error_strategy, on_error, required", where, unknown)
    end
    local name = step.name
    if name == nil then name = format("step_%d", index) end
    if not named(name) then fail(call, "%s: name must be a string that is not empty", where) end
    local input = step.input
    if input == nil then input = step.parameters end
    local it = { name = name, kind = kind, input = input, required = step.required ~= false }
    READ[kind](it, step, call, where)
    if is_definition then return it end   -- times and strategies are the inner workflow's
    it.timeout_s = workflow.seconds_of(step.timeout_ms, call, where .. ": timeout_ms")
    it.strategy = workflow.strategy_of(step.error_strategy, call)
    local again = step.retry_attempts
    if again == nil then again = step.retry_count end
    if again ~= nil then it.attempts = 1 + count_of(again, call, where .. ": retry_attempts", 0) end
    it.on_error = step.on_error
    if it.on_error ~= nil and type(it.on_error) ~= "function" then
      fail(call, "%s: on_error must be a function, not %s", where, type_of(it.on_error))
    end
    return it
  end

  -- One step, or a list of them, or an entire workflow in their place.
  function workflow.steps_of(given, call, what)
    if type(given) == "function" or workflow.is_instance(given) then given = { given } end
    if type(given) == "table" and #given == 0 and next(given) ~= nil then given = { given } end
    if type(given) ~= "table" or #given == 0 then
      fail(call, "%s must be a list of at least one step", what)
    end
    local steps = {}
    for i = 1, #given do steps[i] = workflow.step_of(given[i], i, call) end
    return steps
  end

  -- Doing a step ---------------------------------------------------------------------------

  -- Within the step's time: {ok, value}, and whether it was over. What is left of an attempt
  -- is given up when its event ends, before the next one.
  local function within_time(run, step, attempt)
    local result, is_late
    local args = { workflow = run.state.name, step = step.name, attempt = attempt }
    engine.span("workflow.attempt", args, function(o)
      local results
      results, is_late = engine.parallel({ function() return DO[step.kind](run, step, attempt) end }, 1, o,
        step.timeout_s)
      result = results[1]
      return { timed_out = is_late }
    end)
    return result, is_late
  end

  local function tried(run, step, attempt)
    local result, is_late
    if step.timeout_s then
      result, is_late = within_time(run, step, attempt)
      if is_late then
        return { error = format("timed out after %d ms", floor(step.timeout_s * 1000)), timed_out = true }
      end
    else
      local ok, value = engine.pcall(DO[step.kind], run, step, attempt)
      result = { ok = ok, value = value }
    end
    if not result.ok then return { error = engine.error_text(result.value) } end
    return {
      result = result.value, output = workflow.output_of(step.kind, result.value),
      error = failure_of(step.kind, result.value),
    }
  end

  local function backoff(strategy, attempt)
    local seconds = strategy.backoff_s or DEFAULT_BACKOFF_MS / 1000
    if strategy.exponential ~= false then seconds = seconds * 2 ^ (attempt - 1) end
    if seconds > 0 then engine.call("timer.sleep", { seconds = raw.math.min(seconds, MOST_BACKOFF_S) }) end
  end

  -- A script's answer to what went wrong: a table that has no `success = false` heals it.
  local function healed(run, step, one)
    local answer = step.on_error(one.error, context(run, { step = step.name }))
    if type(answer) ~= "table" or answer.success == false then return one end
    return { result = answer, output = answer.output, handled = true }
  end

  local function attempts(run, step, strategy)
    local most = step.attempts or strategy.attempts or 1
    local one
    for attempt = 1, most do
      one = tried(run, step, attempt)
      one.attempts = attempt
      if not one.error then break end
      workflow.debug(run, "step %s failed (attempt %d of %d): %s", step.name, attempt, most, one.error)
      if attempt < most then backoff(strategy, attempt) end
    end
    if one.error and step.on_error then
      local again = healed(run, step, one)
      again.attempts, one = one.attempts, again
    end
    return one
  end

  local function filled(entry, one)
    entry.success, entry.result, entry.output = one.error == nil, one.result, one.output
    entry.error, entry.attempts, entry.timed_out, entry.handled = one.error, one.attempts, one.timed_out, one.handled
  end

  -- The step as an event of its own.
  local function as_event(run, step, entry)
    local args = { workflow = run.state.name, step = step.name, type = step.kind }
    workflow.debug(run, "step %s (%s)", step.name, step.kind)
    engine.span("workflow.step", args, function()
      filled(entry, attempts(run, step, step.strategy or run.strategy))
      return { success = entry.success, error = entry.error, attempts = entry.attempts, timed_out = entry.timed_out }
    end)
    return entry
  end

  -- What the hooks around a step have made of its outcome, as an entry.
  local function from_hooks(entry, outcome)
    if type(outcome) == "table" and type(outcome.success) == "boolean" then
      for key, value in next, outcome do entry[key] = value end
      if outcome.output == nil and outcome.result ~= nil then
        entry.output = workflow.output_of(entry.type, outcome.result)
      end
    else
      entry.success, entry.result, entry.output = true, outcome, workflow.output_of(entry.type, outcome)
    end
    if entry.success then entry.error = nil end
  end

  local function with_hooks(run, step, entry)
    local data = { workflow = run.state.name, stage_name = step.name, step = step.name, type = step.kind }
    if type(step.input) ~= "function" then data.input = step.input end
    local ok, outcome = engine.pcall(engine.hooks.around, {
      before = "BeforeWorkflowStage", after = "AfterWorkflowStage", kind = "workflow", name = run.state.name,
      event = "workflow.step", data = data,
      perform = function(given)
        local other = setmetatable({ input = given.input }, { __index = step })
        return as_event(run, given == data and step or other, entry)
      end,
    })
    if not ok then
      entry.success, entry.error = false, engine.error_text(outcome)
    elseif outcome ~= entry then
      from_hooks(entry, outcome)
    end
  end

  -- Does a step and returns its entry, {name, type, success, result, output, error, attempts,
  -- timed_out}, and what is to be done where it failed. The entry is kept in run.steps; its
  -- result is run.previous.
  function workflow.do_step(run, step)
    local entry = { name = step.name, type = step.kind, success = false }
    run.current = step.name
    if engine.hooks.wanted("BeforeWorkflowStage", "AfterWorkflowStage") then
      with_hooks(run, step, entry)
    else
      as_event(run, step, entry)
    end
    run.current = nil
    run.steps[step.name] = entry
    if entry.success then run.previous, run.previous_output = entry.result, entry.output end
    run.entries[#run.entries + 1] = entry
    return entry, (step.strategy or run.strategy).kind
  end
end
