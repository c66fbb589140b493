-- Workflows as scripts of v0.6.0 define them. There tool steps were answered with canned
-- texts, and callbacks dropped; here all of it is done.

-- 1. Steps in order; one reads what another came to
local pipeline = Workflow.sequential({
    name = "pipeline",
    description = "Counts and shouts",
    steps = {
        { name = "compute", type = "tool", tool = "calculator", input = { input = "(100 + 200) * 3 / 2" } },
        {
            name = "shout", type = "tool", tool = "text_manipulator",
            input = { operation = "uppercase", input = "the result is {{step:compute:output}}" },
        },
        {
            name = "wrap", type = "custom",
            execute = function(context)
                return { success = true, output = "<" .. context.outputs.shout .. ">" }
            end,
        },
    },
    error_strategy = "fail_fast",
    timeout_ms = 30000,
})
assert(pipeline.name == "pipeline" and pipeline.type == "sequential" and pipeline.id)
local result = pipeline:execute({})
assert(result.success, result.error)
assert(result.data.final_output == "<THE RESULT IS 450.0>", result.data.final_output)
print("pipeline: " .. result.data.final_output)

-- 2. Conditions by tools; the default branch
local function by_value(value)
    local input = '{"value": ' .. value .. ', "threshold": 50}'
    return Workflow.conditional({
        name = "by_value",
        branches = {
            {
                name = "high",
                condition = { tool = "json_processor", input = { operation = "query", input = input, query = ".value > .threshold" } },
                steps = { { name = "say", tool = "template_engine",
                    input = { template = "High: {{value}}", variables = { value = value } } } },
            },
            { name = "never", condition = "never", steps = { { name = "x", type = "tool", tool = "uuid_generator" } } },
        },
        default_branch = { name = "low", steps = { { name = "say", tool = "template_engine",
            input = { input = "Low: {{value}}", context = { value = value } } } } },
    }):execute()
end
local high, low = by_value(75), by_value(3)
assert(high.success and high.data.executed_branches == 1 and high.data.final_output == "High: 75", high.error)
assert(low.success and low.data.matched_branches == 0 and low.data.final_output == "Low: 3", low.error)

-- 3. Loops
local range_loop = Workflow.loop({
    name = "squares",
    iterator = { range = { start = 1, ["end"] = 6, step = 2 } },
    body = {
        { name = "square", type = "tool", tool = "calculator", input = { input = "{{loop:current_value}} * {{loop:current_value}}" } },
    },
    aggregation_strategy = "collect_all",
})
local range_result = range_loop:execute()
assert(range_result.data.completed_iterations == 3 and range_result.data.total_iterations == 3)
assert(table.concat(range_result.data.outputs, " ") == "1.0 9.0 25.0")

local worth = Workflow.loop({
    name = "inventory",
    iterator = { collection = { { name = "Widget", price = 20, count = 3 }, { name = "Gadget", price = 50, count = 2 } } },
    body = {
        { name = "value", type = "tool", tool = "calculator",
            input = { input = "{{loop:current_item.price}} * {{loop:current_item.count}}" } },
        { name = "label", type = "tool", tool = "template_engine",
            input = { template = "{{name}}={{value}}",
                variables = { name = "{{loop:current_item.name}}", value = "{{step:value:output}}" } } },
    },
}):execute()
assert(worth.data.outputs[1] == "Widget=60.0" and worth.data.outputs[2] == "Gadget=100.0", worth.error)

State.set("sum", 0)
local while_loop = Workflow.loop({
    name = "until",
    iterator = { while_condition = "State.get('sum') < 10", max_iterations = 20 },
    body = { { name = "add", type = "custom", execute = function() State.set("sum", State.get("sum") + 4) end } },
    break_conditions = { "State.get('sum') > 100" },
}):execute()
assert(while_loop.data.completed_iterations == 3 and State.get("sum") == 12)

-- 4. Branches side by side
local parallel = Workflow.parallel({
    name = "fork_join",
    branches = {
        { name = "left", steps = { { name = "a", type = "tool", tool = "calculator", input = { input = "1 + 1" } } } },
        { name = "right", steps = {
            { name = "b", type = "tool", tool = "hash_calculator", input = { operation = "hash", input = "x" } },
            { name = "c", type = "tool", tool = "text_manipulator",
                input = { operation = "substring", input = "{{step:b:output}}", options = { start = 0, ["end"] = 8 } } },
        } },
        { name = "hopeless", required = false, steps = {
            { name = "d", type = "tool", tool = "file_operations", input = { operation = "read", path = "nowhere.txt" } },
        } },
    },
    max_concurrency = 2,
    on_complete = function(outcome)
        print("branches: " .. #outcome.branches)
    end,
}):execute()
assert(parallel.success and parallel.data.successful_branches == 2 and parallel.data.failed_branches == 1)
assert(parallel.branches[1].steps[1].output == 2.0 and parallel.branches[2].output == "2d711642")

-- 5. Nested
local inner = Workflow.sequential({ name = "inner", steps = { { name = "id", type = "custom", execute = function() return 42 end } } })
local outer = Workflow.sequential({
    name = "outer",
    steps = {
        { name = "nested", type = "workflow", workflow = inner },
        { name = "use", type = "custom", execute = function(context) return context.outputs.nested + 1 end },
    },
})
assert(outer:execute().data.final_output == 43)

-- 6. Errors are results; retries
local failing = Workflow.sequential({ name = "failing", steps = { { name = "bad", type = "tool", tool = "calculator" } } })
local failed = failing:execute()
assert(failed.success == false and failed.error:find("bad"))
local tries = 0
local retried = Workflow.sequential({
    name = "stubborn",
    error_strategy = { type = "retry", max_attempts = 3, backoff_ms = 5 },
    steps = { { name = "try", type = "custom", execute = function()
        tries = tries + 1
        if tries < 3 then error("not yet") end
        return tries
    end } },
}):execute()
assert(retried.success and retried.data.final_output == 3)

-- 7. Callbacks, info, state, metrics, lists
local told = {}
pipeline:on_before_execute(function() told[#told + 1] = "before" end)
pipeline:onAfterExecute(function(outcome) told[#told + 1] = "after " .. tostring(outcome.success) end)
failing:onError(function(err) told[#told + 1] = "error" end)
pipeline:execute()
failing:execute()
assert(table.concat(told, ", ") == "before, after true, error", table.concat(told, ", "))
assert(pipeline:getInfo().type == "sequential" and pipeline:get_info().id == pipeline.id)
pipeline:setState("runs", 2)
assert(pipeline:get_state("runs") == 2)
assert(pipeline:getMetrics().execution.total_executions == 2)
assert(pipeline:validate().valid == true)
assert(pipeline:emit("pipeline.done", { n = 1 }).success == true)
assert(pipeline:debug().name == "pipeline")
assert(#Workflow.types() == 4 and #Workflow.list() >= 9)
assert(Workflow.get(pipeline.id) == pipeline)
Workflow.remove(pipeline.id)
assert(Workflow.get(pipeline.id) == nil)
Workflow.enableDebug(false)
assert(Workflow.isDebugEnabled() == false)
Workflow.clear()
assert(#Workflow.list() == 0)

print("workflows: all good")
