-- Config: the settings that hold, and the user's own values; never a secret.

return function(engine, env)
  local raw = engine.raw
  local type, error, format = raw.type, raw.error, raw.string.format

  local Config = {}

  -- The value at a dotted path, or a whole table of them; nil where there is none.
  function Config.get(path)
    if type(path) ~= "string" or path == "" then
      error(format("%sConfig.get: path must be a string such as 'session.limits.operations', not %s",
        engine.where(), path == "" and "an empty one" or path == nil and "nil" or "a " .. type(path)), 0)
    end
    return engine.call("config.get", { path = path })
  end

  engine.provide("Config", Config)
end
