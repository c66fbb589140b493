"""Hooks run in the thread of the host's loop; where one takes long, another thread goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.engine.relief import Relief
from respell.hooks import HookContext, HookRegistry
from respell.store import Store

WITHIN_S = 60


@pytest.fixture
def hooks() -> HookRegistry:
    return HookRegistry()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a stuck hook waits for; it is let go at the end."""
    event = threading.Event()
    yield event
    event.set()


def test_hooks_run_in_the_thread_of_the_loop_once_there_are_some(
    script: Any, hooks: HookRegistry
) -> None:
    threads: list[str] = []
    hooks.register(
        "BeforeStateWrite", lambda _: threads.append(threading.current_thread().name), name="where"
    )
    script("for i = 1, 20 do State.set('key', i) end", hooks=hooks)
    assert threads[0] == "respell-hooks"
    assert "respell-loop" in threads[1:]


def test_a_hook_that_hangs_in_the_loops_thread_is_given_up(
    script: Any, store: Store, hooks: HookRegistry, gate: threading.Event
) -> None:
    seen: list[Any] = []

    def third(context: HookContext) -> None:
        seen.append(context.data["value"])
        if len(seen) == 3:
            gate.wait(WITHIN_S)

    hooks.register("BeforeStateWrite", third, time_limit_s=0.2)
    result = script("for i = 1, 6 do State.set('key', i) end print(State.get('key'))", hooks=hooks)
    assert script.lines == ["6"]
    assert seen == [1, 2, 3], "its breaker is open: a thread is stuck in it"
    (error,) = [
        it.error for it in respell.events(result.session, store=store)
        if it.name == "hook.call" and it.error
    ]  # fmt: skip
    assert error == "it took longer than 0.2 s and was given up"
    assert respell.replay(result.session, store=store).identical


@pytest.mark.parametrize("point", ["BeforeToolExecution", "AfterToolExecution"])
def test_what_came_along_with_a_call_is_not_lost_when_its_hook_holds_up_the_loop(
    script: Any, store: Store, hooks: HookRegistry, point: str
) -> None:
    """Three branches call at once; no hook comes back before all three are in theirs."""
    together = threading.Barrier(3)

    def meets(context: HookContext) -> None:
        if context.component == "greet":
            together.wait(WITHIN_S)

    @respell.tool
    def greet(name: str) -> str:
        return f"hello {name}"

    @respell.tool
    def nothing() -> None:
        """Let the host know that there are hooks."""

    hooks.register(point, meets, time_limit_s=WITHIN_S)
    result = script(
        """
        Tool.invoke("nothing", {})
        local branches = {}
        for _, name in ipairs{"Ann", "Bob", "Cid"} do
          branches[#branches + 1] = {name = name, steps = {
            function() return Tool.invoke("greet", {name = name}).result end}}
        end
        local done = Workflow.parallel{branches = branches}:execute()
        print(done.success, State.get("key"))
        """,
        hooks=hooks,
    )
    assert script.lines == ["true\tnil"]
    assert respell.replay(result.session, store=store).identical


def test_a_loop_is_gone_on_with_where_a_hook_left_it() -> None:
    stuck, later = threading.Event(), threading.Event()
    steps: list[str] = []
    queue = ["a", "hook", "b", "c"]
    relief = Relief(lambda: None)

    def loop() -> None:
        while queue:
            step = queue.pop(0)
            if step == "hook":
                relief.inside(held_up, lambda: steps.append("late"))
                steps.append("never")
            steps.append(step)

    def held_up() -> None:
        stuck.wait(WITHIN_S)
        later.set()

    relief.run(loop)
    assert steps == ["a", "late", "b", "c"]
    stuck.set()
    assert later.wait(WITHIN_S)


def test_what_goes_wrong_in_the_loop_is_raised_where_it_is_waited_for() -> None:
    relief = Relief(lambda: None)

    def loop() -> None:
        relief.inside(lambda: None, lambda: None)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        relief.run(loop)


INTERRUPTED = """
import sys, threading, respell
from respell.hooks import HookRegistry
hooks, calls = HookRegistry(), []
def hook(context):
    calls.append(1)
    if len(calls) == 3:
        print("in the hook" if sys.argv[2] == "hangs" else "in the loop", flush=True)
        if sys.argv[2] == "hangs":
            threading.Event().wait()
hooks.register("BeforeStateWrite", hook, time_limit_s=600)
try:
    respell.run("script.lua", store=respell.Store(sys.argv[1]), hooks=hooks)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("how", ["hangs", "goes on"])
def test_who_is_interrupted_while_it_waits_ends_the_loop(tmp_path: Path, how: str) -> None:
    (tmp_path / "script.lua").write_text("while true do State.set('key', 1) end")
    program = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path / "store"), how],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("in the")
        program.send_signal(signal.SIGINT)
        said, _ = program.communicate(timeout=WITHIN_S)
    assert (program.returncode, said) == (0, "interrupted\n")
