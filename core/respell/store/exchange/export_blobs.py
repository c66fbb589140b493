"""Content on its way into an export: each piece once, as it lies in the store, or redacted."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

import lz4.frame
from blake3 import blake3

from respell.store.blob_forms import CHUNK_SIZE, COMPRESS_ABOVE, LZ4, RAW, WHOLE_LIMIT, StoredBlob
from respell.store.blobs import Blobs
from respell.store.exchange.file import ExportWriter, Kind
from respell.store.exchange.redaction import Redaction

BLOB_HEAD = struct.Struct("<32sQB")
"""Address, size and codec, before the stored bytes of a blob or the addresses of a list."""


class BlobsOut:
    """Writes blobs.

    Attributes:
        count: How many are written.
        done: How many bytes of the store's content were worked through.
    """

    def __init__(
        self,
        blobs: Blobs,
        writer: ExportWriter,
        redaction: Redaction | None,
        on_done: Callable[[int], None],
    ) -> None:
        """Copy from these blobs; say after each how many bytes are done."""
        self._blobs = blobs
        self._writer = writer
        self._redaction = redaction
        self._on_done = on_done
        self._written: set[bytes] = set()
        self.count = 0
        self.done = 0

    def size_of(self, address: bytes) -> int:
        """Return the size of a blob in the store; raises `NotFound`."""
        return self._blobs.size(address)

    def copy(self, address: bytes, *, is_json: bool) -> None:
        """Write a blob of the store, unless it was written.

        Args:
            address: Its address in the store.
            is_json: It is a value as JSON text; such a one is redacted as a value.

        Raises:
            NotFound: There is no such blob.
            StoreCorrupt: It is damaged.
        """
        if self._redaction is not None:
            self._copy_redacted(self._redaction, address, is_json=is_json)
        elif address not in self._written:
            self._copy_stored(self._blobs.stored(address))

    def _copy_stored(self, blob: StoredBlob) -> None:
        if blob.is_list:
            for chunk in blob.chunks:
                if chunk not in self._written:
                    self._copy_stored(self._blobs.stored(chunk))
        else:
            self.done += blob.size
        self._write(blob)
        self._on_done(self.done)

    def _copy_redacted(self, redaction: Redaction, address: bytes, *, is_json: bool) -> None:
        content = redaction.moved.content
        if address in content:
            return
        size = self._blobs.size(address)
        if is_json:
            content[address] = self._put(redaction.json(self._blobs.get(address)))
        elif size <= WHOLE_LIMIT:
            content[address] = self._put(redaction.content(self._blobs.get(address)))
        else:
            content[address] = self._put_stream(redaction.stream(self._blobs.stream(address)))
        self.done += size
        self._on_done(self.done)

    def put(self, data: bytes) -> bytes:
        """Write new content and return its address."""
        return self._put(data)[0]

    def _put(self, data: bytes) -> tuple[bytes, int]:
        if len(data) > WHOLE_LIMIT:
            return self._put_stream((data,))
        address = blake3(data).digest()
        if address not in self._written:
            stored, codec = data, RAW
            if len(data) > COMPRESS_ABOVE:
                compressed = lz4.frame.compress(data)
                if len(compressed) < len(data):
                    stored, codec = compressed, LZ4
            self._write(StoredBlob(address, len(data), codec, stored))
        return address, len(data)

    def _put_stream(self, pieces: Iterable[bytes]) -> tuple[bytes, int]:
        chunks = _chunks(pieces)
        head = list(islice(chunks, WHOLE_LIMIT // CHUNK_SIZE + 1))
        if len(head) <= WHOLE_LIMIT // CHUNK_SIZE:
            return self._put(b"".join(head))
        whole, size, addresses = blake3(), 0, bytearray()
        for chunk in chain(head, chunks):
            whole.update(chunk)
            size += len(chunk)
            addresses += self._put(chunk)[0]
        address = whole.digest()
        if address not in self._written:
            self._write(StoredBlob(address, size, RAW, bytes(addresses), is_list=True))
        return address, size

    def _write(self, blob: StoredBlob) -> None:
        kind = Kind.LIST if blob.is_list else Kind.BLOB
        self._writer.frame(kind, BLOB_HEAD.pack(blob.address, blob.size, blob.codec), blob.data)
        self._written.add(blob.address)
        self.count += 1


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content that pieces add up to in chunks of `CHUNK_SIZE`; the last is shorter."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= CHUNK_SIZE:
            yield bytes(held[:CHUNK_SIZE])
            del held[:CHUNK_SIZE]
    if held:
        yield bytes(held)
