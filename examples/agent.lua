-- An agent with a tool, an answer heard while it comes, and two agents at the same time.
-- Offline: the provider `mock` needs no key. Each request is one event, paid for once.
--   respell run examples/agent.lua
--   respell events @last

Tool.register("price_of", {
  description = "Price of one fruit, in cents",
  parameters = {
    type = "object",
    properties = { fruit = { type = "string" } },
    required = { "fruit" },
  },
}, function(params)
  local prices = { apple = 40, pear = 55 }
  return assert(prices[params.fruit], "there is no " .. params.fruit)
end)

-- What a model would decide is written down here.
local function wants(fruit)
  return { tool_calls = { { name = "price_of", arguments = { fruit = fruit } } } }
end
local shopper = Agent.create {
  name = "shopper",
  model = "mock/scripted",
  system_prompt = "You buy fruit.",
  tools = { "price_of" },
  options = { answers = { wants("apple"), wants("banana"), "An apple is 40 cents; we have no bananas." } },
}

local result = shopper:execute("What do an apple and a banana cost?")
print(result.text)
assert(result.tool_calls[1].result == 40)
assert(result.tool_calls[2].error:find("there is no banana"))
assert(result.requests == 3)

-- The answer is heard piece by piece, and again by every replay.
local heard = {}
local echo = Agent.create { model = "mock/echo", options = { chunk_size = 5 } }
local streamed = echo:stream("one two three", function(text, info)
  heard[info.index] = text
end)
print(table.concat(heard, "|"))
assert(table.concat(heard) == streamed.text)

-- Two agents think at the same time.
local function ask(seed)
  return function()
    local agent = Agent.create { model = "mock/seeded", options = { seed = seed, words = 4, delay_s = 0.2 } }
    return agent:execute("Say something.").text
  end
end
local both = Workflow.parallel { branches = { ask(1), ask(2) } }:execute()
for _, branch in ipairs(both.results) do print(branch.result) end
assert(both.results[1].result ~= both.results[2].result)

local used = shopper:getMetrics()
print(("the shopper took %d requests and %d tokens"):format(used.requests, used.input_tokens + used.output_tokens))
