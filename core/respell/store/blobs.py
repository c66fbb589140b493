"""Content-addressed bytes."""

from __future__ import annotations

from typing import BinaryIO


class Blobs:
    """Bytes by the blake3 hash of their raw content: `store.blobs`."""

    def put(self, data: bytes) -> bytes:
        """Store bytes and return their address (32 bytes). The same content is stored once.

        A large one waits for the disk: call it before a transaction rather than inside.

        Raises:
            StoreFull: There is no space left.
        """
        raise NotImplementedError

    def put_stream(self, reader: BinaryIO) -> tuple[bytes, int]:
        """Store all that a reader gives and return (address, size); memory stays flat."""
        raise NotImplementedError

    def get(self, address: bytes) -> bytes:
        """Return all bytes of a blob, verified.

        Raises:
            NotFound: There is no such blob.
            StoreCorrupt: What is stored is not what was written; names hash and file.
        """
        raise NotImplementedError

    def read(self, address: bytes, offset: int, size: int) -> bytes:
        """Return a window of a blob, verified; shorter at its end, empty behind it.

        Args:
            address: The blob's address.
            offset: First byte, from 0.
            size: At most so many bytes.
        """
        raise NotImplementedError

    def size(self, address: bytes) -> int:
        """Return the size of a blob in bytes.

        Raises:
            NotFound: There is no such blob.
        """
        raise NotImplementedError

    def __contains__(self, address: object) -> bool:
        """Whether there is such a blob."""
        raise NotImplementedError

    def keep(self, address: bytes, session: int) -> None:
        """Note that a session's history refers to a blob, so that it is not collected.

        Large arguments and outcomes are noted by `HistoryWriter.append`, artifacts and
        scripts by their rows; this is for addresses inside of recorded values.
        """
        raise NotImplementedError
