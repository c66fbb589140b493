"""The place where the debugger stands, and how it comes to another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from respell.debug.execution import ENTRY, Execution, position_of
from respell.debug.position import Position
from respell.debug.stops import Stop, ended, logs_of, replaced
from respell.debug.worker import Cancelled, Report, as_text
from respell.errors import RespellError, UsageError
from respell.sessions.record import SessionRecord


class Standing:
    """Where the debugger stands; the worker that is here is brought there when it is needed.

    Attributes:
        session: The session as it was when it was opened.
        execution: What is re-executed.
        stop: Where the last move ended, and why.
        base_depth: How many functions run at the script's first line, ours among them.
    """

    def __init__(self, session: SessionRecord, execution: Execution) -> None:
        self.session, self.execution = session, execution
        self.stop = Stop("entry", ENTRY)
        self.stop = self.first_line()
        self.base_depth: int = self.report["depth"]

    @property
    def position(self) -> Position:
        """Where it stands."""
        return self.stop.position

    @property
    def report(self) -> Report:
        """What the worker that is here said last."""
        assert self.execution.here is not None
        return self.execution.here.report

    def frame_here(self) -> dict[str, Any]:
        """Return the coroutine and the depth that steps are about."""
        self.be_here()
        report = self.report
        return {
            "coroutine": report["coroutine"],
            "depth": report["depth"] or self.base_depth,
        }

    def be_here(self) -> None:
        """Have the worker that is here stand at the place where we are."""
        here = self.execution.here
        if here is None or here.closed or position_of(here.report) != self.position:
            self.come_back()

    def come_back(self) -> None:
        """Have another worker stand here, after one was used for something else."""
        tell, self.execution.on_wait = self.execution.on_wait, None
        self.execution.begin_move()
        self.execution.drop_here()
        try:
            self.back_at(self.stop)
        finally:
            self.execution.on_wait = tell

    def jump(self, make: Callable[[], Stop]) -> Stop:
        """Make a move; one that fails or is cancelled leaves everything where it was."""
        origin = self.stop
        self.execution.begin_move()
        try:
            self.stop = make()
        except Cancelled:
            self.come_back()
            self.stop = replaced(origin, "cancelled")
        except RespellError:
            self.come_back()
            raise
        return self.stop

    # What moves end with -------------------------------------------------------------------

    def back_at(self, stop: Stop) -> Stop:
        """Return to a place where we have been."""
        if stop.at_end and not self.execution.follows:
            self.execution.seek_end()
        else:
            self.execution.seek(stop.position)
        return replace(stop, logs=())

    def first_line(self) -> Stop:
        """Go to the first line."""
        report = self.execution.exact(self.execution.seek(Position(1, 1)))
        stop = self.arrived(report)
        return stop if stop.at_end else replaced(stop, "entry")

    def end(self) -> Stop:
        """Go to where the script ended, or where its recording does."""
        return self.arrived(self.execution.seek_end())

    def go_to(self, where: Position | int) -> Stop:
        """Go to a position or an event.

        Raises:
            UsageError: There is no such position.
        """
        if isinstance(where, int):
            if not 1 <= where <= max(self.session.events, self.execution.last_event):
                raise UsageError(
                    f"there is no event {where}; the session has events 1 to {self.session.events}"
                )
            number = self.execution.script_event(where)
            if number == 1:
                return self.first_line()
            report = self.execution.exact(self.execution.seek_event(number))
            return self.arrived(report, goto=True)
        if where <= ENTRY:
            return self.first_line()
        report = self.execution.exact(self.execution.seek(where))
        if position_of(report) != where:
            self._refuse(where, report)
        return self.arrived(report, goto=True)

    def _refuse(self, where: Position, report: Report) -> None:
        after = self.execution.script_event(where.event)
        if after != where.event:
            raise UsageError(
                f"there is no position {where}: event {where.event} is none of the script's; the "
                f"one before is {after}"
            )
        steps = report["steps"] if "end" in report else report.get("at_steps", 0)
        there = "the end" if "end" in report else f"event {report['event']}"
        raise UsageError(f"there is no position {where}: after {steps} line steps comes {there}")

    def arrived(self, report: Report, *, goto: bool = False) -> Stop:
        """Return the stop of a worker's report."""
        end = report.get("end")
        reason = as_text(report["reason"])
        error = None
        if end is not None:
            reason, error = ended(end)
        elif report.get("frontier"):
            reason = "end"
        elif goto:
            reason = "goto"
        return Stop(
            reason,
            position_of(report),
            as_text(report.get("source") or ""),
            report.get("line") or 0,
            as_text(report.get("name") or ""),
            report["coroutine"],
            tuple(one for one in report.get("at_breakpoints") or () if one),
            error,
            end is not None or bool(report.get("frontier")),
            logs_of(report),
        )
