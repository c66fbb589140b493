-- Source text that becomes code: load, loadfile, dofile and require. Text only, as bytecode
-- can break out of the runtime, and always with the script's globals.

return function(engine, env)
  local raw = engine.raw
  local type, select, error, load = raw.type, raw.select, raw.error, raw.load
  local find, sub, format, gsub = raw.string.find, raw.string.sub, raw.string.format,
    raw.string.gsub
  local concat, min = raw.table.concat, raw.math.min
  local tostring, setmetatable = raw.tostring, raw.setmetatable
  local pcall, check_memory = engine.pcall, engine.check_memory

  -- Frames of chunks with such a name would be hidden, and errors in them moved.
  local function honest(name)
    if type(name) == "string" and (find(name, "^=respell/") or find(name, "^@respell/[%a_]+$")) then
      return sub(name, 1, 1) .. "./" .. sub(name, 2)
    end
    return name
  end

  -- Returns the function of a chunk, or nil and what is wrong with it.
  local function compile(source, name, globals, is_file)
    engine.note_source(source)
    local chunk, message = load(source, honest(name), "t", globals)
    if chunk and engine.mark_chunk then
      return engine.mark_chunk(chunk, source, globals, is_file)
    end
    if chunk then return chunk end
    check_memory(message)
    return nil, message
  end

  -- Returns the main function of a script's text, or nil and the message.
  function engine.compile(source, name)
    return compile(source, name, env, true)
  end

  local function wrong_mode(mode)
    if mode == nil or (type(mode) == "string" and find(mode, "t", 1, true)) then return nil end
    if type(mode) ~= "string" then
      error(format("bad argument #3 to 'load' (string expected, got %s)", type(mode)))
    end
    return format("attempt to load a text chunk (mode is '%s')", mode)
  end

  local function load_pieces(reader, name, mode, globals)
    local pieces = engine.mark_chunk and {}
    local chunk, message = load(function()
      local ok, piece = pcall(reader)
      if not ok then error(piece, 0) end
      if type(piece) == "string" then
        engine.note_source(piece)
        if pieces then pieces[#pieces + 1] = piece end
      end
      return piece
    end, name or "=(load)", mode, globals)
    if chunk and pieces then return engine.mark_chunk(chunk, concat(pieces), globals) end
    if chunk then return chunk end
    if type(message) == "string" then
      message = gsub(message, "^respell/modules:%d+: ", engine.where())
      check_memory(message)
    end
    return nil, message
  end

  engine.provide("load", function(...)
    local source, name, mode, globals = ...
    if select("#", ...) < 4 then globals = env end
    local wrong = wrong_mode(mode)
    if type(source) == "function" then
      if wrong then return nil, wrong end
      return load_pieces(source, honest(name), "t", globals)
    elseif type(source) ~= "string" then
      if type(source) == "number" then return compile(tostring(source), name, globals) end
      error(format("bad argument #1 to 'load' (function expected, got %s)",
        select("#", ...) == 0 and "no value" or type(source)))
    end
    if wrong and sub(source, 1, 1) ~= "\27" then return nil, wrong end
    return compile(source, name, globals)
  end)

  -- Returns the text of a file as it is now, or nil and what is wrong.
  local WINDOW = 1 << 20

  local function read_file(path)
    local file = engine.call("file.open", { path = path, mode = "r" })
    if file.error then
      local reason = gsub(file.error, "^" .. gsub(path, "%p", "%%%0") .. ": ", "")
      return nil, format("cannot open %s: %s", path, reason)
    end
    local pieces = {}
    for offset = 0, file.size - 1, WINDOW do
      pieces[#pieces + 1] = engine.blob(file.hash, offset, min(WINDOW, file.size - offset))
    end
    return concat(pieces)
  end

  -- As luaL_loadfile: a byte order mark and a first line that starts with `#` are passed over.
  local function without_first_comment(text)
    if sub(text, 1, 3) == "\xEF\xBB\xBF" then text = sub(text, 4) end
    if sub(text, 1, 1) == "#" then
      local line_end = find(text, "\n", 1, true)
      text = line_end and sub(text, line_end) or ""
    end
    return text
  end
  engine.without_first_comment = without_first_comment

  local function load_file(path, globals)
    if type(path) ~= "string" then
      error(format("bad argument #1 to 'loadfile' (string expected, got %s)",
        path == nil and "no value" or type(path)))
    end
    local text, message = read_file(path)
    if not text then return nil, message end
    return compile(without_first_comment(text), "@" .. path, globals, true)
  end

  engine.provide("loadfile", function(...)
    local path, mode, globals = ...
    if select("#", ...) < 3 then globals = env end
    local wrong = wrong_mode(mode)
    if wrong then return nil, wrong end
    return load_file(path, globals)
  end)

  engine.provide("dofile", function(path)
    local chunk, message = load_file(path, env)
    if not chunk then return error(message, 0) end
    return chunk()
  end)

  -- require --------------------------------------------------------------------------------

  local loaded, preload = {}, {}
  engine.loaded = loaded
  local loading, chain = {}, {}

  local function find_loader(name)
    local prepared = preload[name]
    if prepared ~= nil then return prepared, ":preload:" end
    local module = engine.call("module.load", { name = name })
    if module.error then
      local searched = module.error
      if not find(searched, "^\n\t") then searched = "\n\t" .. searched end
      error(format("module '%s' not found:\n\tno field package.preload['%s']%s", name, name, searched))
    end
    local chunk, message = compile(without_first_comment(module.source), "@" .. module.path, env, true)
    if not chunk then
      error(format("error loading module '%s' from file '%s':\n\t%s", name, module.path, message))
    end
    return chunk, module.path
  end

  -- Forgets that a module is being loaded, also when its loader fails. Nothing is caught, so
  -- that a traceback shows where it failed.
  local Loading = {
    __close = function()
      loading[chain[#chain]] = nil
      chain[#chain] = nil
    end,
  }

  local function load_module(name)
    if loading[name] then
      -- Plain Lua would call the loaders until its stack is full.
      error(format("loop loading module '%s': %s -> %s", name, concat(chain, " -> "), name))
    end
    loading[name] = true
    chain[#chain + 1] = name
    local _ <close> = setmetatable({}, Loading)
    local loader, from = find_loader(name)
    local value = loader(name, from)
    if value ~= nil then
      loaded[name] = value
    elseif loaded[name] == nil then
      loaded[name] = true
    end
    return loaded[name], from
  end

  engine.provide("require", function(name)
    if type(name) == "number" then name = tostring(name) end
    if type(name) ~= "string" then
      error(format("bad argument #1 to 'require' (string expected, got %s)",
        name == nil and "no value" or type(name)))
    end
    local value = loaded[name]
    if value then return value end
    return load_module(name)
  end)

  env.package = {
    loaded = loaded, preload = preload, path = "./?.lua;./?/init.lua", cpath = "",
    config = "/\n;\n?\n!\n-\n",
  }

  for _, name in raw.ipairs { "coroutine", "debug", "math", "package", "string", "table", "utf8" } do
    loaded[name] = env[name]
  end
  loaded._G = env
end
