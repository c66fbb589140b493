"""Large content on its way into the store: threads compress and write its chunks.

A chunk waits for the disk by itself, and most of that time belongs to the file system's
journal, which several waits share: so several are under way at once. Compressing, hashing and
writing all happen outside of Python's lock. Only the thread that reads the content uses the
database: it may hold a transaction.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from respell.store.blob_forms import CHUNK_SIZE, Packed

if TYPE_CHECKING:
    from concurrent.futures import Future

_THREADS = 8
_UNDER_WAY = 12
_MOST_WAITING = 1024
_MOST_WAITING_BYTES = 8 * 1024 * 1024
_MOST_WAITING_S = 30.0
"""Files without a row are the collector's when they are two minutes old."""


class ChunkWriter:
    """Writes chunks in threads, never more than a few at once.

    Used as a context: when it is left, no thread is at work any more, whatever happened.

    Args:
        write: Compresses a chunk and writes it, where it goes into a file.
    """

    def __init__(self, write: Callable[[bytes, bytes], Packed]) -> None:
        from concurrent.futures import ThreadPoolExecutor  # slow to import, and rarely needed

        self._write = write
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="respell-chunk")
        self._under_way: deque[Future[Packed]] = deque()
        self._known: set[bytes] = set()
        self._written: list[Packed] = []
        self._bytes = 0
        self._since = time.monotonic()

    def __contains__(self, address: bytes) -> bool:
        """Whether a chunk was added since the last `take`."""
        return address in self._known

    def add(self, address: bytes, chunk: bytes) -> None:
        """Have a chunk written; waits while too many are under way.

        Raises:
            StoreError: A chunk before could not be written; says why.
        """
        if len(self._under_way) >= _UNDER_WAY:
            self._finish_one()
        self._known.add(address)
        self._under_way.append(self._threads.submit(self._write, address, chunk))

    @property
    def is_full(self) -> bool:
        """Whether it is time to `take` what was written."""
        return (
            len(self._known) >= _MOST_WAITING
            or self._bytes >= _MOST_WAITING_BYTES
            or time.monotonic() - self._since >= _MOST_WAITING_S
        )

    def take(self) -> list[Packed]:
        """Wait for all that is under way and return what was written since the last time.

        Raises:
            StoreError: A chunk could not be written; says why.
        """
        while self._under_way:
            self._finish_one()
        written, self._written, self._bytes = self._written, [], 0
        self._known.clear()
        self._since = time.monotonic()
        return written

    def _finish_one(self) -> None:
        one = self._under_way.popleft().result()
        self._written.append(one)
        self._bytes += len(one.data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(cancel_futures=True)


def read_up_to(reader: BinaryIO, size: int) -> bytes:
    """Return `size` bytes of a reader, fewer only at the end; a pipe gives what it has."""
    parts = []
    while size > 0 and (part := reader.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def chunks(head: bytes, reader: BinaryIO) -> Iterator[bytes]:
    """Yield pieces of `CHUNK_SIZE`, first of what was read already."""
    full = len(head) - len(head) % CHUNK_SIZE
    for start in range(0, full, CHUNK_SIZE):
        yield head[start : start + CHUNK_SIZE]
    rest = head[full:]
    del head
    while chunk := rest + read_up_to(reader, CHUNK_SIZE - len(rest)):
        yield chunk
        rest = b""
