"""An outcome given by hand has the shape the script expects, or is refused with one sentence."""

from __future__ import annotations

from typing import Any

import pytest

import respell
from respell.engine.outcomes import fitting
from respell.errors import UsageError
from respell.history.record import Part, Record
from respell.store import Store
from respell.values import encode


def asked(name: str, **args: Any) -> Record:
    """Return the record of an effect that was asked for."""
    return Record(Part.INTENT, 7, name=name, args=encode(args))


HASH = "local r = Tool.invoke('hash_calculator', {operation = 'hash', input = 'a'}) "


def number_of(store: Store, session: respell.SessionRecord, name: str) -> int:
    return next(it.number for it in respell.events(session, store=store) if it.name == name)


def test_a_plain_value_for_a_tool_call_becomes_the_table_it_returns(
    script: Any, store: Store
) -> None:
    done = script(HASH + "print(r.success, r.result, r.text, #r.metadata)")
    number = number_of(store, done.session, "tool.invoke")
    fork = respell.fork(done.session, store=store, at=number, outcome="by hand")
    script.lines.clear()
    assert script.resume(fork).session.status == "completed"
    assert script.lines == ["true\tby hand\tby hand\t0"]


def test_a_result_table_is_completed() -> None:
    made = fitting(asked("tool.invoke"), {"success": False, "error": "no"})
    assert made == {
        "success": False, "error": "no", "result": None, "text": "", "metadata": {},
        "duration_s": 0.0,
    }  # fmt: skip


def test_a_table_with_other_names_is_a_value_of_its_own() -> None:
    assert fitting(asked("tool.invoke"), {"total": 3})["result"] == {"total": 3}


@pytest.mark.parametrize(
    ("name", "outcome", "problem"),
    [
        ("tool.invoke", {"success": "yes"}, "success is true or false"),
        ("tool.invoke", {"result": 1, "metadata": 3}, "metadata is a table"),
        ("agent.request", 5, "a text, or a table with text"),
        ("agent.request", {"text": "x", "tool_calls": [{}]}, "a list of tables with name"),
        ("clock.time", "noon", "clock.time ends with a number"),
        ("random.uuid", 5, "ends with a text"),
        ("random.seed", [1], "a list of two integers"),
        ("timer.sleep", 5, "a sleep returns nothing"),
        ("tool.exists", 1, "true or false"),
        ("artifact.list", "none", "a list"),
        ("env.get", 5, "a text, or null"),
    ],
)
def test_what_no_such_effect_ends_with_is_refused(name: str, outcome: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=rf"can't be the outcome of event 7.*{problem}"):
        fitting(asked(name), outcome)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("agent.request", {"text": "hi", "usage": {"input_tokens": 3}}), ("clock.time", 5),
        ("env.get", None), ("state.get", {"any": "thing"}), ("artifact.list", {}),
        ("timer.sleep", None),
    ],
)  # fmt: skip
def test_what_fits_is_taken_as_it_is(name: str, outcome: Any) -> None:
    assert fitting(asked(name), outcome) == outcome


def test_a_text_for_an_agent_is_its_answer() -> None:
    assert fitting(asked("agent.request"), "forty-two")["text"] == "forty-two"


def test_a_suspends_schema_holds_in_a_fork_and_in_a_replay(script: Any, store: Store) -> None:
    waiting = script("print(Session.suspend{schema = {type = 'integer'}})")
    done = script.resume(waiting.session, value=1)
    number = number_of(store, done.session, "session.suspend")
    with pytest.raises(UsageError, match="does not fit what the script waits for"):
        respell.fork(done.session, store=store, at=number, outcome="one")
    with pytest.raises(UsageError, match="does not fit what the script waits for"):
        respell.replay(done.session, store=store, mode="modified", edits={number: "one"})
    assert len(store.sessions.list()) == 1, "nothing was made"


def test_what_lua_can_not_have_is_refused(script: Any, store: Store) -> None:
    done = script(HASH)
    number = number_of(store, done.session, "tool.invoke")
    with pytest.raises(UsageError, match="can't be passed to Lua"):
        respell.fork(done.session, store=store, at=number, outcome=object())
