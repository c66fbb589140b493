"""The file of an exported session: frames, each with a hash over everything up to its end.

    start   MAGIC, the format's number (2 bytes), the first 8 bytes of their blake3
    frame   kind (1 byte), length of the payload (4 bytes), payload, hash (32 bytes)
    …
    END     the last frame

All numbers are little-endian. A frame's hash is the blake3 of the hash before it (of the
first: the start's) and all of the frame, so what was changed, cut, added or moved anywhere is
noticed at that very frame. This start stays the same in every format to come.
"""

from __future__ import annotations

import os
import secrets
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgpack
from blake3 import blake3

from respell.errors import RespellError, StoreCorrupt, StoreFull, StoreTooNew, UsageError
from respell.store.blob_forms import HASH_SIZE
from respell.store.disk import sync_file, sync_folder
from respell.store.faults import DISK_FULL

MAGIC = b"RESPELL EXPORT\n"
FORMAT = 1

_NUMBER = struct.Struct("<H")
_CHECK_SIZE = 8
_START_SIZE = len(MAGIC) + _NUMBER.size + _CHECK_SIZE
_HEAD = struct.Struct("<BI")
_MB = 1024 * 1024


class Kind(IntEnum):
    """What a frame holds. What is referred to comes before what refers to it."""

    ABOUT = 1  # a map: who exported which session when
    BLOB = 2  # one blob as it lay in the store
    LIST = 3  # a blob that is a list of chunks, which came before
    SESSION = 4  # the columns of one session; the next frames are about it
    STATE = 5  # some values of its state
    ARTIFACTS = 6  # some of its artifacts
    REFS = 7  # addresses its history refers to
    RECORDS = 8  # some records, in their order
    HEAD = 9  # where its history ends; the session is complete
    END = 10  # a map: how much there was of everything
    GRANTS = 11  # what it granted to other sessions of this file


# The longest payload of each kind. One value can have as many bytes as a worker's frame.
_VALUE = 544 * _MB
_MOST = {
    Kind.ABOUT: _MB,
    Kind.BLOB: 9 * _MB,
    Kind.LIST: 64 * _MB,
    Kind.SESSION: _VALUE,
    Kind.STATE: _VALUE,
    Kind.ARTIFACTS: _VALUE,
    Kind.REFS: 2 * _MB,
    Kind.RECORDS: 4 * _MB,
    Kind.HEAD: _MB,
    Kind.END: _MB,
    Kind.GRANTS: 8 * _MB,
}


FRAME_ROWS = 2000
"""How many rows one frame may hold."""

# A byte of a frame can stand for a list or a map that takes a hundred in memory.
_MOST_LISTS = FRAME_ROWS + 1
_MOST_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Attributes:
        kind: What it holds.
        payload: The bytes.
        number: Its place among the frames, 1-based.
        at: Where in the file it begins, in bytes.
    """

    kind: Kind
    payload: bytes
    number: int
    at: int


def start_of_file(number: int = FORMAT) -> bytes:
    """Return what a file of this format begins with."""
    start = MAGIC + _NUMBER.pack(number)
    return start + blake3(start).digest()[:_CHECK_SIZE]


def is_export(path: Path) -> bool:
    """Whether this is a file that begins as an export does."""
    try:
        # A pipe must not be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return stat.S_ISREG(os.fstat(descriptor).st_mode) and file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


@contextmanager
def new_export(path: Path) -> Iterator[BinaryIO]:
    """Give a file that takes the place of `path` once the block has ended well."""
    if "\0" in str(path):
        raise UsageError(f"a path can't have a NUL byte: {str(path)!r}")
    try:
        _check_free(path)
        unfinished = path.with_name(f".respell-{secrets.token_hex(8)}.tmp")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _not_written(path, error) from error
    try:
        with os.fdopen(descriptor, "wb", buffering=_MB) as file:
            yield file
            file.flush()
            sync_file(file.fileno())
        unfinished.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, RespellError):
            raise _not_written(path, error) from error
        raise


def _check_free(path: Path) -> None:
    if path.is_dir() or (path.exists() and not is_export(path)):
        raise UsageError(
            f"{path} is there already and is no exported session; nothing was written. Choose "
            "another name, or remove it first"
        )


def _not_written(path: Path, error: OSError) -> StoreFull | UsageError:
    if error.errno in DISK_FULL:
        return StoreFull(
            f"there is no space left to write {path}; nothing was written. Free some, or choose "
            "another place"
        )
    return UsageError(f"can't write {path}: {error.strerror or error}; choose another place")


class ExportWriter:
    """Writes frames.

    Attributes:
        size: Bytes written so far.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Write the start."""
        start = start_of_file()
        file.write(start)
        self._file = file
        self._chain = blake3(start).digest()
        self.size = len(start)

    def frame(self, kind: Kind, *parts: bytes) -> None:
        """Write a frame whose payload is all parts."""
        length = sum(map(len, parts))
        head = _HEAD.pack(kind, length)
        hasher = blake3(self._chain)
        hasher.update(head)
        self._file.write(head)
        for part in parts:
            hasher.update(part)
            self._file.write(part)
        self._chain = hasher.digest()
        self._file.write(self._chain)
        self.size += len(head) + length + HASH_SIZE

    def pack(self, kind: Kind, value: object) -> None:
        """Write a frame that holds a value."""
        self.frame(kind, msgpack.packb(value, use_bin_type=True))


class ExportReader:
    """Reads a file from its start to its end, verified.

    Attributes:
        size: Bytes of the file.
        at: How far it has been read.
        chain: The hash of the last frame read; at the end it stands for the whole file.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            UsageError: It can't be read, or is no export.
            StoreTooNew: It is of a newer format.
            StoreCorrupt: Its start is damaged.
        """
        self._path = path
        try:
            # A pipe must not be waited for: it is no file to be read twice.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise UsageError(f"can't read {path}: {error.strerror}") from None
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            os.close(descriptor)
            raise UsageError(f"{path} is not a file; give one that `respell export` wrote")
        self.size = info.st_size
        self._file = os.fdopen(descriptor, "rb", buffering=_MB)
        try:
            self.rewind()
        except BaseException:
            self._file.close()
            raise

    def rewind(self) -> None:
        """Go back to the first frame; raises what the constructor does."""
        self._file.seek(0)
        start = self._file.read(_START_SIZE)
        if start[: len(MAGIC)] != MAGIC:
            raise UsageError(
                f"{self._path} is no exported session; give a file that `respell export` wrote"
            )
        self.at, self._number = len(start), 0
        (number,) = _NUMBER.unpack(start[len(MAGIC) :][: _NUMBER.size].ljust(_NUMBER.size, b"\0"))
        if start != start_of_file(number):
            raise self.damaged("its start", 0, 0)
        if number > FORMAT:
            raise StoreTooNew(
                f"{self._path} was written by a newer Respell (its format is {number}, this one "
                f"reads up to {FORMAT}); upgrade Respell"
            )
        self.chain = blake3(start).digest()

    def frames(self) -> Iterator[Frame]:
        """Yield all frames to the last one.

        Raises:
            StoreCorrupt: The file was cut or changed; names the frame and its place.
        """
        while True:
            self._number += 1
            frame = self._read()
            yield frame
            if frame.kind is Kind.END:
                if self.at != self.size:
                    rest = self.size - self.at
                    raise self.damaged(f"{rest} bytes follow it", self._number, self.at)
                return

    def _read(self) -> Frame:
        number, at = self._number, self.at
        head = self._file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise self.damaged("the file ends before its last frame: it was cut", number, at)
        code, length = _HEAD.unpack(head)
        end = at + _HEAD.size + length + HASH_SIZE
        # Nothing is read by a length before it is known to be there and sensible.
        if end > self.size:
            what = f"it should reach to byte {end}, and the file has {self.size}: cut or changed"
            raise self.damaged(what, number, at)
        if code not in _MOST or length > _MOST[Kind(code)]:
            raise self.damaged(f"it has kind {code} and {length} bytes", number, at)
        payload = self._file.read(length)
        known = self._file.read(HASH_SIZE)
        hasher = blake3(self.chain)
        hasher.update(head)
        hasher.update(payload)
        self.chain = hasher.digest()
        if self.chain != known:
            raise self.damaged("it is not what was written", number, at)
        self.at = end
        return Frame(Kind(code), payload, number, at)

    def damaged(self, what: str, number: int, at: int) -> StoreCorrupt:
        """Return what to raise for a frame (0: the start) that begins at a byte."""
        where = f"frame {number}, which begins at byte {at}" if number else "byte 0"
        return StoreCorrupt(
            f"{self._path} is damaged at {where}: {what}. Nothing was imported; get the file once "
            "more from where it came from, or export the session again"
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def unpacked(payload: bytes) -> Any:
    """Return the value that a frame holds.

    Raises:
        ValueError: It holds none.
    """
    lists = 0

    def counted(found: list[Any]) -> list[Any]:
        nonlocal lists
        lists += 1
        if lists > _MOST_LISTS:
            raise ValueError(f"it holds more than {_MOST_LISTS} lists")
        return found

    try:
        return msgpack.unpackb(
            payload, raw=False, strict_map_key=True, list_hook=counted,
            max_array_len=FRAME_ROWS, max_map_len=_MOST_COLUMNS,
        )  # fmt: skip
    except (msgpack.UnpackException, RecursionError) as error:
        raise ValueError(f"it holds no value ({error})") from None
