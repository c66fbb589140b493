"""Deadlines: what a script raced against a step, and how much of the time is left.

A deadline counts the time in which the session runs. While it is suspended, interrupted or
paused, nobody could do what the deadline waits for.
"""

from __future__ import annotations

from dataclasses import replace

from respell import values
from respell.history.record import Part, Record, Status
from respell.store import Store
from respell.times import SECOND, now_us

DEADLINE = "timer.deadline"
LEFT = "Left"
"""Class of the error that effects end with whose script has gone on without them."""

_TEXT = values.encode("the script went on without it; whether it was done is not known")

MAX_DEADLINE_S = 100 * 365 * 86400


class Deadlines:
    """The deadlines of one running session, by ordinal."""

    def __init__(self) -> None:
        self._due: dict[int, int] = {}  # µs since 1970 UTC
        self._paused_at: int | None = None

    def begin(self, ordinal: int, us: int) -> None:
        """Begin to count so many microseconds."""
        self._due[ordinal] = now_us() + us

    def drop(self, ordinal: int) -> None:
        """Forget one that nobody waits for any more."""
        self._due.pop(ordinal, None)

    def pause(self) -> None:
        """Stop to count until `go_on`."""
        self._paused_at = now_us()

    def go_on(self) -> None:
        """Count again."""
        if self._paused_at is not None:
            shift = now_us() - self._paused_at
            self._due = {ordinal: due + shift for ordinal, due in self._due.items()}
        self._paused_at = None

    @property
    def next_due(self) -> int | None:
        """When the next one is due, µs since 1970 UTC; None where none is counted."""
        return min(self._due.values(), default=None) if self._paused_at is None else None

    def take_due(self, now: int) -> list[tuple[int, int]]:
        """Take out (due, ordinal) of those that are due by `now`, µs since 1970 UTC."""
        if self._paused_at is not None or not self._due:
            return []
        reached = [(due, ordinal) for ordinal, due in self._due.items() if due <= now]
        for _, ordinal in reached:
            del self._due[ordinal]
        return reached


def left(intent: Record) -> Record:
    """Return the outcome of an effect that is given up."""
    return replace(
        intent, part=Part.OUTCOME, status=Status.ERROR, at=now_us(), args=b"", outcome=_TEXT,
        meta=values.encode({"error": LEFT}),
    )  # fmt: skip


def is_left(record: Record) -> bool:
    """Whether a record is the outcome of an effect whose script has gone on without it."""
    return record.part is Part.OUTCOME and record.metadata().get("error") == LEFT


def duration_us(seconds: object) -> int | None:
    """Return the microseconds of a deadline's argument; None where it is no such time."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    return int(seconds * SECOND) if 0 <= seconds <= MAX_DEADLINE_S else None


def remaining_us(store: Store, session: int, intent: Record) -> int:
    """Return how many microseconds of a deadline are left, counting what is recorded.

    Args:
        store: Where the session is.
        session: The session's key.
        intent: The deadline's intent.
    """
    whole = duration_us(intent.arguments().get("seconds")) or 0
    passed, last = 0, intent.at
    first = store.history.first_record_of(session, intent.number)
    for _, body in store.history.records(session, first):
        record = Record.unpack(body)
        if not (record.part is Part.NOTE and record.name.startswith("lifecycle.")):
            passed += max(0, record.at - last)
        last = record.at
    return max(0, whole - passed)
