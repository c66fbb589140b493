"""Questions about all of the execution: when a value changed, when and how often a line ran."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from textual.timer import Timer

from respell.debug import Change, Debugger, Frame, Listed, Position
from respell.debug.edits import Edit
from respell.errors import UsageError
from respell.history.events import events
from respell.store import Store
from respell_tui.paint import Line
from respell_tui.screens.origins import Origins
from respell_tui.screens.pick import Pick
from respell_tui.screens.replay_marks import ReplayMarks
from respell_tui.screens.values import Values
from respell_tui.work import Job

REST_S = 0.7
"""How long one must have stood still before lines are counted in the background."""

MOST_LISTED = 2_000
"""So many values or times are listed at most."""


class ReplayOverTime(ReplayMarks):
    """Part of `Replay`: asks the debugger about all of the execution."""

    def __init__(self) -> None:
        """Begin without answers."""
        super().__init__()
        self.shows_hits = True
        self._hits: dict[str, dict[int, int]] = {}
        self._uncounted: set[str] = set()
        self._resting: Timer | None = None

    # Changes -----------------------------------------------------------------------------

    def do_value_last_change(self) -> None:
        """Go to where the variable under the cursor got its value."""
        self._to_change("last", _last_change, "before")

    def do_value_next_change(self) -> None:
        """Go to where the variable under the cursor gets another value."""
        self._to_change("next", Debugger.next_change, "after")

    def _to_change(self, which: str, ask: Any, side: str) -> None:
        expression = self.expression

        def find(debugger: Debugger) -> Any:
            change = ask(debugger, expression, self.looked_at(debugger))
            if change is None:
                self._say(f"{expression} does not change {side} here", "warn")
                return None
            stop = debugger.go_to(change.position)
            self._say(changed(expression, change))
            return stop

        self.move(f"looking for the {which} change of {expression}", find)

    def do_value_all(self) -> None:
        """Show all values of the variable under the cursor."""
        expression = self.expression

        def find(debugger: Debugger) -> None:
            found = debugger.values(expression, self.looked_at(debugger), MOST_LISTED)
            here = None if debugger.stop.at_end else debugger.position
            self.app.call_from_thread(self._show_values, expression, found, here)

        self.move(f"looking for all values of {expression}", find)

    def _show_values(
        self, expression: str, found: Listed[Change], here: Position | None
    ) -> None:  # fmt: skip
        if not found:
            self.flash(f"{expression} never had a value", "warn")
            return

        def chosen(change: Change | None) -> None:
            if change is not None:
                self.go_to(change.position)

        self.app.push_screen(Values(expression, found, here, self.respell.icons), chosen)

    def do_value_origin(self) -> None:
        """Show which effect made the value of the variable under the cursor."""
        expression = self.expression

        def find(debugger: Debugger) -> None:
            found = debugger.origin(expression, self.looked_at(debugger))
            self.app.call_from_thread(
                self.app.push_screen, Origins(found, self.respell.icons), self._to_origin
            )

        self.move(f"looking for where {expression} comes from", find)

    def _to_origin(self, where: Position | int | None) -> None:
        if where is not None:
            self.go_to(where)

    # Lines -------------------------------------------------------------------------------

    def do_line_executions(self) -> None:
        """Show every time the line under the cursor ran."""
        line, name = self.source.line, self.source.chunk

        def find(debugger: Debugger) -> None:
            found = debugger.executions(line, name, MOST_LISTED)
            here = None if debugger.stop.at_end else debugger.position
            names = _names_of(debugger, {one.event for one in found})
            self.app.call_from_thread(self._show_executions, line, found, here, names)

        self.move(f"looking for when line {line} ran", find)

    def _show_executions(
        self, line: int, found: Listed[Position], here: Position | None, names: Mapping[int, str]
    ) -> None:  # fmt: skip
        if not found:
            self.flash(f"line {line} never ran", "warn")
            return
        at = max((at for at, one in enumerate(found) if here is None or one <= here), default=0)
        places = len(str(len(found))), max(len(str(one)) for one in found)
        rows: list[Line] = [
            [(self.respell.icons.current if here == one else " ", "accent"),
             (f" {number:>{places[0]}}  ", "dim"), (f"{one!s:>{places[1]}}", "number"),
             (f"  after {one.event} {names.get(one.event, '')}", "dim")]
            for number, one in enumerate(found, 1)
        ]  # fmt: skip
        count = f"{len(found):,}{' or more' if found.more else ''}"

        def chosen(answer: tuple[str, int] | None) -> None:
            if answer is not None:
                self.go_to(found[answer[1]])

        self.app.push_screen(Pick(f"Line {line} ran {count} times", rows, cursor=at), chosen)

    # Hit counts --------------------------------------------------------------------------

    def do_line_hits(self) -> None:
        """Show how often lines ran, or no longer."""
        self.shows_hits = not self.shows_hits
        if not self.shows_hits:
            self.cancel_counting()
        self.show_source()
        self.rest()
        self.remember()
        self.flash(f"hit counts are {'shown' if self.shows_hits else 'hidden'}")

    def hits_of(self, source: str) -> dict[int, int]:
        """Return how often lines of a source ran; empty where that is not known."""
        return self._hits.get(source, {}) if self.shows_hits else {}

    def rest(self) -> None:
        """Count lines, if one stands still here for a while."""
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(REST_S, self._count_lines)

    def forget_hits(self) -> None:
        """Forget what was counted: the execution is another one now."""
        self.cancel_counting()
        self._hits.clear()
        self._uncounted.clear()

    def cancel_counting(self) -> None:
        """Stop counting, if that is under way."""
        if self.source.working("hits"):
            self.source.stop_work("hits")
            self.show_source()

    def _count_lines(self) -> None:
        if not self.is_there:
            return
        name = self.source.chunk
        if (
            not self.shows_hits or not name or name in self._hits or name in self._uncounted
            or self.session_runs or self.debugger is None or self.source.working("hits")
        ):  # fmt: skip
            return
        store, ident, edits = self.respell.store, self.session_id, self.edits_made
        self.source.work(
            "counting how often lines ran", lambda job: _counted(job, store(), ident, edits, name),
            lambda found: self._show_hits(name, found), group="hits",
            failed=lambda problem: self._uncounted.add(name),
        )  # fmt: skip

    def _show_hits(self, name: str, found: dict[int, int]) -> None:
        self._hits[name] = found
        self.show_source()
        self.rest()

    @property
    def expression(self) -> str:
        """The expression of the variable that the cursor is on; empty for none."""
        row = self.variables.row
        return row.expression if row is not None else ""

    session_id: str

    @property
    @abstractmethod
    def session_runs(self) -> bool:
        """Whether a process runs the session now."""

    @property
    @abstractmethod
    def edits_made(self) -> Sequence[Edit]:
        """What is different from what was recorded."""

    @abstractmethod
    def show_source(self) -> None:
        """Show the source again, with what stands beside it."""


def _last_change(debugger: Debugger, expression: str, frame: Frame | int) -> Change | None:
    """Return the last change before here; where one stands at one, the one before that."""
    here = debugger.position
    change = debugger.last_change(expression, frame)
    if change is None or change.position != here or debugger.stop.at_end or frame:
        return change
    debugger.step_back_over()
    try:
        earlier = debugger.last_change(expression)
    except UsageError:  # it is not seen there: it came with this function
        earlier = None
    if earlier is None:
        debugger.go_to(here)
    return earlier


def _names_of(debugger: Debugger, numbers: Collection[int]) -> dict[int, str]:
    """Return the names of some events by their numbers."""
    store, session = debugger.store, debugger.session.key
    found = (next(events(store, session, one, one), None) for one in numbers)
    return {one.number: one.name for one in found if one is not None}


def _counted(
    job: Job, store: Store, session_id: str, edits: Sequence[Edit], source: str
) -> dict[int, int]:
    """Count in an execution of its own, so that nobody who moves has to wait."""

    def tell(seconds: float) -> None:
        if not job.cancelled:
            job.progress(seconds, 0)

    with Debugger.open(
        session_id, store=store, checkpoints=False, keep_breakpoints=False, on_progress=tell
    ) as debugger:
        job.on_cancel(debugger.cancel)
        if not edits:
            return debugger.hit_counts(source)
        with debugger.apart(edits) as dry:
            job.on_cancel(dry.cancel)
            return dry.hit_counts(source)


def changed(expression: str, change: Change) -> str:
    """Return a change in words."""
    where = f" by {change.source}:{change.line}" if change.line else ""
    after = f", after event {change.event.number} ({change.event.name})" if change.event else ""
    was = "set to" if change.is_first else f"{change.old.text} →"
    return f"{expression}: {was} {change.new.text}{where}{after}"
