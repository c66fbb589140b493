-- Replay: what a replay is asked for, and comparing values; plain values, as in v0.6.0.
-- Session.replay re-executes.

return function(engine, env)
  local raw = engine.raw
  local type, error, next, setmetatable, rawget = raw.type, raw.error, raw.next, raw.setmetatable, raw.rawget
  local format, concat, sort, max = raw.string.format, raw.table.concat, raw.table.sort, raw.math.max
  local floor = raw.math.floor
  local tostring = env.tostring

  local function fail(call, message, ...)
    error(engine.where() .. call .. ": " .. format(message, ...), 0)
  end

  local function check(value, wanted, call, name)
    if type(value) ~= wanted then
      fail(call, "%s must be a %s, not %s", name, wanted, value == nil and "nil" or "a " .. type(value))
    end
    return value
  end

  -- Modes --------------------------------------------------------------------------------

  local Mode = {}
  local mode_meta = {
    __index = Mode,
    __tostring = function(mode) return rawget(mode, "value") end,
    __eq = function(a, b) return rawget(a, "value") == rawget(b, "value") end,
  }

  function Mode.name(mode) return rawget(mode, "value") end

  local modes = {}
  for _, name in raw.ipairs { "exact", "modified", "simulate", "debug" } do
    modes[name] = setmetatable({ value = name }, mode_meta)
  end

  -- The mode of a name, or of a mode.
  local function mode_of(value, call)
    local name = value
    if type(value) == "table" then name = rawget(value, "value") end
    if type(name) ~= "string" or not modes[name] then
      fail(call, "there is no mode %s; there are exact, modified, simulate and debug", tostring(value))
    end
    return modes[name]
  end

  -- Modifications ------------------------------------------------------------------------

  local Modification = {}
  local modification_meta = { __index = Modification }

  function Modification.get_path(one) return one.path end
  function Modification.get_value(one) return one.value end
  function Modification.is_enabled(one) return one.enabled end

  function Modification.set_enabled(one, enabled)
    one.enabled = check(enabled, "boolean", "set_enabled", "enabled")
  end

  -- `path` begins with an event's number and leads into its outcome: "12.result.hash".
  local function create_modification(path, value, enabled)
    local call = "Replay.create_modification"
    check(path, "string", call, "path")
    if enabled == nil then enabled = true end
    check(enabled, "boolean", call, "enabled")
    return setmetatable({ path = path, value = value, enabled = enabled }, modification_meta)
  end

  -- Configurations -----------------------------------------------------------------------

  local Config = {}
  local config_meta = { __index = Config }

  function Config.get_mode(config) return mode_of(config.mode, "get_mode") end
  function Config.should_compare_results(config) return config.compare_results end
  function Config.get_timeout_seconds(config) return config.timeout_seconds end
  function Config.should_stop_on_error(config) return config.stop_on_error end
  function Config.get_modifications(config) return config.modifications end

  function Config.add_modification(config, path, value, enabled)
    local list = config.modifications
    list[#list + 1] = create_modification(path, value, enabled)
  end

  local function create_config(mode)
    return setmetatable({
      mode = mode_of(mode == nil and "exact" or mode, "Replay.create_config").value,
      compare_results = true, timeout_seconds = 30, stop_on_error = true, modifications = {},
    }, config_meta)
  end

  -- The options of Session.replay as plain data: a mode may be one of Replay.modes.
  function engine.replay_options(given)
    local plain = {}
    local keys, n = engine.keys(given)
    for i = 1, n do plain[keys[i]] = given[keys[i]] end
    if type(plain.mode) == "table" then plain.mode = mode_of(plain.mode, "Session.replay").value end
    return plain
  end

  -- Schedules ----------------------------------------------------------------------------

  local Schedule = {}
  local schedule_meta = { __index = Schedule }

  function Schedule.type_name(schedule) return schedule.type end

  local function schedule(fields)
    return setmetatable(fields, schedule_meta)
  end

  local function seconds(value, call, name)
    check(value, "number", call, name)
    if not (value >= 0) then fail(call, "%s must be 0 or more seconds, not %s", name, tostring(value)) end
    return value
  end

  local schedules = {}

  function schedules.once(delay)
    return schedule { type = "once", delay = seconds(delay, "Replay.schedules.once", "delay") }
  end

  function schedules.interval(initial, interval, most)
    local call = "Replay.schedules.interval"
    if most ~= nil then check(most, "number", call, "max") end
    return schedule {
      type = "interval", initial = seconds(initial, call, "initial"),
      interval = seconds(interval, call, "interval"), max = most,
    }
  end

  function schedules.cron(expression)
    return schedule { type = "cron", expression = check(expression, "string", "Replay.schedules.cron", "expression") }
  end

  -- Comparing ----------------------------------------------------------------------------

  local MOST_DIFFERENCES, MOST_DEPTH = 1000, 100

  local function shown(value)
    if value == nil then return "nothing" end
    local text = engine.error_text(value)
    return #text > 80 and raw.string.sub(text, 1, 79) .. "…" or text
  end

  local function below(path, key)
    if raw.math.type(key) == "integer" then return format("%s[%d]", path, key) end
    return path == "" and tostring(key) or path .. "." .. tostring(key)
  end

  -- Counts what is alike and what is not, leaf by leaf; differences go into `found`.
  local function compare(a, b, path, found, depth)
    if depth > MOST_DEPTH then fail("compare_json", "values nest deeper than %d levels", MOST_DEPTH) end
    if type(a) ~= "table" or type(b) ~= "table" then
      if a == b or (a ~= a and b ~= b) then return 1, 1 end
      if #found < MOST_DIFFERENCES then
        found[#found + 1] = { path = path, description = format("%s became %s", shown(a), shown(b)) }
      end
      return 0, 1
    end
    local all = {}
    for key in next, a do all[key] = true end
    for key in next, b do all[key] = true end
    local keys, n = engine.keys(all)
    local alike, total = 0, 0
    for i = 1, n do
      local same, of = compare(a[keys[i]], b[keys[i]], below(path, keys[i]), found, depth + 1)
      alike, total = alike + same, total + of
    end
    if total == 0 then return 1, 1 end
    return alike, total
  end

  local Comparator = {}
  local comparator_meta = { __index = Comparator }

  -- {identical, similarity_score (0 to 1), summary, differences = {{path, description}, …}}
  function Comparator.compare_json(_, a, b)
    local found = {}
    local alike, total = compare(a, b, "", found, 0)
    local differ = total - alike
    return {
      identical = differ == 0, similarity_score = alike / max(total, 1), differences = found,
      summary = differ == 0 and "the values are identical"
        or format("%d of %d values differ", floor(differ), floor(total)),
    }
  end

  -- Each method also answers to its camelCase form.
  for _, methods in raw.ipairs { Modification, Config, Schedule, Comparator } do
    local both = {}
    for name, f in next, methods do
      both[(raw.string.gsub(name, "_(%l)", raw.string.upper))] = f
    end
    for name, f in next, both do methods[name] = f end
  end

  engine.provide("Replay", {
    modes = modes, create_config = create_config, create_modification = create_modification,
    create_comparator = function() return setmetatable({}, comparator_meta) end,
    schedules = schedules,
    createConfig = create_config, createModification = create_modification,
    createComparator = function() return setmetatable({}, comparator_meta) end,
  })
end
