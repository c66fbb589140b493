"""Reading what artifacts hold: as a whole, in pieces, as a file; and verifying it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from respell import values
from respell.artifacts.record import ArtifactRecord
from respell.errors import NotFound, StoreCorrupt
from respell.store import Store

_BUFFER = 1024 * 1024


def read(store: Store, record: ArtifactRecord) -> bytes:
    """Return an artifact's bytes, verified.

    Raises:
        StoreCorrupt: They are not what was stored; names hash and place.
        NotFound: They are gone: the artifact was deleted, and nothing else had them.
    """
    return store.blobs.get(record.content_hash)


def read_value(store: Store, record: ArtifactRecord) -> Any:
    """Return an artifact's content in the form it was stored in: a table, text or bytes.

    Returns:
        A dict or list where a table was stored; a str where the bytes are UTF-8 and the MIME
        type says text or JSON; bytes otherwise.

    Raises:
        StoreCorrupt: It is not what was stored; names hash and place.
        NotFound: It is gone.
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
        StoreCorrupt: They are not what was stored; names hash and place.
        NotFound: They are gone.
    """
    return store.blobs.stream(record.content_hash)


def open_content(store: Store, record: ArtifactRecord) -> BinaryIO:
    """Return an artifact's bytes as a file for reading, which can be seeked in.

    Raises:
        NotFound: They are gone.
    """
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
        self._address = record.content_hash
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
        data = self._store.blobs.read(self._address, self._at, len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
