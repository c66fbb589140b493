"""When a value last changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from respell.debug.execution import ENTRY, Execution, position_of
from respell.debug.inspecting import Frame, Value, value_of
from respell.debug.inspector import Inspector
from respell.debug.position import Position
from respell.debug.stops import Stop
from respell.debug.worker import as_text
from respell.errors import UsageError
from respell.history.events import Event

_NAME = re.compile(r"\s*([A-Za-z_]\w*)")
_FIELD = re.compile(
    r"""\s*(?:\.\s*(?P<name>[A-Za-z_]\w*)
      | \[\s*(?:(?P<number>-?\d+)|"(?P<double>[^"\\]*)"|'(?P<single>[^'\\]*)')\s*\])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a value.

    Attributes:
        position: The first line at which the new value is there.
        source: Chunk name of the line that changed it; empty where that is not known.
        line: That line, 1-based; 0 where it is not known.
        old: The value before.
        new: The value after.
        event: The last event that the script knew of when it changed; None at the start.
    """

    position: Position
    source: str
    line: int
    old: Value
    new: Value
    event: Event | None

    def describe(self, expression: str) -> str:
        """Return it in one line."""
        where = f" by {self.source}:{self.line}" if self.line else ""
        after = ""
        if self.event is not None:
            after = f", after event {self.event.number} ({self.event.name})"
        return (
            f"{self.position}  {expression} changed from {self.old.text} to {self.new.text}"
            f"{where}{after}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell last --json` shows it."""
        return {
            "position": str(self.position), "source": self.source or None,
            "line": self.line or None, "old": self.old.to_json(), "new": self.new.to_json(),
            "event": self.event.number if self.event else None,
            "event_name": self.event.name if self.event else None,
        }  # fmt: skip


def parse_expression(text: str) -> tuple[str, list[str | int]]:
    """Return the variable's name and the keys behind it.

    Raises:
        UsageError: It is anything else.
    """
    match = _NAME.match(text)
    if match is None:
        raise _not_watchable(text)
    path: list[str | int] = []
    at = match.end()
    while found := _FIELD.match(text, at):
        name = found["name"] or found["double"] or found["single"]
        path.append(int(found["number"]) if found["number"] else name or "")
        at = found.end()
    if text[at:].strip():
        raise _not_watchable(text)
    return match[1], path


def _not_watchable(text: str) -> UsageError:
    return UsageError(
        f"{text!r} can't be followed through time: give a variable, with fields where need be, "
        'such as total, config.retries, list[3] or map["key"]'
    )


def last_change(
    execution: Execution, inspector: Inspector, stop: Stop, expression: str, frame: Frame | None
) -> Change | None:
    """Return when a value last changed before a place (see `Debugger.last_change`)."""
    name, path = parse_expression(expression)
    watch = {"name": name, "path": path, **_scope_of(inspector, name, frame)}
    change = _search(execution, watch, None if stop.at_end else stop.position)
    if change is None:
        return None
    position = Position(change["event"], change["steps"])
    before = change.get("before") or ["", 0]
    event = inspector.event(position) if position.event > ENTRY.event else None
    return Change(
        position, as_text(before[0]), before[1], value_of(change["old"]), value_of(change["new"]),
        event,
    )  # fmt: skip


def _search(
    execution: Execution, watch: dict[str, Any], high: Position | None
) -> dict[str, Any] | None:
    """Return the last change before a place: in the last events, then in more of them."""
    low = high.event if high is not None else execution.last_event
    size = 1
    while True:
        start = position_of(execution.seek(Position(low) if low > 1 else ENTRY))
        if high is None or start < high:
            order: dict[str, Any] = {"arm": 1, "want": "watch", "watch": watch, "collect": True}
            if high is not None:
                order |= {"to_event": high.event, "to_steps": high.steps}
            watched = execution.run(**order)["watch"]
            if "change" in watched:
                found: dict[str, Any] = watched["change"]
                return found
            # What came before is compared up to the first line that was looked at here.
            high = Position(*watched["first"]) if "first" in watched else high
        if low <= 1:
            return None
        low = execution.script_event(max(1, low - size))
        size *= 8


def _scope_of(inspector: Inspector, name: str, frame: Frame | None) -> dict[str, Any]:
    if frame is not None:
        seen = inspector.variables(frame)
        place = {"source": frame.source, "defined": frame.defined}
        if any(one.name == name for one in seen.locals):
            return {"scope": "local", "coroutine": frame.coroutine, "depth": frame.depth, **place}
        if any(one.name == name for one in seen.upvalues):
            return {"scope": "upvalue", **place}
    return {"scope": "global"}
