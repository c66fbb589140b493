-- Several agents: one with a tool, a desk of two, contexts, and an answer taken piece by piece.
-- Offline: the provider `mock` says what is written down here.
--   respell run examples/advanced/agents.lua

Tool.register("population", {
  description = "How many people live in a city",
  parameters = { type = "object", properties = { city = { type = "string" } }, required = { "city" } },
}, function(params) return ({ Oslo = 717710, Bergen = 291940 })[params.city] end)

local researcher = Agent.create {
  name = "researcher", model = "mock/scripted", tools = { "population" }, system_prompt = "You look things up.",
  options = { answers = {
    { tool_calls = { { name = "population", arguments = { city = "Oslo" } } } },
    "Oslo has 717,710 people.",
  } },
}
local editor = Agent.create {
  name = "editor", model = "mock/scripted", options = { answers = { "Oslo: about 720,000 people." } },
}

-- What the researcher finds the editor gets to shorten.
local desk = Agent.createComposite("desk", { researcher, editor }, { routing_strategy = "sequential" })
local answer = desk:execute("How many people live in Oslo?")
for _, said in ipairs(answer.results) do print(("  %-10s %s"):format(said.name, said.text)) end
assert(answer.text == "Oslo: about 720,000 people.")
assert(researcher:getMetrics().tool_calls == 1)

-- A context is told to the model besides the question.
local trip = Agent.createContext { name = "trip", data = { city = "Oslo", days = 2 } }
local guide = Agent.createFromTemplate("assistant", "guide", { model = "mock/echo", topic = "travel" })
print("the guide hears: " .. guide:executeWithContext("What should I see?", trip).text)

-- The pieces of an answer, one at a time, with other work in between.
local echo = Agent.create { name = "echo", model = "mock/echo", options = { chunk_size = 7 } }
local pieces = Streaming.create(function(yield)
  echo:stream("a long way to go", function(text) coroutine.yield(text) end)
end)
local heard = {}
while not pieces:isDone() do
  heard[#heard + 1] = pieces:next()
  Utils.sleep(0.005)
end
print(table.concat(heard, "|"))
assert(table.concat(heard) == "a long way to go")

-- A paused agent refuses; alerts say when a limit of yours is crossed.
echo:configureAlerts { max_requests = 1, on_alert = function(alert) print("alert: " .. alert.message) end }
echo:execute("once more")
echo:pause()
local ok, why = pcall(echo.execute, echo, "and again")
assert(not ok and #echo:getAlerts() == 1)
print("refused: " .. why:match("the agent.*"))
