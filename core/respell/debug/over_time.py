"""Questions about all of an execution: when a value changed, when and how often a line ran.

Workers run over the part in question and decide by themselves; nothing is said until they
stand still again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from respell.debug.breakpoint_table import BreakpointTable
from respell.debug.changes import NOTHING, Change, Listed
from respell.debug.execution import ENTRY, Execution, position_of
from respell.debug.expressions import Path, parse_expression, state_key
from respell.debug.inspecting import Frame, value_of
from respell.debug.inspector import Inspector
from respell.debug.lua_source.tree import declared_in
from respell.debug.orders import line_order, main_source
from respell.debug.position import Position
from respell.debug.standing import Standing
from respell.debug.state_changes import state_changes
from respell.debug.trees import Trees
from respell.debug.worker import as_text
from respell.errors import RespellError, UsageError
from respell.store import Store

MOST = 1000
"""How many changes or executions are returned where nothing else is asked for."""

MOST_ASKED = 10_000
"""The highest limit; what comes after so many is asked for from the last position on."""

_HUGE = 1 << 40
_OUTER_FRAMES = 20  # in which a name is looked for that a function does not see


class OverTime:
    """Answers them for the place where the debugger stands, which it leaves as it is.

    Attributes:
        watched_scope: Whose the variable was that was asked for last: local, upvalue or global.
    """

    def __init__(
        self, store: Store, standing: Standing, inspector: Inspector, breakpoints: BreakpointTable
    ) -> None:
        self._store, self._standing, self._inspector = store, standing, inspector
        self._breakpoints = breakpoints
        self.trees = Trees(breakpoints)
        self._execution: Execution = standing.execution
        self.watched_scope = ""

    # Values ------------------------------------------------------------------------------

    def last(self, expression: str, frame: Frame | int, *, renewals: bool = False) -> Change | None:
        """Return the last change before here (see `Debugger.last_change`).

        Args:
            renewals: Count it as a change as well where another variable of the same value took
                its place, as in the body of a loop, or another table with the same field.
        """
        key = state_key(expression)
        if key is not None:
            found = state_changes(self._store, self._standing.session, key)
            until = self._until()
            return next((c for c in reversed(found) if c.position <= until), None)
        name, path = parse_expression(expression)
        return self.last_of(name, path, frame, renewals=renewals)

    def last_of(
        self, name: str, path: Path, frame: Frame | int, *, renewals: bool = False
    ) -> Change | None:
        """Return the last change before here of a variable, or of what is at keys behind it."""
        with self._asking():
            watch = self._watch(name, path, frame) | {"mode": "last", "renewals": renewals}
            self.watched_scope = watch["scope"]
            stop = self._standing.stop
            change = self._search(watch, None if stop.at_end else stop.position)
            return None if change is None else self._change(change, numbered=False)

    def change_of_field(
        self, name: str, path: Path, frame: Frame, until: Position
    ) -> Change | None:
        """Return the last change of a field of a table, by whatever function, up to a position.

        Args:
            name: A variable that the function of the frame sees where the debugger stands.
            path: The keys behind it; the last one is the field's, of the table that is there now.
            frame: The frame.
            until: How far to look.
        """
        with self._asking():
            watch = {
                "scope": "object", "name": name, "path": path, "coroutine": frame.coroutine,
                "depth": frame.depth, "mode": "last", "renewals": True,
            }  # fmt: skip
            report = self._execution.probe(
                want="watch", watch=watch, arm=1, to_event=until.event, to_steps=until.steps
            )
            change = report["watch"].get("change")
            return None if change is None else self._change(change, numbered=False)

    def next(self, expression: str, frame: Frame | int) -> Change | None:
        """Return the next change after here (see `Debugger.next_change`)."""
        key = state_key(expression)
        if key is not None:
            found = state_changes(self._store, self._standing.session, key)
            until = self._until()
            return next((c for c in found if c.position > until), None)
        with self._asking():
            if self._standing.stop.at_end:
                return None
            name, path = parse_expression(expression)
            watch = self._watch(name, path, frame) | {"mode": "next"}
            report = self._execution.probe(want="watch", watch=watch, arm=1)
            change = report["watch"].get("change")
            return None if change is None else self._change(change, numbered=False)

    def values(
        self,
        expression: str,
        frame: Frame | int,
        limit: int,
        first: Position | None,
        last: Position | None,
    ) -> Listed[Change]:
        """Return all changes (see `Debugger.values`)."""
        _check_limit(limit)
        key = state_key(expression)
        if key is not None:
            found = [
                one
                for one in state_changes(self._store, self._standing.session, key)
                if (first is None or one.position >= first)
                and (last is None or one.position <= last)
            ]
            return Listed(found[:limit], more=len(found) > limit)
        with self._asking():
            began = first or ENTRY
            name, path = parse_expression(expression)
            watch = self._watch(name, path, frame) | {
                "mode": "all", "limit": limit, "from_event": began.event, "from_steps": began.steps,
            }  # fmt: skip
            order: dict[str, Any] = {"want": "watch", "watch": watch, "arm": 1}
            if last is not None:
                order |= {"to_event": last.event, "to_steps": last.steps}
            watched = self._execution.scan(**order)["watch"]
            several = watched["variables"] > 1
            return Listed(
                (self._change(one, numbered=several) for one in watched.get("changes") or []),
                more=bool(watched.get("more")),
            )

    def _until(self) -> Position:
        stop = self._standing.stop
        return Position(_HUGE) if stop.at_end else stop.position

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Stand here before a question is asked, and again after it was."""
        self._standing.be_here()
        self._execution.begin_move()
        try:
            yield
        except RespellError:
            self._standing.come_back()  # a worker that was cancelled can't be used any more
            raise
        if not self._execution.is_in_move:
            self._standing.be_here()

    def _watch(self, name: str, path: Path, frame: Frame | int) -> dict[str, Any]:
        """Return which variable a name means, as a worker needs to know it."""
        order: dict[str, Any] = {"name": name, "path": path}
        seen = self._seen_by(frame)
        if seen is not None:
            index, upvalue = self._inspector.named(seen, name)
            place = {
                "source": seen.source, "defined": seen.defined, "coroutine": seen.coroutine,
                "depth": seen.depth,
            }  # fmt: skip
            if index:
                return order | place | {"scope": "local", "index": index}
            if upvalue:
                return order | place | {"scope": "upvalue"}
            declared = self._declared(seen, name)
            if declared:
                return order | place | {"scope": "local", "index": declared}
            self._refuse_others(seen, name)
        return order | {"scope": "global"}

    def _declared(self, frame: Frame, name: str) -> int:
        """Return which local of a function a name will mean or has meant; 0 for none."""
        tree = self.trees.of(frame.source)
        for function in tree.functions_at(frame.defined) if tree is not None else ():
            for variable in declared_in(function, name):
                return variable.slot
        return 0

    def _refuse_others(self, frame: Frame, name: str) -> None:
        """Refuse a name that this frame does not see, if an outer one does."""
        if any(one.name == name for one in self._inspector.globals()[0]):
            return
        for outer in self._inspector.stack(frame.coroutine, frame.index + 1, _OUTER_FRAMES):
            if any(self._inspector.named(outer, name)):
                raise UsageError(
                    f"{frame.name} sees no {name} here; frame {outer.index} ({outer.name}) does"
                )

    def _seen_by(self, frame: Frame | int) -> Frame | None:
        """Return the frame whose variables are meant; None where no function runs.

        After the end of a script that is the one that ran last: its variables are asked for.
        """
        if isinstance(frame, Frame):
            return frame
        if not self._standing.report["depth"]:
            stop = self._standing.stop
            if frame or not stop.at_end or not stop.position.steps:
                return None
            before = Position(stop.position.event, stop.position.steps - 1)
            self._execution.seek(before)
            if not self._standing.report["depth"]:
                return None
        return self._inspector.frame(frame)

    def _search(self, watch: dict[str, Any], high: Position | None) -> dict[str, Any] | None:
        """Return the last change before a place: in the last events, then in more of them."""
        execution = self._execution
        low = high.event if high is not None else execution.last_event
        place = high
        size = 1
        while True:
            start = position_of(execution.seek(Position(low) if low > 1 else ENTRY))
            if high is None or start < high:
                order: dict[str, Any] = {"arm": 1, "want": "watch", "watch": watch}
                if high is not None:
                    order |= {"to_event": high.event, "to_steps": high.steps}
                watched = execution.run(**order)["watch"]
                if watch["scope"] == "upvalue" and watched["variables"] > 1 and start > ENTRY:
                    # Which of them is the one is known at the place alone.
                    low, high = 1, place
                    continue
                if watched.get("change") is not None:
                    found: dict[str, Any] = watched["change"]
                    return found
                if watched.get("began"):
                    return None
                # What came before is compared up to the first line that was looked at here.
                if watched.get("first") is not None:
                    high = Position(*watched["first"])
            if low <= 1:
                return None
            low = execution.script_event(max(1, low - size))
            size *= 8

    def _change(self, found: dict[str, Any], *, numbered: bool) -> Change:
        position = Position(found["event"], found["steps"])
        event = self._inspector.event(position) if position.event > ENTRY.event else None
        old = found.get("old")
        return Change(
            position, as_text(found.get("source") or ""), found.get("line") or 0,
            NOTHING if old is None else value_of(old), value_of(found["new"]), event,
            found["number"] if numbered else 0, found["at"], found.get("defined", -1),
        )  # fmt: skip

    # Lines -------------------------------------------------------------------------------

    def executions(self, line: int, source: str | None, limit: int) -> Listed[Position]:
        """Return when a line ran (see `Debugger.executions`)."""
        _check_limit(limit)
        with self._asking():
            number, name = line_order(self._standing, self._breakpoints, line, source)["to_line"]
            report = self._execution.scan(
                arm=1, collect=True, most=limit, lines={number: [{"id": 0, "source": name}]}
            )
            return Listed(
                (Position(*one) for one in report["hits"] or []), more=report["found"] > limit
            )

    def hit_counts(self, source: str | None, until: Position | None) -> dict[int, int]:
        """Return how often lines ran (see `Debugger.hit_counts`)."""
        with self._asking():
            asked = source or self._standing.stop.source or main_source(self._standing)
            name = self._breakpoints.source_named(asked)[0]
            order: dict[str, Any] = {"want": "count", "of": name, "arm": 1}
            if until is not None and until > ENTRY:
                order |= {"to_event": until.event, "to_steps": until.steps}
            found = self._execution.scan(**order)["counts"] or {}
            if isinstance(found, list):  # a table with keys from 1 on
                found = dict(enumerate(found, 1))
            return dict(sorted(found.items()))


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MOST_ASKED:
        raise UsageError(f"the limit has to be 1 to {MOST_ASKED}, not {limit}")
