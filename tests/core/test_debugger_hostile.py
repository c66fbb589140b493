"""Hostile scripts under the debugger: it answers, can be left, and leaves no process behind.

Each script does something that is recorded and then attacks. Launched, the debugger goes ahead of
the history into the attack, and the live process is let into it; recorded, a limit has stopped it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import respell
from hostile import hard_limit
from live_processes import biggest_rss, descendants, gone, state_of
from respell.debug import Debugger
from respell.errors import RespellError
from respell.store import Store
from stories import write_script

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

MEMORY = 64 << 20
MOST_RSS = 400 << 20  # of one worker: what Lua may have, what looking needs, and Python
PATIENCE_S = 60.0

CLOSING = "setmetatable({}, {__close = function() while true do end end})"
ATTACKS = {
    "python": "python.eval('1')",
    "getattr of python": "python.builtins.getattr(1, 'real')",
    "frames of python": "local g = (nil).gi_frame.f_globals",
    "object of an error": "local _, e = pcall(error) print(e.args)",
    "metatable of a file": "debug.setmetatable(io.stdout, {})",
    "bytecode": "load(string.dump(function() end))()",
    "finalizer twice": "getmetatable(io.stdout).__gc(io.stdout)",
    "exit": "os.exit(3)",
    "loadlib": "package.loadlib('libc.so.6', 'system')",
    "huge string": "local s = ('x'):rep(1 << 30) print(#s)",
    "memory bomb": "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
    "doubling": "local s = 'x' while true do s = s .. s end",
    "strings to the host": "while true do State.set('s', ('x'):rep(1 << 22)) end",
    "endless loop": "while true do end",
    "endless loop in pcall": "while true do pcall(function() while true do end end) end",
    "goto": "::again:: goto again",
    "sort": "table.sort({1, 2, 3}, function() while true do end end)",
    "__close": f"local x <close> = {CLOSING}",
    "__index in concat": (
        "table.concat(setmetatable({}, {__len = function() return 9 end, __index = function() "
        "while true do end end}))"
    ),
    "recursive pcall": "local function f() pcall(f) return f() end f()",
    "coroutines and pcall": (
        "local function f() while true do pcall(coroutine.wrap(f)) end end f()"
    ),
    "handler that loops": "xpcall(error, function() while true do end end)",
    "loop in a coroutine": "coroutine.wrap(function() while true do end end)()",
    "yielding for ever": (
        "local c = coroutine.wrap(function() while true do coroutine.yield() end end) "
        "while true do c() end"
    ),
    "finalizer that loops": (
        "setmetatable({}, {__gc = function() while true do end end}) collectgarbage()"
    ),
    "pattern bomb": "string.find(('a'):rep(40), ('a?'):rep(40) .. ('a'):rep(40))",
    "pattern bomb of lazy dots": "string.find(('a'):rep(200000), '.-.-.-.-b')",
    "table.move": "table.move({}, 1, 1 << 40, 2)",
    "empty strings": "print(#(''):rep(1e9))",
    "string metatable": (
        "getmetatable('').__index = function() while true do end end print(('x').y)"
    ),
    "metamethods for the host": (
        "local t = setmetatable({}, {__index = error, __pairs = error, __len = function() while "
        "true do end end}) State.set('t', t) print(#t)"
    ),
    "cycle to the host": "local t = {} t.t = t State.set('t', t)",
    "bytes": "State.set('b', '\\xff\\xfe') print('\\xff') error('\\xff')",
    "error that is a table": (
        "error(setmetatable({}, {__tostring = function() while true do end end}))"
    ),
    "error of nothing": "error(nil)",
    "deep source": "load(('('):rep(100000))()",
    "deep recursion": "local function f(n) return 1 + f(n + 1) end f(1)",
    "deep table": "local t = {} for i = 1, 1e5 do t = { t } end State.set('t', t)",
    "deep gsub": ("local function f() return (('x'):gsub('x', f)) end f()"),
    "gsub bomb": "print(#(('x'):rep(50000):gsub('.-.-.-y', '')))",
    "gsub that grows": "local s = 'x' while true do s = s:gsub('x', 'xx') end",
    "gsub of everything": "local s = ('x'):rep(1 << 20) while true do s:gsub('', '%0%0') end",
    "endless string.rep": "while true do local s = ('x'):rep(1 << 22) .. 'y' end",
    "coroutine flood": (
        "local t = {} while true do local c = coroutine.create(function() coroutine.yield() end) "
        "coroutine.resume(c) t[#t + 1] = c end"
    ),
    "coroutines in coroutines": (
        "local function f() return coroutine.wrap(f)() end print(pcall(f))"
    ),
    "coroutines that are dropped": (
        "while true do coroutine.wrap(function() coroutine.yield() end)() end"
    ),
    "error in __close": (
        "local x <close> = setmetatable({}, {__close = function() error('closing') end})"
    ),
    "error in __close of a coroutine": (
        "local c = coroutine.create(function() local x <close> = setmetatable({}, {__close = "
        "function() error('closing') end}) coroutine.yield() end) coroutine.resume(c) "
        "print(coroutine.close(c))"
    ),
    "error in __gc": (
        "for i = 1, 100 do setmetatable({}, {__gc = function() error('gone') end}) end "
        "collectgarbage()"
    ),
    "giant table": "local t = {} for i = 1, 1e6 do t[i] = i end print(#t)",
}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExitStack]:
    """What is closed at the end; no process of ours may be left after that."""
    monkeypatch.chdir(tmp_path)
    before = descendants()
    with ExitStack() as opened:
        yield opened
    gone(descendants() - before)


def text_of(attack: str) -> str:
    return f"local seen = 7\nprint('before')\nlocal mark = 1\n{attack}\nprint('after')\n"


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_one_goes_into_it_looks_and_leaves(
    attack: str, own: ExitStack, store: Store, tmp_path: Path
) -> None:
    path = write_script(tmp_path, text_of(attack))
    cancelled: list[float] = []
    leaving: list[bool] = []

    def give_up(seconds: float) -> None:
        if not leaving:
            cancelled.append(seconds)
            debugger.cancel()

    with hard_limit(PATIENCE_S):
        debugger = own.enter_context(
            Debugger.launch(path, store=store, limits={"memory_bytes": MEMORY}, on_progress=give_up)
        )
        live = debugger.live
        assert live is not None
        host = live.host
        assert host is not None
        own.callback(lambda: gone({host.pid}))
        own.enter_context(debugger)
        debugger.run_to_line(4)
        at = debugger.position
        try:
            stop = debugger.step_over()
        except RespellError:  # out of memory: the worker broke off
            stop = debugger.stop
        if cancelled or not stop.at_end:
            assert debugger.position >= at
        if stop.reason == "cancelled":
            assert (debugger.position, debugger.stop.line) == (at, 4)
        # Whatever happened: it can be looked at, gone back in, and evaluated.
        debugger.go_to(at)
        assert {one.name: one.value.text for one in debugger.variables().locals}["seen"] == "7"
        assert debugger.evaluate("seen + mark").values[0].text == "8"
        assert debugger.step_back().line == 3
        assert debugger.output() == ["before"] or live.status != "paused"
        assert debugger.checkpoint_bytes <= 256 << 20
        assert biggest_rss(descendants()) < MOST_RSS
        # The live process is let into it as well, and held again.
        if live.runs:
            live.step(timeout_s=0.2)
        if live.runs:
            live.pause()
            assert live.status in ("paused", "completed", "failed", "suspended")
        leaving.append(True)
        debugger.close()
        assert not live.runs


RECORDED = {
    name: ATTACKS[name]
    for name in (
        "memory bomb",
        "endless loop in pcall",
        "coroutines and pcall",
        "pattern bomb",
        "deep recursion",
        "error that is a table",
        "strings to the host",
        "gsub that grows",
        "coroutine flood",
        "error in __close",
        "giant table",
    )
}


@pytest.mark.parametrize("attack", RECORDED.values(), ids=RECORDED.keys())
def test_what_a_limit_has_stopped_is_gone_through_both_ways(
    attack: str, own: ExitStack, store: Store, tmp_path: Path
) -> None:
    path = write_script(tmp_path, text_of(attack))
    limits: dict[str, Any] = {"memory_bytes": MEMORY, "max_duration": 1, "operations": 40}
    result = respell.run(path, store=store, limits=limits)
    with hard_limit(PATIENCE_S):
        debugger = own.enter_context(Debugger.open(result.session.id, store=store))
        stop = debugger.end()
        assert stop.at_end
        debugger.start()
        assert debugger.continue_().position == stop.position
        assert debugger.reverse_continue().line == 1
        assert debugger.run_to_line(2).line == 2
        assert debugger.output()[:1] in ([], ["before"])
        assert biggest_rss(descendants()) < MOST_RSS


def test_what_is_evaluated_can_neither_hang_nor_hurt(
    own: ExitStack, store: Store, tmp_path: Path
) -> None:
    path = write_script(
        tmp_path,
        "local big = {} for i = 1, 300000 do big[i] = i end\n"
        "local odd = setmetatable({}, { __index = function() while true do end end,\n"
        "  __tostring = function() while true do end end, __len = error, __pairs = error })\n"
        "print('here')\n",
    )
    session = respell.run(path, store=store).session
    with hard_limit(PATIENCE_S):
        debugger = own.enter_context(Debugger.open(session.id, store=store))
        debugger.run_to_line(4)
        locals_ = {one.name: one.value for one in debugger.variables().locals}
        children, total, _meta = debugger.children(locals_["big"], first=299_990, count=100)
        assert (total, [one.value.text for one in children][-1], len(children)) == (
            300_000,
            "300000",
            10,
        )
        assert debugger.children(locals_["odd"])[1] == 0
        loop = "coroutine.wrap(function() while true do end end)()"
        for attack in ("while true do end", "odd.x", "tostring(odd)", loop):
            assert "did not end" in (debugger.evaluate(attack, timeout_s=0.2).error or ""), attack
        assert debugger.evaluate("('x'):rep(1 << 29):rep(8)").error
        assert debugger.evaluate("#big").values[0].text == "300000"
        assert biggest_rss(descendants()) < MOST_RSS


def test_a_move_into_a_computation_is_cancelled_from_another_thread(
    own: ExitStack, store: Store, tmp_path: Path
) -> None:
    began = threading.Event()
    path = write_script(tmp_path, text_of("while true do end"))
    with hard_limit(PATIENCE_S):
        debugger = own.enter_context(
            Debugger.launch(path, store=store, on_progress=lambda _seconds: began.set())
        )
        debugger.run_to_line(4)
        at = debugger.position
        thread = threading.Thread(target=lambda: (began.wait(), debugger.cancel()))
        thread.start()
        assert debugger.continue_().reason == "cancelled"
        thread.join()
        assert debugger.position == at
        live = debugger.live
        assert live is not None
        host = live.host
        assert host is not None
        live.step(timeout_s=0.2)
        live.pause()
        (worker,) = descendants(host.pid)
        while state_of(worker) != "T":
            assert state_of(worker)
    debugger.close()
    gone({host.pid, worker})
