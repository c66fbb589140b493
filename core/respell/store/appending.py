"""Appending to a history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from blake3 import blake3

from respell import values
from respell.errors import LeaseLost, SessionNotFound, StoreError, UsageError
from respell.history.record import Packed, Part, Record
from respell.store.blobs import Blobs
from respell.store.database import Database, Row
from respell.store.heads import Head
from respell.store.large import LARGE, set_apart

_ADVANCE = (
    "UPDATE sessions SET records = ?, events = ?, head_hash = ?, updated_at = ? WHERE key = ?5"
    " AND records = ? AND head_hash = ? AND NOT deleted"
    " AND EXISTS (SELECT 1 FROM leases WHERE session = ?5 AND token = ? AND pid IS NOT NULL)"
)
INSERT_RECORD = (
    "INSERT INTO records (session, seq, number, begun, hash, large, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
INSERT_OPEN = (
    "INSERT OR REPLACE INTO open_effects (session, number, seq, name, due) VALUES (?, ?, ?, ?, ?)"
)
STILL_OPEN = (
    "NOT EXISTS (SELECT 1 FROM records AS later INDEXED BY records_later"
    " WHERE later.session = open_effects.session AND later.number = open_effects.number"
    " AND begun IS NOT NULL AND later.seq > open_effects.seq)"
)
"""Whether the effect of a row of open_effects has not ended meanwhile.

Rows of ended effects are deleted many at once, so that an outcome has one page less to write.
"""
_ENDED_AT_MOST = 100
"""How many such rows a session may have."""

_INTENT = Part.INTENT
_DUE = values.encode("due")  # only timers have it, and most metadata need not be read
_CLOSING = frozenset((Part.OUTCOME, Part.END))
_TURNING = frozenset(map(int, (Part.INTENT, Part.OUTCOME, Part.END)))  # compared with bytes


class HistoryWriter:
    """Appends to one session for the holder of its lease.

    Attributes:
        session: Key of the session.
        id: Id of the session.
        lease: The fencing token it appends under.
        seq: Sequence number of the last record, 0 for none.
        number: Number of the last event, 0 for none.
        head_hash: The hash chain's value after the last record.

    After a transaction that was rolled back the last three are what they were before it.
    """

    def __init__(
        self, database: Database, blobs: Blobs, clock: Callable[[], int], session: int, lease: int
    ) -> None:
        """Made by `store.history.writer`."""
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self.session = session
        self.lease = lease
        row = database.row(
            "SELECT records, events, head_hash, id FROM sessions WHERE key = ? AND NOT deleted",
            (session,),
        )
        if row is None:
            raise SessionNotFound(f"there is no session with key {session}")
        self.id: str = row[3]
        self.seq: int = row[0]
        self.number: int = row[1]
        self.head_hash: bytes = row[2]
        self._listed: set[int] | None = None
        self._ended: set[int] = set()

    def append(self, records: Sequence[Record | Packed]) -> None:
        """Append records, all or none; in the running transaction, or in one of its own.

        A record's number is that of an event begun before, or the next one
        (`self.number + 1`, rising within the batch).

        Raises:
            LeaseLost: The lease is another's now; nothing was appended.
            UsageError: A number leaves a gap.
        """
        if not records:
            return
        database = self._database
        with database.mutex:
            before = (self.seq, self.number, self.head_hash)
            batch = Batch(self.session, self.seq, self.number, self.head_hash)
            batch.add_all(records, self._blobs)
            with database:
                self._advance(batch)
                database.execute_many(INSERT_RECORD, batch.rows)
                if batch.large:
                    database.execute_many(
                        "INSERT OR IGNORE INTO blob_refs (session, hash) VALUES (?, ?)",
                        [(self.session, address) for address in batch.large],
                    )
                if batch.opened or batch.closed:
                    self._note_open(batch)
                database.on_rollback(lambda: self._restore(*before))
                self.seq, self.number, self.head_hash = batch.seq, batch.number, batch.hash
                self._note_head()

    def _advance(self, batch: Batch) -> None:
        """Move the session's head, if both lease and head are still the ones known here."""
        bindings = (
            batch.seq, batch.number, batch.hash, self._clock(), self.session,
            self.seq, self.head_hash, self.lease,
        )  # fmt: skip
        if self._database.write(_ADVANCE, bindings) != 1:
            raise self._refused()

    def _refused(self) -> StoreError | SessionNotFound:
        row = self._database.row(
            "SELECT id, records, token, pid, host FROM sessions LEFT JOIN leases ON session = key"
            " WHERE key = ? AND NOT deleted",
            (self.session,),
        )
        if row is None:
            return SessionNotFound(f"session with key {self.session} was deleted meanwhile")
        session_id, count, token, pid, host = row
        if token != self.lease or pid is None:
            by = f"process {pid} on {host} has taken it over" if pid else "its lease was given up"
            return LeaseLost(
                f"session {session_id} is not held by this process any more: {by}. Nothing was "
                "appended; resume the session to go on"
            )
        return StoreError(
            f"session {session_id} has {count} records where this writer knows {self.seq}: "
            "another writer of the same lease appended to it; use one writer per lease"
        )

    def _note_open(self, batch: Batch) -> None:
        listed = self._listed
        if listed is None:
            listed = self._read_listed()
        # Most outcomes follow their intent in the same batch, or had none: they have no row.
        ended = self._ended
        ended.update(batch.closed & listed)
        if batch.opened:
            self._database.execute_many(INSERT_OPEN, batch.opened.values())
            listed.update(batch.opened)
            ended.difference_update(batch.opened)
        if len(ended) > _ENDED_AT_MOST:
            self._database.execute_many(
                "DELETE FROM open_effects WHERE session = ? AND number = ?",
                [(self.session, number) for number in ended],
            )
            listed.difference_update(ended)
            ended.clear()

    def _read_listed(self) -> set[int]:
        """Find out which effects have rows in open_effects, and which of them have ended."""
        rows = self._database.rows(
            f"SELECT number, {STILL_OPEN} FROM open_effects WHERE session = ?", (self.session,)
        )
        self._listed = {number for number, _ in rows}
        self._ended = {number for number, still_open in rows if not still_open}
        return self._listed

    def _restore(self, seq: int, number: int, head: bytes) -> None:
        self.seq, self.number, self.head_hash = seq, number, head
        self._note_head()
        self._listed = None  # to be read again: what is listed was rolled back as well

    def _note_head(self) -> None:
        self._database.heads.note(Head(self.session, self.id, self.seq, self.head_hash))


class Batch:
    """Records made ready to be inserted."""

    def __init__(self, session: int, seq: int, number: int, head: bytes) -> None:
        """Begin after record `seq` of event `number`, where the chain's value is `head`."""
        self.session = session
        self.seq = seq
        self.number = number
        self.hash = head
        self.rows: list[Row] = []
        self.large: list[bytes] = []
        self.opened: dict[int, Row] = {}
        self.closed: set[int] = set()

    def add_all(self, records: Iterable[Record | Packed], blobs: Blobs) -> None:
        """Number, hash and pack the next records."""
        # One loop without calls of our own: most records of a session pass here packed.
        session, seq, top, head = self.session, self.seq, self.number, self.hash
        append = self.rows.append
        for record in records:
            if isinstance(record, tuple):
                number, body = record
                if body[0] in _TURNING:
                    self.note(Record.unpack(body), seq + 1)
            else:
                number, body = record.number, record.pack()
                self.note(record, seq + 1)
            begun: int | None = None
            if number == top + 1:
                top = number
            elif 0 < number <= top:
                begun = top
            else:
                raise UsageError(
                    f"event {number} can't follow event {top}: the next one has number {top + 1}"
                )
            head = blake3(head + body).digest()
            seq += 1
            large: bytes | None = None
            if len(body) > LARGE:
                whole = Record.unpack(body)
                rest, large, addresses = set_apart(whole, blobs)
                self.large += addresses
                body = rest.pack()
            append((session, seq, number, begun, head, large, body))
        self.seq, self.number, self.hash = seq, top, head

    def note(self, record: Record, seq: int) -> None:
        """Keep track of which effects are open after a record."""
        number = record.number
        part = record.part
        if part is _INTENT:
            due = record.metadata().get("due") if _DUE in record.meta else None
            self.opened[number] = (self.session, number, seq, record.name, due)
            self.closed.discard(number)
        elif part in _CLOSING:
            self.opened.pop(number, None)
            self.closed.add(number)
