"""`check` finds what is damaged, names it, and repairs what can be repaired without loss."""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from blake3 import blake3

from care import (
    Clock,
    append,
    artifact_of,
    fill,
    flip,
    kinds,
    place_of,
    session_of,
    without_log,
    writer_of,
)  # fmt: skip
from respell import values
from respell.errors import StoreCorrupt, StoreError
from respell.store import Store
from respell.store.care.checking import check
from respell.store.care.collecting import collect
from respell.store.care.findings import Finding
from respell.store.care.inspection import Inspection
from respell.store.database import define_functions
from respell.store.sums import SUMMED
from store_children import effect, run_code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with some of everything, closed."""
    with Store(tmp_path / "store") as store:
        fill(store)
        report = check(store, read_data=True)
        assert report.findings == []
    return tmp_path / "store"


def changed(folder: Path, *statements: str, bindings: tuple[Any, ...] = ()) -> None:
    """Change rows behind the store's back, as its own triggers would not."""
    connection = apsw.Connection(str(folder / "store.db"))
    define_functions(connection)
    connection.execute("PRAGMA recursive_triggers = OFF")
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    for statement in statements:
        connection.execute(statement, bindings)
    connection.close()


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def test_a_healthy_store_has_nothing_to_report(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    with Store(folder) as store:
        for read_data in (False, True):
            report = check(store, read_data=read_data, on_progress=lambda *it: told.append(it))
            assert report.ok
            assert report.findings == []
            assert (report.sessions, report.records) == (3, 12)
            assert (report.artifacts, report.leftovers) == (2, 0)
            assert report.blobs == 4
            assert told[-1][0] == told[-1][1] > 0
            assert told == sorted(told, key=lambda it: it[0])
            told.clear()
        assert check(store, repair=True).findings == []
    assert not (folder / "damaged").exists()


def test_every_column_is_summed_or_known_to_be_checked_otherwise(folder: Path) -> None:
    compared_otherwise = {
        "sessions": {
            "key",
            "records",
            "events",
            "head_hash",
            "updated_at",
            "sequence",
            "artifacts",
        },
        "session_inputs": set(),
        "artifacts": {"folded_name", "folded_text"},
        "state": {"updated_at"},
        "grants": {"id"},
        "debug_marks": {"id"},
        "audit": {"id"},
        "bus_events": {"sequence"},
        "subscriptions": {
            "key", "position", "taken", "dropped", "waiting", "bytes", "seen_at",
        },
    }  # fmt: skip
    with Store(folder) as store:
        for table, summed in SUMMED.items():
            columns = {
                name
                for (name,) in store._database.rows(
                    f"SELECT name FROM pragma_table_info('{table}')"
                )
            }
            assert columns - {"sum"} == {*summed, *compared_otherwise[table]}
            unsummed = f"SELECT count(*) FROM {table} WHERE sum IS NULL"
            assert store._database.value(unsummed) == 0


# Histories -------------------------------------------------------------------------------


def test_a_damaged_record_is_named_and_the_other_sessions_stay_usable(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        good, bad = session_of(store, "good"), session_of(store, "bad")
        append(store, good.key, 4)
        append(store, bad.key, 2)
        append(store, bad.key, 1, args=values.encode("the damaged one"))
        append(store, bad.key, 3)
    without_log(tmp_path / "store", lambda it: flip(it, place_of(it, b"the damaged one")))
    with Store(tmp_path / "store") as store:
        assert check(store).ok
        finding = only(check(store, read_data=True).findings)
        assert (finding.kind, finding.session) == ("history.damaged", bad.id)
        assert f"record 3 (event 3) of session {bad.id}" in finding.what
        assert "check --repair" in finding.advice
        assert store.history.verify(good.key) == 4
        with pytest.raises(StoreCorrupt, match=r"record 3 \(event 3\)"):
            store.history.verify(bad.key)
        append(store, good.key, 1)


def test_a_history_is_cut_after_its_last_good_record_and_the_rest_is_kept(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        session = session_of(store, "bad", status="completed", ended_at=1)
        append(store, session.key, 2)
        append(store, session.key, 1, args=values.encode("the damaged one"))
        append(store, session.key, 1, args=values.encode({"key": "later", "value": 1}))
        fork = session_of(store, "fork", fork_of=session.key, fork_seq=4)
        append(store, fork.key, 2)
        early = session_of(store, "early", fork_of=session.key, fork_seq=1)
        append(store, early.key, 2)
        artifact_of(store, session.key, "late.txt", b"x", event=4)
    without_log(tmp_path / "store", lambda it: flip(it, place_of(it, b"the damaged one")))
    with Store(tmp_path / "store") as store:
        report = check(store, read_data=True, repair=True)
        finding = only(report.findings)
        assert finding.repaired
        assert report.ok
        assert f"session {session.id} ends at event 2 now and is suspended" in finding.advice
        assert f"session {fork.id} ends at event 2 now" in finding.advice
        assert early.id not in finding.advice
        assert "Artifacts of later events stay: 'late.txt version 1'" in finding.advice
        assert "state that was set later: 'later'" in finding.advice
        after = store.sessions.get(session.key)
        assert (after.records, after.events, after.status) == (2, 2, "suspended")
        assert after.ended_at is None
        kept = sorted((tmp_path / "store" / "damaged").iterdir())
        lines = [json.loads(line) for path in kept for line in path.read_text().splitlines()]
        assert sorted(it["seq"] for it in lines) == [3, 4, 5, 6]
        assert check(store, read_data=True).findings == []
        assert store.history.verify(early.key) == 3
        append(store, session.key, 2)
        assert check(store, read_data=True).findings == []


def test_effects_that_had_ended_in_what_was_cut_are_without_outcome_again(tmp_path: Path) -> None:
    from respell.history.record import Part, Record, Status

    with Store(tmp_path / "store") as store:
        session = session_of(store, "bad")
        writer = writer_of(store, session.key)
        writer.append([Record(Part.INTENT, 1, name="tool.invoke")])
        writer.append([effect(2, args=values.encode("the damaged one"))])
        writer.append([Record(Part.OUTCOME, 1, status=Status.OK, name="tool.invoke")])
        store.leases.release(session.key, writer.lease)
    without_log(tmp_path / "store", lambda it: flip(it, place_of(it, b"the damaged one")))
    with Store(tmp_path / "store") as store:
        assert store.history.open_effects(session.key) == []
        assert check(store, read_data=True, repair=True).ok
        assert [it.number for it in store.history.open_effects(session.key)] == [1]


def test_a_session_that_is_held_is_left_as_it_is(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        session = session_of(store, "held")
        append(store, session.key, 1, args=values.encode("the damaged one"))
    without_log(tmp_path / "store", lambda it: flip(it, place_of(it, b"the damaged one")))
    with Store(tmp_path / "store") as store:
        token = store.leases.acquire(session.key)
        finding = only(check(store, read_data=True, repair=True).findings)
        assert not finding.repaired
        assert f"process {os.getpid()}" in finding.advice
        assert store.sessions.get(session.key).records == 1
        store.leases.release(session.key, token)
        assert check(store, read_data=True, repair=True).ok


def test_records_that_are_gone_are_missed_without_reading_all(folder: Path) -> None:
    with Store(folder) as store:
        one = store.sessions.find("one")
    changed(folder, f"DELETE FROM records WHERE session = {one.key} AND seq = 3")
    with Store(folder) as store:
        found = check(store).findings
        assert kinds(check(store)) == ["history.incomplete"]
        assert "only 6 are there" in found[0].what
        assert check(store, repair=True).ok
        assert store.sessions.get(one.key).records == 2
        # The fork shared the third record, so it has to end there as well.
        assert store.sessions.find("fork").records == 2
        assert check(store, read_data=True).findings == []


def test_counters_that_are_wrong_are_set_to_what_there_is(folder: Path) -> None:
    changed(
        folder,
        "UPDATE sessions SET events = 99 WHERE name = 'one'",
        "UPDATE sessions SET head_hash = zeroblob(32) WHERE name = 'two'",
        "UPDATE sessions SET artifacts = 7, sequence = 0 WHERE name = 'one'",
    )
    with Store(folder) as store:
        assert [it.kind for it in check(store).findings] == ["session.counters"] * 3
        assert check(store, repair=True).ok
        one = store.sessions.find("one")
        assert (one.events, one.artifacts) == (7, 2)
        assert check(store, read_data=True).findings == []


def test_a_large_value_that_is_lost_is_named_and_costs_nothing_else(folder: Path) -> None:
    with Store(folder) as store:
        one = store.sessions.find("one")
    changed(folder, "DELETE FROM blobs WHERE size > 70000 AND size < 80000")
    with Store(folder) as store:
        report = check(store, read_data=True, repair=True)
        assert {"history.value", "reference.missing"} <= set(kinds(report))
        assert any("event 6" in it.what for it in report.findings)
        assert store.sessions.get(one.key).records == 7  # its content may come back


# Rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "label"),
    [
        ("UPDATE sessions SET description = 'e' WHERE name = 'one'", "the row of session"),
        ("UPDATE sessions SET status = 'failed' WHERE name = 'two'", "the row of session"),
        ("UPDATE sessions SET permissions = x'80' WHERE name = 'two'", "the row of session"),
        ("UPDATE session_inputs SET input = x'c3'", "the input of session"),
        ("UPDATE artifacts SET description = 'other' WHERE sequence = 1", "the row of artifact 1"),
        ("UPDATE state SET value = x'08' WHERE scope = 'global'", "the value 'count' of the state"),
    ],
)
def test_a_row_that_is_not_what_was_written_is_named(
    folder: Path, statement: str, label: str
) -> None:
    changed(folder, statement)
    with Store(folder) as store:
        assert "row.damaged" not in kinds(check(store))
        found = [it for it in check(store, read_data=True).findings if it.kind == "row.damaged"]
        assert label in only(found).what


def test_a_row_that_is_set_again_is_right_again(folder: Path) -> None:
    changed(folder, "UPDATE sessions SET description = 'e' WHERE name = 'one'")
    with Store(folder) as store:
        store.sessions.update(store.sessions.find("one").key, description="d")
        assert check(store, read_data=True).findings == []


def test_text_that_is_not_utf_8_any_more_is_replaced_so_that_sessions_can_be_listed(
    folder: Path,
) -> None:
    changed(
        folder,
        "UPDATE sessions SET description = CAST(x'61ff62' AS TEXT) WHERE name = 'two'",
        "UPDATE sessions SET tags = 'no JSON' WHERE name = 'one'",
        "UPDATE artifacts SET name = CAST(x'ff' AS TEXT) WHERE sequence = 2",
    )
    with Store(folder) as store:
        with pytest.raises(StoreCorrupt, match="check --repair"):
            store.sessions.list()
        report = check(store, read_data=True, repair=True)
        assert [it.kind for it in report.findings if it.repaired].count("row.unreadable") == 3
        assert sorted(it.name for it in store.sessions.list()) == ["fork", "one", "two"]
        assert store.sessions.find("two").description == "a\ufffdb"
        assert store.sessions.find("one").tags == []
        kept = [path.read_bytes() for path in (folder / "damaged").iterdir()]
        assert b"a\xffb" in kept
        assert b"no JSON" in kept
        assert check(store, read_data=True, repair=True).ok
        assert check(store, read_data=True).findings == []


def test_requests_nobody_can_read_are_taken_out(folder: Path) -> None:
    changed(folder, "UPDATE inbox SET payload = x'c1'")
    with Store(folder) as store:
        assert kinds(check(store, read_data=True, repair=True)) == ["row.unreadable"]
        assert store.inbox.drain(store.sessions.find("two").key) == []
        assert check(store, read_data=True).findings == []


def test_rows_that_belong_to_nobody_are_moved_away(folder: Path) -> None:
    with Store(folder) as store:
        store.state.set("session:nobody", "k", values.encode("v"))
    changed(
        folder,
        "INSERT INTO open_effects (session, number, seq, name) VALUES (999, 1, 1, 'x')",
        "INSERT INTO blob_data (id, data) VALUES (999, x'616263')",
        "INSERT INTO records SELECT 999, seq, number, begun, hash, large, body FROM records"
        " WHERE session = (SELECT key FROM sessions WHERE name = 'two')",
    )
    with Store(folder) as store:
        report = check(store, repair=True)
        assert [it.kind for it in report.findings] == ["orphan.row"] * 4
        assert report.ok
        kept = {path.name.rpartition("-")[0]: path for path in (folder / "damaged").iterdir()}
        assert sorted(kept) == [
            "blob_data-999",
            "open_effects-999",
            "records-999",
            "state-session_nobody",
        ]
        assert len(kept["records-999"].read_text().splitlines()) == 3
        assert kept["blob_data-999"].read_bytes() == b"abc"
        assert check(store, read_data=True).findings == []


def test_the_index_of_tags_is_made_anew(folder: Path) -> None:
    changed(
        folder,
        "DELETE FROM artifact_tags WHERE tag = 't'",
        "INSERT INTO artifact_tags SELECT 'odd', session, created_at, sequence FROM artifact_tags",
        "UPDATE artifacts SET folded_name = 'wrong' WHERE sequence = 2",
    )
    with Store(folder) as store:
        assert kinds(check(store)) == ["index.tags"]
        assert kinds(check(store, read_data=True)) == ["index.tags", "index.text"]
        assert check(store, read_data=True, repair=True).ok
        assert check(store, read_data=True).findings == []


def test_effects_listed_as_without_outcome_are_compared_with_their_intents(folder: Path) -> None:
    with Store(folder) as store:
        key = store.sessions.find("one").key
    changed(
        folder,
        "DELETE FROM open_effects",
        f"INSERT INTO open_effects (session, number, seq, name) VALUES ({key}, 2, 2, 'state.set')",
    )
    with Store(folder) as store:
        assert kinds(check(store, read_data=True)) == ["effect.listed", "effect.unlisted"]
        assert check(store, read_data=True, repair=True).ok
        assert [it.number for it in store.history.open_effects(key)] == [7]
        assert check(store, read_data=True).findings == []


def test_a_fork_of_nothing_is_named_and_never_looked_into_for_ever(folder: Path) -> None:
    with Store(folder) as store:
        fork, one = store.sessions.find("fork"), store.sessions.find("one")
    for source in (999, fork.key):
        changed(folder, f"UPDATE sessions SET fork_of = {source} WHERE name = 'fork'")
        with Store(folder) as store:
            assert "session.fork" in kinds(check(store))
            assert "session.fork" in kinds(check(store, read_data=True))
            assert store.history.verify(one.key) == 7


# Blobs -----------------------------------------------------------------------------------


def blob_file(folder: Path) -> Path:
    files = [path for path in (folder / "objects").rglob("*") if path.is_file()]
    return only_path(files)


def only_path(paths: list[Path]) -> Path:
    assert len(paths) == 1
    return paths[0]


def truncate(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, 1000)


def change(path: Path) -> None:
    path.chmod(0o600)
    flip(path, 1234)


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("damage", "needs_reading", "what"),
    [
        (Path.unlink, False, "is missing; needed by artifact 'file.bin' version 1 of session"),
        (truncate, False, "has 1000 bytes where 300"),
        (link, False, "is no file"),
        (change, True, "is not what was written"),
    ],
)
def test_a_damaged_file_is_named_with_what_needs_it_and_storing_it_again_heals(
    folder: Path, damage: Callable[[Path], None], needs_reading: bool, what: str
) -> None:
    path = blob_file(folder)
    content = path.read_bytes()
    damage(path)
    with Store(folder) as store:
        assert check(store).ok == needs_reading
        finding = only(check(store, read_data=True).findings)
        assert finding.kind == "blob.damaged"
        assert what in finding.what
        assert (finding.blob, finding.path) == (path.name, str(path))
        check(store, read_data=True, repair=True)
        assert not os.path.lexists(path)
        assert kinds(check(store)) == ["artifact.content"]
        assert store.blobs.put(content).hex() == path.name
        assert check(store, read_data=True).findings == []


def test_a_damaged_blob_in_the_database_is_named(tmp_path: Path) -> None:
    content = b"in the database " + os.urandom(8000)
    with Store(tmp_path / "store") as store:
        session = session_of(store, "one")
        artifact_of(store, session.key, "a", content)
    # Not across a page's border: a row's overflow pages begin with a number.
    without_log(tmp_path / "store", lambda it: flip(it, place_of(it, content[:15]) + 3))
    with Store(tmp_path / "store") as store:
        finding = only(check(store, read_data=True).findings)
        assert finding.kind == "blob.damaged"
        assert "artifact 'a' version 1" in finding.what
        check(store, read_data=True, repair=True)
        store.blobs.put(content)
        assert check(store, read_data=True).findings == []


def test_one_piece_of_a_large_file_is_named_with_what_needs_it(tmp_path: Path) -> None:
    content = os.urandom(20_000_000)
    with Store(tmp_path / "store") as store:
        session = session_of(store, "one")
        artifact_of(store, session.key, "large", content)
        pieces = sorted(path for path in (store.path / "objects").rglob("*") if path.is_file())
        assert len(pieces) == 19  # the last one is small
        change(pieces[7])
        finding = only(check(store, read_data=True).findings)
        assert finding.blob == pieces[7].name
        assert "needed by artifact 'large' version 1" in finding.what
        pieces[9].unlink()
        report = check(store, read_data=True, repair=True)
        found = {(it.kind, it.blob): it for it in report.findings}
        whole = store.artifacts.list()[0].content_hash.hex()
        assert found.keys() == {
            ("blob.damaged", pieces[7].name),
            ("blob.damaged", pieces[9].name),
            ("blob.damaged", whole),
            ("artifact.content", whole),
        }
        assert "lacks its piece" in found["blob.damaged", whole].what
        lost = found["artifact.content", whole]
        assert "artifact 'large' version 1" in lost.what
        assert "has lost its content" in lost.what
        assert not lost.repaired
        assert not report.ok
        assert kinds(check(store, repair=True)) == ["artifact.content"]  # the same, once more
        store.blobs.put(content)
        assert check(store, read_data=True).findings == []


@pytest.mark.parametrize("read_data", [False, True])
def test_a_repair_says_which_event_has_lost_its_content_for_good(
    tmp_path: Path, read_data: bool
) -> None:
    value = os.urandom(9_000_000)
    with Store(tmp_path / "store") as store:
        session = session_of(store, "one")
        append(store, session.key, 2)
        append(store, session.key, 1, outcome=values.encode(value))
        pieces = [path for path in (store.path / "objects").rglob("*") if path.is_file()]
        pieces[0].unlink()
        pieces[1].chmod(0o600)
        os.truncate(pieces[1], 10)
        report = check(store, read_data=read_data, repair=True)
        assert not report.ok
        (lost,) = (it for it in report.findings if it.kind == "reference.missing")
        assert f"session {session.id} (event 3) refers to blob" in lost.what
        assert not lost.repaired
        assert not check(store, repair=True).ok


def test_what_is_no_blob_is_moved_out_of_their_folder(folder: Path) -> None:
    objects = folder / "objects"
    (objects / "notes.txt").write_text("mine")
    (objects / "ab").mkdir(exist_ok=True)
    (objects / "ab" / "link").symlink_to("/etc/passwd")
    (objects / "\x1b[31mred").mkdir()
    left = objects / "ab" / ("ab" * 32)
    left.write_bytes(b"left by a writer that was killed")
    os.utime(left, (1, 1))
    with Store(folder) as store:
        report = check(store)
        assert [it.kind for it in report.findings] == ["file.foreign"] * 3
        assert (report.leftovers, report.leftover_bytes) == (1, 32)
        assert check(store, repair=True).ok
        assert check(store).findings == []
        assert len(list((folder / "damaged").iterdir())) == 3
        assert left.exists()  # the collector's


# The database ----------------------------------------------------------------------------


def test_an_index_that_lacks_rows_is_made_anew(folder: Path) -> None:
    database = folder / "store.db"
    connection = apsw.Connection(str(database))
    root, size = connection.execute(
        "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_schema"
        " WHERE name = 'artifacts_content'"
    ).fetchall()[0]
    connection.close()
    with database.open("r+b") as file:
        file.seek((root - 1) * size + 3)
        file.write(b"\x00\x00")  # how many rows are on this page: none
    with Store(folder) as store:
        report = check(store, read_data=True)
        assert "database.damaged" in kinds(report)
        assert any("artifacts_content" in it.what for it in report.findings)
        assert any("anew" in it.advice for it in report.findings)
        assert check(store, read_data=True, repair=True).ok
        assert check(store, read_data=True).findings == []


def test_a_page_that_can_not_be_read_is_named_by_the_sessions_that_lost_it(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        sessions = [session_of(store, f"s{number}") for number in range(20)]
        for session in sessions:
            append(store, session.key, 30, args=values.encode(session.id + "x" * 300))
    database = tmp_path / "store" / "store.db"
    at = database.read_bytes().index(sessions[7].id.encode() + b"xxx")
    with database.open("r+b") as file:
        file.seek(at // 4096 * 4096)
        file.write(b"\xee" * 4096)
    with Store(tmp_path / "store") as store:
        for read_data in (False, True):
            report = check(store, read_data=read_data)
            assert {"database.damaged", "database.lost"} <= set(kinds(report))
            lost = {it.session for it in report.findings if it.kind == "database.lost"}
            assert 1 <= len(lost) <= 5
            assert lost <= {it.id for it in sessions}
        usable = [it for it in sessions if it.id not in lost]
        assert all(store.history.verify(it.key) == 30 for it in usable)
        append(store, usable[0].key, 1)


def test_definitions_that_differ_are_made_anew(folder: Path) -> None:
    changed(
        folder,
        "DROP TRIGGER artifacts_removed",
        "DROP INDEX inbox_session",
        "CREATE TABLE mine (x)",
    )
    with Store(folder) as store:
        report = check(store, repair=True)
        assert kinds(report) == ["database.definition"]
        assert [it.repaired for it in report.findings] == [True, True, False]
        assert "the table 'mine' is none of this store's" in only(check(store).findings).what


def test_a_store_that_can_only_be_read_is_checked_and_not_repaired(folder: Path) -> None:
    code = """
import os, sys, urllib.parse  # others may not read Python's folder
from respell.store import Store
from respell.store.care.checking import check
from respell.store.care.collecting import collect
from respell.errors import StoreError
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with Store(sys.argv[1]) as store:
    print(store.read_only, check(store, read_data=True).findings)
    try:
        check(store, repair=True)
    except StoreError as error:
        print(error)
"""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    above = [path for path in folder.parents if Path(tempfile.gettempdir()) in path.parents]
    for path in (folder, *folder.rglob("*"), *above):
        path.chmod(0o755)
    done = run_code(code, folder)
    assert done.stdout.startswith(f"True []\nthe store {folder} can only be read"), done


def test_too_many_findings_of_a_kind_are_counted(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        for number in range(250):
            store.state.set("session:nobody", str(number), b"\x01")
            store.state.set(f"session:{number}", "k", b"\x01")
        report = check(store)
        assert len(report.findings) == 200
        assert report.unlisted == {"orphan.row": 51}
        assert not report.ok
        assert check(store, repair=True).ok


def test_a_failing_repair_is_said_and_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob_file(folder).unlink()
    (folder / "objects" / "odd").write_text("x")
    (folder / "damaged").write_text("a file where the folder belongs")
    with Store(folder) as store:
        report = check(store, repair=True)
        advice = {it.kind: it.advice for it in report.findings if not it.repaired}
        assert advice["file.foreign"].startswith("the repair failed (")
        assert (folder / "objects" / "odd").exists()


def test_a_newer_store_is_not_checked(folder: Path) -> None:
    changed(folder, "PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="newer"):
        Store(folder)


def test_a_store_of_the_first_version_is_healthy_and_stays_so(tmp_path: Path) -> None:
    with tarfile.open(Path(__file__).parent / "stores" / "v1.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    with Store(tmp_path / "store") as store:
        before = check(store, read_data=True)
        assert before.findings == []
        assert before.sessions > 5
        clock = Clock()
        clock.pass_days(400)
    with Store(tmp_path / "store", clock=clock) as store:
        collect(store)
        after = check(store, read_data=True)
        assert after.findings == []
        assert (after.sessions, after.records) == (before.sessions, before.records)
        append(store, store.sessions.list()[0].key, 1)
        assert check(store, read_data=True).findings == []


# Beside writers --------------------------------------------------------------------------


def just_before_the_repair(monkeypatch: pytest.MonkeyPatch, do: Callable[[], Any]) -> None:
    """Let another process do something after damage was found, and before it is put right."""
    mended = Inspection._mended

    def after(*args: Any) -> Any:
        monkeypatch.setattr(Inspection, "_mended", mended)
        do()
        return mended(*args)

    monkeypatch.setattr(Inspection, "_mended", after)


@pytest.mark.parametrize("size", [9_000, 600_000, 9_000_000])
def test_content_that_was_just_stored_again_is_not_taken_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    content = os.urandom(size)
    with Store(tmp_path / "store") as store, Store(tmp_path / "store") as other:
        session = session_of(store, "one")
        address = artifact_of(store, session.key, "a", content).content_hash
        database = store._database
        if size == 600_000:
            store.blobs.path(address).unlink()
        elif size > 600_000:
            piece = store.blobs.stored(address).chunks[-1]
            store.blobs.path(piece).unlink()
        else:
            database.write("DELETE FROM blob_data")
            database.write("DELETE FROM blobs")
            database.write(
                "INSERT INTO blobs (id, hash, size, stored_size, codec, place, touched)"
                " VALUES (1, ?, 9000, 9000, 0, 0, 0)",
                (address,),
            )
            # Its bytes are lost, not its row.
            monkeypatch.setattr(other.blobs, "_is_intact", lambda address, info: False)
        just_before_the_repair(monkeypatch, lambda: other.blobs.put(content))
        assert check(store, repair=True).findings == []
        assert other.blobs.get(address) == content
        assert check(store, read_data=True).findings == []


def test_a_stray_whose_number_was_given_to_a_new_blob_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "store") as store, Store(tmp_path / "store") as other:
        store._database.write("INSERT INTO blob_data (id, data) VALUES (1, x'00')")
        just_before_the_repair(monkeypatch, lambda: other.blobs.put(b"precious"))
        assert check(store, repair=True).findings == []
        assert other.blobs.get(blake3(b"precious").digest()) == b"precious"


def test_rows_of_nobody_whose_key_was_given_to_a_new_session_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "store") as store, Store(tmp_path / "store") as other:
        session_of(store, "one")
        store._database.write("INSERT INTO inbox (session, kind, payload, posted_at)"
                              " VALUES (2, 'suspend', x'c0', 0)")  # fmt: skip

        def begin() -> None:
            assert session_of(other, "two").key == 2
            append(other, 2, 3)

        just_before_the_repair(monkeypatch, begin)
        assert check(store, repair=True).findings == []
        assert store.sessions.get(2).records == 3
        assert store._database.value("SELECT count(*) FROM inbox WHERE session = 2") == 1


def test_a_history_another_repair_has_cut_is_not_cut_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "store") as store:
        session = session_of(store, "one")
        append(store, session.key, 6)
    changed(
        tmp_path / "store", "UPDATE records SET body = CAST(body || x'00' AS BLOB) WHERE seq = 4"
    )
    with Store(tmp_path / "store") as store, Store(tmp_path / "store") as other:

        def mend_and_go_on() -> None:
            assert check(other, read_data=True, repair=True).ok
            append(other, session.key, 5)

        just_before_the_repair(monkeypatch, mend_and_go_on)
        assert check(store, read_data=True, repair=True).findings == []
        assert store.sessions.get(session.key).records == 3 + 5
        assert check(store, read_data=True).findings == []


def test_counters_are_set_to_what_there_is_by_then(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed(folder, "UPDATE sessions SET events = 1 WHERE name = 'two'")
    with Store(folder) as store, Store(folder) as other:
        two = store.sessions.find("two")

        def mend_and_go_on() -> None:
            assert check(other, repair=True).ok
            append(other, two.key, 2)

        just_before_the_repair(monkeypatch, mend_and_go_on)
        assert check(store, repair=True).findings == []
        assert store.sessions.get(two.key).records == two.records + 2
        assert check(store, read_data=True).findings == []


def test_a_row_that_was_set_again_is_not_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed(folder, "UPDATE sessions SET metadata = x'ff', usage = '{' WHERE name = 'one'")
    with Store(folder) as store, Store(folder) as other:
        key = store._database.value("SELECT key FROM sessions WHERE name = 'one'")
        fields = {"metadata": {"new": 1}, "usage": {"operations": 3}}
        just_before_the_repair(monkeypatch, lambda: other.sessions.update(key, **fields))
        assert check(store, read_data=True, repair=True).findings == []
        assert store.sessions.get(key).metadata == {"new": 1}


def test_two_columns_that_can_not_be_read_are_replaced_at_once(folder: Path) -> None:
    changed(
        folder,
        "UPDATE artifacts SET name = CAST(x'ff41' AS TEXT), description = CAST(x'ff' AS TEXT)"
        " WHERE name = 'small.txt'",
    )
    with Store(folder) as store:
        assert check(store, read_data=True, repair=True).ok
        assert check(store, read_data=True).findings == []
