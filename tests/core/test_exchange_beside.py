"""Imports beside collectors and other imports: whole, or refused with the true reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from respell.artifacts import storing
from respell.errors import SessionBusy, StoreError, UsageError
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.care.checking import check
from respell.store.care.collecting import collect
from respell.store.exchange.exporting import export_session
from respell.store.exchange.importing import import_session
from respell.times import SECOND, now_us
from store_children import effect

RECORDS = 30


class Clock:
    """A clock that stores share; it goes when it is told to."""

    def __init__(self) -> None:
        self.now = now_us()

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def other(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """The store that is imported into."""
    with Store(tmp_path / "other", durability="process", clock=clock) as opened:
        yield opened


@pytest.fixture
def beside(other: Store, clock: Clock) -> Iterator[Store]:
    """The same store as another process sees it."""
    with Store(other.path, durability="process", clock=clock) as opened:
        yield opened


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A session with a history and content of several pieces."""
    with Store(tmp_path / "here", durability="process") as store:
        session = store.sessions.insert(SessionRecord(id="12345678-1234-4234-9234-123456789012"))
        lease = store.leases.acquire(session.key)
        store.history.writer(session.key, lease).append([effect(n) for n in range(1, RECORDS + 1)])
        store.leases.release(session.key, lease)
        storing.store_artifact(store, session, "noise", Random(1).randbytes(9_000_000))
        storing.store_artifact(store, session, "small", b"small")
        export_session(store, store.sessions.get(session.key), tmp_path / "it")
    return tmp_path / "it"


def in_second_reading(action: Callable[[], object]) -> Callable[[int, int], None]:
    """Return what does something after each frame that was stored."""

    def on_progress(done: int, total: int) -> None:
        if done > total // 2:
            action()

    return on_progress


def left_behind(store: Store) -> dict[str, int]:
    """How many rows there are of sessions, besides the audit log."""
    tables = ("sessions", "records", "artifacts", "blob_refs", "session_inputs")
    return {it: store._database.value(f"SELECT count(*) FROM {it}") for it in tables}


def test_an_import_whose_content_was_collected_meanwhile_is_refused(
    other: Store, beside: Store, clock: Clock, exported: Path
) -> None:
    """Else it would be there with artifacts that nobody can read."""

    def collected_late() -> None:
        clock.now += 200 * SECOND
        if beside._database.value("SELECT count(*) FROM blobs WHERE place = 2"):
            collect(beside, grace_s=0)

    with pytest.raises(
        StoreError, match=r"collected before .*import it again, with a longer grace"
    ):
        import_session(other, exported, on_progress=in_second_reading(collected_late))
    assert not any(left_behind(other).values())
    session = import_session(other, exported)
    assert session.artifacts == 2
    assert check(other, read_data=True).findings == []


def test_pieces_that_were_collected_meanwhile_are_missed_as_well(
    other: Store, beside: Store, exported: Path
) -> None:
    taken = []

    def one_piece_goes() -> None:
        lists = "(SELECT count(*) FROM blobs WHERE place = 2)"
        taken.append(
            beside._database.write(
                "DELETE FROM blobs WHERE id IN (SELECT id FROM blobs WHERE place = 1 LIMIT 1)"
                f" AND {lists} AND NOT EXISTS (SELECT 1 FROM records)"
            )
        )

    with pytest.raises(StoreError, match=r"\d of 9 pieces of what is being stored were collected"):
        import_session(other, exported, on_progress=in_second_reading(one_piece_goes))
    assert any(taken)
    assert not any(left_behind(other).values())


def test_a_collector_that_did_not_see_the_import_begin_spares_it(
    other: Store, beside: Store, clock: Clock, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside.leases, "live", dict)  # as it was a moment ago

    def collected() -> None:
        clock.now += SECOND
        collect(beside, grace_s=0)

    session = import_session(other, exported, on_progress=in_second_reading(collected))
    assert (session.records, other.history.verify(session.key)) == (RECORDS, RECORDS)
    assert check(other, read_data=True).findings == []


def test_an_import_that_was_taken_for_dead_does_not_go_on_in_another_session(
    other: Store, beside: Store, clock: Clock, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when it sleeps on another machine for longer than its sign of life counts."""
    monkeypatch.setattr(beside.leases, "live", dict)
    monkeypatch.setattr(beside.leases, "holder", lambda key: None)
    made: list[SessionRecord] = []

    def taken_for_dead() -> None:
        clock.now += SECOND
        if not made and beside._database.value("SELECT count(*) FROM sessions"):
            collect(beside, grace_s=0)
            made.append(beside.sessions.insert(SessionRecord(name="mine")))

    with pytest.raises(StoreError, match="its rows were collected before all of it had arrived"):
        import_session(other, exported, on_progress=in_second_reading(taken_for_dead))
    assert [it.name for it in other.sessions.list()] == ["mine"]
    assert left_behind(other) == dict.fromkeys(left_behind(other), 0) | {"sessions": 1}
    assert other.history.verify(made[0].key) == 0


def test_another_import_of_the_same_file_that_was_faster_is_named(
    other: Store, beside: Store, exported: Path
) -> None:
    faster: list[SessionRecord] = []

    def in_between(done: int, total: int) -> None:
        if not faster and done > total // 2:
            faster.append(import_session(beside, exported))

    with pytest.raises(StoreError, match=r"is in the store .* already; nothing was imported") as it:
        import_session(other, exported, on_progress=in_between)
    assert "damaged" not in str(it.value)
    assert other.history.verify(faster[0].key) == RECORDS


def test_another_import_that_is_at_work_is_named(
    other: Store, beside: Store, exported: Path
) -> None:
    said: list[str] = []

    def at_the_end() -> None:
        if not said and beside._database.value("SELECT count(*) FROM sessions"):
            with pytest.raises(SessionBusy) as busy:
                import_session(beside, exported)
            said.append(str(busy.value))

    import_session(other, exported, on_progress=in_second_reading(at_the_end))
    assert "is just being imported by process" in said[0]


def test_a_deletion_that_was_cut_short_does_not_keep_the_session_out(
    other: Store, exported: Path
) -> None:
    first = import_session(other, exported)
    other._database.write("UPDATE sessions SET deleted = 1 WHERE key = ?", (first.key,))
    session = import_session(other, exported)
    assert other.history.verify(session.key) == RECORDS
    # While a fork still needs it, it stays.
    fork = other.sessions.insert(SessionRecord(fork_of=session.key, fork_seq=3))
    other.sessions.delete(session.key)
    with pytest.raises(UsageError, match="a fork of it still needs its history, or"):
        import_session(other, exported)
    assert other.history.verify(fork.key) == 3
