"""The history that debugged workers are handed, in windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from respell.engine.windows import Batches, cut

_KEPT_BYTES = 64 * 1024 * 1024


class Windows:
    """A history in windows, readable from any of them on; one that is followed grows.

    Where each window begins is found as it is read for the first time, and stays what it is.

    Args:
        read: Returns the records from one sequence number to another.
        last: Sequence number of the last record.
        after: What comes after them (see `respell.engine.frames.After`).
    """

    def __init__(self, read: Callable[[int, int], Batches], last: int, after: int) -> None:
        self._read = read
        self._last = last
        self._firsts = [1]  # the first record of each window, and of the next one
        self._rest: Batches = iter(())  # from there on
        self._kept: dict[int, bytes] = {}
        self._kept_bytes = 0
        self.after = after

    def extend(self, last: int) -> None:
        """Take in the records up to another last one."""
        self._last = last

    def get(self, index: int) -> bytes | None:
        """Return the window of that index from 0, None behind the last."""
        if index in self._kept:
            return self._kept[index]
        found: bytes | None
        if index + 1 < len(self._firsts):
            found = _joined(self._read(self._firsts[index], self._firsts[index + 1] - 1))
        else:
            found = self._next()
        if found is not None and self._kept_bytes + len(found) <= _KEPT_BYTES:
            self._kept[index] = found
            self._kept_bytes += len(found)
        return found

    def _next(self) -> bytes | None:
        batch = next(self._rest, None)
        if batch is None and self._firsts[-1] <= self._last:
            self._rest = cut(self._read(self._firsts[-1], self._last))
            batch = next(self._rest, None)
        if batch is None:
            return None
        self._firsts.append(self._firsts[-1] + len(batch))
        return b"".join(batch)


def _joined(batches: Iterator[list[bytes]]) -> bytes:
    return b"".join(b"".join(batch) for batch in batches)
