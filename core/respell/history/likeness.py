"""What differs between any two runs, and says nothing about what they did.

That are times: how long something took, what a clock said, when a thing was made; and the ids of
the sessions themselves, and of those that they created. Everything else is a difference, also
what a script makes of such a time.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from respell.errors import EffectFailed
from respell.history.events import Event

_CLOCKS = frozenset({"clock.now", "clock.cpu", "clock.time", "clock.date"})
_TAKEN = frozenset({"tool.duration", "workflow.duration"})
_CREATES = frozenset({"session.create", "session.fork", "session.import"})
_TIMES = frozenset(
    {
        "created_at",
        "updated_at",
        "ended_at",
        "start_time",
        "end_time",
        "duration_s",
        "total_duration",
        "total_duration_s",
    }
)
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_MILLISECONDS = re.compile(r"\b\d+(?:\.\d+)?ms\b")
_TIME = "(a time)"


class Likeness:
    """Takes out of one session's events what differs in any case.

    Args:
        own: The ids of the sessions that are compared, which count as one.
    """

    def __init__(self, own: Collection[str]) -> None:
        self._names = dict.fromkeys(own, "(this session)")
        self._measured: dict[str, frozenset[str]] = {}

    def see(self, event: Event) -> None:
        """Take notice of the sessions that an event created; of all events, in their order."""
        if event.name in _CREATES:
            for ident in _UUID.findall(str(event.outcome)):
                self._names.setdefault(ident, f"(session {len(self._names)} that it created)")

    def of(self, event: Event) -> Event:
        """Return an event without that."""
        args, outcome = event.args, event.outcome
        fields: Collection[str] = ()
        if event.name == "hook.call":
            # What a hook is told of a tool's call has the times that the tool returned.
            fields = {"duration_s", *self._measured_by(args.get("component"))}
            args = self.plain({**args, "at": _TIME}, fields)
            outcome = {**outcome, "us": _TIME} if isinstance(outcome, dict) else outcome
        elif event.name in _TAKEN or (event.name in _CLOCKS and _reads_clock(args)):
            outcome = _TIME
        if event.name == "tool.invoke":
            fields = {"duration_s", *self._measured_by(args.get("name"))}
        elif event.name.startswith(("session.", "artifact.")):
            fields = _TIMES
        error = None if event.error is None else str(self.plain(event.error))
        return replace(
            event, args=self.plain(args), outcome=self.plain(outcome, fields), error=error
        )

    def plain(self, value: Any, fields: Collection[str] = ()) -> Any:
        """Return a value without the ids, and the fields that are times."""
        if isinstance(value, str):
            text = _UUID.sub(lambda match: self._names.get(match[0], match[0]), value)
            return without_times(text, fields)
        if isinstance(value, dict):
            return {
                self.plain(key): _TIME if key in fields else self.plain(one, fields)
                for key, one in value.items()
            }
        if isinstance(value, list):
            return [self.plain(one, fields) for one in value]
        return value

    def of_tool(self, name: str, text: str) -> str:
        """Return the text of a tool's result without that."""
        return str(self.plain(text, self._measured_by(name)))

    def _measured_by(self, tool: Any) -> frozenset[str]:
        name = str(tool)
        if name not in self._measured:
            self._measured[name] = measured(name)
        return self._measured[name]


def measured(tool: str) -> frozenset[str]:
    """Return the fields of a tool's results that it declares as measured times."""
    from respell.tools.registry import ToolRegistry  # it is needed for this alone, and takes time

    try:
        return frozenset(ToolRegistry().find(tool).measured)
    except EffectFailed:
        return frozenset()  # it is no tool of this process


def without_times(text: str, fields: Collection[str]) -> str:
    """Return JSON, or a sentence about it, without the fields that are times."""
    if not fields:
        return text
    named = "|".join(re.escape(one) for one in sorted(fields))
    text = re.sub(rf'("(?:{named})": ?)-?\d[\d.eE+-]*', rf"\1{_TIME}", text)
    return _MILLISECONDS.sub(_TIME, text)


def _reads_clock(args: Any) -> bool:
    """Whether the clock is read; else a time that was given is written in another form."""
    return not isinstance(args, dict) or all(
        name == "format" or value is None for name, value in args.items()
    )
