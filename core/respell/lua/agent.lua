-- Agent: conversations with models, and the tools that they may call.
--
-- The loop runs here: each request to a model and each call of a tool is an effect of its
-- own. An agent is a table of the script; what it remembers is in this runtime only, and is
-- there again after a re-execution.

return function(engine, env)
  local raw = engine.raw
  local type, error, next, setmetatable, ipairs = raw.type, raw.error, raw.next, raw.setmetatable, raw.ipairs
  local format, gsub, sub, utf8_len = raw.string.format, raw.string.gsub, raw.string.sub, raw.utf8.len
  local concat, sort, move = raw.table.concat, raw.table.sort, raw.table.move
  local Tool, State = env.Tool, env.State

  local MOST_TOOL_BYTES = 256 * 1024   -- of a result, as the model gets it

  local function fail(call, message, ...)
    error(engine.where() .. call .. ": " .. format(message, ...), 0)
  end

  local function type_of(value)
    return value == nil and "nil" or "a " .. type(value)
  end

  local states = setmetatable({}, { __mode = "k" })   -- agent -> what it is and remembers
  local destroyed = setmetatable({}, { __mode = "k" })   -- agent -> its name
  local by_name, in_order = {}, {}
  local last_number = 0

  local function state_of(agent, call)
    local state = states[agent]
    if not state then
      if destroyed[agent] then fail(call, "the agent %q was destroyed", destroyed[agent]) end
      fail(call, "call it with a colon on an agent, as in agent:%s(…)", gsub(call, "^.*%.", ""))
    end
    return state
  end

  -- What is asked ------------------------------------------------------------------------

  local PROMPT = { prompt = true, text = true, temperature = true, max_tokens = true, stop = true, seed = true }

  local function prompt_of(input, call)
    if type(input) == "string" then input = { prompt = input } end
    if type(input) ~= "table" then fail(call, "the prompt must be a string or {prompt = …}, not %s", type_of(input)) end
    local unknown = engine.unknown_key(input, PROMPT)
    if unknown then
      fail(call, "there is no option %s; there are prompt (or text), temperature, max_tokens, stop, seed", unknown)
    end
    local text = input.prompt
    if text == nil then text = input.text end
    if type(text) ~= "string" then fail(call, "prompt must be a string, not %s", type_of(text)) end
    if not utf8_len(text) then fail(call, "prompt must be UTF-8 text; these bytes are not") end
    return text, input
  end

  -- One request to the model. What comes before and after every request belongs here.
  local function request(state, messages, input, deliver, context)
    local config = state.config
    state.turns = state.turns + 1
    local stop = input.stop
    if type(stop) == "string" then stop = { stop } end
    local asked = messages
    local told = config.system_prompt
    if context then told = told and told .. "\n\n" .. context or context end
    if told then asked = move(messages, 1, #messages, 2, { { role = "system", text = told } }) end
    local ok, answer = engine.pcall(engine.ask_model, {
      agent = config.name, provider = config.provider, model = config.model, messages = asked,
      tools = #state.definitions > 0 and state.definitions or nil,
      temperature = input.temperature or config.temperature,
      max_tokens = input.max_tokens or config.max_tokens, stop = stop or config.stop,
      seed = input.seed or config.seed, options = config.options, turn = state.turns,
    }, deliver)
    if not ok then
      state.errors, state.last_error = state.errors + 1, engine.error_text(answer)
      error(answer, 0)
    end
    return answer
  end

  -- Tools --------------------------------------------------------------------------------

  local function definition_of(tool, call)
    local name = tool
    if type(tool) == "table" then name = tool.name end
    if type(name) ~= "string" then fail(call, "tools is a list of names of tools, not of %s", type_of(tool)) end
    local found = Tool.get(name)
    if not found then fail(call, "there is no tool %q; Tool.list() shows all there are", name) end
    return {
      name = name, description = found.description or "",
      parameters = found.parameters or found.schema and found.schema.parameters or {},
    }
  end

  local function shortened(text)
    if #text <= MOST_TOOL_BYTES then return text end
    return format("%s… (%d bytes in all)", sub(text, 1, MOST_TOOL_BYTES), #text)
  end

  -- Calls a tool for the model; what goes wrong is told to the model. Returns the text and
  -- whether it is an error, and what the call returned.
  local function call_tool(state, call)
    if not state.tools[call.name] then
      local names = {}
      for i, one in ipairs(state.definitions) do names[i] = one.name end
      return format("there is no tool %q; there are: %s", call.name, #names > 0 and concat(names, ", ") or "none"), true
    end
    if type(call.arguments) ~= "table" then
      return "the arguments must be a JSON object with the parameters' names", true
    end
    local ok, result = engine.pcall(Tool.invoke, call.name, call.arguments)
    if not ok then
      -- Where the script stands says nothing to the model.
      return shortened((gsub(engine.error_text(result), "^[^\n:]*:%d+: ", "", 1))), true
    end
    if type(result) ~= "table" then return shortened(engine.error_text(result)), false, result end
    if result.success == false then return shortened(engine.error_text(result.error or result.text)), true, result end
    return shortened(engine.error_text(result.text)), false, result
  end

  -- The loop -----------------------------------------------------------------------------

  -- Drops the oldest exchanges until at most so many messages are left; a conversation
  -- begins with what the user says.
  local function trim(conversation, most)
    local first = #conversation - most + 1
    if first <= 1 then return conversation end
    while first <= #conversation and conversation[first].role ~= "user" do first = first + 1 end
    if first > #conversation then   -- the last exchange is longer than that
      repeat first = first - 1 until conversation[first].role == "user"
    end
    return move(conversation, first, #conversation, 1, {})
  end

  -- Keeps what was said in one go: branches that talk to the same agent don't mix.
  local function keep(state, messages, first)
    local conversation = state.conversation
    move(messages, first, #messages, #conversation + 1, conversation)
    local most = state.config.max_conversation_length
    if most then state.conversation = trim(conversation, most) end
  end

  local function add_up(total, answer)
    total.requests = total.requests + 1
    total.input_tokens = total.input_tokens + answer.input_tokens
    total.output_tokens = total.output_tokens + answer.output_tokens
    if answer.cost_usd then total.cost_usd = (total.cost_usd or 0.0) + answer.cost_usd end
  end

  local function result_of(state, answer, total, made)
    local config = state.config
    local model = answer.model or config.model
    return {
      text = answer.text, tool_calls = made,
      usage = { input_tokens = total.input_tokens, output_tokens = total.output_tokens },
      cost_usd = total.cost_usd, model = model, provider = config.provider,
      finish_reason = answer.finish_reason, requests = total.requests,
      metadata = { agent = config.name, model = model, provider = config.provider },
    }
  end

  local function call_tools(state, calls, messages, made)
    for _, call in ipairs(calls) do
      state.tool_calls = state.tool_calls + 1
      local text, is_error, result = call_tool(state, call)
      made[#made + 1] = {
        id = call.id, name = call.name, arguments = call.arguments, text = text,
        result = not is_error and type(result) == "table" and result.result or nil,
        error = is_error and text or nil,
      }
      messages[#messages + 1] = { role = "tool", tool_call_id = call.id, text = text, is_error = is_error or nil }
    end
  end

  local function conversed(state, text, options, call, deliver, context)
    if state.route then return state.route(text, options, deliver) end
    local messages = move(state.conversation, 1, #state.conversation, 1, {})
    local first = #messages + 1
    messages[first] = { role = "user", text = text }
    local made = {}
    local total = { requests = 0, input_tokens = 0, output_tokens = 0 }
    local most = state.config.max_tool_rounds
    for round = 0, most do
      local answer = request(state, messages, options, deliver, context)
      add_up(total, answer)
      add_up(state.total, answer)
      local calls = answer.tool_calls
      messages[#messages + 1] = {
        role = "assistant", text = answer.text, tool_calls = #calls > 0 and calls or nil,
      }
      if #calls == 0 then
        keep(state, messages, first)
        return result_of(state, answer, total, made)
      end
      if round < most then call_tools(state, calls, messages, made) end
    end
    fail(call, "the model of %s still wants tools after %d rounds (max_tool_rounds); the last is %q",
      state.config.name, most, messages[#messages].tool_calls[1].name)
  end

  local hooks = engine.hooks

  -- Whether an agent may be asked (agent_lifecycle.lua), and what is told of each time it was
  -- (agent_health.lua).
  local checks, watchers = {}, {}

  local function watched(state, perform)
    if #watchers == 0 then return perform() end
    local ok, result = engine.pcall(perform)
    for _, watch in ipairs(watchers) do watch(state, ok, result) end
    if not ok then error(result, 0) end
    return result
  end

  -- The same with the hooks around it: they get {prompt, …}, and the result. `context` is a
  -- text that the model is told besides the system prompt, this once.
  local function hooked(agent, input, call, deliver, context)
    local state = state_of(agent, call)
    local text, options = prompt_of(input, call)
    if not hooks.wanted("BeforeAgentExecution", "AfterAgentExecution", "AgentError") then
      return conversed(state, text, options, call, deliver, context)
    end
    local data = { prompt = text }
    for key, value in next, options do
      if key ~= "text" then data[key] = value end
    end
    local function performer(one)
      return function(given)
        local prompt, more = prompt_of(given, call)
        return conversed(one, prompt, more, call, deliver, context)
      end
    end
    return hooks.around {
      before = "BeforeAgentExecution", after = "AfterAgentExecution", error = "AgentError", kind = "agent",
      name = state.config.name, data = data, event = "agent.execute",
      args = { agent = state.config.name, prompt = text }, perform = performer(state),
      redirect = function(target)
        local other = by_name[target]
        if not other then fail(call, "a hook redirects to the agent %q, and there is none of that name", target) end
        return performer(state_of(other, call))
      end,
    }
  end

  local function converse(agent, input, call, deliver, context)
    local state = state_of(agent, call)
    for _, check in ipairs(checks) do check(state, call) end
    return watched(state, function() return hooked(agent, input, call, deliver, context) end)
  end

  -- Agents -------------------------------------------------------------------------------

  local Instance = {}
  local Meta = { __name = "Agent" }

  local function callback_of(fn, call)
    if type(fn) ~= "function" then fail(call, "the callback must be a function, not %s", type_of(fn)) end
    return fn
  end

  function Instance:execute(input) return converse(self, input, "Agent.execute") end
  function Instance:invoke(input) return converse(self, input, "Agent.invoke") end

  -- fn(text, {index, restarted}); false ends the answer there.
  function Instance:stream(input, fn)
    return converse(self, input, "Agent.stream", callback_of(fn, "Agent.stream"))
  end

  -- v0.6.0's form: fn({text, index, restarted}).
  function Instance:invokeStream(input, fn)
    callback_of(fn, "Agent.invokeStream")
    local received = 0
    local result = converse(self, input, "Agent.invokeStream", function(text, info)
      received = received + 1
      info.text = text
      return fn(info)
    end)
    result.success, result.chunks_received = true, received
    return result
  end

  local function copy(value) return engine.decode(engine.encode(value, "agent")) end

  function Instance:getConfig() return copy(state_of(self, "Agent.getConfig").config) end

  function Instance:getMetrics()
    local state = state_of(self, "Agent.getMetrics")
    local total = state.total
    return {
      requests = total.requests, errors = state.errors, tool_calls = state.tool_calls,
      input_tokens = total.input_tokens, output_tokens = total.output_tokens, cost_usd = total.cost_usd,
    }
  end

  -- The conversation: an array of {role, text, …}, without the system prompt.
  function Instance:getState()
    local state = state_of(self, "Agent.getState")
    return { name = state.config.name, conversation = copy(state.conversation) }
  end

  local ROLES = { user = true, assistant = true, tool = true }

  function Instance:setState(given)
    local state = state_of(self, "Agent.setState")
    local conversation = type(given) == "table" and given.conversation
    if type(conversation) ~= "table" then
      fail("Agent.setState", "the state must be {conversation = {…}}, as getState() gives it")
    end
    for i, message in ipairs(conversation) do
      if type(message) ~= "table" or not ROLES[message.role] or type(message.text) ~= "string" then
        fail("Agent.setState", "message %d must be {role = \"user\", \"assistant\" or \"tool\", text = …}", i)
      end
    end
    state.conversation = copy({ raw.table.unpack(conversation) })
  end

  function Instance:reset() state_of(self, "Agent.reset").conversation = {} end

  local function scope_of(state) return "agent:" .. state.config.name end

  function Instance:saveState()
    local state = state_of(self, "Agent.saveState")
    State.set(scope_of(state), "conversation", state.conversation)
  end

  function Instance:loadState()
    local state = state_of(self, "Agent.loadState")
    local conversation = State.get(scope_of(state), "conversation")
    if conversation == nil then return false end
    self:setState({ conversation = conversation })
    return true
  end

  function Instance:deleteState()
    return State.delete(scope_of(state_of(self, "Agent.deleteState")), "conversation")
  end

  function Instance:discoverTools()
    local names = {}
    for i, tool in ipairs(Tool.list()) do names[i] = tool.name end
    return names
  end
  function Instance:getToolMetadata(name) return Tool.get(name) end
  function Instance:getAllToolMetadata() return Tool.list() end
  function Instance:hasTool(name) return Tool.exists(name) end
  function Instance:invokeTool(name, params) return Tool.invoke(name, params) end

  local function forget(name)
    by_name[name] = nil
    for i, one in ipairs(in_order) do
      if one == name then raw.table.remove(in_order, i) return end
    end
  end

  -- Takes the agent out of Agent.list() under all its names; it can't be asked any more.
  function Instance:destroy()
    local name = state_of(self, "Agent.destroy").config.name
    hooks.around {
      before = "BeforeAgentShutdown", after = "AfterAgentShutdown", kind = "agent", name = name,
      data = { name = name }, event = "agent.destroy", args = { agent = name },
      perform = function()
        for i = #in_order, 1, -1 do
          if by_name[in_order[i]] == self then forget(in_order[i]) end
        end
        states[self], destroyed[self] = nil, name
      end,
    }
  end

  -- What the other files about agents share.
  engine.agents = {
    Instance = Instance, Meta = Meta, states = states, destroyed = destroyed, by_name = by_name,
    in_order = in_order, checks = checks, watchers = watchers, fail = fail, type_of = type_of, state_of = state_of,
    copy = copy, definition_of = definition_of, forget = forget, add_up = add_up, converse = converse,
  }

  function Meta.__tostring(agent)
    local state = states[agent]
    return state and "Agent: " .. state.config.name or "Agent (destroyed)"
  end
end
