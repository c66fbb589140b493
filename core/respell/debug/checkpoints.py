"""Checkpoints: workers that stand still at positions passed, to be gone on from.

A checkpoint only saves time. Where there is none (or none can be made), execution begins at
the session's start again and comes to the same place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from respell.debug.position import Position
from respell.debug.worker import DebugWorker

MOST = 24
BUDGET_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class Checkpoint:
    """A worker that stands still.

    Attributes:
        position: Where it stands.
        worker: The process.
        private_bytes: Memory that was its alone when it was made.
        pinned: It must stay: it is the parent of the worker that runs, or the first.
    """

    position: Position
    worker: DebugWorker
    private_bytes: int
    pinned: bool = False


class Checkpoints:
    """Those of one session, spaced the wider the farther away they are.

    Args:
        budget_bytes: Most memory that they may have for themselves, all together.
        most: Most of them.
    """

    def __init__(self, budget_bytes: int = BUDGET_BYTES, most: int = MOST) -> None:
        self._budget = budget_bytes
        self._most = most
        self._all: list[Checkpoint] = []  # in order of their positions

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def private_bytes(self) -> int:
        """How much memory they have for themselves."""
        return sum(one.private_bytes for one in self._all)

    def last_before(self, position: Position) -> Checkpoint | None:
        """Return the last one at or before a position."""
        found = None
        self._all = [one for one in self._all if not one.worker.closed]
        for one in self._all:
            if one.position > position:
                break
            found = one
        return found

    def add(self, position: Position, worker: DebugWorker, *, pinned: bool = False) -> Checkpoint:
        """Keep a worker; others are given up for it if need be."""
        made = Checkpoint(position, worker, worker.private_bytes(), pinned)
        self._all.append(made)
        self._all.sort(key=lambda one: one.position)
        while len(self._all) > self._most or self.private_bytes > self._budget:
            if not self._drop(made):
                break
        return made

    def _drop(self, newest: Checkpoint) -> bool:
        """Give up the one that is missed least: its neighbours are near, or it is far away."""
        now = newest.worker.ran_s

        def missed(i: int) -> float:
            before = self._all[i - 1].worker.ran_s if i else 0.0
            gap = self._all[i].worker.ran_s - before
            return gap / (abs(now - self._all[i].worker.ran_s) + 0.005)

        able = [i for i, one in enumerate(self._all) if not one.pinned and one is not newest]
        if not able:
            return False
        self._all.pop(min(able, key=missed)).worker.close()
        return True

    def close(self) -> None:
        """End all of them."""
        for one in reversed(self._all):
            one.worker.close()
        self._all.clear()
