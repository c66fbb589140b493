-- Hooks around what a script does: they look, change, refuse, and stand in.
--   respell run examples/advanced/hooks.lua

local function shout(text)
  return Tool.invoke("text_manipulator", { operation = "uppercase", input = text }).result.result
end

-- Whoever wants to know is told, in the order of priority.
local seen = {}
local watch = Hook.register("BeforeToolExecution", function(call) seen[#seen + 1] = call.component_id.name end, "highest")
local after = Hook.register("AfterToolExecution", function(call) seen[#seen + 1] = "after " .. call.component_id.name end)
assert(shout("hello") == "HELLO")
print(table.concat(seen, ", "))
watch:unregister()
after:unregister()

-- Changed on its way in.
local polite = Hook.register("BeforeToolExecution", function(call)
  call.data.input = call.data.input .. ", please"
  return { type = "modified", data = call.data }
end)
print(shout("tea"))
polite:unregister()

-- Refused, with a reason that the script gets as an error.
local strict = Hook.register("BeforeToolExecution", function(call)
  if #call.data.input > 20 then return { type = "cancel", reason = "too long" } end
end, { name = "strict" })
local ok, why = pcall(shout, "a text that is longer than that")
assert(not ok and why:find("too long"))
print(why:match("cancelled.*"))
assert(shout("short") == "SHORT")
strict:unregister()

-- Asked once, answered from then on.
local asked = 0
Tool.register("slow_lookup", {}, function(params) asked = asked + 1 return params.key .. "!" end)
local cache = Hook.register("BeforeToolExecution", function(call)
  return { type = "cache", key = call.component_id.name .. call.data.key, ttl = 60 }
end)
for _ = 1, 3 do assert(Tool.invoke("slow_lookup", { key = "a" }).result == "a!") end
print(("asked %d time(s) for 3 answers"):format(asked))
assert(asked == 1)
cache:unregister()

-- A point of the script's own.
Hook.register("custom:greeting", function(context)
  return { type = "modified", data = { text = context.data.text .. " and welcome" } }
end)
print(Hook.trigger("custom:greeting", { text = "hello" }).text)
