"""The debugger: moves through a session's execution in both directions."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from respell.debug.breakpoint_table import BreakpointTable
from respell.debug.calls import Call, calls_of_line, go_to_entry
from respell.debug.changes import Change, Listed
from respell.debug.checkpoints import BUDGET_BYTES
from respell.debug.deciding import Deciding
from respell.debug.edits import Edit
from respell.debug.execution import Execution
from respell.debug.going_back import GoingBack
from respell.debug.going_on import GoingOn
from respell.debug.inspecting import Coroutine, Evaluated, Frame, Value, Variable, Variables
from respell.debug.inspector import EVALUATE_WITHIN_S, MOST_BYTES, Inspector, Only
from respell.debug.launching import launch
from respell.debug.live import Live
from respell.debug.orders import line_order, main_source
from respell.debug.origin.following import MOST_STEPS, Following
from respell.debug.origin.performed import Performed
from respell.debug.origin.places import Places
from respell.debug.origin.told import Origin
from respell.debug.over_time import MOST, OverTime
from respell.debug.playing import play
from respell.debug.position import Position
from respell.debug.rehearsal import Rehearsed
from respell.debug.sources import Sources, SourceText
from respell.debug.standing import Standing
from respell.debug.stops import Stop, replaced
from respell.debug.trail import Trail
from respell.debug.what_if import Edited, Editing, WhatIf, edited, edits_of_mapping
from respell.debug.worker import Cancelled
from respell.engine.program import Program
from respell.errors import UsageError
from respell.history.diff import Difference, diff
from respell.history.events import Event, events
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.debugging import Bookmark

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
Script = str | bytes | os.PathLike[str]
"""The path of a script, or its text as bytes."""

OnProgress = Callable[[float], None]
"""Called while a move takes longer than 0.3 s, with the seconds that the worker has run."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a debugger executes."""

    checkpoints: bool
    budget_bytes: int
    keep_breakpoints: bool


@dataclass(slots=True)
class Scene:
    """A session as it was recorded, or with edits, and all that moves through it."""

    store: Store
    session: SessionRecord
    execution: Execution
    inspector: Inspector
    standing: Standing
    sources: Sources
    trail: Trail
    on: GoingOn
    back: GoingBack


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
        edits: Sequence[Edit] = (),
    ) -> None:
        """Use `Debugger.open` or `Debugger.launch`."""
        self._recorded = (store, session)
        self._options = Options(checkpoints, budget_bytes, keep_breakpoints)
        self._on_progress = on_progress
        self._is_closed = False
        self._editing = Editing(self, store, session)
        self._edited: Edited | None = None
        self._table: BreakpointTable | None = None
        self._original: Scene | None = None
        self.live: Live | None = None
        runs = not edits and (launched or store.leases.holder(session.key) is not None)
        if edits:
            self._edited = edited(store, session, edits, self._editing.cancel, on_progress)
        execution = None
        try:
            execution = self._executed(self._edited, follows=runs)
            if runs:
                wake = execution.wake
                self.live = Live(store, session, wake=wake, extend=self._extend, launched=launched)
                self.live.on_wait = execution.tell
            self._enter(self._scene(self._edited, execution))
        except BaseException:
            self._give_up(execution, self._edited)
            raise

    def _give_up(self, execution: Execution | None, now: Edited | None) -> None:
        """Free what could not be entered."""
        try:
            if self.live is not None and execution is not None:
                execution.wake.clear()
                self.live.detach()
        finally:
            if execution is not None:
                execution.close()
            if now is not None:
                now.close()

    def _executed(self, now: Edited | None, *, follows: bool = False) -> Execution:
        store, session = self._recorded if now is None else (now.store, now.session)
        options = self._options
        execution = Execution(
            store, session, checkpoints=options.checkpoints, budget_bytes=options.budget_bytes,
            follows=follows, edited=now,
        )  # fmt: skip
        execution.on_wait = self._on_progress
        return execution

    def _scene(self, now: Edited | None, execution: Execution) -> Scene:
        """Return the session as it was recorded, or with edits, before its first line."""
        store, session = self._recorded if now is None else (now.store, now.session)
        standing = Standing(session, execution)
        sources = Sources(store, session, execution)
        if self._table is None:
            kept = self._options.keep_breakpoints
            self._table = BreakpointTable(store, session, execution, sources, kept=kept)
            self._table.variable = self._variable
        execution.decide = Deciding(execution, self._table).decide
        return Scene(
            store, session, execution, Inspector(store, session, execution), standing, sources,
            Trail(standing), GoingOn(standing, self._table, self._let_through),
            GoingBack(standing, self._table),
        )  # fmt: skip

    def _enter(self, scene: Scene) -> None:
        """Stand in the session as it was recorded, or with edits."""
        assert self._table is not None
        self._here = scene
        self._table.move_to(scene.store, scene.session, scene.execution, scene.sources)
        self.breakpoints = self._table
        self.session, self._store = scene.session, scene.store
        self._execution, self._inspector = scene.execution, scene.inspector
        self._standing, self._sources = scene.standing, scene.sources
        self._trail, self._on, self._back = scene.trail, scene.on, scene.back
        self._table.on_change = scene.trail.clear
        self._over_time = OverTime(scene.store, scene.standing, scene.inspector, self._table)
        self._origins = Following(
            Places(scene.standing, scene.back, scene.inspector, self._over_time.trees),
            self._over_time, Performed(scene.store, scene.session),
        )  # fmt: skip

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
        """End all processes of the debugger; detach from a session that runs.

        A second time does nothing.
        """
        if self._is_closed:
            return
        self._is_closed = True
        original = self._original or self._here
        try:
            if self.live is not None:
                original.execution.wake.clear()
                self.live.detach()
        finally:
            self._here.execution.close()
            if self._original is not None:
                self._original.execution.close()
            if self._edited is not None:
                self._edited.close()

    def _extend(self, session: SessionRecord, runs: bool) -> None:
        """Take in what the session has recorded since."""
        self._recorded = (self._recorded[0], session)
        self._editing.recorded(session)
        original = self._original or self._here
        original.session = original.standing.session = session
        grown = original.execution.extend(session, runs=runs)
        if grown and original.standing.stop.at_end:
            original.trail.clear()
            original.standing.stop = replace(original.standing.stop, at_end=False)
        if self._original is None:
            self.session = session
            if grown:
                self.breakpoints.grown()

    def _let_through(self) -> bool:
        """Let the session go on by one event, if it stands still for us; whether it did."""
        live = self.live
        if live is None or self._original is not None or not live.is_held:
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
        """Where the session is; in a dry run, a view in which its history is that of the run."""
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
        self._editing.cancel.set()
        self._execution.wake.set()

    def forget_cancel(self) -> None:
        """Take back a `cancel` that came when no move was in progress any more."""
        self._editing.cancel.clear()
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

        return play(self.step_in, began_at, self._execution.wake, speed)

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

    # Over time ---------------------------------------------------------------------------

    def last_change(self, expression: str, frame: Frame | int = 0) -> Change | None:
        """Return when a value last changed before here; None if it never did.

        Args:
            expression: A variable, with fields: `total`, `config.retries`, `list[3]`; or a key of
                the session's state: `state:total`. After the end of the script its variables
                are those that there were at its last line.
            frame: Whose variable it is; of its locals those of this call alone.

        Raises:
            UsageError: It is no such expression.
            Cancelled: It was cancelled.
        """
        return self._over_time.last(expression, frame)

    def next_change(self, expression: str, frame: Frame | int = 0) -> Change | None:
        """Return when a value changes next; None if it never does (see `last_change`)."""
        return self._over_time.next(expression, frame)

    def values(
        self,
        expression: str,
        frame: Frame | int = 0,
        limit: int = MOST,
        *,
        first: Position | None = None,
        last: Position | None = None,
    ) -> Listed[Change]:
        """Return all values that an expression had, as changes in the order of time.

        Of a local those in all calls of its function, of an upvalue those of all variables that
        closures of that function see; each is numbered.

        Args:
            expression: See `last_change`.
            frame: Whose variable it is.
            limit: How many of them at most, to 10,000 and 1 MiB of text; the list's `more` says
                whether there are others.
            first: Position of the first one to return; None for the start.
            last: Position of the last one; None for the end.

        Raises:
            UsageError: It is no such expression.
            Cancelled: It was cancelled.
        """
        return self._over_time.values(expression, frame, limit, first, last)

    def origin(self, expression: str, frame: Frame | int = 0, *, most: int = MOST_STEPS) -> Origin:
        """Return where a value came from: the effect whose outcome it is, and the way from there.

        It is followed back through assignments, arguments, returns, fields of tables, upvalues,
        the session's state and artifacts. Where it can't be, `lost` says why; what was computed
        of several values has each of them in `sources`.

        Args:
            expression: Any Lua expression that can be computed here: `total`, `items[3].price`;
                or a key of the session's state: `state:total`.
            frame: Whose variables it sees.
            most: How many steps are followed in all.

        Raises:
            UsageError: It is no such expression.
            Cancelled: It was cancelled.
        """
        return self._origins.origin(expression, frame, most)

    def executions(
        self, line: int, source: str | None = None, limit: int = MOST
    ) -> Listed[Position]:
        """Return every position at which a line is about to run, over the whole execution.

        Args:
            line: The line, 1-based; of one without code the next one that has some.
            source: Chunk name or path; None for the source of the place.
            limit: How many at most; the list's `more` says whether there are others.

        Raises:
            UsageError: The session has no such source, or it has no code there.
            Cancelled: It was cancelled.
        """
        return self._over_time.executions(line, source, limit)

    def hit_counts(
        self, source: str | None = None, *, until: Position | None = None
    ) -> dict[int, int]:
        """Return how often each line of a source ran; lines that never did are left out.

        Args:
            source: Chunk name or path; None for the source of the place.
            until: Count up to this position, its line included; None for the whole execution.

        Raises:
            UsageError: The session has no such source.
            Cancelled: It was cancelled.
        """
        return self._over_time.hit_counts(source, until)

    def _variable(self, name: str, frame: Frame | int) -> tuple[dict[str, Any], Position]:
        """Return whose variable a name is at a frame, and where that was asked."""
        self._standing.be_here()
        chosen = self._frame(frame) if self._standing.report["depth"] else None
        return self._inspector.variable(name, chosen), self.position

    # What if -----------------------------------------------------------------------------

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What is different from what was recorded; empty where it isn't a dry run."""
        return () if self._edited is None else self._edited.edits

    @property
    def dry_run(self) -> Rehearsed | None:
        """How the dry run came about, and why it ends where it does; None where it is none."""
        return None if self._edited is None else self._edited.made

    @property
    def program(self) -> Program:
        """What is executed."""
        return self._execution.program

    def set_variable(self, name: str, expression: str, frame: Frame | int = 0) -> Stop:
        """Set a variable here; from then on the debugger stands in a dry run of that.

        Nothing is performed: what the script asks for is answered from what was recorded. Where
        it asks for what never was, the dry run ends (`stop.reason` is `unrecorded`).

        Args:
            name: A variable that the function at the frame sees, with fields where need be:
                `total`, `config.retries`, `list[3]`.
            expression: A Lua expression, computed in its place.
            frame: Whose variable it is.

        Raises:
            UsageError: The variable is not there, or the expression fails or would be an effect.
        """
        return self._edit(lambda: [self._editing.variable(name, expression, frame)])

    def set_outcome(
        self, outcome: Any = None, *, event: int | None = None, error: str | None = None
    ) -> Stop:
        """Give an event another outcome; from then on the debugger stands in a dry run of that.

        Args:
            outcome: The value that it ends with.
            event: Its number; None for the one that the position comes after, or that the
                execution waits for where it ends.
            error: The text of the error that it ends with instead.

        Raises:
            EventNotFound: There is no such event.
            UsageError: It comes later, can't have another outcome, or can't end like this.
        """
        return self._edit(lambda: [self._editing.outcome(event, outcome, error)])

    def set_script(self, script: Script) -> Stop:
        """Go on with another script from here; the debugger stands in a dry run of that.

        Args:
            script: Its text as bytes, or the path of a file. It must do up to here what is
                recorded.

        Raises:
            UsageError: It can't be read, or does not compile.
            Divergence: It does something else before here; says where, and what.
        """
        return self._edit(lambda: [self._editing.script(script)])

    def what_if(
        self,
        variables: Mapping[str, str] | None = None,
        outcomes: Mapping[int, Any] | None = None,
        script: Script | None = None,
        *,
        errors: Mapping[int, str] | None = None,
        frame: Frame | int = 0,
    ) -> WhatIf:
        """Return what is different, to be tried in a dry run or forked with; this one stays.

        Args:
            variables: Lua expressions by variable, to be set here.
            outcomes: Values by event number.
            script: The text (bytes) or path of another script to go on with from here.
            errors: Texts of errors by event number.
            frame: Whose variables they are.
        """
        made = edits_of_mapping(
            self, self._editing, variables or {}, outcomes or {}, errors or {}, script, frame
        )
        return WhatIf(self, (*self.edits, *made))

    def discard_edits(self) -> Stop:
        """Go back to the session as it was recorded, to where the first edit was made."""
        if self._edited is None or self._original is None:
            raise UsageError("there are no edits to discard")
        self._leave_dry_run()
        return self._standing.jump(lambda: self._standing.back_at(self.stop))

    def fork(self, name: str = "", *, created_by: str | None = None) -> SessionRecord:
        """Return a new, suspended session that goes on from here, with the edits that there are.

        It shares what is recorded up to here (or to the last edit, if that is later), outcomes
        that the dry run took from there included, and goes live when it is resumed.

        Args:
            name: Its name; empty for the original's with ` (fork)`.
            created_by: Who forks, as shown to people.
        """
        self._standing.be_here()
        used: int = self._standing.report["used"]
        return self._editing.fork(self._edited, used, name, created_by)

    def compare(self) -> Difference:
        """Return what is different between the session as it was recorded and the dry run.

        Raises:
            UsageError: It isn't a dry run.
        """
        if self._edited is None:
            raise UsageError("there are no edits: nothing is different from what was recorded")
        return diff(*self._recorded, self.session, other=self._store)

    def apart(self, edits: Sequence[Edit]) -> Debugger:
        """Return another debugger, over the session with edits in it, at the last of them."""
        store, session = self._recorded
        options = self._options
        made = Debugger(
            store, session, checkpoints=options.checkpoints, budget_bytes=options.budget_bytes,
            on_progress=self._on_progress, keep_breakpoints=False, edits=edits,
        )  # fmt: skip
        made._go_to_edit()
        return made

    def _edit(self, make: Callable[[], list[Edit]]) -> Stop:
        self._standing.be_here()
        self._editing.cancel.clear()
        edits = (*self.edits, *make())
        try:
            now = edited(*self._recorded, edits, self._editing.cancel, self._on_progress)
        except Cancelled:
            self._execution.begin_move()  # what woke it up is forgotten
            return replaced(self.stop, "cancelled")
        return self._become(now)

    def _become(self, now: Edited) -> Stop:
        execution = None
        try:
            execution = self._executed(now)
            scene = self._scene(now, execution)
        except BaseException:
            if execution is not None:
                execution.close()
            now.close()
            raise
        self._leave_dry_run()
        self._original, self._edited = self._here, now
        self._enter(scene)
        return self._go_to_edit()

    def _leave_dry_run(self) -> None:
        """Stand in the session as it was recorded again, where the first edit was made."""
        if self._edited is None or self._original is None:
            return
        self._here.execution.close()
        self._edited.close()
        original, self._original, self._edited = self._original, None, None
        self._enter(original)

    def _go_to_edit(self) -> Stop:
        assert self._edited is not None
        place = self._editing.place(self._edited, self._edited.edits[-1])
        try:
            return self.go_to(place)
        except UsageError:
            # Another script has other lines there.
            return self.go_to(place.event if isinstance(place, Position) else place)

    # For edits: what is asked of the worker that is here.

    def frame(self, frame: Frame | int = 0) -> Frame:
        """Return a frame by its index."""
        self._standing.be_here()
        return self._frame(frame)

    def ask_copy(self, order: str, timeout_s: float, **details: Any) -> Any:
        """Give an order to a copy of the worker that is here, which is thrown away.

        Raises:
            Cancelled: It took too long.
        """
        self._standing.be_here()
        assert self._execution.here is not None
        copy = self._execution.throw_away(self._execution.here)
        try:
            return copy.ask(order, timeout_s=timeout_s, **details)
        finally:
            copy.close()

    def end_report(self) -> dict[str, Any] | None:
        """Return how the execution ended, where it stands at its end."""
        self._standing.be_here()
        found: dict[str, Any] | None = self._standing.report.get("end")
        return found

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
