"""A hostile script finds no way out of Lua, and its errors are read as any other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hostile import Attacker, attacker


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacker]:
    """One store for all attacks of this module, with a quiet session in it."""
    with attacker(tmp_path_factory.mktemp("arena")) as one:
        yield one


@pytest.fixture
def attack(arena: Attacker) -> Iterator[Attacker]:
    """Runs one attack, and checks what it left behind."""
    arena.begin()
    yield arena
    arena.check_rest()


# What is not there --------------------------------------------------------------------------


def test_there_is_no_way_to_python(attack: Attacker) -> None:
    text = """
    print(python, _G.python, package.loaded.python, _ENV.python)
    print(pcall(require, "python"))
    """
    first, second = attack.completes(text)
    assert first == "nil\tnil\tnil\tnil"
    assert second.startswith("false\tmodule 'python' not found")


def test_nothing_that_a_script_can_reach_is_an_object_of_the_host(attack: Attacker) -> None:
    text = """
    local seen, queue = {}, {_G, getmetatable(""), io.stdout, debug.getinfo(print, "f").func}
    local kinds = {}
    while #queue > 0 do
      local value = table.remove(queue)
      kinds[type(value)] = true
      if type(value) == "table" and not seen[value] then
        seen[value] = true
        for k, v in pairs(value) do
          queue[#queue + 1], queue[#queue + 2] = k, v
        end
        queue[#queue + 1] = getmetatable(value)
      end
    end
    for kind in pairs(kinds) do print(kind) end
    """
    assert set(attack.completes(text)) <= {"boolean", "function", "number", "string", "table"}


def test_the_natives_of_lua_that_open_doors_are_not_there(attack: Attacker) -> None:
    text = """
    print(string.dump, ("").dump, package.loadlib, package.searchers, package.searchpath)
    local names = {}
    for name in pairs(debug) do names[#names + 1] = name end
    print(table.concat(names, " "))
    for _, value in ipairs{print, coroutine.create(print), 1, true, pcall} do
      assert(getmetatable(value) == nil)
    end
    assert(getmetatable(nil) == nil)
    """
    assert attack.completes(text) == ["nil\tnil\tnil\tnil\tnil", "getinfo traceback"]


def test_no_inner_function_of_the_library_is_had_through_the_stack(attack: Attacker) -> None:
    text = """
    local function look()
      for level = 0, 30 do
        local info = debug.getinfo(level, "fSl")
        if not info then break end
        print(info.what, info.short_src, info.source, info.func)
      end
    end
    table.sort({2, 1}, function(a, b) look() return a < b end)
    pcall(load, function() look() end)
    """
    for line in attack.completes(text):
        what, short, source, function = line.split("\t")
        if what == "C":
            assert (short, source) == ("[C]", "=[C]")
            assert function == "nil" or function.startswith("function: builtin: ")
        else:
            assert (short, source) == ("attack.lua", "@attack.lua")


@pytest.mark.parametrize(
    "load",
    [
        "load(code)",
        "load(code, 'x', 'b')",
        "load(code, 'x', 'bt')",
        "load(code, '=respell/codec', 'bt')",
        "load(function() local c = code; code = nil; return c end)",
        "load(function() local c = code; code = nil; return c end, 'x', 'b')",
        "loadfile('code.luac')",
        "loadfile('code.luac', 'b')",
    ],
)
def test_bytecode_is_refused_however_it_is_loaded(attack: Attacker, load: str) -> None:
    code = b"\x1bLua\x54\x00\x19\x93\r\n\x1a\n\x04\x08\x08" + bytes(64)
    (attack.folder / "code.luac").write_bytes(code)
    quoted = "".join(f"\\x{byte:02x}" for byte in code)
    text = f"""
    local code = "{quoted}"
    local chunk, message = {load}
    print(chunk, message)
    """
    (line,) = attack.completes(text)
    assert line.startswith("nil\tattempt to load a ")
    assert "chunk (mode is '" in line


def test_bytecode_as_a_module_is_refused(attack: Attacker) -> None:
    (attack.folder / "evil.lua").write_bytes(b"\x1bLua\x54\x00" + bytes(64))
    (line,) = attack.completes("print(pcall(require, 'evil'))")
    assert "attempt to load a binary chunk" in line


@pytest.mark.parametrize("call", ["os.exit(0)", "os.exit(true, true)", "pcall(os.exit)",
                                  "coroutine.wrap(os.exit)()"])  # fmt: skip
def test_os_exit_ends_the_script_and_not_its_host(attack: Attacker, call: str) -> None:
    text = f"""
    local closed <close> = setmetatable({{}}, {{__close = function() while true do end end}})
    print("before")
    {call}
    print("after")
    """
    assert attack.completes(text) == ["before"]


def test_os_exit_with_a_code_fails_the_session(attack: Attacker) -> None:
    assert attack.fails("pcall(os.exit, 3)") == "attack.lua:1: os.exit(3)"


# Poison -------------------------------------------------------------------------------------


def test_poisoned_strings_harm_nobody_but_the_script(attack: Attacker) -> None:
    text = """
    getmetatable("").__index = function() error("poisoned") end
    for name in pairs(string) do string[name] = nil end
    print(pcall(function() return ("x"):rep(3) end))
    print("still", 1, 2.5)
    io.write("written\\n")
    State.set("key", {a = {1, 2}})
    print(JSON.stringify(State.get("key")), #Artifact.store(nil, "a.txt", "x").id > 0)
    error("at the end")
    """
    assert attack.fails(text) == "attack.lua:9: at the end"
    assert attack.lines == [
        "false\tattack.lua:2: poisoned", "still\t1\t2.5", "written\n", '{"a":[1,2]}\ttrue',
    ]  # fmt: skip


def test_a_library_whose_globals_are_gone_still_works(attack: Attacker) -> None:
    text = """
    local print, keep, State, Session, _G = print, {}, State, Session, _G
    for _, library in pairs{table, math, coroutine, os, utf8, debug} do
      for name in pairs(library) do library[name] = function() error("poisoned") end end
    end
    for name in pairs(_G) do keep[#keep + 1] = name end
    for _, name in ipairs(keep) do _G[name] = nil end
    State.set("key", "value")
    print(State.get("key"), Session.getCurrent() ~= nil)
    """
    assert attack.completes(text) == ["value\ttrue"]


def test_metamethods_are_not_run_by_what_takes_a_table_apart(attack: Attacker) -> None:
    text = """
    local function trap() while true do end end
    local evil = setmetatable({a = 1}, {
      __index = trap, __newindex = trap, __len = trap, __pairs = trap, __eq = trap, __lt = trap,
      __concat = trap, __call = trap, __name = "evil",
    })
    State.set("key", evil)
    State.set("nested", {evil, b = evil})
    print(JSON.stringify(State.get("nested")))
    print(pcall(Tool.invoke, "hash_calculator", setmetatable(
      {operation = "hash", input = "x"}, getmetatable(evil))))
    error(evil)
    """
    assert attack.fails(text) == '(error object is a table value) {"a":1}'
    assert attack.lines[0] == '{"1":{"a":1},"b":{"a":1}}'
    assert attack.lines[1].startswith("true\t")


# Errors at the top --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("error('plain')", "attack.lua:1: plain"),
        ("error('no place', 0)", "no place"),
        ("error({code = 3})", '(error object is a table value) {"code":3}'),
        ("error({})", "(error object is a table value) {}"),
        ("local t = {} t.t = t error(t)", "(error object is a table value)"),
        ("error(nil)", "(error object is a nil value)"),
        ("error()", "(error object is a nil value)"),
        ("error(false)", "false"),
        ("error(42)", "42"),
        ("error(print)", "function: builtin: print"),
        ("error(coroutine.create(print))", "thread: 0x"),
        ("error(setmetatable({}, {__tostring = function() return 'mine' end}))", "mine"),
        ("error(setmetatable({}, {__tostring = function() return {} end}))", "(error object is a"),
        ("error(setmetatable({}, {__tostring = error}))", "(error object is a table value)"),
        ("tostring = error JSON = nil error({1})", "(error object is a table value) [1]"),
        ("error('\\xff\\0\\n')", "attack.lua:1: \ufffd\0\n"),
        ("local x <close> = setmetatable({}, {__close = error})", "(error object is a table"),
        ("error('x', 2^53)", "x"),
        ("x x x", "attack.lua:1: syntax error near 'x'"),
        ("\udcff", "attack.lua:1: unexpected symbol near '<\\255>'"),
        ("coroutine.wrap(function() error({inside = true}) end)()",
         '(error object is a table value) {"inside":true}'),
    ],
)  # fmt: skip
def test_any_error_at_the_top_gives_a_readable_message(
    attack: Attacker, script: str, message: str
) -> None:
    assert attack.fails(script).startswith(message)


def test_a_very_long_error_is_kept_in_part(attack: Attacker) -> None:
    message = attack.fails("error(('x'):rep(10000000))")
    assert message.startswith("attack.lua:1: xxx")
    assert message.endswith("… (10000014 characters)")
    assert len(message) < 20_000


def test_an_error_can_name_a_chunk_that_is_not_the_scripts(attack: Attacker) -> None:
    text = "load('error(1 .. 2)', '@respell/codec')()"
    assert attack.fails(text) == "./respell/codec:1: 12"


# Values that effects can't take -------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("(function() local t = {} t.t = t return t end)()", "nests deeper than 100 levels"),
        ("(function() local t = {} t[1] = t return t end)()", "nests deeper than 100 levels"),
        ("(function() local t = {} for i = 1, 101 do t = {t} end return t end)()", "nests deeper"),
        ("print", "a function can't be passed"),
        ("{f = print}", "a function can't be passed"),
        ("{[print] = 1}", "a function can't be a key"),
        ("{[{}] = 1}", "a table can't be a key"),
        ("coroutine.create(print)", "a thread can't be passed"),
    ],
)
def test_what_no_effect_can_take_is_a_clear_error(
    attack: Attacker, value: str, problem: str
) -> None:
    calls = ["State.set('key', value)", "Tool.invoke('hash_calculator', {input = value})",
             "Session.create{metadata = {x = value}}"]  # fmt: skip
    text = f"local value = {value}\n" + "".join(
        f"print(pcall(function() {call} end))\n" for call in calls
    )
    for line in attack.completes(text):
        assert line.startswith("false\tattack.lua:")
        assert problem in line


def test_bytes_that_are_no_text_go_everywhere_and_come_back(attack: Attacker) -> None:
    text = r"""
    local x = "\xff\xfe\0\x80"
    print(x)
    io.write(x)
    Logger.info(x, {[x] = x})
    State.set("key", {[x] = x, x})
    local back = State.get("key")
    assert(back[x] == x and back[1] == x)
    assert(Artifact.getContent(nil, Artifact.store(nil, "bytes", x)) == x)
    assert(JSON.parse(JSON.stringify("\u{fffd}")) == "\u{fffd}")
    local f = assert(io.open("file.bin", "wb")) f:write(x) f:close()
    assert(io.open("file.bin", "rb"):read("a") == x)
    assert(Tool.invoke("hash_calculator", {operation = "hash", input = x}).success)
    load("print('in ' .. ... ) State.set('key', 1)", "@" .. x)(x)
    for _, call in ipairs{
      function() State.set(x, 1) end, function() Session.load(x) end, function() Tool.get(x) end,
      function() Session.create{name = x} end, function() Artifact.store(nil, x, "x") end,
      function() require(x) end, function() Tool.invoke(x, {}) end, function() error(x) end,
      function() Session.create{tags = {x}} end, function() Artifact.list(nil, {text = x}) end,
      function() State.list(x) end, function() Hook.register(x, print) end,
    } do
      local ok, message = pcall(call)
      assert(not ok and type(message) == "string", message)
    end
    assert(os.getenv(x) == nil and not pcall(io.open, x) and io.open("\xff\xfe") == nil)
    coroutine.wrap(function() print(Session.suspend{prompt = x}) end)()
    error(x)
    """
    waiting = attack(text, max_duration=10)
    assert waiting.ended.reason == "script", (waiting.ended, attack.lines)
    done = attack.resume(waiting, value=b"\xff\xff")
    assert attack.output[-1] == b"\xff\xff"
    assert done.ended.message.endswith("\ufffd\ufffd\0\ufffd")


def test_a_chunk_name_longer_than_any_record_holds_is_cut(attack: Attacker) -> None:
    text = """
    local f = load("State.set('key', 1) return Session.suspend{prompt = 'go on?'}",
      "@" .. ("long/"):rep(100))
    print(f())
    """
    waiting = attack(text)
    assert waiting.ended.reason == "script"
    assert attack.events(waiting)[1].source == ("long/" * 100)[:255]
    assert attack.resume(waiting, value=7).ended.status == "completed"
    assert attack.lines == ["7"]


def test_arguments_that_are_a_list_are_listed_by_their_places(attack: Attacker) -> None:
    (line,) = attack.completes("print(pcall(Session.create, {'a', 'b'}))")
    assert "options are a table with names (name = value), not a list" in line
