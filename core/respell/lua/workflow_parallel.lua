-- Workflow.parallel: branches side by side.

return function(engine)
  local raw = engine.raw
  local type, error, ipairs, next = raw.type, raw.error, raw.ipairs, raw.next
  local format = raw.string.format
  local workflow = engine.workflow
  local kinds, fail = workflow.kinds, workflow.fail
  local in_order, count, last_output = workflow.in_order, workflow.count, workflow.last_output

  local PARALLEL_BRANCH = {
    name = true, description = true, steps = true, required = true, timeout_ms = true, error_strategy = true,
  }

  local function parallel_branch(given, index, call)
    local what = format("branches[%d]", index)
    if type(given) ~= "table" or workflow.is_instance(given) or given.steps == nil or workflow.KINDS[given.type] then
      local step = workflow.step_of(given, index, call, "branch")
      local is_nameless = type(given) == "function" or (type(given) == "table" and given.name == nil)
      return { name = is_nameless and format("branch_%d", index) or step.name, steps = { step }, required = step.required }
    end
    local unknown = engine.unknown_key(given, PARALLEL_BRANCH)
    if unknown then
      fail(call, "%s has no option %s; there are name, steps, required, timeout_ms, error_strategy", what, unknown)
    end
    return {
      name = given.name or format("branch_%d", index), required = given.required ~= false,
      steps = workflow.steps_of(given.steps, call, what .. ".steps"),
      timeout_s = workflow.seconds_of(given.timeout_ms, call, what .. ".timeout_ms"),
      strategy = workflow.strategy_of(given.error_strategy, call),
    }
  end

  local function read_parallel(definition, call)
    local given = definition.branches
    local what = "branches"
    if given == nil then given, what = definition.steps, "steps" end
    if type(given) ~= "table" or #given == 0 then fail(call, "branches must be a list of at least one") end
    local most = definition.max_concurrency
    if most ~= nil and (raw.math.type(most) ~= "integer" or most < 1) then
      fail(call, "max_concurrency must be an integer of at least 1")
    end
    local it = { branches = {}, most = most, fail_fast = definition.fail_fast == true, what = what }
    for i = 1, #given do it.branches[i] = parallel_branch(given[i], i, call) end
    return it
  end

  local function branch_entry(run, branch, inner, late)
    local entry = {
      name = branch.name, success = not late and inner.error == nil, result = inner.previous, steps = inner.entries,
      output = last_output(inner.entries), error = late or inner.error, timed_out = late and true or nil,
    }
    if not entry.success then entry.result = nil end
    return entry
  end

  -- Runs one branch inside of its own event and keeps its entry.
  local function go_branch(run, branch, index)
    local inner = workflow.inner_run(run, branch)
    local args = { workflow = run.state.name, branch = branch.name }
    engine.span("workflow.branch", args, function(o)
      local late
      if branch.timeout_s then
        inner.is_timed = true
        local results, is_late = engine.parallel({ function() in_order(inner, branch.steps) end }, 1, o, branch.timeout_s)
        if is_late then
          late = format("timed out after %d ms", raw.math.floor(branch.timeout_s * 1000))
        elseif not results[1].ok then
          error(results[1].value, 0)
        end
      else
        in_order(inner, branch.steps)
      end
      local entry = branch_entry(run, branch, inner, late)
      run.branches[index] = entry
      return { success = entry.success, error = entry.error }
    end)
    workflow.told(run, "on_branch_complete", branch.name, run.branches[index])
  end

  local function is_fatal(run, it, index, result)
    local entry = run.branches[index]
    local failed = not result.ok or not entry or not entry.success
    local stops = it.fail_fast or run.strategy.kind == "fail_fast"
    return failed and stops and it.branches[index].required
  end

  local function go_parallel(run, it)
    run.branches, run.of_branches = {}, it
    local functions = {}
    for i, branch in ipairs(it.branches) do
      functions[i] = function() go_branch(run, branch, i) end
    end
    local results = engine.parallel(functions, it.most or #functions, run.ordinal, nil, function(index, result)
      return is_fatal(run, it, index, result)
    end)
    for i, result in ipairs(results) do
      if not run.branches[i] then
        run.branches[i] = {
          name = it.branches[i].name, success = false, left = result.left ~= nil or nil,
          error = result.left or engine.error_text(result.value),
        }
      end
    end
    run.branch_results = run.branches
  end

  -- All branches, those included that were left when the time was over.
  local function all_branches(run)
    local it = run.of_branches
    if not it then return {} end
    for i, branch in ipairs(it.branches) do
      if not run.branches[i] then
        run.branches[i] = { name = branch.name, success = false, timed_out = true, error = "left: the time was over" }
      end
    end
    return run.branches
  end

  kinds.parallel = {
    options = { "branches", "steps", "max_concurrency", "fail_fast", "on_branch_complete" },
    default_strategy = "continue",
    read = read_parallel,
    go = go_parallel,
    entries = all_branches,
    finish = function(run)
      for i, entry in ipairs(all_branches(run)) do
        if not entry.success then
          run.failed = run.failed + 1
          if run.of_branches.branches[i].required and not entry.left and not run.error then
            run.error = format("branch %s: %s", entry.name, entry.error)
          end
        end
      end
    end,
    data = function(run)
      local entries = all_branches(run)
      return {
        successful_branches = count(entries, true), failed_branches = count(entries, false),
        total_branches = #entries,
      }
    end,
    output = function(run)
      local outputs = {}
      for _, entry in ipairs(all_branches(run)) do
        if entry.success then outputs[entry.name] = entry.output end
      end
      return next(outputs) ~= nil and outputs or nil
    end,
  }
end
