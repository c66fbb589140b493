"""The histories of a store: append-only records of sessions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from respell.history.record import Record


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


class HistoryWriter:
    """Appends to one session for the holder of its lease.

    Attributes:
        session: Key of the session.
        lease: The fencing token it appends under.
        seq: Sequence number of the last record, 0 for none.
        number: Number of the last event, 0 for none.
        head_hash: The hash chain's value after the last record.

    After a transaction that was rolled back the three stand where they stood before it.
    """

    session: int
    lease: int
    seq: int
    number: int
    head_hash: bytes

    def append(self, records: Sequence[Record]) -> None:
        """Append records, all or none; in the running transaction, or in one of its own.

        A record's number is that of an event begun before, or the next one
        (`self.number + 1`, rising within the batch).

        Raises:
            LeaseLost: The lease is another's now; nothing was appended.
            UsageError: A number leaves a gap.
        """
        raise NotImplementedError


class History:
    """Records of all sessions: `store.history`."""

    def writer(self, session: int, lease: int) -> HistoryWriter:
        """Return what appends to this session.

        Args:
            session: The session's key.
            lease: The fencing token from `store.leases.acquire`.

        Raises:
            SessionNotFound: There is no such session.
        """
        raise NotImplementedError

    def records(
        self, session: int, first: int = 1, last: int | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """Yield (sequence number, packed record) in the order they were appended.

        Reads in short batches: memory stays flat and no read is held open between two
        items, so what is appended meanwhile is seen as well.

        Args:
            session: The session's key; a fork's shared records come first.
            first: First sequence number.
            last: Last sequence number; None for all there are.

        Raises:
            StoreCorrupt: A large value of a record is damaged or missing.
        """
        raise NotImplementedError

    def events(
        self, session: int, first: int = 1, last: int | None = None
    ) -> Iterator[tuple[int, Record]]:
        """Yield (sequence number, record) of a range of events, event by event.

        All records of an event come together, ordered by event number, then by sequence
        number; so the outcome of a parallel branch may come before smaller sequence numbers.

        Args:
            session: The session's key.
            first: First event number.
            last: Last event number; None for all there are.
        """
        raise NotImplementedError

    def first_record_of(self, session: int, number: int) -> int:
        """Return the sequence number of an event's first record.

        Raises:
            EventNotFound: The history has no such event.
        """
        raise NotImplementedError

    def last_record_of(self, session: int, number: int) -> int:
        """Return the sequence number of an event's last record.

        Raises:
            EventNotFound: The history has no such event.
        """
        raise NotImplementedError

    def event_at(self, session: int, seq: int) -> int:
        """Return the highest event number among the records up to `seq`; 0 for none."""
        raise NotImplementedError

    def hash_at(self, session: int, seq: int) -> bytes:
        """Return the hash chain's value after record `seq`; `FIRST_HASH` for 0.

        Raises:
            EventNotFound: The history has no such record.
        """
        raise NotImplementedError

    def open_effects(self, session: int) -> list[OpenEffect]:
        """Return the effects that have an intent and no outcome, by event number."""
        raise NotImplementedError

    def sessions_due(self, now: int) -> list[int]:
        """Return keys of sessions not ended with a timer due by then, soonest first.

        Args:
            now: µs since 1970 UTC.
        """
        raise NotImplementedError

    def verify(self, session: int) -> int:
        """Check the whole hash chain and return how many records it covers.

        Raises:
            StoreCorrupt: A record is missing, damaged or not in its place; says which.
        """
        raise NotImplementedError
