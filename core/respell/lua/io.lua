-- The io library. Files are effects: opening for reading takes a snapshot that is then read
-- in windows without further events; writes are collected and go out by position, so that a
-- write which is repeated after a crash changes nothing.

return function(engine)
  local raw = engine.raw
  local type, select, error, next = raw.type, raw.select, raw.error, raw.next
  local tonumber, setmetatable = raw.tonumber, raw.setmetatable
  local find, sub, format, gsub, match = raw.string.find, raw.string.sub, raw.string.format,
    raw.string.gsub, raw.string.match
  local concat, unpack = raw.table.concat, raw.table.unpack
  local math_type, tointeger = raw.math.type, raw.math.tointeger
  local identify, handed_out = engine.identify, engine.handed_out

  local WINDOW = 1 << 20          -- of a snapshot, in bytes
  local SMALL_WINDOW = 1 << 16    -- of a file that is also written
  local BUFFER = 1 << 16          -- collected before it is written
  local LARGEST_WRITE = 8 << 20   -- the host takes no more at once

  -- State of each file object. It holds: closed, path; for reading buf, at (next byte in
  -- buf), base (offset of buf in the file) and fetch(s, offset); for writing out, out_size,
  -- out_at, shared ({size}, one per path), append, buffering.
  local states = setmetatable({}, { __mode = "k" })
  local FileMeta = { __name = "FILE*" }

  local function new_file(s)
    local f = setmetatable({}, FileMeta)
    identify(f)
    states[f] = s
    s.buf, s.at, s.base = "", 1, s.base or 0
    return f
  end

  -- Failed operations return nil, a text and the number of the system's error.
  local function failure(result, path)
    local text = result.error
    if path and not find(text, path .. ": ", 1, true) then text = path .. ": " .. text end
    return nil, text, result.code or 0
  end

  local BAD_DESCRIPTOR = { error = "Bad file descriptor", code = 9 }

  -- Writing --------------------------------------------------------------------------------

  local writers, last_writer = {}, 0   -- open files with something to write, in order
  local sizes = {}                     -- path -> {size, users}: what is known of written files

  -- Returns nil when all is written, or the failed result.
  local function flush(s)
    if not s.out or s.out_size == 0 then return nil end
    local data = concat(s.out)
    s.out, s.out_size = {}, 0
    local shared, offset = s.shared, s.append and s.shared.size or s.out_at
    for from = 1, #data, LARGEST_WRITE do
      local piece = sub(data, from, from + LARGEST_WRITE - 1)
      local result = engine.call("file.write", { path = s.path, offset = offset, data = piece })
      if type(result) == "table" and result.error then return result end
      offset = offset + #piece
      if offset > shared.size then shared.size = offset end
    end
    return nil
  end

  local function position(s)
    return s.base + s.at - 1
  end

  local function put(s, text)
    local at = s.append and s.shared.size + s.out_size or position(s)
    if s.out_size > 0 and at ~= s.out_at + s.out_size then
      local result = flush(s)
      if result then return result end
    end
    if s.out_size == 0 then s.out_at = at end
    s.out[#s.out + 1] = text
    s.out_size = s.out_size + #text
    s.base, s.buf, s.at = at + #text, "", 1
    if s.out_size >= BUFFER or s.buffering == "no"
      or s.buffering == "line" and find(text, "\n", 1, true) then
      return flush(s)
    end
    return nil
  end

  -- To be called before the script's end.
  function engine.flush_files()
    for i = 1, last_writer do
      local s = writers[i]
      if s then
        flush(s)
        if s.temporary then engine.call("file.remove", { path = s.path }) end
        writers[i] = nil
      end
    end
  end

  -- Reading --------------------------------------------------------------------------------

  local function fetch_snapshot(s, offset)
    local left = s.size - offset
    if left <= 0 then return "" end
    return engine.blob(s.hash, offset, left < WINDOW and left or WINDOW)
  end

  local function fetch_current(s, offset)
    flush(s)
    local data = engine.call("file.read", { path = s.path, offset = offset, size = SMALL_WINDOW })
    if type(data) == "table" then
      s.failed = data
      return ""
    end
    return data or ""
  end

  -- Makes the next window the current one; false at the end of the file. The current one has
  -- been read to its end.
  local function fill(s)
    local offset = s.base + #s.buf
    local data = s.fetch(s, offset)
    s.base, s.buf, s.at = offset, data, 1
    return data ~= ""
  end

  local function has_more(s)
    return s.at <= #s.buf or fill(s)
  end

  local function read_line(s, with_end)
    local pieces, n = nil, 0
    while has_more(s) do
      local buf, at = s.buf, s.at
      local stop = find(buf, "\n", at, true)
      if stop then
        s.at = stop + 1
        local piece = sub(buf, at, with_end and stop or stop - 1)
        if not pieces then return piece end
        pieces[n + 1] = piece
        return concat(pieces)
      end
      pieces, n = pieces or {}, n + 1
      pieces[n] = sub(buf, at)
      s.at = #buf + 1
    end
    return pieces and concat(pieces)
  end

  local function read_bytes(s, count)
    local pieces, n = {}, 0
    while count > 0 and has_more(s) do
      local piece = count > #s.buf and sub(s.buf, s.at) or sub(s.buf, s.at, s.at + count - 1)
      s.at = s.at + #piece
      count = count - #piece
      n = n + 1
      pieces[n] = piece
    end
    if n == 0 then return nil end
    return concat(pieces)
  end

  local function read_rest(s)
    return read_bytes(s, raw.math.maxinteger) or ""
  end

  local LONGEST_NUMERAL = 200

  -- As liolib.c's l_read_number: takes the longest prefix of a numeral, then converts it.
  local function read_number(s)
    local text, n, valid = {}, 0, true
    local function peek()
      return has_more(s) and sub(s.buf, s.at, s.at) or ""
    end
    local function take()
      if n >= LONGEST_NUMERAL then valid = false return false end
      n = n + 1
      text[n] = peek()
      s.at = s.at + 1
      return true
    end
    local function accept(class)
      return find(peek(), class) ~= nil and take()
    end
    local function digits(class)
      local count = 0
      while accept(class) do count = count + 1 end
      return count
    end
    while find(peek(), "^%s") do s.at = s.at + 1 end
    accept("^[-+]")
    local digit, exponent, count = "^%d", "^[eE]", 0
    if accept("^0") then
      if accept("^[xX]") then digit, exponent = "^%x", "^[pP]" else count = 1 end
    end
    count = count + digits(digit)
    if accept("^%.") then count = count + digits(digit) end
    if count > 0 and accept(exponent) then
      accept("^[-+]")
      digits("^%d")
    end
    return valid and tonumber(concat(text)) or nil
  end

  local readers = {
    l = function(s) return read_line(s, false) end,
    L = function(s) return read_line(s, true) end,
    n = read_number,
    a = read_rest,
  }

  -- Standard input belongs to the host: each format is one event.
  local function ask_input(what)
    local value = engine.call("input.read", { format = what })
    if what == "n" and type(value) == "string" then value = tonumber(value) end
    return value
  end

  local function read_format(s, what, argument)
    if type(what) == "number" then
      local count = tointeger(what)
      if not count then
        error(format("bad argument #%d to 'read' (number has no integer representation)", argument))
      end
      if s.input then return ask_input(count) end
      if count == 0 then return has_more(s) and "" or nil end
      return read_bytes(s, count)
    elseif type(what) ~= "string" then
      error(format("bad argument #%d to 'read' (string expected, got %s)", argument, type(what)))
    end
    local letter = sub(match(what, "^%*?(.*)$"), 1, 1)
    local reader = readers[letter]
    if not reader then error(format("bad argument #%d to 'read' (invalid format)", argument)) end
    if s.input then return ask_input(letter) end
    return reader(s)
  end

  local function read_formats(s, first, n, ...)
    if n == 0 then return read_format(s, "l") end
    if n == 1 then return read_format(s, ..., first) end
    local formats, values = { ... }, {}
    for i = 1, n do
      values[i] = read_format(s, formats[i], first + i - 1)
      if values[i] == nil then return unpack(values, 1, i) end
    end
    return unpack(values, 1, n)
  end

  local function unless_failed(s, ...)
    local failed = s.failed
    if not failed then return ... end
    s.failed = nil
    return failure(failed)
  end

  -- Reads one value for each format until one is not there; `first` numbers the arguments.
  local function read(s, first, ...)
    if not s.fetch and not s.input then return failure(BAD_DESCRIPTOR) end
    return unless_failed(s, read_formats(s, first, select("#", ...), ...))
  end

  -- Closing --------------------------------------------------------------------------------

  local function close_writer(s)
    local result = flush(s)
    writers[s.number] = nil
    s.shared.users = s.shared.users - 1
    if s.shared.users == 0 then sizes[s.path] = nil end
    if s.temporary then engine.call("file.remove", { path = s.path }) end
    return result
  end

  -- Shows what a process wrote that nobody reads.
  local function show_output(result)
    if result.output and result.output ~= "" then engine.output("output.text", result.output) end
    if result.errors and result.errors ~= "" then engine.output("output.error", result.errors) end
  end

  -- What `os.execute` returns, and `close` of a process.
  local function exit_result(result)
    if result.error then return failure(result) end
    local how, code = result.how or "exit", result.code or 0
    if how == "exit" and code == 0 then return true, how, code end
    return nil, how, code
  end

  function engine.process_result(result)
    show_output(result)
    return exit_result(result)
  end

  local function close(s)
    if s.standard then return nil, "cannot close standard file" end
    s.closed, s.buf = true, ""
    if s.command then
      return engine.process_result(engine.call("process.open",
        { command = s.command, mode = "w", input = concat(s.out) }))
    elseif s.process then
      return exit_result(s.process)
    elseif s.out then
      local result = close_writer(s)
      if result then return failure(result) end
    end
    return true
  end

  -- Opening --------------------------------------------------------------------------------

  local function open_writer(path, mode, result)
    local shared = sizes[path]
    if not shared then
      shared = { users = 0 }
      sizes[path] = shared
    end
    shared.size, shared.users = result.size or 0, shared.users + 1
    last_writer = last_writer + 1
    local s = {
      path = path, out = {}, out_size = 0, out_at = 0, shared = shared, number = last_writer,
      append = sub(mode, 1, 1) == "a", buffering = "full",
      fetch = find(mode, "+", 1, true) and fetch_current or nil,
    }
    if mode == "a" then s.base = shared.size end
    writers[last_writer] = s
    return s
  end

  -- Returns the file object, or nil and the result of the effect.
  local function open(path, mode)
    local plain = gsub(mode, "b", "")
    local result = engine.call("file.open", { path = path, mode = plain })
    if result.error then return nil, result end
    if plain == "r" then
      return new_file { path = path, hash = result.hash, size = result.size, fetch = fetch_snapshot }
    end
    return new_file(open_writer(path, plain, result))
  end

  local function expect_string(name, argument, value)
    local kind = type(value)
    if kind == "number" then return format("%s", value) end
    if kind == "string" then return value end
    error(format("bad argument #%d to '%s' (string expected, got %s)", argument, name,
      value == nil and "no value" or kind))
  end

  -- Opens a file for `lines`, `input` and `output`, where failing is an error.
  local function open_or_raise(path, mode)
    local f, result = open(path, mode)
    if not f then
      local reason = result.error
      if sub(reason, 1, #path + 2) == path .. ": " then reason = sub(reason, #path + 3) end
      error(format("cannot open file '%s' (%s)", path, reason))
    end
    return f
  end

  -- File objects ---------------------------------------------------------------------------

  local function expect_file(name, f)
    local s = states[f]
    if not s then
      error(format("bad argument #1 to '%s' (FILE* expected, got %s)", name,
        f == nil and "no value" or type(f)))
    end
    if s.closed then error("attempt to use a closed file") end
    return s
  end

  -- Writes to where the file leads; returns the failed result, if any.
  local function send(s, text)
    if s.output then
      if text ~= "" then engine.output(s.output, text) end
    elseif s.command then
      s.out[#s.out + 1] = text
    else
      return put(s, text)
    end
    return nil
  end

  local function write(f, s, first, ...)
    if not s.out and not s.output then return failure(BAD_DESCRIPTOR) end
    local texts = { ... }
    local n = select("#", ...)
    local wrong
    for i = 1, n do
      local v = texts[i]
      local kind = type(v)
      if kind == "number" then
        texts[i] = format(math_type(v) == "integer" and "%d" or "%.14g", v)
      elseif kind ~= "string" then
        wrong, n = format("bad argument #%d to 'write' (string expected, got %s)", first + i - 1, kind), i - 1
        break
      end
    end
    local result = send(s, n == 1 and texts[1] or concat(texts, "", 1, n))
    if wrong then error(wrong) end
    if result then return failure(result) end
    return f
  end

  -- The iterator of `lines`; the file is closed at its end if the iterator opened it.
  local function lines(s, closes, ...)
    local n = select("#", ...)
    if n > 250 then error("bad argument #252 to 'lines' (too many arguments)") end
    local iterator
    if n == 0 and s.fetch then
      function iterator()
        if s.closed then error("file is already closed") end
        local buf, at = s.buf, s.at
        local stop = find(buf, "\n", at, true)
        if stop then
          s.at = stop + 1
          return sub(buf, at, stop - 1)
        end
        local line = read_line(s, false)
        if line then return line end
        local _, message = unless_failed(s)
        if message then error(message) end
        if closes then close(s) end
      end
    else
      local formats = { ... }
      local function pass(value, message, ...)
        if value then return value, message, ... end
        if message then error(message) end
        if closes then close(s) end
      end
      function iterator()
        if s.closed then error("file is already closed") end
        return pass(read(s, 2, unpack(formats, 1, n)))
      end
    end
    handed_out[iterator] = true
    return iterator
  end

  local methods = {}

  function methods.read(f, ...) return read(expect_file("read", f), 1, ...) end
  function methods.write(f, ...) return write(f, expect_file("write", f), 1, ...) end
  function methods.lines(f, ...) return lines(expect_file("lines", f), false, ...) end
  function methods.close(f) return close(expect_file("close", f)) end

  function methods.flush(f)
    local result = flush(expect_file("flush", f))
    if result then return failure(result) end
    return true
  end

  local function end_of(s)
    if s.shared then
      local pending = s.out_size > 0 and (s.append and s.shared.size or s.out_at) + s.out_size or 0
      return pending > s.shared.size and pending or s.shared.size
    end
    return s.size
  end

  function methods.seek(f, whence, offset)
    local s = expect_file("seek", f)
    if whence ~= nil then whence = expect_string("seek", 2, whence) end
    whence = whence or "cur"
    if whence ~= "set" and whence ~= "cur" and whence ~= "end" then
      error(format("bad argument #2 to 'seek' (invalid option '%s')", whence))
    end
    local by = offset == nil and 0 or tointeger(offset)
    if not by then
      error(format("bad argument #3 to 'seek' (%s)", type(offset) == "number"
        and "number has no integer representation" or "number expected, got " .. type(offset)))
    end
    if s.standard or s.command or s.process then return nil, "Illegal seek", 29 end
    local from = whence == "set" and 0 or whence == "cur" and position(s) or end_of(s)
    if from + by < 0 then return nil, "Invalid argument", 22 end
    local result = flush(s)
    if result then return failure(result) end
    local to = from + by
    if to >= s.base and to <= s.base + #s.buf then
      s.at = to - s.base + 1
    else
      s.base, s.buf, s.at = to, "", 1
    end
    return to
  end

  function methods.setvbuf(f, mode, size)
    local s = expect_file("setvbuf", f)
    mode = expect_string("setvbuf", 2, mode)
    if mode ~= "no" and mode ~= "full" and mode ~= "line" then
      error(format("bad argument #2 to 'setvbuf' (invalid option '%s')", mode))
    end
    s.buffering = mode
    if s.shared then flush(s) end
    return true
  end

  FileMeta.__index = methods

  function FileMeta.__tostring(f)
    local s = states[f]
    if s and s.closed then return "file (closed)" end
    return format("file (0x%014x)", identify(f))
  end

  function FileMeta.__close(f, failure)
    engine.check_memory(failure)
    local s = states[f]
    if s and not s.closed then close(s) end
  end

  function FileMeta.__newindex()
    error("attempt to index a FILE* value")
  end

  -- The library ----------------------------------------------------------------------------

  local library = {
    stdin = new_file { standard = true, input = true },
    stdout = new_file { standard = true, output = "output.text" },
    stderr = new_file { standard = true, output = "output.error" },
  }
  local default = { input = library.stdin, output = library.stdout }

  local function default_state(which)
    local s = states[default[which]]
    if s.closed then error(format("default %s file is closed", which)) end
    return s
  end

  function library.read(...) return read(default_state("input"), 1, ...) end
  function library.write(...) return write(default.output, default_state("output"), 1, ...) end

  function library.lines(...)
    local path = ...
    if path == nil then
      return lines(expect_file("lines", default.input), false, select(2, ...))
    end
    local f = open_or_raise(expect_string("lines", 1, path), "r")
    return lines(states[f], true, select(2, ...)), nil, nil, f
  end

  function library.open(...)
    local path, mode = ...
    path = expect_string("open", 1, path)
    if mode ~= nil then mode = expect_string("open", 2, mode) end
    mode = mode or "r"
    if not find(mode, "^[rwa]%+?b?$") then error("bad argument #2 to 'open' (invalid mode)") end
    local f, result = open(path, mode)
    if not f then return failure(result, path) end
    return f
  end

  function library.close(f)
    if f == nil then f = default.output end
    return close(expect_file("close", f))
  end

  function library.flush()
    default_state("output")
    return methods.flush(default.output)
  end

  function library.type(...)
    local s = states[...]
    if select("#", ...) == 0 then error("bad argument #1 to 'type' (value expected)") end
    return s and (s.closed and "closed file" or "file") or nil
  end

  for which, mode in next, { input = "r", output = "w" } do
    library[which] = function(f)
      if type(f) == "string" or type(f) == "number" then
        f = expect_string(which, 1, f)
        default[which] = open_or_raise(f, mode)
      elseif f ~= nil then
        expect_file(which, f)
        default[which] = f
      end
      return default[which]
    end
  end

  function library.tmpfile()
    local result = engine.call("file.temporary", {})
    if type(result) == "table" and result.error then return failure(result) end
    local path = type(result) == "table" and result.path or result
    local f, failed = open(path, "w+")
    if not f then return failure(failed, path) end
    states[f].temporary = true
    return f
  end

  function library.popen(command, mode)
    command = expect_string("popen", 1, command)
    mode = mode == nil and "r" or mode
    if mode ~= "r" and mode ~= "w" then error("bad argument #2 to 'popen' (invalid mode)") end
    if mode == "w" then return new_file { command = command, out = {} } end
    local result = engine.call("process.open", { command = command, mode = "r" })
    if result.error then return failure(result, command) end
    show_output(result)
    return new_file { process = result, hash = result.hash, size = result.size, fetch = fetch_snapshot }
  end

  engine.provide("io", library)
  engine.loaded.io = library
  for name, method in next, methods do engine.names[method] = "file:" .. name end
end
