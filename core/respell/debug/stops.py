"""Stops: where moves end, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from respell import values
from respell.debug.inspecting import Value
from respell.debug.position import Position
from respell.debug.worker import Report, as_text
from respell.errors import UsageError

_SHOWN = 120  # characters of an effect's arguments

DIVERGES = "the re-execution diverges here"


@dataclass(frozen=True, slots=True)
class Log:
    """What a log point wrote, and where."""

    position: Position
    text: str


@dataclass(frozen=True, slots=True)
class DataChange:
    """What a data breakpoint stopped for.

    Attributes:
        breakpoint: Its number.
        expression: The variable, with fields.
        old: The value before.
        new: The value that it has at the stop.
    """

    breakpoint: int
    expression: str
    old: Value
    new: Value

    def describe(self) -> str:
        """Return it in a few words."""
        return f"{self.expression}: {self.old.text} → {self.new.text}"

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        return {
            "breakpoint": self.breakpoint, "expression": self.expression,
            "old": self.old.to_json(), "new": self.new.to_json(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a move ended, and why.

    Attributes:
        reason: step, breakpoint, function breakpoint, data breakpoint, exception, entry, goto,
            event, end, unrecorded (a dry run asks for what never happened), or cancelled.
        position: Where.
        source: Chunk name of the line that is about to run; empty where no function runs.
        line: That line, 1-based; 0 for none.
        function: Name of the function that runs.
        coroutine: Number of the coroutine that runs; 0 for the main thread.
        breakpoints: Numbers of the breakpoints that stopped it.
        error: Text of the error that is about to be raised, or that the script ended with.
        at_end: Nothing comes after it.
        logs: What log points wrote on the way.
        changes: What data breakpoints stopped it for.
    """

    reason: str
    position: Position
    source: str = ""
    line: int = 0
    function: str = ""
    coroutine: int = 0
    breakpoints: tuple[int, ...] = ()
    error: str | None = None
    at_end: bool = False
    logs: tuple[Log, ...] = ()
    changes: tuple[DataChange, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        return {
            "reason": self.reason, "position": str(self.position), "source": self.source or None,
            "line": self.line or None, "function": self.function or None,
            "coroutine": self.coroutine, "breakpoints": list(self.breakpoints),
            "error": self.error, "at_end": self.at_end,
            "logs": [{"position": str(one.position), "text": one.text} for one in self.logs],
            "changes": [one.to_json() for one in self.changes],
        }  # fmt: skip


def logs_of(report: Report) -> tuple[Log, ...]:
    """Return what log points wrote during a run."""
    return tuple(
        Log(Position(one["event"], one["steps"]), as_text(one["text"]))
        for one in report.get("logs") or ()
    )


def replaced(stop: Stop, reason: str, breakpoints: Any = (), error: str | None = None) -> Stop:
    """Return the same place, reached for another reason; an end stays one."""
    return Stop(
        stop.reason if stop.at_end and reason not in ("cancelled",) else reason,
        stop.position, stop.source, stop.line, stop.function, stop.coroutine,
        tuple(one for one in breakpoints if one), error or stop.error, stop.at_end, stop.logs,
    )  # fmt: skip


def ended(end: dict[str, Any]) -> tuple[str, str | None]:
    """Return the reason of an end, and the text of its error."""
    kind = as_text(end["kind"])
    if kind == "divergence":
        return "exception", f"{DIVERGES}: {as_text(end.get('what', ''))}"
    found = end.get("found") or {}
    if kind == "frontier" and found.get("name"):
        return "unrecorded", unrecorded(as_text(found["name"]), found.get("args") or b"")
    if kind == "failed" or (kind == "finish" and "message" in end):
        return "exception", as_text(end.get("message", ""))
    return "end", None


def unrecorded(name: str, args: bytes | str) -> str:
    """Return that an effect was never recorded, for people.

    Args:
        name: The effect's name.
        args: Canonical bytes of its arguments.
    """
    data = args.encode() if isinstance(args, str) else args
    try:
        asked = values.json_line(values.decode(data)) if data else "{}"
    except UsageError:
        asked = repr(data)
    shown = asked if len(asked) <= _SHOWN else f"{asked[:_SHOWN]}…"
    return f"{name} {shown} was never recorded; give it an outcome to go on"
