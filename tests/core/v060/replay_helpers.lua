-- The Replay helpers: plain values, as v0.6.0 has them.

for _, name in ipairs({ "exact", "modified", "simulate", "debug" }) do
    assert(Replay.modes[name]:name() == name)
end

local config = Replay.create_config(Replay.modes.modified)
assert(config:get_mode():name() == "modified")
assert(config:should_compare_results() == true)
assert(config:get_timeout_seconds() == 30)
assert(config:should_stop_on_error() == true)
config:add_modification("context.data.amount", 200, true)
config:add_modification("context.data.currency", "EUR", false)
local modifications = config:get_modifications()
assert(#modifications == 2)
assert(modifications[1]:get_path() == "context.data.amount" and modifications[1]:get_value() == 200)
assert(modifications[1]:is_enabled() == true and modifications[2]:is_enabled() == false)
assert(Replay.create_config():get_mode():name() == "exact")

local one = Replay.create_modification("12.text", { deep = true })
assert(one:is_enabled() == true and one:get_value().deep == true)
one:set_enabled(false)
assert(one:is_enabled() == false)

assert(Replay.schedules.once(5):type_name() == "once")
assert(Replay.schedules.interval(1, 60, 10):type_name() == "interval")
assert(Replay.schedules.cron("0 * * * *"):type_name() == "cron")

local comparator = Replay.create_comparator()
local same = comparator:compare_json({ a = 1, b = { 2, 3 } }, { b = { 2, 3 }, a = 1 })
assert(same.identical == true and same.similarity_score == 1.0 and #same.differences == 0)
local other = comparator:compare_json({ a = 1, b = { 2, 3 } }, { a = 1, b = { 2, 4 }, c = true })
assert(other.identical == false and other.similarity_score < 1.0 and #other.differences == 2)
for _, difference in ipairs(other.differences) do
    print(difference.path .. ": " .. difference.description)
end
assert(type(other.summary) == "string")

-- They are options of Session.replay, which re-executes
local plain = Replay.create_config(Replay.modes.exact)
local result = Session.replay(Session.getCurrent(), plain)
assert(result.identical == true and result.failed_replays == 0)

-- By their camelCase names, too
local camel = Replay.createConfig("simulate")
assert(camel:getMode():name() == "simulate" and camel:shouldCompareResults() == true)
assert(Replay.createComparator():compareJson(1, 1).identical)

print("replay helpers: all good")
