"""Waiting for the disk."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Wal:
    """The WAL's file, opened beside SQLite only to wait for the disk.

    The database itself must never be opened like this: closing it would drop SQLite's
    locks. The WAL carries no locks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._identity: tuple[int, int] | None = None

    def sync(self) -> None:
        """Wait until all that SQLite has written to it is on the disk."""
        status = os.stat(self._path)
        if self._identity != (status.st_dev, status.st_ino):
            self._reopen()
        sync_file(self._fd)

    def _reopen(self) -> None:
        self.close()
        self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(self._fd)
        self._identity = (status.st_dev, status.st_ino)
        sync_folder(self._path.parent)  # the file's name must survive as well

    def close(self) -> None:
        """Close the file; the next `sync` opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._identity = -1, None


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file(fd: int) -> None:
    """Wait until a file's bytes are on the disk."""
    if _FULL_SYNC is None:
        os.fdatasync(fd)
    else:  # on macOS fsync stops at the drive's cache
        fcntl.fcntl(fd, _FULL_SYNC)


_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
