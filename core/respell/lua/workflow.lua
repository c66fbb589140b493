-- Workflow: steps one after the other, by conditions, in loops and side by side.

return function(engine, env)
  local raw = engine.raw
  local type, ipairs, next = raw.type, raw.ipairs, raw.next
  local format, concat, floor = raw.string.format, raw.table.concat, raw.math.floor
  local workflow = engine.workflow
  local kinds, states, TYPES, Meta = workflow.kinds, workflow.states, workflow.TYPES, workflow.Meta
  local fail, type_of = workflow.fail, workflow.type_of

  local by_id, in_order = {}, {}
  local Instance = {}

  local function state_of(instance, call)
    local state = states[instance]
    if not state then fail("workflow:" .. call, "call it with a colon on a workflow, as in workflow:%s(…)", call) end
    return state
  end

  local function make_listed(kind, definition, call)
    local instance = workflow.make(kind, definition, call)
    by_id[instance.id], in_order[#in_order + 1] = instance, instance.id
    return instance
  end

  -- What a workflow can be asked -----------------------------------------------------------

  -- Returns {success, error, output, results, data, steps, timed_out, duration_ms, …}; what
  -- goes wrong in a step is told there, and not raised.
  function Instance:execute(input)
    state_of(self, "execute")
    return workflow.execute(self, input)
  end

  function Instance:getInfo()
    local state = state_of(self, "getInfo")
    return {
      id = state.id, name = state.name, type = state.kind, description = state.description,
      timeout_ms = state.timeout_s and floor(state.timeout_s * 1000) or nil, error_strategy = state.strategy.kind,
    }
  end

  local function scope_of(state) return "workflow:" .. state.name end

  -- getState(key), or getState() for all there is: values of the scope workflow:NAME.
  function Instance:getState(key)
    local scope = scope_of(state_of(self, "getState"))
    if key ~= nil then return env.State.get(scope, key) end
    local all = {}
    for _, one in ipairs(env.State.list(scope)) do all[one] = env.State.get(scope, one) end
    return all
  end

  function Instance:setState(key, value)
    local scope = scope_of(state_of(self, "setState"))
    if type(key) == "table" then
      local keys, n = engine.keys(key)
      for i = 1, n do env.State.set(scope, keys[i], key[keys[i]]) end
    else
      env.State.set(scope, key, value)
    end
    return true
  end

  local function register_callback(self, what, name, fn)
    local state = state_of(self, name)
    if type(fn) ~= "function" then fail("workflow:" .. name, "a function is expected, not %s", type_of(fn)) end
    local list = state.callbacks[what]
    list[#list + 1] = fn
    return { workflow_id = state.id, hook_type = what }
  end

  -- fn(input), fn(result) and fn(error, info): called at every execution.
  function Instance:onBeforeExecute(fn) return register_callback(self, "on_start", "onBeforeExecute", fn) end
  function Instance:onAfterExecute(fn) return register_callback(self, "on_complete", "onAfterExecute", fn) end
  function Instance:onError(fn) return register_callback(self, "on_error", "onError", fn) end

  function Instance:emit(name, data)
    local state = state_of(self, "emit")
    if type(name) ~= "string" or name == "" then
      fail("workflow:emit", "the event's type must be a string, not %s", type_of(name))
    end
    if not env.Event then fail("workflow:emit", "there is no Event in this session to publish with") end
    env.Event.publish(name, {
      workflow_id = state.id, workflow_name = state.name, workflow_type = state.kind, data = data,
    })
    return { success = true, workflow_id = state.id, event_name = name }
  end

  function Instance:getMetrics()
    local state = state_of(self, "getMetrics")
    local total = state.total
    return {
      workflow_id = state.id,
      execution = {
        total_executions = total, successful_executions = state.succeeded, failed_executions = state.failed,
        average_duration_ms = total > 0 and state.seconds * 1000 / total or 0,
        last_execution_time = state.last_at and engine.rfc3339(state.last_at) or nil,
      },
    }
  end

  function Instance:debug()
    local state = state_of(self, "debug")
    return {
      workflow_id = state.id, name = state.name, type = state.kind, metrics = self:getMetrics().execution,
      runtime = { state_keys = env.State.list(scope_of(state)), debug = workflow.debugs },
    }
  end

  -- Validating -----------------------------------------------------------------------------

  local check_steps

  local CHECKS = {
    tool = function(step)
      if not env.Tool.exists(step.tool) then return format("there is no tool %q", step.tool) end
    end,
    agent = function(step)
      if type(step.agent) == "string" and not env.Agent.get(step.agent) then
        return format("there is no agent named %q", step.agent)
      end
    end,
    ["function"] = function(step)
      if type(step.fn) == "string" and type(env[step.fn]) ~= "function" then
        return format("there is no global function named %q", step.fn)
      end
    end,
  }

  local function check_instance(instance, errors, seen)
    if seen[instance] then return end
    seen[instance] = true
    local made = states[instance].made
    check_steps(made.steps or made.body, errors, seen)
    for _, branch in ipairs(made.branches or {}) do check_steps(branch.steps, errors, seen) end
    if made.default then check_steps(made.default.steps, errors, seen) end
  end

  function CHECKS.workflow(step, errors, seen)
    local inner = step.workflow
    if type(inner) == "string" then inner = env.Workflow.get(inner) end
    if not inner then return format("there is no workflow named %q", step.workflow) end
    check_instance(inner, errors, seen)
  end

  function check_steps(steps, errors, seen)
    for _, step in ipairs(steps or {}) do
      local wrong = CHECKS[step.kind](step, errors, seen)
      if wrong then errors[#errors + 1] = format("step %s: %s", step.name, wrong) end
    end
  end

  -- Whether all that the steps name is there now: {valid, errors, warnings, workflow_id}.
  function Instance:validate()
    local state = state_of(self, "validate")
    local errors, warnings = {}, {}
    check_instance(self, errors, {})
    if state.kind == "conditional" and not state.made.default then
      warnings[1] = "there is no default_branch for where no condition holds"
    end
    return { valid = #errors == 0, errors = errors, warnings = warnings, workflow_id = state.id }
  end

  -- The global -----------------------------------------------------------------------------

  local Workflow = {}
  workflow.debugs = false

  for _, kind in ipairs(TYPES) do
    Workflow[kind] = function(definition) return make_listed(kind, definition, "Workflow." .. kind) end
  end

  function Workflow.types() return { raw.table.unpack(TYPES) } end

  -- Called as fn(error, info) for what fails in a workflow that has no onError of its own.
  function Workflow.setDefaultErrorHandler(fn)
    if fn ~= nil and type(fn) ~= "function" then
      fail("Workflow.setDefaultErrorHandler", "a function is expected, not %s", type_of(fn))
    end
    workflow.default_handler = fn
  end

  -- With it, what workflows do is written to the log.
  function Workflow.enableDebug(on)
    if on ~= nil and type(on) ~= "boolean" then
      fail("Workflow.enableDebug", "true or false is expected, not %s", type_of(on))
    end
    workflow.debugs = on ~= false
  end

  function Workflow.isDebugEnabled() return workflow.debugs end

  function Workflow.list()
    local found = {}
    for i, id in ipairs(in_order) do
      local it = by_id[id]
      found[i] = { id = id, name = it.name, type = it.type, description = it.description }
    end
    return found
  end

  -- By id, or by name: then the newest of that name; nil where there is none.
  function Workflow.get(name)
    if type(name) ~= "string" then fail("Workflow.get", "the name must be a string, not %s", type_of(name)) end
    if by_id[name] then return by_id[name] end
    for i = #in_order, 1, -1 do
      if by_id[in_order[i]].name == name then return by_id[in_order[i]] end
    end
    return nil
  end

  -- Takes one off the list and returns whether it was there; it can still be executed.
  function Workflow.remove(name)
    local it = Workflow.get(type(name) == "table" and states[name] and name.id or name)
    if not it then return false end
    by_id[it.id] = nil
    for i, id in ipairs(in_order) do
      if id == it.id then
        raw.table.remove(in_order, i)
        break
      end
    end
    return true
  end

  -- Makes one of a type's name and its definition; returns its id.
  function Workflow.register(kind, definition)
    if not kinds[kind] then
      fail("Workflow.register", "there is no type %s; there are %s", engine.tostring(kind), concat(TYPES, ", "))
    end
    return make_listed(kind, definition, "Workflow.register").id
  end

  function Workflow.clear() by_id, in_order = {}, {} end

  engine.provide_with_aliases("Workflow", Workflow)
  for name, method in next, Instance do engine.names[method] = "workflow:" .. name end
  Meta.__index = engine.with_aliases(Instance)
  function Meta.__tostring(instance) return format("Workflow: %s (%s)", instance.name, instance.type) end
end
