-- Sessions as scripts of v0.6.0 use them: ids are strings, records are tables.

print("=== Sessions ===")

-- 1. Create and look at one
local id = Session.create({
    name = "research",
    description = "An afternoon in the archive",
    tags = { "research", "v1" },
    metadata = { owner = "ada", priority = 2 },
})
assert(type(id) == "string" and #id == 36)
local session = Session.get(id)
assert(session.id == id and session.name == "research")
assert(session.status == "active")
assert(session.description == "An afternoon in the archive")
assert(table.concat(session.tags, ",") == "research,v1")
assert(session.custom_metadata.owner == "ada" and session.custom_metadata.priority == 2)
assert(session.created_at <= session.updated_at and session.created_at:match("^%d+%-%d+%-%d+T"))
print(string.format("created %s (%s)", session.name, session.status))

-- 2. A child
local child = Session.create({ name = "chapter one", parent_session_id = id, tags = { "research" } })
assert(Session.get(child).parent_session_id == id)

-- 3. Lists, with all of the tags, and by status
local found = Session.list({ tags = { "research" } })
assert(#found == 2, #found)
assert(#Session.list({ tags = { "research", "v1" } }) == 1)
assert(#Session.list({ tags = { "research" }, limit = 1 }) == 1)
assert(#Session.list({ status = "suspended", tags = { "research" } }) == 0)

-- 4. Suspend and resume, save and load
Session.suspend(id)
assert(Session.get(id).status == "suspended")
assert(#Session.list({ status = "suspended", tags = { "research" } }) == 1)
local ok, err = pcall(Session.suspend, id)
assert(not ok and tostring(err):find("suspended"))
Session.resume(id)
assert(Session.get(id).status == "active")
Session.save(id)
assert(Session.load(id) == id)

-- 5. The current one
local before = Session.getCurrent()
Session.setCurrent(id)
assert(Session.getCurrent() == id)
Session.setCurrent(nil)
assert(Session.getCurrent() == before)

-- 6. What goes wrong
ok, err = pcall(Session.get, "not-a-session")
assert(not ok and tostring(err):find("not%-a%-session"))
ok, err = pcall(Session.resume, id)
assert(not ok and tostring(err):find("active"))

-- 7. After the end it is still there
Session.complete(child)
assert(Session.get(child).status == "completed")
ok = pcall(Session.resume, child)
assert(not ok)
assert(#Session.list({ status = "completed", tags = { "research" } }) == 1)

-- 8. Deleted, it is gone
Session.delete(child)
assert(not pcall(Session.get, child))
Session.complete(id)

-- 9. Replay tells what there is
assert(Session.canReplay(before) == true)
local meta = Session.getReplayMetadata(before)
assert(meta.session_id == before and meta.can_replay == true)
assert(#Session.listReplayable() >= 1)
local replayed = Session.replay(before, { compare_results = true, stop_on_error = true })
assert(replayed.session_id == before and replayed.failed_replays == 0 and replayed.identical)

print("sessions: all good")
