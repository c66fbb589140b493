"""The debugger: moves through a session's execution in both directions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Literal

from respell.debug.breakpoint_table import BreakpointTable
from respell.debug.breakpoints import parse_log
from respell.debug.changes import Change, last_change
from respell.debug.checkpoints import BUDGET_BYTES
from respell.debug.execution import ENTRY, NEVER, Execution, position_of
from respell.debug.inspecting import Coroutine, Evaluated, Frame, Value, Variable, Variables
from respell.debug.inspector import EVALUATE_WITHIN_S, Inspector, evaluated
from respell.debug.position import Position
from respell.debug.stops import Stop, ended, logs_of, replaced
from respell.debug.worker import Cancelled, DebugWorker, Report, as_text
from respell.errors import RespellError, UsageError
from respell.history.events import Event
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.debugging import Bookmark
from respell.values import unicode

Move = Literal["into", "over", "out", "continue", "line", "event"]

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_FAR = 1 << 20  # deeper than any stack


@dataclass(frozen=True, slots=True)
class _Step:
    """A move that was made, which its reverse undoes."""

    move: Move
    forward: bool
    origin: Stop
    target: Position


OnProgress = Callable[[float], None]
"""Called while a move takes longer than 0.3 s, with the seconds that the worker has run."""


@dataclass(slots=True)
class _Found:
    """The last hit before a place."""

    position: Position
    reason: str
    more: dict[str, Any] = field(default_factory=dict)


class Debugger:
    """A session's execution, and a place in it.

    Every move ends at a position, and all that is seen there depends on the position alone. A
    move and its reverse, one after the other, lead back to where they began. Nothing that is
    done here has an effect outside or changes the session.

    It is plain synchronous code, to be used by one thread, which has to last as long as the
    debugger: the system ends workers along with the thread that started them. Only `cancel` may
    be called by others. `AsyncDebugger` is the same for asyncio.

    Attributes:
        session: The session as it was when it was opened.
        stop: Where the last move ended, and why.
        breakpoints: The breakpoints.
    """

    def __init__(
        self,
        store: Store,
        session: SessionRecord,
        *,
        checkpoints: bool = True,
        budget_bytes: int = BUDGET_BYTES,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Use `Debugger.open`."""
        self.session = session
        self._store = store
        self._execution = Execution(
            store, session, checkpoints=checkpoints, budget_bytes=budget_bytes
        )
        self._execution.on_wait = on_progress
        self._execution.decide = self._decide
        self._inspector = Inspector(store, session, self._execution)
        self._trail: list[_Step] = []
        self.stop = Stop("entry", ENTRY)
        try:
            self.stop = self._first_line()
            self._base_depth: int = self._report["depth"]
            self.breakpoints = BreakpointTable(store, session, self._execution)
        except BaseException:
            self._execution.close()
            raise

    @classmethod
    def open(
        cls,
        session: SessionRecord | str,
        *,
        store: Store,
        checkpoints: bool = True,
        budget_bytes: int = BUDGET_BYTES,
        on_progress: OnProgress | None = None,
    ) -> Debugger:
        """Open a session, in whatever status; of a running one what is recorded by now.

        Args:
            session: The session, its id, a unique prefix of that, a unique name, or @last.
            store: Where it is.
            checkpoints: Keep checkpoints where the system allows it; without, moves back take as
                long as running to the place from the start.
            budget_bytes: Most memory that checkpoints may have for themselves.
            on_progress: Called while a move takes longer than 0.3 s.

        Returns:
            A debugger that stands before the first line. Close it, or use it in a `with`.

        Raises:
            SessionNotFound: There is no such session.
            UsageError: It has no program of its own, or was redacted.
            WorkerFailed: The worker could not be started.
        """
        text = session if isinstance(session, str) else session.id
        record = store.sessions.find(text) if isinstance(session, str) else store.sessions.get(text)
        return cls(
            store, record, checkpoints=checkpoints, budget_bytes=budget_bytes,
            on_progress=on_progress,
        )  # fmt: skip

    def close(self) -> None:
        """End all processes."""
        self._execution.close()

    def __enter__(self) -> Debugger:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    @property
    def position(self) -> Position:
        """Where it stands."""
        return self.stop.position

    @property
    def checkpoint_bytes(self) -> int:
        """How much memory the checkpoints have for themselves."""
        return self._execution.checkpoints.private_bytes

    def cancel(self) -> None:
        """End the move in progress, which leaves everything where it was; from any thread."""
        self._execution.wake.set()

    # Moves forward -----------------------------------------------------------------------

    def step_in(self) -> Stop:
        """Go to the next line, whichever function or coroutine it is in."""
        return self._move("into", True, lambda: self._go_on(want="line"))

    def step_over(self) -> Stop:
        """Go to the next line of this function or, after its end, of the one outside of it.

        Stays in the coroutine; where that ends, it goes on in the one that resumed it.
        """
        return self._move("over", True, lambda: self._go_on(want="over", **self._frame_here()))

    def step_out(self) -> Stop:
        """Go to where this function has returned."""
        return self._move("out", True, lambda: self._go_on(want="out", **self._frame_here()))

    def continue_(self) -> Stop:
        """Go to the next breakpoint, or to the end."""
        return self._move("continue", True, self._go_on)

    def run_to_line(self, line: int, source: str | None = None) -> Stop:
        """Go to the next time a line is about to run (the next one with code), or to the end."""
        return self._move("line", True, lambda: self._go_on(**self._line_order(line, source)))

    def next_event(self) -> Stop:
        """Go to where the script knows of the next event."""
        return self._move("event", True, lambda: self._go_on(want="event", stops=False))

    # Moves back --------------------------------------------------------------------------

    def step_back(self) -> Stop:
        """Go to the line that ran before."""
        return self._move("into", False, self._back_into)

    def step_back_over(self) -> Stop:
        """Go to the line of this function that ran before, or to the line that called it."""
        return self._move("over", False, lambda: self._back("over", **self._frame_here()))

    def step_back_out(self) -> Stop:
        """Go to the line that called this function."""
        return self._move("out", False, lambda: self._back("out", **self._frame_here()))

    def reverse_continue(self) -> Stop:
        """Go to the last breakpoint before here, or to the start."""
        return self._move("continue", False, lambda: self._back(None))

    def run_back_to_line(self, line: int, source: str | None = None) -> Stop:
        """Go to the last time before here that a line was about to run, or to the start."""
        return self._move("line", False, lambda: self._back(None, **self._line_order(line, source)))

    def previous_event(self) -> Stop:
        """Go to where the script knew of the last event before here."""
        return self._move("event", False, self._back_to_event)

    # Jumps -------------------------------------------------------------------------------

    def start(self) -> Stop:
        """Go to the first line."""
        return self._jump(self._first_line)

    def end(self) -> Stop:
        """Go to where the script ended, or where its recording does."""
        return self._jump(lambda: self._arrived(self._execution.seek_end()))

    def go_to(self, where: Position | int | str) -> Stop:
        """Go to a position, an event, or a share of all events.

        Args:
            where: A position (`Position(12, 340)`, "12+340"), an event's number, or "50%".

        Raises:
            UsageError: There is no such position.
        """
        if isinstance(where, str) and (match := _PERCENT.fullmatch(where.strip())):
            share = min(float(match[1]), 100.0) / 100
            where = max(1, round(share * self._execution.last_event))
        if isinstance(where, str):
            parsed = Position.parse(where)
            where = parsed if "+" in where else parsed.event
        target = where
        return self._jump(lambda: self._go_to(target))

    def _go_to(self, where: Position | int) -> Stop:
        if isinstance(where, int):
            if not 1 <= where <= max(self.session.events, self._execution.last_event):
                raise UsageError(
                    f"there is no event {where}; the session has events 1 to {self.session.events}"
                )
            number = self._execution.script_event(where)
            if number == 1:
                return self._first_line()
            report = self._execution.exact(self._execution.seek_event(number))
            return self._arrived(report, goto=True)
        if where <= ENTRY:
            return self._first_line()
        report = self._execution.exact(self._execution.seek(where))
        if position_of(report) != where:
            self._refuse(where, report)
        return self._arrived(report, goto=True)

    def _refuse(self, where: Position, report: Report) -> None:
        after = self._execution.script_event(where.event)
        if after != where.event:
            raise UsageError(
                f"there is no position {where}: event {where.event} is none of the script's; the "
                f"one before is {after}"
            )
        steps = report["steps"] if "end" in report else report.get("at_steps", 0)
        there = "the end" if "end" in report else f"event {report['event']}"
        raise UsageError(f"there is no position {where}: after {steps} line steps comes {there}")

    # How moves are made --------------------------------------------------------------------

    @property
    def _report(self) -> Report:
        assert self._execution.here is not None
        return self._execution.here.report

    def _frame_here(self) -> dict[str, Any]:
        """Return the coroutine and the depth that steps are about."""
        self._be_here()
        report = self._report
        return {
            "coroutine": report["coroutine"],
            "depth": report["depth"] or self._base_depth,
        }

    def _be_here(self) -> None:
        """Have the worker that is here stand at the place where we are."""
        here = self._execution.here
        if here is None or position_of(here.report) != self.position:
            self._return()

    def _return(self) -> None:
        tell, self._execution.on_wait = self._execution.on_wait, None
        self._execution.begin_move()
        self._execution.drop_here()
        try:
            self._back_at(self.stop)
        finally:
            self._execution.on_wait = tell

    def _move(self, move: Move, forward: bool, make: Callable[[], Stop]) -> Stop:
        origin = self.stop
        undone = self._trail[-1] if self._trail else None
        if (
            undone is not None
            and move != "line"  # it may have been another one
            and undone.move == move
            and undone.forward != forward
            and undone.target == origin.position
        ):
            there = undone.origin
            steps = self._trail[:-1]
            if self._jump(lambda: self._back_at(there)).reason != "cancelled":
                self._trail = steps
            return self.stop
        stop = self._jump(make)
        if stop.position != origin.position and stop.reason != "cancelled":
            self._trail.append(_Step(move, forward, origin, stop.position))
        return stop

    def _back_at(self, stop: Stop) -> Stop:
        """Return to a place where we have been."""
        if stop.at_end:
            self._execution.seek_end()
        else:
            self._execution.seek(stop.position)
        return replace(stop, logs=())

    def _jump(self, make: Callable[[], Stop]) -> Stop:
        """Make a move; one that fails or is cancelled leaves everything where it was."""
        origin = self.stop
        self._execution.begin_move()
        try:
            self.stop = make()
        except Cancelled:
            self._return()
            self.stop = replaced(origin, "cancelled")
        except RespellError:
            self._return()
            raise
        return self.stop

    def _first_line(self) -> Stop:
        first = Position(1, 1)
        report = self._execution.exact(self._execution.seek(first))
        return (
            replaced(self._arrived(report), "entry")
            if "end" not in report
            else (self._arrived(report))
        )

    def _line_order(self, line: int, source: str | None) -> dict[str, Any]:
        self._be_here()
        name, lines = self.breakpoints.lines_of(source or self.stop.source or self.main_source)
        following = [one for one in lines if one >= line]
        if not following or line < 1:
            raise UsageError(f"{name} has no code at or after line {line}")
        return {"to_line": (following[0], name)}

    @property
    def main_source(self) -> str:
        """Chunk name of the script itself."""
        return unicode(self._execution.program.name)

    def _order(self, stops: bool, to_line: tuple[int, str] | None) -> dict[str, Any]:
        order = self.breakpoints.order() if stops else {}
        if to_line is not None:
            line, source = to_line
            lines = order.setdefault("lines", {})
            lines.setdefault(line, []).append({"id": 0, "source": source})
        return order

    def _go_on(
        self,
        want: str | None = None,
        stops: bool = True,
        to_line: tuple[int, str] | None = None,
        **details: Any,
    ) -> Stop:
        if self.stop.at_end:
            return replaced(self.stop, "end")
        self._be_here()
        self._execution.mark()
        order = self._order(stops, to_line)
        counting = bool(order) or want not in (None, "event")
        known = self.breakpoints.next_known(self.position) if stops else None
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
            return replaced(self._arrived(report), "breakpoint", known[1])
        if report["reason"] == "exception":
            # The error was noticed as it was raised: the place is where its line began.
            return self._before_error(report)
        return self._arrived(report)

    def _before_error(self, report: Report) -> Stop:
        error = report["at_error"]
        logs = logs_of(report)
        there = self._arrived(self._execution.seek(position_of(report)))
        return Stop(
            "exception", there.position, there.source, there.line, there.function,
            there.coroutine, tuple(report["at_breakpoints"]), as_text(error["message"]),
            logs=logs,
        )  # fmt: skip

    def _back_into(self) -> Stop:
        at = self.position
        if at.steps >= 2:
            return replaced(
                self._arrived(self._execution.seek(Position(at.event, at.steps - 1))), "step"
            )
        return self._back("line", stops=False)

    def _back_to_event(self) -> Stop:
        at = self.position
        target = Position(at.event if at.steps else self._execution.script_event(at.event - 1))
        if target <= ENTRY:
            return self._first_line()
        if position_of(self._execution.seek(target)) == target:
            return replaced(self._arrived(self._execution.exact(self._report)), "event")
        return self._back("event", stops=False)

    def _back(
        self,
        want: str | None,
        stops: bool = True,
        to_line: tuple[int, str] | None = None,
        **details: Any,
    ) -> Stop:
        order = self._order(stops, to_line)
        known = self.breakpoints.last_known(self.position) if stops else None
        found = None
        outermost = (
            want == "out" and details["coroutine"] == 0 and details["depth"] <= self._base_depth
        )
        if outermost:
            want = None
            details = {}
        if order or want is not None:
            if want is not None:
                order["want"] = want
            least = known[0] if known is not None else ENTRY
            found = self._search(least, {**order, **details})
        if known is not None and (found is None or found.position < known[0]):
            report = self._execution.exact(self._execution.seek(known[0]))
            return replaced(self._arrived(report), "breakpoint", known[1])
        if found is None and want in ("over", "out") and details["coroutine"] != 0:
            found = self._before_coroutine(details["coroutine"])
        if found is None:
            return self._first_line()
        there = self._arrived(self._execution.seek(found.position))
        stop = replaced(there, found.reason, found.more.get("breakpoints") or ())
        if "error" in found.more:
            error = as_text(found.more["error"]["message"])
            return replaced(stop, "exception", stop.breakpoints, error)
        return stop

    def _search(
        self, least: Position, order: dict[str, Any], high: Position | None = None
    ) -> _Found | None:
        """Return the last hit of an order before here: in the last events, then in more of them."""
        high = high or self.position
        low = high.event
        size = 1
        earlier = None
        counting = order.get("want") != "event" or "lines" in order
        while True:
            start = position_of(self._execution.seek(Position(low) if low > 1 else ENTRY))
            if start < high:
                if order.get("want") == "event" and start > ENTRY:
                    earlier = _Found(start, "event")
                report = self._execution.run(
                    collect=True, arm=1 if counting else NEVER, to_event=high.event,
                    to_steps=high.steps, **order,
                )  # fmt: skip
                last = report.get("last")
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

    def _before_coroutine(self, number: int) -> _Found | None:
        """Return the line before the first one of a coroutine: the one that resumed it."""
        here = self.position
        report = self._execution.scan(
            arm=1, want="over", coroutine=number, depth=_FAR, to_event=here.event,
            to_steps=here.steps, collect=True, most=1,
        )  # fmt: skip
        first = Position(*report["hits"][0]) if report["hits"] else here
        return self._search(ENTRY, {"want": "line"}, first)

    def _arrived(self, report: Report, *, goto: bool = False) -> Stop:
        """Return the stop of a worker's report."""
        end = report.get("end")
        reason = as_text(report["reason"])
        error = None
        if end is not None:
            reason, error = ended(end)
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
            end is not None,
            logs_of(report),
        )

    def _decide(self, worker: DebugWorker, report: Report) -> Any:
        """Evaluate a condition or a message that would leave a trace, in a copy of a worker."""
        point = self.breakpoints.get(report["at_breakpoint"])
        if report["reason"] == "condition":
            return bool(self._evaluate_in(worker, point.condition).get("truth"))
        texts = []
        for piece in parse_log(point.log):
            if isinstance(piece, str):
                texts.append(piece)
                continue
            outcome = evaluated(self._evaluate_in(worker, piece[0]))
            shown = ", ".join(one.text for one in outcome.values)
            texts.append(shown if outcome.error is None else f"<{outcome.error}>")
        return "".join(texts)

    def _evaluate_in(self, worker: DebugWorker, text: str) -> dict[str, Any]:
        copy = self._execution.throw_away(worker)
        try:
            said: dict[str, Any] = copy.ask("evaluate", text=text, timeout_s=EVALUATE_WITHIN_S)
            return said
        finally:
            copy.close()

    # Looking -----------------------------------------------------------------------------

    def coroutines(self) -> list[Coroutine]:
        """Return the main thread and every coroutine that lives, or died of an error."""
        self._be_here()
        return self._inspector.coroutines()

    def stack(
        self, coroutine: int | None = None, *, first: int = 0, count: int = 200
    ) -> list[Frame]:
        """Return the script's functions that run, innermost first.

        Args:
            coroutine: Number of the coroutine; None for the one that runs.
            first: Index of the first one to return.
            count: How many of them at most.
        """
        self._be_here()
        return self._inspector.stack(coroutine, first, count)

    def variables(self, frame: Frame | int = 0) -> Variables:
        """Return what a function sees: locals, varargs, upvalues."""
        self._be_here()
        return self._inspector.variables(self._frame(frame))

    def globals(self) -> tuple[list[Variable], list[str]]:
        """Return the globals that the script made or changed, and names of those it took away."""
        self._be_here()
        return self._inspector.globals()

    def children(
        self, value: Value, *, first: int = 0, count: int = 100
    ) -> tuple[list[Variable], int, Value | None]:
        """Return entries of a table or upvalues of a function, their number, and a metatable.

        Args:
            value: A value that was shown since the last move.
            first: Index of the first one to return, from 0.
            count: How many of them at most.
        """
        self._be_here()
        return self._inspector.children(value.ref, first, count)

    def evaluate(
        self, text: str, frame: Frame | int = 0, *, timeout_s: float = EVALUATE_WITHIN_S
    ) -> Evaluated:
        """Evaluate an expression, or run statements, as the function at a frame would.

        It happens in a copy of the worker that is thrown away, so it leaves no trace. What would
        be an effect is an error; what is printed is returned.
        """
        self._be_here()
        chosen = self._frame(frame) if self._report["depth"] else None
        return self._inspector.evaluate(text, chosen, timeout_s)

    def _frame(self, frame: Frame | int) -> Frame:
        return self._inspector.frame(frame) if isinstance(frame, int) else frame

    def event(self) -> Event | None:
        """Return the event that the position comes after."""
        return self._inspector.event(self.position)

    def output(self) -> list[str]:
        """Return what had been written by now, line by line."""
        return self._inspector.output(self.position)

    def state(self) -> dict[str, dict[str, Any]]:
        """Return the values that the script had set by now, by scope and key."""
        return self._inspector.state(self.position)

    def artifacts(self) -> list[dict[str, Any]]:
        """Return the artifacts that had been made by now: id, name, version, event."""
        return self._inspector.artifacts(self.position)

    def last_change(self, expression: str, frame: Frame | int = 0) -> Change | None:
        """Return when a value last changed before here; None if it never did.

        Args:
            expression: A variable, with fields: `total`, `config.retries`, `list[3]`.
            frame: Whose variable it is.

        Raises:
            UsageError: It is no such expression, or there is no such variable.
        """
        self._be_here()
        chosen = self._frame(frame) if self._report["depth"] else None
        try:
            return last_change(self._execution, self._inspector, self.stop, expression, chosen)
        finally:
            self._return()

    # Bookmarks ---------------------------------------------------------------------------

    def bookmark(self, name: str, note: str = "") -> Bookmark:
        """Keep this position under a name, in the store."""
        return self._store.debugging.set_bookmark(self.session.key, name, str(self.position), note)

    def bookmarks(self) -> list[Bookmark]:
        """Return all bookmarks of the session, in the order of their positions."""
        marks = self._store.debugging.bookmarks(self.session.key)
        return sorted(marks, key=lambda one: Position.parse(one.position))

    def delete_bookmark(self, name: str) -> None:
        """Forget a bookmark.

        Raises:
            NotFound: There is none of that name.
        """
        self._store.debugging.delete_bookmark(self.session.key, name)
