"""Events are found by their numbers, however their records lie among others and forks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from respell.errors import EventNotFound, StoreCorrupt
from respell.history.record import Part, Record
from respell.sessions.record import SessionRecord
from respell.store import HistoryWriter, Store, history
from store_children import effect


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("numbers") / "store", durability="process") as store:
        yield store


def new_writer(store: Store, **fields: object) -> HistoryWriter:
    key = store.sessions.insert(SessionRecord(**fields)).key  # type: ignore[arg-type]
    return store.history.writer(key, store.leases.acquire(key))


@dataclass
class Told:
    """A session, and every record that it should have."""

    writer: HistoryWriter
    records: list[Record] = field(default_factory=list)

    @property
    def top(self) -> int:
        return max((record.number for record in self.records), default=0)

    def append(self, store: Store, steps: list[tuple[Part, float]]) -> None:
        """Append a batch; steps that continue an event say which, as a part of all."""
        batch: list[Record] = []
        top = self.top
        for part, which in steps:
            number = top + 1
            if part in (Part.OUTCOME, Part.END) or (part is Part.INTENT and which > 0.5):
                number = min(int(which * top) + 1, number)
            top = max(top, number)
            batch.append(Record(part, number, name=f"step.{len(self.records) + len(batch)}"))
        with suppress(RuntimeError), store.transaction():  # what is taken back changes nothing
            self.writer.append(batch)
            raise RuntimeError
        self.writer.append(batch)
        self.records += batch

    def check(self, store: Store) -> None:
        """Compare all that history answers with a scan of the list."""
        answers, key, count = store.history, self.writer.session, len(self.records)
        assert answers.verify(key) == count
        numbered = list(enumerate(self.records, 1))
        for seq in range(count + 2):
            upto = [record.number for record in self.records[:seq]]
            assert answers.event_at(key, seq) == max(upto, default=0)
        for number in range(1, self.top + 1):
            seqs = [seq for seq, record in numbered if record.number == number]
            assert answers.first_record_of(key, number) == seqs[0]
            assert answers.last_record_of(key, number) == seqs[-1]
        for number in (-1, 0, self.top + 1):
            for ask in (answers.first_record_of, answers.last_record_of):
                with pytest.raises(EventNotFound):
                    ask(key, number)
        in_order = sorted(numbered, key=lambda item: (item[1].number, item[0]))
        for first in range(self.top + 3):
            for last in (None, *range(first - 1, self.top + 2)):
                end = self.top if last is None else last
                expected = [it for it in in_order if first <= it[1].number <= end]
                assert list(answers.events(key, first, last)) == expected
        opened: dict[int, Record] = {}
        for record in self.records:
            if record.part is Part.INTENT:
                opened[record.number] = record
            elif record.part in (Part.OUTCOME, Part.END):
                opened.pop(record.number, None)
        found = {one.number: one.record for one in answers.open_effects(key)}
        assert found == opened


PARTS = st.sampled_from(list(Part))
BATCHES = st.lists(st.lists(st.tuples(PARTS, st.floats(0, 1)), max_size=6), max_size=4)
FORKS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), BATCHES), max_size=3)


@settings(max_examples=40, deadline=None)
@given(first=BATCHES, forks=FORKS, on=BATCHES, at_once=st.integers(1, 5))
def test_events_are_found_as_a_scan_would_find_them(
    store: Store,
    first: list[list[tuple[Part, float]]],
    forks: list[tuple[float, float, list[list[tuple[Part, float]]]]],
    on: list[list[tuple[Part, float]]],
    at_once: int,
) -> None:
    all_told = [Told(new_writer(store))]
    for batch in first:
        all_told[0].append(store, batch)
    for which, where, batches in forks:
        source = all_told[int(which * (len(all_told) - 1))]
        seq = round(where * len(source.records))
        writer = new_writer(store, fork_of=source.writer.session, fork_seq=seq)
        all_told.append(Told(writer, source.records[:seq]))
        for batch in batches:
            all_told[-1].append(store, batch)
    # What an original does after it was forked is its own; another writer goes on with it.
    original = all_told[0].writer
    all_told[0].writer = store.history.writer(original.session, original.lease)
    for batch in on:
        all_told[0].append(store, batch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "_BATCH_EVENTS", at_once)
        for told in all_told:
            told.check(store)


def counted(store: Store) -> list[int]:
    """Return a list that grows with every 1000 steps of SQLite."""
    steps: list[int] = []

    def count() -> bool:
        steps.append(1000)
        return False

    store._database._connection.set_progress_handler(count, 1000)
    return steps


def test_an_event_is_found_at_once_under_ten_thousand_outcomes(store: Store) -> None:
    """A span around everything, and outcomes in one long run with no beginning between."""
    many = 10_000
    writer = new_writer(store)
    writer.append([Record(Part.BEGIN, 1, name="parallel")])
    writer.append([Record(Part.INTENT, n, name="tool.invoke") for n in range(2, many + 2)])
    writer.append([Record(Part.OUTCOME, n) for n in range(many + 1, 1, -1)])
    writer.append([effect(many + 2), Record(Part.END, 1), effect(many + 3)])
    key, answers = writer.session, store.history
    steps = counted(store)
    try:
        assert answers.first_record_of(key, 1) == 1
        assert answers.last_record_of(key, 1) == 2 * many + 3
        assert (answers.first_record_of(key, 77), answers.last_record_of(key, 77)) == (
            77,
            2 * many - 74,
        )
        assert answers.first_record_of(key, many + 2) == 2 * many + 2
        assert answers.event_at(key, many + 5_000) == many + 1
        found = [seq for seq, _ in answers.events(key, many + 1, many + 1)]
        assert found == [many + 1, many + 2]
        last_two = [seq for seq, _ in answers.events(key, many + 2)]
        assert last_two == [2 * many + 2, 2 * many + 4]
        assert len(steps) < 5
    finally:
        store._database._connection.set_progress_handler(None)


def test_rows_of_ended_effects_do_not_pile_up(store: Store) -> None:
    writer = new_writer(store)
    many = 250
    writer.append([Record(Part.INTENT, n, name="tool.invoke") for n in range(1, many + 1)])

    def listed() -> int:
        sql = "SELECT count(*) FROM open_effects WHERE session = ?"
        return int(store._database.value(sql, (writer.session,)))

    for number in range(1, many + 1):
        writer.append([Record(Part.OUTCOME, number)])
        still_open = many - number
        assert len(store.history.open_effects(writer.session)) == still_open
        assert still_open <= listed() <= still_open + 100
    left = listed()
    assert left > 0
    # Another writer knows of them; an effect that is tried again has one row.
    writer = store.history.writer(writer.session, writer.lease)
    writer.append([Record(Part.INTENT, many, name="tool.invoke")])
    assert [one.number for one in store.history.open_effects(writer.session)] == [many]
    assert listed() == left
    writer.append([Record(Part.INTENT, many + n, name="tool.invoke") for n in range(1, 101)])
    for number in range(many, many + 101):
        writer.append([Record(Part.OUTCOME, number)])
    assert listed() <= 100


@pytest.mark.parametrize("sql", ["begun = 1 WHERE seq = 2", "begun = NULL WHERE seq = 3"])
def test_what_events_are_found_by_is_verified(store: Store, sql: str) -> None:
    told = Told(new_writer(store))
    told.append(store, [(Part.INTENT, 0), (Part.EFFECT, 0), (Part.OUTCOME, 0), (Part.EFFECT, 0)])
    assert store.history.verify(told.writer.session) == 4
    store._database.write(f"UPDATE records SET {sql} AND session = {told.writer.session}")
    with pytest.raises(StoreCorrupt, match=f"record {sql[-1]} "):
        store.history.verify(told.writer.session)
