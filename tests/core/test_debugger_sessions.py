"""The debugger on sessions of every kind, and what is left of its processes."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.debug import AsyncDebugger, Debugger
from respell.errors import RespellError, SessionNotFound, StoreError, UsageError
from respell.store import Store

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="checkpoints are kept on Linux only")


def test_a_session_that_was_stopped_while_it_computed_ends_after_its_last_event(
    script: Any, store: Store
) -> None:
    result = script("print('before')\nwhile true do end\n", limits={"max_duration": 1})
    assert result.exit_code == 5
    with Debugger.open(result.session.id, store=store) as debugger:
        stop = debugger.end()
        assert (stop.at_end, str(stop.position), stop.line) == (True, "2+1", 1)
        assert debugger.step_back().position.event == 1


def test_a_session_that_was_stopped_before_its_first_event_can_be_looked_at(
    script: Any, store: Store
) -> None:
    result = script("while true do end\n", limits={"max_duration": 1})
    with Debugger.open(result.session.id, store=store) as debugger:
        assert debugger.stop.at_end
        assert debugger.step_in().at_end
        assert debugger.step_back().at_end
        assert debugger.evaluate("1 + 1").values[0].text == "2"


def test_a_script_that_does_not_compile_says_so(script: Any, store: Store) -> None:
    result = script("local = 1\n")
    with pytest.raises(UsageError, match=r"nothing to debug: main\.lua:1:"):
        Debugger.open(result.session.id, store=store)


def test_a_session_without_program_is_refused(store: Store) -> None:
    session = respell.create(name="empty", store=store)
    with pytest.raises(UsageError, match="no program of its own"):
        Debugger.open(session.id, store=store)


def test_a_session_that_ran_out_of_memory_leaves_one_where_one_was(
    script: Any, store: Store
) -> None:
    text = "print('a')\nlocal t = {}\nfor i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end\n"
    result = script(text, limits={"memory_bytes": 64 << 20})
    with Debugger.open(result.session.id, store=store) as debugger:
        debugger.step_in()
        where = debugger.position
        try:
            debugger.end()
        except RespellError:
            assert debugger.position == where
        assert debugger.go_to(2).line == 1


def test_variables_that_a_fork_sets_are_set_whenever_one_comes_by(
    script: Any, store: Store
) -> None:
    text = "local x = 1\nprint(x)\nlocal y = x\nlocal z = y\nprint(x, y, z)\nprint('end')\n"
    original = script(text).session
    forked = respell.fork(original, at="2+2", variables={"x": 7}, store=store)
    assert script.resume(forked).exit_code == 0
    assert "7\t1\t1" in script.lines
    for checkpoints in (True, False):
        with Debugger.open(forked.id, store=store, checkpoints=checkpoints) as debugger:
            for where, expected in (("2+2", "7"), ("2+1", "1"), ("2+3", "7")):
                debugger.go_to(where)
                assert debugger.evaluate("x").values[0].text == expected, where
            debugger.go_to(2)
            assert debugger.next_event().line == 5
            assert debugger.evaluate("x, z").values[0].text == "7"


def test_a_debugger_works_on_the_session_that_it_is_called_from(script: Any, store: Store) -> None:
    seen: list[str] = []

    @respell.tool(name="look_back")
    def look_back(session: str) -> int:
        """Look at what the calling session has recorded by now."""
        with Debugger.open(session, store=store) as debugger:
            stop = debugger.end()
            seen.append(f"{stop.line} {debugger.evaluate('x').values[0].text}")
        return 1

    script("local x = 5\nprint(x)\nTool.invoke('look_back', { session = Session.getCurrent() })\n")
    assert seen == ["3 5"]


def test_in_a_store_that_can_only_be_read_breakpoints_work_and_are_not_kept(
    script: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = script("local n = 0\nfor i = 1, 3 do\n  n = n + i\nend\nprint(n)\n").session
    with Debugger.open(session.id, store=store) as debugger:
        debugger.breakpoints.add_line("main.lua", 3)
        debugger.breakpoints.add_line("main.lua", 5, temporary=True)
        debugger.bookmark("there")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with Store(store.path) as theirs, Debugger.open(session.id, store=theirs) as debugger:
        table = debugger.breakpoints
        assert debugger.continue_().breakpoints == (1,)
        changed = table.add_data("n")
        table.change(1, condition="i == 3")
        assert debugger.continue_().breakpoints == (changed.id,)
        table.remove(changed.id)
        table.enable(2, False)
        assert debugger.continue_().line == 3
        table.enable(2, True)
        assert debugger.continue_().breakpoints == (2,)  # once, and gone then
        assert [one.id for one in table.list()] == [1]
        with pytest.raises(StoreError, match="can only be read"):
            debugger.bookmark("here")
        assert [one.name for one in debugger.bookmarks()] == ["there"]
    monkeypatch.undo()
    with Debugger.open(session.id, store=store) as debugger:
        kept = [(one.id, one.condition) for one in debugger.breakpoints.list()]
        assert kept == [(1, ""), (2, "")]


def test_of_a_session_that_was_resumed_since_it_was_opened_the_debugger_knows(
    script: Any, store: Store
) -> None:
    session = script("local v = Session.suspend()\nprint(v)\n").session
    with Debugger.open(session.id, store=store) as debugger:
        debugger.end()
        debugger.bookmark("here")
        assert debugger.gone_on() is None
        script.resume(session, value=1)
        now = debugger.gone_on()
        assert now is not None
        assert (now.status, now.events > session.events) == ("completed", True)
        assert debugger.end().line == 1
    with Debugger.open(session.id, store=store) as debugger:
        assert debugger.gone_on() is None
        debugger.end()
        assert debugger.output() == ["1"]


def test_two_debuggers_of_a_session_keep_their_breakpoints_apart(script: Any, store: Store) -> None:
    session = script("print(1)\nprint(2)\nprint(3)\n").session
    with (
        Debugger.open(session.id, store=store) as one,
        Debugger.open(session.id, store=store) as other,
    ):
        for debugger, line in ((one, 1), (other, 2), (one, 3)):
            debugger.breakpoints.add_line("main.lua", line)
        one.breakpoints.remove(1)
    with Debugger.open(session.id, store=store) as later:
        assert [(it.id, it.line) for it in later.breakpoints.list()] == [(2, 2), (3, 3)]


def test_of_a_session_that_is_deleted_meanwhile_nothing_comes_to_those_that_are_made_later(
    script: Any, store: Store, tmp_path: Path
) -> None:
    session = script("print(1)\nprint('theirs')\n").session
    with Debugger.open(session.id, store=store) as debugger:
        with Store(tmp_path / "store") as elsewhere:
            elsewhere.sessions.delete(session.key)
        later = script("print('another')\nprint('one')\n").session
        assert debugger.step_over().line == 2  # it has read what it needs for that
        with pytest.raises(SessionNotFound, match="deleted meanwhile"):
            debugger.breakpoints.add_line("main.lua", 2)
        with pytest.raises(SessionNotFound, match="deleted meanwhile"):
            debugger.bookmark("here")
        with pytest.raises(SessionNotFound, match="deleted meanwhile"):
            debugger.output()
        assert debugger.breakpoints.list() == []
    with Debugger.open(later.id, store=store) as debugger:
        assert (debugger.breakpoints.list(), debugger.bookmarks()) == ([], [])


@pytest.mark.parametrize("kept", [True, False])
def test_a_debugger_for_asyncio_is_opened_as_any_other(
    script: Any, store: Store, kept: bool
) -> None:
    session = script("local n = 1\nprint(n)\n").session
    with Debugger.open(session.id, store=store) as debugger:
        debugger.breakpoints.add_line("main.lua", 2)

    async def stands_at() -> int:
        opened = await AsyncDebugger.open(
            session, store=store, budget_bytes=1 << 20, keep_breakpoints=kept
        )
        async with opened as debugger:
            stop = await debugger.call(Debugger.continue_)
            assert await debugger.use(lambda one: one._options.budget_bytes) == 1 << 20
            return stop.line if not stop.at_end else 0

    assert asyncio.run(stands_at()) == (2 if kept else 0)


LONG = "local n = 0\nfor i = 1, 30000000 do\n  n = n + 1\nend\nprint(n)\n"


@LINUX
def test_a_debugger_for_asyncio_is_closed_in_the_middle_of_a_move_and_twice(
    script: Any, store: Store
) -> None:
    session = script(LONG).session

    async def told() -> str:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with await AsyncDebugger.open(
            session, store=store, on_progress=lambda _: loop.call_soon_threadsafe(begun.set)
        ) as debugger:
            await debugger.use(
                lambda one: one.breakpoints.add_line("main.lua", 3, condition="n < 0")
            )
            move = asyncio.create_task(debugger.call(Debugger.continue_))
            await begun.wait()
            await debugger.close()
            await debugger.close()
            with pytest.raises(UsageError, match="the debugger is closed"):
                await debugger.call(Debugger.step_in)
            return (await move).reason

    before = descendants(os.getpid())
    assert asyncio.run(told()) == "cancelled"
    wait_until_gone(descendants(os.getpid()) - before)


@LINUX
@pytest.mark.parametrize("times", [1, 2], ids=["once", "again by the loop that ends"])
def test_opening_one_for_asyncio_that_is_cancelled_leaves_no_process(
    script: Any, store: Store, times: int
) -> None:
    session = script("print(1)\n").session

    async def give_up() -> None:
        opening = asyncio.create_task(AsyncDebugger.open(session, store=store))
        for _ in range(times):
            await asyncio.sleep(0)
            opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    before = descendants(os.getpid())
    asyncio.run(give_up())
    for thread in threading.enumerate():
        if thread.name.startswith("respell-debugger"):
            thread.join()
    wait_until_gone(descendants(os.getpid()) - before)
    gc.collect()  # what is open and belongs to nobody warns, and warnings are errors


def test_a_script_is_launched_for_asyncio(store: Store, tmp_path: Path) -> None:
    (tmp_path / "main.lua").write_text("print(1)\nprint(2)\n")

    async def launched() -> str:
        opened = await AsyncDebugger.launch(tmp_path / "main.lua", store=store, name="begun")
        async with opened as debugger:
            return f"{(await debugger.call(Debugger.step_over)).line} {debugger.position}"

    assert asyncio.run(launched()) == "2 2+1"
    assert store.sessions.find("begun").status == "suspended"


# Processes -------------------------------------------------------------------------------


def descendants(pid: int) -> set[int]:
    """Return the processes below one."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def wait_until_gone(pids: set[int]) -> None:
    """Wait for processes to end."""
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ended, _, _ = select.select([fd], [], [], 30)
        os.close(fd)
        assert ended, pid


@LINUX
def test_closing_leaves_no_process(script: Any, store: Store) -> None:
    session = script("for i = 1, 400 do print(i) end\n").session
    before = descendants(os.getpid())
    with Debugger.open(session.id, store=store) as debugger:
        for where in ("300+1", "20", "350"):
            debugger.go_to(where)
        for _ in range(5):
            debugger.step_back()
        made = descendants(os.getpid()) - before
        assert len(made) >= 2
    wait_until_gone(made)


WAITS = """\
import sys
import threading
from respell.debug import Debugger
from respell.store import Store
with Store(sys.argv[1]) as store, Debugger.open(sys.argv[2], store=store) as debugger:
    debugger.go_to("300+1")
    debugger.step_back()
    print("ready", flush=True)
    {then}
"""


@LINUX
@pytest.mark.parametrize("then", ["sys.stdin.read()", "debugger.evaluate('spin()', timeout_s=600)"])
def test_killing_the_debugger_leaves_no_process(script: Any, store: Store, then: str) -> None:
    session = script(
        "function spin() while true do end end\nfor i = 1, 400 do print(i) end\n"
    ).session
    program = subprocess.Popen(
        [sys.executable, "-c", WAITS.format(then=then), str(store.path), session.id],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert program.stdout is not None
    assert program.stdin is not None
    assert program.stdout.readline() == "ready\n"
    workers = descendants(program.pid)
    assert workers
    program.kill()
    program.wait()
    program.stdin.close()
    program.stdout.close()
    wait_until_gone(workers)
