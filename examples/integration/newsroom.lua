-- Everything together: a newsroom that fetches, writes side by side, checks, and publishes.
--   respell run examples/integration/newsroom.lua
--   respell run examples/integration/newsroom.lua -- http://127.0.0.1:8000/today.json
-- With an address it asks that server for numbers; a replay asks nobody: `respell replay @last`.

local here = Session.getCurrent()
local url = args[1]

-- Configuration in State, an archive in a session of its own.
State.set("newsroom", { desk = "city", most_words = 12 })
local archive = Session.create { name = "archive", tags = { "newsroom" } }
local heard = Event.subscribe("story.*")

-- Each tool call is counted, by a hook; a custom one can veto a headline.
local calls = {}
Hook.register("AfterToolExecution", function(context)
  local name = context.component_id.name
  calls[name] = (calls[name] or 0) + 1
end)
Hook.register("custom:headline", function(context)
  if context.data.text:find("SHOCKING") then return { type = "cancel", reason = "not in this paper" } end
end, { name = "style" })

-- 1. Facts: from the network if there is an address, else from here.
local function facts()
  if not url then return { double = 42 } end
  return Tool.invoke("http_request", { input = url, method = "GET" }).result.body
end

-- 2. Two writers work at the same time, and an editor chooses.
local function writer(name, text)
  return Agent.create { name = name, model = "mock/scripted", options = { answers = { text }, delay_s = 0.05 } }
end
local ann = writer("ann", "Rain fell on the city.")
local bob = writer("bob", "SHOCKING rain attacks the city!")
local write = Workflow.parallel {
  name = "write",
  branches = {
    { name = "ann", steps = { { name = "draft", agent = ann, input = "Write about {{input:double}} mm of rain" } } },
    { name = "bob", steps = { { name = "draft", agent = bob, input = "Write about {{input:double}} mm of rain" } } },
  },
}

local function choose(_, context)
  for _, branch in ipairs(context.steps.write.result.branches) do
    local ok = pcall(Hook.trigger, "custom:headline", { text = branch.output })
    print(("  %-4s %-35s %s"):format(branch.name, branch.output, ok and "printed" or "not printed"))
    if ok then context.data.chosen = context.data.chosen or branch.output end
  end
  return context.data.chosen
end

-- 3. The whole of it, with a deadline for each step and another try for the network.
local edition = Workflow.sequential {
  name = "edition",
  timeout_ms = 60000,
  steps = {
    { name = "facts", fn = facts, error_strategy = { type = "retry", max_attempts = 3, backoff_ms = 100 } },
    { name = "write", workflow = write, input = "{{step:facts:output}}", timeout_ms = 30000 },
    { name = "choose", fn = choose },
    {
      name = "layout", tool = "template_engine",
      input = { input = "== {{ headline }} ==", context = { headline = "{{step:choose:output}}" }, engine = "tera" },
    },
  },
}
edition:onError(function(message) print("no edition today: " .. message) end)
local result = edition:execute()
assert(result.success, result.error)
print(result.output)

-- 4. Published: an artifact in the archive, an event, a line in State.
local id = Artifact.store(archive, "front-page.txt", result.output, { tags = { "front-page" }, rain_mm = result.data.facts.double })
Event.publish("story.published", { artifact = id.id, headline = result.data.choose })
local event = Event.receive(heard, 1000)
assert(event and event.data.headline == "Rain fell on the city.")
local index = State.get("custom:newsroom", "index") or {}
index[#index + 1] = event.data.headline
State.set("custom:newsroom", "index", index)
Session.complete(archive)

-- 5. What it took.
assert(Artifact.get(archive, id).metadata.custom.rain_mm == 42)
assert(Session.get(archive).status == "completed" and calls.template_engine == 1)
assert(url == nil or calls.http_request == 1)
local stats = Session.stats(here)
print(("published after %d requests to models; the archive has %d artifact(s)"):format(
  ann:getMetrics().requests + bob:getMetrics().requests, #Artifact.list(archive)))
assert(type(stats) == "table")
