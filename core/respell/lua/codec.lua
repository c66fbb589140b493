-- The canonical form of values (see respell/values.py, which writes the same bytes).
--
-- Read on every effect, live and re-executed, so the scalar cases come first and build
-- no table.

return function(engine)
  local raw = engine.raw
  local type, next, rawget, rawlen, error = raw.type, raw.next, raw.rawget, raw.rawlen, raw.error
  local math_type, tostring = raw.math.type, raw.tostring
  local pack, unpack = raw.string.pack, raw.string.unpack
  local char, byte, sub, format = raw.string.char, raw.string.byte, raw.string.sub, raw.string.format
  local utf8_len = raw.utf8.len
  local concat, sort = raw.table.concat, raw.table.sort

  local MAX_DEPTH = 100
  local NAN = "\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"
  local BOOLEAN_KEY = { [false] = "\xd4\x01\x00", [true] = "\xd4\x01\x01" }

  local small, short = {}, {}
  for i = -32, 127 do small[i] = char(i & 0xff) end
  for n = 0, 31 do short[n] = char(0xa0 | n) end

  local function encode_string(s)
    local n = #s
    if utf8_len(s) then
      if n < 32 then return short[n] .. s end
      if n < 0x100 then return pack(">Bs1", 0xd9, s) end
      if n < 0x10000 then return pack(">Bs2", 0xda, s) end
      return pack(">Bs4", 0xdb, s)
    end
    if n < 0x100 then return pack(">Bs1", 0xc4, s) end
    if n < 0x10000 then return pack(">Bs2", 0xc5, s) end
    return pack(">Bs4", 0xc6, s)
  end

  -- Keys come again and again; the cache is emptied before it could grow with them.
  local encoded_keys, cached = {}, 0

  local function encode_key(s)
    local known = encoded_keys[s]
    if known then return known end
    known = encode_string(s)
    if #s <= 40 then
      if cached == 1000 then encoded_keys, cached = {}, 0 end
      cached = cached + 1
      encoded_keys[s] = known
    end
    return known
  end

  local function encode_number(v)
    local known = small[v]
    if math_type(v) == "integer" then
      if known then return known end
      if v >= 0 then
        if v < 0x100 then return pack(">BI1", 0xcc, v) end
        if v < 0x10000 then return pack(">BI2", 0xcd, v) end
        if v < 0x100000000 then return pack(">BI4", 0xce, v) end
        return pack(">BI8", 0xcf, v)
      end
      if v >= -0x80 then return pack(">Bi1", 0xd0, v) end
      if v >= -0x8000 then return pack(">Bi2", 0xd1, v) end
      if v >= -0x80000000 then return pack(">Bi4", 0xd2, v) end
      return pack(">Bi8", 0xd3, v)
    end
    if v ~= v then return NAN end
    return pack(">Bd", 0xcb, v)
  end

  local function length(n, fixed, limit, code)
    if n < limit then return char(fixed | n) end
    if n < 0x10000 then return pack(">BI2", code, n) end
    return pack(">BI4", code + 1, n)
  end

  -- Returns numbers ascending, strings by bytes, false, true; or nil and the kind of a key that
  -- can't be one, of several the first by name.
  local function sorted_keys(t)
    local numbers, strings, booleans, nn, ns, nb = nil, nil, nil, 0, 0, 0
    local odd
    for k in next, t do
      local kind = type(k)
      if kind == "string" then
        if ns == 0 then strings = {} end
        ns = ns + 1
        strings[ns] = k
      elseif kind == "number" then
        if nn == 0 then numbers = {} end
        nn = nn + 1
        numbers[nn] = k
      elseif kind == "boolean" then
        booleans = booleans or {}
        booleans[k] = true
        nb = nb + 1
      elseif not odd or kind < odd then
        odd = kind
      end
    end
    if odd then return nil, odd end
    if ns > 1 then sort(strings) end
    if nn == 0 and nb == 0 then return strings or {}, ns end
    if nn > 1 then sort(numbers) end
    local keys = numbers or {}
    for i = 1, ns do keys[nn + i] = strings[i] end
    local n = nn + ns
    if booleans then
      if booleans[false] then n = n + 1; keys[n] = false end
      if booleans[true] then n = n + 1; keys[n] = true end
    end
    return keys, n
  end

  local encode_table

  local function encode_any(v, out, n, depth, what)
    local kind = type(v)
    if kind == "string" then
      out[n + 1] = encode_string(v)
    elseif kind == "number" then
      out[n + 1] = encode_number(v)
    elseif kind == "boolean" then
      out[n + 1] = v and "\xc3" or "\xc2"
    elseif kind == "nil" then
      out[n + 1] = "\xc0"
    elseif kind == "table" then
      return encode_table(v, out, n, depth + 1, what)
    else
      error(format("%s%s: a %s can't be passed; strings, numbers, booleans and tables of them can",
        engine.where(), what or "value", kind), 0)
    end
    return n + 1
  end

  function encode_table(t, out, n, depth, what)
    if depth > MAX_DEPTH then
      error(format("%s%s: a table nests deeper than %d levels (does it contain itself?)",
        engine.where(), what or "value", MAX_DEPTH), 0)
    end
    local len = rawlen(t)
    if len > 0 then
      local count, holes = 0, false
      for _ in next, t do count = count + 1 end
      if count == len then
        for i = 1, len do
          if rawget(t, i) == nil then holes = true break end
        end
        if not holes then
          n = n + 1
          out[n] = length(len, 0x90, 16, 0xdc)
          for i = 1, len do n = encode_any(rawget(t, i), out, n, depth, what) end
          return n
        end
      end
    end
    local keys, count = sorted_keys(t)
    if not keys then
      error(format("%s%s: a %s can't be a key; strings, numbers and booleans can",
        engine.where(), what or "value", count), 0)
    end
    n = n + 1
    out[n] = length(count, 0x80, 16, 0xde)
    for i = 1, count do
      local k = keys[i]
      local kind = type(k)
      n = n + 1
      if kind == "string" then
        out[n] = encode_key(k)
      elseif kind == "number" then
        out[n] = encode_number(k)
      else
        out[n] = BOOLEAN_KEY[k]
      end
      local v = rawget(t, k)
      if type(v) == "string" then
        n = n + 1
        out[n] = encode_string(v)
      else
        n = encode_any(v, out, n, depth, what)
      end
    end
    return n
  end

  -- Returns the canonical bytes of `v`; raises a string that says where, and `what`.
  function engine.encode(v, what)
    local kind = type(v)
    if kind == "string" then return encode_string(v) end
    if kind == "number" then return encode_number(v) end
    if kind == "nil" then return "\xc0" end
    if kind == "boolean" then return v and "\xc3" or "\xc2" end
    local out = {}
    local n = encode_any(v, out, 0, 0, what)
    return concat(out, "", 1, n)
  end

  engine.encode_string = encode_string

  local decode_at

  local function decode_array(s, n, pos)
    local t = {}
    for i = 1, n do t[i], pos = decode_at(s, pos) end
    return t, pos
  end

  local function decode_map(s, n, pos)
    local t = {}
    for _ = 1, n do
      local k, v
      k, pos = decode_at(s, pos)
      v, pos = decode_at(s, pos)
      t[k] = v
    end
    return t, pos
  end

  -- By first byte, for those that are not ranges: string.unpack format, or a function.
  local formats = {
    [0xc4] = ">s1", [0xc5] = ">s2", [0xc6] = ">s4", [0xd9] = ">s1", [0xda] = ">s2", [0xdb] = ">s4",
    [0xca] = ">f", [0xcb] = ">d",
    [0xcc] = ">I1", [0xcd] = ">I2", [0xce] = ">I4", [0xcf] = ">i8",
    [0xd0] = ">i1", [0xd1] = ">i2", [0xd2] = ">i4", [0xd3] = ">i8",
  }
  local constants = { [0xc0] = true, [0xc2] = true, [0xc3] = true }

  function decode_at(s, pos)
    local b = byte(s, pos)
    if b < 0x80 then return b, pos + 1 end
    if b >= 0xe0 then return b - 0x100, pos + 1 end
    if b >= 0xa0 and b < 0xc0 then
      local stop = pos + (b & 0x1f)
      return sub(s, pos + 1, stop), stop + 1
    end
    local f = formats[b]
    if f then return unpack(f, s, pos + 1) end
    if b < 0x90 then return decode_map(s, b & 0x0f, pos + 1) end
    if b < 0xa0 then return decode_array(s, b & 0x0f, pos + 1) end
    if constants[b] then
      if b == 0xc0 then return nil, pos + 1 end
      return b == 0xc3, pos + 1
    end
    if b == 0xd4 then return byte(s, pos + 2) == 1, pos + 3 end
    local wide = b == 0xdd or b == 0xdf
    local n
    n, pos = unpack(wide and ">I4" or ">I2", s, pos + 1)
    if b == 0xdc or b == 0xdd then return decode_array(s, n, pos) end
    if b == 0xde or b == 0xdf then return decode_map(s, n, pos) end
    error("not a canonical value: byte " .. tostring(b), 0)
  end

  -- Returns the value of canonical bytes; the empty string stands for nil.
  function engine.decode(s)
    if s == "" then return nil end
    local v = decode_at(s, 1)
    return v
  end
end
