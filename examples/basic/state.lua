-- State that lasts, by scope, and events that others hear.
--   respell run examples/basic/state.lua        (twice: the second run goes on counting)

local runs = (State.get("custom:example", "runs") or 0) + 1
State.set("custom:example", "runs", runs)
print(("this is run %d"):format(runs))

-- What a session does is an event; so is what you publish.
local heard = Event.subscribe("*")
Event.publish("kettle.boiled", { litres = 2 })
local tea = Session.create { name = "tea" }
Session.complete(tea)

local types = {}
for _ = 1, 4 do
  local event = Event.receive(heard, 1000)
  if event then types[#types + 1] = event.event_type end
end
print("heard: " .. table.concat(types, ", "))
assert(types[1] == "kettle.boiled")
Event.unsubscribe(heard)

-- A durable timer: a session that is resumed waits for what is left of it.
Utils.sleep(0.05)
State.delete("custom:example", "last")
assert(State.get("custom:example", "last") == nil and State.get("custom:example", "runs") == runs)
