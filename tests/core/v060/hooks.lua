-- Hooks as scripts of v0.6.0 register them. There they were never called; here they are.

local calls = {}
local function note(context)
    calls[#calls + 1] = context.point .. " " .. context.component_id.name
    return "continue"
end

-- 1. Points, by their names; priorities; handles
local handle = Hook.register("BeforeToolExecution", note, "high")
assert(handle:hook_point() == "BeforeToolExecution" and handle:id())
local after = Hook.register("AfterToolExecution", note, "low")
Tool.invoke("calculator", { operation = "evaluate", input = "2 + 2" })
assert(#calls == 2, #calls)
assert(calls[1] == "BeforeToolExecution calculator" and calls[2] == "AfterToolExecution calculator")

-- 2. Lists
local list = Hook.list()
assert(#list == 2)
for _, hook in ipairs(list) do
    assert(type(hook.name) == "string" and hook.language == "lua" and hook.priority)
end
assert(#Hook.list("BeforeToolExecution") == 1)
assert(#Hook.list({ language = "lua" }) == 2)
assert(#Hook.list({ priority = "high" }) == 1)

-- 3. Taken away, they are not called any more
assert(handle:unregister() == true and handle:unregister() == false)
assert(Hook.unregister(after) == true)
Tool.invoke("calculator", { input = "1" })
assert(#calls == 2)

-- 4. What a hook returns counts
local function with(point, result, fn)
    local one = Hook.register(point, function() return result end, "highest")
    local ok, value = pcall(fn)
    one:unregister()
    return ok, value
end
local function upper()
    return Tool.invoke("text_manipulator", { operation = "uppercase", input = "abc" }).result.result
end
local ok, value = with("BeforeToolExecution", { type = "cancel", reason = "closed today" }, upper)
assert(not ok and tostring(value):find("closed today"))
ok, value = with("BeforeToolExecution", { type = "modified", data = { operation = "uppercase", input = "xyz" } }, upper)
assert(ok and value == "XYZ")
ok, value = with("BeforeToolExecution", { type = "replace", data = { result = { result = "instead" } } }, upper)
assert(ok and value == "instead")
ok, value = with("BeforeToolExecution", { type = "skipped", reason = "not for me" }, upper)
assert(ok and value == "ABC")
ok, value = with("BeforeToolExecution", "no tools on Sundays", upper)
assert(not ok and tostring(value):find("no tools on Sundays"))

-- 5. Agents, workflows and custom points
local points = {}
for _, point in ipairs({
    "BeforeAgentInit", "AfterAgentInit", "BeforeAgentExecution", "AfterAgentExecution",
    "BeforeWorkflowStart", "BeforeWorkflowStage", "AfterWorkflowStage", "AfterWorkflowComplete",
}) do
    Hook.register(point, function(context)
        points[#points + 1] = point
        assert(type(context.component_id.name) == "string" and context.correlation_id)
        return { type = "continue" }
    end)
end
local agent = Agent.create({ name = "hooked", model = "mock/echo" })
assert(agent:invoke({ text = "hello" }).text == "hello")
Workflow.sequential({ name = "short", steps = { { name = "only", tool = "uuid_generator", input = {} } } }):execute()
assert(table.concat(points, " ") == "BeforeAgentInit AfterAgentInit BeforeAgentExecution AfterAgentExecution "
    .. "BeforeWorkflowStart BeforeWorkflowStage AfterWorkflowStage AfterWorkflowComplete", table.concat(points, " "))

-- 6. A failing hook breaks nothing; a point that nothing fires is refused
local broken = Hook.register("BeforeToolExecution", function() error("oops") end)
assert(upper() == "ABC")
broken:unregister()
ok, value = pcall(Hook.register, "BeforeBreakfast", note)
assert(not ok and tostring(value):find("BeforeBreakfast"))

print("hooks: all good")
