-- A session replays itself, then asks: what if that one answer had been another?
--   respell run examples/replay/what_if.lua
-- The same from outside: respell replay @last, respell fork @last --at N --outcome …, respell diff.

local agent = Agent.create { name = "oracle", model = "mock/scripted", options = { answers = { "rain" } } }
local answer = agent:execute("What will the weather be?").text
State.set("weather", answer)
print("the oracle says: " .. answer)

-- Is it the one that runs, or a fork of it that has come here with another answer?
local here = Session.getCurrent()
if answer ~= "rain" then return print("so we go swimming") end
print("so we stay in")

-- Everything so far once more, compared with what is recorded: nothing is asked again.
local replayed = Session.replay(here, { mode = "exact" })
print(("replayed %d events: %s"):format(replayed.events_replayed, replayed.identical and "identical" or "different"))
assert(replayed.identical)

-- The event at which the model was asked, and a session that has another answer there.
local asked
for _, event in ipairs(Session.getTimeline(here)) do
  if event.name == "agent.request" then asked = event.number end
end
local other = Session.fork(here, { at = asked, outcome = "sun", name = "a sunny day" })
assert(Session.get(other).forked_from ~= nil and Session.get(other).status == "suspended")
print(("a fork departs from event %d; `respell resume` goes on with it"):format(asked))

-- Comparing values, as replays do.
local found = Replay.createComparator():compare_json({ weather = "rain" }, { weather = "sun" })
print(found.summary, found.differences[1].path)
assert(not found.identical)
