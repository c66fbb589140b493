"""The moves that were made: the reverse of the last one leads back to where it began."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from respell.debug.position import Position
from respell.debug.standing import Standing
from respell.debug.stops import Stop

Move = Literal["into", "over", "out", "continue", "line", "event"]


@dataclass(frozen=True, slots=True)
class _Step:
    """A move that was made, which its reverse undoes."""

    move: Move
    forward: bool
    origin: Stop
    target: Position


class Trail:
    """The moves up to where the debugger stands."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._steps: list[_Step] = []

    def clear(self) -> None:
        """Forget them."""
        self._steps.clear()

    def move(self, move: Move, forward: bool, make: Callable[[], Stop]) -> Stop:
        """Make a move, or undo the last one where it is that one's reverse."""
        standing = self._standing
        origin = standing.stop
        undone = self._steps[-1] if self._steps else None
        if (
            undone is not None
            and move != "line"  # it may have been another one
            and undone.move == move
            and undone.forward != forward
            and undone.target == origin.position
        ):
            there = undone.origin
            steps = self._steps[:-1]
            if standing.jump(lambda: standing.back_at(there)).reason != "cancelled":
                self._steps = steps
            return standing.stop
        stop = standing.jump(make)
        if stop.position != origin.position and stop.reason != "cancelled":
            self._steps.append(_Step(move, forward, origin, stop.position))
        return stop
