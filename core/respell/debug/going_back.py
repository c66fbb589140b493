"""Moves back: run forward over what is before the place, and remember the last hit.

First over the last events, then over more and more of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from respell.debug.breakpoint_table import BreakpointTable
from respell.debug.execution import ENTRY, NEVER, position_of
from respell.debug.orders import at_breakpoints, can_scout, order_of
from respell.debug.position import Position
from respell.debug.standing import Standing
from respell.debug.stops import Stop, replaced
from respell.debug.worker import as_text

_FAR = 1 << 20  # deeper than any stack


@dataclass(slots=True)
class _Found:
    """The last hit before a place."""

    position: Position
    reason: str
    more: dict[str, Any] = field(default_factory=dict)


class GoingBack:
    """Finds where moves back end."""

    def __init__(self, standing: Standing, breakpoints: BreakpointTable) -> None:
        self._standing, self._breakpoints = standing, breakpoints
        self._execution = standing.execution

    def into(self) -> Stop:
        """Go to the line that ran before."""
        at = self._standing.position
        if at.steps >= 2:
            return replaced(
                self._standing.arrived(self._execution.seek(Position(at.event, at.steps - 1))),
                "step",
            )
        return self.go("line", stops=False)

    def to_event(self) -> Stop:
        """Go to where the script knew of the last event before here."""
        at = self._standing.position
        target = Position(at.event if at.steps else self._execution.script_event(at.event - 1))
        if target <= ENTRY:
            return self._standing.first_line()
        if position_of(self._execution.seek(target)) == target:
            return replaced(
                self._standing.arrived(self._execution.exact(self._standing.report)), "event"
            )
        return self.go("event", stops=False)

    def go(
        self,
        want: str | None = None,
        stops: bool = True,
        to_line: tuple[int, str] | None = None,
        **details: Any,
    ) -> Stop:
        """Go to the last place before here that is wanted, or to the start.

        Args:
            want: "line", "over", "out" or "event"; None for breakpoints alone.
            stops: Whether breakpoints stop it.
            to_line: Line and chunk name that stop it as well.
            details: For the worker: coroutine and depth of the step.
        """
        stop = self._go(want, stops, to_line, details)
        return at_breakpoints(self._breakpoints, stop)

    def _go(
        self,
        want: str | None,
        stops: bool,
        to_line: tuple[int, str] | None,
        details: dict[str, Any],
    ) -> Stop:
        order = order_of(self._breakpoints, stops, to_line, logs=False)
        known = self._breakpoints.last_known(self._standing.position) if stops else None
        found = None
        outermost = (
            want == "out"
            and details["coroutine"] == 0
            and details["depth"] <= self._standing.base_depth
        )
        if outermost:
            want = None
            details = {}
        if order or want is not None:
            if want is not None:
                order["want"] = want
            least = known[0] if known is not None else ENTRY
            found = self.search(least, {**order, **details})
        if known is not None and (found is None or found.position < known[0]):
            report = self._execution.exact(self._execution.seek(known[0]))
            reason = self._breakpoints.reason_of(known[1])
            return replaced(self._standing.arrived(report), reason, known[1])
        if found is None and want in ("over", "out") and details["coroutine"] != 0:
            found = self._before_coroutine(details["coroutine"])
        if found is None:
            return self._standing.first_line()
        there = self._standing.arrived(self._execution.seek(found.position))
        numbers = list(found.more.get("breakpoints") or ())
        reason = found.reason
        if known is not None and found.position == known[0]:
            numbers = sorted({*numbers, *known[1]})
            reason = self._breakpoints.reason_of(numbers)
        stop = replaced(there, reason, numbers)
        if "error" in found.more:
            error = as_text(found.more["error"]["message"])
            return replaced(stop, "exception", stop.breakpoints, error)
        return stop

    def search(
        self, least: Position, order: dict[str, Any], high: Position | None = None
    ) -> _Found | None:
        """Return the last hit of an order before here: in the last events, then in more of them."""
        high = high or self._standing.position
        low = high.event
        size = 1
        earlier = None
        counting = order.get("want") != "event" or "lines" in order
        while True:
            start = position_of(self._execution.seek(Position(low) if low > 1 else ENTRY))
            if start < high:
                if order.get("want") == "event" and start > ENTRY:
                    earlier = _Found(start, "event")
                last = self._last_between(start, high, order, counting)
                if last is not None:
                    more = last[3] if len(last) > 3 and last[3] else {}
                    return _Found(Position(last[0], last[1]), as_text(last[2]), more)
                if earlier is not None:
                    return earlier
                high = start
            if low <= least.event or low == 1:
                return None
            low = self._execution.script_event(max(1, low - size))
            size *= 8

    def _last_between(
        self, start: Position, high: Position, order: dict[str, Any], counting: bool
    ) -> list[Any] | None:
        """Return the last hit from where the worker stands to a place, as it says it."""
        to = {"to_event": high.event, "to_steps": high.steps}
        scouts = (
            start.event < high.event
            and "want" not in order
            and can_scout(order, self._execution.forks)
        )
        if not scouts:
            arm = 1 if counting else NEVER
            return self._run_to(arm=arm, **to, **order)
        last = self._run_to(arm=high.event, scout=True, **to, **order)
        if last is None or last[1] >= 0:
            return last
        # Only its event is known yet: the lines after that are counted.
        event = last[0]
        self._execution.drop_here()
        self._execution.seek(max(start, Position(event)))
        return self._run_to(arm=1, to_event=event, to_steps=NEVER, **order)

    def _run_to(self, **order: Any) -> list[Any] | None:
        last: list[Any] | None = self._execution.run(collect=True, **order).get("last")
        return last

    def _before_coroutine(self, number: int) -> _Found | None:
        """Return the line before the first one of a coroutine: the one that resumed it."""
        here = self._standing.position
        report = self._execution.scan(
            arm=1, want="over", coroutine=number, depth=_FAR, to_event=here.event,
            to_steps=here.steps, collect=True, most=1,
        )  # fmt: skip
        first = Position(*report["hits"][0]) if report["hits"] else here
        return self.search(ENTRY, {"want": "line"}, first)
