"""Full disks, failing disks, limits, kills: a clear error, nothing lost, and it works again."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from care import append, artifact_of, session_of
from fault_children import (
    COMMAND,
    assert_kept,
    count_of,
    ended,
    run_plainly,
    run_with_fault,
    strace,
)
from respell.errors import StoreError, StoreFull
from respell.store import Store
from respell.store.care.checking import check
from respell.store.care.collecting import collect
from stories import RESPELL, respell

SYNCS = "fdatasync,fsync"
WRITES = "pwrite64,write,ftruncate,rename,mkdir"


def try_each(folder: Path, calls: str, fault: str, numbers: range | list[int], total: int) -> None:
    for when in numbers:
        shutil.rmtree(folder, ignore_errors=True)
        run = run_with_fault(folder, calls, fault, when)
        if fault.startswith("signal"):
            assert run.error == "killed" or run.done, (when, run)
        elif not run.done:
            assert str(folder) in run.error, (when, run)
        if (folder / "store.db").exists():
            assert_kept(folder, run)
        assert when <= total


def some(total: int, count: int) -> list[int]:
    """Return some of the numbers from 1 to the total, the first and the last among them."""
    return sorted({1 + (total - 1) * step // (count - 1) for step in range(count)})


def test_the_scripted_run_succeeds_where_nothing_fails(tmp_path: Path) -> None:
    run = run_plainly(tmp_path / "store")
    assert run.done
    assert_kept(tmp_path / "store", run)


def test_a_disk_that_fails_while_it_is_waited_for(tmp_path: Path) -> None:
    total = count_of(tmp_path / "counted", SYNCS)
    assert total > 15
    try_each(tmp_path / "store", SYNCS, "error=EIO", some(total, 7), total)


@pytest.mark.slow
def test_a_disk_that_fails_at_every_wait(tmp_path: Path) -> None:
    total = count_of(tmp_path / "counted", SYNCS)
    try_each(tmp_path / "store", SYNCS, "error=EIO", range(1, total + 1), total)


def test_a_disk_that_is_full_at_some_write(tmp_path: Path) -> None:
    total = count_of(tmp_path / "counted", "pwrite64")
    try_each(tmp_path / "store", "pwrite64", "error=ENOSPC", some(total, 6), total)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["error=ENOSPC", "error=EIO"])
def test_a_disk_that_refuses_every_write(tmp_path: Path, fault: str) -> None:
    total = count_of(tmp_path / "counted", "pwrite64")
    try_each(tmp_path / "store", "pwrite64", fault, range(1, total + 1), total)


def test_a_process_killed_at_some_write(tmp_path: Path) -> None:
    total = count_of(tmp_path / "counted", WRITES)
    try_each(tmp_path / "store", WRITES, "signal=SIGKILL", some(total, 7), total)


@pytest.mark.slow
def test_a_process_killed_at_every_write(tmp_path: Path) -> None:
    total = count_of(tmp_path / "counted", WRITES)
    try_each(tmp_path / "store", WRITES, "signal=SIGKILL", range(1, total + 1), total)


# Limits and full disks -------------------------------------------------------------------


@pytest.mark.parametrize("limit", [20_000, 150_000, 400_000, 1_000_000])
def test_a_limit_on_the_size_of_files(tmp_path: Path, limit: int) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    folder = tmp_path / "store"
    run = ended(
        subprocess.run(
            [*COMMAND, str(folder)], preexec_fn=limited, cwd=Path(__file__).parents[1],
            capture_output=True, text=True, timeout=60, check=False,
        )
    )  # fmt: skip
    assert not run.done
    assert str(folder) in run.error
    assert_kept(folder, run)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a file system of its own that is soon full."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode != 0:
        pytest.skip(f"this system does not let root mount anything: {mounted.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill_up(store: Store, key: int) -> int:
    """Append until there is no space left; return how many records were acknowledged."""
    for done in range(10_000):
        try:
            append(store, key, 1, args=b"\xc6\x00\x00\x40\x00" + os.urandom(16384))
        except StoreFull as error:
            if f"no space left for the store {store.path}" in str(error):
                return done
            raise
    raise AssertionError("the disk never became full")


def test_a_full_disk_costs_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 3) as disk:
        filler = disk / "filler"
        filler.write_bytes(bytes(1_000_000))
        with Store(disk / "store") as store:
            session = session_of(store, "one")
            done = fill_up(store, session.key)
            assert done > 10
            with pytest.raises(StoreFull):
                store.blobs.put(os.urandom(1_500_000))
            assert store.history.verify(session.key) >= done
            filler.unlink()
            store.leases.release(session.key, store._database.value("SELECT token FROM leases"))
            append(store, session.key, 1)
        with Store(disk / "store") as store:
            assert store.history.verify(session.key) >= done + 1
            assert check(store, read_data=True).findings == []


def test_the_collector_makes_room_on_a_full_disk(tmp_path: Path) -> None:
    from care import Clock

    clock = Clock()
    with small_disk(tmp_path / "small", 4) as disk, Store(disk / "store", clock=clock) as store:
        session = session_of(store, "one")
        artifact = artifact_of(store, session.key, "large", os.urandom(1_200_000))
        store.artifacts.delete(artifact.id)
        clock.pass_days(2)
        collect(store)  # to the trash
        clock.pass_days(2)
        with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            for _ in range(10_000):
                filler.write(bytes(4096))
        with pytest.raises(StoreFull):
            store.blobs.put(os.urandom(500_000))
        assert collect(store).freed_bytes > 1_000_000
        store.blobs.put(os.urandom(500_000))


def test_respell_run_on_a_full_disk_ends_with_6_and_can_be_resumed(tmp_path: Path) -> None:
    (tmp_path / "main.lua").write_text(
        "for n = 1, 400 do State.set('global', 'k' .. n, string.rep('x', 20000) .. n) end\n"
        "print('finished')\n"
    )
    with small_disk(tmp_path / "small", 5) as disk:
        filler = disk / "filler"
        filler.write_bytes(bytes(2_000_000))
        run = respell("run", str(tmp_path / "main.lua"), "--name", "full", store=disk / "store")
        assert run.returncode == 6, run
        assert f"no space left for the store {disk}/store" in run.stderr
        assert "Traceback" not in run.stderr
        filler.unlink()
        with Store(disk / "store") as store:
            assert check(store, read_data=True).findings == []
            before = store.sessions.find("full").events
            assert before > 1
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        resumed = respell("resume", "full", store=disk / "store")
        assert (resumed.returncode, resumed.stdout) == (0, "finished\n"), resumed


def test_respell_run_on_a_failing_disk_ends_with_6(tmp_path: Path) -> None:
    (tmp_path / "main.lua").write_text("State.set('global', 'k', 1)\nprint('finished')\n")
    folder = tmp_path / "store"
    Store(folder).close()
    done = subprocess.run(
        [
            *strace(), "-o", "/dev/null", "-e", f"trace={SYNCS}",
            "-e", f"inject={SYNCS}:error=EIO:when=1+",
            *RESPELL, "--store", str(folder), "run", str(tmp_path / "main.lua"),
        ],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 6, done
    assert str(folder) in done.stderr
    assert "Input/output error" in done.stderr
    assert done.stdout == ""  # what is not durable is not shown
    again = respell("run", str(tmp_path / "main.lua"), store=folder)
    assert (again.returncode, again.stdout) == (0, "finished\n"), again


# What can't be written -------------------------------------------------------------------


def test_a_read_only_file_system(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 5) as disk:
        with Store(disk / "store") as store:
            append(store, session_of(store, "one").key, 3)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with Store(disk / "store") as store:
            assert store.read_only
            assert check(store, read_data=True).findings == []
            with pytest.raises(StoreError, match="can only be read"):
                session_of(store, "two")
            with pytest.raises(StoreError, match="can only be read"):
                collect(store)
            assert collect(store, dry_run=True).blobs == 0
        run = respell("run", "x.lua", store=disk / "store", cwd=tmp_path)
        assert run.returncode in (2, 6)
        assert "Traceback" not in run.stderr
        shown = respell("list", "--json", store=disk / "store")
        assert (shown.returncode, '"one"' in shown.stdout) == (0, True), shown
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        with Store(disk / "store") as store:
            session_of(store, "two")
