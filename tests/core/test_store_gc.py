"""The collector removes what nothing refers to, and never anything else."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import respell
from care import DAY, Clock, append, artifact_of, fill, session_of
from gc_children import CHURN_S, churn, collect_for, come_and_go, put_large_and_hang
from respell import values
from respell.engine.effects.confined import make_temporary_folder
from respell.errors import StoreCorrupt, UsageError
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.care.checking import check
from respell.store.care.collecting import collect
from respell.store.session_rows import LAST_KEY
from respell.times import now_us, rfc3339
from store_children import begin


@pytest.fixture
def clock() -> Clock:
    """A clock that can be moved on."""
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """A store that goes by this clock."""
    with Store(tmp_path / "store", durability="process", clock=clock) as opened:
        yield opened


def files(store: Store, folder: str = "objects") -> list[Path]:
    return sorted(path for path in (store.path / folder).rglob("*") if path.is_file())


def test_what_is_referred_to_stays_for_ever(store: Store, clock: Clock) -> None:
    fill(store)
    address = store.blobs.put(b"kept for a recorded value")
    store.blobs.keep(address, store.sessions.find("two").key)
    large = os.urandom(12_000_000)
    artifact_of(store, store.sessions.find("two").key, "large", large)
    before = files(store)
    for _ in range(3):
        clock.pass_days(10)
        report = collect(store, grace_s=0)
        assert (report.blobs, report.leftovers, report.sessions) == (0, 0, [])
    assert files(store) == before
    assert store.blobs.get(address) == b"kept for a recorded value"
    assert check(store, read_data=True).findings == []


def test_a_wal_that_another_process_takes_away_meanwhile_is_no_error(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    wal, away = store.path / "store.db-wal", store.path / "taken-away"
    looked_at = Path.exists

    def exists(path: Path) -> bool:
        there = looked_at(path)
        if path == wal and there:
            wal.rename(away)
        return there

    monkeypatch.setattr(Path, "exists", exists)
    collect(store, dry_run=True)
    monkeypatch.undo()
    if not away.exists():
        wal.rename(away)
    assert collect(store, dry_run=True).reusable_bytes >= 0
    away.rename(wal)


def test_what_nothing_refers_to_goes_after_a_day_and_its_file_a_day_later(
    store: Store, clock: Clock
) -> None:
    small, large = os.urandom(1000), os.urandom(300_000)
    addresses = [store.blobs.put(it) for it in (small, large, os.urandom(20_000_000))]
    clock.pass_days(0.9)
    assert collect(store).blobs == 0
    clock.pass_days(0.2)
    report = collect(store)
    assert (report.blobs, report.trash_files) == (1 + 1 + 1 + 20, 0)
    assert not any(it in store.blobs for it in addresses)
    assert files(store) == []
    assert len(files(store, "trash")) == 1 + 19
    clock.pass_days(0.9)
    assert collect(store).trash_files == 0
    clock.pass_days(0.2)
    report = collect(store)
    assert report.trash_files == 20
    assert report.freed_bytes > 19_000_000
    assert files(store, "trash") == []
    assert check(store, read_data=True).findings == []


def test_what_is_put_again_stays_another_day(store: Store, clock: Clock) -> None:
    data = os.urandom(300_000)
    address = store.blobs.put(data)
    clock.pass_days(0.9)
    store.blobs.put(data)
    clock.pass_days(0.9)
    assert collect(store).blobs == 0
    clock.pass_days(0.2)
    assert collect(store).blobs == 1
    assert address not in store.blobs
    assert store.blobs.put(data) == address  # beside the one in the trash
    assert store.blobs.get(address) == data


def test_pieces_stay_as_long_as_one_list_needs_them(store: Store, clock: Clock) -> None:
    session = session_of(store, "one")
    common = os.urandom(10 * 1024 * 1024)
    first = artifact_of(store, session.key, "first", common + b"first")
    second = artifact_of(store, session.key, "second", common + b"second")
    clock.pass_days(2)
    store.artifacts.delete(first.id)
    assert collect(store).blobs == 2  # the list, and the piece at its end
    assert store.blobs.get(second.content_hash) == common + b"second"
    store.artifacts.delete(second.id)
    assert collect(store).blobs == 2 + 10
    assert store._database.value("SELECT count(*) FROM blobs") == 0


def test_a_dry_run_says_the_same_and_removes_nothing(store: Store, clock: Clock) -> None:
    store.blobs.put(os.urandom(10_000_000))
    store.blobs.put(os.urandom(400_000))
    left = store.path / "objects" / "ab" / ("ab" * 32)
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"left behind")
    clock.pass_days(2)
    planned = collect(store, dry_run=True)
    assert planned.dry_run
    assert left.exists()
    assert collect(store, dry_run=True) == planned
    done = collect(store)
    assert (
        (planned.blobs, planned.blob_bytes)
        == (done.blobs, done.blob_bytes)
        == (12, planned.blob_bytes)
    )
    assert (planned.leftovers, planned.leftover_bytes) == (done.leftovers, 11) == (1, 11)
    planned = collect(store, dry_run=True)
    assert planned.trash_files == 0
    clock.pass_days(2)
    assert collect(store, dry_run=True).trash_files == 12
    assert collect(store).trash_files == 12


def test_a_deleted_artifact_whose_bytes_a_history_needs_keeps_them(
    store: Store, clock: Clock, tmp_path: Path
) -> None:
    (tmp_path / "in.txt").write_bytes(b"line\n" * 100_000)
    script = tmp_path / "main.lua"
    script.write_text(
        """
        local file = assert(io.open("in.txt"))
        print(#file:read("a"))
        file:close()
        local id = Artifact.store(nil, "data", "large.txt", string.rep("content ", 50000))
        print(#Artifact.get(nil, id).content)
        Artifact.delete(nil, id)
        State.set("global", "large", string.rep("state ", 50000))
        print(#State.get("global", "large"))
        """
    )
    os.chdir(tmp_path)
    lines: list[bytes] = []
    result = respell.run(script, store=store, on_output=lambda name, text: lines.append(text))
    assert result.ended.status == "completed", result.session.error
    (tmp_path / "in.txt").unlink()
    script.unlink()
    store.state.clear("global")
    for _ in range(3):
        clock.pass_days(3)
        collect(store)
    replayed = respell.replay(result.session, store=store)
    assert replayed.identical
    assert lines == [b"500000", b"400000", b"300000"]
    assert check(store, read_data=True).findings == []


def test_forks_keep_what_they_share_with_a_deleted_session(store: Store, clock: Clock) -> None:
    one = session_of(store, "one")
    append(store, one.key, 2, outcome=values.encode(os.urandom(100_000)))
    script = store.blobs.put(b"return 1")
    store.sessions.update(one.key, script="m.lua", script_hash=script.hex())
    fork = session_of(store, "fork", fork_of=one.key, fork_seq=2)
    assert store.sessions.delete(one.key) == []
    clock.pass_days(3)
    assert collect(store).blobs == 0
    assert store.history.verify(fork.key) == 2
    assert script in store.blobs
    assert sorted(store.sessions.delete(fork.key)) == sorted([one.id, fork.id])
    clock.pass_days(3)
    assert collect(store).blobs == 2
    assert check(store, read_data=True).findings == []


def test_nothing_of_a_deleted_session_stays(store: Store, clock: Clock) -> None:
    from respell.sessions.inheritance import save_aliases

    keys = fill(store)
    two = store.sessions.get(keys["two"])
    store.state.set(f"session:{two.id}", "k", values.encode(1))
    store.state.set(f"respell:loaded:{two.id}", "x", values.encode(True))
    save_aliases(store, two, {"a": "b"})
    artifact_of(store, two.key, "tagged", b"x", tags=["only here"])
    assert store.sessions.delete(two.key) == [two.id]
    for table in ("records", "artifacts", "artifact_tags", "leases", "inbox", "blob_refs"):
        left = f"SELECT count(*) FROM {table} WHERE session = ?"
        assert store._database.value(left, (two.key,)) == 0, table
    assert (
        store._database.value("SELECT count(*) FROM state WHERE scope LIKE ?", (f"%{two.id}",)) == 0
    )
    assert check(store, read_data=True).findings == []


def test_a_deletion_that_was_cut_short_is_finished_and_its_ids_are_told(store: Store) -> None:
    keys = fill(store)
    store._database.write("UPDATE sessions SET deleted = 1 WHERE key = ?", (keys["two"],))
    two = store.sessions.get(keys["two"], deleted=True)
    folder = make_temporary_folder(two.id)
    assert collect(store, dry_run=True).sessions == [two.id]
    report = collect(store)
    assert report.sessions == [two.id]
    assert folder.exists()  # the caller's to remove: the store knows nothing of it
    folder.rmdir()
    assert store.sessions.count() == 2


def test_a_purge_that_was_overtaken_spares_the_session_that_got_the_number(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = session_of(store, "gone")
    append(store, gone.key, 3)
    store._database.write("UPDATE sessions SET deleted = 1 WHERE key = ?", (gone.key,))
    write = store._database.write
    made: list[SessionRecord] = []

    def overtaken(sql: str, bindings: tuple[object, ...] = ()) -> int:
        if sql.startswith("DELETE FROM records") and not made:
            with Store(store.path) as other:
                assert other.sessions.purge() == [gone.id]
                other.notes.set(LAST_KEY, None)  # as an older program, which does not know of it
                made.append(session_of(other, "new"))
                append(other, made[0].key, 2)
        return write(sql, bindings)

    monkeypatch.setattr(store._database, "write", overtaken)
    assert collect(store).sessions == []
    assert made[0].key == gone.key
    assert store.history.verify(made[0].key) == 2


def test_an_import_that_was_cut_short_is_given_up_after_a_day(store: Store, clock: Clock) -> None:
    record = session_of(store, "half")
    append(store, record.key, 3)
    store._database.write("UPDATE sessions SET deleted = 2 WHERE key = ?", (record.key,))
    clock.pass_days(0.5)
    assert collect(store).sessions == []
    clock.pass_days(0.6)
    report = collect(store)
    assert (report.imports, report.sessions) == (1, [record.id])
    assert store._database.value("SELECT count(*) FROM records") == 0


def test_files_being_written_are_left_alone_for_an_hour(store: Store, clock: Clock) -> None:
    store.blobs.put(os.urandom(300_000))
    folder = files(store)[0].parent
    unfinished = folder / "tmp-1-abc"
    unfinished.write_bytes(b"half")
    assert collect(store, grace_s=0).leftovers == 0
    clock.ahead += DAY // 20
    assert collect(store, grace_s=0).leftovers == 1
    assert not unfinished.exists()


def test_files_that_are_none_of_the_store_are_not_touched(store: Store, clock: Clock) -> None:
    store.blobs.put(os.urandom(300_000))
    mine = store.path / "objects" / "mine.txt"
    mine.write_text("mine")
    linked = store.path / "objects" / "ab"
    shutil.rmtree(linked, ignore_errors=True)
    target = store.path.parent / "elsewhere"
    target.mkdir()
    (target / ("ab" * 32)).write_text("not ours")
    linked.symlink_to(target)
    clock.pass_days(9)
    collect(store)
    assert mine.read_text() == "mine"
    assert (target / ("ab" * 32)).read_text() == "not ours"


def test_the_database_shrinks(store: Store, clock: Clock) -> None:
    session = session_of(store, "large")
    for _ in range(20):
        append(store, session.key, 20, args=values.encode(os.urandom(20_000)))
    collect(store)
    size = (store.path / "store.db").stat().st_size
    assert size > 8_000_000
    store.sessions.delete(session.key)
    report = collect(store)
    assert report.freed_bytes > 7_000_000
    assert report.reusable_bytes == 0
    assert (store.path / "store.db").stat().st_size < 1_000_000
    assert (store.path / "store.db-wal").stat().st_size == 0


def test_wrong_use_is_refused(store: Store) -> None:
    for grace in (-1.0, float("nan")):
        with pytest.raises(UsageError, match="can't be"):
            collect(store, grace_s=grace)


def test_progress_is_told(store: Store, clock: Clock) -> None:
    for number in range(30):
        store.blobs.put(b"%d" % number)
    clock.pass_days(2)
    told: list[tuple[int, int]] = []
    collect(store, on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (30, 30)


def test_a_damaged_list_of_pieces_stops_the_collector_before_anything_is_lost(
    store: Store, clock: Clock
) -> None:
    session = session_of(store, "one")
    artifact_of(store, session.key, "large", os.urandom(10_000_000))
    store._database.write(
        "UPDATE blob_data SET data = zeroblob(length(data)) WHERE id ="
        " (SELECT id FROM blobs WHERE place = 2)"
    )
    clock.pass_days(2)
    before = files(store)
    with pytest.raises(StoreCorrupt, match="first run `respell check --repair`"):
        collect(store)
    assert files(store) == before
    check(store, repair=True)
    assert collect(store).blobs > 0


# Beside writers --------------------------------------------------------------------------


def test_a_writer_killed_in_the_middle_of_a_large_file_leaves_nothing(
    tmp_path: Path, clock: Clock
) -> None:
    with Store(tmp_path / "store", clock=clock) as store:
        session = session_of(store, "kept")
        artifact_of(store, session.key, "kept", os.urandom(500_000))
        before = files(store)
        process, pipe = begin(put_large_and_hang, store.path, 60_000_000)
        assert pipe.recv() == "in the middle"
        process.kill()
        process.join()
        assert len(files(store)) > len(before) + 20
        clock.pass_days(2)
        report = collect(store)
        assert report.blobs + report.leftovers > 20
        clock.pass_days(2)
        collect(store)
        assert files(store) == before
        assert files(store, "trash") == []
        assert check(store, read_data=True).findings == []
        assert check(store).leftovers == 0


@pytest.mark.parametrize("ahead", [False, True])
def test_beside_writers_nothing_is_lost(tmp_path: Path, ahead: bool) -> None:
    beside_writers(tmp_path / "store", seconds=CHURN_S, writers=2, ahead=ahead)


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [False, True])
def test_beside_writers_nothing_is_lost_for_a_minute(tmp_path: Path, ahead: bool) -> None:
    beside_writers(tmp_path / "store", seconds=60, writers=4, ahead=ahead)


def beside_writers(path: Path, *, seconds: float, writers: int, ahead: bool) -> None:
    """Let writers put, find and refer to blobs while two collectors run without a pause.

    The store's clock runs so fast that the two minutes that blobs are safe for last a moment.
    """
    Store(path).close()
    start = now_us()
    children = [begin(churn, path, start, ahead, seconds, seed) for seed in range(writers)]
    collectors = [begin(collect_for, path, start, ahead, seconds) for _ in range(2)]
    for _, pipe in (*children, *collectors):
        assert pipe.recv() == "ready"
    for _, pipe in (*children, *collectors):
        pipe.send("go")
    referred = [pipe.recv() for _, pipe in children]
    removed = [pipe.recv() for _, pipe in collectors]
    for process, _ in (*children, *collectors):
        process.join()
    assert min(referred) > (1 if ahead else 10), referred
    assert sum(removed) > 10, removed
    with Store(path) as store:
        assert check(store, read_data=True).findings == []
        for artifact in store.artifacts.list():
            assert len(store.blobs.get(artifact.content_hash)) == artifact.size


@pytest.mark.parametrize("read_data", [False, True])
def test_a_check_beside_writers_takes_nothing_for_damage(tmp_path: Path, read_data: bool) -> None:
    path, seconds = tmp_path / "store", CHURN_S
    Store(path).close()
    start = now_us()
    children = [
        begin(come_and_go, path, seconds, 1),
        begin(churn, path, start, False, seconds, 1),
        begin(collect_for, path, start, False, seconds),
    ]
    for _, pipe in children:
        assert pipe.recv() == "ready"
    for _, pipe in children:
        pipe.send("go")
    checks = 0
    with Store(path) as store:
        while any(process.is_alive() for process, _ in children):
            assert check(store, read_data=read_data).findings == []
            checks += 1
        assert checks > 3
        assert all(pipe.recv() for _, pipe in children)
        for process, _ in children:
            process.join()
        assert check(store, read_data=True).findings == []


# Whatever is done in whatever order ------------------------------------------------------

CONTENT = st.builds(
    lambda seed, size: bytes((seed,)) * size + bytes((seed,)),
    st.integers(0, 5),
    st.sampled_from([1, 70_000, 9 * 1024 * 1024]),
)


class GcMachine(RuleBasedStateMachine):
    """Puts, refers, deletes, lets time pass and collects; then looks for what must be there."""

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="respell-gc-"))
        self.clock = Clock()
        # Uncompressed, so that what is large is really in files.
        self.store = Store(self.folder, durability="process", clock=self.clock, compress=False)
        self.needed: dict[str, bytes] = {}
        self.young: dict[bytes, tuple[bytes, int]] = {}
        self.session = session_of(self.store, "one").key

    @rule(data=CONTENT)
    def put(self, data: bytes) -> None:
        self.young[self.store.blobs.put_stream(io.BytesIO(data))[0]] = data, self.clock()

    @rule(data=CONTENT)
    def store_artifact(self, data: bytes) -> None:
        self.put(data)
        record = artifact_of(self.store, self.session, f"a{len(data)}", data)
        self.needed[record.id] = data

    @precondition(lambda self: self.needed)
    @rule(which=st.integers(0, 99))
    def delete_artifact(self, which: int) -> None:
        name = sorted(self.needed)[which % len(self.needed)]
        self.store.artifacts.delete(name)
        del self.needed[name]

    @rule()
    def begin_another_session(self) -> None:
        self.store.sessions.delete(self.session)
        self.needed.clear()
        self.session = session_of(self.store, "next").key

    @rule(days=st.floats(0.01, 1.5))
    def wait(self, days: float) -> None:
        self.clock.pass_days(days)

    @rule(grace=st.sampled_from([0.0, 3600.0, 86_400.0]))
    def collect(self, grace: float) -> None:
        collect(self.store, grace_s=grace)
        oldest = self.clock() - int(max(grace, 120) * 1e6)
        self.young = {it: known for it, known in self.young.items() if known[1] >= oldest}

    @invariant()
    def all_is_there(self) -> None:
        for name, data in self.needed.items():
            assert self.store.blobs.get(self.store.artifacts.get(name).content_hash) == data
        for address, (data, _) in self.young.items():
            assert self.store.blobs.get(address) == data

    def teardown(self) -> None:
        self.store.sessions.delete(self.session)
        for _ in range(3):
            self.clock.pass_days(3)
            collect(self.store)
        assert self.store._database.value("SELECT count(*) FROM blobs") == 0
        assert files(self.store) == files(self.store, "trash") == []
        assert check(self.store, read_data=True).findings == []
        self.store.close()
        shutil.rmtree(self.folder)


TestGcMachine = GcMachine.TestCase
TestGcMachine.settings = settings(max_examples=8, stateful_step_count=15, deadline=None)


def test_grants_that_ended_go_after_the_grace_period(store: Store, clock: Clock) -> None:
    owner, reader, other = (respell.create(store=store) for _ in range(3))
    soon = rfc3339(clock() + DAY)
    owner.state.grant(reader, expires_at=soon)
    owner.state.grant(other)
    clock.pass_days(1.5)
    assert collect(store).grants == 0
    clock.pass_days(1)
    assert collect(store, dry_run=True).grants == 1
    assert collect(store).grants == 1
    assert [it.grantee for it in store.grants.list()] == [other.id]
