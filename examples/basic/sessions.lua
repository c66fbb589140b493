-- A session's life, from a script: made, suspended, resumed, completed; found again by its tags.
-- Sessions that a script makes have no program of their own, and outlive it.
--   respell run examples/basic/sessions.lua
--   respell list --tag field-trip

local trip = Session.create {
  name = "field trip",
  description = "What we saw outside",
  tags = { "field-trip" },
  metadata = { place = "the pond" },
}
-- An id is a text that also answers fields and methods.
print(("%s is %s, at %s"):format(trip.name, trip.status, trip.metadata.place))

local notes = Session.builder():name("notes"):tag("field-trip"):parent(trip):build()
assert(notes.parent_session_id == trip)

Session.suspend(trip)
local ok, why = pcall(Artifact.store, trip, "late.txt", "too late")
assert(not ok)
print("while suspended: " .. why:match(": (.*)"))
Session.resume(trip)

-- Two statuses at once are one too many: an impossible change says so, and changes nothing.
Session.complete(notes)
ok, why = pcall(Session.suspend, notes)
assert(not ok and why:find("completed"))
print("after the end: " .. why:match(": (.*)"))

for _, record in ipairs(Session.list { tags = { "field-trip" }, sort = "name" }) do
  print(("  %-12s %s"):format(record.name, record.status))
end
assert(#Session.list { tags = { "field-trip" }, status = "active" } == 1)

-- The current session is whose artifacts and state are meant where none is named.
Session.setCurrent(trip)
State.set("frogs", 3)
Session.setCurrent(nil)
assert(State.get("frogs") == nil and State.get("session:" .. trip, "frogs") == 3)
Session.complete(trip)
print("3 frogs were seen")
