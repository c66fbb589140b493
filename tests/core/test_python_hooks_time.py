"""Hooks in Python that hang, loop or fail, and hosts that die while hooks run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.engine import run as running
from respell.engine.attempts import STAGE
from respell.engine.doubt import Settlements, in_doubt
from respell.engine.program import Program
from respell.errors import InDoubt, LimitReached, UsageError
from respell.history.record import Part, Record
from respell.hooks import Cancel, HookContext, HookRegistry, Modified, Retry
from respell.hooks.breaker import FAILURES_THAT_OPEN, HALF_OPEN_AFTER_S, Breaker, percentile
from respell.store import Store

CALL = 'print(Tool.invoke("greet", {name = "Ann"}).result)'


@pytest.fixture
def hooks() -> HookRegistry:
    return HookRegistry()


@pytest.fixture
def greeted() -> list[str]:
    names: list[str] = []

    @respell.tool
    def greet(name: str) -> str:
        names.append(name)
        return f"hello {name}"

    return names


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a stuck hook waits for; it is let go at the end."""
    event = threading.Event()
    yield event
    event.set()


def records(store: Store, session: Any) -> list[Record]:
    return [Record.unpack(body) for _, body in store.history.records(session.key)]


def calls(store: Store, session: Any) -> list[Any]:
    return [it for it in respell.events(session, store=store) if it.name == "hook.call"]


def test_the_original_only_warned_of_a_hook_that_took_too_long(
    script: Any, store: Store, hooks: HookRegistry, greeted: list[str], gate: threading.Event
) -> None:
    """v0.6.0 went on waiting; here it is given up, and the effect goes on."""

    def stuck(context: HookContext) -> Any:
        gate.wait(60)
        return Cancel("far too late")

    hooks.register("BeforeToolExecution", stuck, time_limit_s=0.1)
    hooks.register("BeforeToolExecution", lambda _: Modified({"name": "Bob"}), name="next")
    result = script(CALL + CALL, hooks=hooks)
    assert script.lines == ["hello Bob", "hello Bob"], "its result is ignored, the next hook ran"
    first, *others = calls(store, result.session)
    assert first.args["hook"] == "stuck"
    assert first.error == "it took longer than 0.1 s and was given up"
    assert [it.args["hook"] for it in others] == ["next", "next"], "its breaker is open"
    figures = hooks.get("stuck").figures()
    assert (figures.calls, figures.failures, figures.left_out) == (1, 1, 1)
    assert figures.breaker == "open"
    assert respell.replay(result.session, store=store).identical


def test_a_hook_that_loops_is_given_up(
    script: Any, store: Store, hooks: HookRegistry, greeted: list[str], gate: threading.Event
) -> None:
    def loops(context: HookContext) -> None:
        while not gate.is_set():
            time.sleep(0)

    hooks.register("AfterToolExecution", loops, time_limit_s=0.1)
    result = script(CALL, hooks=hooks)
    assert script.lines == ["hello Ann"]
    assert "given up" in calls(store, result.session)[0].error
    assert respell.replay(result.session, store=store).identical


def test_a_stuck_hook_is_not_called_again_while_a_thread_is_in_it() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    breaker.stuck_in(True)
    now[0] = 10 * HALF_OPEN_AFTER_S
    assert not breaker.lets_through()
    breaker.stuck_in(False)
    assert breaker.lets_through()


def test_three_failures_open_a_hooks_breaker(
    script: Any, store: Store, hooks: HookRegistry, greeted: list[str]
) -> None:
    tried: list[int] = []

    def fails(context: HookContext) -> None:
        tried.append(1)
        raise ValueError("oops")

    hooks.register("BeforeToolExecution", fails)
    result = script(CALL * 5, hooks=hooks)
    assert len(greeted) == 5, "a hook that fails never breaks the effect"
    assert len(tried) == FAILURES_THAT_OPEN
    found = calls(store, result.session)
    assert [it.error for it in found] == ["ValueError: oops"] * 3
    assert respell.replay(result.session, store=store).identical


def test_a_breaker_lets_one_call_through_after_fifteen_seconds() -> None:
    now = [100.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(FAILURES_THAT_OPEN):
        assert breaker.lets_through()
        breaker.failed()
    assert (breaker.state, breaker.lets_through()) == ("open", False)
    now[0] += HALF_OPEN_AFTER_S
    assert breaker.state == "half-open"
    assert breaker.lets_through()
    assert not breaker.lets_through(), "one call, not two"
    breaker.failed()
    assert (breaker.state, breaker.lets_through()) == ("open", False)
    now[0] += HALF_OPEN_AFTER_S
    assert breaker.lets_through()
    breaker.succeeded()
    assert (breaker.state, breaker.lets_through()) == ("closed", True)


def test_percentiles_are_of_the_calls_there_were() -> None:
    values = [float(it) for it in range(1, 101)]
    assert [percentile(values, it) for it in (0.5, 0.95, 0.99)] == [50, 95, 99]
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([], 0.5) is None


def test_a_result_that_makes_no_sense_is_a_failure_of_the_hook(
    script: Any, store: Store, hooks: HookRegistry, greeted: list[str]
) -> None:
    for number, nonsense in enumerate((3, {"type": "explode"}, {"type": "modified"}, object())):
        hooks.register("BeforeToolExecution", lambda _, it=nonsense: it, name=f"h{number}")
    hooks.register("BeforeStateWrite", lambda _: Modified(3), name="number")
    result = script(CALL + 'State.set("a", 1) print(State.get("a"))', hooks=hooks)
    assert script.lines == ["hello Ann", "1"]
    assert all(it.error for it in calls(store, result.session))
    assert calls(store, result.session)[1].error.startswith("a hook can't return the result 'expl")


# Hosts that die -------------------------------------------------------------------------


def begin(store: Store, folder: Path, text: str, hooks: HookRegistry) -> running.Run:
    path = folder / "main.lua"
    path.write_text(text)
    return running.start(store, Program.from_file(path), script="main.lua", hooks=hooks)


def _says_how_far(body: bytes) -> bool:
    record = Record.unpack(body)
    return record.name == STAGE or "stage" in record.metadata()


def killed_in(
    store: Store, folder: Path, text: str, hooks: HookRegistry, entered: threading.Event
) -> Any:
    """Return a session whose host was killed once a hook was entered."""
    run = begin(store, folder, text, hooks)

    def kill() -> None:
        assert entered.wait(30)
        until = time.monotonic() + 30
        while not any(_says_how_far(body) for _, body in store.history.records(run.session.key)):
            assert time.monotonic() < until
            time.sleep(0.01)
        run.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    result = run.go()
    killer.join()
    return result.session


def test_an_effect_is_not_in_doubt_while_hooks_run_before_it(
    store: Store, tmp_path: Path, greeted: list[str], gate: threading.Event
) -> None:
    entered, hooks = threading.Event(), HookRegistry()

    def think(context: HookContext) -> Modified:
        entered.set()
        gate.wait(60)
        return Modified({"name": "late"})

    hooks.register("BeforeToolExecution", think, time_limit_s=60)
    session = killed_in(store, tmp_path, CALL, hooks, entered)
    assert greeted == []
    assert in_doubt(store, store.sessions.get(session.key)) == []
    again = HookRegistry()
    again.register("BeforeToolExecution", lambda _: Modified({"name": "Bob"}), name="again")
    lines: list[bytes] = []
    done = respell.resume(
        session, store=store, hooks=again, on_output=lambda _, text: lines.append(text)
    )
    assert done.ended.status == "completed", done.ended
    assert greeted == ["Bob"]
    assert lines == [b"hello Bob"]
    assert respell.replay(done.session, store=store).identical


def test_what_was_performed_is_not_performed_again_when_hooks_were_cut_off_after_it(
    store: Store, tmp_path: Path, greeted: list[str], gate: threading.Event
) -> None:
    entered, hooks = threading.Event(), HookRegistry()

    def think(context: HookContext) -> None:
        entered.set()
        gate.wait(60)

    hooks.register("AfterToolExecution", think, time_limit_s=60)
    session = killed_in(store, tmp_path, CALL, hooks, entered)
    assert greeted == ["Ann"]
    assert in_doubt(store, store.sessions.get(session.key)) == []
    again = HookRegistry()
    again.register("AfterToolExecution", lambda c: Modified({**c.data, "result": "hi"}), name="a")
    lines: list[bytes] = []
    done = respell.resume(
        session, store=store, hooks=again, on_output=lambda _, text: lines.append(text)
    )
    assert (done.ended.status, greeted, lines) == ("completed", ["Ann"], [b"hi"])
    assert respell.replay(done.session, store=store).identical


def test_a_write_to_the_store_is_made_once_though_its_hooks_were_cut_off(
    store: Store, tmp_path: Path, gate: threading.Event
) -> None:
    entered, hooks = threading.Event(), HookRegistry()

    def think(context: HookContext) -> None:
        entered.set()
        gate.wait(60)

    hooks.register("AfterStateWrite", think, time_limit_s=60)
    text = 'State.set("n", (State.get("n") or 0) + 1) print(State.get("n"))'
    session = killed_in(store, tmp_path, text, hooks, entered)
    lines: list[bytes] = []
    done = respell.resume(session, store=store, on_output=lambda _, text: lines.append(text))
    assert (done.ended.status, lines) == ("completed", [b"1"])
    assert respell.replay(done.session, store=store).identical


def test_an_effect_in_doubt_is_performed_again_as_hooks_had_changed_it(
    store: Store, tmp_path: Path, gate: threading.Event
) -> None:
    entered, hooks, called = threading.Event(), HookRegistry(), []

    @respell.tool
    def post(to: str) -> str:
        called.append(to)
        entered.set()
        if len(called) == 1:
            gate.wait(60)
        return to

    hooks.register("BeforeToolExecution", lambda _: Modified({"to": "changed"}), name="h")
    text = 'print(Tool.invoke("post", {to = "script"}).result)'
    session = killed_in(store, tmp_path, text, hooks, entered)
    assert called == ["changed"]
    with pytest.raises(InDoubt):
        respell.resume(session, store=store)
    lines: list[bytes] = []
    done = respell.resume(
        session, store=store, settlements=Settlements(retry=frozenset({2})),
        on_output=lambda _, text: lines.append(text),
    )  # fmt: skip
    assert (done.ended.status, called, lines) == ("completed", ["changed"] * 2, [b"changed"])
    assert respell.replay(done.session, store=store).identical


def test_hooks_that_were_to_run_after_an_effect_in_doubt_run_once_it_is_settled(
    store: Store, tmp_path: Path, gate: threading.Event
) -> None:
    entered, hooks, called = threading.Event(), HookRegistry(), []

    @respell.tool
    def post(to: str) -> str:
        called.append(to)
        entered.set()
        if called.count(to) == 1:
            gate.wait(60)
        return to

    hooks.register("BeforeToolExecution", lambda _: called.append("asked"), name="before")
    hooks.register("AfterToolExecution", lambda c: Modified({**c.data, "result": "hi"}), name="a")
    text = 'print(Tool.invoke("post", {to = "script"}).result)'
    session = killed_in(store, tmp_path, text, hooks, entered)
    intents = [it for it in records(store, session) if it.part is Part.INTENT]
    assert [it.metadata() for it in intents] == [{"stage": "perform"}]
    with pytest.raises(InDoubt):
        respell.resume(session, store=store, hooks=hooks)
    lines: list[bytes] = []
    done = respell.resume(
        session, store=store, settlements=Settlements(retry=frozenset({2})), hooks=hooks,
        on_output=lambda _, text: lines.append(text),
    )  # fmt: skip
    assert (done.ended.status, lines) == ("completed", [b"hi"])
    assert called == ["asked", "script", "script"]
    assert respell.replay(done.session, store=store).identical
    assert respell.check(store=store).findings == []


def test_what_was_begun_and_never_performed_is_asked_about_when_it_is_resumed(
    script: Any, store: Store
) -> None:
    called: list[str] = []

    @respell.tool
    def post(to: str) -> str:
        if not called:
            called.append("refused")
            raise LimitReached("not today", limit="operations")
        called.append(to)
        return to

    stopped = script('print(Tool.invoke("post", {to = "script"}).result)')
    assert (stopped.ended.status, called) == ("suspended", ["refused"])
    hooks = HookRegistry()
    hooks.register("BeforeToolExecution", lambda _: Modified({"to": "hook"}), name="h")
    done = script.resume(stopped.session, hooks=hooks)
    assert (done.ended.status, called, script.lines) == ("completed", ["refused", "hook"], ["hook"])
    assert respell.replay(done.session, store=store).identical


def test_a_wait_that_a_hook_asks_for_survives_the_host(
    store: Store, tmp_path: Path, greeted: list[str]
) -> None:
    asked, hooks = threading.Event(), HookRegistry()

    def later(context: HookContext) -> Any:
        asked.set()
        return Retry(0.5, 3) if context.attempt == 1 else None

    hooks.register("BeforeToolExecution", later)
    session = killed_in(store, tmp_path, CALL, hooks, asked)
    assert greeted == []
    done = respell.resume(session, store=store, hooks=hooks)
    assert (done.ended.status, greeted) == ("completed", ["Ann"])
    assert [it.args.get("attempt", 1) for it in calls(store, done.session)] == [1, 2]
    assert respell.replay(done.session, store=store).identical


def test_a_suspend_does_not_wait_for_hooks(
    store: Store, tmp_path: Path, greeted: list[str], gate: threading.Event
) -> None:
    entered, hooks = threading.Event(), HookRegistry()

    def think(context: HookContext) -> None:
        entered.set()
        gate.wait(60)

    hooks.register("BeforeToolExecution", think, time_limit_s=60)
    run = begin(store, tmp_path, CALL, hooks)
    asker = threading.Thread(target=lambda: (entered.wait(30), run.suspend()))
    asker.start()
    result = run.go()
    asker.join()
    assert result.ended.status == "suspended"
    assert not gate.is_set()
    done = respell.resume(result.session, store=store, hooks=HookRegistry())
    assert (done.ended.status, greeted) == ("completed", ["Ann"])


# The registry ---------------------------------------------------------------------------


def test_a_name_is_unique_at_its_point(hooks: HookRegistry) -> None:
    hooks.register("BeforeToolExecution", lambda _: None, name="h")
    hooks.register("AfterToolExecution", lambda _: None, name="h")
    with pytest.raises(UsageError, match="there is a hook 'h' at BeforeToolExecution already"):
        hooks.register("tool:before_execution", lambda _: None, name="h")
    assert hooks.unregister("h", point="before_tool_execution")
    assert [it.point.name for it in hooks.list()] == ["AfterToolExecution"]
    assert hooks.unregister("h")
    assert not hooks.unregister("h")


@pytest.mark.parametrize(
    ("point", "why"),
    [
        ("BeforeToolExecutoin", "did you mean BeforeToolExecution"),
        ("WorkflowCheckpoint", "nothing fires the hook point WorkflowCheckpoint"),
        ("cpu_usage_high", "nothing fires"),
        ("BeforeWorkflowStart", "in the script's own process"),
        ("custom:", "no hook point"),
    ],
)
def test_a_point_that_nothing_fires_is_refused_by_name(
    hooks: HookRegistry, point: str, why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        hooks.register(point, lambda _: None, name="h")


def test_hooks_are_switched_off_and_on_one_by_one_and_all_together(
    script: Any, hooks: HookRegistry, greeted: list[str]
) -> None:
    ran: list[str] = []
    for name in "ab":
        hooks.register("BeforeToolExecution", lambda _, it=name: ran.append(it), name=name)
    hooks.disable("a")
    script(CALL, hooks=hooks)
    hooks.disable()
    script(CALL, hooks=hooks)
    hooks.enable()
    hooks.enable("a")
    script(CALL, hooks=hooks)
    assert ran == ["b", "a", "b"]
    with pytest.raises(UsageError, match="there is no hook 'c'"):
        hooks.disable("c")


def test_a_point_of_ones_own_tells_its_hooks(hooks: HookRegistry) -> None:
    told: list[Any] = []
    respell.hooks.register("custom:deployed", lambda c: told.append(c.data), name="tell")
    respell.hooks.register("custom:deployed", lambda c: Cancel("no"), name="cancel")
    done = respell.hooks.trigger("custom:deployed", {"to": "production"})
    assert told == [{"to": "production"}]
    assert done[0]["result"] == {"type": "continue"}
    assert done[1]["error"] == "this point only tells: a hook can't return cancel here"
    with pytest.raises(UsageError, match="only points custom:NAME"):
        respell.hooks.trigger("BeforeToolExecution")


def test_without_a_hook_at_its_points_an_effect_is_recorded_as_ever(
    script: Any, store: Store, hooks: HookRegistry
) -> None:
    hooks.register("BeforeToolExecution", lambda _: None, name="h")
    result = script('State.set("a", 1) print(State.get("a"))', hooks=hooks)
    names = [it.name for it in respell.events(result.session, store=store)]
    assert names == [
        "lifecycle.start",
        "state.set",
        "state.get",
        "output.line",
        "lifecycle.complete",
    ]
