"""Opening a store: new, old, newer, damaged, read-only, or not one at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from respell.errors import StoreCorrupt, StoreError, StoreMissing, StoreTooNew
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.database import PAGE_SIZE
from store_children import begin, effect, make_store, run_code


def test_a_new_store_is_made_with_its_folders_for_its_owner_only(tmp_path: Path) -> None:
    with Store(tmp_path / "a" / "b") as store:
        assert not store.read_only
        assert store.path == tmp_path / "a" / "b"
        assert store.path.stat().st_mode & 0o777 == 0o700
        pragma = store._database.value
        assert pragma("PRAGMA journal_mode") == "wal"
        assert pragma("PRAGMA synchronous") == 1
        assert pragma("PRAGMA page_size") == PAGE_SIZE


def test_a_home_folder_may_be_written_with_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with Store("~/sessions") as store:
        assert store.path == tmp_path / "sessions"


def test_a_missing_store_is_not_made_by_looking_for_it(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match=f"no store in {tmp_path}/none; check --store"):
        Store(tmp_path / "none", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=f"can't make the store {tmp_path}/file: "):
        Store(tmp_path / "file")
    with pytest.raises(StoreError, match=f"can't make the store {tmp_path}/file/sub: "):
        Store(tmp_path / "file" / "sub")


def test_a_newer_store_is_refused_and_not_touched(tmp_path: Path) -> None:
    Store(tmp_path).close()
    connection = apsw.Connection(str(tmp_path / "store.db"))
    connection.execute("PRAGMA user_version=99")
    connection.close()
    (tmp_path / "writer.lock").unlink()
    before = (tmp_path / "store.db").read_bytes()
    with pytest.raises(StoreTooNew, match=r"its version is 99, .* upgrade Respell"):
        Store(tmp_path)
    assert (tmp_path / "store.db").read_bytes() == before
    assert not (tmp_path / "writer.lock").exists()


@pytest.mark.parametrize(
    "content", [b"just some text\n" * 1000, os.urandom(20_000)], ids=["text", "noise"]
)
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match=f"{path} is not a database"):
        Store(tmp_path)
    assert path.read_bytes() == content


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE bookmarks (url)")
    connection.close()
    with pytest.raises(StoreCorrupt, match="is a database of another program"):
        Store(tmp_path)


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    """What a process leaves that was killed while it made the store."""
    (tmp_path / "store.db").touch()
    with Store(tmp_path) as store:
        assert store.sessions.count() == 0


def test_damaged_pages_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for number in range(200):
            store.sessions.insert(SessionRecord(name=str(number), description="x" * 500))
    path = tmp_path / "store.db"
    content = bytearray(path.read_bytes())
    content[PAGE_SIZE:] = os.urandom(len(content) - PAGE_SIZE)
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match=f"{path} is damaged"), Store(tmp_path) as store:
        store.sessions.list()


def test_a_backup_without_its_wal_is_a_store_again(tmp_path: Path) -> None:
    with Store(tmp_path / "one") as store:
        store.sessions.insert(SessionRecord(name="kept"))
        (tmp_path / "two").mkdir()
        store._database.execute("VACUUM INTO ?", (str(tmp_path / "two" / "store.db"),))
    with Store(tmp_path / "two") as store:
        assert store.sessions.find("kept").name == "kept"
        store.sessions.insert(SessionRecord())
        store.sync()


def test_several_processes_make_the_store_at_once(tmp_path: Path) -> None:
    children = [begin(make_store, tmp_path / "new") for _ in range(3)]
    for _, pipe in children:
        assert pipe.recv() == "ready"
    for _, pipe in children:
        pipe.send("go")
    assert [pipe.recv() for _, pipe in children] == ["done"] * 3
    with Store(tmp_path / "new") as store:
        assert store.sessions.count() == 3
    for process, _ in children:
        process.join()


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match=f"the store {tmp_path} was closed"):
        store.sessions.list()
    with pytest.raises(StoreError, match="was closed"), store.transaction():
        pass


def test_a_forked_process_has_to_open_the_store_itself(tmp_path: Path) -> None:
    code = """
import os, sys
from respell.errors import StoreError
from respell.store import Store
store = Store(sys.argv[1])
pid = os.fork()
if pid == 0:
    try:
        store.state.set("global", "k", b"")
    except StoreError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(pid, 0)
store.state.set("global", "k", b"")
print("parent goes on")
"""
    done = run_code(code, tmp_path)
    assert "has to open it again\nparent goes on\n" in done.stdout, done.stderr


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other users can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    shutil.rmtree(folder)


READ_ONLY = """
import os, sys, urllib.parse  # others may not read Python's folder
from respell.errors import StoreError
from respell.sessions.record import SessionRecord
from respell.store import Store
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    with Store(sys.argv[1]) as store:
        print(store.read_only, [it.name for it in store.sessions.list()])
        store.sessions.insert(SessionRecord())
except StoreError as error:
    print(error)
"""


def as_someone_else(path: Path) -> str:
    """Run READ_ONLY as a user without any rights."""
    done = run_code(READ_ONLY, path)
    assert done.stderr == ""
    return done.stdout


def test_a_store_that_can_not_be_written_is_read(public_folder: Path) -> None:
    path = public_folder / "store"
    refusal = f"the store {path} can only be read: this user may not write to it; "
    with Store(path) as store:
        store.sessions.insert(SessionRecord(name="theirs"))
    for file in path.iterdir():
        file.chmod(0o444)
    path.chmod(0o555)
    assert as_someone_else(path).startswith(f"True ['theirs']\n{refusal}")
    path.chmod(0o755)
    (path / "store.db").chmod(0o644)
    with Store(path) as store:  # its owner has it open: a WAL is there
        store.sessions.insert(SessionRecord(name="new"))
        for file in path.iterdir():
            file.chmod(0o444)
        path.chmod(0o555)
        shown = as_someone_else(path)
        path.chmod(0o755)
    assert shown.startswith(f"True ['new', 'theirs']\n{refusal}")


def test_a_store_that_can_not_be_made_or_read_says_why(public_folder: Path) -> None:
    public_folder.chmod(0o555)
    missing = public_folder / "none"
    assert as_someone_else(missing).startswith(f"can't make the store {missing}: Permission denied")
    public_folder.chmod(0o755)
    path = public_folder / "store"
    Store(path).close()
    path.chmod(0o755)
    (path / "store.db").chmod(0o000)
    assert as_someone_else(path).startswith(f"can't open {path}/store.db: check that this user")


def test_a_store_seen_by_two_objects_notices_changes_of_the_other(tmp_path: Path) -> None:
    with Store(tmp_path) as one, Store(tmp_path) as other:
        before = one.data_version()
        assert one.data_version() == before
        other.state.set("global", "k", b"\x01")
        assert one.data_version() != before
        assert one.state.get("global", "k") == b"\x01"
        key = one.sessions.insert(SessionRecord()).key
        writer = other.history.writer(key, other.leases.acquire(key))
        writer.append([effect(1)])
        assert [seq for seq, _ in one.history.records(key)] == [1]
