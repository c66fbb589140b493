-- Where the script stands: the source and line that its events are recorded with, and the coroutine.

return function(engine)
  local raw = engine.raw
  local setmetatable = raw.setmetatable
  local byte, format, sub = raw.string.byte, raw.string.format, raw.string.sub
  local getinfo, running = raw.debug.getinfo, raw.coroutine.running
  local given_name = engine.given_name

  local sources = setmetatable({}, { __mode = "k" })

  local function source_of(f)
    local info = getinfo(f, "S")
    local source = false
    if info.what ~= "C" then
      source = given_name(info.source)
      if sub(source, 1, 9) == "=respell/" then
        source = false
      elseif byte(source) == 64 or byte(source) == 61 then
        source = sub(source, 2)
      else
        source = info.short_src
      end
      -- The longest that a record holds; scripts name chunks as they like.
      if source and #source > 255 then source = sub(source, 1, 255) end
    end
    sources[f] = source
    return source
  end

  -- Source and line of the innermost function of the script, from a level of the stack on; "" and 0
  -- where there is none.
  local function locate(level)
    local info = getinfo(level, "fl")
    while info do
      local f = info.func
      local source = sources[f]
      if source == nil then source = source_of(f) end
      if source then return source, info.currentline end
      level = level + 1
      info = getinfo(level, "fl")
    end
    return "", 0
  end

  function engine.where()
    local source, line = locate(3)
    if line <= 0 then return "" end
    return format("%s:%d: ", source, line)
  end

  -- 0 for the main thread, so that a script without coroutines records none.
  local function coroutine_number()
    local co, main = running()
    if main then return 0 end
    return engine.branch_of(co) or engine.identify(co)
  end

  function engine.here() return locate(3) end

  -- Chunk name of a function of the script; false for ours and for C functions.
  function engine.source_of(f)
    local source = sources[f]
    if source == nil then source = source_of(f) end
    return source
  end

  engine.locate, engine.coroutine_number = locate, coroutine_number
end
