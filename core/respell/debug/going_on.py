"""Moves forward: the worker that is here runs until it comes to what it was told to stop at."""

from __future__ import annotations

from typing import Any

from respell.debug.breakpoint_table import BreakpointTable
from respell.debug.execution import position_of
from respell.debug.orders import at_breakpoints, order_of
from respell.debug.standing import Standing
from respell.debug.stops import Stop, logs_of, replaced
from respell.debug.worker import Report, as_text


class GoingOn:
    """Finds where moves forward end."""

    def __init__(self, standing: Standing, breakpoints: BreakpointTable) -> None:
        self._standing, self._breakpoints = standing, breakpoints
        self._execution = standing.execution

    def go(
        self,
        want: str | None = None,
        stops: bool = True,
        to_line: tuple[int, str] | None = None,
        **details: Any,
    ) -> Stop:
        """Go to the next place that is wanted, or to the end.

        Args:
            want: "line", "over", "out" or "event"; None for breakpoints alone.
            stops: Whether breakpoints stop it.
            to_line: Line and chunk name that stop it as well.
            details: For the worker: coroutine and depth of the step.
        """
        if self._standing.stop.at_end:
            return replaced(self._standing.stop, "end")
        self._standing.be_here()
        self._execution.mark()
        stop = self._go(want, stops, to_line, details)
        return at_breakpoints(self._breakpoints, stop)

    def _go(
        self,
        want: str | None,
        stops: bool,
        to_line: tuple[int, str] | None,
        details: dict[str, Any],
    ) -> Stop:
        order = order_of(self._breakpoints, stops, to_line, logs=True)
        counting = bool(order) or want not in (None, "event")
        known = self._breakpoints.next_known(self._standing.position) if stops else None
        arm = 1 if counting else self._execution.last_event
        if known is not None:
            if known[0].steps:
                order |= {"to_event": known[0].event, "to_steps": known[0].steps}
            else:
                order["late"] = known[0].event
            arm = min(arm, known[0].event)
        if want is not None:
            order["want"] = want
        report = self._execution.run(arm=arm, **order, **details)
        report = self._execution.exact(report)
        if report["reason"] == "goto" and known is not None:
            stop = self._standing.arrived(report)
            numbers = sorted({*known[1], *stop.breakpoints})
            return replaced(stop, self._breakpoints.reason_of(numbers), numbers)
        if report["reason"] == "exception":
            # The error was noticed as it was raised: the place is where its line began.
            return self._before_error(report)
        return self._standing.arrived(report)

    def _before_error(self, report: Report) -> Stop:
        error = report["at_error"]
        logs = logs_of(report)
        there = self._standing.arrived(self._execution.seek(position_of(report)))
        return Stop(
            "exception", there.position, there.source, there.line, there.function,
            there.coroutine, tuple(report["at_breakpoints"]), as_text(error["message"]),
            logs=logs,
        )  # fmt: skip
