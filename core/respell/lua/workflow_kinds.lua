-- The kinds of workflows that do one thing after the other: what each is made of, and how it
-- is carried out.
--
-- A kind reads its definition once (`read`), carries it out in a run (`go`), and says what
-- the result's `data` has besides the outputs (`data`). A run that failed has its error in
-- run.error.

return function(engine)
  local raw = engine.raw
  local type, error, ipairs, next = raw.type, raw.error, raw.ipairs, raw.next
  local format = raw.string.format
  local mathtype = raw.math.type
  local workflow = engine.workflow
  local fail, type_of = workflow.fail, workflow.type_of

  local kinds = {}
  workflow.kinds = kinds

  -- A due deadline is only heard of where something waits: this waits for nothing else.
  local function mind_the_time(run)
    if run.is_timed then engine.call("timer.sleep", { seconds = 0 }) end
  end

  -- Does steps one after the other; false where one failed and the rest was not done.
  local function in_order(run, steps)
    for i, step in ipairs(steps) do
      if i > 1 then workflow.transition(run, steps[i - 1].name, step.name) end
      if i > 1 or run.is_late_start then mind_the_time(run) end
      local entry, strategy = workflow.do_step(run, step)
      if not entry.success then
        run.failed = run.failed + 1
        if step.required then run.error = run.error or format("step %s: %s", entry.name, entry.error) end
        if step.required and strategy == "fail_fast" then return false end
      end
    end
    return true
  end

  local function count(entries, success)
    local n = 0
    for _, entry in ipairs(entries) do
      if entry.success == success then n = n + 1 end
    end
    return n
  end

  local function last_output(entries)
    for i = #entries, 1, -1 do
      if entries[i].success then return entries[i].output end
    end
  end

  -- Sequential ---------------------------------------------------------------------------

  kinds.sequential = {
    options = { "steps" },
    read = function(definition, call) return { steps = workflow.steps_of(definition.steps, call, "steps") } end,
    go = function(run, it) in_order(run, it.steps) end,
    data = function(run)
      return { steps_executed = #run.entries, steps_failed = run.failed, completed_steps = count(run.entries, true) }
    end,
    output = function(run) return last_output(run.entries) end,
  }

  -- Conditional --------------------------------------------------------------------------

  local BRANCH = { name = true, description = true, condition = true, steps = true }

  local function conditional_branch(given, index, call, what)
    if type(given) == "function" or workflow.is_instance(given) or (type(given) == "table" and given[1] ~= nil) then
      given = { steps = given }
    end
    if type(given) ~= "table" then fail(call, "%s must be a table with steps, not %s", what, type_of(given)) end
    local unknown = given.steps and engine.unknown_key(given, BRANCH)
    if unknown then fail(call, "%s has no option %s; there are name, condition, steps", what, unknown) end
    local steps = given.steps
    if steps == nil then steps = { given } end   -- a step alone
    return {
      name = given.name or (index and format("branch_%d", index) or "default"), condition = given.condition,
      steps = workflow.steps_of(steps, call, what .. ".steps"),
    }
  end

  local function read_conditional(definition, call)
    local branches = definition.branches
    if type(branches) ~= "table" or #branches == 0 then fail(call, "branches must be a list of at least one") end
    local it = {
      branches = {}, all = definition.execute_all_matching == true,
      use_default = definition.execute_default_on_no_match ~= false,
    }
    for i, given in ipairs(branches) do
      local what = format("branches[%d]", i)
      local condition = type(given) == "table" and given.condition
      if type(given) == "table" and condition == nil then condition = given["when"] end
      if condition == nil then fail(call, "%s must have a condition", what) end
      workflow.check_condition(condition, call, what .. ".condition")
      it.branches[i] = conditional_branch(given, i, call, what)
    end
    if definition.default_branch ~= nil then
      it.default = conditional_branch(definition.default_branch, nil, call, "default_branch")
    end
    return it
  end

  local function enter(run, branch)
    run.executed[#run.executed + 1] = branch.name
    return in_order(run, branch.steps)
  end

  kinds.conditional = {
    options = { "branches", "default_branch", "execute_all_matching", "execute_default_on_no_match" },
    read = read_conditional,
    go = function(run, it)
      run.executed, run.matched = {}, 0
      for _, branch in ipairs(it.branches) do
        if workflow.holds(branch.condition, run) then
          run.matched = run.matched + 1
          if not enter(run, branch) or not it.all then return end
        end
      end
      if run.matched == 0 and it.default and it.use_default then enter(run, it.default) end
    end,
    data = function(run)
      return {
        executed_branches = #(run.executed or {}), matched_branches = run.matched or 0,
        branches = run.executed or {}, steps_executed = #run.entries, steps_failed = run.failed,
      }
    end,
    output = function(run) return last_output(run.entries) end,
  }

  -- Loop ---------------------------------------------------------------------------------

  local MOST_ITERATIONS = 100   -- of a while_condition, unless said otherwise

  local function integer(value, default, call, what)
    if value == nil then value = default end
    local whole = raw.math.tointeger(value)
    if not whole then fail(call, "%s must be an integer, not %s", what, type_of(value)) end
    return whole
  end

  local function read_range(range, call)
    if type(range) ~= "table" then fail(call, "iterator.range must be {start, end, step}") end
    local unknown = engine.unknown_key(range, { start = true, ["end"] = true, step = true })
    if unknown then fail(call, "iterator.range has no option %s; there are start, end, step", unknown) end
    local it = {
      start = integer(range.start, 0, call, "range.start"), stop = integer(range["end"], nil, call, "range[\"end\"]"),
      step = integer(range.step, 1, call, "range.step"),
    }
    if it.step == 0 then fail(call, "range.step must not be 0") end
    return it
  end

  local ITERATOR = { range = true, collection = true, while_condition = true, max_iterations = true }

  local function read_loop(definition, call)
    local iterator = definition.iterator
    if type(iterator) ~= "table" then fail(call, "iterator must be a table with range, collection or while_condition") end
    local unknown = engine.unknown_key(iterator, ITERATOR)
    if unknown then
      fail(call, "iterator has no option %s; there are range, collection, while_condition, max_iterations", unknown)
    end
    local it = { breaks = {} }
    local most = iterator.max_iterations
    if most == nil then most = definition.max_iterations end
    if most ~= nil and (mathtype(most) ~= "integer" or most < 1) then
      fail(call, "max_iterations must be an integer of at least 1")
    end
    it.most = most
    if iterator.range ~= nil then
      it.range = read_range(iterator.range, call)
    elseif iterator.collection ~= nil then
      it.collection = iterator.collection
      local kind = type(it.collection)
      if kind ~= "table" and kind ~= "function" and kind ~= "string" then
        fail(call, "iterator.collection must be a list, not %s", type_of(it.collection))
      end
    elseif iterator.while_condition ~= nil then
      workflow.check_condition(iterator.while_condition, call, "while_condition")
      it.condition, it.most = iterator.while_condition, most or MOST_ITERATIONS
    else
      fail(call, "iterator must have range, collection or while_condition")
    end
    local breaks = definition.break_conditions
    if breaks == nil and definition.break_condition ~= nil then breaks = { definition.break_condition } end
    if breaks ~= nil and type(breaks) ~= "table" then fail(call, "break_conditions must be a list") end
    for i, one in ipairs(breaks or {}) do
      workflow.check_condition(one, call, format("break_conditions[%d]", i))
      it.breaks[i] = one
    end
    it.body = workflow.steps_of(definition.body, call, "body")
    return it
  end

  -- The values of a loop, one by one: index -> value, false at the end and why it ends.
  local function values_of(run, it)
    if it.range then
      local range = it.range
      return function(index)
        local value = range.start + (index - 1) * range.step
        if range.step > 0 then return value < range.stop, value end
        return value > range.stop, value
      end
    elseif it.condition then
      return function(index) return workflow.holds(it.condition, run), index end
    end
    local list = it.collection
    if type(list) == "function" then list = list(workflow.context(run)) end
    if type(list) == "string" then list = workflow.fill(run, list) end
    if type(list) ~= "table" then error(format("the collection is %s, not a list", type_of(list)), 0) end
    local n = #list
    return function(index) return index <= n, list[index] end
  end

  local function breaks(run, it)
    for i, one in ipairs(it.breaks) do
      if workflow.holds(one, run) then return i end
    end
  end

  local function one_iteration(run, it, index, value)
    run.loop.index, run.loop.value = index, value
    local first = #run.entries
    local before, wrong = run.failed, run.error
    run.error = nil
    local goes_on = in_order(run, it.body)
    local steps = raw.table.move(run.entries, first + 1, #run.entries, 1, {})
    local iteration = {
      name = format("iteration_%d", index), index = index, value = value, success = run.error == nil,
      error = run.error, output = last_output(steps), steps = steps,
    }
    run.iterations[#run.iterations + 1] = iteration
    if run.failed == before then run.completed = run.completed + 1 end
    run.error = wrong or (run.error and format("iteration %d: %s", index, run.error))
    workflow.told(run, "on_iteration", index, iteration)
    return goes_on
  end

  local function go_round(run, it)
    run.iterations, run.completed = {}, 0
    local outer = run.loop
    local value_at = values_of(run, it)   -- those of the outer loop may be what it goes over
    run.loop = { index = 0 }
    local index = 0
    while true do
      if it.most and index >= it.most then
        run.break_reason = "max_iterations"
        break
      end
      run.is_late_start = index > 0
      local is_there, value = value_at(index + 1)
      if not is_there then
        run.break_reason = it.condition and "condition" or "completed"
        break
      end
      index = index + 1
      if not one_iteration(run, it, index, value) then
        run.break_reason = "error"
        break
      end
      local broken = breaks(run, it)
      if broken then
        run.break_reason = format("break_condition_%d", broken)
        break
      end
    end
    run.loop = outer
  end

  kinds.loop = {
    options = { "iterator", "body", "break_conditions", "break_condition", "max_iterations", "on_iteration" },
    read = read_loop,
    go = go_round,
    entries = function(run) return run.iterations or {} end,
    data = function(run)
      local iterations = run.iterations or {}
      local outputs = {}
      for i, one in ipairs(iterations) do outputs[i] = one.output end
      return {
        completed_iterations = run.completed or 0, total_iterations = #iterations, break_reason = run.break_reason,
        outputs = outputs, steps_executed = #run.entries, steps_failed = run.failed,
      }
    end,
    output = function(run) return last_output(run.iterations or {}) end,
  }

  workflow.in_order, workflow.count, workflow.last_output = in_order, count, last_output
end
