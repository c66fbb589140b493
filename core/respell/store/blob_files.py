"""Files of blobs: immutable, named by the hash of what they hold."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from respell.errors import StoreCorrupt
from respell.store.disk import sync_file, sync_folder
from respell.store.faults import Faults


class BlobFiles:
    """The folder `objects/`: `objects/ab/abcdef…` holds the stored bytes of one blob."""

    def __init__(self, folder: Path, faults: Faults, *, durable: bool) -> None:
        """Use this folder, made when first needed; wait for the disk if `durable`."""
        self._folder = folder
        self._faults = faults
        self._durable = durable

    def path(self, address: bytes) -> Path:
        """Return where a blob's file is."""
        name = address.hex()
        return self._folder / name[:2] / name

    def has(self, address: bytes, size: int) -> bool:
        """Whether the file is there and of this size."""
        try:
            return self.path(address).stat().st_size == size
        except OSError:
            return False

    def read(self, address: bytes) -> bytes:
        """Return what the file holds.

        Raises:
            StoreCorrupt: It is missing or can't be read.
        """
        path = self.path(address)
        try:
            return path.read_bytes()
        except OSError as error:
            raise StoreCorrupt(
                f"the file {path} of blob {address.hex()} can't be read: {error.strerror}; "
                "restore it from a backup"
            ) from error

    def write(self, blobs: list[tuple[bytes, bytes]]) -> None:
        """Write files, complete or not at all, and return once they are durable.

        Args:
            blobs: Address and stored bytes of each.

        Raises:
            StoreFull: There is no space left.
            StoreError: The system refused; says why.
        """
        temporary: list[tuple[Path, Path]] = []
        folders = {self.path(address).parent for address, _ in blobs}
        try:
            made = [folder for folder in folders if _make_folder(folder)]
            if made:
                folders |= {self._folder, self._folder.parent}
            for address, data in blobs:
                path = self.path(address)
                unfinished = path.with_name(f"tmp-{os.getpid()}-{secrets.token_hex(8)}")
                temporary.append((unfinished, path))
                _create(unfinished, data)
            if self._durable:
                # All are written before the first is waited for: the disk gets them at once.
                for unfinished, _ in temporary:
                    _sync(unfinished)
            while temporary:
                unfinished, path = temporary[-1]
                unfinished.rename(path)
                temporary.pop()
            if self._durable:
                for folder in folders:
                    sync_folder(folder)
        except OSError as error:
            raise self._faults.of_system(error, "write a blob to") from error
        finally:
            for unfinished, _ in temporary:
                with suppress(OSError):
                    unfinished.unlink()


def _make_folder(folder: Path) -> bool:
    """Make a folder and those above it; return whether it was missing."""
    if folder.is_dir():
        return False
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return True


def _create(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    finally:
        os.close(fd)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync_file(fd)
    finally:
        os.close(fd)
