"""Where branches, stops, forks and limits meet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.engine import run as running
from respell.engine.doubt import in_doubt
from respell.engine.program import Program
from respell.errors import LimitReached, UsageError
from respell.store import Store
from respell.tools import ToolRegistry
from respell.tools.decorator import make_tool


def tools(**functions: Callable[..., Any]) -> ToolRegistry:
    registry = ToolRegistry()
    for name, function in functions.items():
        registry.register(make_tool(function, name=name))
    return registry


def outputs(store: Store, session: Any) -> list[str]:
    return [
        one.args["text"]
        for one in respell.events(session, store=store)
        if one.name == "output.line"
    ]


def test_a_scheduler_inside_a_branch_takes_no_answer_early(script: Any, store: Store) -> None:
    def echo(n: int) -> int:
        """Answer after a moment."""
        time.sleep(0.02)
        return n

    waiting = script(
        """
        Workflow.parallel{branches = {
          function()
            Workflow.parallel{branches = {
              function() Tool.invoke('echo', {n = 7}) print('inner 1 done') end,
              function()
                for i = 1, 2e7 do end
                Tool.invoke('echo', {n = 8}) print('inner 2 done')
              end,
            }}:execute()
          end,
          function() print('outer 2') end,
        }}:execute()
        Session.suspend()
        print('end')
        """,
        tools=tools(echo=echo),
    )
    assert respell.replay(waiting.session, store=store).identical
    done = script.resume(waiting.session)
    assert done.session.status == "completed"
    assert script.lines == ["outer 2", "inner 1 done", "inner 2 done", "end"]


def test_a_hook_that_waits_in_one_branch_guards_the_others_too(script: Any) -> None:
    performed = []

    def danger(n: int) -> int:
        """Do what should be stopped."""
        performed.append(n)
        return n

    def nap() -> None:
        """Take a moment."""
        time.sleep(0.05)

    done = script(
        """
        Hook.register('BeforeToolExecution', function(context)
          if context.component == 'danger' then
            Tool.invoke('nap', {})
            return 'not allowed'
          end
        end)
        local function try(n) return function() return Tool.invoke('danger', {n = n}) end end
        local r = Workflow.parallel{branches = {try(1), try(2), try(3)}}:execute()
        for _, one in ipairs(r.results) do print(one.success) end
        """,
        tools=tools(danger=danger, nap=nap),
    )
    assert performed == []
    assert script.lines == ["false"] * 3
    assert done.session.status == "completed"


def test_a_fork_of_a_fork_takes_over_only_edits_before_its_position(
    script: Any, store: Store
) -> None:
    done = script("local x = 1\n" + "\n".join(f"print({n}, x)" for n in range(1, 5)))
    later = respell.fork(done.session, store=store, at=4, variables={"x": 99})
    earlier = script.resume(respell.fork(later, store=store, at=2))
    assert outputs(store, earlier.session)[-1] == "4\t1"
    assert respell.replay(earlier.session, store=store).identical
    assert outputs(store, script.resume(later).session)[-1] == "4\t99"


def test_a_fork_outlives_its_deleted_original(script: Any, store: Store) -> None:
    done = script("print(os.time()) State.set('n', 1) print(State.get('n'))")
    fork = respell.fork(done.session, store=store, at=3)
    store.sessions.delete(done.session.key)
    resumed = script.resume(fork)
    assert resumed.session.status == "completed"
    assert respell.replay(resumed.session, store=store).identical
    again = respell.fork(resumed.session, store=store, at=2)
    assert script.resume(again).session.status == "completed"


def test_a_fork_waits_for_what_its_own_suspend_asks(script: Any, store: Store) -> None:
    first = script("""
        print(Session.suspend{prompt = 'first', schema = {type = 'integer'}})
        print(Session.suspend{prompt = 'second', schema = {type = 'string'}})
    """)
    second = script.resume(first.session, value=3)
    assert second.session.waiting_for["prompt"] == "second"
    fork = respell.fork(second.session, store=store, at=3)
    assert fork.waiting_for is not None
    assert fork.waiting_for["prompt"] == "first"
    with pytest.raises(UsageError, match="does not fit"):
        script.resume(fork, value="x")
    assert script.resume(fork, value=7).session.status == "suspended"


@pytest.mark.parametrize(("event", "name"), [(1, "x"), (2, "a b"), (2, "t.k"), (2, "")])
def test_a_variable_that_can_not_be_set_is_refused(
    script: Any, store: Store, event: int, name: str
) -> None:
    done = script("local x = 1 print(x)")
    with pytest.raises(UsageError):
        respell.fork(done.session, store=store, at=event, variables={name: 2})


@pytest.mark.parametrize(
    ("end", "limits"),
    [("for i = 1, 9 do State.set('i', i) end", {"operations": 3}), ("os.exit(0)", {})],
)
def test_an_end_in_one_branch_waits_for_calls_in_another(
    script: Any, store: Store, end: str, limits: dict[str, int]
) -> None:
    calls = []

    def slow() -> int:
        """Take a while."""
        time.sleep(0.3)
        calls.append(1)
        return 1

    ended = script(
        "Workflow.parallel{branches = {"
        f"function() Tool.invoke('slow', {{}}) end, function() {end} end}}}}:execute()",
        tools=tools(slow=slow),
        limits=limits,
    )
    assert calls == [1]
    assert in_doubt(store, ended.session) == []
    if ended.session.status == "suspended":
        done = script.resume(ended.session, limits={"operations": 99}, tools=tools(slow=slow))
        assert done.session.status == "completed"
    assert calls == [1]


def test_sleeping_is_not_idling(script: Any) -> None:
    assert script("Utils.sleep(0.6)", limits={"max_idle_time": 0.3}).exit_code == 0


def test_executing_again_uses_up_no_limit_of_time(script: Any) -> None:
    text = "for i = 1, 4 do for j = 1, 2e7 do end print(i) end Session.suspend() print('end')"
    waiting = script(text)
    busy_s = waiting.session.usage["active_s"]
    done = script.resume(
        waiting.session, limits={"max_idle_time": busy_s / 2, "max_duration": busy_s + 1}
    )
    assert done.session.status == "completed", done.ended


def test_a_pause_uses_up_no_limit_of_time(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "main.lua"
    path.write_text("for i = 1, 20 do print(i) Utils.sleep(0.02) end")
    seen, paused = threading.Event(), threading.Event()
    run = running.start(
        store, Program.from_file(path), script=str(path), limits={"max_duration": 1.5},
        on_output=lambda *_: seen.set(),
    )  # fmt: skip
    key = run.session.key

    def pause_for_longer_than_the_limit() -> None:
        seen.wait(10)
        store.inbox.post(key, "pause")
        while not paused.is_set():
            names = [one.name for one in respell.events(run.session, store=store)]
            if "lifecycle.pause" in names:
                paused.set()
            time.sleep(0.02)
        time.sleep(1.6)  # longer than the limit: the time itself is what is tested
        store.inbox.post(key, "unpause")

    thread = threading.Thread(target=pause_for_longer_than_the_limit)
    thread.start()
    result = run.go()
    thread.join()
    assert result.session.status == "completed", result.ended


def test_a_request_to_an_earlier_run_does_not_stop_the_next(script: Any, store: Store) -> None:
    waiting = script("Session.suspend() for i = 1, 3 do Utils.sleep(0.1) end")
    store.inbox.post(waiting.session.key, "suspend")
    assert script.resume(waiting.session).session.status == "completed"


def test_what_a_killed_host_had_used_stays_used(script: Any, store: Store) -> None:
    path = Path("main.lua")
    path.write_text("for i = 1, 100 do State.set('i', i) end while true do end")
    run = running.start(
        store, Program.from_file(path), script=str(path), limits={"max_duration": 60}
    )
    stopped = threading.Thread(target=run.go)
    stopped.start()
    while not store.sessions.get(run.session.key).usage["operations"]:
        time.sleep(0.05)
    run.kill()
    stopped.join()
    assert store.sessions.get(run.session.key).usage["operations"] == 100


def test_output_has_no_outcome_to_edit(script: Any, store: Store) -> None:
    done = script("print(1)")
    with pytest.raises(UsageError, match="no outcome"):
        respell.replay(done.session, store=store, mode="modified", edits={2: 5})
    with pytest.raises(UsageError, match="no outcome"):
        respell.fork(done.session, store=store, at=2, outcome=5)


def test_a_simulation_takes_no_longer_than_the_session_may(
    script: Any, store: Store, tmp_path: Path
) -> None:
    stopped = script("print(1) while true do end", limits={"max_duration": 0.5})
    other = tmp_path / "other.lua"
    other.write_text("while true do end print(1)")
    with pytest.raises(LimitReached, match="max_duration"):
        respell.replay(stopped.session, store=store, mode="simulate", script=other)


def test_an_error_that_is_a_table_replays_as_identical(script: Any, store: Store) -> None:
    done = script("""
        local function fail() error({code = 5}) end
        Tool.register('fail', {description = 'fails'}, fail)
        Hook.register('BeforeToolExecution', fail)
        print(select(2, pcall(Tool.invoke, 'fail', {})).code)
    """)
    assert script.lines[-1] == "5"
    result = respell.replay(done.session, store=store)
    assert result.identical, result.divergence
