"""Where the records of a history are: in which sessions' rows, and where its events begin.

Event numbers rise with the sequence numbers of the records that begin them, so those need no
index: they are searched by halves. Records that come later for an event (outcomes, ends) have
one of their own.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

from respell.errors import SessionNotFound, StoreCorrupt
from respell.store.database import Database

LATER = (
    "FROM records INDEXED BY records_later"
    " WHERE session = ? AND begun IS NOT NULL AND seq > ? AND seq <= ?"
)
"""Selects the records of a segment whose events were begun before them."""

_END = 2**62


@dataclass(frozen=True, slots=True)
class Segment:
    """The records of one session row that are part of a history: after < seq <= up_to."""

    key: int
    after: int
    up_to: int


def lineage(database: Database, session: int) -> list[Segment]:
    """Return where the records of a history are, oldest first.

    Raises:
        SessionNotFound: There is no such session.
        StoreCorrupt: Its row is damaged.
    """
    segments: list[Segment] = []
    key: int | None = session
    up_to = _END
    while key is not None:
        row = database.row("SELECT fork_of, fork_seq FROM sessions WHERE key = ?", (key,))
        if row is None:
            raise SessionNotFound(
                f"the session (key {key}) is not in the store any more; was it deleted meanwhile?"
            )
        if row[0] is not None and row[0] >= key:  # a fork is younger than what it was forked from
            raise StoreCorrupt(
                f"the session with key {key} can't be a fork of the one with key {row[0]}; "
                "run `respell check`"
            )
        if row[1] < up_to:  # else it was forked again before its own first record
            segments.append(Segment(key, row[1], up_to))
        key, up_to = row[0], min(up_to, row[1])
    segments.reverse()
    return segments


def beginning(
    database: Database, segments: list[Segment], number: int
) -> tuple[list[Segment], int] | None:
    """Return where an event begins: the segments from there on, and the sequence number.

    None stands for an event later than all. In a damaged history another record may be there.
    """
    for index, segment in enumerate(segments):
        seq, begun = last_begun(database, segment, segment.up_to)
        if begun >= number:
            # Each event has a record; where none has a second one, nothing is left to search.
            low = max(segment.after + 1, number)
            places = range(low, seq - (begun - number))
            low += bisect.bisect_left(
                places, number, key=lambda seq: last_begun(database, segment, seq)[1]
            )
            return segments[index:], low
    return None


def last_begun(database: Database, segment: Segment, seq: int) -> tuple[int, int]:
    """Return a segment's last record up to `seq` and the last event begun by then, or 0, 0."""
    row = database.row(
        "SELECT seq, ifnull(begun, number) FROM records WHERE session = ?"
        " AND seq > ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
        (segment.key, segment.after, min(seq, segment.up_to)),
    )
    return (0, 0) if row is None else (row[0], row[1])
