"""Outcomes given by hand: made to fit what the effect must end with, or refused.

A person may say how an effect ended (in a fork, a modified replay, or where one is in
doubt). The script goes on with that value, so it has to have the shape that the effect's
own outcome would have had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from respell import values
from respell.engine.suspension import check_value, suspension_of
from respell.errors import UsageError
from respell.history.record import Record
from respell.tools.result import ToolResult

_TOOL_FIELDS = ("success", "result", "text", "metadata", "error", "duration_s")


def fitting(asked: Record, outcome: Any) -> Any:
    """Return an outcome in the form that the effect must end with.

    A plain value for a tool call becomes the table that a tool call returns, and a text for
    an agent's request an answer with that text.

    Args:
        asked: The record that has the effect's name and arguments.
        outcome: What was given for it.

    Raises:
        UsageError: No such effect can end like this; says what it ends with.
    """
    values.encode(outcome)  # what Lua can't have is refused here, with its reason
    if asked.name == "session.suspend":
        check_value(suspension_of(asked.arguments()), outcome)
    elif asked.name == "tool.invoke":
        return _tool_result(asked, outcome)
    elif asked.name == "agent.request":
        return _answer(asked, outcome)
    elif asked.name in _SHAPES and not (asked.name == "clock.time" and asked.arguments()):
        what, fits = _SHAPES[asked.name]
        if not fits(outcome):
            raise _unfitting(asked, outcome, what)
    return outcome


def _tool_result(asked: Record, outcome: Any) -> dict[str, Any]:
    """Return the table a tool call returns: the one given, completed, or one of the value."""
    if not (isinstance(outcome, Mapping) and outcome and set(outcome) <= set(_TOOL_FIELDS)):
        return ToolResult(outcome).as_dict(duration_s=0.0)
    success, error = outcome.get("success", True), outcome.get("error")
    for name, kind, what in (
        ("success", bool, "true or false"),
        ("error", str, "a text"),
        ("text", (str, bytes), "a text"),
        ("metadata", dict, "a table with names"),
        ("duration_s", (int, float), "a number"),
    ):
        if outcome.get(name) is not None and not isinstance(outcome[name], kind):
            raise _unfitting(
                asked, outcome, f"a table with {', '.join(_TOOL_FIELDS)}, where {name} is {what}"
            )
    made = ToolResult(
        outcome.get("result"), outcome.get("text"), outcome.get("metadata") or {}, success, error
    )
    return made.as_dict(duration_s=float(outcome.get("duration_s") or 0.0))


def _answer(asked: Record, outcome: Any) -> dict[str, Any]:
    if isinstance(outcome, str):
        return {"text": outcome, "tool_calls": []}
    if not (isinstance(outcome, dict) and isinstance(outcome.get("text"), str)):
        raise _unfitting(asked, outcome, "a text, or a table with text (and tool_calls, usage)")
    calls = outcome.get("tool_calls")
    named = isinstance(calls, list) and all(
        isinstance(one, dict) and isinstance(one.get("name"), str) for one in calls
    )
    if calls and not named:
        raise _unfitting(asked, outcome, "an answer whose tool_calls is a list of tables with name")
    return outcome


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str | bytes)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) or value == {}


def _is_nothing(value: Any) -> bool:
    return value is None


_NUMBER = ("a number", _is_number)
_TEXT = ("a text", _is_text)
_FLAG = ("true or false", _is_flag)
_LIST = ("a list", _is_list)

_SHAPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "clock.time": _NUMBER,
    "clock.cpu": _NUMBER,
    "tool.duration": _NUMBER,
    "clock.now": _TEXT,
    "random.uuid": _TEXT,
    "random.seed": ("a list of two integers", lambda it: _is_list(it) and len(it) == 2),
    "env.get": ("a text, or null where it is not set", lambda it: it is None or _is_text(it)),
    "timer.sleep": ("null: a sleep returns nothing", _is_nothing),
    "timer.deadline": ("null: that its time has passed is all it says", _is_nothing),
    "workflow.duration": _NUMBER,
    "agent.state": _NUMBER,
    "state.set": ("null: it returns nothing", _is_nothing),
    "state.delete": _FLAG,
    "state.list": _LIST,
    "session.create": _TEXT,
    "session.load": _TEXT,
    "session.list": _LIST,
    "session.can_replay": _FLAG,
    "artifact.list": _LIST,
    "artifact.query": _LIST,
    "artifact.versions": _LIST,
    "tool.list": _LIST,
    "tool.exists": _FLAG,
}
"""What effects end with, where that is one kind of value."""


def _unfitting(asked: Record, outcome: Any, what: str) -> UsageError:
    shown = values.json_line(outcome)
    if len(shown) > 80:
        shown = f"{shown[:79]}…"
    return UsageError(
        f"{shown} can't be the outcome of event {asked.number}: {asked.name} ends with {what}"
    )
