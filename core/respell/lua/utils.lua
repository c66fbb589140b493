-- Utils: durable sleep, random ids and the time.

return function(engine, env)
  local raw = engine.raw
  local type, error, format = raw.type, raw.error, raw.string.format
  local port = engine.port

  local MOST_SECONDS = 10 * 365 * 86400

  local Utils = {}

  -- A durable timer: a resumed session waits only for what is left of it.
  function Utils.sleep(seconds)
    if type(seconds) ~= "number" or not (seconds >= 0 and seconds <= MOST_SECONDS) then
      error(format("%sUtils.sleep: seconds must be a number from 0 to %d, not %s", engine.where(),
        MOST_SECONDS, type(seconds) == "number" and seconds or "a " .. type(seconds)), 0)
    end
    engine.call("timer.sleep", { seconds = seconds })
  end

  local function random_uuid()
    local high, low = engine.entropy()
    high = high & ~0xf000 | 0x4000                        -- version 4
    low = low & 0x3fffffffffffffff | 0x8000000000000000   -- variant 1
    return format("%08x-%04x-%04x-%04x-%012x", high >> 32, high >> 16 & 0xffff, high & 0xffff,
      low >> 48, low & 0xffffffffffff)
  end

  function Utils.uuid()
    return engine.record("random.uuid", "", random_uuid)
  end

  local function now()
    return engine.rfc3339(port.now())
  end

  -- RFC 3339 in UTC, to the microsecond.
  function Utils.now()
    return engine.record("clock.now", "", now)
  end

  engine.provide("Utils", Utils)
end
