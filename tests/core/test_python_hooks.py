"""Hooks written in Python: each of the nine results, live and at replay, alone and in chains."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import respell
from respell.engine.run import RunResult
from respell.history.events import Event
from respell.history.record import Part, Record
from respell.hooks import (
    Cache,
    Cancel,
    Continue,
    Fork,
    HookContext,
    HookRegistry,
    Modified,
    Redirect,
    Replace,
    Retry,
    Skipped,
)
from respell.store import Store

CALL = 'print(pcall(function() return Tool.invoke("greet", {name = "Ann"}).result end))'


@pytest.fixture
def hooks() -> HookRegistry:
    return HookRegistry()


@pytest.fixture
def greetings() -> list[str]:
    """Two tools that greet, and whom they greeted."""
    greeted: list[str] = []

    @respell.tool
    def greet(name: str) -> str:
        greeted.append(name)
        return f"hello {name}"

    @respell.tool
    def shout(name: str) -> str:
        greeted.append(name.upper())
        return f"HELLO {name.upper()}"

    return greeted


def replays(store: Store, result: RunResult) -> None:
    """Fail unless the session replays identically; no hook is called for that."""
    again = respell.replay(result.session, store=store)
    assert again.identical, again.divergence
    assert respell.check(store=store).findings == []


def hook_calls(store: Store, result: RunResult) -> list[Event]:
    found = respell.events(result.session, store=store)
    return [event for event in found if event.name == "hook.call"]


BEFORE: list[tuple[Any, str, list[str]]] = [
    (Continue(), "true\thello Ann", ["Ann"]),
    (None, "true\thello Ann", ["Ann"]),
    (Modified({"name": "Bob"}), "true\thello Bob", ["Bob"]),
    (Replace({"result": "nobody"}), "true\tnobody", []),
    (Cancel("too early"), "false\tmain.lua:1: cancelled by hook: too early", []),
    ("too early", "false\tmain.lua:1: cancelled by hook: too early", []),
    (Redirect("shout"), "true\tHELLO ANN", ["ANN"]),
    (
        Retry(0, 2),
        "false\tmain.lua:1: cancelled by hook: it still asks to try again after 2 attempts",
        [],
    ),
    (Fork([{"tool": "shout", "params": {"name": "Bob"}}]), "true\thello Ann", ["Ann", "BOB"]),
    (Cache("greeting", 60), "true\thello Ann", ["Ann"]),
    (Skipped("not today"), "true\thello Ann", ["Ann"]),
    ({"type": "modified", "data": {"name": "Eve"}}, "true\thello Eve", ["Eve"]),
]


@pytest.mark.parametrize(("decision", "line", "greeted"), BEFORE)
def test_each_result_does_at_a_before_point_what_it_says(
    script: Any, store: Store, hooks: HookRegistry, greetings: list[str],
    decision: Any, line: str, greeted: list[str],
) -> None:  # fmt: skip
    hooks.register("BeforeToolExecution", lambda _: decision, name="hook")
    result = script(CALL, hooks=hooks)
    assert script.lines == [line]
    assert sorted(greetings) == sorted(greeted)
    replays(store, result)
    assert sorted(greetings) == sorted(greeted), "a replay called a tool"


def test_a_result_with_a_field_too_many_still_decides(
    script: Any, store: Store, hooks: HookRegistry, greetings: list[str]
) -> None:
    """A misspelt reason must not turn a cancel into a failed hook, which lets the call happen."""
    hooks.register("BeforeToolExecution", lambda _: {"type": "cancel", "reson": "too late"})
    in_python = script(CALL, hooks=hooks)
    in_lua = script(
        'Hook.register("BeforeToolExecution", function()\n'
        '  return {type = "cancel", reson = "too late"}\nend)\n' + CALL
    )
    assert greetings == []
    assert [line.split("\t")[0] for line in script.lines] == ["false", "false"]
    assert all("cancelled by" in line for line in script.lines)
    replays(store, in_python)
    replays(store, in_lua)


def test_what_a_hook_makes_of_a_list_has_to_be_one(
    script: Any, store: Store, hooks: HookRegistry
) -> None:
    def odd(context: HookContext) -> Modified | None:
        return Modified([5]) if context.effect == "artifact.list" else None

    hooks.register("AfterEffect", odd)
    replays(store, script("print(pcall(Artifact.list))", hooks=hooks))
    assert script.lines == [
        "false\tmain.lua:1: Artifact.list: hooks made its outcome another table; "
        "it must be a list of artifacts, each with its id"
    ]


AFTER: list[tuple[Any, str, list[str]]] = [
    (Continue(), "true\thello Ann", ["Ann"]),
    (Modified({"result": "hi"}), "true\thi", ["Ann"]),
    (Replace({"result": "hi"}), "true\thi", ["Ann"]),
    (Cancel("rude"), "false\tmain.lua:1: cancelled by hook: rude", ["Ann"]),
    (Redirect("shout"), "true\thello Ann", ["Ann"]),  # refused: the hook counts as failing
    (Retry(0, 3), "true\thello Ann", ["Ann", "Ann", "Ann"]),
    (Fork([{"tool": "shout", "params": {"name": "Bob"}}]), "true\thello Ann", ["Ann", "BOB"]),
    (Cache("greeting"), "true\thello Ann", ["Ann"]),
    (Skipped(), "true\thello Ann", ["Ann"]),
]


@pytest.mark.parametrize(("decision", "line", "greeted"), AFTER)
def test_each_result_does_at_an_after_point_what_it_says(
    script: Any, store: Store, hooks: HookRegistry, greetings: list[str],
    decision: Any, line: str, greeted: list[str],
) -> None:  # fmt: skip
    hooks.register("AfterToolExecution", lambda _: decision, name="hook")
    result = script(CALL, hooks=hooks)
    assert script.lines == [line]
    assert sorted(greetings) == sorted(greeted)
    replays(store, result)
    assert sorted(greetings) == sorted(greeted), "a replay called a tool"


def test_the_same_holds_for_what_changes_the_store(
    script: Any, store: Store, hooks: HookRegistry
) -> None:
    def twice(context: HookContext) -> Modified:
        return Modified({**context.data, "value": context.data["value"] * 2})

    hooks.register("BeforeStateWrite", twice)
    hooks.register("AfterStateWrite", lambda _: Modified("kept"), name="say")
    hooks.register("AfterStateRead", lambda c: Modified(c.data + 1), name="more")
    result = script('State.set("n", 4) print(State.get("n"))', hooks=hooks)
    assert script.lines == ["9"]
    assert respell.session(result.session, store=store).state["n"] == 8
    replays(store, result)


def test_a_write_that_a_hook_cancels_or_replaces_is_not_made(
    script: Any, store: Store, hooks: HookRegistry
) -> None:
    @respell.hook("before_state_write", name="guard")
    def guard(context: HookContext) -> Any:
        key = context.component
        return Cancel("read only") if key == "a" else Replace(None) if key == "b" else None

    result = script(
        'print(pcall(State.set, "a", 1)) State.set("b", 1) State.set("c", 1)'
        ' print(State.get("a"), State.get("b"), State.get("c"))'
    )
    assert script.lines == ["false\tmain.lua:1: cancelled by guard: read only", "nil\tnil\t1"]
    replays(store, result)


def test_a_chain_runs_by_priority_and_each_hook_sees_what_the_one_before_made(
    script: Any, store: Store, hooks: HookRegistry, greetings: list[str]
) -> None:
    def adding(letter: str) -> Callable[[HookContext], Any]:
        return lambda c: Modified({"name": c.data["name"] + letter})

    for letter, priority in (("c", "low"), ("b", "normal"), ("a", -500), ("d", "lowest")):
        hooks.register("tool:before_execution", adding(letter), name=letter, priority=priority)
    result = script(CALL, hooks=hooks)
    assert greetings == ["Annabcd"]
    calls = hook_calls(store, result)
    assert [call.args["hook"] for call in calls] == ["a", "b", "c", "d"]
    effect = next(
        it for it in respell.events(result.session, store=store) if it.name == "tool.invoke"
    )
    assert {call.parent for call in calls} == {effect.number}
    assert effect.args["params"] == {"name": "Ann"}, "the script's own arguments are kept"
    replays(store, result)


def test_after_a_replace_or_a_cancel_later_hooks_of_the_point_do_not_run(
    script: Any, hooks: HookRegistry, greetings: list[str]
) -> None:
    later: list[str] = []
    hooks.register("BeforeToolExecution", lambda _: Replace({"result": 1}), name="first")
    hooks.register("BeforeToolExecution", lambda c: later.append(c.point), name="second")
    hooks.register("AfterToolExecution", lambda c: later.append(c.point), name="third")
    script(CALL, hooks=hooks)
    assert later == []


def test_what_is_cached_is_used_by_the_next_session_too(
    script: Any, store: Store, hooks: HookRegistry, greetings: list[str]
) -> None:
    hooks.register(
        "BeforeToolExecution", lambda c: Cache(f"greet {c.data['name']}", 3600), name="c"
    )
    first, second = script(CALL, hooks=hooks), script(CALL, hooks=hooks)
    assert script.lines == ["true\thello Ann"] * 2
    assert greetings == ["Ann"]
    replays(store, first)
    replays(store, second)


def test_a_hook_retries_what_failed_as_attempts_of_one_event(
    script: Any, store: Store, hooks: HookRegistry
) -> None:
    tried: list[int] = []

    @respell.tool
    def flaky() -> str:
        tried.append(1)
        if len(tried) < 3:
            raise RuntimeError("not yet")
        return "now"

    hooks.register("ToolError", lambda _: Retry(0.01, 5), name="again")
    result = script('print(Tool.invoke("flaky").result)', hooks=hooks)
    assert script.lines == ["now"]
    effect = next(
        it for it in respell.events(result.session, store=store) if it.name == "tool.invoke"
    )
    assert effect.attempts == 3
    replays(store, result)


def test_an_error_can_be_replaced_by_an_outcome(
    script: Any, store: Store, hooks: HookRegistry
) -> None:
    @respell.tool
    def broken() -> str:
        raise RuntimeError("out of order")

    told: list[Any] = []

    def instead(context: HookContext) -> Replace:
        told.append(context.data)
        return Replace({"result": "spare"})

    hooks.register("tool:error", instead)
    result = script('print(Tool.invoke("broken").result)', hooks=hooks)
    assert script.lines == ["spare"]
    assert told == [
        {"error": "Tool 'broken' failed: RuntimeError: out of order", "class": "EffectFailed"}
    ]
    replays(store, result)


def test_an_operation_beside_an_effect_is_an_event_inside_of_it(
    script: Any, store: Store, hooks: HookRegistry, greetings: list[str]
) -> None:
    hooks.register(
        "AfterToolExecution",
        lambda _: Fork(
            [
                {"tool": "shout", "params": {"name": "Bob"}},
                {"effect": "state.set", "args": {"key": "n", "value": 1}},
                {"tool": "no such tool"},
            ]
        ),
        name="both",
    )
    result = script(CALL + ' print(State.get("n"))', hooks=hooks)
    assert script.lines == ["true\thello Ann", "1"]
    beside = [it for it in respell.events(result.session, store=store) if it.name == "hook.fork"]
    assert sorted(str(it.args["effect"]) for it in beside) == [
        "state.set",
        "tool.invoke",
        "tool.invoke",
    ]
    assert {it.parent for it in beside} == {2}
    failed = next(it for it in beside if it.args["args"].get("name") == "no such tool")
    assert failed.error is not None
    assert "not found" in failed.error
    replays(store, result)


def test_no_hook_is_asked_about_what_is_refused_anyway(
    script: Any, store: Store, hooks: HookRegistry, greetings: list[str]
) -> None:
    asked: list[str] = []
    for point in ("BeforeToolExecution", "BeforeStateWrite", "SessionSave", "SessionEnd"):
        hooks.register(point, lambda c: asked.append(f"{c.point} {c.effect}"), name="asked")
    script(
        """
        print((pcall(Tool.invoke, "greet", {nme = "Ann"})))
        print((pcall(Tool.invoke, "no such tool")))
        print((pcall(State.set, "sesion:x", "a", 1)))
        print((pcall(Session.save, "no such session")))
        local s = Session.create{name = "other"}
        Session.complete(s)
        print((pcall(Session.complete, s)))
        """,
        hooks=hooks,
    )
    assert script.lines == ["false"] * 5
    # For the one that was possible, and for the program's own end.
    assert asked == ["SessionEnd session.complete", "SessionEnd SessionEnd"]


def test_the_original_fired_before_it_validated_a_transition(
    script: Any, hooks: HookRegistry
) -> None:
    """v0.6.0 fired SessionCheckpoint also for a session that could not be suspended."""
    fired: list[str] = []
    hooks.register("SessionCheckpoint", lambda c: fired.append(c.component), name="h")
    script(
        """
        local s = Session.create{name = "other"}
        Session.complete(s)
        print((pcall(Session.suspend, s)))
        """,
        hooks=hooks,
    )
    assert script.lines == ["false"]
    assert fired == []


def test_the_original_ignored_what_hooks_returned(
    script: Any, store: Store, hooks: HookRegistry
) -> None:
    """v0.6.0 called lifecycle hooks and dropped their results; here a cancel counts."""
    hooks.register("SessionEnd", lambda c: Cancel("not finished"), name="h")
    result = script(
        """
        local s = Session.create{name = "other"}
        print(pcall(Session.complete, s))
        print(Session.get(s).status)
        """,
        hooks=hooks,
    )
    assert script.lines == ["false\tmain.lua:3: cancelled by h: not finished", "active"]
    replays(store, result)


def test_the_original_dropped_hook_executions(
    script: Any, store: Store, hooks: HookRegistry, greetings: list[str]
) -> None:
    """v0.6.0 had the code that keeps them commented out: no session could be replayed."""
    hooks.register("BeforeToolExecution", lambda _: None, name="h")
    result = script(CALL, hooks=hooks)
    (call,) = hook_calls(store, result)
    assert call.args == {"hook": "h", "point": "BeforeToolExecution", "language": "python"}
    assert call.outcome["type"] == "continue"
    assert call.outcome["us"] >= 0
    assert call.kind == "hook"


def test_hooks_in_lua_are_inside_of_those_in_python_or_around_them(
    script: Any, store: Store, hooks: HookRegistry, greetings: list[str]
) -> None:
    """The script's own arguments go through its hooks first, its outcome through them last."""
    hooks.register(
        "BeforeToolExecution", lambda c: Modified({"name": c.data["name"] + "2"}), name="p"
    )
    hooks.register(
        "AfterToolExecution",
        lambda c: Modified({**c.data, "result": c.data["result"] + "3"}),
        name="p",
    )
    result = script(
        """
        Hook.register("BeforeToolExecution", function(c)
          return {type = "modified", data = {name = c.data.name .. "1"}}
        end)
        Hook.register("AfterToolExecution", function(c)
          c.data.result = c.data.result .. "4"
          return {type = "modified", data = c.data}
        end)
        """
        + CALL,
        hooks=hooks,
    )
    assert script.lines == ["true\thello Ann1234".replace("1234", "1234")]
    assert greetings == ["Ann12"]
    replays(store, result)


def test_a_hook_may_call_the_tool_that_it_hooks(
    script: Any, store: Store, greetings: list[str], tmp_path: Any
) -> None:
    """It runs a script that calls it; around that call it is not called itself."""
    inner = tmp_path / "inner.lua"
    inner.write_text('Tool.invoke("greet", {name = "inner"})')
    entered: list[str] = []

    @respell.hook("BeforeToolExecution")
    def nested(context: HookContext) -> None:
        entered.append(context.data["name"])
        respell.run(inner, store=store)

    result = script(CALL)
    assert entered == ["Ann"]
    assert greetings == ["inner", "Ann"]
    replays(store, result)


def test_a_hook_knows_for_which_session_it_runs(
    script: Any, hooks: HookRegistry, greetings: list[str]
) -> None:
    seen: list[Any] = []

    def look(context: HookContext) -> None:
        current = respell.current()
        assert current is not None
        seen.append((current.id, context.session_id, context.component_id, context.arguments))

    hooks.register("AfterToolExecution", look)
    result = script(CALL, hooks=hooks)
    arguments = {"name": "greet", "params": {"name": "Ann"}}
    component = {"type": "tool", "name": "greet"}
    assert seen == [(result.session.id, result.session.id, component, arguments)]


def test_two_sessions_at_once_each_have_their_own_hooks(
    store: Store, tmp_path: Any, greetings: list[str]
) -> None:
    (tmp_path / "main.lua").write_text('for i = 1, 20 do Tool.invoke("greet", {name = "x"}) end')
    results: dict[str, RunResult] = {}
    seen: dict[str, set[str]] = {"a": set(), "b": set()}

    def go(name: str) -> None:
        hooks = HookRegistry()
        hooks.register("BeforeToolExecution", lambda c: seen[name].add(c.session_id), name="h")
        results[name] = respell.run(tmp_path / "main.lua", store=store, hooks=hooks)

    threads = [threading.Thread(target=go, args=(name,)) for name in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, result in results.items():
        assert seen[name] == {result.session.id}
        assert len(hook_calls(store, result)) == 20
        replays(store, result)


def test_what_hooks_made_of_an_outcome_is_what_is_collected(
    script: Any, store: Store, hooks: HookRegistry, greetings: list[str]
) -> None:
    hooks.register(
        "AfterToolExecution", lambda c: Modified({**c.data, "result": "hidden"}), name="h"
    )
    result = script(CALL, hooks=hooks)
    (kept,) = respell.session(result.session, store=store).artifacts.list()
    assert "auto-collected" in kept.tags
    content = respell.session(result.session, store=store).artifacts.get(kept.id)
    assert "hello Ann" not in str(content)


def test_hooks_around_every_effect_are_outside_of_those_of_its_own_points(
    script: Any, store: Store, hooks: HookRegistry, greetings: list[str]
) -> None:
    order: list[str] = []
    for point in ("BeforeEffect", "BeforeToolExecution", "AfterToolExecution", "AfterEffect"):
        hooks.register(point, lambda c: order.append(c.point), name="h")
    script(CALL, hooks=hooks)
    assert order == ["BeforeEffect", "BeforeToolExecution", "AfterToolExecution", "AfterEffect"]


def test_parallel_branches_go_on_while_a_hook_is_slow(
    script: Any, store: Store, hooks: HookRegistry, greetings: list[str]
) -> None:
    other_done = threading.Event()

    def slow(context: HookContext) -> None:
        if context.data["name"] == "slow":
            assert other_done.wait(30)

    hooks.register("BeforeToolExecution", slow, time_limit_s=60)
    hooks.register(
        "AfterToolExecution", lambda c: other_done.set() if "quick" in c.data["result"] else None,
        name="done",
    )  # fmt: skip
    result = script(
        """
        Workflow.parallel{branches = {
          function() Tool.invoke("greet", {name = "slow"}) end,
          function() Tool.invoke("greet", {name = "quick"}) end,
        }}:execute()
        """,
        hooks=hooks,
    )
    assert result.ended.status == "completed", result.ended
    assert greetings == ["quick", "slow"]
    replays(store, result)


def test_a_fork_has_what_was_really_written(script: Any, store: Store, hooks: HookRegistry) -> None:
    """What hooks made of the arguments is done again on the fork's copies, not what was asked."""
    beside = Fork([{"effect": "state.set", "args": {"key": "log", "value": "written"}}])

    def changed(context: HookContext) -> Any:
        key = context.component
        if key == "a":
            return Modified({**context.data, "value": "by the hook"})
        return Cancel("no") if key == "b" else beside if key == "c" else None

    hooks.register("BeforeStateWrite", changed)
    hooks.register("AfterStateWrite", lambda _: Cancel("told too late"), name="late")
    hooks.register("SessionStart", lambda _: None, name="seen")
    result = script(
        """
        pcall(State.set, "a", "by the script")
        pcall(State.set, "b", "by the script")
        pcall(State.set, "c", "by the script")
        local child = Session.create{name = "child"}
        print(Session.get(child).name)
        Session.suspend()
        """,
        hooks=hooks,
    )
    assert script.lines == ["child"]
    last = respell.session(result.session, store=store).record.events - 1
    fork = respell.session(result.session, store=store).fork(last)
    assert dict(fork.state) == {"a": "by the hook", "c": "by the script", "log": "written"}
    replays(store, result)


def test_a_simulation_answers_with_what_hooks_made_of_outcomes(
    script: Any, store: Store, hooks: HookRegistry
) -> None:
    def twice(context: HookContext) -> Any:
        if context.component == "n":
            return Modified({**context.data, "value": context.data["value"] * 2})
        return None

    hooks.register("BeforeStateWrite", twice)
    result = script(
        'State.set("n", 4) State.set("m", 1) print(State.get("n"), State.get("m"))', hooks=hooks
    )
    assert script.lines == ["8\t1"]
    simulated = respell.replay(result.session, store=store, mode="simulate")
    assert simulated.identical, simulated.divergence


def test_what_hooks_leave_as_it_is_is_recorded_as_if_they_were_not_there(
    script: Any, store: Store, hooks: HookRegistry
) -> None:
    text = """
        State.set("n", 4)
        print(State.get("n"), pcall(State.set, "", 1))
        Session.suspend()
        print(State.get("m"))
    """

    def effects(result: RunResult) -> list[tuple[Any, ...]]:
        records = (Record.unpack(it) for _, it in store.history.records(result.session.key))
        return [
            (it.part, it.ordinal, it.name, it.args, it.status, it.outcome)
            for it in records
            if it.name.startswith("state.")
        ]

    def look(context: HookContext) -> None:
        seen.append(context.effect)

    seen: list[str] = []
    plain = script(text)
    hooks.register("BeforeEffect", look)
    hooks.register("AfterStateRead", look)
    hooked = script(text, hooks=hooks)
    assert seen == ["state.set", "state.get", "state.get", "session.suspend"]
    assert effects(hooked) == effects(plain)
    assert {it[0] for it in effects(hooked)} == {Part.EFFECT}
    assert [it.parent for it in hook_calls(store, hooked)] == [2, 4, 4, 9]
    fork = respell.session(hooked.session, store=store).fork(6)
    assert dict(fork.state) == {"n": 4}
    done = script.resume(hooked.session, hooks=hooks)
    simulated = respell.replay(done.session, store=store, mode="simulate")
    assert simulated.identical, simulated.divergence
    replays(store, done)


def test_an_effect_that_hooks_hold_up_is_on_disk_before_they_have_ended(
    script: Any, store: Store, hooks: HookRegistry
) -> None:
    """A hook that takes longer than a batch: others see what has begun."""

    def wait(context: HookContext) -> None:
        session = store.sessions.find(context.session_id)
        until = time.monotonic() + 30
        while not store.history.open_effects(session.key):
            assert time.monotonic() < until
            time.sleep(0.01)

    hooks.register("BeforeStateRead", wait, time_limit_s=60)
    result = script('print(State.get("n"))', hooks=hooks)
    parts = [
        record.part
        for _, record in store.history.events(result.session.key)
        if record.name == "state.get"
    ]
    assert (result.ended.status, parts) == ("completed", [Part.INTENT, Part.OUTCOME])
    assert hooks.get("wait").figures().failures == 0
    replays(store, result)


def test_a_quick_hook_runs_in_the_hosts_own_thread_until_it_is_not_quick(
    script: Any, hooks: HookRegistry, greetings: list[str]
) -> None:
    threads: list[str] = []

    def quick(context: HookContext) -> None:
        threads.append(threading.current_thread().name)
        if len(threads) == 2:
            threading.Event().wait(0.05)

    hooks.register("BeforeToolExecution", quick, quick=True, time_limit_s=0.02)
    script(CALL * 3, hooks=hooks)
    here = threading.current_thread().name
    assert threads == [here, here, "respell-hooks"]
    assert hooks.get("quick").figures().failures == 1
