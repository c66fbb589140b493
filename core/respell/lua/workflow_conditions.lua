-- Conditions of workflows, and placeholders in what steps are given.
--
-- A condition is a function, true or false, "always", "never", "step:NAME:TEXT", any other
-- Lua expression over the variables of the run, or a table: {type = "and", conditions = …}.

return function(engine, env)
  local raw = engine.raw
  local type, error, ipairs, pairs = raw.type, raw.error, raw.ipairs, raw.next
  local format, gsub, find, match, gmatch = raw.string.format, raw.string.gsub, raw.string.find, raw.string.match,
    raw.string.gmatch
  local setmetatable, tonumber = raw.setmetatable, raw.tonumber

  local workflow = {}
  engine.workflow = workflow   -- what the files of Workflow share

  function workflow.fail(call, message, ...)
    error(format("%s%s: %s", engine.where(), call, format(message, ...)), 0)
  end

  function workflow.type_of(value)
    return value == nil and "nil" or "a " .. type(value)
  end

  -- Placeholders -------------------------------------------------------------------------

  local FIELDS = { output = true, result = true, text = true, error = true, success = true }

  local function at_path(value, path, whole)
    for key in gmatch(path or "", "[^%.]+") do
      if type(value) ~= "table" then error(format("there is no %q in {{%s}}", key, whole), 0) end
      local found = value[key]
      if found == nil and tonumber(key) then found = value[tonumber(key)] end
      value = found
    end
    return value
  end

  -- "NAME:output.price" of a step that is done.
  local function of_step(run, what, whole)
    local name, field, path = match(what, "^(.-):(%a+)%.?(.*)$")
    if not name or not FIELDS[field] then
      name, field, path = what, "output", ""
    end
    local entry = run.steps[name]
    if not entry then error(format("{{%s}}: no step named %q is done yet", whole, name), 0) end
    return at_path(entry[field], path, whole)
  end

  local LOOP = {
    current_value = function(loop) return loop.value end,
    current_index = function(loop) return loop.index - 1 end,
    index = function(loop) return loop.index end,
  }
  LOOP.current_item, LOOP.value, LOOP.item = LOOP.current_value, LOOP.current_value, LOOP.current_value
  LOOP.iteration = LOOP.index

  local function of_loop(run, what, whole)
    local loop = run.loop
    if not loop then error(format("{{%s}} is only known inside of a loop", whole), 0) end
    local name, path = match(what, "^([%w_]+)%.?(.*)$")
    if not name or not LOOP[name] then
      error(format("{{%s}}: a loop has current_value, current_item, current_index, index, iteration", whole), 0)
    end
    return at_path(LOOP[name](loop), path, whole)
  end

  local FAMILIES = {
    step = of_step, loop = of_loop,
    input = function(run, what, whole) return at_path(run.input, what, whole) end,
    data = function(run, what, whole) return at_path(run.data, what, whole) end,
  }

  -- Those of a template engine have no such family, and stay as they are.
  local function placeholder(inner)
    if inner == "input" then return "input", "" end
    local family, what = match(inner, "^(%a+):(.*)$")
    if family and FAMILIES[family] then return family, what end
  end

  local function filled_text(run, text)
    local whole = match(text, "^{{%s*([^{}]-)%s*}}$")
    if whole then
      local family, what = placeholder(whole)
      if family then return FAMILIES[family](run, what, whole) end
    end
    return (gsub(text, "{{%s*([^{}]-)%s*}}", function(inner)
      local family, what = placeholder(inner)
      if not family then return nil end
      local value = FAMILIES[family](run, what, inner)
      if type(value) == "table" then return engine.to_json_text(value) end
      return engine.tostring(value)
    end))
  end

  -- Puts values in the place of {{step:NAME:output}}, {{loop:…}}, {{input:…}}, {{data:…}}; a
  -- text that is nothing else becomes the value itself. Tables are copied.
  function workflow.fill(run, value)
    if type(value) == "string" then
      if not find(value, "{{", 1, true) then return value end
      return filled_text(run, value)
    elseif type(value) ~= "table" or raw.getmetatable(value) then
      return value
    end
    local copy = {}
    local keys, n = engine.keys(value)
    for i = 1, n do copy[keys[i]] = workflow.fill(run, value[keys[i]]) end
    return copy
  end

  -- What functions of the script get -----------------------------------------------------

  -- The variables of a run, as a function or an expression sees them.
  function workflow.context(run, more)
    local outputs = {}
    for name, entry in pairs, run.steps do outputs[name] = entry.output end
    local loop = run.loop
    local context = {
      workflow = { id = run.state.id, name = run.state.name, type = run.state.kind },
      input = run.input, previous = run.previous, outputs = outputs, steps = run.steps, data = run.data,
      branch_results = run.branch_results,
      loop = loop and {
        index = loop.index, iteration = loop.index, current_index = loop.index - 1,
        value = loop.value, current_value = loop.value, item = loop.value, current_item = loop.value,
      } or nil,
    }
    if loop then
      context.index, context.iteration, context.value, context.item = loop.index, loop.index, loop.value, loop.value
    end
    for key, value in pairs, more or {} do context[key] = value end
    return context
  end

  -- Conditions ---------------------------------------------------------------------------

  local compiled = {}   -- expression -> source of a chunk that compiles

  local function source_of(expression)
    local source = compiled[expression]
    if not source then
      source = "return " .. expression
      local chunk, message = raw.load(source, "=condition", "t", {})
      if not chunk then
        error(format("the condition %q is no Lua expression: %s", expression, gsub(message, "^condition:%d+: ", "")), 0)
      end
      compiled[expression] = source
    end
    return source
  end

  local function evaluate(expression, run)
    local scope = setmetatable(workflow.context(run), { __index = env })
    return raw.load(source_of(expression), "=condition", "t", scope)()
  end

  -- What a tool came to, as yes or no.
  local function truth(value)
    if type(value) == "table" then
      for _, field in ipairs { "valid", "exists", "is_valid", "verified", "success" } do
        if type(value[field]) == "boolean" then return value[field] end
      end
    end
    return value ~= nil and value ~= false
  end

  local TYPES = "always, never, and, or, not, step_output_equals, shared_data_equals, custom, tool"
  local holds

  local kinds = {
    always = function() return true end,
    never = function() return false end,
    ["and"] = function(it, run)
      for _, one in ipairs(it.conditions or {}) do
        if not holds(one, run) then return false end
      end
      return true
    end,
    ["or"] = function(it, run)
      for _, one in ipairs(it.conditions or {}) do
        if holds(one, run) then return true end
      end
      return false
    end,
    ["not"] = function(it, run) return not holds(it.condition, run) end,
    step_output_equals = function(it, run)
      local entry = run.steps[it.step]
      return entry ~= nil and engine.tostring(entry.output) == engine.tostring(it.expected)
    end,
    shared_data_equals = function(it, run) return run.data[it.key] == it.expected end,
    custom = function(it, run) return truth(evaluate(it.expression, run)) end,
    tool = function(it, run) return truth(workflow.tool_output(it, run)) end,
  }
  kinds.step_result_equals = kinds.step_output_equals

  local NEEDED = {
    ["and"] = "conditions", ["or"] = "conditions", ["not"] = "condition", step_output_equals = "step",
    step_result_equals = "step", shared_data_equals = "key", custom = "expression", tool = "tool",
  }

  local function kind_of(it)
    if it.type == nil and type(it.tool) == "string" then return "tool" end
    return it.type
  end

  -- Raises what is wrong with a condition, before anything is run; `what` names it.
  function workflow.check_condition(it, call, what)
    if type(it) == "function" or type(it) == "boolean" then return end
    if type(it) == "string" then
      if it == "always" or it == "never" or match(it, "^step:[^:]+:") then return end
      local ok, message = engine.pcall(source_of, it)
      if not ok then workflow.fail(call, "%s: %s", what, message) end
      return
    end
    if type(it) ~= "table" then
      workflow.fail(call, "%s must be a function, a text or a table, not %s", what, workflow.type_of(it))
    end
    local kind = kind_of(it)
    if not kinds[kind] then
      workflow.fail(call, "%s has the type %s; there are %s", what, engine.tostring(kind), TYPES)
    end
    local needed = NEEDED[kind]
    if needed and it[needed] == nil then workflow.fail(call, "%s of type %s needs %s", what, kind, needed) end
    if kind == "custom" then workflow.check_condition(it.expression, call, what) end
    if kind == "not" then workflow.check_condition(it.condition, call, what) end
    if needed == "conditions" then
      for i, one in ipairs(it.conditions) do workflow.check_condition(one, call, format("%s[%d]", what, i)) end
    end
  end

  function holds(it, run)
    if type(it) == "boolean" then return it end
    if type(it) == "function" then return truth(it(workflow.context(run))) end
    if type(it) == "string" then
      local name, expected = match(it, "^step:([^:]+):(.*)$")
      if name then return kinds.step_output_equals({ step = name, expected = expected }, run) end
      if kinds[it] and not NEEDED[it] then return kinds[it]() end
      return truth(evaluate(it, run))
    end
    return kinds[kind_of(it)](it, run)
  end
  workflow.holds = holds
end
