-- Workflow.parallel: branches that go on while others wait for an effect.
--
-- A branch is a function, or a table of tool steps as in
-- {name = "fetch", steps = {{type = "tool", tool = "http_request", input = {…}}}}.

return function(engine, env)
  local raw = engine.raw
  local type, error, ipairs = raw.type, raw.error, raw.ipairs
  local format = raw.string.format

  local OPTIONS = { name = true, description = true, branches = true, steps = true, max_concurrency = true }

  local function wrong(message, ...)
    error(engine.where() .. "Workflow.parallel: " .. format(message, ...), 0)
  end

  local function step_function(step, index)
    if type(step) == "function" then return step end
    if type(step) ~= "table" or step.type ~= "tool" or type(step.tool) ~= "string" then
      wrong("step %d must be a function or {type = \"tool\", tool = NAME, input = {…}}", index)
    end
    return function() return env.Tool.invoke(step.tool, step.input or {}) end
  end

  local function branch_function(branch, index)
    if type(branch) == "function" then return format("branch_%d", index), branch end
    if type(branch) ~= "table" or type(branch.steps) ~= "table" then
      wrong("branch %d must be a function or a table with steps", index)
    end
    local steps = {}
    for i, step in ipairs(branch.steps) do steps[i] = step_function(step, i) end
    return branch.name or format("branch_%d", index), function()
      local result
      for _, step in ipairs(steps) do result = step(result) end
      return result
    end
  end

  local function collected(names, results)
    local out = { success = true, results = {}, data = {} }
    for i, result in ipairs(results) do
      local entry = { name = names[i], success = result.ok }
      if result.ok then
        entry.result = result.value
        out.data[names[i]] = result.value
      else
        entry.error = engine.error_text(result.value)
        out.success = false
        out.error = out.error or entry.error
      end
      out.results[i] = entry
    end
    return out
  end

  local function execute(definition)
    local names, functions = {}, {}
    local branches = definition.branches
    for i, branch in ipairs(branches) do names[i], functions[i] = branch_function(branch, i) end
    local limit = definition.max_concurrency or #functions
    return engine.span("workflow.parallel", { name = definition.name, branches = names }, function()
      return collected(names, engine.parallel(functions, limit))
    end)
  end

  local Workflow = {}

  function Workflow.parallel(definition)
    if type(definition) ~= "table" then wrong("a table is expected, got %s", type(definition)) end
    local unknown = engine.unknown_key(definition, OPTIONS)
    if unknown then
      wrong("unknown option %s; there are name, description, branches, steps, max_concurrency", unknown)
    end
    local branches = definition.branches or definition.steps
    if type(branches) ~= "table" or #branches == 0 then wrong("branches must be a list of at least one") end
    local limit = definition.max_concurrency
    if limit ~= nil and (raw.math.type(limit) ~= "integer" or limit < 1) then
      wrong("max_concurrency must be an integer of at least 1")
    end
    local workflow = { name = definition.name or "parallel", type = "parallel" }
    local fixed = { name = workflow.name, branches = {}, max_concurrency = limit }
    for i, branch in ipairs(branches) do
      fixed.branches[i] = definition.branches and branch or { name = branch.name, steps = { branch } }
    end
    function workflow.execute() return execute(fixed) end
    return workflow
  end

  env.Workflow = Workflow
end
