"""Moves, forward and back, and jumps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from respell.debug.calls import go_to_entry
from respell.debug.faces.scene import Staged
from respell.debug.inspecting import Frame
from respell.debug.orders import at_breakpoints, line_order, main_source
from respell.debug.playing import play
from respell.debug.position import SHARE, Position
from respell.debug.stops import Stop


class Moving(Staged):
    """Moves of the position; each has its reverse."""

    # Forward -----------------------------------------------------------------------------

    def step_in(self) -> Stop:
        """Go to the next line, whichever function or coroutine it is in."""
        return self._trail.move("into", True, lambda: self._on.go(want="line"))

    def step_over(self) -> Stop:
        """Go to the next line of this function or, after its end, of the one outside of it.

        Stays in the coroutine; where that ends, it goes on in the one that resumed it.
        """
        return self._trail.move(
            "over", True, lambda: self._on.go(want="over", **self._standing.frame_here())
        )

    def step_out(self) -> Stop:
        """Go to where this function has returned."""
        return self._trail.move(
            "out", True, lambda: self._on.go(want="out", **self._standing.frame_here())
        )

    def continue_(self) -> Stop:
        """Go to the next breakpoint, or to the end."""
        return self._trail.move("continue", True, self._on.go)

    def run_to_line(self, line: int, source: str | None = None) -> Stop:
        """Go to the next time a line is about to run (the next one with code), or to the end.

        It stops there with the reason `goto`; or at a breakpoint before.
        """
        return self._trail.move("line", True, lambda: self._on.go(**self._to_line(line, source)))

    def play(self, speed: float = 1.0) -> Iterator[Stop]:
        """Go forward line by line at the pace of the recording, to a breakpoint or the end.

        The time between events is that of the recording, of 5 s at most; a line takes 0.05 s.
        `cancel` ends it, and so does whoever takes no more stops.

        Args:
            speed: From 0.1 to 10; 1 for that pace.

        Raises:
            UsageError: There is no such speed.
        """

        def began_at(number: int) -> int | None:
            event = self._inspector.event(Position(number))
            return event.at if event is not None else None

        self._standing.be_here()
        return play(self.step_in, began_at, self._execution.wake, speed)

    def next_event(self) -> Stop:
        """Go to where the script knows of the next event."""
        return self._trail.move("event", True, lambda: self._on.go(want="event", stops=False))

    # Back --------------------------------------------------------------------------------

    def step_back(self) -> Stop:
        """Go to the line that ran before."""
        return self._trail.move("into", False, self._back.into)

    def step_back_over(self) -> Stop:
        """Go to the line of this function that ran before, or to the line that called it."""
        return self._trail.move(
            "over", False, lambda: self._back.go("over", **self._standing.frame_here())
        )

    def step_back_out(self) -> Stop:
        """Go to the line that called this function."""
        return self._trail.move(
            "out", False, lambda: self._back.go("out", **self._standing.frame_here())
        )

    def reverse_continue(self) -> Stop:
        """Go to the last breakpoint before here, or to the start."""
        return self._trail.move("continue", False, self._back.go)

    def run_back_to_line(self, line: int, source: str | None = None) -> Stop:
        """Go to the last time before here that a line was about to run, or to the start."""
        return self._trail.move("line", False, lambda: self._back.go(**self._to_line(line, source)))

    def previous_event(self) -> Stop:
        """Go to where the script knew of the last event before here."""
        return self._trail.move("event", False, self._back.to_event)

    # Jumps -------------------------------------------------------------------------------

    def start(self) -> Stop:
        """Go to the first line."""
        return self._standing.jump(self._standing.first_line)

    def end(self) -> Stop:
        """Go to where the script ended, or where its recording does."""
        return self._standing.jump(lambda: self._at_end(self._standing.end()))

    def go_to(self, where: Position | int | str) -> Stop:
        """Go to a position, an event, or a share of all events.

        Args:
            where: A position (`Position(12, 340)`, "12+340"), an event's number, or "50%".

        Raises:
            UsageError: There is no such position.
        """
        if isinstance(where, str) and (match := SHARE.fullmatch(where.strip())):
            share = min(float(match[1]), 100.0) / 100
            where = max(1, round(share * self._execution.last_event))
        if isinstance(where, str):
            parsed = Position.parse(where)
            where = parsed if "+" in where else parsed.event
        target = where
        return self._standing.jump(lambda: self._at_end(self._standing.go_to(target)))

    def _at_end(self, stop: Stop) -> Stop:
        """Return a stop with the breakpoints that it has because the execution ends there."""
        return at_breakpoints(self.breakpoints, stop) if stop.at_end else stop

    @property
    def main_source(self) -> str:
        """Chunk name of the script itself."""
        return main_source(self._standing)

    def go_to_entry(self, frame: Frame | int = 0) -> Stop:
        """Go back to where the first line of a frame's function was about to run."""
        self._standing.be_here()
        chosen = self._frame(frame)
        return self._standing.jump(lambda: go_to_entry(self._standing, self._back, chosen))

    def _to_line(self, line: int, source: str | None) -> dict[str, Any]:
        return line_order(self._standing, self.breakpoints, line, source)
