"""Windows: the parts in which a history is handed to a worker, a little ahead of need.

They are bounded by bytes, since they stand in the worker's memory beside what the script has.
A record that is larger makes a window of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from respell.errors import WorkerFailed

WINDOW_BYTES = 1024 * 1024
WINDOWS_AHEAD = 2

Batches = Iterator[list[bytes]]
"""Records of a history in order, some at a time."""


def cut(history: Batches) -> Batches:
    """Cut batches where they are too large for a window; those that fit pass as they are."""
    for batch in history:
        # Batches of a store end with the record that reaches the size.
        if sum(map(len, batch)) <= 2 * WINDOW_BYTES:
            yield batch
            continue
        some: list[bytes] = []
        size = 0
        for body in batch:
            if some and size + len(body) > WINDOW_BYTES:
                yield some
                some, size = [], 0
            some.append(body)
            size += len(body)
        yield some


class Ahead:
    """The windows that a worker has got and not begun to read: few, and only one large one."""

    def __init__(self, sizes: deque[int] | None = None) -> None:
        """Begin with none."""
        self._sizes: deque[int] = deque() if sizes is None else sizes

    def copy(self) -> Ahead:
        """Return those of a worker that was forked."""
        return Ahead(self._sizes.copy())

    @property
    def has_room(self) -> bool:
        """Whether to send another one."""
        return not self._sizes or (
            len(self._sizes) < WINDOWS_AHEAD and sum(self._sizes) <= WINDOW_BYTES
        )

    def sent(self, size: int) -> None:
        """Note one that was sent, by its bytes."""
        self._sizes.append(size)

    def begun(self) -> None:
        """Note that the worker reads the next one.

        Raises:
            WorkerFailed: There is none.
        """
        if not self._sizes:
            raise WorkerFailed("the Lua process says that it reads what it has not got")
        self._sizes.popleft()
