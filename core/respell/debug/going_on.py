"""Moves forward: the worker that is here runs until it comes to what it was told to stop at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from respell.debug.breakpoint_table import BreakpointTable
from respell.debug.execution import NEVER, position_of
from respell.debug.orders import at_breakpoints, can_scout, order_of
from respell.debug.position import Position
from respell.debug.standing import Standing
from respell.debug.stops import Log, Stop, logs_of, replaced
from respell.debug.worker import Cancelled, Report, as_text

COUNTED = 2000
"""Lines that are counted before one looks for breakpoints without: most are near."""


class GoingOn:
    """Finds where moves forward end."""

    def __init__(
        self, standing: Standing, breakpoints: BreakpointTable, let_through: Callable[[], bool]
    ) -> None:
        """Take what moves need.

        Args:
            standing: The place.
            breakpoints: What stops moves.
            let_through: Called at the end of what a session that runs has recorded by now: lets
                it go on by one event if it stands still for us, and returns whether it did.
        """
        self._standing, self._breakpoints = standing, breakpoints
        self._execution = standing.execution
        self._let_through = let_through

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
        if self._standing.stop.at_end and not self._execution.follows:
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
        if want is not None:
            details["want"] = want
        logs: list[Log] = []
        at = self._standing.position
        while True:
            order = order_of(self._breakpoints, stops, to_line, logs=True)
            report, known = self._run({**order, **details}, at, stops=stops)
            if not report.get("frontier"):
                break
            logs += logs_of(report)
            try:
                if not self._let_through():
                    return replace(self._standing.arrived(report), logs=tuple(logs))
            except Cancelled:
                stop = self._standing.arrived(report)
                return replace(stop, reason="pause", logs=tuple(logs))
            at = position_of(report)
        stop = self._stop_of(report, known)
        if stop.at_end:
            self._let_end()
        return replace(stop, logs=(*logs, *stop.logs)) if logs else stop

    def _let_end(self) -> None:
        """Let the session end as well, where its script has."""
        try:
            while self._let_through():
                pass
        except Cancelled:
            return  # it stands still where it is

    def _run(
        self, order: dict[str, Any], at: Position, *, stops: bool
    ) -> tuple[Report, tuple[Position, list[int]] | None]:
        """Run until something stops it; also returns what it was told to go to at most."""
        known = self._breakpoints.next_known(at) if stops else None
        counting = bool(order) and order != {"want": "event"}
        arm = 1 if counting else self._execution.last_known
        arm_known = NEVER
        if known is not None:
            if known[0].steps:
                order |= {"to_event": known[0].event, "to_steps": known[0].steps}
            else:
                order["late"] = known[0].event
            arm_known = known[0].event
            arm = min(arm, arm_known)
        scouts = not self._execution.follows and "want" not in order
        if scouts and can_scout(order, self._execution.forks):
            report = self._scout(min(self._execution.last_known, arm_known), order)
        else:
            report = self._execution.run(arm=arm, **order)
        return self._execution.exact(report), known

    def _stop_of(self, report: Report, known: tuple[Position, list[int]] | None) -> Stop:
        if report["reason"] == "goto" and known is not None:
            stop = self._standing.arrived(report)
            numbers = sorted({*known[1], *stop.breakpoints})
            return replaced(stop, self._breakpoints.reason_of(numbers), numbers)
        if report["reason"] == "exception":
            # The error was noticed as it was raised: the place is where its line began.
            return self._before_error(report)
        return self._standing.arrived(report)

    def _scout(self, rearm: int, order: dict[str, Any]) -> Report:
        """Run with hooks only where a breakpoint could stop, once some lines were counted.

        Args:
            rearm: The event from which on lines are counted whatever happens.
            order: What to stop at.
        """
        begun = self._standing.position
        report = self._execution.run(arm=1, budget=COUNTED, rearm=rearm, scout=True, **order)
        if report["reason"] != "scouted":
            return report
        self._execution.drop_here()
        self._execution.seek(max(begun, Position(report["event"])))
        return self._execution.run(arm=1, **order)

    def _before_error(self, report: Report) -> Stop:
        error = report["at_error"]
        logs = logs_of(report)
        # The worker stands behind that, maybe in what resumed a coroutine that failed.
        self._execution.drop_here()
        there = self._standing.arrived(self._execution.seek(position_of(report)))
        return Stop(
            "exception", there.position, there.source, there.line, there.function,
            there.coroutine, tuple(report["at_breakpoints"]), as_text(error["message"]),
            logs=logs,
        )  # fmt: skip
