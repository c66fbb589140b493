-- Which text a chunk of the script was made of, as a debugger tells chunks apart.
--
-- `load` gives any text any name: one name to many texts, or that of a file. So a chunk that is no
-- file's gets a digest of its name and text as well, in the name that its functions carry, behind
-- a zero byte. Lua ends a name there wherever it shows one, so messages and tracebacks stay what
-- they are; `given_name` takes it out where a script asks. `load` ends names there, too, so
-- the new name is put into what `string.dump` writes of the chunk.
--
-- Texts are not kept but the last ones: who wants another has the script executed up to that `load`
-- again.

return function(engine)
  local raw, port = engine.raw, engine.port
  local load, dump, getinfo, pcall = raw.load, raw.string.dump, raw.debug.getinfo, raw.pcall
  local gethook, sethook = raw.debug.gethook, raw.debug.sethook
  local byte, char, find, format, gsub, sub = raw.string.byte, raw.string.char, raw.string.find,
    raw.string.format, raw.string.gsub, raw.string.sub
  local source_of = engine.source_of

  local HEAD = 4 + 1 + 1 + 6 + 3 + 8 + 8 + 1   -- bytes before a dump's name (lundump.c)
  local DIGITS = 12
  local RECENT_BYTES, MOST_RECENT = 4 << 20, 256
  local LONG, LONG_BYTES = 1 << 16, 48 << 20
  local ASIDE = "\0"   -- in the place of a text that is put aside

  local chunks = {}
  engine.debug_chunks = chunks

  -- The last texts -----------------------------------------------------------------------

  local recent, oldest, newest, size = {}, 1, 0, 0

  local function forget_oldest()
    size = size - #recent[oldest].text
    recent[oldest] = nil
    oldest = oldest + 1
  end

  local function keep(chunk)
    newest = newest + 1
    recent[newest] = chunk
    size = size + #chunk.text
    while size > RECENT_BYTES or newest - oldest >= MOST_RECENT do forget_oldest() end
  end

  local function recent_of(digest)
    for i = newest, oldest, -1 do
      if recent[i].digest == digest then return recent[i] end
    end
  end

  -- What is looked for -------------------------------------------------------------------

  local wanted       -- the digest of the chunk to stop at
  local found        -- that chunk, while the script stands still where it was made
  local list, listed -- chunks in the order of time, and their digests, if all are wanted
  local most, more   -- how many of them, and whether there were others

  -- Called for what a run is to do: `order.chunk` is to be found, or `order.chunks` listed.
  function chunks.begin(order)
    wanted, found = order.chunk, nil
    list, listed, most, more = nil, nil, order.chunks, nil
    if most then list, listed = {}, {} end
  end

  function chunks.listed() return list, more end

  local function tell(made)
    local digest = made.digest
    if list and not listed[digest] then
      if #list < most then
        listed[digest] = true
        list[#list + 1] = { name = made.name, size = #made.text, event = engine.debug_event() }
      else
        more = true
      end
    end
    if wanted == digest then
      found = made
      chunks.on_found()
    end
  end

  -- Bytes of a chunk's text, as far as it is known here.
  function chunks.text(order)
    local known = found and found.digest == order.chunk and found or recent_of(order.chunk)
    if not known then return {} end
    local text, first = known.text, order.first
    return { name = known.name, bytes = sub(text, first + 1, first + order.count), size = #text }
  end

  -- Names --------------------------------------------------------------------------------

  local function escape(c) return format("\\x%02x", byte(c)) end

  -- What is shown, typed and kept is one line of text, whatever the script made a name of.
  local function full_name(name, digest)
    name = gsub(gsub(name, "\n", "\\n"), "%c", escape)
    if not raw.utf8.len(name) then name = gsub(name, "[\x80-\xff]", escape) end
    return name .. "#" .. digest
  end

  -- Where a script gives no name that is the text, and whoever asks for a function's name gets a
  -- copy: so long ones are put aside.
  local aside, left = {}, LONG_BYTES

  local function put_aside(digest, text)
    if #text < LONG or (not aside[digest] and #text > left) then return false end
    if not aside[digest] then left = left - #text end
    aside[digest] = text
    return true
  end

  local given_name = engine.given_name
  function engine.given_name(source)
    local name = given_name(source)
    if name ~= ASIDE then return name end
    local mark = find(source, "\0", 1, true)
    return aside[sub(source, mark + 1, mark + DIGITS)]
  end

  -- Marks --------------------------------------------------------------------------------

  -- A length as dumps have it: groups of seven bits, the last one marked.
  local function as_size(n)
    local text = char(n & 0x7f | 0x80)
    n = n >> 7
    while n > 0 do
      text = char(n & 0x7f) .. text
      n = n >> 7
    end
    return text
  end

  local function with_mark(chunk, text, globals)
    local info = getinfo(chunk, "S")
    local given, is_text = info.source, info.source == text
    local digest = port.digest(is_text and "" or given, text)
    if is_text and put_aside(digest, text) then given = ASIDE end
    local dumped = dump(chunk)
    local at, n, b = HEAD, 0, 0
    repeat
      at = at + 1
      b = byte(dumped, at)
      n = n << 7 | b & 0x7f
    until b & 0x80 ~= 0
    local name = "=" .. info.short_src .. "\0" .. digest .. "\0" .. given
    local pieces = { sub(dumped, 1, HEAD), as_size(#name + 1), name, sub(dumped, at + n) }
    local i = 0
    return load(function()
      i = i + 1
      return pieces[i]
    end, "=chunk", "b", globals), digest
  end

  local files = {}   -- name -> digest of the text that the first file of that name had

  local function is_known_file(chunk, text)
    local name = getinfo(chunk, "S").source
    local digest = port.digest(name, text)
    files[name] = files[name] or digest
    return files[name] == digest
  end

  local function mark(chunk, text, globals, is_file)
    local ok, known = true, false
    if is_file then ok, known = pcall(is_known_file, chunk, text) end
    if not ok or known then return chunk end
    local marked, digest
    ok, marked, digest = pcall(with_mark, chunk, text, globals)
    if not ok then return chunk end
    local made = { name = full_name(source_of(marked), digest), digest = digest, text = text }
    keep(made)
    return marked, made
  end

  -- Returns a chunk to be used in the place of one that was compiled. Where stack or memory are
  -- used up for that, it is the same one, which has no more than its name then.
  function engine.mark_chunk(chunk, text, globals, is_file)
    -- Lines of ours are no script's: a hook would cost many times what is done here.
    local hook, events, count = gethook()
    if hook then sethook() end
    local marked, made = mark(chunk, text, globals, is_file)
    if hook then sethook(hook, events, count) end
    if made then tell(made) end
    return marked
  end

  -- Name of a function's source: its file, or the name of its chunk and which one of that name
  -- it is. False for functions that are none of the script's.
  local names = raw.setmetatable({}, { __mode = "k" })

  function engine.chunk_of(f)
    local name = names[f]
    if name == nil then
      name = source_of(f)
      local source = name and getinfo(f, "S").source
      local mark = source and byte(source) == 61 and find(source, "\0", 1, true)
      if mark then name = full_name(name, sub(source, mark + 1, mark + DIGITS)) end
      names[f] = name
    end
    return name
  end
end
