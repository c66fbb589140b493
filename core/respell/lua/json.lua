-- JSON.parse and JSON.stringify. One text for one value: keys sorted, numbers in their
-- shortest form, integers and floats apart.

return function(engine)
  local raw = engine.raw
  local type, error, tonumber, rawget, rawlen, next = raw.type, raw.error, raw.tonumber,
    raw.rawget, raw.rawlen, raw.next
  local find, sub, byte, format, gsub, rep, char = raw.string.find, raw.string.sub,
    raw.string.byte, raw.string.format, raw.string.gsub, raw.string.rep, raw.string.char
  local concat, sort = raw.table.concat, raw.table.sort
  local utf8_char, utf8_len = raw.utf8.char, raw.utf8.len
  local math_type, tointeger = raw.math.type, raw.math.tointeger

  local MAX_DEPTH = 1000
  local OPTIONS = { indent = true }

  local function raise(message)
    return error(engine.where() .. message, 0)
  end

  -- Parsing --------------------------------------------------------------------------------

  local function fail(text, at, what)
    local line, start = 1, 1
    while true do
      local stop = find(text, "\n", start, true)
      if not stop or stop >= at then break end
      line, start = line + 1, stop + 1
    end
    return raise(format("JSON parse error: %s at line %d column %d", what, line, at - start + 1))
  end

  local function shown(text, at)
    local c = sub(text, at, at)
    if c == "" then return "the text ends too early" end
    if find(c, "[%c\x80-\xff]") then return format("unexpected byte 0x%02x", byte(c)) end
    return format("unexpected '%s'", c)
  end

  local simple = {
    ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
  }

  -- Returns the characters of the escape at `at` (its backslash) and where the text goes on.
  local function parse_escape(text, at)
    local letter = sub(text, at + 1, at + 1)
    local c = simple[letter]
    if c then return c, at + 2 end
    if letter ~= "u" then return fail(text, at, "invalid escape") end
    local _, stop, digits = find(text, "^(%x%x%x%x)", at + 2)
    if not stop then return fail(text, at, "invalid escape") end
    local code = tonumber(digits, 16)
    if code >= 0xD800 and code <= 0xDFFF then
      local _, last, low = find(text, "^\\u(%x%x%x%x)", stop + 1)
      low = last and tonumber(low, 16)
      if code > 0xDBFF or not low or low < 0xDC00 or low > 0xDFFF then
        return fail(text, at, "half of a surrogate pair")
      end
      code, stop = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), last
    end
    return utf8_char(code), stop + 1
  end

  -- `at` is behind the opening quote.
  local function parse_string(text, at)
    local stop = find(text, '[%c"\\]', at)
    if stop and byte(text, stop) == 34 then return sub(text, at, stop - 1), stop + 1 end
    local pieces, n = {}, 0
    while stop do
      local c = byte(text, stop)
      n = n + 1
      pieces[n] = sub(text, at, stop - 1)
      if c == 34 then return concat(pieces), stop + 1 end
      if c == 92 then
        n = n + 1
        pieces[n], at = parse_escape(text, stop)
        stop = find(text, '[%c"\\]', at)
      elseif c == 127 then
        pieces[n] = sub(text, at, stop)
        at = stop + 1
        stop = find(text, '[%c"\\]', at)
      else
        return fail(text, stop, "control character in a string")
      end
    end
    return fail(text, #text + 1, "a string without its end")
  end

  local function parse_number(text, at)
    local _, stop = find(text, "^-?%d+", at)
    if not stop then return fail(text, at, shown(text, at)) end
    if find(text, "^-?0%d", at) then return fail(text, at, "a number with a leading zero") end
    local fraction, last = find(text, "^%.%d+", stop + 1)
    if fraction then stop = last end
    local exponent, over = find(text, "^[eE][-+]?%d+", stop + 1)
    if exponent then stop = over end
    local numeral = sub(text, at, stop)
    -- -0 is a float, as the integer would lose its sign; integers too large become floats.
    local value = numeral == "-0" and -0.0 or tonumber(numeral)
    if value == 1 / 0 or value == -1 / 0 then return fail(text, at, "a number out of range") end
    return value, stop + 1
  end

  -- Returns where the next character that is not white space stands, and its code.
  local function skip(text, at)
    at = find(text, "[^ \n\r\t]", at) or #text + 1
    return at, byte(text, at)
  end

  local parse_value

  local function parse_array(text, at, depth)
    local array, n = {}, 0
    local c
    at, c = skip(text, at)
    if c == 93 then return array, at + 1 end
    while true do
      n = n + 1
      array[n], at = parse_value(text, at, depth)
      c = byte(text, at)
      if c ~= 44 and c ~= 93 then at, c = skip(text, at) end
      if c == 93 then return array, at + 1 end
      if c ~= 44 then return fail(text, at, shown(text, at)) end
      at = at + 1
    end
  end

  local function parse_object(text, at, depth)
    local object = {}
    local c
    at, c = skip(text, at)
    if c == 125 then return object, at + 1 end
    while true do
      if c ~= 34 then return fail(text, at, shown(text, at)) end
      local key
      key, at = parse_string(text, at + 1)
      c = byte(text, at)
      if c ~= 58 then at, c = skip(text, at) end
      if c ~= 58 then return fail(text, at, shown(text, at)) end
      object[key], at = parse_value(text, at + 1, depth)
      c = byte(text, at)
      if c ~= 44 and c ~= 125 then at, c = skip(text, at) end
      if c == 125 then return object, at + 1 end
      if c ~= 44 then return fail(text, at, shown(text, at)) end
      at = at + 1
      c = byte(text, at)
      if c ~= 34 then at, c = skip(text, at) end
    end
  end

  local words = { [110] = "null", [116] = "true", [102] = "false" }
  local constants = { ["true"] = true, ["false"] = false }

  function parse_value(text, at, depth)
    local c = byte(text, at)
    if not c or c <= 32 then at, c = skip(text, at) end
    if c == 34 then return parse_string(text, at + 1) end
    if c == 123 or c == 91 then
      if depth >= MAX_DEPTH then
        return fail(text, at, format("nested deeper than %d levels", MAX_DEPTH))
      end
      if c == 123 then return parse_object(text, at + 1, depth + 1) end
      return parse_array(text, at + 1, depth + 1)
    end
    local word = words[c]
    if word and sub(text, at, at + #word - 1) == word then return constants[word], at + #word end
    return parse_number(text, at)
  end

  local function parse(text)
    if type(text) ~= "string" then
      raise(format("bad argument #1 to 'parse' (string expected, got %s)",
        text == nil and "no value" or type(text)))
    end
    local ok, bad = utf8_len(text)
    if not ok then return fail(text, bad, "not UTF-8") end
    local value, at = parse_value(text, 1, 0)
    at = find(text, "[^ \n\r\t]", at)
    if at then return fail(text, at, shown(text, at)) end
    return value
  end

  -- Writing --------------------------------------------------------------------------------

  local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f",
    ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }
  for code = 0, 31 do
    local c = char(code)
    escapes[c] = escapes[c] or format("\\u%04x", code)
  end

  -- The keys on the way to the value that is written: path[1..depth].
  local function path_text(path, depth)
    local text = ""
    for i = 1, depth do
      local key = path[i]
      text = text .. (math_type(key) and format("[%d]", key) or "." .. key)
    end
    return (gsub(text, "^%.", ""))
  end

  local function refuse(style, depth, what)
    local path = path_text(style.path, depth)
    return raise(format("JSON.stringify: %s at %s", what, path == "" and "the top" or path))
  end

  local function write_string(s, style, depth)
    if not utf8_len(s) then return refuse(style, depth, "a string that is not UTF-8") end
    if find(s, '[\0-\31"\\]') then s = gsub(s, '[\0-\31"\\]', escapes) end
    return '"' .. s .. '"'
  end

  local function write_number(v)
    if math_type(v) == "integer" then return format("%d", v) end
    if v ~= v or v == 1 / 0 or v == -1 / 0 then return "null" end
    local text = format("%.15g", v)
    if tonumber(text) ~= v then text = format("%.16g", v) end
    if tonumber(text) ~= v then text = format("%.17g", v) end
    if not find(text, "[.e]") then text = text .. ".0" end
    return text
  end

  -- Length if the keys are exactly 1..n and n > 0.
  local function array_length(t)
    local n = rawlen(t)
    if n == 0 then return nil end
    local count = 0
    for k in next, t do
      if math_type(k) ~= "integer" or k < 1 or k > n then return nil end
      count = count + 1
    end
    return count == n and n or nil
  end

  -- Names of an object's fields, sorted, and which keys they stand for.
  local function field_names(t, style, depth)
    local names, keys, n = {}, nil, 0
    local odd   -- the kind of key that can't be one; of several the first by name
    for k in next, t do
      local kind = type(k)
      n = n + 1
      names[n] = k
      if kind == "number" then
        keys = keys or {}
        names[n] = write_number(k)
        keys[names[n]] = k
      elseif kind ~= "string" and (not odd or kind < odd) then
        odd = kind
      end
    end
    if odd then return refuse(style, depth, format("a %s as a key", odd)) end
    if n > 1 then sort(names) end
    for i = 2, keys and n or 0 do
      if names[i] == names[i - 1] then
        return refuse(style, depth, format('the keys %s and "%s" both', names[i], names[i]))
      end
    end
    return names, n, keys
  end

  local write_value

  local function write_array(t, length, out, n, style, depth)
    local open, separator, close = "[", ",", "]"
    if style.indent then
      local inner = "\n" .. rep(style.indent, depth)
      open, separator, close = "[" .. inner, "," .. inner, "\n" .. rep(style.indent, depth - 1) .. "]"
    end
    local path = style.path
    for i = 1, length do
      path[depth] = i
      out[n + 1] = i == 1 and open or separator
      n = write_value(rawget(t, i), out, n + 1, style, depth)
    end
    out[n + 1] = close
    return n + 1
  end

  local function write_object(t, out, n, style, depth)
    local names, count, keys = field_names(t, style, depth - 1)
    if count == 0 then
      out[n + 1] = "{}"
      return n + 1
    end
    local open, separator, colon, close = "{", ",", ":", "}"
    if style.indent then
      local inner = "\n" .. rep(style.indent, depth)
      open, separator, colon = "{" .. inner, "," .. inner, ": "
      close = "\n" .. rep(style.indent, depth - 1) .. "}"
    end
    local path = style.path
    for i = 1, count do
      local name = names[i]
      path[depth] = name
      out[n + 1] = i == 1 and open or separator
      out[n + 2] = write_string(name, style, depth)
      out[n + 3] = colon
      local key = keys and keys[name] or name
      n = write_value(rawget(t, key), out, n + 3, style, depth)
    end
    out[n + 1] = close
    return n + 1
  end

  local function write_table(t, out, n, style, depth)
    if style.open[t] then return refuse(style, depth, "a table inside of itself") end
    if depth >= MAX_DEPTH then
      return refuse(style, 0, format("a table nested deeper than %d levels", MAX_DEPTH))
    end
    style.open[t] = true
    local length = array_length(t)
    if length then
      n = write_array(t, length, out, n, style, depth + 1)
    else
      n = write_object(t, out, n, style, depth + 1)
    end
    style.open[t] = nil
    return n
  end

  function write_value(v, out, n, style, depth)
    local kind = type(v)
    if kind == "table" then return write_table(v, out, n, style, depth) end
    n = n + 1
    if kind == "string" then
      out[n] = write_string(v, style, depth)
    elseif kind == "number" then
      out[n] = write_number(v)
    elseif kind == "boolean" then
      out[n] = v and "true" or "false"
    elseif kind == "nil" then
      out[n] = "null"
    else
      return refuse(style, depth, format("a %s", kind))
    end
    return n
  end

  local function indent_of(options)
    if options == nil then return nil end
    if type(options) ~= "table" then
      raise(format("bad argument #2 to 'stringify' (table expected, got %s)", type(options)))
    end
    local unknown = engine.unknown_key(options, OPTIONS)
    if unknown then raise(format("JSON.stringify: unknown option '%s'; there is: indent", unknown)) end
    local indent = options.indent
    if indent == nil or indent == 0 then return nil end
    if type(indent) == "string" and not find(indent, "[^ \t]") then return indent end
    local count = tointeger(indent)
    if not count or count < 0 or count > 16 then
      raise("JSON.stringify: indent is a number of spaces from 0 to 16")
    end
    return rep(" ", count)
  end

  local function stringify(value, options)
    local out = {}
    local style = { indent = indent_of(options), open = {}, path = {} }
    local n = write_value(value, out, 0, style, 0)
    return concat(out, "", 1, n)
  end

  engine.provide("JSON", { parse = parse, stringify = stringify })
  engine.to_json_text = stringify
end
