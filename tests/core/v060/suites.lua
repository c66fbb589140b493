-- What the five example suites of v0.6.0 are about, in one script: a pipeline that recovers
-- from a failure by what it kept, with hooks, events, state, tools, agents and workflows.

local function encode_json(value) return JSON.stringify(value) end

-- A recoverable pipeline: each step's result is an artifact
local session_id = Session.create({
    name = "pipeline", description = "A recoverable pipeline", tags = { "pipeline", "recoverable" },
})
local steps = { "extract", "transform", "load" }
local function run(from)
    for i = from, #steps do
        Artifact.store(session_id, "tool_result", steps[i] .. "_input.json", encode_json({ step = i }), {
            mime_type = "application/json", tags = { "input" }, step_name = steps[i], artifact_role = "input",
        })
        if steps[i] == "transform" and from == 1 then error("the disk is full") end
        Artifact.store(session_id, "tool_result", steps[i] .. "_result.json", encode_json({ rows = i * 100 }), {
            mime_type = "application/json", tags = { "result" }, step_name = steps[i], artifact_role = "result",
        })
        Session.save(session_id)
    end
end
local ok, err = pcall(run, 1)
assert(not ok and tostring(err):find("the disk is full"))
Session.suspend(session_id)

-- Found again, resumed, and gone on with where it stood
local found = Session.list({ tags = { "recoverable" }, status = "suspended" })
assert(#found == 1 and found[1].id == session_id)
Session.resume(session_id)
local done = {}
for _, artifact in ipairs(Artifact.list(session_id)) do
    if artifact.custom.artifact_role == "result" then done[artifact.custom.step_name] = true end
end
assert(done.extract and not done.transform)
local next_step = 1
while done[steps[next_step]] do next_step = next_step + 1 end
run(next_step)
assert(#Artifact.query({ session_id = session_id, tags = { "result" } }) == 3)
Session.complete(session_id)

-- A hierarchy of three levels, and bulk work
local project = Session.create({ name = "project", tags = { "tree" }, metadata = { level = 1 } })
local phase = Session.create({ name = "phase", tags = { "tree" }, parent_session_id = project })
local task = Session.create({ name = "task", tags = { "tree" }, parent_session_id = phase })
assert(Session.get(Session.get(task).parent_session_id).parent_session_id == project)
local start = os.clock()
local created = {}
for i = 1, 10 do
    created[i] = Session.create({ name = string.format("bulk_%03d", i), tags = { "bulk", i % 2 == 0 and "even" or "odd" } })
    for j = 1, 2 do
        Artifact.store(created[i], "system_generated", "item_" .. j .. ".txt", "item " .. j, { index = j })
    end
end
print(string.format("20 artifacts in %.2f s", math.max(os.clock() - start, 0)) ~= nil)
assert(#Session.list({ tags = { "bulk", "even" } }) == 5)
local total = 0
for _, id in ipairs(created) do total = total + #Artifact.list(id) end
assert(total == 20)
for _, id in ipairs(created) do Session.delete(id) end
assert(#Session.list({ tags = { "bulk" } }) == 0)

-- Integration: everything at once
State.set("session:" .. project, "metrics", { tools = 0 })
local sub = Event.subscribe("session.*")
local seen_tools = {}
Hook.register("AfterToolExecution", function(context)
    table.insert(seen_tools, context.component_id.name)
    return "continue"
end, "normal")
Session.setCurrent(project)
local sum = Tool.get("calculator"):execute({ operation = "evaluate", input = "42 * 2" })
assert(JSON.parse(sum.text).result.result == 84)
State.set("session:" .. project, "metrics", { tools = #seen_tools })
assert(State.get("session:" .. project, "metrics").tools == 1)
local success, agent = pcall(Agent.create, { name = "helper", model = "mock/echo", system_prompt = "You help." })
assert(success)
local reply = agent:invoke({ text = "Summarize" })
assert(reply.text == "Summarize")
local workflow = Workflow.sequential({
    name = "report",
    steps = {
        { name = "id", type = "tool", tool = "uuid_generator", input = { operation = "generate" } },
        { name = "text", type = "tool", tool = "template_engine", input = { input = "report {{id}}", context = { id = "{{step:id:output}}" } } },
    },
})
local outcome = workflow:execute({})
assert(outcome.success and tostring(outcome.data.final_output):find("^report %x+"))
local index = State.get("artifact_index") or {}
local id_table = Artifact.store(project, "agent_output", "reply.txt", reply.text, { tags = { "reply" } })
index[#index + 1] = { name = "reply.txt", hash = id_table.content_hash }
State.set("artifact_index", index)
assert(State.get("artifact_index")[1].hash == id_table.content_hash)
Session.setCurrent(nil)
Session.complete(task)
local event = Event.receive(sub, 1000)
while event and event.event_type ~= "session.completed" do event = Event.receive(sub, 1000) end
assert(event and event.event_type == "session.completed")
Event.unsubscribe(sub)
assert(#seen_tools == 3, #seen_tools)

print("suites: all good")
