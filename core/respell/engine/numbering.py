"""Making records of what the worker reports."""

from __future__ import annotations

from respell import values
from respell.engine.ledger import Ledger
from respell.engine.open_events import OpenEvents
from respell.engine.tool_calls import ASKED_BY, ToolCalls
from respell.engine.wire import Caused
from respell.history.record import Part, Record, Status
from respell.times import now_us


class Numbering:
    """Numbers the events of one session.

    Args:
        ledger: Counts them.
        events: Those that are open.
        tool_calls: Which request of an agent a call of a tool comes from.
    """

    def __init__(self, ledger: Ledger, events: OpenEvents, tool_calls: ToolCalls) -> None:
        self._ledger = ledger
        self._events = events
        self._tool_calls = tool_calls

    def record_of(
        self,
        caused: Caused,
        outcome: bytes = b"",
        status: Status = Status.NONE,
        *,
        part: Part | None = None,
    ) -> Record:
        """Return the record of what the worker caused; from here on an intent is open.

        Args:
            caused: What that is.
            outcome: What it came to, where that is known.
            status: How it ended, likewise.
            part: Which part of its event this is, where the worker meant another one.
        """
        part = part or caused.part
        number, parent = self._events.place(caused, part, self._ledger.next_number)
        record = Record(
            part, number, caused.ordinal, parent, status, caused.name,
            caused.source, caused.line, caused.coroutine, now_us(), caused.args, outcome,
        )  # fmt: skip
        if request := self._tool_calls.cause_of(record):
            record = record.with_meta(values.encode({ASKED_BY: request}))
        if part is Part.INTENT:
            self._events.begun(record)
        return record
