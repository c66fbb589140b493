-- Logger: messages with fields, as output events.

return function(engine, env)
  local raw = engine.raw
  local type, error, select = raw.type, raw.error, raw.select
  local format, find = raw.string.format, raw.string.find
  local concat = raw.table.concat
  local tostring = env.tostring

  -- A field's value on one line: quoted where it would not read as one word.
  local function shown(value)
    if type(value) == "table" then
      local ok, text = engine.pcall(engine.to_json_text, value)
      return ok and text or tostring(value)
    end
    local text = tostring(value)
    if text ~= "" and not find(text, '[%s%c"=]') then return text end
    local ok, quoted = engine.pcall(engine.to_json_text, text)
    return ok and quoted or format("%q", text)   -- bytes that are no text
  end

  local function line(level, message, fields)
    local parts = { tostring(message) }
    if fields == nil then return parts[1] end
    if type(fields) ~= "table" then
      error(format("%sLogger.%s: fields must be a table, not a %s", engine.where(), level,
        type(fields)), 0)
    end
    local keys, n = engine.keys(fields)
    for i = 1, n do
      parts[i + 1] = tostring(keys[i]) .. "=" .. shown(fields[keys[i]])
    end
    return concat(parts, " ")
  end

  local Logger = {}
  for _, level in raw.ipairs { "debug", "info", "warn", "error" } do
    local name = "log." .. level
    Logger[level] = function(...)
      if select("#", ...) == 0 then
        error(format("%sLogger.%s: a message is missing", engine.where(), level), 0)
      end
      engine.output(name, line(level, ...))
    end
  end
  engine.provide("Logger", Logger)
  Logger.warning = Logger.warn
end
