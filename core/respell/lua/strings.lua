-- Strings and utf8: plain Lua's functions, except where they would show an address, run for
-- seconds without a way to stop them, or write bytecode.

return function(engine)
  local raw = engine.raw
  local type, error, raw_tostring, rawget, next = raw.type, raw.error, raw.tostring, raw.rawget,
    raw.next
  local format, gsub, gmatch, rep = raw.string.format, raw.string.gsub, raw.string.gmatch,
    raw.string.rep
  local table_pack, unpack = raw.table.pack, raw.table.unpack
  local meta_of = raw.debug.getmetatable
  local tointeger = raw.math.tointeger
  local identify, names = engine.identify, engine.names

  local function copy(t)
    local c = {}
    for k, v in next, t do c[k] = v end
    return c
  end

  -- tostring -------------------------------------------------------------------------------

  -- What native `tostring` shows the address of.
  local has_address = { table = true, ["function"] = true, thread = true, userdata = true }

  -- In the shape of an address, so that patterns of scripts find it.
  local function stable_address(object)
    return format("0x%014x", identify(object))
  end

  local function object_text(v, kind)
    local meta = meta_of(v)
    if meta then
      local to_text = rawget(meta, "__tostring")
      if to_text ~= nil then
        local text = to_text(v)
        if type(text) == "number" then return raw_tostring(text) end
        if type(text) ~= "string" then error("'__tostring' must return a string") end
        return text
      end
      local name = rawget(meta, "__name")
      if type(name) == "string" then kind = name end
    elseif names[v] then
      return format("function: builtin: %s", names[v])
    end
    return format("%s: %s", kind, stable_address(v))
  end

  local function tostring(...)
    local v = ...
    local kind = type(v)
    if not has_address[kind] then return raw_tostring(...) end
    return object_text(v, kind)
  end
  engine.tostring = tostring
  engine.provide("tostring", tostring)

  -- string.format --------------------------------------------------------------------------

  -- Format -> {letter of each argument, n = their number, few = n if there are at most three
  -- and no pointers}; false where no argument can show an address.
  local plans, known_plans = {}, 0
  local MOST_PLANS = 1000

  local function make_plan(text)
    local plan, n, objects, pointers = {}, 0, false, false
    for letter in gmatch(text, "%%[-+ #0]*%d*%.?%d*(.?)") do
      if letter ~= "%" then
        n = n + 1
        plan[n] = letter
        objects, pointers = objects or letter == "s", pointers or letter == "p"
      end
    end
    plan.n, plan.few = n, not pointers and n <= 3 and n
    if not (objects or pointers) then plan = false end
    if known_plans == MOST_PLANS then plans, known_plans = {}, 0 end
    plans[text], known_plans = plan, known_plans + 1
    return plan
  end

  -- Equal strings have equal ids, as plain Lua shows it for short ones.
  local string_ids, last_string_id = {}, 0

  local function pointer_text(v)
    local kind = type(v)
    if has_address[kind] then return stable_address(v) end
    if kind ~= "string" then return "(null)" end
    if not string_ids[v] then
      last_string_id = last_string_id + 1
      string_ids[v] = last_string_id
    end
    return format("0x%014x", string_ids[v])
  end

  local function format_objects(plan, text, ...)
    local arguments = table_pack(...)
    local pointers = false
    for i = 1, plan.n do
      if i > arguments.n then break end
      local v = arguments[i]
      if plan[i] == "s" then
        if has_address[type(v)] then arguments[i] = tostring(v) end
      elseif plan[i] == "p" then
        arguments[i], pointers = pointer_text(v), true
      end
    end
    if pointers then
      text = gsub(text, "(%%[-+ #0]*%d*%.?%d*)(.?)", function(flags, letter)
        return letter == "p" and flags .. "s" or nil
      end)
    end
    return format(text, unpack(arguments, 1, arguments.n))
  end

  local function format_text(...)
    local text, a, b, c = ...
    local plan = plans[text]
    if plan == nil and type(text) == "string" then plan = make_plan(text) end
    if not plan then return format(...) end
    local few = plan.few
    if few and not (has_address[type(a)] or few > 1 and has_address[type(b)]
      or few > 2 and has_address[type(c)]) then
      return format(...)
    end
    -- In parentheses: a tail call would hide what the script called, should it fail.
    return (format_objects(plan, ...))
  end

  -- Copying nothing n times takes seconds, and a hook can't interrupt it.
  local function rep_text(...)
    local s, n, separator = ...
    if s == "" and (separator == nil or separator == "") and tointeger(n) then return "" end
    return rep(...)
  end

  local library = copy(raw.string)
  library.dump = nil
  library.format = format_text
  library.rep = rep_text
  engine.provide("string", library)
  engine.provide("utf8", copy(raw.utf8))

  meta_of("").__index = library
end
