"""Histories are appended to, read from anywhere, shared by forks, and verified."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from respell import values
from respell.errors import (
    EventNotFound,
    LeaseLost,
    SessionNotFound,
    StoreCorrupt,
    StoreError,
    UsageError,
)
from respell.history.record import FIRST_HASH, Part, Record, Status, chain
from respell.sessions.record import SessionRecord
from respell.store import HistoryWriter, Store
from store_children import effect


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store", durability="process") as store:
        yield store


def new_writer(store: Store, **fields: object) -> HistoryWriter:
    key = store.sessions.insert(SessionRecord(**fields)).key  # type: ignore[arg-type]
    return store.history.writer(key, store.leases.acquire(key))


def intent(number: int, *, due: int | None = None) -> Record:
    meta = b"" if due is None else values.encode({"due": due})
    return Record(Part.INTENT, number, ordinal=number, name="tool.invoke", meta=meta)


def outcome(number: int, value: object = "ok") -> Record:
    return Record(Part.OUTCOME, number, status=Status.OK, outcome=values.encode(value))


def read(store: Store, key: int, first: int = 1, last: int | None = None) -> list[Record]:
    return [Record.unpack(body) for _, body in store.history.records(key, first, last)]


def edit(store: Store, sql: str, *bindings: object) -> None:
    """Change the database behind the store's back."""
    connection = apsw.Connection(str(store.path / "store.db"))
    connection.execute(sql, bindings)
    connection.close()


def test_records_come_back_in_order_and_the_session_counts_them(store: Store) -> None:
    writer = new_writer(store)
    records = [effect(1), intent(2), effect(3, args=b"\x81\xa1k\x01"), outcome(2), effect(4)]
    writer.append(records[:3])
    writer.append(records[3:])
    assert (writer.seq, writer.number) == (5, 4)
    assert read(store, writer.session) == records
    assert [seq for seq, _ in store.history.records(writer.session, 2, 4)] == [2, 3, 4]
    session = store.sessions.get(writer.session)
    assert (session.events, session.records) == (4, 5)
    head = FIRST_HASH
    for record in records:
        head = chain(head, record.pack())
    assert session.head_hash == writer.head_hash == head == store.history.hash_at(session.key, 5)
    assert store.history.verify(writer.session) == 5


def test_a_second_host_goes_on_where_the_first_stopped(store: Store) -> None:
    first = new_writer(store)
    first.append([effect(1), intent(2)])
    store.leases.release(first.session, first.lease)
    second = store.history.writer(first.session, store.leases.acquire(first.session))
    assert (second.seq, second.number, second.head_hash) == (2, 2, first.head_hash)
    second.append([outcome(2), effect(3)])
    assert store.history.open_effects(second.session) == []
    assert store.history.verify(second.session) == 4


def test_packed_records_are_appended_as_they_are(store: Store) -> None:
    writer = new_writer(store)
    large = effect(2, outcome=values.encode("x" * 100_000))
    writer.append([(it.number, it.pack()) for it in (effect(1), large, intent(3))])
    assert read(store, writer.session) == [effect(1), large, intent(3)]
    assert [it.number for it in store.history.open_effects(writer.session)] == [3]


def test_event_numbers_leave_no_gap(store: Store) -> None:
    writer = new_writer(store)
    writer.append([effect(1)])
    for number in (0, 3):
        with pytest.raises(UsageError, match="the next one has number 2"):
            writer.append([effect(number)])
    with pytest.raises(UsageError, match="the next one has number 3"):
        writer.append([effect(2), effect(4)])
    writer.append([])
    assert (writer.seq, store.sessions.get(writer.session).records) == (1, 1)


def test_a_rolled_back_append_leaves_the_writer_where_it_was(store: Store) -> None:
    writer = new_writer(store)
    writer.append([intent(1)])
    before = (writer.seq, writer.number, writer.head_hash)
    with suppress(RuntimeError), store.transaction():
        store.state.set("global", "k", b"\x01")
        writer.append([outcome(1), effect(2)])
        writer.append([effect(3)])
        raise RuntimeError
    assert (writer.seq, writer.number, writer.head_hash) == before
    assert store.state.get("global", "k") is None
    assert [it.number for it in store.history.open_effects(writer.session)] == [1]
    writer.append([outcome(1), effect(2)])
    assert store.history.open_effects(writer.session) == []
    assert store.history.verify(writer.session) == 3


def test_an_inner_failure_undoes_the_inner_part_only(store: Store) -> None:
    writer = new_writer(store)
    with store.transaction():
        writer.append([effect(1)])
        with suppress(RuntimeError), store.transaction():
            store.state.set("global", "half", b"\x01")
            writer.append([effect(2)])
            raise RuntimeError
        store.state.set("global", "whole", b"\x01")
        writer.append([effect(2, name="second.try")])
    assert store.state.list("global") == ["whole"]
    assert [it.name for it in read(store, writer.session)] == ["state.set", "second.try"]
    assert store.history.verify(writer.session) == 2


def test_after_a_takeover_nothing_more_is_appended(store: Store) -> None:
    writer = new_writer(store)
    writer.append([effect(1)])
    store.leases.release(writer.session, writer.lease)
    with pytest.raises(LeaseLost, match="was given up"):
        writer.append([effect(2)])
    other = store.history.writer(writer.session, store.leases.acquire(writer.session))
    with pytest.raises(LeaseLost, match="has taken it over"):
        writer.append([effect(2)])
    other.append([effect(2)])
    assert (writer.seq, store.sessions.get(writer.session).records) == (1, 2)


def test_two_writers_of_one_lease_do_not_overwrite_each_other(store: Store) -> None:
    one = new_writer(store)
    other = store.history.writer(one.session, one.lease)
    one.append([effect(1)])
    with pytest.raises(StoreError, match="use one writer per lease"):
        other.append([effect(1)])
    with pytest.raises(SessionNotFound):
        store.history.writer(99, 1)


def test_large_values_are_stored_once_and_come_back_whole(store: Store) -> None:
    writer = new_writer(store)
    answer = values.encode("answer " * 20_000)
    records = [
        effect(1, args=values.encode({"prompt": "x" * 70_000}), outcome=answer),
        effect(2, outcome=answer),
        effect(3, args=values.encode("y" * 65_000), outcome=values.encode("z" * 60_000)),
    ]
    writer.append(records)
    assert read(store, writer.session) == records
    assert [record for _, record in store.history.events(writer.session)] == records
    assert store.history.verify(writer.session) == 3
    assert store.blobs.size(store.blobs.put(answer)) == len(answer)
    stored = apsw.Connection(str(store.path / "store.db"))
    sizes = [size for (size,) in stored.execute("SELECT length(body) FROM records")]
    assert max(sizes[:2]) < 200
    assert stored.execute("SELECT count(*) FROM blobs").fetchall() == [(2,)]
    stored.close()


def test_a_missing_large_value_names_its_record(store: Store) -> None:
    writer = new_writer(store)
    writer.append([effect(1), effect(2, outcome=values.encode("x" * 70_000))])
    edit(store, "DELETE FROM blobs")
    with pytest.raises(StoreCorrupt, match="a large value of record 2 of session"):
        list(store.history.records(writer.session))


def test_events_come_with_all_their_records(store: Store) -> None:
    writer = new_writer(store)
    writer.append([intent(1), intent(2), effect(3), outcome(2), outcome(1)])
    found = [(seq, record.number) for seq, record in store.history.events(writer.session)]
    assert found == [(1, 1), (5, 1), (2, 2), (4, 2), (3, 3)]
    assert [it.number for _, it in store.history.events(writer.session, 2, 3)] == [2, 2, 3]
    assert list(store.history.events(writer.session, 4)) == []
    history, key = store.history, writer.session
    assert (history.first_record_of(key, 1), history.last_record_of(key, 1)) == (1, 5)
    assert [history.event_at(key, seq) for seq in range(7)] == [0, 1, 2, 3, 3, 3, 3]
    with pytest.raises(EventNotFound, match="has no event 4; it has events 1 to 3"):
        history.first_record_of(writer.session, 4)
    with pytest.raises(EventNotFound, match="has no record 6"):
        history.hash_at(writer.session, 6)


def test_effects_without_outcome_are_known_with_their_timers(store: Store) -> None:
    writer = new_writer(store)
    writer.append([intent(1), intent(2, due=500), intent(3, due=400), outcome(1)])
    opened = store.history.open_effects(writer.session)
    assert [(it.number, it.name, it.due) for it in opened] == [
        (2, "tool.invoke", 500),
        (3, "tool.invoke", 400),
    ]
    assert opened[0].record == intent(2, due=500)
    later = new_writer(store)
    later.append([intent(1, due=450)])
    ended = new_writer(store)
    ended.append([intent(1, due=1)])
    store.sessions.update(ended.session, status="failed")
    assert store.history.sessions_due(399) == []
    assert store.history.sessions_due(400) == [writer.session]
    assert store.history.sessions_due(500) == [writer.session, later.session]
    writer.append([outcome(3), Record(Part.END, 2)])
    assert store.history.open_effects(writer.session) == []
    assert store.history.sessions_due(500) == [later.session]


def test_a_retried_effect_is_open_again(store: Store) -> None:
    writer = new_writer(store)
    writer.append([intent(1, due=5), outcome(1), intent(1, due=9)])
    assert [it.due for it in store.history.open_effects(writer.session)] == [9]
    writer.append([outcome(1)])
    assert store.history.open_effects(writer.session) == []


def fork(store: Store, key: int, seq: int) -> HistoryWriter:
    source = store.sessions.get(key)
    return new_writer(store, fork_of=key, fork_seq=seq, forked_from=source.id)


def test_a_fork_shares_what_came_before_and_goes_its_own_way(store: Store) -> None:
    first = new_writer(store)
    first.append([effect(1), effect(2), effect(3), effect(4)])
    second = fork(store, first.session, 2)
    assert (second.seq, second.number) == (2, 2)
    assert second.head_hash == store.history.hash_at(first.session, 2)
    second.append([effect(3, name="b"), effect(4, name="b"), effect(5, name="b")])
    third = fork(store, second.session, 4)
    third.append([effect(5, name="c")])
    fourth = fork(store, third.session, 1)
    names = {
        writer.session: "".join(it.name[0] for it in read(store, writer.session))
        for writer in (first, second, third, fourth)
    }
    assert list(names.values()) == ["ssss", "ssbbb", "ssbbc", "s"]
    assert [store.history.verify(key) for key in names] == [4, 5, 5, 1]
    events = store.history.events(third.session, 2, 5)
    assert "".join(record.name[0] for _, record in events) == "sbbc"
    assert store.history.first_record_of(third.session, 4) == 4
    fourth.append([effect(2, name="d")])
    assert store.history.verify(fourth.session) == 2
    session = store.sessions.get(third.session)
    assert (session.events, session.records, session.fork_of) == (5, 5, second.session)


def test_a_fork_can_give_another_outcome_to_an_effect_of_its_prefix(store: Store) -> None:
    first = new_writer(store)
    first.append([effect(1), intent(2, due=7), intent(3), outcome(2, "old"), outcome(3)])
    second = fork(store, first.session, 3)
    assert [(it.number, it.due) for it in store.history.open_effects(second.session)] == [
        (2, 7),
        (3, None),
    ]
    second.append([outcome(2, "new")])
    for key, numbers in (
        (second.session, [3]),
        (fork(store, second.session, 4).session, [3]),
        (fork(store, second.session, 2).session, [2]),
    ):
        assert [it.number for it in store.history.open_effects(key)] == numbers
    ended = [record for _, record in store.history.events(second.session, 2, 2)]
    assert ended == [intent(2, due=7), outcome(2, "new")]
    assert store.history.open_effects(first.session) == []


def test_a_fork_after_a_record_that_is_not_there_is_refused(store: Store) -> None:
    first = new_writer(store)
    first.append([effect(1)])
    with pytest.raises(UsageError, match="has 1 records; it can't be forked after record 2"):
        store.sessions.insert(SessionRecord(fork_of=first.session, fork_seq=2))
    whole = store.sessions.insert(SessionRecord(fork_of=first.session, fork_seq=0))
    assert (whole.events, whole.head_hash) == (0, FIRST_HASH)
    with pytest.raises(SessionNotFound):
        store.sessions.insert(SessionRecord(fork_of=99))


def test_a_deleted_original_lives_on_for_its_fork_only(store: Store) -> None:
    first = new_writer(store)
    first.append([effect(1), effect(2, outcome=values.encode("x" * 70_000))])
    second = fork(store, first.session, 2)
    third = fork(store, second.session, 2)
    for writer in (first, second, third):
        store.leases.release(writer.session, writer.lease)
    store.sessions.delete(first.session)
    store.sessions.delete(second.session)
    assert [it.key for it in store.sessions.list()] == [third.session]
    with pytest.raises(SessionNotFound):
        store.sessions.get(first.session)
    assert store.history.verify(third.session) == 2
    assert len(read(store, third.session)) == 2
    store.sessions.delete(third.session)
    database = apsw.Connection(str(store.path / "store.db"))
    for table in ("records", "sessions", "blob_refs", "open_effects", "leases"):
        assert database.execute(f"SELECT count(*) FROM {table}").fetchall() == [(0,)]
    database.close()


FLIPPED = "UPDATE records SET body = CAST(replace(body, 'hello', 'hellp') AS BLOB)"


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (f"{FLIPPED} WHERE seq = 3", r"record 3 \(event 3\)"),
        ("UPDATE records SET hash = zeroblob(32) WHERE seq = 4", "record 4"),
        ("UPDATE records SET number = 1 WHERE seq = 2", "record 2"),
        ("UPDATE records SET body = x'00' WHERE seq = 1", "record 1"),
        ("DELETE FROM records WHERE seq = 3", "record 4 .* records are missing"),
        ("DELETE FROM records WHERE seq = 5", "ends at record 4"),
        ("UPDATE sessions SET head_hash = zeroblob(32)", "ends at record 5"),
        ("UPDATE sessions SET events = 9", "of 9 events"),
    ],
)
def test_a_flipped_byte_anywhere_is_found_and_named(store: Store, sql: str, found: str) -> None:
    writer = new_writer(store)
    writer.append([effect(number, args=b"\xc4\x05hello") for number in range(1, 6)])
    assert store.history.verify(writer.session) == 5
    edit(store, sql)
    with pytest.raises(StoreCorrupt, match=found):
        store.history.verify(writer.session)


def test_unreadable_bytes_of_a_record_are_an_error_that_names_it(store: Store) -> None:
    writer = new_writer(store)
    writer.append([effect(1)])
    edit(store, "UPDATE records SET body = x'0102'")
    with pytest.raises(StoreCorrupt, match=r"record 1 of session .* is damaged"):
        list(store.history.events(writer.session))


def test_reading_and_appending_do_not_disturb_each_other(store: Store) -> None:
    writer = new_writer(store)
    writer.append([effect(number) for number in range(1, 3001)])
    seen = []
    for seq, _ in store.history.records(writer.session):
        seen.append(seq)
        if seq == 2500:
            writer.append([effect(3001)])
    assert seen == list(range(1, 3002))


def test_a_history_larger_than_memory_allows_is_read_flat(store: Store) -> None:
    writer = new_writer(store)
    body = values.encode("x" * 60_000)
    for start in range(1, 400, 50):
        writer.append([effect(number, outcome=body) for number in range(start, start + 50)])
    tracemalloc.start()
    try:
        size = sum(len(body) for _, body in store.history.records(writer.session))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 20_000_000
    assert peak < 5_000_000


def test_a_long_history_answers_at_once(store: Store) -> None:
    """The questions a viewer asks; each reads a few rows, not the whole history."""
    writer = new_writer(store)
    number = 0
    while number < 20_000:
        writer.append([effect(number + k) for k in range(1, 1001)])
        number += 1000
    key = writer.session
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return False

    connection = store._database._connection
    connection.set_progress_handler(count, 1000)  # called after each 1000 steps of SQLite
    assert store.sessions.get(key).events == 20_000
    assert [it.number for _, it in store.history.events(key, 19_951)] == list(range(19_951, 20_001))
    assert [it.number for _, it in store.history.events(key, 7_777, 7_777)] == [7_777]
    assert store.history.first_record_of(key, 12_345) == 12_345
    assert store.history.event_at(key, 15_000) == 15_000
    assert next(store.history.records(key, 19_999))[0] == 19_999
    assert steps < 20
