-- Workflows of all four kinds: placeholders, conditions, retries, deadlines, branches.
--   respell run examples/advanced/workflows.lua
--   respell events @last

-- Orders are priced one after the other; some are for a person to look at.
local price_one = Workflow.sequential {
  name = "price",
  steps = {
    { name = "total", tool = "calculator", input = { input = "{{input:price}} * {{input:count}}" } },
    {
      name = "route",
      workflow = {
        type = "conditional",
        branches = {
          { name = "large", condition = "input > 100", steps = { function() return "a person looks at it" end } },
          { name = "gift", condition = "data.gift", steps = { function() return "is wrapped" end } },
        },
        default_branch = { name = "usual", steps = { function() return "goes out" end } },
      },
      input = "{{step:total:output}}",
    },
  },
}
local orders = { { price = 20, count = 2 }, { price = 99, count = 3 }, { price = 5, count = 1 } }
local all = Workflow.loop {
  name = "orders",
  iterator = { collection = orders },
  body = { { name = "one", workflow = price_one, input = "{{loop:value}}" } },
}
for _, iteration in ipairs(all:execute().iterations) do
  print(("  order %d %s"):format(iteration.index, iteration.output))
end

-- Three sources side by side: one fails twice and is tried again, one never answers.
local tries = 0
local gather = Workflow.parallel {
  name = "gather",
  branches = {
    { name = "steady", steps = { { name = "read", fn = function() Utils.sleep(0.02) return "steady news" end } } },
    {
      name = "flaky",
      steps = {
        {
          name = "read",
          error_strategy = { type = "retry", max_attempts = 4, backoff_ms = 10 },
          fn = function()
            tries = tries + 1
            if tries < 3 then error("no connection", 0) end
            return "flaky news"
          end,
        },
      },
    },
    {
      name = "silent", required = false,
      steps = { { name = "read", timeout_ms = 50, fn = function() Utils.sleep(3600) return "never" end } },
    },
  },
  on_branch_complete = function(name, branch) print("  " .. name .. ": " .. tostring(branch.output or branch.error)) end,
}
local result = gather:execute()
assert(result.success and result.data.successful_branches == 2 and result.data.failed_branches == 1)
assert(result.branches[2].steps[1].attempts == 3)
assert(result.branches[3].error == "step read: timed out after 50 ms")
assert(gather:getMetrics().execution.total_executions == 1 and gather:validate().valid)
print("gathered " .. result.data.successful_branches .. " of 3")
