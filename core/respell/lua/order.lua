-- One order for everything: `pairs` and `next` visit keys in it, and objects get stable ids.
--
-- Plain Lua orders keys by hashes and addresses that differ from process to process. Here:
-- numbers ascending, strings by bytes, false, true, then objects: those that have an id by
-- id, the others by what is in them and in their value.

return function(engine, env)
  local raw = engine.raw
  local next, type, rawget, rawequal, select, error, raw_tostring, setmetatable =
    raw.next, raw.type, raw.rawget, raw.rawequal, raw.select, raw.error, raw.tostring,
    raw.setmetatable
  local sort, unpack, concat, move = raw.table.sort, raw.table.unpack, raw.table.concat,
    raw.table.move
  local math_type, byte, find, format, dump, sub, string_unpack = raw.math.type, raw.string.byte,
    raw.string.find, raw.string.format, raw.string.dump, raw.string.sub, raw.string.unpack
  local getinfo, getupvalue, meta_of = raw.debug.getinfo, raw.debug.getupvalue,
    raw.debug.getmetatable

  -- Ids and names -------------------------------------------------------------------------

  local ids = setmetatable({}, { __mode = "k" })
  local last_id = 0

  -- Most objects that are numbered are never asked for their number, so those of
  -- `setmetatable` only queue for it: queue[i] will be `last_id + i`, if it lives so long.
  local queue, queued = setmetatable({}, { __mode = "v" }), 0
  local LONGEST_QUEUE = 16384

  local function number_queue()
    for i = 1, queued do
      local object = queue[i]
      if object ~= nil then
        if not ids[object] then ids[object] = last_id + i end
        queue[i] = nil
      end
    end
    last_id, queued = last_id + queued, 0
  end

  -- Numbers an object, at the cost of an assignment.
  function engine.identify_later(object)
    if queued == LONGEST_QUEUE then number_queue() end
    queued = queued + 1
    queue[queued] = object
  end

  -- Returns the id of an object: 1, 2, 3 … in the order of first sight.
  local function identify(object)
    local id = ids[object]
    if not id then
      if queued > 0 then
        number_queue()
        id = ids[object]
        if id then return id end
      end
      id = last_id + 1
      last_id = id
      ids[object] = id
    end
    return id
  end
  engine.identify = identify

  -- Returns the id of an object if it has one: for those who look on and must not number it.
  function engine.known_id(object)
    number_queue()
    return ids[object]
  end

  -- Functions of the library are called by name: their ids would change with every version.
  local names = setmetatable({}, { __mode = "k" })
  engine.names = names

  -- Functions that scripts get from calls of the library (iterators and the like).
  engine.handed_out = setmetatable({}, { __mode = "k" })

  -- Installs a library (or one function) of the script's globals and names what is in it.
  function engine.provide(name, value)
    env[name] = value
    if type(value) == "function" then
      names[value] = name
    else
      for key, member in next, value do
        if type(member) == "function" then names[member] = name .. "." .. key end
      end
    end
    return value
  end

  -- What is in a value, for ordering objects without an id ---------------------------------

  local describe
  local known_texts = {}   -- depth -> object -> text, while one table's keys are ordered

  local LONG = 256

  -- Texts of nested objects would grow with the number of paths through them.
  local function shorten(text)
    if #text <= LONG then return text end
    local h = #text
    for at = 1, #text - 7, 8 do
      h = (h ~ string_unpack("<i8", text, at)) * 0x5851F42D4C957F2D
      h = h ~ (h >> 29)
    end
    return format("h%016x%s", h, sub(text, -8))
  end

  -- The name that a script gave a chunk, without what a debugger adds (lua/chunk_marks.lua).
  local function given_name(source)
    local mark = byte(source) == 61 and find(source, "\0", 1, true)
    return mark and sub(source, find(source, "\0", mark + 1, true) + 1) or source
  end
  engine.given_name = given_name

  local function describe_function(f, depth)
    local info = getinfo(f, "S")
    local parts = { "f", engine.given_name(info.source), ":", info.linedefined, "-", info.lastlinedefined }
    local n = #parts
    for i = 1, 255 do
      local name, value = getupvalue(f, i)
      if not name then break end
      parts[n + 1], parts[n + 2] = ";", describe(value, depth - 1)
      n = n + 2
    end
    -- Two functions of one line differ in their code only.
    if info.what ~= "C" then parts[n + 1] = dump(f, true) end
    return concat(parts)
  end

  local function describe_table(t, depth)
    local entries, n = {}, 0
    for k, v in next, t do
      n = n + 1
      entries[n] = describe(k, depth - 1) .. "=" .. describe(v, depth - 1)
    end
    -- Equal texts are interchangeable here, so the order of visiting leaves no trace.
    sort(entries)
    return "t{" .. concat(entries, ",") .. "}"
  end

  local function describe_object(v, kind, depth)
    local texts = known_texts[depth]
    if not texts then
      texts = {}
      known_texts[depth] = texts
    end
    local text = texts[v]
    if not text then
      text = shorten(kind == "table" and describe_table(v, depth) or describe_function(v, depth))
      texts[v] = text
    end
    return text
  end

  -- Returns the canonical text of a value, `depth` levels deep.
  function describe(v, depth)
    local kind = type(v)
    if kind == "string" then return format("s%d:%s", #v, v) end
    if kind == "number" then
      return math_type(v) == "integer" and format("i%d", v) or format("d%a", v)
    end
    if kind == "nil" or kind == "boolean" then return raw_tostring(v) end
    if rawequal(v, env) then return "b_G" end
    if names[v] then return "b" .. names[v] end
    if ids[v] then return format("#%d", ids[v]) end
    if depth > 0 and (kind == "table" or kind == "function") then
      return describe_object(v, kind, depth)
    end
    return kind
  end

  local SHALLOW, DEEP = 2, 8

  -- True while somebody looks on who must leave no trace.
  local looking = false

  local function report_tie(count)
    if not looking then engine.record("note.order_tie", { keys = count }, nil) end
  end

  -- Sorts `list[from..to]` by text; groups of equal texts are given to `equal(from, to)`.
  local function sort_by_text(list, from, to, text_of, equal)
    local groups, texts, n = {}, {}, 0
    for i = from, to do
      local object = list[i]
      local text = text_of(object)
      local group = groups[text]
      if group then
        group[#group + 1] = object
      else
        n = n + 1
        groups[text], texts[n] = { object }, text
      end
    end
    sort(texts)
    local at = from
    for i = 1, n do
      local group = groups[texts[i]]
      for j = 1, #group do list[at + j - 1] = group[j] end
      if #group > 1 then equal(at, at + #group - 1) end
      at = at + #group
    end
  end

  -- Orders keys of `t` that have no id, and numbers them: the order stays what it was.
  local function order_unknown(t, list, n)
    sort_by_text(list, 1, n, function(object)
      return describe(object, SHALLOW) .. "=" .. describe(rawget(t, object), SHALLOW)
    end, function(from, to)
      sort_by_text(list, from, to, function(object)
        return describe(object, DEEP) .. "=" .. describe(rawget(t, object), DEEP)
      end, function(first, last) report_tie(last - first + 1) end)
    end)
    known_texts = {}
    if looking then return end
    for i = 1, n do identify(list[i]) end
  end

  -- Appends objects to keys[1..n] in order.
  local function append_objects(t, keys, n, objects, count)
    number_queue()
    local known, by_id, unknown = {}, {}, {}
    for i = 1, count do
      local object = objects[i]
      local id = ids[object]
      if id then
        known[#known + 1] = id
        by_id[id] = object
      else
        unknown[#unknown + 1] = object
      end
    end
    sort(known)
    for i = 1, #known do keys[n + i] = by_id[known[i]] end
    n = n + #known
    if #unknown > 0 then
      order_unknown(t, unknown, #unknown)
      for i = 1, #unknown do keys[n + i] = unknown[i] end
    end
    return n + #unknown
  end

  -- Keys in order --------------------------------------------------------------------------

  local function mixed_keys(t)
    local keys, numbers = {}, 0
    local strings, texts = {}, 0
    local objects, others
    local has_false, has_true, ascending, before = false, false, true, nil
    for k in next, t do
      local kind = type(k)
      if kind == "number" then
        if before and k < before then ascending = false end
        numbers, before = numbers + 1, k
        keys[numbers] = k
      elseif kind == "string" then
        texts = texts + 1
        strings[texts] = k
      elseif kind == "boolean" then
        if k then has_true = true else has_false = true end
      else
        if not objects then objects, others = {}, 0 end
        others = others + 1
        objects[others] = k
      end
    end
    if not ascending then sort(keys) end
    if texts > 1 then sort(strings) end
    local n = numbers
    for i = 1, texts do keys[n + i] = strings[i] end
    n = n + texts
    if has_false then n = n + 1; keys[n] = false end
    if has_true then n = n + 1; keys[n] = true end
    if objects then n = append_objects(t, keys, n, objects, others) end
    return keys, n
  end

  -- Sorting costs far more than visiting, and most tables have the keys of one seen before, in
  -- the same places. So each order is kept with the native order it was made from, under
  -- the first key of that: native order -> {sorted = …, n = …}, only string keys.
  local shapes, shape_keys = {}, 0
  local MOST_KEYS, MOST_SHAPE_KEYS = 4096, 65536
  local UNPACKED = 200   -- so many values may be put on the stack at once

  local function keep_shape(native, sorted, n)
    if n > MOST_KEYS then return end
    local known = shapes[native[1]]
    shape_keys = shape_keys + n - (known and known.n or 0)
    if shape_keys > MOST_SHAPE_KEYS then shapes, shape_keys = {}, n end
    native.sorted, native.n = sorted, n
    shapes[native[1]] = native
  end

  -- Returns the keys in order and their number if a table with the same native order is known.
  local function known_keys(t, first)
    local shape = shapes[first]
    if not shape then return nil end
    local n = 0
    for k in next, t do
      n = n + 1
      if shape[n] ~= k then return nil end
    end
    if n == shape.n then return shape.sorted, n end
    return nil
  end

  local function string_keys(t)
    local native, n = {}, 0
    for k in next, t do
      if type(k) ~= "string" then return mixed_keys(t) end
      n = n + 1
      native[n] = k
    end
    local sorted = n < UNPACKED and { unpack(native, 1, n) } or move(native, 1, n, 1, {})
    if n > 1 then sort(sorted) end
    keep_shape(native, sorted, n)
    return sorted, n
  end

  -- Returns the keys of `t` in order and their number; nil and n when they are just 1..n. The
  -- array is shared: whoever gets it only reads it.
  local function collect(t)
    local first = next(t)
    local keys, n = known_keys(t, first)
    if keys then return keys, n end
    n = 0
    for k in next, t do
      n = n + 1
      if k ~= n then return string_keys(t) end
    end
    return nil, n
  end

  -- Returns an array of the keys of `t` in order, and their number. With `only_look`, objects
  -- among them get no ids and ties are not reported.
  function engine.keys(t, only_look)
    looking = only_look or false
    local keys, n = collect(t)
    looking = false
    if keys then return move(keys, 1, n, 1, {}), n end
    keys = {}
    for i = 1, n do keys[i] = i end
    return keys, n
  end

  -- Returns the text of the first key of `t` that `known` doesn't have; nil if there is none.
  function engine.unknown_key(t, known)
    local keys, n = engine.keys(t)
    for i = 1, n do
      if not known[keys[i]] then return engine.tostring(keys[i]) end
    end
  end

  -- Tables whose fields the script should see otherwise than they are (gc.lua): function
  -- of the table that returns a plain copy as the script should see it.
  local views
  function engine.show_instead(tables) views = tables end

  -- next ------------------------------------------------------------------------------------

  local rank = { number = 1, string = 2, boolean = 3 }

  local function comes_before(a, b)
    local x, y = rank[type(a)], rank[type(b)]
    if not x or not y then return x ~= nil and y == nil end
    if x ~= y then return x < y end
    if x == 3 then return b and not a end
    return a < b
  end

  -- First key of a table that is not empty, without sorting: `next(t) == nil` is a common
  -- way to ask whether a table is empty.
  local function first_key(t, native_first)
    local keys = known_keys(t, native_first)
    if keys then return keys[1] end
    local n, best, best_rank = 0, nil, 4
    for k in next, t do
      n = n + 1
      if k ~= n then n = -1 break end
    end
    if n > 0 then return 1 end
    for k in next, t do
      local r = rank[type(k)]
      if not r then
        -- An object: it comes last, if there is anything else.
      elseif r < best_rank then
        best, best_rank = k, r
      elseif r == best_rank and (r < 3 and k < best or r == 3 and best) then
        best = k
      end
    end
    if best ~= nil then return best end
    return mixed_keys(t)[1]
  end

  -- Where a walk with `next` stands: table -> {keys, n, i, places}. It is kept while the
  -- walk goes on, so keys may be cleared and walks of other tables may come between.
  local walks = setmetatable({}, { __mode = "k" })

  local function find(walk, key)
    local places = walk.places
    if not places then
      places = {}
      for i = 1, walk.n do places[walk.keys[i]] = i end
      walk.places = places
    end
    local at = places[key]
    if at then return at end
    if not rank[type(key)] then error("invalid key to 'next'", 0) end
    -- The key was cleared after it was visited: go on behind the place where it was.
    for i = 1, walk.n do
      if comes_before(key, walk.keys[i]) then return i - 1 end
    end
    return walk.n
  end

  local function following(t, walk, i)
    local keys = walk.keys
    local key, value
    repeat
      i = i + 1
      key = keys[i]
      if key == nil then
        walks[t] = nil
        return nil
      end
      value = rawget(t, key)
    until value ~= nil
    walk.i, walk.key = i, key
    return key, value
  end

  local function start_walk(t, key)
    local keys, n = engine.keys(t)
    local walk = { keys = keys, n = n, i = 0 }
    walks[t] = walk
    return following(t, walk, find(walk, key))
  end

  local function next_key(t, key)
    if views and views[t] then return next_key(views[t](t), key) end
    if key == nil then
      local first = next(t)
      if first == nil then return nil end
      walks[t] = nil
      first = first_key(t, first)
      return first, rawget(t, first)
    end
    local walk = walks[t]
    if walk then
      return following(t, walk, rawequal(walk.key, key) and walk.i or find(walk, key))
    end
    if type(t) ~= "table" then return next(t, key) end
    return start_walk(t, key)
  end

  -- pairs -----------------------------------------------------------------------------------

  -- Iterators are closures, as a snapshot has to live somewhere; used in another way than
  -- by a plain loop (another table, a key out of turn) they do what `next` does.
  local function over_sequence(t, n)
    local i, before = 0, nil
    return function(s, control)
      if control ~= before or s ~= t then return next_key(s, control) end
      local value
      repeat
        if i >= n then return nil end
        i = i + 1
        value = t[i]
      until value ~= nil
      before = i
      return i, value
    end
  end

  local function over_raw_keys(t, keys)
    local i, before = 0, nil
    return function(s, control)
      if control ~= before or s ~= t then return next_key(s, control) end
      local key, value
      repeat
        i = i + 1
        key = keys[i]
        if key == nil then return nil end
        value = rawget(t, key)
      until value ~= nil
      before = key
      return key, value
    end
  end

  local function pairs_with_meta(t, meta)
    local custom = rawget(meta, "__pairs")
    if custom ~= nil then
      local iterator, state, control = custom(t)
      return iterator, state, control
    end
    if type(t) ~= "table" then return next_key, t, nil end
    if views and views[t] then t = views[t](t) end
    -- A cleared field could be answered by `__index`.
    return over_raw_keys(t, collect(t) or (engine.keys(t))), t, nil
  end

  -- All in one function: calls would cost more than the loop over a small table.
  local function pairs(t)
    local meta = meta_of(t)
    if meta then return pairs_with_meta(t, meta) end
    if type(t) ~= "table" then return next_key, t, nil end
    local first = next(t)
    if first == nil then return next_key, t, nil end
    local keys
    local shape = shapes[first]
    if shape then
      local n = 0
      for k in next, t do
        n = n + 1
        if shape[n] ~= k then n = -1 break end
      end
      if n == shape.n then keys = shape.sorted end
    end
    if not keys then
      local n
      keys, n = collect(t)
      if not keys then return over_sequence(t, n), t, nil end
    end
    local i, before = 0, nil
    return function(s, control)
      if control ~= before or s ~= t then return next_key(s, control) end
      local key, value
      repeat
        i = i + 1
        key = keys[i]
        if key == nil then return nil end
        value = t[key]
      until value ~= nil
      before = key
      return key, value
    end, t, nil
  end

  engine.provide("next", next_key)
  engine.provide("pairs", pairs)
  engine.provide("ipairs", raw.ipairs)
end
