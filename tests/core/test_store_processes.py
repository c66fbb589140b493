"""Several processes and threads write to one store; some are stopped or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fault_children import strace
from respell import values
from respell.errors import StoreBusy, StoreError
from respell.sessions.record import SessionRecord
from respell.store import Store, database
from store_children import (
    append_for,
    append_until_killed,
    begin,
    effect,
    freeze_in_transaction,
)


def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        key = store.sessions.insert(SessionRecord()).key
        for round_number in range(1, 5):
            process, pipe = begin(append_until_killed, store.path, key)
            acknowledged = 0
            for _ in range(37 * round_number):
                acknowledged = pipe.recv()
            process.kill()
            process.join()
            while pipe.poll():
                try:
                    acknowledged = pipe.recv()
                except EOFError:
                    break
            events = store.sessions.get(key).events
            assert acknowledged <= events <= acknowledged + 1
            assert store.history.verify(key) == events
            last = values.decode(store.state.get("global", "last") or b"")
            assert last in (events, events - 1)
        assert store._database.value("PRAGMA integrity_check") == "ok"


def commit_times(
    path: Path, *, seconds: float, durability: str, writers: int = 4
) -> list[list[float]]:
    """Let several processes write as fast as they can; return each one's milliseconds."""
    Store(path).close()
    children = [begin(append_for, path, seconds, durability) for _ in range(writers)]
    for _, pipe in children:
        assert pipe.recv() == "ready"
    for _, pipe in children:
        pipe.send("go")
    times: list[list[float]] = [pipe.recv() for _, pipe in children]
    for process, _ in children:
        process.join()
    with Store(path) as store:
        for session in store.sessions.list():
            store.history.verify(session.key)
    return times


def check_fair(times: list[list[float]]) -> None:
    counts = [len(it) for it in times]
    slowest = [sorted(it)[int(len(it) * 0.99)] for it in times]
    assert min(counts) >= sum(counts) / len(counts) / 2, counts
    assert max(slowest) <= 100, slowest


@pytest.mark.parametrize("durability", ["full", "process"])
def test_no_writer_starves(tmp_path: Path, durability: str) -> None:
    check_fair(commit_times(tmp_path / "store", seconds=1.5, durability=durability))


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["full", "process"])
def test_no_writer_starves_for_half_a_minute(tmp_path: Path, durability: str) -> None:
    check_fair(commit_times(tmp_path / "store", seconds=30, durability=durability))


def test_a_stopped_writer_is_reported_and_does_not_block_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.2)
    with Store(tmp_path / "store") as store:
        process, pipe = begin(freeze_in_transaction, store.path)
        assert pipe.recv() == "stopped"
        for _ in range(2):
            with pytest.raises(StoreBusy, match=f"{store.path}/writer.lock open"):
                store.state.set("global", "k", b"\x01")
        assert store.state.list("global") == []  # reading goes on
        assert process.pid is not None
        os.kill(process.pid, signal.SIGCONT)
        process.join()
        monkeypatch.undo()
        store.state.set("global", "k", b"\x01")
        assert store.state.list("global") == ["frozen", "k"]


def test_a_thread_that_waits_for_another_writer_can_be_told_to_give_up(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        store.stop_waiting()  # nobody waits: it means nothing, also for those who wait later
        process, pipe = begin(freeze_in_transaction, store.path)
        assert pipe.recv() == "stopped"
        for _ in range(2):
            failures: list[BaseException] = []

            def write(failures: list[BaseException] = failures) -> None:
                try:
                    store.state.set("global", "k", b"\x01")
                except StoreBusy as error:
                    failures.append(error)

            waiting = threading.Thread(target=write)
            waiting.start()
            while waiting.is_alive():
                store.stop_waiting()
                waiting.join(0.01)
            assert "it was not waited for any more" in str(failures[0])
        assert process.pid is not None
        os.kill(process.pid, signal.SIGCONT)
        process.join()
        store.stop_waiting()
        store.state.set("global", "k", b"\x01")
        assert store.state.list("global") == ["frozen", "k"]


def test_a_waiting_writer_goes_on_as_soon_as_the_other_ends(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        process, pipe = begin(freeze_in_transaction, store.path)
        assert pipe.recv() == "stopped"
        assert process.pid is not None
        waiting = threading.Thread(target=store.state.set, args=("global", "k", b"\x01"))
        waiting.start()
        os.kill(process.pid, signal.SIGKILL)
        waiting.join()
        assert store.state.list("global") == ["k"]  # the other's was never committed
        process.join()


INTERRUPTED = """
import signal, sys
from respell.store import Store
store = Store(sys.argv[1])
signal.signal(signal.SIGALRM, signal.default_int_handler)
for attempt in range(2):
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        store.state.set("global", "k", b"1")
        print("written")
    except KeyboardInterrupt:
        print("interrupted")
signal.setitimer(signal.ITIMER_REAL, 0)
print("go on", flush=True)
sys.stdin.readline()
store.state.set("global", "k", b"2")
print("written")
"""


def test_ctrl_c_while_waiting_for_another_writer_leaves_no_lock_behind(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        process, pipe = begin(freeze_in_transaction, store.path)
        assert pipe.recv() == "stopped"
        waiting = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, store.path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        with waiting:
            assert waiting.stdin is not None
            assert waiting.stdout is not None
            lines = [waiting.stdout.readline() for _ in range(3)]
            assert lines == ["interrupted\n", "interrupted\n", "go on\n"]
            process.kill()
            process.join()
            store.state.set("global", "other", b"\x01")  # the one that waits holds nothing
            assert waiting.communicate("\n") == ("written\n", None)


def test_threads_share_a_store(tmp_path: Path) -> None:
    failures: list[BaseException] = []
    with Store(tmp_path / "store") as store:
        keys = [store.sessions.insert(SessionRecord()).key for _ in range(4)]

        def work(key: int) -> None:
            try:
                writer = store.history.writer(key, store.leases.acquire(key))
                for number in range(1, 51):
                    with store.transaction():
                        store.state.set("global", str(key), bytes((number,)))
                        writer.append([effect(number)])
                        assert store.state.get("global", str(key)) == bytes((number,))
                    store.sync()
                    assert len(list(store.history.records(key))) == number
            except BaseException as error:  # noqa: BLE001 - handed to the main thread
                failures.append(error)

        threads = [threading.Thread(target=work, args=(key,)) for key in keys]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert [store.history.verify(key) for key in keys] == [50] * 4


def test_another_thread_does_not_see_half_a_transaction(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        seen: list[Any] = []
        with store.transaction():
            store.state.set("global", "a", b"\x01")
            reader = threading.Thread(target=lambda: seen.append(store.state.list("global")))
            reader.start()
            reader.join(0.05)
            store.state.set("global", "b", b"\x01")
        reader.join()
        assert seen == [["a", "b"]]


def test_after_an_error_inside_sqlite_a_transaction_keeps_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        store.state.set("global", "before", b"\x01")

        def interrupted() -> None:
            with store.transaction():
                store.state.set("global", "inside", b"\x01")
                store._database.execute("ROLLBACK")  # as SQLite does by itself on a full disk
                store.state.set("global", "after", b"\x01")

        with pytest.raises(StoreError, match="undone by an error before"):
            interrupted()
        assert store.state.list("global") == ["before"]
        store.state.set("global", "later", b"\x01")
        assert store.state.list("global") == ["before", "later"]


FAILING_DISK = """
import sys
from respell.errors import StoreError
from respell.store import Store
store = Store(sys.argv[1])
store.sync()
store.state.set("global", "one", b"1")
for attempt in range(2):
    try:
        store.sync()
        print("synced")
    except StoreError as error:
        print(error)
print(store.state.list("global"))
"""


def test_a_disk_that_fails_once_is_not_believed_any_more(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with Store(path):
        done = subprocess.run(
            [
                *strace(), "-o", "/dev/null", "-e", "trace=fdatasync",
                "-e", "inject=fdatasync:error=EIO:when=1",
                sys.executable, "-c", FAILING_DISK, path,
            ],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    refusal = f"can't write to the store {path}: Input/output error"
    assert done.stdout.splitlines() == [refusal, refusal, "['one']"], done.stderr


SYNCING = """
import sys
from respell.store import Store
store = Store(sys.argv[1])
store.state.set("global", "k", b"1")
for _ in range(int(sys.argv[2])):
    store.sync()
"""


def synced_by_the_system(path: Path, *, times: int) -> int:
    """Return how often a process that syncs a store so often had the system do so."""
    calls = path.with_suffix(".calls")
    done = subprocess.run(
        [
            *strace(), "-o", calls, "-e", "trace=fsync,fdatasync",
            sys.executable, "-c", SYNCING, path, str(times),
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert not done.stderr
    return len(calls.read_text().splitlines())


def test_waiting_for_the_disk_only_happens_for_something_new(tmp_path: Path) -> None:
    once = synced_by_the_system(tmp_path / "one", times=1)
    assert once > 0
    assert synced_by_the_system(tmp_path / "two", times=1000) == once
