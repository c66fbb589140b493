"""Limits are changed while a session runs, from this process or another one."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.engine import run as running
from respell.engine.program import Program
from respell.engine.run import Run, RunResult
from respell.errors import InvalidTransition, UsageError
from respell.store import Store

TICKS = "local i = 0 while true do i = i + 1 State.set('i', i) print(i) Utils.sleep(0.005) end"


@contextmanager
def in_background(store: Store, folder: Path, text: str, **options: Any) -> Iterator[Running]:
    """Run a script in a thread until the block ends."""
    path = folder / "main.lua"
    path.write_text(text)
    one = Running(store, path, options)
    try:
        assert one.printed.wait(30)
        yield one
    finally:
        one.run.kill()
        one.thread.join(30)


class Running:
    """A session that runs in a thread."""

    def __init__(self, store: Store, path: Path, options: dict[str, Any]) -> None:
        self.printed = threading.Event()
        self.result: RunResult | None = None
        self.run: Run = running.start(
            store, Program.from_file(path), script=path.name,
            on_output=lambda name, text: self.printed.set(), **options,
        )  # fmt: skip
        self.thread = threading.Thread(target=self._go)
        self.thread.start()

    def _go(self) -> None:
        self.result = self.run.go()

    def ends(self) -> RunResult:
        """Wait for the end."""
        self.thread.join(30)
        assert self.result is not None
        return self.result


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        ({"operations": 1}, "operations"),
        ({"max_duration": 0.01}, "max_duration"),
        ({"history_bytes": 1}, "history_bytes"),
    ],
)
def test_a_lower_limit_stops_a_running_session(
    store: Store, tmp_path: Path, limits: dict[str, Any], limit: str
) -> None:
    with in_background(store, tmp_path, TICKS) as one:
        session = respell.session(one.run.session.id, store=store)
        assert session.set_limits(limits)
        ended = one.ends()
    assert (ended.exit_code, ended.ended.limit) == (5, limit)
    assert session.limits == limits
    changed = [event for event in session.events(kind="limit") if event.name == "limit.set"]
    assert [event.args for event in changed] == [{"limits": limits, "by": "python"}]
    assert session.replay().identical


def test_a_higher_limit_lets_a_running_session_go_on(store: Store, tmp_path: Path) -> None:
    text = """
    print("begun")
    for i = 1, 40 do State.set("i", i) Utils.sleep(0.01) end
    print(Session.suspend())
    """
    with in_background(store, tmp_path, text, limits={"operations": 60}) as one:
        session = respell.session(one.run.session.id, store=store)
        assert session.set_limits(operations=1000, tokens=5)
        ended = one.ends()
    assert ended.ended.reason == "script"
    assert session.limits == {"operations": 1000, "tokens": 5}


def test_a_rate_is_taken_back_while_an_effect_waits_for_it(store: Store, tmp_path: Path) -> None:
    """What waits already has its time; the next one does not wait any more."""
    text = "print(1) for i = 1, 50 do State.set('i', i) end"
    limits = {"rate.state.set": "60/min burst 1"}  # fifty take fifty seconds
    with in_background(store, tmp_path, text, limits=limits) as one:
        assert respell.session(one.run.session.id, store=store).set_limits({"rate.state.set": None})
        ended = one.ends()
    assert ended.session.status == "completed"
    assert ended.session.limits == {}
    assert ended.session.usage["active_s"] < 40


def test_another_process_changes_limits(store: Store, tmp_path: Path) -> None:
    with in_background(store, tmp_path, TICKS) as one:
        code = (
            "import sys, respell\n"
            "with respell.open(sys.argv[1]) as store:\n"
            "    assert respell.session(sys.argv[2], store=store).set_limits(operations=1)\n"
        )
        subprocess.run(
            [sys.executable, "-c", code, str(store.path), one.run.session.id], check=True
        )
        assert one.ends().ended.limit == "operations"
    assert any(entry.action == "session.limits" for entry in store.audit.list())


def test_the_memory_of_a_running_session_stays_as_it_is(store: Store, tmp_path: Path) -> None:
    with in_background(store, tmp_path, TICKS) as one:
        session = respell.session(one.run.session.id, store=store)
        with pytest.raises(UsageError, match="its Lua process has its memory from its start"):
            session.set_limits(memory_bytes=2**26)
        session.suspend()
        one.ends()
        assert session.set_limits(memory_bytes=2**26)
    assert session.limits == {"memory_bytes": 2**26}


def test_limits_of_what_nobody_runs_change_at_once(script: Any, store: Store) -> None:
    stopped = script("for i = 1, 9 do State.set('i', i) end", limits={"operations": 3})
    session = respell.session(stopped.session, store=store)
    assert session.set_limits({"operations": 100, "rate.state.set": "9/s"}, timeout=0)
    assert session.limits == {"operations": 100, "rate": {"state.set": "540/min"}}
    assert session.resume().session.status == "completed"
    assert session.replay().identical
    with pytest.raises(InvalidTransition, match="is completed: its limits mean nothing"):
        session.set_limits(operations=5)


def test_limits_of_a_session_without_program_change_at_once(script: Any, store: Store) -> None:
    notes = respell.create(store=store, name="notes", limits={"operations": 1})
    text = f"""
    Session.load("{notes.id}")
    for i = 1, 2 do print((pcall(State.set, "session:{notes.id}", "k", i))) end
    """
    script(text)
    assert notes.set_limits(operations=5)
    script(text)
    assert script.lines == ["true", "false", "true", "true"]


def test_what_is_no_limit_changes_nothing(store: Store) -> None:
    notes = respell.create(store=store, limits={"operations": 1})
    with pytest.raises(UsageError, match="did you mean operations"):
        notes.set_limits(operatons=5)
    with pytest.raises(UsageError, match="no limit was given"):
        notes.set_limits()
    assert notes.limits == {"operations": 1}
