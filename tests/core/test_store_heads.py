"""A store that has lost its newest commits says so, and who lost them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from care import append, kinds, session_of, writer_of
from respell.sessions.changes import end_session
from respell.store import Store
from respell.store.care.checking import check
from respell.store.exchange.exporting import export_session
from respell.store.exchange.importing import import_session
from respell.store.heads import SLOT_SIZE, DamagedSlot, Head
from respell.store.session_rows import LAST_KEY
from store_children import effect


def copied(store: Store, to: Path, *names: str) -> Path:
    """Copy files of a store that is in use, as a backup or a crash would leave them."""
    to.mkdir()
    for name in names:
        # Not by Python: closing the database's file would drop SQLite's locks.
        os.system(f"cp '{store.path / name}' '{to / name}'")
    return to


def test_a_history_that_lost_its_end_is_named_with_how_much_it_lost(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        behind, whole = session_of(store, "behind"), session_of(store, "whole")
        append(store, whole.key, 3)
        append(store, behind.key, 2)
        early = copied(store, tmp_path / "early", "store.db", "store.db-wal")
        append(store, behind.key, 5)
        shutil.copy(store.path / "heads", early)
    with Store(early) as store:
        report = check(store)
        assert kinds(report) == ["history.behind"]
        assert report.findings[0].session == behind.id
        assert "has lost its last 5 records: it has 2, and had 7" in report.findings[0].what
        assert not report.ok
        assert check(store, repair=True).ok
        assert check(store, read_data=True).findings == []
        append(store, behind.key, 1)  # it goes on


def test_a_session_that_vanished_is_named(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        session_of(store, "kept")
        store.sync()
        early = copied(store, tmp_path / "early", "store.db", "store.db-wal")
        gone = session_of(store, "gone")
        append(store, gone.key, 4)
        shutil.copy(store.path / "heads", early)
    with Store(early) as store:
        report = check(store)
        assert [(it.kind, it.session) for it in report.findings] == [("session.vanished", gone.id)]
        assert "with its 4 records" in report.findings[0].what
        check(store, repair=True)
        assert check(store).findings == []


def test_a_database_that_was_replaced_by_another_one_is_noticed(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        session = session_of(store, "one")
        append(store, session.key, 2)
        copied(store, tmp_path / "fork", "store.db", "store.db-wal", "heads")
        append(store, session.key, 1, args=b"\x01")
    with Store(tmp_path / "fork") as store:
        append(store, session.key, 1, args=b"\x02")
        append(store, session.key, 1)
    shutil.copy(tmp_path / "store" / "heads", tmp_path / "fork" / "heads")
    with Store(tmp_path / "fork") as store:
        report = check(store)
        assert kinds(report) == ["history.replaced"]
        assert "another record 3 than the one that was durable" in report.findings[0].what


@pytest.mark.parametrize("durability", ["full", "process"])
def test_only_what_was_committed_counts(tmp_path: Path, durability: str) -> None:
    with Store(tmp_path / "store", durability=durability) as store:  # type: ignore[arg-type]
        session = session_of(store, "one")
        writer = writer_of(store, session.key)
        writer.append([effect(1)])
        store.sync()
        with suppress(RuntimeError), store.transaction():
            writer.append([effect(2)])
            session_of(store, "never")
            raise RuntimeError
        with store.transaction():
            with suppress(RuntimeError), store.transaction():
                writer.append([effect(2)])
                raise RuntimeError
            store.state.set("global", "k", b"\x01")
        store.sync()
        assert list(store._database.heads.read()) == [
            Head(session.key, session.id, 1, writer.head_hash)
        ]
        assert check(store, read_data=True).findings == []


def test_a_deleted_session_leaves_its_place(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        first, second = session_of(store, "first"), session_of(store, "second")
        append(store, second.key, 2)
        store.sessions.delete(second.key)
        store.sync()
        assert [it.key for it in store._database.heads.read()] == [first.key]
        third = session_of(store, "third")
        assert third.key > second.key  # the number is not given again
        store.sync()
        assert check(store, read_data=True).findings == []


def test_a_lost_file_of_heads_is_made_anew_for_all_sessions(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        sessions = [session_of(store, str(number)) for number in range(5)]
        for session in sessions:
            append(store, session.key, 2)
    (tmp_path / "store" / "heads").unlink()
    with Store(tmp_path / "store") as store:
        assert check(store, read_data=True).findings == []
        append(store, sessions[0].key, 1)
        heads = {it.key: it for it in store._database.heads.read()}
        assert heads.keys() == {it.key for it in sessions}
        assert isinstance(heads[sessions[0].key], Head)
        assert check(store, read_data=True).findings == []


@pytest.mark.parametrize(
    "garbage",
    [b"", b"no heads at all", os.urandom(SLOT_SIZE), os.urandom(10 * SLOT_SIZE + 7)],
    ids=["empty", "text", "one slot", "many slots"],
)
def test_garbage_where_heads_belong_hinders_nobody(tmp_path: Path, garbage: bytes) -> None:
    with Store(tmp_path / "store") as store:
        session = session_of(store, "one")
        append(store, session.key, 2)
    (tmp_path / "store" / "heads").write_bytes(garbage)
    with Store(tmp_path / "store") as store:
        assert all(isinstance(it, DamagedSlot) for it in store._database.heads.read())
        assert kinds(check(store)) == (["heads.damaged"] if garbage else [])
        assert check(store, repair=True).ok
        append(store, session.key, 1)
        assert check(store).findings == []


def test_a_file_of_heads_that_can_not_be_written_fails_no_commit(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        session = session_of(store, "one")
    path = tmp_path / "store" / "heads"
    path.unlink(missing_ok=True)
    path.mkdir()
    with Store(tmp_path / "store") as store:
        append(store, session.key, 2)
        assert store.sessions.get(session.key).records == 2
        assert kinds(check(store)) == ["heads.damaged"]


def test_a_session_that_is_imported_again_is_witnessed_again(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        session = session_of(store, "one")
        append(store, session.key, 3)
        export_session(store, session, tmp_path / "one.export")
        store.sessions.delete(session.key)
        store.sync()
        assert list(store._database.heads.read()) == []
        again = import_session(store, tmp_path / "one.export")
        append(store, again.key, 2)
        (head,) = store._database.heads.read()
        assert isinstance(head, Head)
        assert (head.session, head.records) == (session.id, store.sessions.get(again.key).records)


def while_it_waits_for_the_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]
) -> None:
    """Do something between a commit and the end of the wait for the disk."""
    wait = store._database._wal.sync

    def waiting() -> None:
        monkeypatch.setattr(store._database._wal, "sync", wait)
        do()
        wait()

    monkeypatch.setattr(store._database._wal, "sync", waiting)


def test_a_session_deleted_before_its_end_was_durable_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "store") as store, Store(tmp_path / "store") as other:
        session = session_of(store, "one")
        append(store, session.key, 3)
        while_it_waits_for_the_disk(store, monkeypatch, lambda: other.sessions.delete(session.key))
        ended = end_session(store, session, "completed")
        assert (ended.id, ended.status, ended.records) == (session.id, "completed", 4)
        assert list(store._database.heads.read()) == []
        assert check(other).findings == []


def test_a_late_write_spares_the_slot_of_the_session_that_got_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "store") as store, Store(tmp_path / "store") as other:
        session = session_of(store, "one")
        append(store, session.key, 3)

        def give_the_key_to_another() -> None:
            other.sessions.delete(session.key)
            other.notes.set(LAST_KEY, None)  # as an older program, which does not know of it
            assert session_of(other, "two").key == session.key
            append(other, session.key, 2)

        while_it_waits_for_the_disk(store, monkeypatch, give_the_key_to_another)
        end_session(store, session, "completed")
        (head,) = store._database.heads.read()
        assert isinstance(head, Head)
        assert (head.session, head.records) == (other.sessions.get(session.key).id, 2)
        assert check(other, read_data=True).findings == []


def test_a_slot_that_is_filled_before_a_deletion_is_committed_is_emptied(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store, Store(tmp_path / "store") as other:
        session = session_of(store, "one")
        append(store, session.key, 3)
        writer = writer_of(store, session.key)
        writer.append([effect(4)])
        store.leases.release(session.key, writer.lease)
        with other.transaction():
            other.sessions.delete(session.key)
            store.sync()  # sees the session still there
            (head,) = store._database.heads.read()
            assert isinstance(head, Head)
            assert head.records == 4
        assert list(store._database.heads.read()) == []
        assert check(other).findings == []
