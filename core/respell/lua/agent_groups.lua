-- Several agents: composites that hand on what they are asked, templates, and finding agents
-- by what they can do.

return function(engine)
  local raw = engine.raw
  local type, error, next, ipairs = raw.type, raw.error, raw.next, raw.ipairs
  local format, gsub = raw.string.format, raw.string.gsub
  local concat = raw.table.concat
  local agents = engine.agents
  local Agent, Instance, Meta = agents.Agent, agents.Instance, agents.Meta
  local fail, type_of, states, by_name, in_order, copy = agents.fail, agents.type_of, agents.states, agents.by_name,
    agents.in_order, agents.copy

  -- Capabilities ---------------------------------------------------------------------------

  local DESCRIPTION = {
    conversation = "remembers what was said", streaming = "hands out its answer piece by piece",
    tools = "may call tools", composite = "hands on what it is asked to other agents",
  }
  local CAPABILITIES = { "conversation", "streaming", "tools", "composite" }

  local function capabilities_of(state)
    if state.members then return { "composite" } end
    local found = { "conversation", "streaming" }
    if #state.definitions > 0 then found[3] = "tools" end
    return found
  end

  local function has(state, capability)
    for _, one in ipairs(capabilities_of(state)) do
      if one == capability then return true end
    end
    return state.tools[capability] == true
  end

  -- What agents can do: {name, description, agents}.
  function Agent.listCapabilities()
    local found = {}
    for i, name in ipairs(CAPABILITIES) do
      found[i] = { name = name, description = DESCRIPTION[name], agents = Agent.discoverByCapability(name) }
    end
    return found
  end

  -- Names of those that can do it; the name of a tool is a capability, too.
  function Agent.discoverByCapability(capability)
    if type(capability) ~= "string" then
      fail("Agent.discoverByCapability", "the capability must be a string, not %s", type_of(capability))
    end
    local found = {}
    for _, name in ipairs(in_order) do
      if has(states[by_name[name]], capability) then found[#found + 1] = name end
    end
    return found
  end

  local FILTER = { capability = true, provider = true, type = true }

  -- Agents with what they can do, those alone that fit {capability, provider, type}.
  function Agent.discover(filter)
    filter = filter or {}
    if type(filter) ~= "table" then fail("Agent.discover", "the filter must be a table, not %s", type_of(filter)) end
    local unknown = engine.unknown_key(filter, FILTER)
    if unknown then fail("Agent.discover", "there is no filter %s; there are capability, provider, type", unknown) end
    local found = {}
    for _, name in ipairs(in_order) do
      local state = states[by_name[name]]
      local entry = agents.entry(name)
      if (not filter.capability or has(state, filter.capability))
        and (not filter.provider or entry.provider == filter.provider)
        and (not filter.type or entry.type == filter.type) then
        entry.capabilities = capabilities_of(state)
        found[#found + 1] = entry
      end
    end
    return found
  end

  -- Names of all agents of this script.
  function Agent.listInstances() return raw.table.move(in_order, 1, #in_order, 1, {}) end

  local function agent_named(name, call)
    local agent = name
    if type(name) == "string" then agent = by_name[name] end
    if not states[agent] then
      if type(name) == "string" then fail(call, "there is no agent named %q", name) end
      fail(call, "an agent or its name is expected, not %s", type_of(name))
    end
    return agent
  end

  -- All there is to know of one.
  function Agent.getDetails(name)
    local agent = agent_named(name, "Agent.getDetails")
    local state = states[agent]
    local config = copy(state.config)
    local members
    if state.members then
      members = {}
      for i, member in ipairs(state.members) do members[i] = member.name end
    end
    return {
      name = config.name, description = config.description, type = state.members and "composite" or "llm",
      provider = config.provider, model = config.model, config = config, capabilities = capabilities_of(state),
      state = agents.state_now(state), metrics = agent:getMetrics(), health = agent:getHealth(), members = members,
    }
  end

  local function tree(agent)
    local state = states[agent]
    local members = {}
    for i, member in ipairs(state.members or {}) do members[i] = tree(member) end
    return { name = state.config.name, type = state.members and "composite" or "llm", members = members }
  end

  -- A composite with its members below it, or a context with those below it; without a name
  -- all agents that are no composite's member.
  function Agent.getHierarchy(name)
    if name ~= nil then
      if agents.is_context(name) then return agents.context_tree(name) end
      return tree(agent_named(name, "Agent.getHierarchy"))
    end
    local is_member, roots = {}, {}
    for _, one in ipairs(in_order) do
      for _, member in ipairs(states[by_name[one]].members or {}) do is_member[member] = true end
    end
    for _, one in ipairs(in_order) do
      local agent = by_name[one]
      if not is_member[agent] then
        is_member[agent] = true
        roots[#roots + 1] = tree(agent)
      end
    end
    return roots
  end

  -- Composites -----------------------------------------------------------------------------

  local function added(state, results, text)
    local total = { requests = 0, input_tokens = 0, output_tokens = 0 }
    local by = {}
    for i, it in ipairs(results) do
      local usage = it.result.usage
      total.requests = total.requests + (it.result.requests or 0)
      total.input_tokens = total.input_tokens + usage.input_tokens
      total.output_tokens = total.output_tokens + usage.output_tokens
      if it.result.cost_usd then total.cost_usd = (total.cost_usd or 0.0) + it.result.cost_usd end
      by[i] = { name = it.name, text = it.result.text }
    end
    local sum = state.total
    sum.requests, sum.input_tokens = sum.requests + total.requests, sum.input_tokens + total.input_tokens
    sum.output_tokens = sum.output_tokens + total.output_tokens
    if total.cost_usd then sum.cost_usd = (sum.cost_usd or 0.0) + total.cost_usd end
    local config = state.config
    return {
      text = text, tool_calls = {}, results = by, usage = { input_tokens = total.input_tokens, output_tokens = total.output_tokens },
      cost_usd = total.cost_usd, model = config.model, provider = config.provider, finish_reason = "stop",
      requests = total.requests, metadata = { agent = config.name, model = config.model, provider = config.provider },
    }
  end

  local function ask(member, prompt)
    return { name = member.name, result = member:execute(prompt) }
  end

  -- All at the same time; those that fail are left out, unless all do.
  local function ask_all(state, prompt)
    local functions = {}
    for i, member in ipairs(state.members) do
      functions[i] = function() return ask(member, prompt) end
    end
    local good, failure = {}, nil
    for _, it in ipairs(engine.parallel(functions, #functions)) do
      if it.ok then good[#good + 1] = it.value else failure = failure or it.value end
    end
    if #good == 0 then error(failure, 0) end
    return good
  end

  local ROUTES = {}

  function ROUTES.sequential(state, prompt)
    local results = {}
    for i, member in ipairs(state.members) do
      results[i] = ask(member, prompt)
      prompt = results[i].result.text
    end
    return results, prompt
  end

  function ROUTES.round_robin(state, prompt)
    state.turns = state.turns + 1
    local one = ask(state.members[(state.turns - 1) % #state.members + 1], prompt)
    return { one }, one.result.text
  end

  function ROUTES.parallel(state, prompt)
    local results, texts = ask_all(state, prompt), {}
    for i, it in ipairs(results) do texts[i] = it.result.text end
    return results, concat(texts, "\n")
  end

  function ROUTES.fallback(state, prompt)
    local failure
    for _, member in ipairs(state.members) do
      local ok, one = engine.pcall(ask, member, prompt)
      if ok then return { one }, one.result.text end
      failure = one
    end
    return error(failure, 0)
  end

  -- The text that most of them say; of equally many the one that was said first.
  function ROUTES.vote(state, prompt)
    local results, votes, best = ask_all(state, prompt), {}, nil
    for _, it in ipairs(results) do
      local text = it.result.text
      votes[text] = (votes[text] or 0) + 1
    end
    for _, it in ipairs(results) do
      if not best or votes[it.result.text] > votes[best] then best = it.result.text end
    end
    return results, best
  end

  -- The first that has a tool which the prompt names; else the first.
  function ROUTES.capability_based(state, prompt)
    local chosen = state.members[1]
    for _, member in ipairs(state.members) do
      local names, named = states[member].definitions, false
      for _, tool in ipairs(names) do named = named or raw.string.find(prompt, tool.name, 1, true) ~= nil end
      if named then
        chosen = member
        break
      end
    end
    local one = ask(chosen, prompt)
    return { one }, one.result.text
  end

  local STRATEGIES = { "round_robin", "sequential", "parallel", "fallback", "vote", "capability_based" }

  -- An agent that hands on what it is asked; it can be asked, wrapped as a tool and listed as
  -- any other. Returns it.
  function Agent.createComposite(name, members, options)
    local call = "Agent.createComposite"
    options = options or {}
    if type(name) ~= "string" or name == "" then fail(call, "the name must be a string, not %s", type_of(name)) end
    if type(members) ~= "table" or #members == 0 then fail(call, "the agents must be a list of at least one") end
    if type(options) ~= "table" then fail(call, "options must be a table, not %s", type_of(options)) end
    local unknown = engine.unknown_key(options, { routing_strategy = true, strategy = true, description = true })
    if unknown then fail(call, "there is no option %s; there are routing_strategy and description", unknown) end
    if by_name[name] then fail(call, "there is an agent named %q already", name) end
    local strategy = options.routing_strategy or options.strategy or "round_robin"
    if not ROUTES[strategy] then
      fail(call, "there is no routing_strategy %s; there are %s", engine.tostring(strategy), concat(STRATEGIES, ", "))
    end
    local list = {}
    for i, member in ipairs(members) do list[i] = agent_named(member, call) end
    local config = {
      name = name, description = options.description, provider = "composite", model = strategy, tools = {},
    }
    local agent = agents.adopt({
      name = name, description = options.description, provider = "composite", model = strategy,
    }, config, {}, {})
    local state = states[agent]
    state.members = list
    state.route = function(prompt, _, deliver)
      if deliver then fail("Agent.stream", "a composite has no stream of its own; ask its members") end
      local results, text = ROUTES[strategy](state, prompt)
      return added(state, results, text)
    end
    agents.put(name, agent)
    return agent
  end

  -- Templates ------------------------------------------------------------------------------

  local TEMPLATES = {
    {
      name = "assistant", description = "Answers questions", parameters = { "topic" },
      system_prompt = "You are a helpful assistant{topic: for questions about %s}. Answer briefly and to the point.",
    },
    {
      name = "summarizer", description = "Sums texts up", parameters = { "sentences" },
      system_prompt = "Sum up the text you are given{sentences: in at most %s sentences}. Add nothing to it.",
    },
    {
      name = "extractor", description = "Finds facts in texts", parameters = { "fields" },
      system_prompt = "Find{fields: the following in} the text you are given{fields:: %s}. Answer in JSON alone.",
    },
    {
      name = "reviewer", description = "Says what is wrong with a text", parameters = { "criteria" },
      system_prompt = "Review the text you are given{criteria: by these criteria: %s}. List what to change, the worst first.",
    },
  }

  local function template_named(name, call)
    local names = {}
    for i, it in ipairs(TEMPLATES) do
      if it.name == name then return it end
      names[i] = it.name
    end
    fail(call, "there is no template %s; there are %s", engine.tostring(name), concat(names, ", "))
  end

  -- {name, description, parameters}
  function Agent.listTemplates()
    local found = {}
    for i, it in ipairs(TEMPLATES) do
      found[i] = { name = it.name, description = it.description, parameters = copy(it.parameters) }
    end
    return found
  end

  -- {parameter: text} is there where the parameter is given; %s is its value.
  local function filled(text, params)
    return (gsub(text, "{(%a+):([^{}]*)}", function(name, part)
      local value = params[name]
      if value == nil then return "" end
      if type(value) == "table" then value = concat(value, ", ") end
      return (gsub(part, "%%s", (gsub(engine.tostring(value), "%%", "%%%%"))))
    end))
  end

  -- An agent with the template's system prompt; what are no parameters of the template are
  -- options of Agent.create. Returns it.
  function Agent.createFromTemplate(name, instance, params)
    local call = "Agent.createFromTemplate"
    local template = template_named(name, call)
    if type(instance) ~= "string" or instance == "" then
      fail(call, "the agent's name must be a string, not %s", type_of(instance))
    end
    if params ~= nil and type(params) ~= "table" then fail(call, "parameters must be a table, not %s", type_of(params)) end
    local options = { name = instance, description = template.description }
    for key, value in next, params or {} do options[key] = value end
    options.system_prompt = options.system_prompt or filled(template.system_prompt, params or {})
    for _, parameter in ipairs(template.parameters) do options[parameter] = nil end
    return Agent.create(options)
  end

  -- All is there: what scripts see of agents.
  engine.provide_with_aliases("Agent", Agent)
  for name, method in next, Instance do engine.names[method] = "agent:" .. name end
  Meta.__index = engine.with_aliases(Instance)
end
