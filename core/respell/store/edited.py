"""A store in which one history has another end: kept in memory, and thrown away.

What was recorded up to some record stays as it is, but for records that were replaced; what
comes behind is made up. Everything else is the store's own.
"""

from __future__ import annotations

import bisect
import builtins
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy

from respell.artifacts.record import ArtifactQuery, ArtifactRecord
from respell.errors import EventNotFound
from respell.history.record import Record
from respell.store.artifacts import Artifacts
from respell.store.history import History
from respell.store.store import Store

_BATCH = 2_000


def edited_store(
    store: Store,
    session: int,
    *,
    shared: int,
    replaced: Mapping[int, bytes],
    own: Sequence[bytes],
    artifacts: Sequence[ArtifactRecord] = (),
) -> Store:
    """Return a view of a store in which a session's history is another one.

    It is to be read, and not to be closed: that is for the store itself.

    Args:
        store: The store.
        session: Key of the session.
        shared: The last record that stays.
        replaced: Others in the place of some of those, by their sequence numbers.
        own: The records behind them.
        artifacts: What those made; `event` says which of them.
    """
    view = copy(store)
    view.history = _EditedHistory(store.history, session, shared, replaced, own)
    view.artifacts = _EditedArtifacts(
        store.artifacts, session, store.sessions.get(session).id,
        store.history.event_at(session, shared), artifacts,
    )  # fmt: skip
    return view


def with_artifacts(
    view: Store, made: Sequence[ArtifactRecord], instead_of: Collection[int]
) -> None:
    """Give a view (see `edited_store`) more artifacts of its session.

    Args:
        view: The view.
        made: The artifacts; `event` says what made each.
        instead_of: Events whose recorded artifacts these stand for.
    """
    assert isinstance(view.artifacts, _EditedArtifacts)
    view.artifacts.replace(made, instead_of)


class _EditedHistory(History):
    """Histories, one of them edited."""

    def __init__(
        self,
        base: History,
        session: int,
        shared: int,
        replaced: Mapping[int, bytes],
        own: Sequence[bytes],
    ) -> None:
        self.__dict__.update(base.__dict__)
        self._base = base
        self._edited, self._shared, self._replaced, self._own = session, shared, replaced, own
        self._last_shared = base.event_at(session, shared)
        # Of what comes behind: numbers in the order of their first records, and all records.
        self._first: list[int] = []
        self._by_number: dict[int, list[tuple[int, Record]]] = {}
        for seq, body in enumerate(own, shared + 1):
            record = Record.unpack(body)
            if record.number > self._last_shared and record.number not in self._by_number:
                self._first.append(record.number)
            self._by_number.setdefault(record.number, []).append((seq, record))

    @property
    def _end(self) -> int:
        return self._shared + len(self._own)

    def records(
        self, session: int, first: int = 1, last: int | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """As `History.records`."""
        if session != self._edited:
            return self._base.records(session, first, last)
        return self._edited_records(first, self._end if last is None else min(last, self._end))

    def _edited_records(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        for seq, body in self._base.records(self._edited, first, min(last, self._shared)):
            yield seq, self._replaced.get(seq, body)
        for seq in range(max(first, self._shared + 1), last + 1):
            yield seq, self._own[seq - self._shared - 1]

    def bodies(
        self, session: int, last: int | None = None, *, first: int = 1
    ) -> Iterator[list[bytes]]:
        """As `History.bodies`."""
        if session != self._edited:
            yield from self._base.bodies(session, last, first=first)
            return
        end = self._end if last is None else min(last, self._end)
        seq = first
        for batch in self._base.bodies(session, min(end, self._shared), first=first):
            here = [at for at in self._replaced if seq <= at < seq + len(batch)]
            if here:
                batch = list(batch)
                for at in here:
                    batch[at - seq] = self._replaced[at]
            seq += len(batch)
            yield batch
        start = max(first - self._shared - 1, 0)
        stop = max(end - self._shared, 0)
        for at in range(start, stop, _BATCH):
            yield list(self._own[at : min(at + _BATCH, stop)])

    def events(
        self, session: int, first: int = 1, last: int | None = None
    ) -> Iterator[tuple[int, Record]]:
        """As `History.events`."""
        if session != self._edited:
            return self._base.events(session, first, last)
        highest = self._first[-1] if self._first else self._last_shared
        return self._edited_events(max(first, 1), highest if last is None else min(last, highest))

    def _edited_events(self, first: int, last: int) -> Iterator[tuple[int, Record]]:
        shared = self._base.events(self._edited, first, min(last, self._last_shared))
        number = 0
        for seq, record in shared:
            if seq > self._shared:
                continue
            if number and record.number != number:
                yield from self._by_number.get(number, ())
            number = record.number
            other = self._replaced.get(seq)
            yield seq, record if other is None else Record.unpack(other)
        if number:
            yield from self._by_number.get(number, ())
        for one in self._first[bisect.bisect_left(self._first, first) :]:
            if one > last:
                return
            yield from self._by_number[one]

    def first_record_of(self, session: int, number: int) -> int:
        """As `History.first_record_of`."""
        if session != self._edited or 1 <= number <= self._last_shared:
            return self._base.first_record_of(session, number)
        return self._known(number)[0][0]

    def last_record_of(self, session: int, number: int) -> int:
        """As `History.last_record_of`."""
        if session != self._edited:
            return self._base.last_record_of(session, number)
        found = [seq for seq, _ in self._edited_events(number, number)]
        return max(found) if found else self._known(number)[-1][0]

    def _known(self, number: int) -> list[tuple[int, Record]]:
        if number not in self._by_number:
            highest = self._first[-1] if self._first else self._last_shared
            raise EventNotFound(f"there is no event {number} here; there are events 1 to {highest}")
        return self._by_number[number]

    def shared_records(self, a: int, b: int) -> int:
        """As `History.shared_records`; of the session itself, with what it was before."""
        if (a, b) != (self._edited, self._edited):
            return self._base.shared_records(a, b)
        return min((self._shared, *(seq - 1 for seq in self._replaced)))

    def events_in_flight(self, session: int, seq: int) -> list[int]:
        """As `History.events_in_flight`."""
        if session != self._edited:
            return self._base.events_in_flight(session, seq)
        last = self.event_at(session, seq)
        replaced = [at for at in self._replaced if at > seq]
        found = {number for number in self._by_number if number <= last}
        for at, record in self._edited_events(1, last) if replaced else ():
            if at in self._replaced and at > seq:
                found.add(record.number)
        return sorted(found)

    def event_at(self, session: int, seq: int) -> int:
        """As `History.event_at`."""
        if session != self._edited or seq <= self._shared:
            return self._base.event_at(session, seq)
        number = self._last_shared
        for one in self._first:
            if self._by_number[one][0][0] > seq:
                break
            number = one
        return number


class _EditedArtifacts(Artifacts):
    """Artifacts, those of one session as another history has them."""

    def __init__(
        self,
        base: Artifacts,
        session: int,
        session_id: str,
        last: int,
        made: Sequence[ArtifactRecord],
    ) -> None:
        self.__dict__.update(base.__dict__)
        self._base, self._edited, self._last, self._made = base, session, last, made
        self._session_id = session_id
        self._replaced: frozenset[int] = frozenset()

    def replace(self, made: Sequence[ArtifactRecord], instead_of: Collection[int]) -> None:
        """Have others in the place of those of some events."""
        own = [one for one in self._made if one.event not in instead_of]
        self._made = sorted((*own, *made), key=lambda one: (one.event or 0, one.sequence))
        self._replaced = frozenset(instead_of)

    def of_event(self, session: int, number: int) -> builtins.list[ArtifactRecord]:
        """As `Artifacts.of_event`."""
        recorded = number <= self._last and number not in self._replaced
        if session != self._edited or recorded:
            return self._base.of_event(session, number)
        return [one for one in self._made if one.event == number]

    def list(self, query: ArtifactQuery | None = None) -> builtins.list[ArtifactRecord]:
        """As `Artifacts.list`; of a session alone, what it has with the edits."""
        found = self._base.list(query)
        if query != ArtifactQuery(session_id=self._session_id):
            return found
        kept = [
            one for one in found
            if one.event is None or (one.event <= self._last and one.event not in self._replaced)
        ]  # fmt: skip
        return [*self._made[::-1], *kept]
