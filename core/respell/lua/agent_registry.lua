-- Agents of a script: making them, finding them, and giving them to others as tools.

return function(engine, env)
  local raw = engine.raw
  local type, next, setmetatable, ipairs = raw.type, raw.next, raw.setmetatable, raw.ipairs
  local format = raw.string.format
  local Tool = env.Tool
  local hooks, agents = engine.hooks, engine.agents
  local fail, type_of, state_of, copy = agents.fail, agents.type_of, agents.state_of, agents.copy
  local definition_of, forget = agents.definition_of, agents.forget
  local states, destroyed, Meta = agents.states, agents.destroyed, agents.Meta
  local by_name, in_order = agents.by_name, agents.in_order
  local last_number = 0

  local Agent = {}

  local function put(name, agent)
    if by_name[name] then forget(name) end
    by_name[name], in_order[#in_order + 1] = agent, name
  end

  -- Makes a table an agent.
  function agents.adopt(agent, config, definitions, tools)
    engine.identify(agent)
    states[agent] = {
      agent = agent, config = config, definitions = definitions, tools = tools, conversation = {}, turns = 0,
      errors = 0, tool_calls = 0, total = { requests = 0, input_tokens = 0, output_tokens = 0 },
    }
    return setmetatable(agent, Meta)
  end

  local function make(options, call)
    if type(options) ~= "table" then fail(call, "a table with options is expected, not %s", type_of(options)) end
    local given = {}
    for key, value in next, options do given[key] = value end
    if given.name == nil then
      last_number = last_number + 1
      given.name = format("agent_%d", last_number)
    end
    local definitions, tools, names = {}, {}, {}
    if given.tools ~= nil and type(given.tools) ~= "table" then
      fail(call, "tools must be a list of names, not %s", type_of(given.tools))
    end
    for i, tool in ipairs(given.tools or {}) do
      definitions[i] = definition_of(tool, call)
      names[i], tools[definitions[i].name] = definitions[i].name, true
    end
    given.tools = names
    local config
    if hooks.wanted("BeforeAgentInit", "AfterAgentInit") then
      given = copy(given)
      config = hooks.around {
        before = "BeforeAgentInit", after = "AfterAgentInit", kind = "agent", name = given.name, data = given,
        args = given, event = "agent.create", perform = function(data) return engine.call("agent.create", data) end,
      }
    else
      config = engine.call("agent.create", given)
    end
    hooks.check_outcome(type(config) == "table" and type(config.name) == "string" and type(config.model) == "string",
      call, "what an agent is made of, with name and model", config)
    local agent = {
      name = config.name, description = config.description, provider = config.provider, model = config.model,
    }
    return agents.adopt(agent, config, definitions, tools)
  end

  -- The newest of a name is the one that Agent.get finds.
  function Agent.create(options)
    local agent = make(options, "Agent.create")
    put(agent.name, agent)
    return agent
  end

  -- register(name, agent), or register{options}: unlike create it takes no name twice, and
  -- returns the name.
  function Agent.register(name, agent)
    if type(name) == "table" and agent == nil then
      if not states[name] then name = make(name, "Agent.register") end
      name, agent = name.name, name
    end
    if type(name) ~= "string" or name == "" then
      fail("Agent.register", "the name must be a string, not %s", name == "" and "empty" or type_of(name))
    end
    if destroyed[agent] then state_of(agent, "Agent.register") end
    if not states[agent] then fail("Agent.register", "an agent is expected, not %s", type_of(agent)) end
    if by_name[name] and by_name[name] ~= agent then
      fail("Agent.register", "there is an agent named %q already", name)
    end
    put(name, agent)
    return name
  end

  function Agent.get(name)
    if type(name) ~= "string" then fail("Agent.get", "the name must be a string, not %s", type_of(name)) end
    return by_name[name]
  end

  local function entry(name)
    local config = states[by_name[name]].config
    return {
      name = name, description = config.description, provider = config.provider, model = config.model,
      tools = copy(config.tools or {}), type = states[by_name[name]].members and "composite" or "llm",
    }
  end

  function Agent.list()
    local found = {}
    for i, name in ipairs(in_order) do found[i] = entry(name) end
    return found
  end

  function Agent.getInfo(name)
    if not Agent.get(name) then fail("Agent.getInfo", "there is no agent named %q", name) end
    return entry(name)
  end

  -- What a wrapped agent is asked: its prompt, by the names that `execute` knows, else all it was given.
  local function prompt_of(params)
    local prompt = params.prompt or params.text
    return type(prompt) == "string" and prompt or env.JSON.stringify(params)
  end

  -- An agent as a tool that other agents may have: {prompt} -> its text. Returns the name.
  function Agent.wrapAsTool(name, options)
    options = options or {}
    if type(options) ~= "table" then fail("Agent.wrapAsTool", "options must be a table, not %s", type_of(options)) end
    if type(name) == "table" then state_of(name, "Agent.wrapAsTool") end
    local agent = states[name] and name or Agent.get(name)
    if not agent then fail("Agent.wrapAsTool", "there is no agent named %q", name) end
    local tool = options.tool_name or options.name or agent.name
    Tool.register(tool, {
      description = options.description or agent.description or format("Asks the agent %s", agent.name),
      parameters = {
        type = "object", minProperties = 1,
        properties = { prompt = { type = "string", description = "What it is asked" } },
      },
    }, function(params) return agent:execute(prompt_of(params)).text end)
    return tool
  end

  agents.Agent, agents.put, agents.entry = Agent, put, entry
end
