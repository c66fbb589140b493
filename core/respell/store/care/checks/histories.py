"""Histories: the counters in a session's row, its hash chain, and the forks that share it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from respell.errors import NotFound, StoreCorrupt
from respell.history.record import Part
from respell.store.care.cutting import cut
from respell.store.care.inspection import Inspection, Mend, text_of
from respell.store.chains import Link
from respell.store.large import addresses_of
from respell.store.lineage import Segment

_RESTORE = "Restore the store from a backup, or fork the session before this event"
_NAMED = 20
_END = 2**62
_INTENT = Part.INTENT
_CLOSING = frozenset((Part.OUTCOME, Part.END))

_COUNTERS = """
    SELECT s.key, s.records, s.events, s.head_hash, s.fork_of, s.fork_seq,
        r.count, r.first, r.last, r.begun,
        (SELECT hash FROM records WHERE session = s.key AND seq = r.last), CAST(s.id AS BLOB)
    FROM sessions AS s LEFT JOIN (
        SELECT session, count(*) AS count, min(seq) AS first, max(seq) AS last,
            max(ifnull(begun, number)) AS begun
        FROM records WHERE {own} GROUP BY session
    ) AS r ON r.session = s.key
    WHERE {one} AND (s.deleted = 0 OR (s.deleted = 1 AND s.key IN (SELECT fork_of FROM sessions)))
"""
_COUNTERS_OF_ALL = _COUNTERS.format(own="true", one="true")
_COUNTERS_OF_ONE = _COUNTERS.format(own="session = ?1", one="s.key = ?1")


@dataclass(frozen=True, slots=True)
class _Row:
    """A session's row, and what its records say."""

    key: int
    records: int
    events: int
    head: bytes
    fork_of: int | None
    fork_seq: int
    count: int | None
    first: int | None
    last: int | None
    begun: int | None
    hash: bytes | None
    id: bytes

    @property
    def name(self) -> str:
        """Its id as text."""
        return text_of(self.id)


def check_histories(it: Inspection) -> None:
    """Check each session's own records, and that what it shares with others is there."""
    rows = [_Row(*row) for row in it.rows("records", _COUNTERS_OF_ALL)]
    it.report.sessions = len(rows)
    it.report.records = sum(row.count or 0 for row in rows)
    it.expect(it.report.records if it.read_data else len(rows))
    sound = {row.key for row in rows if _check_lineage(it, row)}
    for row in rows:
        if row.key not in sound or row.key in it.cut:
            continue
        link = _Chain(it, row).check() if it.read_data else None
        if link is None or link.is_whole:
            _check_counters(it, row)
        if not it.read_data:
            it.progress()


def _check_lineage(it: Inspection, row: _Row) -> bool:
    if row.fork_of is None:
        return True
    name = row.name
    source = it.rows(
        "sessions",
        "SELECT 1 FROM sessions WHERE key = ? AND key < ? AND records >= ?",
        (row.fork_of, row.key, row.fork_seq),
    )
    if source:
        return True
    it.found(
        "session.fork",
        f"session {name} is a fork of session {it.name(row.fork_of)} after record {row.fork_seq}, "
        "and that has no such record (any more)",
        "Restore the store from a backup",
        session=name,
    )
    return False


def _beginning(it: Inspection, row: _Row) -> Link:
    """Return where a session's own records begin.

    Raises:
        NotFound, StoreCorrupt: What it shares with others is not there.
    """
    if row.fork_of is None or row.fork_seq == 0:
        return Link()
    history = it.store.history
    return Link(
        row.fork_seq,
        history.event_at(row.fork_of, row.fork_seq),
        history.hash_at(row.fork_of, row.fork_seq),
    )


@dataclass(frozen=True, slots=True)
class _Miscount:
    """What a session's row says of its history, and what there is instead.

    Attributes:
        what: What is wrong, as part of a sentence.
        good: Where records are lost: the last one that stays; None where only counters differ.
        counters: The right ones: records, events, hash at the end.
    """

    what: str
    good: int | None
    counters: tuple[int, int, bytes]


def _miscount(it: Inspection, row: _Row) -> _Miscount | None:
    """Compare what a session's row says of its history with the records there are.

    Raises:
        NotFound, StoreCorrupt: What it shares with others is not there.
    """
    begin = _beginning(it, row)
    last, begun, head = row.last or begin.seq, row.begun or begin.number, row.hash or begin.head
    own, counters = last - begin.seq, (last, begun, head)
    if row.count is not None and (row.first != begin.seq + 1 or row.count != own):
        what = f"of its records {begin.seq + 1} to {last} only {row.count} are there"
        good = last if row.count == own else _without_gap(it, row.key, begin.seq)
        return _Miscount(what, good, counters)
    if row.records > last:
        what = f"it should have {row.records} records, and its history ends at record {last}"
        return _Miscount(what, last, counters)
    if (row.records, row.events, row.head) == counters:
        return None
    what = (
        f"its row says {row.records} records of {row.events} events, and there are "
        f"{last} of {begun}, or another hash at the end"
    )
    return _Miscount(what, None, counters)


def _check_counters(it: Inspection, row: _Row) -> None:
    name = row.name
    try:
        found = _miscount(it, row)
    except (NotFound, StoreCorrupt) as error:
        what = f"the history of session {name}: {error}"
        it.found("history.damaged", what, _RESTORE, session=name)
        return
    if found is None:
        return
    if found.good is not None:
        it.found(
            "history.incomplete", f"session {name} has lost records: {found.what}", _RESTORE,
            _cut_mend(it, row.key, found.good, lambda: _is_still(it, row.key, found)),
            session=name,
        )  # fmt: skip
        return

    def do() -> str:
        it.database.write(
            "UPDATE sessions SET records = ?, events = ?, head_hash = ? WHERE key = ?",
            (*found.counters, row.key),
        )
        return "the counters were set to what there is"

    mend = Mend(
        "sets the counters to what there is", do, row.key, lambda: _is_still(it, row.key, found)
    )
    it.found("session.counters", f"session {name}: {found.what}", "", mend, session=name)


def _is_still(it: Inspection, key: int, found: _Miscount) -> bool:
    row = it.database.row(_COUNTERS_OF_ONE, (key,))
    return row is not None and _miscount(it, _Row(*row)) == found


def _without_gap(it: Inspection, key: int, begin: int) -> int:
    """Return the last of the records that follow each other from the first on."""
    found = it.rows(
        "records",
        "SELECT min(seq) FROM records AS one WHERE session = ?1 AND seq > ?2 AND EXISTS"
        " (SELECT 1 FROM records WHERE session = ?1 AND seq = ?2 + 1) AND NOT EXISTS"
        " (SELECT 1 FROM records WHERE session = ?1 AND seq = one.seq + 1)",
        (key, begin),
    )
    return begin if not found or found[0][0] is None else int(found[0][0])


def _cut_mend(it: Inspection, key: int, good: int, still: Callable[[], bool]) -> Mend:
    def do() -> str:
        keys, said = cut(it.store, it.damaged, key, good, it.name)
        it.cut.update(keys)
        return said

    promise = (
        f"cuts the history after record {good}, keeps the rest in damaged/ and suspends the session"
    )
    return Mend(promise, do, key, still)


class _Chain:
    """The check of one session's own records, byte by byte."""

    def __init__(self, it: Inspection, row: _Row) -> None:
        self._it = it
        self._row = row
        self._name = row.name
        self._bad = 0
        self._good = row.fork_seq
        self._open: set[int] = set()  # events with an intent and no outcome
        self._first = ""
        self.is_whole = True

    def check(self) -> _Chain:
        """Go through all records and report what is wrong."""
        row = self._row
        try:
            link = _beginning(self._it, row)
            for record in self._it.store.history.chained(
                Segment(row.key, row.fork_seq, row.last or 0)
            ):
                self._look(link, *record)
                self._it.progress()
        except (NotFound, StoreCorrupt) as error:
            self.is_whole = False
            self._it.found(
                "history.unreadable",
                f"the history of session {self._name} can't be read after record {self._good}: "
                f"{error}",
                _RESTORE,
                session=self._name,
            )
            return self
        self._report()
        if self._bad == 0:
            self._check_open()
        return self

    def _look(
        self,
        link: Link,
        seq: int,
        known: bytes,
        large: bytes | None,
        event: int,
        begun: int | None,
        body: bytes,
    ) -> None:
        whole = body if large is None else self._whole(seq, event, large, body)
        if whole is None:
            link.skip(seq, known, event, begun)
        elif wrong := link.misfit(seq, known, event, begun, whole):
            where = f"record {seq} (event {event}) of session {self._name}"
            self._damaged(seq, f"{where} {wrong}{_sharers(self._it, self._row.key, seq)}")
        if self._bad == 0:
            self._good = seq
        part = body[:1]
        if part and part[0] == _INTENT:
            self._open.add(event)
        elif part and part[0] in _CLOSING:
            self._open.discard(event)

    def _whole(self, seq: int, event: int, large: bytes, body: bytes) -> bytes | None:
        try:
            whole = self._it.store.history.whole(self._row.key, seq, large, body)
        except StoreCorrupt as error:
            # The blob may be stored again one day: the history is kept as it is.
            self._it.found(
                "history.value",
                f"event {event} of session {self._name}{_sharers(self._it, self._row.key, seq)}: "
                f"{error}",
                _RESTORE,
                session=self._name,
            )
            return None
        self._it.verified.update(addresses_of(large))
        return whole

    def _damaged(self, seq: int, what: str) -> None:
        self._bad += 1
        self.is_whole = False
        if self._bad == 1:
            self._first = what
        elif self._bad <= _NAMED:
            self._it.found("history.damaged", what, _RESTORE, session=self._name)

    def _report(self) -> None:
        if self._bad == 0:
            return
        what = self._first
        if self._bad > _NAMED:
            what += f"; so are {self._bad - _NAMED} records more than are listed here"
        # Last, because it takes all of the others out as well.
        self._it.found(
            "history.damaged", what, _RESTORE,
            _cut_mend(self._it, self._row.key, self._good, self._is_still_damaged),
            session=self._name,
        )  # fmt: skip

    def _is_still_damaged(self) -> bool:
        """Whether the record after the last good one does not fit it: nobody has cut it off."""
        history, key, good = self._it.store.history, self._row.key, self._good
        link = Link(good, history.event_at(key, good), history.hash_at(key, good))
        for seq, known, large, event, begun, body in history.chained(Segment(key, good, _END)):
            whole = body if large is None else history.whole(key, seq, large, body)
            return bool(link.misfit(seq, known, event, begun, whole))
        return False

    def _check_open(self) -> None:
        """Compare the effects without outcome with their rows."""
        it, key = self._it, self._row.key
        listed = {
            number
            for (number,) in it.rows(
                "open_effects", "SELECT number FROM open_effects WHERE session = ?", (key,)
            )
        }
        for number in self._open:
            if number not in listed and not self._has_ended(number):
                it.found(
                    "effect.unlisted",
                    f"effect {number} of session {self._name} has no outcome, and is not listed "
                    "among those without",
                    "",
                    open_effects_mend(it, key),
                    session=self._name,
                )

    def _has_ended(self, number: int) -> bool:
        """Whether an effect has got its outcome since its intent was read."""
        sql = "SELECT 1 FROM records WHERE session = ? AND number = ? AND begun IS NOT NULL LIMIT 1"
        return self._it.rows("records", sql, (self._row.key, number)) != []


def _sharers(it: Inspection, key: int, seq: int) -> str:
    """Return which forks have a record as well, as part of a sentence; empty for none."""
    forks = it.rows(
        "sessions",
        "WITH RECURSIVE forks(key) AS (SELECT key FROM sessions WHERE fork_of = ?1"
        " AND fork_seq >= ?2 UNION SELECT s.key FROM sessions AS s JOIN forks"
        " ON s.fork_of = forks.key WHERE s.fork_seq >= ?2) SELECT key FROM forks",
        (key, seq),
    )
    return f" (and of its forks {', '.join(it.name(key) for (key,) in forks)})" if forks else ""


def open_effects_mend(it: Inspection, key: int) -> Mend:
    """Return what lists a session's effects without outcome anew."""

    def do() -> str:
        it.store.history.list_open_effects(key)
        return "they were listed anew"

    return Mend("lists them anew", do, key)
