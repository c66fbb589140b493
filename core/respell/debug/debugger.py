"""The debugger: moves through a session's execution in both directions."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any

from respell.debug.breakpoint_table import BreakpointTable
from respell.debug.calls import Call, calls_of_line, go_to_entry
from respell.debug.changes import Change, last_change
from respell.debug.checkpoints import BUDGET_BYTES
from respell.debug.deciding import Deciding
from respell.debug.execution import Execution
from respell.debug.going_back import GoingBack
from respell.debug.going_on import GoingOn
from respell.debug.inspecting import Coroutine, Evaluated, Frame, Value, Variable, Variables
from respell.debug.inspector import EVALUATE_WITHIN_S, MOST_BYTES, Inspector, Only
from respell.debug.launching import launch
from respell.debug.live import Live
from respell.debug.orders import line_order, main_source
from respell.debug.position import Position
from respell.debug.sources import Sources, SourceText
from respell.debug.standing import Standing
from respell.debug.stops import Stop
from respell.debug.trail import Trail
from respell.history.events import Event, events
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.debugging import Bookmark

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
OnProgress = Callable[[float], None]
"""Called while a move takes longer than 0.3 s, with the seconds that the worker has run."""


class Debugger:
    """A session's execution, and a place in it.

    Every move ends at a position, and all that is seen there depends on the position alone. A
    move and its reverse, one after the other, lead back to where they began. Nothing that is
    done here has an effect outside or changes the session.

    It is plain synchronous code, to be used by one thread, which has to last as long as the
    debugger: the system ends workers along with the thread that started them. Only `cancel` may
    be called by others. `AsyncDebugger` is the same for asyncio.

    Attributes:
        session: The session as it was when it was opened, or when it was last looked at.
        live: The process that runs the session (or ran it, since it was opened): to follow it, to
            hold it, to let it go on. None where no process ran it when it was opened.
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
        keep_breakpoints: bool = True,
        launched: bool = False,
    ) -> None:
        """Use `Debugger.open` or `Debugger.launch`."""
        self.session = session
        self._store = store
        runs = launched or store.leases.holder(session.key) is not None
        self._execution = Execution(
            store, session, checkpoints=checkpoints, budget_bytes=budget_bytes, follows=runs
        )
        self.live: Live | None = None
        if runs:
            wake = self._execution.wake
            self.live = Live(store, session, wake=wake, extend=self._extend, launched=launched)
        self._execution.on_wait = on_progress
        self._inspector = Inspector(store, session, self._execution)
        try:
            self._standing = Standing(session, self._execution)
            self._sources = Sources(store, session, self._execution)
            self.breakpoints = BreakpointTable(
                store, session, self._execution, self._sources, kept=keep_breakpoints
            )
        except BaseException:
            self.close()
            raise
        self.breakpoints.variable = self._variable
        self._execution.decide = Deciding(self._execution, self.breakpoints).decide
        self._trail = Trail(self._standing)
        self.breakpoints.on_change = self._trail.clear
        self._on = GoingOn(self._standing, self.breakpoints, self._let_through)
        self._back = GoingBack(self._standing, self.breakpoints)

    @classmethod
    def open(
        cls,
        session: SessionRecord | str,
        *,
        store: Store,
        checkpoints: bool = True,
        budget_bytes: int = BUDGET_BYTES,
        on_progress: OnProgress | None = None,
        keep_breakpoints: bool = True,
    ) -> Debugger:
        """Open a session, in whatever status; of a running one what is recorded by now.

        Args:
            session: The session, its id, a unique prefix of that, a unique name, or @last.
            store: Where it is.
            checkpoints: Keep checkpoints where the system allows it; without, moves back take as
                long as running to the place from the start.
            budget_bytes: Most memory that checkpoints may have for themselves.
            on_progress: Called while a move takes longer than 0.3 s.
            keep_breakpoints: Begin with the breakpoints that are kept with the session, and keep
                there what is set; else there are those that are set here, for as long as it is
                open.

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
            on_progress=on_progress, keep_breakpoints=keep_breakpoints,
        )  # fmt: skip

    @classmethod
    def launch(
        cls,
        script: str | os.PathLike[str],
        *,
        store: Store,
        checkpoints: bool = True,
        budget_bytes: int = BUDGET_BYTES,
        on_progress: OnProgress | None = None,
        keep_breakpoints: bool = True,
        **options: Any,
    ) -> Debugger:
        """Run a script as a new session that is debugged while it runs, from its first line on.

        A process of its own runs it and records it as usual; moves forward let it go on, one
        effect at a time, as far as they go. Closing the debugger suspends it (see
        `Live.detach`).

        Args:
            script: The Lua file.
            store: Where the session is created.
            checkpoints: As for `open`.
            budget_bytes: As for `open`.
            on_progress: As for `open`.
            keep_breakpoints: As for `open`.
            options: name, tags, args, input, limits, allow, deny, cwd and env of the session
                (see `respell.debug.launching.launch`).

        Returns:
            A debugger that stands before the first line.

        Raises:
            UsageError: The script can't be read or does not compile, or an option is wrong.
            WorkerFailed: A process could not be started.
        """
        record = store.sessions.get(launch(script, store=store, **options))
        return cls(
            store, record, checkpoints=checkpoints, budget_bytes=budget_bytes,
            on_progress=on_progress, keep_breakpoints=keep_breakpoints, launched=True,
        )  # fmt: skip

    def close(self) -> None:
        """End all processes of the debugger; detach from a session that runs."""
        try:
            if self.live is not None:
                self._execution.wake.clear()
                self.live.detach()
        finally:
            self._execution.close()

    def _extend(self, session: SessionRecord, runs: bool) -> None:
        """Take in what the session has recorded since."""
        self.session = self._standing.session = session
        if self._execution.extend(session, runs=runs):
            self.breakpoints.grown()
            if self.stop.at_end:
                self._trail.clear()
                self._standing.stop = replace(self.stop, at_end=False)

    def _let_through(self) -> bool:
        """Let the session go on by one event, if it stands still for us; whether it did."""
        live = self.live
        if live is None or not live.is_held:
            return False
        live.step()
        return live.is_held or not live.runs

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
    def store(self) -> Store:
        """Where the session is."""
        return self._store

    @property
    def stop(self) -> Stop:
        """Where the last move ended, and why."""
        return self._standing.stop

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

    def forget_cancel(self) -> None:
        """Take back a `cancel` that came when no move was in progress any more."""
        self._execution.wake.clear()

    # Moves forward -----------------------------------------------------------------------

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
        """Go to the next time a line is about to run (the next one with code), or to the end."""
        return self._trail.move("line", True, lambda: self._on.go(**self._to_line(line, source)))

    def next_event(self) -> Stop:
        """Go to where the script knows of the next event."""
        return self._trail.move("event", True, lambda: self._on.go(want="event", stops=False))

    # Moves back --------------------------------------------------------------------------

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
        return self._standing.jump(self._standing.end)

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
        return self._standing.jump(lambda: self._standing.go_to(target))

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

    # Looking -----------------------------------------------------------------------------

    def coroutines(self) -> list[Coroutine]:
        """Return the main thread and every coroutine that lives, or died of an error."""
        self._standing.be_here()
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
        self._standing.be_here()
        return self._inspector.stack(coroutine, first, count)

    def variables(self, frame: Frame | int = 0) -> Variables:
        """Return what a function sees: locals, varargs, upvalues."""
        self._standing.be_here()
        return self._inspector.variables(self._frame(frame))

    def globals(self) -> tuple[list[Variable], list[str]]:
        """Return the globals that the script made or changed, and names of those it took away."""
        self._standing.be_here()
        return self._inspector.globals()

    def calls(self) -> list[Call]:
        """Return what the line that is next calls directly, in the order of time."""
        return calls_of_line(self._standing)

    def sources(self) -> list[SourceText]:
        """Return the script and what it loaded, in the order in which that was first loaded."""
        return list(self._sources.all().values())

    def children(
        self, value: Value, *, first: int = 0, count: int = 100, only: Only | None = None
    ) -> tuple[list[Variable], int, Value | None]:
        """Return entries of a table or upvalues of a function, their number, and a metatable.

        Args:
            value: A value that was shown since the last move.
            first: Index of the first one to return, from 0.
            count: How many of them at most.
            only: "indexed" for the items of a table's list, "named" for all others.
        """
        self._standing.be_here()
        return self._inspector.children(value, first, count, only)

    def bytes(self, value: Value, *, first: int = 0, count: int = MOST_BYTES) -> bytes:
        """Return bytes of a string, at most 1 MiB at once.

        Args:
            value: A string that was shown since the last move.
            first: Index of the first byte, from 0.
            count: How many of them at most.
        """
        self._standing.be_here()
        return self._inspector.bytes(value, first, count)

    def look(self, text: str, frame: Frame | int = 0) -> Value | None:
        """Return the value of an expression as the script has it, with all that is inside of it.

        None for one that calls functions of the script, or has an error: see `evaluate`.
        """
        self._standing.be_here()
        return self._inspector.look(text, self._chosen(frame))

    def evaluate(
        self,
        text: str,
        frame: Frame | int = 0,
        *,
        timeout_s: float = EVALUATE_WITHIN_S,
        keep: bool = False,
    ) -> Evaluated:
        """Evaluate an expression, or run statements, as the function at a frame would.

        It happens in a copy of the worker that is thrown away, so it leaves no trace. What would
        be an effect is an error; what is printed is returned.

        Args:
            text: The expression or statements.
            frame: Whose variables it sees.
            timeout_s: Seconds after which it is given up.
            keep: Keep the copy until the next move, so that `children` and `bytes` can be asked
                for what is inside of the values; of 8 values at most.
        """
        self._standing.be_here()
        return self._inspector.evaluate(text, self._chosen(frame), timeout_s, keep)

    def _chosen(self, frame: Frame | int) -> Frame | None:
        """Return a frame; None where no function of the script runs."""
        return self._frame(frame) if self._standing.report["depth"] else None

    def _frame(self, frame: Frame | int) -> Frame:
        return self._inspector.frame(frame) if isinstance(frame, int) else frame

    def event(self) -> Event | None:
        """Return the event that the position comes after."""
        return self._inspector.event(self.position)

    def events(self, first: int = 1, last: int | None = None) -> Iterator[Event]:
        """Yield the session's events by number, also those after here.

        Args:
            first: First event number.
            last: Last event number; None for all there are.
        """
        return events(self._store, self.session.key, first, last)

    @property
    def last_event(self) -> int:
        """Number of the last event that the script caused, as far as it is recorded."""
        return self._execution.last_event

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
        self._standing.be_here()
        chosen = self._chosen(frame)
        try:
            return last_change(self._execution, self._inspector, self.stop, expression, chosen)
        finally:
            self._standing.come_back()

    def _variable(self, name: str, frame: Frame | int) -> tuple[dict[str, Any], Position]:
        """Return whose variable a name is at a frame, and where that was asked."""
        self._standing.be_here()
        chosen = self._frame(frame) if self._standing.report["depth"] else None
        return self._inspector.variable(name, chosen), self.position

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
