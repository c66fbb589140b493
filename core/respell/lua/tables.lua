-- Tables and numbers: an own, stable `table.sort`, and random numbers from a recorded seed.
--
-- Plain Lua's sort picks pivots by clock and time when a partition is unbalanced: results
-- with ties, and the number of comparisons, differ from run to run.

return function(engine)
  local raw = engine.raw
  local type, error, next, select, rawget = raw.type, raw.error, raw.next, raw.select, raw.rawget
  local format = raw.string.format
  local sort, move = raw.table.sort, raw.table.move
  local math_type, tointeger = raw.math.type, raw.math.tointeger
  local seed = raw.math.randomseed
  local meta_of = raw.debug.getmetatable

  local function copy(t)
    local c = {}
    for k, v in next, t do c[k] = v end
    return c
  end

  -- Sorting --------------------------------------------------------------------------------

  local RUN = 6

  -- Sorts short runs by insertion. `before` is the comparator, or nil for `<`.
  local function sort_runs(a, n, before)
    for from = 1, n, RUN do
      local to = from + RUN - 1
      if to > n then to = n end
      for i = from + 1, to do
        local v = a[i]
        local j = i - 1
        if before then
          while j >= from and before(v, a[j]) do
            a[j + 1] = a[j]
            j = j - 1
          end
        else
          while j >= from and v < a[j] do
            a[j + 1] = a[j]
            j = j - 1
          end
        end
        a[j + 1] = v
      end
    end
  end

  -- Merges a[from..middle] and a[middle + 1..to] into b[from..to]; equal ones stay in order.
  local function merge(a, b, from, middle, to, before)
    local i, j, k = from, middle + 1, from
    local left, right = a[i], a[j]
    while true do
      if before(right, left) then
        b[k] = right
        j, k = j + 1, k + 1
        if j > to then return move(a, i, middle, k, b) end
        right = a[j]
      else
        b[k] = left
        i, k = i + 1, k + 1
        if i > middle then return move(a, j, to, k, b) end
        left = a[i]
      end
    end
  end

  local function merge_plain(a, b, from, middle, to)
    local i, j, k = from, middle + 1, from
    local left, right = a[i], a[j]
    while true do
      if right < left then
        b[k] = right
        j, k = j + 1, k + 1
        if j > to then return move(a, i, middle, k, b) end
        right = a[j]
      else
        b[k] = left
        i, k = i + 1, k + 1
        if i > middle then return move(a, j, to, k, b) end
        left = a[i]
      end
    end
  end

  -- Sorts the array a[1..n] and returns it, or another array with the result.
  local function merge_sort(a, n, before)
    sort_runs(a, n, before)
    local b = {}
    local width = RUN
    local merge_two = before and merge or merge_plain
    while width < n do
      for from = 1, n, 2 * width do
        local middle = from + width - 1
        local to = middle + width
        if to > n then to = n end
        if middle >= n then
          move(a, from, n, from, b)
        else
          merge_two(a, b, from, middle, to, before)
        end
      end
      a, b = b, a
      width = width * 2
    end
    return a
  end

  -- True if equal elements can't be told apart, so any correct sort gives the same result.
  local function interchangeable(a, n)
    local first = a[1]
    if type(first) == "string" then
      for i = 2, n do
        if type(a[i]) ~= "string" then return false end
      end
      return true
    end
    local kind = math_type(first)
    if kind == "integer" then
      for i = 2, n do
        if math_type(a[i]) ~= "integer" then return false end
      end
      return true
    end
    if kind ~= "float" then return false end
    for i = 1, n do
      local v = a[i]
      -- NaN has no place in an order, and 0.0 equals -0.0.
      if math_type(v) ~= "float" or v ~= v or v == 0 then return false end
    end
    return true
  end

  local MOST = 0x7fffffff

  local function expect_table(name, t)
    if type(t) == "table" then return end
    local meta = meta_of(t)
    if meta and rawget(meta, "__index") and rawget(meta, "__newindex") and rawget(meta, "__len") then
      return
    end
    error(format("bad argument #1 to '%s' (table expected, got %s)", name,
      t == nil and "no value" or type(t)))
  end

  local function sort_table(t, before)
    expect_table("sort", t)
    local n = tointeger(#t)
    if not n then error("object length is not an integer") end
    if n < 2 then return end
    if n >= MOST then error("bad argument #1 to 'sort' (array too big)") end
    if before ~= nil and type(before) ~= "function" then
      error(format("bad argument #2 to 'sort' (function expected, got %s)", type(before)))
    end
    -- A copy, as comparators may wait for the host, or look at the table.
    local a = move(t, 1, n, 1, {})
    if not before and interchangeable(a, n) then
      sort(a)
    else
      a = merge_sort(a, n, before)
    end
    move(a, 1, n, 1, t)
  end

  -- Nothing can interrupt a `table.move` over a range that no table has.
  local LARGEST_MOVE = 100000000

  local function move_table(...)
    local _, from, to = ...
    from, to = tointeger(from), tointeger(to)
    if from and to and from < to and (to - from < 0 or to - from >= LARGEST_MOVE) then
      error(format("bad argument #3 to 'move' (too many elements to move; at most %d)", LARGEST_MOVE))
    end
    return move(...)
  end

  local library = copy(raw.table)
  library.sort = sort_table
  library.move = move_table
  engine.provide("table", library)

  -- Numbers --------------------------------------------------------------------------------

  -- To be called once, before the script runs.
  function engine.seed_random(a, b)
    seed(a, b)
  end

  local numbers = copy(raw.math)

  function numbers.randomseed(...)
    if select("#", ...) > 0 then return seed(...) end
    local drawn = engine.record("random.seed", {}, function()
      local a, b = engine.entropy()
      return { a, b }
    end)
    return seed(drawn[1], drawn[2])
  end

  engine.provide("math", numbers)
end
