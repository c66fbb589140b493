"""A hostile script uses up time, memory or effects, and its limits stop it; nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from hostile import HARD_LIMIT_S, LOOP_S, Attacker, attacker
from respell.engine.doubt import in_doubt
from respell.errors import LimitReached, UsageError
from respell.tools import ToolContext
from respell.tools.decorator import tool_of


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


# Time ---------------------------------------------------------------------------------------

CLOSING = "setmetatable({}, {__close = function() while true do end end})"


@pytest.mark.parametrize(
    "script",
    {
        "loop": "while true do end",
        "goto": "::again:: goto again",
        "repeat pcall": "while true do pcall(error) end",
        "pcall of a loop": "while true do pcall(function() while true do end end) end",
        "coroutine": "coroutine.wrap(function() while true do end end)()",
        "yielding for ever": """
            local co = coroutine.wrap(function() while true do coroutine.yield() end end)
            while true do co() end""",
        "pcall in coroutines in pcall": """
            local function f() while true do pcall(coroutine.wrap(f)) end end f()""",
        "recursive pcall": "local function f() pcall(f) return f() end f()",
        "message handler": "xpcall(error, function() while true do end end)",
        "message handlers that fail": """
            local function h(e) return xpcall(error, h) end while true do xpcall(error, h) end""",
        "__close": f"local x <close> = {CLOSING}",
        "__close after an error": f"pcall(function() local x <close> = {CLOSING} error('x') end)",
        "__close of a coroutine": f"""
            local co = coroutine.create(function()
              local x <close> = {CLOSING} coroutine.yield() end)
            coroutine.resume(co) coroutine.close(co)""",
        "__close of a for": f"for _ in print, nil, nil, {CLOSING} do break end",
        "__index": "local t = setmetatable({}, {__index = function() while true do end end})"
                   " print(t.x)",
        "__tostring at the top": "error(setmetatable({}, {__tostring = function()"
                                 " while true do end end}))",
        "comparator": "table.sort({3, 2, 1}, function() while true do end end)",
        "sort of a long proxy": """
            table.sort(setmetatable({}, {__len = function() return 2^31 - 2 end,
              __index = function() while true do end end}))""",
        "gsub callback": "('x'):gsub('x', function() while true do end end)",
        "load reader": "load(function() return ' ' end)",
        "many optionals": "print(('a'):rep(50):find(('a?'):rep(40) .. ('a'):rep(51)))",
        "lazy repeats": "print(('a'):rep(200000):find('.-.-.-b'))",
        "gsub over a long text": "print(#('a'):rep(500000):gsub('a-b', ''))",
        "gmatch": "for _ in ('a'):rep(300000):gmatch('a-b') do end",
        "table.move": """
            local all = setmetatable({}, {__index = function() return 1 end,
              __newindex = function() end})
            while true do table.move(all, 1, 99999999, 1) end""",
        "table.insert": """
            table.insert(setmetatable({}, {__len = function() return 2^40 end}), 1, 1)""",
        "table.remove": """
            table.remove(setmetatable({}, {__len = function() return 2^40 end}), 1)""",
        "table.concat": """
            table.concat(setmetatable({}, {__len = function() return 2^40 end,
              __index = function() return '' end}))""",
    }.items(),
    ids=lambda item: item[0],
)  # fmt: skip
def test_what_never_ends_is_stopped_by_the_time_limit(
    attack: Attacker, script: tuple[str, str]
) -> None:
    attack.loops(script[1])


@pytest.mark.parametrize("call", ["State.set('key', t)", "JSON.stringify(t)"])
def test_a_table_that_is_a_maze_ends_at_one_limit_or_the_other(attack: Attacker, call: str) -> None:
    stopped = attack(
        f"local t = {{}} for i = 1, 64 do t = {{t, t}} end {call}", max_duration=LOOP_S
    )
    assert stopped.ended.limit in ("max_duration", "memory_bytes")  # as fast as the machine is


def test_a_script_stopped_by_time_goes_on_with_more_of_it(attack: Attacker) -> None:
    text = "print('begun') for i = 1, 1e8 do end print('done')"
    stopped = attack.stopped_by("max_duration", text, max_duration=0.3)
    assert attack.resume(stopped, max_duration=HARD_LIMIT_S).ended.status == "completed"
    assert attack.lines == ["begun", "done"]


def test_a_limit_that_is_not_raised_stops_a_resumed_session_again(attack: Attacker) -> None:
    stopped = attack.loops("print('begun') while true do end")
    again = attack.check_stop("max_duration", attack.resume(stopped))
    assert attack.lines.count("begun") == 1
    assert again.session.usage["active_s"] >= stopped.session.usage["active_s"]


def test_what_plain_lua_refuses_is_an_error_here_too(attack: Attacker) -> None:
    text = """
    local function deep(f) return select(2, pcall(f)) end
    local function show(name, ok, message) print(name, ok, message) end
    show("many arguments", pcall(table.unpack, {}, 1, 1e8))
    show("all integers", pcall(table.unpack, {}, math.mininteger, math.maxinteger))
    show("move", pcall(table.move, {}, 1, 2^40, 2))
    show("sort", pcall(table.sort, setmetatable({}, {__len = function() return 2^40 end})))
    show("concat", pcall(table.concat, {}, "", 1, 2^40))
    show("rep", pcall(string.rep, "x", 2^60))
    show("captures", pcall(string.find, ("("):rep(100), ("("):rep(100)))
    show("nested pattern", pcall(string.find, ("x"):rep(300000), ("x?"):rep(300000)))
    show("bad sort", pcall(table.sort, {3, 1, 2, 5, 4}, function() return true end) and true)
    """
    for line in attack.completes(text):
        name, ok, message = line.split("\t", 2)
        assert ok == "false" or name == "bad sort", line
        assert "respell/" not in message


@pytest.mark.parametrize(
    "body",
    {
        "function": "return 1 + f()",
        "tostring": "return tostring(setmetatable({}, {__tostring = f}))",
        "index": "return setmetatable({}, {__index = f}).x",
        "gsub": "return (('x'):gsub('x', f))",
        "comparator": "table.sort({3, 2, 1}, f)",
        "coroutine": "return coroutine.wrap(f)()",
        "load": "return load(f)",
        "concat": "return setmetatable({}, {__concat = f}) .. 1",
        "close": "local x <close> = setmetatable({}, {__close = f})",
        "message handler": "return xpcall(error, f)",
    }.items(),
    ids=lambda item: item[0],
)
def test_recursion_without_end_is_an_error_or_out_of_memory(
    attack: Attacker, body: tuple[str, str]
) -> None:
    text = f"local f function f() {body[1]} end print(pcall(f)) print('alive')"
    result = attack(text, memory_bytes=512 * 1024 * 1024, max_duration=HARD_LIMIT_S)
    if result.ended.status == "completed":
        assert attack.lines[-1] == "alive"
    else:
        attack.check_stop("memory_bytes", result)


def test_source_that_nests_without_end_is_a_syntax_error(attack: Attacker) -> None:
    text = """
    print(load(("("):rep(100000) .. "1" .. (")"):rep(100000)))
    print(load("local a = " .. ("{"):rep(100000)))
    print(load(("do "):rep(100000)))
    print(load("return " .. ("not "):rep(1000000) .. "1"))
    """
    for line in attack.completes(text):
        assert line.startswith("nil\t")


def test_strings_of_nothing_take_no_time(attack: Attacker) -> None:
    text = (
        "print(#(''):rep(1e9), #string.rep('', 2^62, ''), #(''):rep(-1), pcall(('').rep, '', {}))"
    )
    (line,) = attack.completes(text)
    assert line.startswith("0\t0\t0\tfalse\tbad argument")


# Garbage ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arm",
    [
        "setmetatable({}, {__gc = gc})",
        "local m = {} setmetatable({}, m) m.__gc = gc setmetatable({}, m)",
        "local m = {} rawset(m, '__gc', gc) for i = 1, 100 do setmetatable({}, m) end",
        "local m = setmetatable({__gc = gc}, {__newindex = error, __index = error})"
        " setmetatable({}, m)",
        "kept = setmetatable({}, {__gc = gc})",
        "local x = setmetatable({}, {__gc = true}) getmetatable(x).__gc = gc",
        "coroutine.wrap(function() setmetatable({}, {__gc = gc}) end)()",
    ],
)
def test_finalizers_are_never_run(attack: Attacker, arm: str) -> None:
    text = f"""
    local function gc() print("ran") while true do end end
    {arm}
    collectgarbage()
    for i = 1, 300000 do local t = {{}} end
    print("alive")
    """
    assert attack.completes(text) == ["alive"]


def test_the_collector_can_be_neither_stopped_nor_watched(attack: Attacker) -> None:
    text = """
    collectgarbage("stop")
    for i = 1, 50 do local s = ("x"):rep(4000000) .. i end
    print(collectgarbage("count"), collectgarbage("step"), collectgarbage("isrunning"))
    print(pcall(collectgarbage, "x"))
    """
    first, second = attack.completes(text)
    assert first == "256.0\ttrue\tfalse"
    assert second.startswith("false\tbad argument")


# Memory -------------------------------------------------------------------------------------

BOMBS = {
    "tables": "local t = {} while true do t[#t + 1] = {} end",
    "doubling by rep": "local s = 'xx' while true do s = s:rep(2) end",
    "doubling by concat": "local s = 'xx' while true do s = s .. s end",
    "one string": "local s = ('x'):rep(2^30)",
    "many strings": "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end",
    "table.concat": "local t = {} for i = 1, 999 do t[i] = ('x'):rep(60000) end"
                    " table.concat(t) table.concat(t)",
    "format": "local s = ('x'):rep(2^25) string.format('%s%s%s', s, s, s)",
    "gsub": "('x'):rep(2^22):gsub('x', ('x'):rep(100))",
    "closures": "local t = {} while true do t[#t + 1] = function() return t end end",
    "coroutines": """local t = {} while true do
        t[#t + 1] = coroutine.create(function() coroutine.yield() end)
        coroutine.resume(t[#t]) end""",
    "source": "load(('x = 1 '):rep(2^23))",
    "sort": "table.sort(setmetatable({}, {__len = function() return 2^30 end,"
            " __index = function(_, i) return i end}))",
}  # fmt: skip

WRAPPED = {
    "bare": "BOMB()",
    "pcall": "while true do pcall(BOMB) end",
    "xpcall": "while true do xpcall(BOMB, function(e) print('handler', e) return e end) end",
    "resume": "while true do coroutine.resume(coroutine.create(BOMB)) end",
    "wrap": "while true do pcall(coroutine.wrap(BOMB)) end",
    "handler": "while true do xpcall(error, BOMB) end",
    "comparator": "while true do pcall(table.sort, {3, 2, 1}, BOMB) end",
    "__index": "while true do pcall(function()"
               " return setmetatable({}, {__index = BOMB}).x end) end",
    "require": "package.preload.bomb = BOMB while true do pcall(require, 'bomb') end",
    "tool": "Tool.register('bomb', {}, BOMB) while true do pcall(Tool.invoke, 'bomb', {}) end",
    "branches": "while true do Workflow.parallel{branches = {BOMB, BOMB}}:execute() end",
    "__close": "while true do pcall(function() local x <close> = setmetatable({}, {"
               "__close = function() print('closed') error('other') end}) BOMB() end) end",
    "tostring": "while true do pcall(print, setmetatable({}, {__tostring = BOMB})) end",
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_memory_has_an_end(attack: Attacker, bomb: str) -> None:
    result = attack.stopped_by("memory_bytes", BOMBS[bomb], max_duration=HARD_LIMIT_S)
    attack.replays(result)


@pytest.mark.parametrize("wrapped", WRAPPED)
@pytest.mark.parametrize("bomb", ["tables", "doubling by rep"])
def test_out_of_memory_is_no_error_that_a_script_could_handle(
    attack: Attacker, bomb: str, wrapped: str
) -> None:
    text = f"local function BOMB() {BOMBS[bomb]} end {WRAPPED[wrapped]}"
    attack.stopped_by("memory_bytes", text, max_duration=HARD_LIMIT_S)
    assert attack.lines == []


def test_a_script_stopped_by_memory_goes_on_with_more_of_it(attack: Attacker) -> None:
    text = """
    print("begun")
    local closed <close> = setmetatable({}, {__close = function() print("closed") end})
    local file <close> = assert(io.open("kept.txt", "w"))
    file:write("written")
    local t = {}
    for i = 1, 10 do t[i] = ("x"):rep(9000000) .. i end
    print(#table.concat(t, "", 1, 5))
    """
    stopped = attack.stopped_by("memory_bytes", text)
    assert attack.resume(stopped, memory_bytes=256 * 1024 * 1024).ended.status == "completed"
    assert attack.lines == ["begun", "45000005", "closed"]
    assert (attack.folder / "kept.txt").read_text() == "written"


def test_a_memory_limit_the_library_does_not_fit_in_is_refused(attack: Attacker) -> None:
    with pytest.raises(UsageError, match="memory_bytes must be at least 2097152"):
        attack.start("print(1)", memory_bytes=1_000_000)


# Effects ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loop",
    [
        "while true do State.set('key', 1) end",
        "while true do pcall(State.set, 'key', 1) end",
        "coroutine.wrap(function() while true do pcall(State.get, 'key') end end)()",
        "while true do pcall(io.open, 'nothing') end",
        "while true do pcall(Tool.invoke, 'nothing', {}) end",
    ],
)
def test_operations_are_counted_and_limited(attack: Attacker, loop: str) -> None:
    result = attack.replays(attack.stopped_by("operations", loop, operations=5))
    assert result.session.usage["operations"] == 5


def test_a_script_stopped_by_operations_goes_on_where_it_was(attack: Attacker) -> None:
    text = "for i = 1, 9 do print(i, State.get('n')) State.set('n', i) end"
    stopped = attack.stopped_by("operations", text, operations=7)
    stopped = attack.check_stop("operations", attack.resume(stopped, operations=11))
    assert attack.resume(stopped, operations=1000).ended.status == "completed"
    assert attack.lines == [f"{i}\t{i - 1 if i > 1 else None}".replace("None", "nil")
                            for i in range(1, 10)]  # fmt: skip


def test_idle_means_that_nothing_is_said_or_done(attack: Attacker) -> None:
    attack.stopped_by("max_idle_time", "print('begun') while true do end", max_idle_time=0.3)
    assert attack.lines == ["begun"]
    text = "for i = 1, 60 do print(i) for j = 1, 1e6 do end end"
    assert attack(text, max_idle_time=0.3).ended.status == "completed"


@pytest.mark.parametrize(
    "store",
    [
        "Artifact.store(nil, 'a' .. i, 'x')",
        "pcall(Artifact.store, nil, 'a' .. i, 'x')",
        "coroutine.wrap(function() pcall(Artifact.store, nil, 'a' .. i, 'x') end)()",
    ],
)
def test_a_limit_that_an_effect_reaches_is_no_error_either(attack: Attacker, store: str) -> None:
    text = f"for i = 1, 5 do {store} print(i) end"
    stopped = attack.stopped_by("artifacts", text, artifacts=3)
    assert (attack.lines, stopped.session.artifacts) == (["1", "2", "3"], 3)
    assert attack.resume(stopped, artifacts=10).ended.status == "completed"
    assert attack.lines == ["1", "2", "3", "4", "5"]


def test_bytes_of_artifacts_are_limited_whoever_stores_them(attack: Attacker) -> None:
    text = """
    Artifact.store(nil, "a", ("x"):rep(1000))
    local other = Session.create{limits = {artifact_bytes = 100}}
    print(pcall(Artifact.store, other, "a", ("x"):rep(1000)))
    Artifact.store(nil, "b", ("x"):rep(1000))
    """
    stopped = attack.stopped_by("artifact_bytes", text, artifact_bytes=1500)
    (line,) = attack.lines
    assert line.startswith("false\tattack.lua:4: Artifact.store: the limit artifact_bytes of")
    assert stopped.session.usage["artifact_bytes"] == 1000


def test_a_tool_that_reaches_a_limit_was_not_performed_and_is_not_in_doubt(
    attack: Attacker,
) -> None:
    allowed = [False]

    def spend() -> str:
        if not allowed[0]:
            raise LimitReached("it would cost more than is left", limit="cost_usd")
        return "spent"

    attack.tools.register(tool_of(spend))
    text = "print(pcall(Tool.invoke, 'spend', {})) print(Tool.invoke('spend', {}).result)"
    stopped = attack.stopped_by("cost_usd", text)
    assert in_doubt(attack.store, stopped.session) == []
    allowed[0] = True
    assert attack.resume(stopped).ended.status == "completed"
    assert attack.lines[-1] == "spent"


def test_calls_that_no_thread_had_begun_are_not_in_doubt(attack: Attacker) -> None:
    begun: list[int] = []
    lock = threading.Lock()

    def wait(ctx: ToolContext) -> str:
        with lock:
            begun.append(ctx.number)
        ctx.cancel.wait(HARD_LIMIT_S)
        return "done"

    attack.tools.register(tool_of(wait))
    text = """
    local branches = {}
    for i = 1, 100 do branches[i] = function() return Tool.invoke("wait", {}) end end
    Workflow.parallel{branches = branches}:execute()
    """
    stopped = attack.stopped_by("max_duration", text, max_duration=2)
    doubtful = [one.number for one in in_doubt(attack.store, stopped.session)]
    assert sorted(begun) == doubtful
    assert len(doubtful) < 100
