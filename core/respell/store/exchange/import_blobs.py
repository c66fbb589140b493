"""Content on its way out of an export into a store: verified, then written by threads."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from blake3 import blake3

from respell.store.blob_forms import CHUNK_SIZE, Packed, StoredBlob
from respell.store.blob_streams import ChunkWriter
from respell.store.blobs import Blobs


class BlobsIn:
    """Puts blobs into a store. Used as a context: no thread is at work after it."""

    def __init__(self, blobs: Blobs, on_written: Callable[[], None]) -> None:
        """Put them there; say whenever some are in the store."""
        self._blobs = blobs
        self._on_written = on_written
        self._waiting: dict[bytes, StoredBlob] = {}
        self._writer = ChunkWriter(self._write)
        # Pieces of 1 MiB that came one after the other, and the hash of all of them together:
        # mostly they are just the chunks of the list that follows.
        self._pieces: list[bytes] = []
        self._together = blake3()
        self._last_size = 0
        self._lists: set[bytes] = set()

    def _write(self, address: bytes, data: bytes) -> Packed:
        return self._blobs.write_stored(self._waiting.pop(address))

    def add(self, blob: StoredBlob) -> None:
        """Put a blob into the store, sooner or later.

        Raises:
            ValueError: Its content does not fit its address or its size.
        """
        if blob.is_list:
            self._add_list(blob)
            return
        try:
            content = blob.content()
        except ValueError as error:
            raise ValueError(f"blob {blob.address.hex()}: {error}") from None
        self._note_piece(blob.address, content)
        if not self._blobs.is_stored(blob.address):
            self._waiting[blob.address] = blob
            self._writer.add(blob.address, blob.data)
            if self._writer.is_full:
                self.flush()

    def _note_piece(self, address: bytes, content: bytes) -> None:
        if self._last_size != CHUNK_SIZE:
            self._pieces, self._together = [], blake3()
        self._pieces.append(address)
        self._together.update(content)
        self._last_size = len(content)

    def _add_list(self, blob: StoredBlob) -> None:
        self.flush()
        if not self._blobs.is_stored(blob.address):
            if self._digest(blob.chunks) != blob.address:
                raise ValueError(
                    f"the content of blob {blob.address.hex()} does not fit its address"
                )
            self._blobs.put_stored([blob])
        self._lists.add(blob.address)
        self._last_size = 0

    def _digest(self, chunks: list[bytes]) -> bytes:
        """Return the hash of the content of chunks that are in the store."""
        if chunks == self._pieces:
            return self._together.digest()
        whole = blake3()
        for chunk in chunks:
            whole.update(self._blobs.get(chunk))
        return whole.digest()

    def check_lists(self) -> None:
        """Refuse if chunks of lists that were added are not there any more.

        Raises:
            StoreError: The collector was faster; says of how many.
        """
        for address in self._lists:
            if address in self._blobs:
                self._blobs.check_complete(address)

    def flush(self) -> None:
        """Return once all that was added is in the store."""
        self._blobs.add_stored(self._writer.take())
        self._on_written()

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)
