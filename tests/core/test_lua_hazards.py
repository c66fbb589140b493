"""One test for each thing that makes plain Lua differ from process to process.

The same script runs in fresh processes, where addresses and hashes differ; where the
collector or the debugger could show through, every second process has a line hook on.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.lua_harness import LUA_FOLDER, in_new_processes, run


def same_everywhere(source: str, *, hooked: bool = False) -> list[str]:
    """Return the lines (then the error, then the notes), having found them equal everywhere."""
    first, *others = in_new_processes(source, hooked=hooked)
    for other in others:
        assert other == first
    return first


def test_pairs_and_next_visit_string_keys_by_their_bytes() -> None:
    lines = same_everywhere("""
        local t = {}
        for i = 1, 50 do t['key' .. (i * 7919 % 101)] = i end
        local seen = {}
        for k in pairs(t) do seen[#seen + 1] = k end
        print(table.concat(seen, ' '))
        local also = {}
        for k in next, t do also[#also + 1] = k end
        print(table.concat(also, ' ') == table.concat(seen, ' '))
        t = { b = 1, a = 2, ['a\\0'] = 3, A = 4, [''] = 5, ['\\xff'] = 6, ab = 7 }
        for k, v in pairs(t) do print(#k, v) end
        for k in pairs(_G) do print(k) end
        for k in pairs(string) do print(k) end
    """)
    keys = lines[0].split(" ")
    assert keys == sorted(keys)
    assert lines[1] == "true"
    assert lines[2:9] == ["0\t5", "1\t4", "1\t2", "2\t3", "2\t7", "1\t1", "1\t6"]


def test_pairs_visits_numbers_then_strings_then_booleans_then_objects() -> None:
    lines = same_everywhere("""
        local t = { [true] = 't', [false] = 'f', x = 's', [2.5] = 'n', [-1] = 'n', [1] = 'n',
          [2] = 'n',          [math.mininteger] = 'n', [1e300] = 'n', [-1/0] = 'n', [{}] = 'o' }
        for k, v in pairs(t) do print(type(k) == 'table' and 'table' or k, v) end
    """)
    assert [line.split("\t")[1] for line in lines[:11]] == list("nnnnnnn") + list("sfto")
    assert lines[0] == "-inf\tn"


def test_objects_are_visited_in_the_order_in_which_they_were_made() -> None:
    lines = same_everywhere("""
        local Class = {} Class.__index = Class
        local all, set = {}, {}
        for i = 1, 40 do all[i] = setmetatable({ n = i }, Class) end
        for i = 40, 1, -1 do set[all[i]] = i end
        local seen = {}
        for o in pairs(set) do seen[#seen + 1] = o.n end
        print(table.concat(seen, ' '))
        local threads = {}
        for i = 1, 5 do threads[coroutine.create(function() end)] = i end
        for _, v in pairs(threads) do print(v) end
    """)
    assert lines[0] == " ".join(map(str, range(1, 41)))
    assert lines[1:6] == ["1", "2", "3", "4", "5"]


def test_objects_nobody_has_seen_are_visited_by_what_is_in_them() -> None:
    lines = same_everywhere("""
        local set = {}
        for i = 1, 30 do set[{ i * 31 % 17, 'x' .. i }] = { value = i } end
        for i = 1, 5 do set[function() return i end] = i end
        for k, v in pairs(set) do print(type(k) == 'table' and k[2] or v) end
        -- Once visited they are known, and stay where they were whatever changes in them.
        local before, after = {}, {}
        for k in pairs(set) do before[#before + 1] = k if type(k) == 'table' then k[1] = nil end end
        for k in pairs(set) do after[#after + 1] = k end
        for i = 1, #before do assert(before[i] == after[i]) end
    """)
    assert len(lines) == 37
    assert lines[-2:] == [None, []]


def test_a_tie_between_objects_is_noted() -> None:
    lines = same_everywhere("""
        local set = { [{}] = 1, [{}] = 1, other = 2 }
        local n = 0
        for k in pairs(set) do n = n + 1 end
        for k in pairs(set) do n = n + 1 end
        print(n)
    """)
    assert lines == ["6", None, ["note.order_tie"]]


def test_sort_is_stable_and_compares_the_same_number_of_times() -> None:
    lines = same_everywhere("""
        local people, compared = {}, 0
        for i = 1, 500 do people[i] = { name = i, age = i * 7 % 5 } end
        table.sort(people, function(a, b) compared = compared + 1 return a.age < b.age end)
        print(compared)
        for i = 2, #people do
          local a, b = people[i - 1], people[i]
          assert(a.age < b.age or a.age == b.age and a.name < b.name)
        end
        local mixed = { 1.0, 1, 0.0, -0.0, 2, 1.0, 1 }
        table.sort(mixed)
        for _, v in ipairs(mixed) do print(v, math.type(v)) end
        local odd = { 3, 0/0, 1, 0/0, 2 }
        print(pcall(table.sort, odd), #odd)
        table.sort(people, function() compared = compared + 1 return true end)
        print(compared)
    """)
    assert lines[1:8] == [
        "0.0\tfloat", "-0.0\tfloat", "1.0\tfloat", "1\tinteger", "1.0\tfloat", "1\tinteger",
        "2\tinteger",
    ]  # fmt: skip


def test_addresses_are_never_shown() -> None:
    lines = same_everywhere("""
        local t, f, co = {}, function() end, coroutine.create(print)
        print(t, f, co, print, string.format, io.stdout, io.open)
        print(tostring(t), ('%s %s %p'):format(t, f, t), string.format('%p %p', 'abc', 'abc'))
        print(setmetatable({}, { __name = 'Thing' }), {}, {}, t)
        print(pcall(error, {}))
        print(select(2, pcall(function() return {} < {} end)))
        print(select(2, pcall(function() error(setmetatable({}, {})) end)))
        print(select(2, xpcall(function() error('x') end, debug.traceback)))
        print(coroutine.running(), tostring(JSON.parse))
        print(('%20s|%-20p|'):format({}, {}))
        warn('@on') warn('to', ' nobody')
    """)
    text = "\n".join(filter(None, lines[:-1]))
    assert "0x00000000000001" in text
    assert "0x5" not in text
    assert "0x7f" not in text
    assert "function: builtin: print\tfunction: builtin: string.format" in text


def test_random_numbers_come_from_the_session_s_seed() -> None:
    lines = same_everywhere("""
        print(math.random(), math.random(1000), math.random(0))
        math.randomseed(42) print(math.random(1000), math.random(1000))
        print(math.randomseed()) print(math.random(1000))
    """)
    assert lines[2] == "11\t22"
    assert "random.seed" in run("math.randomseed()").names("record")


def test_clocks_and_the_environment_are_asked_for_not_looked_up() -> None:
    outcome = run(
        "print(os.time() > 0, os.clock() >= 0, #os.date() > 0, os.getenv('HOME'), os.tmpname())",
        answers="{['env.get'] = {'/home/me'}, ['file.temporary'] = {{path = '/tmp/lua_x'}}}",
    )
    assert outcome.lines == ["true\ttrue\ttrue\t/home/me\t/tmp/lua_x"]
    assert outcome.names("record") == ["clock.time", "clock.cpu", "clock.date"]
    assert outcome.names("call") == ["env.get", "file.temporary"]


def test_weak_tables_keep_what_is_in_them() -> None:
    lines = same_everywhere(
        """
        local function fill(t)
          for i = 1, 100 do t[{}] = i t[i] = {} end
          local garbage for i = 1, 2000 do garbage = { garbage and #garbage, ('x'):rep(i) } end
          collectgarbage()
          local n = 0 for _ in pairs(t) do n = n + 1 end
          return n
        end
        print(fill(setmetatable({}, { __mode = 'k' })), fill(setmetatable({}, { __mode = 'kv' })))
        local late, meta = {}, {} setmetatable(late, meta) meta.__mode = 'kv' print(fill(late))
        local own = {} setmetatable(own, own) own.__mode = 'kv' print(fill(own))
        local raw, rawmeta = {}, {} setmetatable(raw, rawmeta) rawset(rawmeta, '__mode', 'kv')
        print(fill(raw))
        local Base = {} Base.__index = Base
        local Derived = setmetatable({}, Base) Derived.__index = Derived
        local object = setmetatable({}, Derived) Derived.__mode = 'kv' print(fill(object))
        local spelled = setmetatable({}, Derived) Derived['__' .. 'mode'] = 'v' print(fill(spelled))
        """,
        hooked=True,
    )
    assert lines[0] == "200\t200"
    # One of the tables is its own metatable, and has `__mode` among its keys.
    assert lines[1:6] == ["200", "201", "200", "200", "200"]


def test_a_weak_mode_can_still_be_read_and_changed() -> None:
    outcome = run("""
        local meta = { __mode = 'k', __index = { x = 1 } }
        local t = setmetatable({}, meta)
        print(meta.__mode, rawget(meta, '__mode'), t.x, getmetatable(meta),
          getmetatable(t) == meta)
        for k in pairs(meta) do print(k) end
        for k, v in next, meta do print(k, type(v)) end
        meta.__mode = 'v' print(meta.__mode)
        meta.__mode = nil print(meta.__mode, rawget(meta, '__mode'))
        meta.__mode = 'nothing weak' print(meta.__mode, rawget(meta, '__mode'))
        rawset(meta, '__mode', 'k') print(meta.__mode)
        local own = {} setmetatable(own, own) own.__mode = 'k'
        print(own.__mode, rawget(own, '__mode'), rawget(own, '__newindex'),
          getmetatable(own) == own)
        for k, v in pairs(own) do print(k, v) end
        local class = {} setmetatable({}, class)
        class.field = 1 class.other = 2 class.field = nil
        print(class.field, class.other, next(class))
        print(getmetatable(class), pcall(function() class[nil] = 1 end))
        print(getmetatable(setmetatable(class, { __index = { z = 26 } })).__index.z, class.z)
        print(getmetatable(setmetatable(class, nil)), class.z)
    """)
    assert outcome.error is None
    assert outcome.lines == [
        "k\tk\t1\tnil\ttrue", "__index", "__mode", "__index\ttable",
        "__mode\tstring", "v", "nil\tnil",
        "nothing weak\tnothing weak", "k", "k\tk\tnil\ttrue", "__mode\tk", "nil\t2\tother\t2",
        "nil\tfalse\tscript.lua:19: table index is nil", "26\t26", "nil\tnil",
    ]  # fmt: skip


def test_finalizers_never_run_and_are_noted_once() -> None:
    lines = same_everywhere(
        """
        local meta = { __gc = function() print('never') end }
        for i = 1, 100 do setmetatable({}, meta) end
        setmetatable({}, { __gc = true })
        local late = {} setmetatable({}, late) late.__gc = function() print('never') end
        for i = 1, 100 do setmetatable({}, late) end
        collectgarbage()
        for i = 1, 5000 do local x = { {} } end
        print(meta.__gc ~= nil, rawget(late, '__gc') ~= nil,
          getmetatable(setmetatable({}, meta)) == meta)
        """,
        hooked=True,
    )
    assert lines == ["true\ttrue\ttrue", None, ["note.finalizer"]]


def test_the_size_of_memory_is_a_constant() -> None:
    lines = same_everywhere(
        """
        local before = collectgarbage('count')
        local t = {} for i = 1, 10000 do t[i] = {} end
        print(before == collectgarbage('count'), collectgarbage('step'), collectgarbage())
        """,
        hooked=True,
    )
    assert lines[0] == "true\ttrue\t0"


def test_coroutines_are_known_to_a_debugger_and_their_lines_seen() -> None:
    source = """
        local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
        print(co(), co(), co(), tostring(coroutine.create(print)))
    """
    assert same_everywhere(source, hooked=True)[0].startswith("1\t2\t3\tthread: 0x0000000000000")


def test_a_table_s_length_with_holes_is_the_same_everywhere() -> None:
    same_everywhere("""
        for n = 1, 40 do
          local t = {}
          for i = 1, n do t[i] = i end
          for i = 1, n, 3 do t[i] = nil end
          print(#t)
        end
    """)


def test_iteration_forgives_what_plain_lua_forgives_and_more() -> None:
    outcome = run("""
        local t = { a = 1, b = 2, c = 3, d = 4 }
        for k in pairs(t) do t.b = nil t.c = 30 t.e = 5 print(k, t[k]) end
        t = { a = 1, b = 2, c = 3 } local k = next(t) t[k] = nil print(k, next(t, k))
        t.a = 1 k = next(t) local other = { z = 26 } for _ in pairs(other) do end
        t.a = nil for _ in next, other do end
        print(next(t, k)) print(next(t, 'bb'), next(t, 'zz'))
        -- Two walks over one table at a time, and one that starts anew.
        t = { 'x', 'y', 'z' } local a, b = next(t), next(t) a = next(t, a)
        print(a, next(t, b), next(t))
        local f, s, c = pairs({ p = 1, q = 2 })
        print(f(s, 'p')) print(f(s, nil)) print(f({ r = 3 }, nil))
        print(pcall(next, {}, {})) print(pcall(next, { a = 1 }, 1))
        local seen = {} for k in pairs({ 1, 2, 3, x = 1 }) do for j in pairs({ 1, 2, 3, x = 1 }) do
          seen[#seen + 1] = tostring(k) .. j end end print(table.concat(seen, ' '))
        local proxy = setmetatable({ a = 1, b = 2 }, { __index = function() return 'made up' end })
        for k, v in pairs(proxy) do proxy.b = nil print(k, v) end
    """)
    assert outcome.error is None
    assert outcome.lines == [
        "a\t1", "c\t30", "d\t4", "a\tb\t2", "b\t2", "c\tnil", "2\t2\t1\tx", "q\t2", "p\t1", "r\t3",
        "false\tinvalid key to 'next'", "true\ta\t1",
        "11 12 13 1x 21 22 23 2x 31 32 33 3x x1 x2 x3 xx", "a\t1",
    ]  # fmt: skip


# Our own loops over `next`, whose order differs from process to process -----------------------

_VISIBLE = re.compile(r"\b(error|fail|wrong|refuse|raise)\s*\(")


def loops_over_next(text: str) -> list[str]:
    """Return the bodies of loops in native order: up to the `end` as far in as the `for`."""
    found = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if re.search(r"\bfor\b.*\bin (raw\.)?next,", line):
            indent = line[: len(line) - len(line.lstrip())]
            rest = lines[number + 1 :]
            end = next((i for i, one in enumerate(rest) if one.startswith(indent + "end")), 0)
            found.append("\n".join([line] if line.endswith("end") else [line, *rest[:end]]))
    return found


def test_a_loop_in_native_order_is_found_with_its_body() -> None:
    text = "  for k in raw.next, t do\n    if k then\n      fail(k)\n    end\n  end\n  fail()\n"
    assert loops_over_next(text) == [
        "  for k in raw.next, t do\n    if k then\n      fail(k)\n    end"
    ]


@pytest.mark.parametrize("path", sorted(LUA_FOLDER.glob("*.lua")), ids=lambda path: path.stem)
def test_no_loop_in_native_order_ends_in_an_error_and_no_real_address_is_shown(path: Path) -> None:
    text = path.read_text()
    for body in loops_over_next(text):
        assert not _VISIBLE.search(body), body
    assert "engine.raw.tostring(" not in text


def test_json_names_the_same_wrong_key_everywhere() -> None:
    odd = "{[{}] = 1, [print] = 2, [coroutine.create(print)] = 3, [true] = 4}"
    lines = same_everywhere(f"""
        print(pcall(JSON.stringify, {{1}}, {{foo = 1, bar = 2, baz = 3, qux = 4, [{{}}] = 5}}))
        print(pcall(JSON.stringify, {odd}))
    """)
    assert lines[0] == "false\tscript.lua:2: JSON.stringify: unknown option 'bar'; there is: indent"
    assert lines[1] == "false\tscript.lua:3: JSON.stringify: a boolean as a key at the top"
