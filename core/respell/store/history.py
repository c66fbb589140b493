"""The histories of a store: append-only records of sessions."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from respell.errors import (
    EventNotFound,
    NotFound,
    SessionNotFound,
    StoreCorrupt,
)
from respell.history.record import FIRST_HASH, Record
from respell.store.appending import INSERT_OPEN, STILL_OPEN, Batch, HistoryWriter
from respell.store.blobs import Blobs
from respell.store.chains import Link
from respell.store.database import Database, Row
from respell.store.large import put_back
from respell.store.lineage import LATER, Segment, beginning, last_begun, lineage

_BATCH_BYTES = 1024 * 1024
_BATCH_ROWS = 2000
_BATCH_EVENTS = 256
_END = 2**62


@dataclass(frozen=True, slots=True)
class OpenEffect:
    """An effect whose intent is recorded and whose outcome is not.

    Attributes:
        number: Its event number.
        name: e.g. `tool.invoke`.
        due: When a timer is due (its metadata's `due`, µs since 1970 UTC), else None.
        record: The intent.
    """

    number: int
    name: str
    due: int | None
    record: Record


class History:
    """Records of all sessions: `store.history`."""

    def __init__(self, database: Database, blobs: Blobs, clock: Callable[[], int]) -> None:
        """Made by `Store`."""
        self._database = database
        self._blobs = blobs
        self._clock = clock

    def writer(self, session: int, lease: int) -> HistoryWriter:
        """Return what appends to this session.

        Args:
            session: The session's key.
            lease: The fencing token from `store.leases.acquire`.

        Raises:
            SessionNotFound: There is no such session.
        """
        return HistoryWriter(self._database, self._blobs, self._clock, session, lease)

    def records(
        self, session: int, first: int = 1, last: int | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """Return an iterator of (sequence number, packed record), in the order of appending.

        Reads in short batches: memory stays flat and no read is held open between two
        items, so what is appended meanwhile is seen as well.

        Args:
            session: The session's key; a fork's shared records come first.
            first: First sequence number.
            last: Last sequence number; None for all there are.

        Raises:
            SessionNotFound: There is no such session.
            StoreCorrupt: A large value of a record is damaged or missing.
        """
        segments = self._lineage(session)
        return self._records(segments, first, _END if last is None else last)

    def bodies(
        self, session: int, last: int | None = None, *, first: int = 1
    ) -> Iterator[list[bytes]]:
        """Yield the packed records from `first` to `last` in batches; otherwise like `records`.

        For those who need no sequence numbers, as re-execution: it saves a step per record.
        """
        end = _END if last is None else last
        for segment in self._lineage(session):
            start = max(first, segment.after + 1)
            for rows in self._batches(segment, start, min(end, segment.up_to)):
                bodies = [body for _, large, body in rows if large is None]
                if len(bodies) == len(rows):
                    yield bodies
                else:
                    yield from self._whole_in_parts(segment, rows)

    def _whole_in_parts(self, segment: Segment, rows: list[Row]) -> Iterator[list[bytes]]:
        """Yield whole records, never many large ones at once."""
        some: list[bytes] = []
        size = 0
        for seq, large, body in rows:
            if large is not None:
                body = self._whole(segment, seq, large, body)
            if some and size + len(body) > _BATCH_BYTES:
                yield some
                some, size = [], 0
            some.append(body)
            size += len(body)
        yield some

    def _records(
        self, segments: list[Segment], first: int, last: int
    ) -> Iterator[tuple[int, bytes]]:
        for segment in segments:
            start, end = max(first, segment.after + 1), min(last, segment.up_to)
            for rows in self._batches(segment, start, end):
                for seq, large, body in rows:
                    yield seq, body if large is None else self._whole(segment, seq, large, body)

    def _batches(self, segment: Segment, start: int, end: int) -> Iterator[list[Row]]:
        sql = (
            "SELECT seq, large, body FROM records WHERE session = ? AND seq BETWEEN ? AND ?"
            f" ORDER BY seq LIMIT {_BATCH_ROWS}"
        )
        while start <= end and (
            rows := self._database.rows_up_to(_BATCH_BYTES, sql, (segment.key, start, end))
        ):
            yield rows
            start = rows[-1][0] + 1

    def events(
        self, session: int, first: int = 1, last: int | None = None
    ) -> Iterator[tuple[int, Record]]:
        """Return an iterator of (sequence number, record) for a range of events.

        All records of an event come together, ordered by event number, then by sequence
        number; an outcome that came late therefore stands before smaller sequence numbers.

        Args:
            session: The session's key.
            first: First event number.
            last: Last event number; None for all there are.

        Raises:
            SessionNotFound: There is no such session.
            StoreCorrupt: A record is damaged.
        """
        segments = self._lineage(session)
        head = self._head(session)[1]
        return self._events(segments, max(first, 1), head if last is None else min(last, head))

    def _events(
        self, segments: list[Segment], first: int, last: int
    ) -> Iterator[tuple[int, Record]]:
        place = beginning(self._database, segments, first) if first <= last else None
        if place is None:
            return
        segments, start = place
        for index, segment in enumerate(segments):
            start = max(start, segment.after + 1)
            while rows := self._database.rows_up_to(
                _BATCH_BYTES,
                "SELECT number, seq, large, body FROM records WHERE session = ?"
                " AND seq BETWEEN ? AND ? AND begun IS NULL AND number <= ?"
                f" ORDER BY seq LIMIT min({_BATCH_EVENTS}, ?)",
                (segment.key, start, segment.up_to, last, last - first + 1),
            ):
                found = [(number, seq, segment, *rest) for number, seq, *rest in rows]
                first, start = first + len(rows), rows[-1][1] + 1
                yield from self._with_later(segments[index:], found)

    def _with_later(
        self, segments: list[Segment], found: list[tuple[Any, ...]]
    ) -> Iterator[tuple[int, Record]]:
        """Put the records that came later between those that began their events."""
        first, last = found[0][0], found[-1][0]
        begun = len(found)
        found += [
            (number, seq, segment, large, body)
            for segment in segments
            for number, seq, large, body in self._database.rows(
                f"SELECT number, seq, large, body {LATER} AND number BETWEEN ? AND ?",
                (segment.key, segment.after, segment.up_to, first, last),
            )
        ]
        if len(found) > begun:
            found.sort(key=itemgetter(0, 1))
        for _, seq, segment, large, body in found:
            whole = body if large is None else self._whole(segment, seq, large, body)
            yield seq, self._unpacked(segment, seq, whole)

    def first_record_of(self, session: int, number: int) -> int:
        """Return the sequence number of an event's first record.

        Raises:
            EventNotFound: The history has no such event.
        """
        return self._first_record(session, self._lineage(session), number)

    def _first_record(self, session: int, segments: list[Segment], number: int) -> int:
        place = beginning(self._database, segments, number)
        if place is not None:
            segments, seq = place
            found = self._database.value(
                "SELECT number FROM records WHERE session = ? AND seq = ?", (segments[0].key, seq)
            )
            if found == number:
                return seq
        raise EventNotFound(
            f"session {self._name(session)} has no event {number}; it has events 1 to "
            f"{self._head(session)[1]}"
        )

    def last_record_of(self, session: int, number: int) -> int:
        """Return the sequence number of an event's last record.

        Raises:
            EventNotFound: The history has no such event.
        """
        segments = self._lineage(session)
        for segment in reversed(segments):
            seq: int | None = self._database.value(
                f"SELECT max(seq) {LATER} AND number = ?",
                (segment.key, segment.after, segment.up_to, number),
            )
            if seq is not None:
                return seq
        return self._first_record(session, segments, number)

    def event_at(self, session: int, seq: int) -> int:
        """Return the highest event number among the records up to `seq`; 0 for none."""
        for segment in reversed(self._lineage(session)):
            _, begun = last_begun(self._database, segment, seq)
            if begun:
                return begun
        return 0

    def shared_records(self, a: int, b: int) -> int:
        """Return how many records two histories begin with together: 0 if none is a fork."""
        shared = 0
        for one, other in zip(self._lineage(a), self._lineage(b), strict=False):
            if one.key != other.key:
                break
            shared = min(one.up_to, other.up_to, self._head(one.key)[0])
            if one.up_to != other.up_to:
                break
        return shared

    def events_in_flight(self, session: int, seq: int) -> list[int]:
        """Return numbers of events begun up to record `seq` that have records after it."""
        return self._ended_later(session, seq)

    def hash_at(self, session: int, seq: int) -> bytes:
        """Return the hash chain's value after record `seq`; `FIRST_HASH` for 0.

        Raises:
            EventNotFound: The history has no such record.
        """
        if seq == 0:
            return FIRST_HASH
        for segment in self._lineage(session):
            if segment.after < seq <= segment.up_to:
                found: bytes | None = self._database.value(
                    "SELECT hash FROM records WHERE session = ? AND seq = ?", (segment.key, seq)
                )
                if found is not None:
                    return found
        raise EventNotFound(
            f"session {self._name(session)} has no record {seq}; it has records 1 to "
            f"{self._head(session)[0]}"
        )

    def open_effects(self, session: int) -> list[OpenEffect]:
        """Return the effects that have an intent and no outcome, by event number."""
        rows = self._database.rows(
            "SELECT number, name, due, seq FROM open_effects WHERE session = ?"
            f" AND {STILL_OPEN} ORDER BY number",
            (session,),
        )
        found = []
        for number, name, due, seq in rows:
            for _, body in self.records(session, seq, seq):
                found.append(OpenEffect(number, name, due, Record.unpack(body)))
        return found

    def sessions_due(self, now: int) -> list[int]:
        """Return keys of sessions not ended with a timer due by then, soonest first.

        Args:
            now: µs since 1970 UTC.
        """
        rows = self._database.rows(
            "SELECT session FROM open_effects JOIN sessions ON key = session"
            " WHERE due <= ? AND status IN ('active', 'suspended') AND NOT deleted AND NOT redacted"
            f" AND {STILL_OPEN}"
            " GROUP BY session ORDER BY min(due)",
            (now,),
        )
        return [key for (key,) in rows]

    def copy_open_effects(self, source: int, seq: int, target: int) -> None:
        """Give a new fork the effects that were open after record `seq` of its source."""
        rows = {
            number: (target, number, intent, name, due)
            for number, intent, name, due in self._database.rows(
                "SELECT number, seq, name, due FROM open_effects WHERE session = ? AND seq <= ?"
                f" AND {STILL_OPEN}",
                (source, seq),
            )
        }
        batch = Batch(target, 0, 0, FIRST_HASH)
        for number in self._ended_later(source, seq):
            for at, record in self.events(source, number, number):
                if at <= seq:
                    batch.note(record, at)
        rows.update(batch.opened)
        self._database.execute_many(INSERT_OPEN, rows.values())

    def list_open_effects(self, session: int) -> None:
        """List a session's effects without outcome anew, from its records."""
        self._database.write("DELETE FROM open_effects WHERE session = ?", (session,))
        batch = Batch(session, 0, 0, FIRST_HASH)
        for seq, body in self.records(session):
            batch.note(Record.unpack(body), seq)
        self._database.execute_many(INSERT_OPEN, batch.opened.values())

    def _ended_later(self, session: int, seq: int) -> list[int]:
        """Return numbers of events begun up to record `seq` that have records after it."""
        number = self.event_at(session, seq)
        found: set[int] = set()
        for segment in self._lineage(session):
            rows = self._database.rows(
                f"SELECT DISTINCT number {LATER} AND number <= ?",
                (segment.key, max(seq, segment.after), segment.up_to, number),
            )
            found.update(number for (number,) in rows)
        return sorted(found)

    def verify(self, session: int) -> int:
        """Check the whole hash chain and return how many records it covers.

        Raises:
            SessionNotFound: There is no such session.
            StoreCorrupt: A record is missing, damaged or not in its place; says which.
        """
        link = Link()
        name = self._name(session)
        for segment in self._lineage(session):
            for seq, known, large, event, begun, body in self.chained(segment):
                whole = body if large is None else self._whole(segment, seq, large, body)
                if wrong := link.misfit(seq, known, event, begun, whole):
                    raise StoreCorrupt(
                        f"record {seq} (event {event}) of session {name} {wrong}. "
                        "Restore the store from a backup, or fork the session before this event"
                    )
        records, events, head_hash = self._head(session)
        if (link.seq, link.number, link.head) != (records, events, head_hash):
            raise StoreCorrupt(
                f"session {name} has {records} records of {events} events by its row, and its "
                f"history ends at record {link.seq} of event {link.number}: its end is missing or "
                "was changed. Restore the store from a backup"
            )
        return link.seq

    def whole(self, key: int, seq: int, large: bytes, body: bytes) -> bytes:
        """Return the bytes of a record with its large values put back.

        Args:
            key: Key of the session that has the record in its rows.
            seq: The record's sequence number.
            large: The column of this name.
            body: The same.

        Raises:
            StoreCorrupt: A large value is damaged or missing.
        """
        return self._whole(Segment(key, seq - 1, seq), seq, large, body)

    def chained(self, segment: Segment) -> Iterator[Row]:
        """Yield seq, hash, large, number, begun and body of a segment's records."""
        start = segment.after + 1
        while rows := self._database.rows_up_to(
            _BATCH_BYTES,
            "SELECT seq, hash, large, number, begun, body FROM records WHERE session = ?"
            f" AND seq BETWEEN ? AND ? ORDER BY seq LIMIT {_BATCH_ROWS}",
            (segment.key, start, segment.up_to),
        ):
            yield from rows
            start = rows[-1][0] + 1

    def _lineage(self, session: int) -> list[Segment]:
        return lineage(self._database, session)

    def _head(self, session: int) -> tuple[int, int, bytes]:
        """Return records, events and chain hash of a session."""
        row = self._database.row(
            "SELECT records, events, head_hash FROM sessions WHERE key = ?", (session,)
        )
        if row is None:
            raise SessionNotFound(f"there is no session with key {session}")
        return row[0], row[1], row[2]

    def _name(self, session: int) -> str:
        return str(self._database.value("SELECT id FROM sessions WHERE key = ?", (session,)))

    def _whole(self, segment: Segment, seq: int, large: bytes, body: bytes) -> bytes:
        """Return the bytes of a record with its large values put back."""
        record = self._unpacked(segment, seq, body)
        try:
            return put_back(record, large, self._blobs).pack()
        except (NotFound, StoreCorrupt, IndexError) as error:
            raise StoreCorrupt(
                f"a large value of record {seq} of session {self._name(segment.key)} can't be "
                f"read: {error}"
            ) from error

    def _unpacked(self, segment: Segment, seq: int, body: bytes) -> Record:
        try:
            return Record.unpack(body)
        except (struct.error, IndexError, ValueError) as error:
            raise StoreCorrupt(
                f"record {seq} of session {self._name(segment.key)} is damaged ({error}); run "
                "`respell check`"
            ) from error
