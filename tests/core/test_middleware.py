"""Middleware: named chains around operations on sessions and around effects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import respell
from respell.errors import HookCancelled, UsageError
from respell.hooks import Cancel, HookContext, HookRegistry, Modified, Replace
from respell.policies import places
from respell.policies.middleware import Middleware, registered
from respell.policies.rates import Bucket, Rate
from respell.store import Store

Made = Callable[..., Middleware]


@pytest.fixture
def chain() -> Iterator[Made]:
    """What registers middleware for as long as the test runs."""
    made: list[Middleware] = []

    def make(name: str, members: list[Any], **options: Any) -> Middleware:
        one = respell.middleware(name, members, **options)
        made.append(one)
        return one

    yield make
    for one in made:
        one.unregister()


class Noting:
    """A member that notes what it is around, before and after."""

    def __init__(self, notes: list[str], name: str = "noting") -> None:
        self.notes = notes
        self.__name__ = name

    def before(self, context: HookContext) -> None:
        """Note what is about to happen."""
        self.notes.append(f"{self.__name__} before {context.effect}")

    def after(self, context: HookContext) -> None:
        """Note what has happened."""
        self.notes.append(f"{self.__name__} after {context.effect}")


def named(name: str, result: Any) -> Any:
    """Return a member that returns something."""

    def member(context: HookContext) -> Any:
        return result(context) if callable(result) else result

    member.__name__ = name
    return member


TOOL = "print(pcall(Tool.invoke, 'calculator', {input = '1 + 1'}))"


# What it is around ----------------------------------------------------------------------------

SESSIONS = """
local s = Session.create{name = "one"}
Session.get(s)
Session.list{name = nil}
Session.addTag(s, "t")
Session.suspend(s)
Session.resume(s)
Session.save(s)
Session.complete(s)
Session.archive(s)
Session.delete(s)
"""


@pytest.mark.parametrize(
    ("kind", "effects"),
    [
        ("create", ["session.create"]),
        ("read", ["session.get", "session.list"]),
        ("update", ["session.suspend_other", "session.resume", "session.save",
                    "session.complete", "session.archive"]),
        ("delete", ["session.delete"]),
        ("other", ["session.add_tag"]),
    ],
)  # fmt: skip
def test_each_kind_of_operation_on_a_session_meets_its_own_middleware(
    script: Any, chain: Made, kind: str, effects: list[str]
) -> None:
    notes: list[str] = []
    chain("watch", [Noting(notes)], around=kind)
    done = script(SESSIONS)
    assert done.session.status == "completed", done.session.error
    before = [note.split()[-1] for note in notes if " before " in note]
    after = [note.split()[-1] for note in notes if " after " in note]
    own = {"create": ["session.create"], "update": ["SessionEnd"]}.get(kind, [])
    assert after == effects
    assert sorted(before) == sorted(effects + own)  # of the session that runs the script, too


def test_around_nothing_else_nothing_is_changed(script: Any, chain: Made, store: Store) -> None:
    chain("watch", [Noting([])], around="delete")
    done = script("State.set('k', 1) " + TOOL)
    assert not [e for e in respell.events(done.session, store=store) if e.kind == "hook"]


def test_middleware_is_around_single_effects_and_around_all(script: Any, chain: Made) -> None:
    some: list[str] = []
    everything: list[str] = []
    chain("some", [Noting(some)], around=["tool.invoke", "state.get"])
    chain("all", [Noting(everything)], around="effects")
    script("State.set('k', 1) State.get('k') " + TOOL)
    assert [note.split()[-1] for note in some if " before " in note] == ["state.get", "tool.invoke"]
    assert [note.split()[-1] for note in everything if " before " in note] == [
        "state.set", "state.get", "tool.invoke",
    ]  # fmt: skip


def test_middleware_can_be_at_a_point_of_hooks(script: Any, chain: Made) -> None:
    notes: list[str] = []
    chain("reads", [Noting(notes)], around="BeforeStateRead")
    script("State.set('k', 1) State.get('k') State.list()")
    assert notes == ["noting before state.get", "noting before state.list"]


# Order ----------------------------------------------------------------------------------------


def test_middleware_comes_before_hooks_and_by_priority_then_registration(
    script: Any, chain: Made
) -> None:
    order: list[str] = []
    hook = respell.hooks.register(
        "BeforeToolExecution", lambda context: order.append("hook"), name="one",
        priority="highest",
    )  # fmt: skip
    try:
        for name, priority in (("second", 0.0), ("third", 0.0), ("first", -5.0)):
            chain(name, [named(name, lambda context, name=name: order.append(name))],
                  around="tool.invoke", priority=-20_000 + priority)  # fmt: skip
        assert [one.name for one in registered()] == ["first", "second", "third"]
        script(TOOL)
    finally:
        respell.hooks.unregister(hook)
    assert order == ["first", "second", "third", "hook"]


def test_members_are_around_each_other_like_the_layers_of_an_onion(
    script: Any, chain: Made
) -> None:
    notes: list[str] = []
    chain("onion", [Noting(notes, "outer"), Noting(notes, "inner")], around="tool.invoke")
    script(TOOL)
    assert [note.split()[:2] for note in notes] == [
        ["outer", "before"], ["inner", "before"], ["inner", "after"], ["outer", "after"],
    ]  # fmt: skip


# The three patterns ---------------------------------------------------------------------------


def test_sequential_the_first_that_does_not_go_on_decides(
    script: Any, chain: Made, store: Store
) -> None:
    asked: list[str] = []
    chain(
        "gate",
        [named("first", lambda context: asked.append("first")),
         named("second", Cancel("closed on Sundays")),
         named("third", lambda context: asked.append("third"))],
        around="tool.invoke",
    )  # fmt: skip
    done = script(TOOL)
    assert asked == ["first"]
    assert script.lines == [
        "false\tmain.lua:1: cancelled by gate: second: closed on Sundays"
    ] or "gate" in script.lines[0]  # fmt: skip
    assert "second: closed on Sundays" in script.lines[0]
    assert done.session.status == "completed"
    assert respell.replay(done.session, store=store).identical


def test_sequential_members_see_what_those_before_them_made_of_it(
    script: Any, chain: Made, store: Store
) -> None:
    def plus(context: HookContext) -> Modified:
        return Modified({"input": context.data["input"] + " + 1"})

    chain("more", [named("one", plus), named("two", plus)], around="tool.invoke")
    done = script("print(Tool.invoke('calculator', {input = '1'}).result.result)")
    assert script.lines[0] in ("3", "3.0")
    assert respell.replay(done.session, store=store).identical


def test_parallel_members_are_asked_at_the_same_time_and_the_first_in_order_decides(
    script: Any, chain: Made
) -> None:
    meet = threading.Barrier(3, timeout=20)  # breaks unless all three are asked at once

    def together(result: Any) -> Callable[[HookContext], Any]:
        def ask(context: HookContext) -> Any:
            meet.wait()
            return result

        return ask

    chain(
        "gate",
        [named("first", together(None)), named("second", together(Cancel("no"))),
         named("third", together(Replace(5)))],
        around="tool.invoke", pattern="parallel",
    )  # fmt: skip
    script(TOOL)
    assert "cancelled by gate: second: no" in script.lines[0]


def test_parallel_changes_of_different_fields_are_put_together(script: Any, chain: Made) -> None:
    def put(key: str, value: Any) -> Callable[[HookContext], Modified]:
        return lambda context: Modified({**context.data, key: value})

    chain("fill", [named("a", put("value", 2)), named("b", put("scope", "custom:b")),
                   named("c", None)],
          around="state.set", pattern="parallel")  # fmt: skip
    script("State.set('k', 1) print(State.get('custom:b', 'k'))")
    assert script.lines == ["2"]


def test_parallel_changes_that_do_not_agree_are_refused_and_not_lost(
    script: Any, chain: Made
) -> None:
    def put(value: Any) -> Callable[[HookContext], Modified]:
        return lambda context: Modified({**context.data, "value": value})

    chain("fill", [named("a", put(2)), named("b", put(3))], around="state.set",
          pattern="parallel")  # fmt: skip
    script("print(pcall(State.set, 'k', 1)) print(State.get('k'))")
    assert (
        "a and b were asked at the same time and make different things of 'value'"
        in (script.lines[0])
    )
    assert script.lines[1] == "nil"


@pytest.mark.parametrize("pattern", ["sequential", "parallel", "voting"])
def test_what_a_member_changes_without_saying_so_is_refused(
    script: Any, chain: Made, pattern: Any
) -> None:
    def silent(context: HookContext) -> None:
        context.data["value"] = 2

    chain("gate", [silent, named("fine", None)], around="state.set", pattern=pattern,
          threshold=1.0)  # fmt: skip
    script("print(pcall(State.set, 'k', 1)) print(State.get('k'))")
    assert "silent" in script.lines[0]
    assert "return Modified(data)" in script.lines[0]
    assert script.lines[1] == "nil"


@pytest.mark.parametrize(("threshold", "votes"), [(0.3, None), (0.34, "1 of 3"), (1.0, "1 of 3")])
def test_voting_the_share_that_goes_on_decides(
    script: Any, chain: Made, threshold: float, votes: str | None
) -> None:
    chain(
        "vote",
        [named("yes", None), named("no", Cancel("too late")), named("never", Cancel("no"))],
        around="tool.invoke", pattern="voting", threshold=threshold,
    )  # fmt: skip
    script(TOOL)
    if votes is None:
        assert script.lines[0].startswith("true")
    else:
        assert f"voting threshold not met: {votes} (no: too late; never: no)" in script.lines[0]


# Errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["sequential", "parallel"])
def test_an_error_of_a_middleware_propagates_and_nothing_is_performed(
    script: Any, chain: Made, store: Store, pattern: Any
) -> None:
    """Five times in a row: no circuit breaker lets the operation pass after a few."""

    def broken(context: HookContext) -> None:
        raise KeyError("rules")

    chain("guard", [named("fine", None), broken], around="state.set", pattern=pattern)
    done = script("for i = 1, 5 do print(pcall(State.set, 'k', i)) end print(State.get('k'))")
    for line in script.lines[:5]:
        assert line.startswith("false")
        assert "guard: its member broken failed: KeyError: 'rules'" in line
    assert script.lines[5] == "nil"
    assert done.session.status == "completed"
    assert respell.replay(done.session, store=store).identical


def test_a_member_that_takes_too_long_lets_nothing_pass(script: Any, chain: Made) -> None:
    leave = threading.Event()

    def slow(context: HookContext) -> None:
        leave.wait(30)

    chain("guard", [slow], around="state.set", time_limit_s=0.2)
    script("print(pcall(State.set, 'k', 1)) print(State.get('k'))")
    leave.set()
    assert "guard: its member slow failed: it took too long" in script.lines[0]
    assert script.lines[1] == "nil"


def test_a_member_that_hangs_again_and_again_never_lets_anything_pass(
    script: Any, chain: Made, store: Store
) -> None:
    """In the loop's own thread, and behind a member that went on; none after it is asked."""
    leave = threading.Event()
    asked: list[str] = []

    def slow(context: HookContext) -> None:
        if context.data["value"] > 2:
            leave.wait(60)

    def after(context: HookContext) -> None:
        asked.append(context.data["value"])

    chain("guard", [named("fine", None), slow, after], around="state.set", time_limit_s=0.1)
    done = script("for i = 1, 7 do print(pcall(State.set, 'k', i)) end print(State.get('k'))")
    leave.set()
    assert [line.partition("\t")[0] for line in script.lines[:2]] == ["true", "true"]
    for line in script.lines[2:7]:
        assert "guard: its member slow failed: it took too long" in line
    assert script.lines[7] == "2"
    assert asked == [1, 2]
    assert respell.replay(done.session, store=store).identical


# Configuration --------------------------------------------------------------------------------


def test_a_change_holds_for_the_next_operation(script: Any, chain: Made) -> None:
    gate = chain("gate", [named("no", Cancel("closed")), named("yes", None)], around="state.set")
    text = "print((pcall(State.set, 'k', 1)))"
    script(text)
    gate.update(pattern="voting", threshold=0.5)
    script(text)
    gate.update(threshold=0.9)
    script(text)
    gate.update(members=[named("yes", None)])
    script(text)
    gate.update(members=[named("no", Cancel("closed"))])
    script(text)
    gate.update(enabled=False)
    script(text)
    assert script.lines == ["false", "true", "false", "true", "false", "true"]
    with pytest.raises(UsageError, match="composition must be"):
        gate.update(pattern="random")  # type: ignore[arg-type]
    assert gate.unregister()
    assert not gate.unregister()


def test_a_rate_limit_is_a_member_like_any_other(script: Any, chain: Made) -> None:
    bucket = Bucket(Rate.parse("1/h burst 2"), 2.0, at=0.0)

    def rate_limit(context: HookContext) -> Any:
        if bucket.left(0.0) < 1:
            return Cancel("too many")
        bucket.take(0.0)
        return None

    chain("slow", [rate_limit], around="tool.invoke")
    script(TOOL * 3)
    assert [line.partition("\t")[0] for line in script.lines] == ["true", "true", "false"]
    assert "too many" in script.lines[2]


def test_as_a_decorator_one_function_is_the_chain(script: Any) -> None:
    @respell.middleware("no states", around="state.set")
    def refuse(context: HookContext) -> Any:
        return Cancel("not here")

    (made,) = registered()
    try:
        script("print(pcall(State.set, 'k', 1))")
    finally:
        made.unregister()
    assert "no states: refuse: not here" in script.lines[0]
    assert callable(refuse)


def test_middleware_of_a_registry_of_its_own_is_met_where_that_is_used(
    script: Any, chain: Made
) -> None:
    own = HookRegistry()
    made = chain("mine", [named("no", Cancel("mine only"))], around="state.set", registry=own)
    text = "print((pcall(State.set, 'k', 1)))"
    script(text)
    script(text, hooks=own)
    assert script.lines == ["true", "false"]
    assert registered() == []
    assert registered(own) == [made]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"around": "reed"}, "a middleware is around create, read, update, delete, other"),
        ({"around": ()}, "around is empty"),
        ({"around": "tool.invok"}, "can't be around 'tool.invok': .* the nearest is tool.invoke"),
        ({"pattern": "random"}, "composition must be sequential, parallel, voting"),
        ({"threshold": 2}, "threshold must be a number above 0 and up to 1"),
        ({"time_limit_s": 0}, "time_limit_s is a number of seconds above 0"),
        ({"members": []}, "it has no members"),
        ({"members": [5]}, "a member is a function that takes a HookContext"),
        ({"members": [named("a", None), named("a", None)]}, "two members are called 'a'"),
        ({"name": ""}, "is no name for a middleware"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_registered(
    options: dict[str, Any], problem: str
) -> None:
    given = {"name": "x", "members": [named("a", None)], **options}
    with pytest.raises(UsageError, match=problem):
        respell.middleware(**given)
    assert registered() == []


def test_a_name_is_there_once(chain: Made) -> None:
    chain("one", [named("a", None)])
    with pytest.raises(UsageError, match="there is a middleware 'one' already"):
        respell.middleware("one", [named("b", None)])
    assert [one.name for one in registered()] == ["one"]


def test_operations_of_python_meet_it_too_and_its_refusal_is_raised(
    script: Any, chain: Made, store: Store
) -> None:
    done = script("print(1)")
    gate = chain("gate", [named("no", Cancel("closed"))], around=["create", "update", "delete"])
    session = respell.session(done.session, store=store)
    with pytest.raises(HookCancelled, match="cancelled by gate: no: closed"):
        session.archive()
    with pytest.raises(HookCancelled, match="cancelled by gate: no: closed"):
        session.delete()
    with pytest.raises(HookCancelled, match="cancelled by gate: no: closed"):
        respell.create(store=store, name="late")
    with pytest.raises(HookCancelled, match="cancelled by gate: no: closed"):
        script("print(2)")
    assert session.status == "completed"
    assert [one.name for one in respell.list_sessions(store=store)] == ["main"]
    gate.update(enabled=False)
    session.archive()
    assert session.status == "archived"


def test_each_effect_on_sessions_is_of_one_kind() -> None:
    from respell.engine import effects

    effects.lookup("session.get")
    there = {name for name in effects._effects if name.startswith("session.")}
    assert there >= places._READS
    for effect in there - {"session.suspend"}:
        kinds = [kind for kind in places.OPERATIONS if places._test_of(kind)(effect)]
        assert len(kinds) == 1, (effect, kinds)
