"""Events: what a history's records mean, put together per number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from blake3 import blake3

from respell import values
from respell.history.record import Part, Record, Status
from respell.quick import quick_dataclass
from respell.store import Store
from respell.times import SECOND, rfc3339

INLINE_BYTES = 4096
"""Larger values are shown by their hash and size, unless they are asked for in full."""

KINDS = ("effect", "output", "lifecycle", "hook", "limit", "edit", "note")
_KIND_BY_FAMILY = {
    "output": "output", "log": "output", "lifecycle": "lifecycle", "hook": "hook",
    "hooked": "hook", "limit": "limit", "edit": "edit", "note": "note",
}  # fmt: skip


@quick_dataclass(frozen=True, slots=True)
class Event:
    """One event of a history.

    Attributes:
        number: 1-based, within the session.
        name: e.g. `tool.invoke`.
        args: The named arguments the script gave.
        outcome: The value it ended with; None while it is open, or when it failed.
        ended: Whether it has ended.
        error: Text of the error it failed with, or None.
        error_class: Name of that error's class, or None.
        source: Chunk name of the line that caused it; empty for the host's own events.
        line: That line, 1-based; 0 for none.
        parent: Number of the event it happened inside; 0 for none.
        coroutine: Number of the coroutine; 0 for the main one.
        at: When it began, microseconds since 1970 UTC.
        duration_s: How long it took, in seconds; None while it is open.
        attempts: How often it was performed.
        ordinal: The how-manieth event that the script caused; 0 for the host's own.
        asked_by: Number of the request to a model that asked for this call; 0 for none.
    """

    number: int
    name: str
    args: dict[Any, Any]
    outcome: Any
    ended: bool
    error: str | None
    error_class: str | None
    source: str
    line: int
    parent: int
    coroutine: int
    at: int
    duration_s: float | None
    attempts: int
    ordinal: int
    asked_by: int = 0

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return kind_of(self.name)

    @property
    def caused_by(self) -> int | str | None:
        """The event that made it happen; None for what the script, or nobody here, caused.

        A number of this history, or `SESSION/NUMBER`. It is what was published for a receive,
        the request to the model for a call of a tool that a model asked for, and otherwise the
        event that it happened inside of.
        """
        if self.name == "event.receive" and isinstance(self.outcome, dict):
            cause = self.outcome.get("caused_by")
            if isinstance(cause, (int, str)) and not isinstance(cause, bool):
                return cause
        return self.asked_by or self.parent or None

    def correlation_id(self, session_id: str) -> str:
        """Return what it belongs to: its session, unless it published for something else.

        Args:
            session_id: Id of the session it is of.
        """
        if self.name == "event.publish":
            options = self.args.get("options")
            named = options.get("correlation_id") if isinstance(options, dict) else None
            if isinstance(named, str) and named:
                return named
        return session_id

    def to_json(self, session_id: str, *, full: bool = False) -> dict[str, Any]:
        """Return the event as `respell events --json` shows it.

        Args:
            session_id: Id of the session it is of.
            full: Show values above 4 KiB in full.
        """
        show = values.to_json if full else _short
        error = None
        if self.error is not None:
            error = {"class": self.error_class, "message": self.error}
        return {
            "number": self.number,
            "kind": self.kind,
            "name": self.name,
            "args": {str(key): show(value) for key, value in self.args.items()},
            "outcome": show(self.outcome),
            "error": error,
            "source": self.source or None,
            "line": self.line or None,
            "parent": self.parent or None,
            "coroutine": self.coroutine,
            "at": rfc3339(self.at),
            "duration_s": self.duration_s,
            "attempts": self.attempts,
            "correlation_id": self.correlation_id(session_id),
            "caused_by": self.caused_by,
        }


_HASHES = {"args": ("script", "blob"), "outcome": ("hash",)}
_HASH_BYTES = 32


def spell_out_hashes(event: dict[Any, Any]) -> None:
    """Make hexadecimal text of the content hashes in an event as a script gets it.

    Args:
        event: An event's JSON form, with bytes as such; changed in place.
    """
    for where, names in _HASHES.items():
        values_of = event[where]
        for name in names if isinstance(values_of, dict) else ():
            value = values_of.get(name)
            if isinstance(value, bytes) and len(value) == _HASH_BYTES:
                values_of[name] = value.hex()


def kind_of(name: str) -> str:
    """Return the kind of an event by its name."""
    return _KIND_BY_FAMILY.get(name.partition(".")[0], "effect")


def answers_the_script(record: Record) -> bool:
    """Whether a record holds an outcome from outside, which another could take the place of."""
    if record.ordinal == 0 or kind_of(record.name) in ("output", "hook"):
        return False
    return record.part in (Part.OUTCOME, Part.EFFECT)


def events(store: Store, session: int, first: int = 1, last: int | None = None) -> Iterator[Event]:
    """Yield the events of a session, by number.

    Args:
        store: Where it is.
        session: The session's key.
        first: First event number.
        last: Last event number; None for all there are.
    """
    records = (record for _, record in store.history.events(session, first, last))
    for _, group in groupby(records, key=lambda record: record.number):
        yield event_of(group)


def event_of(records: Iterable[Record]) -> Event:
    """Return the event whose records these are, in the order they were appended."""
    parts = list(records)
    first = parts[0]
    ends = (Part.END,) if first.part is Part.BEGIN else _ENDS
    end = next((it for it in reversed(parts) if it.part in ends), None)
    failed = end is not None and end.status is Status.ERROR
    performed = next((it for it in parts if it.part is Part.OUTCOME), end)
    meta = performed.metadata() if performed is not None else {}
    outcome = None if end is None or failed else end.value()
    return Event(
        number=first.number,
        name=first.name,
        args=first.arguments(),
        outcome=outcome,
        ended=end is not None,
        error=_as_text(end.value()) if end is not None and failed else None,
        error_class=meta.get("error", "LuaError") if failed else None,
        source=first.source,
        line=first.line,
        parent=first.parent,
        coroutine=first.coroutine,
        at=first.at,
        duration_s=None if end is None else _took(first, end, outcome) / SECOND,
        attempts=meta.get("attempts", 1),
        ordinal=first.ordinal,
        asked_by=_asked_by(first),
    )


def _asked_by(first: Record) -> int:
    asked = first.metadata().get("asked_by", 0) if first.meta else 0
    # A file that was imported may say anything.
    return asked if isinstance(asked, int) and 0 < asked < first.number else 0


_ENDS = (Part.EFFECT, Part.NOTE, Part.OUTCOME)


def _took(first: Record, end: Record, outcome: Any) -> int:
    """Return how long an event took, in microseconds; a hook's call in one record says so."""
    if end is first and first.name == "hook.call" and isinstance(outcome, dict):
        took = outcome.get("us")
        return took if isinstance(took, int) else 0
    return end.at - first.at


def _as_text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _short(value: Any) -> Any:
    if isinstance(value, (str, bytes)):
        data = value.encode() if isinstance(value, str) else value
        if len(data) <= INLINE_BYTES:
            return values.to_json(value)
    elif isinstance(value, (list, dict)):
        data = values.encode(value)
        if len(data) <= INLINE_BYTES:
            return values.to_json(value)
    else:
        return values.to_json(value)
    return {"$blob": blake3(data).hexdigest(), "size": len(data)}
