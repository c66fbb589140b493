"""Files of blobs: immutable, named by the hash of what they hold."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from respell.errors import StoreCorrupt
from respell.store.disk import sync_file, sync_folder
from respell.store.faults import Faults

_AT_ONCE = 8
_T = TypeVar("_T")


class BlobFiles:
    """The folder `objects/`: `objects/ab/abcdef…` holds the stored bytes of one blob."""

    def __init__(self, folder: Path, faults: Faults, *, durable: bool) -> None:
        """Use this folder, made when first needed; wait for the disk if `durable`."""
        self._folder = folder
        self._faults = faults
        self._durable = durable
        self._made: set[Path] = set()  # folders whose own names are not durable yet

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

    def read(self, address: bytes, size: int) -> bytes:
        """Return what the file holds.

        Raises:
            StoreCorrupt: It is missing, can't be read, or is no file of this size.
        """
        path = self.path(address)
        try:
            # A store may come from elsewhere: a pipe must not be waited for, a link not followed.
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                info = os.fstat(fd)
                if stat.S_ISREG(info.st_mode) and info.st_size == size:
                    with open(fd, "rb", buffering=0, closefd=False) as file:
                        return file.readall()
            finally:
                os.close(fd)
        except OSError as error:
            raise StoreCorrupt(
                f"the file {path} of blob {address.hex()} can't be read: {error.strerror}; "
                "restore it from a backup"
            ) from error
        raise StoreCorrupt(
            f"blob {address.hex()} in {path} is not what was written: no file of {size} bytes; "
            "restore it from a backup"
        )

    def write(self, blobs: Sequence[tuple[bytes, bytes]]) -> None:
        """Write files, complete or not at all, and return once they are durable.

        Args:
            blobs: Address and stored bytes of each.

        Raises:
            StoreFull: There is no space left.
            StoreError: The system refused; says why.
        """
        _for_all(lambda blob: self.write_one(*blob), blobs)
        self.sync_names(address for address, _ in blobs)

    def write_one(self, address: bytes, data: bytes) -> None:
        """Write a file, complete or not at all; its name is durable after `sync_names`.

        Several threads may do this at once.

        Raises:
            StoreFull: There is no space left.
            StoreError: The system refused; says why.
        """
        path = self.path(address)
        unfinished = path.with_name(f"tmp-{os.getpid()}-{secrets.token_hex(8)}")
        try:
            self._make_folder(path.parent)
            try:
                _create(unfinished, data, wait=self._durable)
                unfinished.rename(path)
            except BaseException:
                with suppress(OSError):
                    unfinished.unlink()
                raise
        except OSError as error:
            raise self._faults.of_system(error, "write a blob to") from error

    def sync_names(self, addresses: Iterable[bytes]) -> None:
        """Return once the names of files are durable.

        Raises:
            StoreError: The system refused; says why.
        """
        folders = {self.path(address).parent for address in addresses}
        if not self._durable or not folders:
            return
        if folders & self._made:
            folders |= {self._folder, self._folder.parent}
        try:
            _for_all(sync_folder, tuple(folders))
        except OSError as error:
            raise self._faults.of_system(error, "write a blob to") from error
        self._made -= folders

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._made.add(folder)


def _for_all(action: Callable[[_T], None], of: Sequence[_T]) -> None:
    """Do something that waits for the disk for each of several: the waits are shared."""
    if len(of) <= 1:
        for one in of:
            action(one)
        return
    from concurrent.futures import ThreadPoolExecutor  # slow to import, and rarely needed

    with ThreadPoolExecutor(min(_AT_ONCE, len(of))) as threads:
        for _ in threads.map(action, of):
            pass  # raises what went wrong


def _create(path: Path, data: bytes, *, wait: bool) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        if wait:
            sync_file(fd)
    finally:
        os.close(fd)
