"""Power cuts on a real file system: what was acknowledged is there when it comes back.

A file system of its own lies in a file; shutting it down drops all that the kernel had not
written yet, its journal included, as a power cut does. The other end of a pipe, outside of
it, remembers what was acknowledged.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from care import append, kinds, session_of
from respell.store import Store
from respell.store.care.checking import check
from store_children import append_until_killed, begin

_SHUT_DOWN = 0x8004587D
_WITHOUT_LOG = 2

pytestmark = pytest.mark.slow


@contextmanager
def loop_disk(image: Path, folder: Path) -> Iterator[None]:
    """Mount the file system that is in a file."""
    mounted = subprocess.run(
        ["mount", "-o", "loop", image, folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"this system does not let root mount a file: {mounted.stderr}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def cut_power(folder: Path) -> None:
    """Let everything be lost that is not on the disk yet."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, _SHUT_DOWN, struct.pack("I", _WITHOUT_LOG))
    finally:
        os.close(fd)


@pytest.fixture
def disk(tmp_path: Path) -> tuple[Path, Path]:
    """The file with a file system in it, and where it is mounted."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("needs root and mkfs.ext4, to cut the power of a file system of its own")
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(128 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    return image, folder


def test_what_was_acknowledged_survives_power_cuts(disk: tuple[Path, Path]) -> None:
    image, folder = disk
    keys: list[int] = []
    acknowledged: dict[int, int] = {}
    rng = random.Random(7)
    for cut in range(16):
        with loop_disk(image, folder):
            with Store(folder / "store") as store:
                if cut:
                    findings = check(store, read_data=True).findings
                    assert findings == [], (cut, findings)
                    for key, number in acknowledged.items():
                        assert store.history.verify(key) >= number, (cut, key)
                while len(keys) < 2:
                    keys.append(session_of(store, f"s{len(keys)}").key)
                store._database.write("UPDATE leases SET pid = NULL")  # of hosts that are dead
            children = [begin(append_until_killed, folder / "store", key) for key in keys]
            for _ in range(rng.randrange(30, 150)):
                for key, (_, pipe) in zip(keys, children, strict=True):
                    acknowledged[key] = pipe.recv()
            # What is acknowledged from here on does not count: a call that was waiting for the
            # journal may return as if all were well, which after a real power cut nobody sees.
            cut_power(folder)
            for process, _ in children:
                process.kill()
                process.join()


def test_a_log_that_a_power_cut_took_is_noticed(disk: tuple[Path, Path], tmp_path: Path) -> None:
    image, folder = disk
    with loop_disk(image, folder), Store(folder / "store") as store:
        session = session_of(store, "one")
        append(store, session.key, 3)
    with loop_disk(image, folder):
        shutil.copytree(folder / "store", tmp_path / "copy")
        with Store(folder / "store") as store:
            append(store, session.key, 3)
            shutil.copy(folder / "store" / "heads", tmp_path / "copy" / "heads")
    with Store(tmp_path / "copy") as store:
        assert kinds(check(store)) == ["history.behind"]
