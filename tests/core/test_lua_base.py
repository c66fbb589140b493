"""What the Lua library adds to plain Lua: memory limits, waiting, modules, stable errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.lua_harness import install, new_lua, run
from respell import values

# Effects in a parallel branch: the scheduler is outside of everything the script knows.
BRANCH = """
    local engine, env = ...
    local raw = engine.raw
    function env.effect(name)
      if raw.coroutine.isyieldable() then return raw.coroutine.yield(engine.WAIT, name) end
      return engine.wait_here(engine.WAIT, name)
    end
    function engine.wait_here(_, name) return "here:" .. name end
    function env.branch(f)
      local co = raw.coroutine.create(f)
      local result = raw.table.pack(raw.coroutine.resume(co))
      while result[1] and result[2] == engine.WAIT do
        result = raw.table.pack(raw.coroutine.resume(co, "answer:" .. result[3], "second"))
      end
      return raw.table.unpack(result, 2, result.n)
    end
    function env.start(f)
      local co = raw.coroutine.create(f)
      raw.coroutine.resume(co)
      return function(...) return raw.select(2, raw.coroutine.resume(co, ...)) end
    end
"""


@pytest.mark.parametrize(
    "attempt",
    [
        "pcall(fill)",
        "xpcall(fill, function() end)",
        "coroutine.resume(coroutine.create(fill))",
        "pcall(coroutine.wrap(fill))",
        "load(function() return ('x'):rep(1 << 20) end)",
        "pcall(string.rep, 'x', 1 << 29)",
        "pcall(pcall, fill)",
        "pcall(require, 'greedy')",
    ],
)
def test_out_of_memory_never_becomes_an_error_the_script_can_handle(attempt: str) -> None:
    # What ends the worker can't be played in this process: nothing may run after it.
    program = f"""
import os, sys; sys.path.insert(0, sys.argv[1])
from core import lua_harness as harness
lua = harness.new_lua(memory_bytes=32 << 20)
greedy = b"local t = {{}} for i = 1, 1e9 do t[i] = {{}} end"
engine, env = harness.install(lua, {{"./greedy.lua": greedy}})
engine[b"die"] = lambda kind, message: os._exit(77)
engine[b"compile"](b'''
  local function fill() local t = {{}} for i = 1, 1e9 do t[i] = {{}} end end
  {attempt}
''', b"@script.lua")()
"""
    tests = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", program, str(tests)], check=False)
    assert done.returncode == 77


def test_garbage_does_not_run_out_of_memory() -> None:
    outcome = run(
        "for i = 1, 300000 do local t = { i, tostring(i) } end print('done')", memory_bytes=32 << 20
    )
    assert outcome.lines == ["done"]


def test_waiting_passes_through_the_script_s_coroutines() -> None:
    outcome = run(
        """
        print(branch(function()
          local co = coroutine.create(function(a)
            local b, second = effect('one')
            local c = coroutine.yield(a, b, second)
            return effect('two'), c
          end)
          print(coroutine.resume(co, 'start'))
          print(coroutine.resume(co, 'more'))
          print(coroutine.status(co))
          local wrapped = coroutine.wrap(function()
            local inner = coroutine.wrap(function()
              coroutine.yield(effect('deep')) return 'end'
            end)
            coroutine.yield((inner())) coroutine.yield(inner())
          end)
          print(wrapped()) print(wrapped())
          return select('#', coroutine.resume(coroutine.create(function() return nil, nil end)))
        end))
        """,
        before=BRANCH,
    )
    assert outcome.error is None
    assert outcome.lines == [
        "true\tstart\tanswer:one\tsecond", "true\tanswer:two\tmore", "dead", "answer:deep",
        "end", "3",
    ]  # fmt: skip


def test_waiting_passes_through_pcall_sort_and_metamethods_of_the_script() -> None:
    outcome = run(
        """
        print(branch(function()
          local t = setmetatable({}, { __index = function(_, k) return effect(k) end })
          print(t.field, (pcall(effect, 'in pcall')))
          table.sort({ 2, 1 }, function(a, b) print(effect('compare')) return a < b end)
          return tostring(setmetatable({}, { __tostring = function() return (effect('text')) end }))
        end))
        """,
        before=BRANCH,
    )
    assert outcome.error is None
    assert outcome.lines == [
        "answer:field\ttrue", "answer:compare\tsecond", "answer:text",
    ]  # fmt: skip


def test_where_a_coroutine_cannot_be_left_it_waits_on_the_spot() -> None:
    outcome = run(
        """
        print(branch(function() return (('x'):gsub('x', function() return effect('in C') end)) end))
        local co = coroutine.wrap(function()
          return (('x'):gsub('x', function() return effect('main') end))
        end)
        print(co())
        print(coroutine.wrap(function() return effect('through') end)())
        """,
        before=BRANCH,
    )
    assert outcome.lines == ["here:in C", "here:main", "here:through"]


def test_a_coroutine_that_waits_cannot_be_resumed_by_another_branch() -> None:
    outcome = run(
        """
        local co = coroutine.create(function() return effect('slow') end)
        local wrapped
        local go_on = start(function() print(coroutine.resume(co)) return 'end' end)
        print(coroutine.status(co), coroutine.resume(co)) print(pcall(coroutine.close, co))
        print(go_on('the answer'), coroutine.status(co))
        local branch_itself
        start(function() branch_itself = coroutine.running() effect('other') end)
        print(coroutine.status(branch_itself), coroutine.resume(branch_itself))
        """,
        before=BRANCH,
    )
    assert outcome.error is None
    assert outcome.lines == [
        "normal\tfalse\tcannot resume non-suspended coroutine",
        "false\tcannot close a normal coroutine",
        "true\tthe answer",
        "end\tdead",
        "normal\tfalse\tcannot resume non-suspended coroutine",
    ]


def test_a_debugger_hears_of_every_coroutine() -> None:
    lua = new_lua()
    engine, _ = install(lua)
    lua.execute(
        b"""
        local engine = ... engine.heard = 0
        engine.on_coroutine = function(co)
          assert(engine.coroutines[co]) engine.heard = engine.heard + 1
        end
    """.replace(b"local engine = ...", b"engine = nil return function(engine)")
        + b"end"
    )(engine)
    engine[b"compile"](
        b"coroutine.create(print) coroutine.wrap(function() coroutine.create(print) end)()", b"@s"
    )()
    assert engine[b"heard"] == 3


def test_modules_are_loaded_once_through_the_engine() -> None:
    outcome = run(
        """
        print(require('one')) print(require('one')) print(require('one') == package.loaded.one)
        print(require('two'), package.loaded.two)
        print(require('string') == string, require('_G') == _G)
        package.preload.three = function(...) return table.concat({ ... }, ' ') end
        print(require('three'))
        package.loaded.one = nil print(require('one').name)
        """,
        files={
            "./one.lua": b"#!shebang\nlocal name, path = ... return { name = name .. ' ' .. path }",
            "./two.lua": b"loaded_two = true",
        },
    )
    assert outcome.error is None
    assert [line.split("\t")[-1] for line in outcome.lines] == [
        "./one.lua", outcome.lines[1], "true", "true", "true", ":preload:", "one ./one.lua",
    ]  # fmt: skip
    loads = [values.decode(a)["name"] for _, n, a in outcome.effects if n == "module.load"]
    assert loads == ["one", "two", "one"]


def test_a_module_that_cannot_be_loaded_says_why() -> None:
    outcome = run(
        """
        print(select(2, pcall(function() require('missing') end)))
        print(select(2, pcall(function() require('broken') end)))
        print(select(2, pcall(function() require('fails') end)))
        print(select(2, pcall(function() require('a') end)))
        print(select(2, pcall(function() require({}) end)))
        print(select(2, pcall(function() require('a') end)))
        """,
        files={
            "./broken.lua": b"x = = 1",
            "./fails.lua": b"\nerror('at line 2')",
            "./a.lua": b"require('b')",
            "./b.lua": b"require 'a'",
        },
    )
    text = "\n".join(outcome.lines).split("\n")
    assert text == [
        "script.lua:2: module 'missing' not found:",
        "\tno field package.preload['missing']",
        "\tno file './missing.lua'",
        "script.lua:3: error loading module 'broken' from file './broken.lua':",
        "\t./broken.lua:1: unexpected symbol near '='",
        "./fails.lua:2: at line 2",
        "./b.lua:1: loop loading module 'a': a -> b -> a",
        "script.lua:6: bad argument #1 to 'require' (string expected, got table)",
        "./b.lua:1: loop loading module 'a': a -> b -> a",
    ]


def test_files_of_code_run_with_the_script_s_globals() -> None:
    outcome = run(
        """
        print(dofile('code.lua')) print(loadfile('code.lua', 't', { x = 5 })()) print(x)
        print(loadfile('broken.lua')) print(pcall(dofile, 'broken.lua'))
        print(loadfile('code.lua', 'b'))
        """,
        files={
            "code.lua": b"\xef\xbb\xbf# a comment\nx = (x or 0) + 1 return x, ...",
            "broken.lua": b"x = = 1",
        },
    )
    assert outcome.lines == [
        "1", "6", "1", "nil\tbroken.lua:1: unexpected symbol near '='",
        "false\tbroken.lua:1: unexpected symbol near '='",
        "nil\tattempt to load a text chunk (mode is 'b')",
    ]  # fmt: skip


def test_errors_are_told_at_the_script_s_line_also_where_nobody_catches_them() -> None:
    assert run("\nstring.format('%d', 'x')").error == (
        "script.lua:2: bad argument #2 to 'format' (number expected, got string)"
    )
    assert run("\n\nfor k in pairs(nil) do end").error == (
        "script.lua:3: bad argument #1 to 'for iterator' (table expected, got nil)"
    )
    assert run("JSON.parse('{')").error == (
        "script.lua:1: JSON parse error: the text ends too early at line 1 column 2"
    )


def test_a_script_cannot_pass_as_part_of_the_library() -> None:
    outcome = run("""
        local f = load('error("mine")', '=respell/base') print(pcall(f))
        print(pcall(load('error("path")', '@respell/script.lua')))
        print(pcall(load('local t = debug.getinfo(1, "S") return t.source', '=respell/gc')))
    """)
    assert outcome.lines == [
        "false\t./respell/base:1: mine", "false\trespell/script.lua:1: path", "true\t=./respell/gc",
    ]  # fmt: skip


def test_a_traceback_of_a_deep_stack_comes_at_once() -> None:
    outcome = run("""
        local function deep(n) if n == 0 then local t = debug.traceback() return t end
          local t = deep(n - 1) return t end
        local text = deep(150000)
        print(#text < 2000, text:match('skipping (%d+) levels') ~= nil)
    """)
    assert outcome.lines == ["true\ttrue"]


def test_moving_a_range_that_no_table_has_is_refused() -> None:
    outcome = run("""
        print(pcall(table.move, {}, 1, 1e15, 2)) print(pcall(table.move, {}, 1, math.maxinteger, 1))
        print(#table.move({ 1, 2, 3 }, 1, 3, 2), (''):rep(1e15) == '')
    """)
    assert "too many elements to move" in outcome.lines[0]
    assert outcome.lines[2] == "4\ttrue"


def test_the_library_survives_a_script_that_takes_its_own_globals_apart() -> None:
    outcome = run("""
        local p, real, G = print, {}, _G
        for k in pairs(_G) do real[#real + 1] = k end
        getmetatable('').__index = function() return nil end
        string.format, string.find, table.concat, tostring = nil, nil, nil, nil
        for _, k in ipairs(real) do G[k] = nil end
        p('still', 1, {})
    """)
    assert outcome.error is None
    assert outcome.lines[0].startswith("still\t1\ttable: 0x")


def test_those_who_look_on_leave_no_trace() -> None:
    lua = new_lua()
    engine, env = install(lua)
    check = lua.execute(b"""
        return function(engine, env)
          local a, b = {}, {}
          local t = { [a] = 1, [b] = 1, x = 1 }
          local keys, n = engine.keys(t, true)
          assert(n == 3 and keys[1] == 'x' and engine.known_id(a) == nil and #engine.log == 0)
          local same, count = engine.keys({ 1, 2, 3 })
          same[1] = 'changed'
          assert(count == 3 and engine.keys({ 1, 2, 3 })[1] == 1)
          env.setmetatable(a, {})
          assert(engine.known_id(a) ~= nil and engine.identify(a) == engine.known_id(a))
        end
    """)
    check(engine, env)
