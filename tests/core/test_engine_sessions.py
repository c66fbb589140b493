"""A script runs as a durable session: it ends, fails, waits, sleeps and goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.engine import run as running
from respell.engine.program import Program
from respell.engine.run import RunResult
from respell.errors import InvalidTransition, SessionBusy, UsageError
from respell.history.record import Record
from respell.store import Store
from respell.times import SECOND, now_us

Names = Callable[[RunResult], list[str]]


def test_a_script_runs_to_its_end(script: Any, names: Names) -> None:
    done = script(
        "print('hello', 1, 2.0) print(args[1], input.city)", args=["x"], input={"city": "Oslo"}
    )
    assert done.exit_code == 0
    assert done.session.status == "completed"
    assert script.lines == ["hello\t1\t2.0", "x\tOslo"]
    assert names(done) == ["lifecycle.start", "output.line", "output.line", "lifecycle.complete"]


def test_a_failing_script_leaves_its_error_and_where_it_happened(script: Any) -> None:
    done = script("local function f()\n  error('boom')\nend\nprint(1)\nf()")
    assert done.exit_code == 1
    assert done.session.status == "failed"
    assert done.session.error["message"] == "main.lua:2: boom"
    assert "main.lua:5" in done.session.error["traceback"]
    assert "respell/" not in done.session.error["traceback"]


def test_a_script_that_is_no_lua_fails_with_its_line(script: Any) -> None:
    done = script("print(1)\nlocal = 3")
    assert done.session.status == "failed"
    assert done.session.error["message"].startswith("main.lua:2:")


@pytest.mark.parametrize("value", [True, "yes", 42, 1.5, {"a": [1, 2]}, None])
def test_a_suspended_script_gets_the_value_given_at_resume(script: Any, value: Any) -> None:
    waiting = script("local v = Session.suspend{prompt = 'go on?'} print(JSON.stringify({v = v}))")
    assert waiting.exit_code == 3
    assert waiting.session.waiting_for["prompt"] == "go on?"
    done = script.resume(waiting.session, value=value)
    assert done.session.status == "completed"
    assert len(script.lines) == 1


def test_a_value_that_does_not_fit_the_schema_changes_nothing(script: Any, store: Store) -> None:
    text = "print(Session.suspend{prompt = 'how many?', schema = {type = 'integer'}})"
    waiting = script(text)
    with pytest.raises(UsageError, match="does not fit what the script waits for"):
        script.resume(waiting.session, value="many")
    with pytest.raises(UsageError, match=r"not nil.*--value JSON"):
        script.resume(waiting.session)
    assert store.sessions.get(waiting.session.key) == waiting.session
    assert script.resume(waiting.session, value=3).session.status == "completed"
    assert script.lines == ["3"]


def test_suspending_works_wherever_the_script_stands(script: Any) -> None:
    waiting = script("""
        local co = coroutine.wrap(function()
          local ok, value = pcall(function() return Session.suspend{prompt = 'in a pcall'} end)
          coroutine.yield(ok, value)
        end)
        print(co())
        local sorted = {3, 1, 2}
        table.sort(sorted, function(a, b) if a == 1 then Session.suspend() end return a < b end)
        print(table.concat(sorted, ' '))
        do local guard <close> = setmetatable({}, {__close = function()
          print('closed', Session.suspend())
        end}) end
        print((string.gsub('x', 'x', function() return Session.suspend() end)))
    """)
    steps = 0
    while waiting.session.status == "suspended":
        steps += 1
        waiting = script.resume(waiting.session, value=f"value {steps}")
    assert waiting.session.status == "completed"
    assert script.lines[0] == "true\tvalue 1"
    assert "1 2 3" in script.lines
    assert script.lines[-1] == f"value {steps}"


def test_a_resumed_session_repeats_no_output_and_no_effect(script: Any, names: Names) -> None:
    waiting = script("print(os.time()) State.set('n', 1) Session.suspend() print(State.get('n'))")
    first = list(script.lines)
    done = script.resume(waiting.session)
    assert script.lines == [*first, "1"]
    assert names(done).count("state.set") == 1
    assert names(done).count("clock.time") == 1


def test_an_ended_session_can_not_be_resumed(script: Any) -> None:
    done = script("print(1)")
    with pytest.raises(InvalidTransition, match="respell fork"):
        script.resume(done.session)


def suspended_asleep(store: Store, folder: Path, seconds: float) -> tuple[RunResult, int]:
    """Return a session that was suspended in a sleep, and when that is over, µs since 1970."""
    path = folder / "sleep.lua"
    path.write_text(f"print('before') Utils.sleep({seconds}) print('after')")
    seen = threading.Event()
    run = running.start(
        store, Program.from_file(path), script=str(path), on_output=lambda *_: seen.set()
    )
    thread = threading.Thread(target=lambda: (seen.wait(10), run.suspend()))
    thread.start()
    waiting = run.go()
    thread.join()
    assert waiting.session.status == "suspended"
    (asleep,) = parts_of_the_sleep(store, waiting)
    due: int = asleep.metadata()["due"]
    assert due >= asleep.at + seconds * SECOND
    assert store.history.sessions_due(due - 1) == []
    assert store.history.sessions_due(due) == [waiting.session.key]
    return waiting, due


def parts_of_the_sleep(store: Store, result: RunResult) -> list[Record]:
    found = [Record.unpack(packed) for _, packed in store.history.records(result.session.key)]
    return [one for one in found if one.name == "timer.sleep"]


def test_a_sleep_lasts_over_a_restart(script: Any, store: Store, tmp_path: Path) -> None:
    waiting, due = suspended_asleep(store, tmp_path, 1.0)
    done = script.resume(waiting.session)
    assert done.session.status == "completed"
    *_, awake = parts_of_the_sleep(store, done)
    assert awake.at >= due
    assert store.history.sessions_due(2**62) == []


def test_a_sleep_is_not_started_again_by_a_restart(
    script: Any, store: Store, tmp_path: Path
) -> None:
    waiting, due = suspended_asleep(store, tmp_path, 2.0)
    time.sleep(max(0, due - now_us()) / SECOND)  # it is over while nobody runs the session
    begun = now_us()
    done = script.resume(waiting.session)
    *_, awake = parts_of_the_sleep(store, done)
    assert awake.at < begun + 2 * SECOND


def test_only_one_host_runs_a_session_at_a_time(script: Any, store: Store) -> None:
    waiting = script("Session.suspend()")
    held = running.resume(store, waiting.session)
    with pytest.raises(SessionBusy, match="process"):
        running.resume(store, waiting.session)
    assert held.go().session.status == "completed"


def test_a_computing_script_is_suspended_by_killing_its_worker(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "busy.lua"
    path.write_text("print('busy') local n = 0 while input ~= 1 do n = n + 1 end")
    seen = threading.Event()
    run = running.start(
        store, Program.from_file(path), script=str(path), on_output=lambda *_: seen.set()
    )
    thread = threading.Thread(target=lambda: (seen.wait(10), run.suspend()))
    thread.start()
    ended = run.go()
    thread.join()
    assert ended.session.status == "suspended"
    assert ended.ended.reason == "asked"


def test_os_exit_ends_the_script_and_nothing_else(script: Any) -> None:
    done = script("print(1) os.exit(true) print(2)")
    assert (done.session.status, script.lines) == ("completed", ["1"])
    failed = script("pcall(os.exit, 3)")
    assert failed.session.status == "failed"
    assert "os.exit(3)" in failed.session.error["message"]


def test_a_script_with_a_shebang_keeps_its_line_numbers(script: Any) -> None:
    done = script("#!/usr/bin/env respell run\nerror('here')")
    assert done.session.error["message"] == "main.lua:2: here"


def test_an_unknown_limit_is_refused_by_name(script: Any) -> None:
    with pytest.raises(UsageError, match="There are operations, memory_bytes"):
        script("print(1)", limits={"operatons": 3})


def test_the_limit_of_operations_stops_and_a_higher_one_goes_on(script: Any, names: Names) -> None:
    stopped = script("for i = 1, 5 do State.set('i', i) end print('end')", limits={"operations": 3})
    assert stopped.exit_code == 5
    assert stopped.session.status == "suspended"
    assert names(stopped).count("state.set") == 3
    assert "limit.operations" in names(stopped)
    done = script.resume(stopped.session, limits={"operations": 100})
    assert done.session.status == "completed"
    assert names(done).count("state.set") == 5


def test_what_a_session_used_is_counted_over_all_its_runs(script: Any) -> None:
    waiting = script("State.set('a', 1) Session.suspend() State.set('b', 1)")
    done = script.resume(waiting.session)
    assert done.session.usage["operations"] == 3
    assert done.session.usage["active_s"] > waiting.session.usage["active_s"] > 0


def test_many_sessions_run_at_once_in_one_store(store: Store, tmp_path: Path) -> None:
    results: list[RunResult] = []

    def one(index: int) -> None:
        path = tmp_path / f"script{index}.lua"
        path.write_text("for i = 1, 50 do State.set('i', i) end return State.get('i')")
        with respell.open(store.path, durability="process") as own:
            results.append(respell.run(path, store=own))

    threads = [threading.Thread(target=one, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.session.status for result in results] == ["completed"] * 4
    for result in results:
        assert store.history.verify(result.session.key) == result.session.records
