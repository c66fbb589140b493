-- Tools: the built-in ones, and one of your own that agents could use as well.
--   respell run examples/basic/tools.lua

local sum = Tool.invoke("calculator", { operation = "evaluate", input = "price * 3", variables = { price = 14 } })
print("three of them: " .. sum.result.result)
assert(sum.result.result == 42)

local csv = "city,rain\nOslo,802\nRome,794\nBergen,2250\n"
local wet = Tool.invoke("csv_analyzer", { operation = "filter", input = csv, options = { filter = "rain > 800" } })
local rows = Tool.invoke("csv_analyzer", { operation = "convert", input = wet.text, options = { format = "json" } })
for _, row in ipairs(JSON.parse(rows.text)) do print(("  %-8s %4d mm"):format(row.city, row.rain)) end

-- A tool of the script's own, with a JSON schema that its parameters are checked against.
Tool.register("umbrella", {
  description = "Whether to take an umbrella",
  parameters = { type = "object", properties = { rain = { type = "number" } }, required = { "rain" } },
}, function(params) return params.rain > 1000 and "take two" or "take one" end)
print("umbrella: " .. Tool.invoke("umbrella", { rain = 2250 }).result)

local ok, why = pcall(Tool.invoke, "umbrella", { rain = "cats and dogs" })
assert(not ok)
print("refused: " .. why:match(": (.*)"))
assert(Tool.exists("umbrella") and #Tool.discover { category = "data" } >= 2)
