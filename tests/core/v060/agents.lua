-- Agents as scripts of v0.6.0 use them, with the provider mock for a real one.

local researcher = Agent.create({
    name = "researcher", description = "Finds things", system_prompt = "You find things.",
    model = "mock/echo", temperature = 0.7, max_tokens = 500, max_conversation_length = 10,
})
local writer = Agent.create({ name = "writer", provider_model = "mock/echo" })

-- Asking
assert(researcher:invoke({ text = "Where is it?" }).text == "Where is it?")
assert(researcher:execute({ text = "And now?" }).text == "And now?")
local chunks = 0
local streamed = researcher:invokeStream({ text = "piece by piece" }, function(chunk)
    chunks = chunks + 1
    assert(type(chunk.text) == "string")
end)
assert(streamed.success == true and streamed.chunks_received == chunks and chunks > 0)

-- Lists and details
local names = {}
for _, info in ipairs(Agent.list()) do names[#names + 1] = info.name end
assert(table.concat(names, " ") == "researcher writer")
for _, instance in ipairs(Agent.listInstances()) do print("  - " .. instance) end
assert(Agent.get("writer") == writer and Agent.get("nobody") == nil)
assert(Agent.getInfo("researcher").description == "Finds things")
assert(Agent.getDetails("researcher").type == "llm")
local count = 0
for _ in pairs(Agent.listCapabilities()) do count = count + 1 end
assert(count > 0)
assert(#Agent.discover() == 2 and #Agent.discoverByCapability("streaming") == 2)

-- State
local state = researcher:getState()
assert(#state.conversation == 6)
researcher:saveState()
researcher:setState({ conversation = {} })
assert(#researcher:getState().conversation == 0)
assert(researcher:loadState() == true and #researcher:getState().conversation == 6)
researcher:deleteState()
assert(researcher:loadState() == false)
assert(researcher:getConfig().temperature == 0.7)

-- Tools
assert(researcher:hasTool("calculator") and #researcher:discoverTools() >= 16)
assert(researcher:getToolMetadata("calculator").name == "calculator")
assert(#researcher:getAllToolMetadata() >= 16)
assert(researcher:invokeTool("calculator", { operation = "evaluate", input = "40 + 2" }).text:find("42"))
local tool = Agent.wrapAsTool("researcher", { tool_name = "research_tool", description = "Asks the researcher" })
assert(tool == "research_tool" and Tool.exists("research_tool"))
assert(Tool.invoke("research_tool", { prompt = "dig" }).text == "dig")

-- Together
Agent.createComposite("desk", { "researcher", "writer" }, { routing_strategy = "sequential", description = "Both" })
assert(Agent.get("desk"):invoke({ text = "a story" }).text == "a story")
local found = {}
for _, template in ipairs(Agent.listTemplates()) do found[template.name] = true end
assert(found.summarizer)
local made = Agent.createFromTemplate("summarizer", "shortener", { model = "mock/echo", sentences = 1 })
assert(made:execute({ text = "long" }).text == "long")

-- Contexts and shared memory
local parent = Agent.createContext({ data = { project = "atlas" } })
local child = Agent.createChildContext(parent, { data = { chapter = 2 } }, "inherit")
Agent.updateContext(parent, "deadline", "friday")
assert(Agent.getContextData(child, "project") == "atlas" and Agent.getContextData(child, "deadline") == "friday")
assert(researcher:executeWithContext({ text = "go on" }, child).text == "go on")
Agent.setSharedMemory("team", "draft", { words = 120 })
assert(Agent.getSharedMemory("team", "draft").words == 120)
assert(Agent.getHierarchy("desk").members[1].name == "researcher")
Agent.removeContext(parent)

-- Lifecycle and health
writer:initialize()
writer:start()
assert(writer:getAgentState() == "Running")
writer:pause()
assert(not pcall(writer.invoke, writer, { text = "psst" }))
writer:resume()
writer:setError("out of ink")
assert(writer:getLastError() == "out of ink" and not writer:isHealthy())
writer:recover()
assert(writer:isHealthy() and writer:getRecoveryAttempts() == 1)
writer:stop()
assert(#writer:getStateHistory() == 7 and writer:getStateMetrics().transitions == 7)
assert(researcher:getHealth().healthy and researcher:getPerformance().success_rate == 1.0)
researcher:configureAlerts({ max_requests = 1000 })
assert(#researcher:getAlerts() == 0 and researcher:getBridgeMetrics().agents == 4)
researcher:logEvent("milestone", "half way")
assert(researcher:getMetrics().requests > 3)
writer:terminate()
writer:destroy()
assert(Agent.get("writer") == nil)

-- Streaming
local numbers = Streaming.create(function() for i = 1, 3 do Streaming.yield(i * 10) end end)
assert(numbers:next() == 10 and not numbers:isDone())
assert(table.concat(numbers:collect(), " ") == "20 30" and numbers:isDone())

print("agents: all good")
