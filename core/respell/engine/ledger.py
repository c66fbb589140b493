"""What a host writes: numbers events, gathers records in batches and commits them.

Records that need no answer wait for the batch (50 ms or 8 MiB at most); an effect the world
can see forces the batch out first. Output is handed on only once it is committed, so nobody
sees a line that a crash could take back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from respell import values
from respell.history.record import Packed, Part, Record, Status
from respell.store import HistoryWriter, Store
from respell.times import now_us

BATCH_S = 0.05
OUTCOME_S = 0.002
BATCH_RECORDS = 2_000
BATCH_BYTES = 8 * 1024 * 1024
_RECORD_BYTES = 64  # of a record besides arguments and outcome, about

OnOutput = Callable[[str, bytes], None]


def _nothing() -> None:
    """Do nothing."""


class Ledger:
    """The writing end of one session's history.

    Args:
        store: Where it is kept.
        writer: The history's writer, under this host's lease.
        on_output: Called with an output event's name and its bytes, once committed.

    Attributes:
        output_error: What `on_output` or an action afterwards raised; nothing more is handed on
            after that.
        taken_bytes: Bytes of all that was ever put into the batch.
        before_write: Called before the batch is written, to have more done along with it.
    """

    def __init__(self, store: Store, writer: HistoryWriter, on_output: OnOutput | None) -> None:
        self._store = store
        self._writer = writer
        self._on_output = on_output
        self.wants_output = on_output is not None
        self._batch: list[Record | Packed] = []
        self._held = 0  # bytes of large values in the batch, about
        self._outputs: list[tuple[str, bytes]] = []
        self._along: list[Callable[[], object]] = []
        self._afterwards: list[Callable[[], object]] = []
        self.taken_bytes = 0
        self.output_error: Exception | None = None
        self.before_write: Callable[[], None] = _nothing
        self._number = writer.number
        self.due: float | None = None  # when the batch must be out, by time.monotonic()

    @property
    def number(self) -> int:
        """The number of the last event."""
        return self._number

    @property
    def session_id(self) -> str:
        """Id of the session whose history it is."""
        return self._writer.id

    @property
    def seq(self) -> int:
        """How many records are written."""
        return self._writer.seq

    def has_written(self, number: int) -> bool:
        """Return whether the event of this number was begun in a batch that is out."""
        return number <= self._writer.number

    def next_number(self, count: int = 1) -> int:
        """Number one more event, or several; returns the number of the first."""
        first = self._number + 1
        self._number += count
        return first

    def take_back(self, number: int) -> None:
        """Number events from after `number` again: those after it will not be recorded."""
        self._number = number

    def add(self, record: Record | Packed) -> None:
        """Put a record into the batch."""
        self._batch.append(record)
        self._added(_size_of(record))

    def add_all(self, records: list[Record | Packed]) -> None:
        """Put several records into the batch."""
        self._batch += records
        self._added(sum(map(_size_of, records)))

    def _added(self, size: int) -> None:
        self._held += size
        self.taken_bytes += size
        if self.due is None:
            self.due = time.monotonic() + BATCH_S
        if self._held >= BATCH_BYTES or len(self._batch) >= BATCH_RECORDS:
            self.commit()

    def amend(self, record: Record, better: Record) -> bool:
        """Put a record into the batch in place of another one; False where that one is out.

        Args:
            record: The very object that was added; nobody has seen it who is not in this host.
            better: What is written instead, of the same event.
        """
        at = self._place(record)
        if at is None:
            return False
        self._batch[at] = better
        more = _size_of(better) - _size_of(record)
        self._held += more
        self.taken_bytes += more
        return True

    def holds(self, record: Record) -> bool:
        """Return whether a record is in the batch still."""
        return self._place(record) is not None

    def _place(self, record: Record) -> int | None:
        if self.has_written(record.number):
            return None
        batch = self._batch
        for at in range(len(batch) - 1, -1, -1):  # it was added a moment ago
            if batch[at] is record:
                return at
        return None

    def along(self, action: Callable[[], object]) -> None:
        """Have something done in the store, in the transaction that writes the batch.

        It is done again if that transaction is rolled back and the batch written later.
        """
        self._along.append(action)

    def afterwards(self, action: Callable[[], object]) -> None:
        """Have something done once the batch is committed, as output is handed on then."""
        self._afterwards.append(action)

    @property
    def changes_more(self) -> bool:
        """Whether the batch, once written, changes more in the store than the history."""
        return bool(self._along)

    def hurry(self) -> None:
        """Let the batch out within 2 ms: it holds the outcome of something that was seen."""
        soon = time.monotonic() + OUTCOME_S
        if self.due is None or self.due > soon:
            self.due = soon

    def take(self, body: bytes) -> None:
        """Number the next event, and put it into the batch.

        Args:
            body: Its only record, packed with the number that follows `number`.
        """
        self._number += 1
        self._batch.append((self._number, body))
        self._added(len(body))

    def output(self, body: bytes, name: str, text: bytes) -> None:
        """Take an output event; its text is handed on once it is committed."""
        self._outputs.append((name, text))
        self.take(body)

    def note(self, name: str, args: dict[str, Any], **fields: Any) -> int:
        """Put an event of the host's own into the batch; returns its number."""
        number = self.next_number()
        self.add(
            Record(
                Part.NOTE,
                number,
                name=name,
                at=now_us(),
                args=values.encode(args),
                status=Status.OK,
                **fields,
            )
        )
        return number

    def commit(self) -> None:
        """Write the batch, make it durable, and hand its output on."""
        if self._batch or self._along:
            self.write()
        self._store.sync()
        self._released()

    def write(self) -> None:
        """Write the batch; a transaction around this must not be rolled back."""
        self.before_write()
        if self._along:
            with self._store.transaction():
                self._do_along()
                if self._batch:
                    self._writer.append(self._batch)
        else:
            self._writer.append(self._batch)
        self._emptied()

    @contextmanager
    def together(self, number: int, *, instead_of: Record | None = None) -> Iterator[list[Record]]:
        """Write the batch and what the caller adds to the list in one transaction.

        What the body does in the store is committed with it, or not at all; when the body
        raises, the batch stays as it was.

        Args:
            number: Of the event that causes what the body does.
            instead_of: A record in the batch; what the caller adds, one record, is written in
                its place.
        """
        more: list[Record] = []
        bus = self._store.bus
        self.before_write()
        with self._store.transaction():
            self._do_along()
            bus.cause = (self._writer.id, number)
            try:
                yield more
            finally:
                bus.cause = None
            if instead_of is None:
                self._writer.append([*self._batch, *more])
            else:
                (whole,) = more
                self._writer.append([whole if it is instead_of else it for it in self._batch])
                self.taken_bytes -= _size_of(instead_of)
        self.taken_bytes += sum(map(_size_of, more))
        self._emptied()
        # Power-loss durability may wait for the batch's time, or the next visible effect.
        if self.due is None:
            self.due = time.monotonic() + BATCH_S

    def _do_along(self) -> None:
        for action in self._along:
            action()

    def _emptied(self) -> None:
        self._along.clear()
        self._batch = []
        self._held = 0

    def _released(self) -> None:
        self.due = None
        outputs, self._outputs = self._outputs, []
        afterwards, self._afterwards = self._afterwards, []
        if self.output_error is not None:
            return
        try:
            if self._on_output is not None:
                for name, text in outputs:
                    self._on_output(name, text)
            for action in afterwards:
                action()
        except Exception as error:  # noqa: BLE001 - it is raised by the host, once it has ended well
            self.output_error = error


def _size_of(record: Record | Packed) -> int:
    """Return how many bytes a record has, about."""
    if isinstance(record, tuple):
        return len(record[1])
    return len(record.args) + len(record.outcome) + _RECORD_BYTES
