"""The forms in which blobs lie in a store: raw or compressed, in the database or in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import lz4.frame
from blake3 import blake3

COMPRESS_ABOVE = 10 * 1024
INLINE_LIMIT = 256 * 1024
CHUNK_SIZE = 1024 * 1024
WHOLE_LIMIT = 8 * 1024 * 1024
"""Bytes above which a blob is a list of chunks, written and read as a stream."""

RAW, LZ4 = 0, 1
"""How its bytes are coded: `BlobInfo.codec`."""

INLINE, IN_FILE, CHUNKED = 0, 1, 2
"""Where a blob is: `BlobInfo.place`."""

HASH_SIZE = 32

OWN_SIZE = (
    f"(CASE place WHEN {CHUNKED} THEN {HASH_SIZE} * (1 + (size + {CHUNK_SIZE - 1}) / {CHUNK_SIZE})"
    " ELSE stored_size END)"
)
"""SQL for the bytes that a blob's row stands for: of a list of chunks, without the chunks."""


class BlobInfo(NamedTuple):
    """How a blob is stored.

    Attributes:
        id: Key of its row.
        size: Raw bytes.
        stored_size: Bytes it occupies; of a list of chunks, with the chunks.
        codec: 0 raw, 1 lz4.frame; of a list of chunks, that of any of them.
        place: 0 in the database, 1 a file, 2 a list of chunks.
        touched: When it was put last, roughly.
    """

    id: int
    size: int
    stored_size: int
    codec: int
    place: int
    touched: int

    @property
    def is_compressed(self) -> bool:
        """Whether the stored bytes are compressed, if only some of the chunks."""
        return self.codec == LZ4


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob as it lies in a store, for copying it into another.

    Attributes:
        address: Its address.
        size: Raw bytes.
        codec: 0 raw, 1 lz4.frame.
        data: The stored bytes; of a list of chunks, their addresses one after the other.
        is_list: Whether it is a list of chunks, which are blobs of their own.
    """

    address: bytes
    size: int
    codec: int
    data: bytes
    is_list: bool = False

    @property
    def chunks(self) -> list[bytes]:
        """The addresses of a list's chunks, in their order."""
        return [self.data[at : at + HASH_SIZE] for at in range(0, len(self.data), HASH_SIZE)]

    def content(self) -> bytes:
        """Return the raw bytes of one that is no list, verified.

        Raises:
            ValueError: The stored bytes are not what address and size say.
        """
        if not 0 <= self.size <= WHOLE_LIMIT:
            raise ValueError(f"a blob that is no list can't have {self.size} bytes")
        if self.codec == RAW:
            data = self.data
        elif self.codec == LZ4:
            unpacker = lz4.frame.LZ4FrameDecompressor()
            try:
                # Not one byte more than it should have: a few KB can stand for gigabytes.
                data = unpacker.decompress(self.data, max_length=self.size + 1)
            except RuntimeError as error:
                raise ValueError(f"it can't be decompressed ({error})") from None
            if unpacker.unused_data:
                raise ValueError("bytes follow the compressed ones")
        else:
            raise ValueError(f"there is no codec {self.codec}")
        if len(data) != self.size:
            raise ValueError(f"it does not have {self.size} bytes")
        if blake3(data).digest() != self.address:
            raise ValueError("its content does not fit its address")
        return data


class Packed(NamedTuple):
    """A blob ready to be written.

    Attributes:
        address: Its address.
        size: Raw bytes.
        codec: 0 raw, 1 lz4.frame.
        place: 0 in the database, 1 a file, 2 a list of chunks.
        stored_size: Bytes it occupies; of a list of chunks, without the chunks.
        data: Those bytes; left out once they are in a file.
    """

    address: bytes
    size: int
    codec: int
    place: int
    stored_size: int
    data: bytes

    def in_file(self) -> Packed:
        """Return it without its bytes, which are in a file now."""
        return self._replace(data=b"")


def as_stored(blob: StoredBlob) -> Packed:
    """Return how a blob of another store is stored in this one."""
    if blob.is_list:
        data, place = blake3(blob.data).digest() + blob.data, CHUNKED
    else:
        data, place = blob.data, INLINE if len(blob.data) <= INLINE_LIMIT else IN_FILE
    return Packed(blob.address, blob.size, blob.codec, place, len(data), data)


def packed_as(address: bytes, data: bytes, compress: bool) -> Packed:
    """Return how bytes of at most `WHOLE_LIMIT` are stored."""
    stored, codec = data, RAW
    if compress and len(data) > COMPRESS_ABOVE:
        compressed = lz4.frame.compress(data)
        if len(compressed) < len(data):
            stored, codec = compressed, LZ4
    place = INLINE if len(stored) <= INLINE_LIMIT else IN_FILE
    return Packed(address, len(data), codec, place, len(stored), stored)
