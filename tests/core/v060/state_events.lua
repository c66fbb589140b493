-- State, events, JSON and the log as scripts of v0.6.0 use them.

-- State: with and without a scope, by both pairs of names
State.set("counter", 1)
State.save("counter", State.load("counter") + 1)
assert(State.get("counter") == 2)
State.set("global", "motto", { words = { "fiat", "lux" } })
assert(State.get("global", "motto").words[2] == "lux")
State.set("agent:scout", "seen", 3)
State.set("workflow:nightly", "step", "load")
State.set("custom:notes", "today", "rain")
assert(State.get("custom:notes", "today") == "rain")
local keys = State.list("agent:scout")
assert(#keys == 1 and keys[1] == "seen")
State.delete("custom:notes", "today")
assert(State.get("custom:notes", "today") == nil)

-- Of a session of ours
local session_id = Session.create({ name = "with state" })
State.set("session:" .. session_id, "config", { retries = 3 })
assert(State.get("session:" .. session_id, "config").retries == 3)

-- Events of our own
local sub = Event.subscribe("task.*")
assert(Event.publish("task.created", { id = 7, tags = { "a", "b" } }) == true)
assert(Event.publish("task.done", { id = 7 }, { language = "lua", ttl_seconds = 60 }) == true)
Event.publish("other.thing", {})
local first = Event.receive(sub, 1000)
assert(first.event_type == "task.created" and first.data.id == 7 and first.data.tags[2] == "b")
assert(first.metadata.source_language == "lua")
assert(type(first.timestamp) == "string" and type(first.sequence) == "number")
local second = Event.receive(sub, 1000)
assert(second.event_type == "task.done" and second.sequence > first.sequence)
assert(Event.receive(sub, 10) == nil)
local listed = Event.list_subscriptions()
assert(#listed == 1 and listed[1].pattern == "task.*" and listed[1].id == sub)
local stats = Event.get_stats()
assert(stats.bridge_stats.active_subscriptions == 1)
assert(stats.event_bus_stats.events_processed >= 2)
assert(Event.unsubscribe(sub) == true)
assert(not pcall(Event.receive, sub, 10))

-- Events of sessions: v0.6.0's scripts waited for these in vain
local life = Event.subscribe("session.*")
local other = Session.create({ name = "watched" })
Session.suspend(other)
Session.resume(other)
Session.complete(other)
local seen = {}
for _ = 1, 10 do
    local event = Event.receive(life, 500)
    if not event then break end
    seen[#seen + 1] = event.event_type
end
local all = table.concat(seen, " ")
print("heard " .. all)
for _, name in ipairs({ "session.suspended", "session.resumed", "session.completed" }) do
    assert(all:find(name, 1, true), name)
end

-- JSON and the log
assert(JSON.stringify({ b = 1, a = { 1, 2 } }) == '{"a":[1,2],"b":1}')
assert(JSON.parse('{"x": [1, {"y": null}]}').x[1] == 1)
assert(not pcall(JSON.parse, "{"))
assert(JSON.stringify(0 / 0) == "null")
Logger.info("all is well", { seen = #seen })

print("state and events: all good")
