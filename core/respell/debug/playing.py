"""Playing: moving forward by itself, at the pace of the recording."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator

from respell.debug.stops import Stop, replaced
from respell.engine.wake import Wake
from respell.errors import UsageError

SLOWEST, FASTEST = 0.1, 10.0
LINE_S = 0.05
"""How long a line is shown, at speed 1."""
LONGEST_S = 5.0
"""The longest that one waits for an event, at speed 1: a session may have slept for days."""


def play(
    step: Callable[[], Stop], began_at: Callable[[int], int | None], wake: Wake, speed: float
) -> Iterator[Stop]:
    """Step from line to line, and wait between them.

    Args:
        step: Goes to the next line.
        began_at: Returns when an event began, in microseconds; None where there is none.
        wake: Ends a wait, and the playing, when it is set.
        speed: 1 for the pace of the recording.

    Yields:
        Each stop, when it is its time; the last one is no mere step: a breakpoint, the end, or
        where it was cancelled.

    Raises:
        UsageError: The speed is not from 0.1 to 10.
    """
    if not SLOWEST <= speed <= FASTEST:
        raise UsageError(f"the speed is from {SLOWEST:g} to {FASTEST:g}, not {speed:g}")
    before: int | None = None
    stop: Stop | None = None
    wake.clear()
    while True:
        if stop is not None and _is_set(wake, 0):
            yield replaced(stop, "cancelled")
            return
        stop = step()
        now = began_at(stop.position.event)
        passed = (now - before) / 1e6 if now is not None and before is not None else 0.0
        before = now
        if stop.reason != "step" or stop.at_end:
            yield stop
            return
        seconds = min(max(passed, LINE_S), LONGEST_S) / speed
        if _is_set(wake, seconds):
            yield replaced(stop, "cancelled")
            return
        yield stop


def _is_set(wake: Wake, within_s: float) -> bool:
    """Whether it is set, or gets set within some seconds; it is not any more then."""
    poll = select.poll()
    poll.register(wake.fd, select.POLLIN)
    ready = bool(poll.poll(within_s * 1000))
    if ready:
        wake.clear()
    return ready
