"""Hooks around operations on sessions, of Python, of the command line and of a host."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import respell
from respell import config_file
from respell.engine.run import RunResult
from respell.errors import HookCancelled, InvalidTransition, SessionBusy
from respell.hooks import (
    Cancel,
    Fork,
    HookContext,
    HookRegistry,
    Modified,
    Redirect,
    Replace,
    Retry,
)
from respell.store import Store
from stories import respell as command


def cancelling(point: str) -> None:
    respell.hooks.register(point, lambda _: Cancel("not now"), name="guard")


def calls(store: Store, session: Any) -> list[tuple[str, str]]:
    found = respell.events(session.id, store=store)
    return [(it.args["point"], it.args["hook"]) for it in found if it.name == "hook.call"]


OPERATIONS: list[tuple[str, str, Callable[[respell.Session], object]]] = [
    ("SessionCheckpoint", "active", lambda s: s.suspend()),
    ("SessionEnd", "active", lambda s: s.complete()),
    ("SessionEnd", "active", lambda s: s.fail("broken")),
    ("SessionRestore", "suspended", lambda s: s.resume()),
    ("SessionArchive", "completed", lambda s: s.archive()),
    ("SessionDelete", "completed", lambda s: s.delete()),
]


def in_status(store: Store, status: str) -> respell.Session:
    session = respell.create(store=store, name="s")
    if status == "suspended":
        session.suspend()
    elif status == "completed":
        session.complete()
    return session


@pytest.mark.parametrize(("point", "status", "operation"), OPERATIONS)
def test_a_hook_cancels_an_operation_and_nothing_is_half_done(
    store: Store, point: str, status: str, operation: Callable[[respell.Session], object]
) -> None:
    session = in_status(store, status)
    before = session.record
    cancelling(point)
    with pytest.raises(HookCancelled, match="cancelled by guard: not now") as caught:
        operation(session)
    assert (caught.value.hook, caught.value.reason) == ("guard", "not now")
    assert session.record == before
    assert store.leases.holder(before.key) is None
    respell.hooks.disable("guard")
    operation(session)
    respell.hooks.enable("guard")
    assert respell.check(store=store).findings == []


@pytest.mark.parametrize(("point", "status", "operation"), OPERATIONS)
def test_a_hook_that_agrees_is_recorded_with_the_operation(
    store: Store, point: str, status: str, operation: Callable[[respell.Session], object]
) -> None:
    session = in_status(store, status)
    told: list[Any] = []
    respell.hooks.register(point, lambda c: told.append((c.component, c.data["status"])), name="h")
    operation(session)
    assert told == [(session.id, status)]
    if point != "SessionDelete":
        assert calls(store, session) == [(point, "h")]
    assert respell.check(store=store).findings == []


@pytest.mark.parametrize(
    ("point", "status", "operation"),
    [
        ("SessionCheckpoint", "suspended", lambda s: s.suspend()),
        ("SessionEnd", "completed", lambda s: s.complete()),
        ("SessionEnd", "completed", lambda s: s.fail()),
        ("SessionRestore", "active", lambda s: s.resume()),
        ("SessionArchive", "active", lambda s: s.archive()),
    ],
)
def test_the_original_fired_hooks_for_transitions_that_were_refused(
    store: Store, point: str, status: str, operation: Callable[[respell.Session], object]
) -> None:
    """v0.6.0 ran the hooks before it looked whether the transition is legal."""
    session = in_status(store, status)
    fired: list[str] = []
    respell.hooks.register(point, lambda c: fired.append(c.point), name="h")
    with pytest.raises(InvalidTransition):
        operation(session)
    assert fired == []


def test_no_hook_is_asked_about_a_session_that_somebody_else_runs(store: Store) -> None:
    session = respell.create(store=store)
    lease = store.leases.acquire(session.record.key)
    fired: list[str] = []
    respell.hooks.register("SessionEnd", lambda c: fired.append(c.point), name="h")
    with pytest.raises(SessionBusy):
        session.complete()
    assert fired == []
    store.leases.release(session.record.key, lease)


def test_a_session_that_a_hook_does_not_want_is_not_created(
    script: Any, store: Store, tmp_path: Path
) -> None:
    cancelling("session:start")
    for create in (
        lambda: respell.create(store=store),
        lambda: respell.builder(store=store).name("x").build(),
        lambda: script("print(1)"),
    ):
        with pytest.raises(HookCancelled):
            create()
    assert respell.list_sessions(store=store) == []
    assert script.lines == []


def test_a_hook_may_change_what_a_new_session_is_called(script: Any, store: Store) -> None:
    def tagged(context: HookContext) -> Modified:
        return Modified({"tags": [*context.data["tags"], "audited"], "name": "better"})

    respell.hooks.register("SessionStart", tagged)
    first = respell.create(store=store, tags=["a"])
    second = respell.session(script("print(1)", tags=["b"]).session, store=store)
    assert (first.name, first.tags) == ("better", ["a", "audited"])
    assert (second.name, second.tags) == ("better", ["b", "audited"])
    assert calls(store, first) == calls(store, second) == [("SessionStart", "tagged")]
    assert second.replay().identical


def test_a_hook_may_change_why_a_session_fails_redirect_or_replace_its_end(store: Store) -> None:
    def decide(result: Any) -> respell.Session:
        session = respell.create(store=store)
        hook = respell.hooks.register("SessionEnd", lambda _: result, name="h")
        session.complete()
        respell.hooks.unregister(hook)
        return session

    assert decide(Redirect("fail")).status == "failed"
    assert decide(Replace(None)).status == "active"
    assert decide(Redirect("dance")).status == "completed", (
        "a hook that makes no sense is passed by"
    )
    assert decide(Fork([])).status == "completed"
    session = respell.create(store=store)
    respell.hooks.register("SessionEnd", lambda _: Modified({"reason": "because"}), name="h")
    session.fail("no idea")
    assert (session.error or {})["message"] == "because"


def test_a_hook_may_have_an_operation_tried_again(store: Store) -> None:
    session = respell.create(store=store)
    attempts: list[int] = []

    def patient(context: HookContext) -> Any:
        attempts.append(context.attempt)
        return Retry(0, 5) if context.attempt < 3 else None

    respell.hooks.register("SessionEnd", patient)
    session.complete()
    assert (attempts, session.status) == ([1, 2, 3], "completed")
    respell.hooks.unregister("patient")
    other = respell.create(store=store)
    respell.hooks.register("SessionEnd", lambda _: Retry(0, 2), name="never")
    with pytest.raises(HookCancelled, match="still asks to try again after 2 attempts"):
        other.complete()


def test_a_resume_that_a_hook_cancels_leaves_the_session_suspended(
    script: Any, store: Store
) -> None:
    suspended = script("print(Session.suspend())")
    cancelling("SessionRestore")
    with pytest.raises(HookCancelled):
        script.resume(suspended.session, value=1)
    session = respell.session(suspended.session, store=store)
    assert session.status == "suspended"
    respell.hooks.disable("guard")
    done = script.resume(suspended.session, value=2)
    assert (done.ended.status, script.lines) == ("completed", ["2"])
    assert session.replay().identical


def test_a_suspend_of_the_running_program_can_be_cancelled(script: Any, store: Store) -> None:
    cancelling("SessionCheckpoint")
    result: RunResult = script("print(pcall(Session.suspend))")
    assert script.lines == ["false\tmain.lua:1: cancelled by guard: not now"]
    assert result.ended.status == "completed"
    assert respell.session(result.session, store=store).replay().identical


def test_a_suspend_that_hooks_agree_to_goes_on_as_ever(script: Any, store: Store) -> None:
    told: list[Any] = []
    respell.hooks.register("SessionCheckpoint", lambda c: told.append(c.data), name="h")
    suspended = script('print(Session.suspend{prompt = "well?"})')
    assert (suspended.ended.status, told) == ("suspended", [{"prompt": "well?"}])
    done = script.resume(suspended.session, value="yes")
    assert (done.ended.status, script.lines) == ("completed", ["yes"])
    assert respell.session(done.session, store=store).replay().identical


def test_a_hosts_run_tells_its_beginning_and_its_end(script: Any, store: Store) -> None:
    hooks, told = HookRegistry(), []
    for point in ("SystemStartup", "SessionEnd", "SystemShutdown"):
        hooks.register(point, lambda c: told.append((c.point, c.data.get("status"))), name="h")
    result = script("print(1)", hooks=hooks)
    expected = [
        ("SystemStartup", "active"),
        ("SessionEnd", "completed"),
        ("SystemShutdown", "completed"),
    ]
    assert told == expected
    assert [point for point, _ in calls(store, result.session)] == [point for point, _ in expected]
    assert respell.session(result.session, store=store).replay().identical


def test_a_refusal_and_a_limit_are_told(script: Any, store: Store) -> None:
    hooks, told = HookRegistry(), []
    hooks.register("SecurityViolation", lambda c: told.append((c.effect, c.data["flag"])), name="h")
    hooks.register("ResourceLimitExceeded", lambda c: told.append(c.component), name="h")
    result = script(
        'pcall(os.execute, "true") for i = 1, 9 do State.get("a") end',
        limits={"operations": 4}, hooks=hooks,
    )  # fmt: skip
    assert result.ended.limit == "operations"
    assert [it[0] if isinstance(it, tuple) else it for it in told] == [
        "process.execute",
        "operations",
    ]


def test_a_setting_that_is_written_is_told(tmp_path: Path) -> None:
    told: list[Any] = []
    respell.hooks.register("ConfigurationChange", lambda c: told.append(c.data), name="h")
    config_file.set_value(tmp_path / "respell.toml", "artifacts.collect_sampling", 0.5)
    assert [(it["key"], it["value"]) for it in told] == [("artifacts.collect_sampling", 0.5)]


PLUGIN = """
import respell

@respell.hook("SessionArchive")
def keep(context):
    return "not from here"
"""


def test_hooks_of_an_installed_package_hold_for_the_command_line_too(
    store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "installed"
    info = folder / "keeper-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "keeper.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: keeper\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[respell.hooks]\nkeep = keeper\n")
    session = respell.create(store=store)
    session.complete()
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = command("archive", session.id, store=Path(store.path), PYTHONPATH=path)
    assert done.returncode == 1
    assert "cancelled by keep: not from here" in done.stderr
    assert session.status == "completed"
    assert command("archive", session.id, store=Path(store.path)).returncode == 0
    assert session.status == "archived", sys.path
