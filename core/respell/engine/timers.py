"""What is due at a time: sleeps, deadlines, effects that a rate lets through only then."""

from __future__ import annotations

import heapq
from typing import Any, Generic, TypeVar

from respell.engine.deadlines import Deadlines
from respell.errors import EffectFailed
from respell.times import SECOND, now_us

MAX_SLEEP_S = 100 * 365 * 86400

T = TypeVar("T")


class Due(Generic[T]):
    """Things by the time at which they are due, µs since 1970 UTC."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, T]] = []  # no ordinal is in it twice

    def __bool__(self) -> bool:
        """Return whether there is one."""
        return bool(self._heap)

    def add(self, due: int, ordinal: int, what: T) -> None:
        """Put in what belongs to the event of an ordinal."""
        heapq.heappush(self._heap, (due, ordinal, what))

    def drop(self, ordinal: int) -> None:
        """Take out what belongs to an event that nobody waits for any more."""
        if self._heap:
            self._heap = [one for one in self._heap if one[1] != ordinal]
            heapq.heapify(self._heap)

    @property
    def next_due(self) -> int | None:
        """When the first is due; None where there is none."""
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: int) -> tuple[int, int, T] | None:
        """Take out (due, ordinal, what) of the first that is due by `now`; None for none."""
        if self._heap and self._heap[0][0] <= now:
            return heapq.heappop(self._heap)
        return None

    def all(self) -> list[T]:
        """Return all there are."""
        return [what for _, _, what in self._heap]


class Timers:
    """The timers of one running session, by the ordinals of the events that wait for them.

    Attributes:
        sleeps: What rings at a time, whether or not the session runs until then.
        deadlines: What counts the time in which it runs.
    """

    def __init__(self) -> None:
        self.sleeps: Due[None] = Due()
        self.deadlines = Deadlines()

    def drop(self, ordinal: int) -> None:
        """Forget one that nobody waits for any more."""
        self.deadlines.drop(ordinal)
        self.sleeps.drop(ordinal)

    def take_due(self, now: int) -> list[int]:
        """Take out those that are due by `now`, in the order in which they were.

        Args:
            now: µs since 1970 UTC.

        Returns:
            Their ordinals.
        """
        reached = self.deadlines.take_due(now)
        while (one := self.sleeps.take_due(now)) is not None:
            reached.append(one[:2])
        return [ordinal for _, ordinal in sorted(reached)]


def end_of_sleep(args: dict[str, Any]) -> int:
    """Return when a sleep that begins now is over, µs since 1970 UTC.

    Raises:
        EffectFailed: Nothing can sleep for that long.
    """
    seconds = args.get("seconds")
    if not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_SLEEP_S:
        raise EffectFailed(f"a sleep takes 0 to {MAX_SLEEP_S} seconds, not {seconds!r}")
    return now_us() + int(seconds * SECOND)
