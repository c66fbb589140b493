"""Files of blobs: immutable, named by the hash of what they hold."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from respell.errors import StoreCorrupt
from respell.store.blob_forms import LZ4, RAW, WHOLE_LIMIT, Packed, StoredBlob
from respell.store.disk import sync_file, sync_folder
from respell.store.faults import Faults

_AT_ONCE = 8
_NO_LINKS = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK))
"""What file systems say that know no second names."""

_T = TypeVar("_T")
_R = TypeVar("_R")


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

    def write(self, blobs: Sequence[Packed]) -> list[Packed]:
        """Write files, complete or not at all, and return once they are durable.

        Returns:
            The blobs as they are in files now; see `write_one`.

        Raises:
            StoreFull: There is no space left.
            StoreError: The system refused; says why.
        """
        written = _for_all(self.write_one, blobs)
        self.sync_names(it.address for it in written)
        return written

    def write_one(self, blob: Packed) -> Packed:
        """Write a file, complete or not at all; its name is durable after `sync_names`.

        Several threads may do this at once, and other processes the same.

        Returns:
            The blob as it is in the file, without its bytes. A whole file that is there
            already stays, for a row may tell of its form, which need not be the one given.

        Raises:
            StoreFull: There is no space left.
            StoreError: The system refused; says why.
        """
        path = self.path(blob.address)
        unfinished = path.with_name(f"tmp-{os.getpid()}-{secrets.token_hex(8)}")
        try:
            self._make_folder(path.parent)
            try:
                _create(unfinished, blob.data, wait=self._durable)
                while not _linked(unfinished, path):
                    kept = self._kept(path, blob)
                    if kept is not None:
                        return kept
                    if os.path.lexists(path):
                        unfinished.rename(path)  # what was there is damaged
                        break
            finally:
                with suppress(OSError):
                    unfinished.unlink()
        except OSError as error:
            raise self._faults.of_system(error, "write a blob to") from error
        return blob.in_file()

    def _kept(self, path: Path, blob: Packed) -> Packed | None:
        """Return how a blob is in the file that is there; None if that is not whole."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode) or info.st_size > WHOLE_LIMIT:
                return None
            with open(fd, "rb", buffering=0, closefd=False) as file:
                data = file.readall()
            codec = _codec_of(data, blob)
            if codec is None:
                return None
            with suppress(PermissionError):  # it is another user's
                os.utime(fd)  # the collector goes by it
            if self._durable:
                sync_file(fd)
        finally:
            os.close(fd)
        return blob._replace(codec=codec, stored_size=len(data), data=b"")

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


def _for_all(action: Callable[[_T], _R], of: Sequence[_T]) -> list[_R]:
    """Do something that waits for the disk for each of several: the waits are shared."""
    if len(of) <= 1:
        return list(map(action, of))
    from concurrent.futures import ThreadPoolExecutor  # slow to import, and rarely needed

    with ThreadPoolExecutor(min(_AT_ONCE, len(of))) as threads:
        return list(threads.map(action, of))


def _linked(path: Path, name: Path) -> bool:
    """Give a file a second name; False if something has that name."""
    try:
        os.link(path, name)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(name):
            return False
        path.rename(name)
    return True


def _codec_of(data: bytes, blob: Packed) -> int | None:
    """Return how a blob is coded in the bytes of a file; None if they are not that blob."""
    if data == blob.data:
        return blob.codec
    for codec in (RAW, LZ4):
        with suppress(ValueError):
            StoredBlob(blob.address, blob.size, codec, data).content()
            return codec
    return None


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
