"""Reading what artifacts hold: as a whole, in pieces, as a file; and verifying it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from respell import values
from respell.artifacts.record import ArtifactRecord
from respell.errors import ArtifactNotFound, NotFound, StoreCorrupt
from respell.store import Store

_BUFFER = 1024 * 1024


def read(store: Store, record: ArtifactRecord) -> bytes:
    """Return an artifact's bytes, verified.

    Raises:
        StoreCorrupt: They are not what was stored, or lost; names artifact, hash and place.
        NotFound: They are gone: the artifact was deleted, and nothing else had them.
    """
    with _naming(store, record):
        return store.blobs.get(record.content_hash)


def window(store: Store, record: ArtifactRecord, offset: int, size: int) -> bytes:
    """Return some of an artifact's bytes, verified; fewer at its end.

    Args:
        store: Where it is.
        record: The artifact.
        offset: First byte, from 0.
        size: At most so many bytes.

    Raises:
        StoreCorrupt, NotFound: As `read`.
    """
    with _naming(store, record):
        return store.blobs.read(record.content_hash, offset, size)


@contextmanager
def _naming(store: Store, record: ArtifactRecord) -> Iterator[None]:
    """Name the artifact in what is wrong with its content."""
    artifact = f"artifact {record.name!r} version {record.version} ({record.id})"
    try:
        yield
    except StoreCorrupt as error:
        raise StoreCorrupt(f"{artifact}: {error}") from error
    except NotFound as error:
        try:
            store.artifacts.get(record.id)
        except ArtifactNotFound:
            raise error from None
        raise StoreCorrupt(
            f"{artifact} has lost its content: blob {record.content_hash.hex()} is not in the "
            f"store {store.path} any more. Store its content once more, or restore it from a "
            "backup; `respell check` says what else is lost"
        ) from error


def read_value(store: Store, record: ArtifactRecord) -> Any:
    """Return an artifact's content in the form it was stored in: a table, text or bytes.

    Returns:
        A dict or list where a table was stored; a str where the bytes are UTF-8 and the MIME
        type says text or JSON; bytes otherwise.

    Raises:
        StoreCorrupt, NotFound: As `read`.
    """
    data = read(store, record)
    if record.is_value:
        return values.from_json(json.loads(data))
    if record.mime_type.startswith("text/") or record.mime_type == "application/json":
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data
    return data


def pieces(store: Store, record: ArtifactRecord) -> Iterator[bytes]:
    """Return an iterator of an artifact's bytes in pieces, each verified, in little memory.

    Raises:
        StoreCorrupt, NotFound: As `read`.
    """
    with _naming(store, record):
        yield from store.blobs.stream(record.content_hash)


def open_content(store: Store, record: ArtifactRecord) -> BinaryIO:
    """Return an artifact's bytes as a file for reading, which can be seeked in.

    Raises:
        StoreCorrupt, NotFound: As `read`.
    """
    with _naming(store, record):
        store.blobs.info(record.content_hash)
    return io.BufferedReader(_Content(store, record), _BUFFER)


def verify(store: Store, record: ArtifactRecord) -> None:
    """Read all of an artifact and compare it with its hash.

    Raises:
        StoreCorrupt: It is not what was stored, or is gone.
    """
    try:
        for _ in pieces(store, record):
            pass  # each is compared with its hash, and all of them with the artifact's
    except NotFound as error:
        raise StoreCorrupt(f"the content of artifact {record.id} is gone: {error}") from error


class _Content(io.RawIOBase):
    """The bytes of one artifact, read in windows."""

    def __init__(self, store: Store, record: ArtifactRecord) -> None:
        self.name = record.name
        self._store = store
        self._record = record
        self._size = record.size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"can't seek to {start + offset}, before the beginning")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = window(self._store, self._record, self._at, len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
