"""A store of any version before opens with all that is in it; a newer one is left alone."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import respell
from respell import values
from respell.artifacts.record import ArtifactQuery
from respell.errors import StoreError, StoreFull, StoreTooNew
from respell.sessions.record import SessionQuery, SessionRecord
from respell.store import Store, schema
from respell.store.care.checking import check
from respell.store.exchange.exporting import export_session
from respell.store.exchange.importing import import_session
from store_children import begin, make_store, run_code

STORES = Path(__file__).parent / "stores"
KEPT = {int(path.name[1:].partition(".")[0]): path for path in STORES.glob("v*.tar.xz")}
EARLIER = sorted(KEPT)


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """Unpack the stored store of a version and go to an empty folder."""

    def unpacked(version: int) -> Path:
        with tarfile.open(KEPT[version]) as archive:
            archive.extractall(tmp_path, filter="data")
        (tmp_path / "empty").mkdir()
        monkeypatch.chdir(tmp_path / "empty")
        return tmp_path / "store"

    return unpacked


def version_of(folder: Path) -> int:
    connection = apsw.Connection(str(folder / "store.db"), flags=apsw.SQLITE_OPEN_READONLY)
    version: int = connection.execute("PRAGMA user_version").fetchall()[0][0]
    connection.close()
    return version


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_store_of_every_version_before_is_kept() -> None:
    missing = set(range(1, schema.VERSION)) - KEPT.keys()
    assert not missing, "see tests/core/stores/README.md"


@pytest.mark.parametrize("version", EARLIER)
def test_everything_is_still_there(old: Callable[[int], Path], version: int) -> None:
    with Store(old(version)) as store:
        assert store._database.value("PRAGMA user_version") == schema.VERSION
        sessions = store.sessions.list(SessionQuery(sort="name"))
        assert [(it.name, it.status) for it in sessions] == [
            ("done", "completed"), ("failed", "failed"), ("fork", "suspended"),
            ("notes", "active"), ("notes", "active"), ("notes", "active"),
            ("story", "suspended"),
        ]  # fmt: skip
        story, fork = store.sessions.find("story"), store.sessions.find("fork")
        assert (story.tags, fork.forked_from) == (["one", "two"], story.id)
        assert not any(it.redacted for it in sessions)
        assert "on purpose" in str((store.sessions.find("failed").error or {})["message"])
        for one in sessions:
            assert store.history.verify(one.key) == one.records
            numbers = {record.number for _, record in store.history.events(one.key)}
            assert len(numbers) == one.events
            found = store.artifacts.list(ArtifactQuery(session_id=one.id))
            assert len(found) == one.artifacts
            for artifact in found:
                assert len(store.blobs.get(artifact.content_hash)) == artifact.size
                assert store.artifacts.get(artifact.id) == artifact
        assert values.decode(store.state.get(f"session:{story.id}", "count") or b"") == 2
        assert values.decode(store.state.get("global", "greeting") or b"") == "hello"
        assert [it.name for it in store.history.open_effects(story.key)] == ["session.suspend"]


@pytest.mark.parametrize("version", EARLIER)
def test_artifacts_are_found_as_in_a_new_store(old: Callable[[int], Path], version: int) -> None:
    with Store(old(version)) as store:
        story = store.sessions.find("story")

        def names(**query: Any) -> list[tuple[str, int]]:
            found = store.artifacts.list(ArtifactQuery(session_id=story.id, sort="name", **query))
            return [(it.name, it.version) for it in found]

        assert names(tags=["draft"]) == [("report.md", 1)]
        assert names(tags=["text", "draft"]) == [("report.md", 1)]
        assert names(tags=["file"]) == [("large.bin", 1), ("lines.txt", 1), ("noise.bin", 1)]
        assert names(tags=["file", "large"]) == [("large.bin", 1)]
        assert names(text="GRÖSSE") == names(text="größe") == [("report.md", 2)]
        assert names(text="first draft") == [("report.md", 1)]
        assert names(text="REPORT") == [("report.md", 1), ("report.md", 2)]
        assert names(name_pattern="*.bin") == [("large.bin", 1), ("noise.bin", 1)]
        assert names(name="gone.txt") == []
        assert store.artifacts.count(ArtifactQuery(tags=["draft"])) == 6
        # And so are those that are stored, or deleted, from now on.
        report = store.artifacts.versions(story.key, "report.md")[0]
        store.artifacts.delete(report.id)
        assert names(tags=["draft"]) == []
        assert names(text="first draft") == []


@pytest.mark.parametrize("version", EARLIER)
def test_sessions_replay_and_go_on(old: Callable[[int], Path], version: int) -> None:
    with Store(old(version)) as store:
        for name in ("done", "failed", "fork", "story"):
            assert respell.replay(name, store=store).identical, name
        lines: list[bytes] = []
        ended = respell.resume("story", store=store, on_output=lambda _, text: lines.append(text))
        assert ended.session.status == "completed", ended.session.error
        assert lines == [b"end"]
        assert respell.replay("story", store=store).identical
        fork = respell.resume("fork", store=store).session
        assert (fork.waiting_for or {}).get("prompt") == "go on?"
        again = respell.fork("done", store=store, at="20")
        assert respell.replay(again, store=store).identical
        store.sessions.delete(store.sessions.find("story").key)
        assert respell.replay("fork", store=store).identical


@pytest.mark.parametrize("version", EARLIER)
def test_sessions_can_be_moved(old: Callable[[int], Path], version: int, tmp_path: Path) -> None:
    with Store(old(version)) as store, Store(tmp_path / "other") as other:
        for name in ("done", "fork", "story"):
            export_session(store, store.sessions.find(name), tmp_path / name)
            import_session(other, tmp_path / name)
            assert respell.replay(name, store=other).identical
        assert respell.resume("story", store=other).session.status == "completed"


# ── newer, or read-only ──────────────────────────────────────────────────────────────────


def test_a_newer_store_is_refused_and_every_byte_of_it_stays(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    Store(folder).close()
    connection = apsw.Connection(str(folder / "store.db"))
    connection.execute(f"PRAGMA user_version={schema.VERSION + 1}")
    connection.execute("CREATE TABLE of_the_future (x)")
    # What is in the WAL only is newer as well. A copy, for its owner would clean up.
    shutil.copytree(folder, tmp_path / "copy")
    connection.close()
    assert (tmp_path / "copy" / "store.db-wal").stat().st_size > 0
    before = content_of(tmp_path / "copy")
    with pytest.raises(StoreTooNew, match=rf"its version is {schema.VERSION + 1}, .* upgrade"):
        Store(tmp_path / "copy")
    after = content_of(tmp_path / "copy")
    after.pop("store.db-shm"), before.pop("store.db-shm")  # an index of the WAL, made anew
    assert after == before


@pytest.mark.parametrize("version", [it for it in EARLIER if it < schema.VERSION])
def test_an_old_store_that_can_not_be_written_is_refused(
    old: Callable[[int], Path], version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = old(version)
    before = content_of(folder)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(StoreError, match="is of an older version and can't be upgraded"):
        Store(folder)
    assert content_of(folder)["store.db"] == before["store.db"]


# ── cut short ────────────────────────────────────────────────────────────────────────────

KILLED = """
import os, signal, sys
from respell.store import Store, schema
from respell.store.care.checking import check
from respell.store.database import Database

at = float(sys.argv[2])
step = schema.MIGRATIONS[-1]
import apsw
statements, begun = [], ""
for piece in step.split(";"):
    begun += piece + ";"
    if apsw.complete(begun):
        statements.append(begun)
        begun = ""
assert len(statements) > 3, statements
kept = statements[: round(at * len(statements))]
schema.MIGRATIONS = (*schema.MIGRATIONS[:-1], "".join(kept) + "SELECT die();")
configured = Database._configured

def with_death(self, name, flags):
    connection = configured(self, name, flags)
    connection.create_scalar_function("die", lambda: os.kill(os.getpid(), signal.SIGKILL), 0)
    return connection

Database._configured = with_death
Store(sys.argv[1])
"""


@pytest.mark.parametrize("at", [0.2, 0.5, 1.0])
def test_a_migration_that_is_killed_has_not_begun(old: Callable[[int], Path], at: float) -> None:
    version = max(it for it in EARLIER if it < schema.VERSION)
    folder = old(version)
    done = run_code(KILLED, folder, at)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert version_of(folder) == version
    with Store(folder) as store:
        assert respell.replay("done", store=store).identical
        assert store.artifacts.count(ArtifactQuery(tags=["draft"])) == 6


LIMITED = """
import resource, signal, sys
from respell.errors import StoreError
from respell.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    Store(sys.argv[1])
except StoreError as error:
    print(error)
"""


def test_a_migration_that_finds_no_space_has_not_begun(old: Callable[[int], Path]) -> None:
    version = max(it for it in EARLIER if it < schema.VERSION)
    folder = old(version)
    done = run_code(LIMITED, folder, 20_000)
    assert str(folder) in done.stdout, done.stderr
    assert version_of(folder) == version
    with Store(folder) as store:
        assert respell.replay("done", store=store).identical


def test_a_migration_on_a_full_disk_says_so(old: Callable[[int], Path], tmp_path: Path) -> None:
    version = min(EARLIER)  # whose rows are all written anew
    folder = old(version)
    small = tmp_path / "small"
    small.mkdir()
    size = sum(path.stat().st_size + 4096 for path in folder.rglob("*"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size + 60_000}", "tmpfs", str(small)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("can't mount a small file system here")
    try:
        shutil.copytree(folder, small / "store")
        with pytest.raises(StoreFull, match="there is no space left"):
            Store(small / "store")
        assert version_of(small / "store") == version
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        with Store(small / "store") as store:
            assert store.sessions.find("story").artifacts == 7
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_several_processes_open_an_old_store_at_once(old: Callable[[int], Path]) -> None:
    folder = old(min(EARLIER))
    children = [begin(make_store, folder) for _ in range(3)]
    for _, pipe in children:
        assert pipe.recv() == "ready"
    for _, pipe in children:
        pipe.send("go")
    assert [pipe.recv() for _, pipe in children] == ["done"] * 3
    for process, _ in children:
        process.join()
    with Store(folder) as store:
        assert store.sessions.count() == 7 + 3
        assert store._database.value("PRAGMA integrity_check") == "ok"


# ── how the files are made ───────────────────────────────────────────────────────────────


def test_the_file_of_this_version_can_be_made(tmp_path: Path) -> None:
    stores = tmp_path / "stores"
    shutil.copytree(STORES, stores, ignore=shutil.ignore_patterns("*.xz", "__pycache__"))
    done = subprocess.run(
        [sys.executable, stores / "make.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = stores / f"v{schema.VERSION}.tar.xz"
    assert done.stdout == f"{made}\n"
    assert made.stat().st_size < 300_000
    with tarfile.open(made) as archive:
        archive.extractall(tmp_path, filter="data")
    with Store(tmp_path / "store") as store:
        assert sorted(it.name for it in store.sessions.list()) == [
            "done", "failed", "fork", "notes", "notes", "notes", "story",
        ]  # fmt: skip
        assert store.sessions.find("story").artifacts >= 7
        assert respell.replay("done", store=store).identical
    again = subprocess.run(
        [sys.executable, stores / "make.py"], capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert re.search(r"is there already; what was released stays", again.stderr)


def test_migrations_lead_to_the_tables_of_a_new_store(
    old: Callable[[int], Path], tmp_path: Path
) -> None:
    def tables(folder: Path) -> list[tuple[Any, ...]]:
        with Store(folder) as store:
            store.sessions.insert(SessionRecord())
            return store._database.rows(
                "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
            )

    assert tables(old(min(EARLIER))) == tables(tmp_path / "new")


def test_a_damaged_row_does_not_keep_an_old_store_from_being_opened_and_mended(
    old: Callable[[int], Path],
) -> None:
    folder = old(1)
    connection = apsw.Connection(str(folder / "store.db"))
    nth = "(session, sequence) = (SELECT session, sequence FROM artifacts LIMIT 1 OFFSET {})"
    for damage in (
        f"UPDATE artifacts SET tags = '[\"a' WHERE {nth.format(1)}",
        "UPDATE artifacts SET name = CAST(x'ff41' AS TEXT), tags = CAST(x'5b22ff225d' AS TEXT)"
        f" WHERE {nth.format(2)}",
        "UPDATE sessions SET description = CAST(x'ff' AS TEXT) WHERE key = 1",
        "UPDATE state SET scope = CAST(x'ff' AS TEXT) WHERE rowid = 1",
    ):
        connection.execute(damage)
        assert connection.changes() == 1
    connection.close()
    with Store(folder) as store:
        assert version_of(folder) == schema.VERSION
        report = check(store, read_data=True, repair=True)
        unreadable = [it for it in report.findings if it.kind == "row.unreadable"]
        assert len(unreadable) == 4
        assert [it.repaired for it in unreadable].count(False) == 1  # the state's scope
        assert len(store.sessions.list()) == store.sessions.count() > 0
        assert [it for it in check(store, read_data=True).findings if it.session] == []


def test_what_large_content_occupies_is_told_with_its_pieces(
    old: Callable[[int], Path], tmp_path: Path
) -> None:
    with Store(tmp_path / "new") as store:
        address = store.blobs.put(b"0123456789abcdef" * 700_000)
        now = store.blobs.info(address)
    folder = old(1)
    copied = apsw.Connection(str(folder / "store.db"))
    copied.execute("DELETE FROM blob_data")
    copied.execute("DELETE FROM blobs")
    copied.execute("ATTACH ? AS new", (str(tmp_path / "new" / "store.db"),))
    copied.execute("INSERT INTO blobs SELECT * FROM new.blobs")
    copied.execute("INSERT INTO blob_data SELECT * FROM new.blob_data")
    copied.execute(  # as the first version had it: the list alone
        "UPDATE blobs SET codec = 0, stored_size ="
        " (SELECT length(data) FROM blob_data WHERE blob_data.id = blobs.id) WHERE place = 2"
    )
    copied.close()
    with Store(folder) as store:
        assert store.blobs.info(address) == now
