"""The breakpoints of one session: set, kept in the store, and put into orders for workers."""

from __future__ import annotations

import bisect
import builtins
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from respell.debug.breakpoints import Breakpoint, defined_functions, parse_hits, parse_log
from respell.debug.execution import Execution, position_of
from respell.debug.position import Position
from respell.debug.sources import Sources
from respell.errors import NotFound, UsageError
from respell.history.events import Event, events
from respell.history.record import Part
from respell.sessions.record import SessionRecord
from respell.store import Store

_MOST_HITS = 1_000_000
_KEPT = (
    "kind", "source", "line", "asked_line", "name", "condition", "hits", "log", "caught", "failed",
    "text", "enabled", "defined",
)  # fmt: skip


class BreakpointTable:
    """Breakpoints by their numbers."""

    def __init__(
        self,
        store: Store,
        session: SessionRecord,
        execution: Execution,
        sources: Sources,
        *,
        kept: bool = True,
    ) -> None:
        self._store, self._session, self._execution = store, session, execution
        self._sources, self._kept = sources, kept
        self._all: dict[int, Breakpoint] = {}
        self._positions: dict[
            tuple[Any, ...], builtins.list[Position]
        ] = {}  # of those that need a scan
        self._code: dict[str, builtins.list[int]] = {}
        for number, fields in store.debugging.breakpoints(session.key) if kept else ():
            known = {k: v for k, v in fields.items() if k in _KEPT}
            self._all[number] = Breakpoint(number, **known)

    def list(self) -> builtins.list[Breakpoint]:
        """Return all of them."""
        return list(self._all.values())

    def get(self, number: int) -> Breakpoint:
        """Return one.

        Raises:
            NotFound: There is none of that number.
        """
        if number not in self._all:
            raise NotFound(f"there is no breakpoint {number}")
        return self._all[number]

    def remove(self, number: int) -> None:
        """Take one away."""
        self.get(number)
        del self._all[number]
        if self._kept:
            self._store.debugging.delete_breakpoint(self._session.key, number)

    def enable(self, number: int, on: bool) -> None:
        """Switch one on or off."""
        self.get(number).enabled = on
        self._keep(self._all[number])

    # Setting -----------------------------------------------------------------------------

    def add_line(self, source: str, line: int, **options: Any) -> Breakpoint:
        """Stop at a line, or at the next one that has code."""
        name, lines = self.lines_of(source)
        i = bisect.bisect_left(lines, line)
        if line < 1 or i == len(lines):
            last = f"; its last line with code is {lines[-1]}" if lines else ""
            raise UsageError(f"{name} has no code at or after line {line}{last}")
        return self._add("line", source=name, line=lines[i], asked_line=line, **options)

    def add_function(self, name: str, **options: Any) -> Breakpoint:
        """Stop at the first line of every function that is defined by a name."""
        program = self._execution.program
        known: set[str] = set()
        for source, one in self._sources.all().items():
            found = defined_functions(one.text.decode(errors="replace"))
            known |= set(found)
            lines = found.get(name) or found.get(name.replace(":", ".")) or [
                line for full, all_ in found.items() for line in all_
                if full.replace(":", ".").rpartition(".")[2] == name
            ]  # fmt: skip
            if lines:
                return self._add(
                    "function", source=source, line=lines[0], name=name, defined=lines, **options
                )
        shown = ", ".join(sorted(known)[:20]) or "none"
        raise UsageError(
            f"{program.name} defines no function {name}; those it gives a name to are {shown}"
        )

    def add_error(self, caught: bool) -> Breakpoint:
        """Stop where errors are raised."""
        return self._add("error", caught=caught)

    def add_effect(
        self,
        name: str,
        *,
        failed: bool | None = None,
        text: str = "",
        where: Callable[[Event], bool] | None = None,
        hits: str = "",
    ) -> Breakpoint:
        """Stop where the script gets to know of an event."""
        return self._add("effect", name=name, failed=failed, text=text, where=where, hits=hits)

    def _add(self, kind: Any, **fields: Any) -> Breakpoint:
        made = Breakpoint(max(self._all, default=0) + 1, kind, **fields)
        if made.hits:
            parse_hits(made.hits)
        if made.log:
            parse_log(made.log)
        for one in self._all.values():
            if replace(one, id=made.id, enabled=True) == made:
                made = replace(one, enabled=True)  # it is there already
        self._all[made.id] = made
        self._keep(made)
        return made

    def _keep(self, point: Breakpoint) -> None:
        if self._kept and point.where is None:  # a Python function can't be kept
            fields = {name: getattr(point, name) for name in _KEPT}
            self._store.debugging.set_breakpoint(self._session.key, point.id, fields)

    # Sources -----------------------------------------------------------------------------

    def source_named(self, name: str) -> tuple[str, bytes]:
        """Return chunk name and text of a source by its name, path, or the end of one.

        Raises:
            UsageError: The session has no such source.
        """
        found = self._sources.named(name)
        return found.name, found.text

    def lines_of(self, source: str) -> tuple[str, builtins.list[int]]:
        """Return the chunk name that a file's name means, and its lines that have code.

        Raises:
            UsageError: The session has no such source.
        """
        name, text = self.source_named(source)
        if name not in self._code:
            assert self._execution.here is not None
            self._code[name] = builtins.list(
                self._execution.here.ask("lines", source=text)["lines"] or []
            )
        return name, self._code[name]

    # Orders ------------------------------------------------------------------------------

    def order(self, only: Breakpoint | None = None) -> dict[str, Any]:
        """Return what a worker needs to know of those that it decides about by itself."""
        lines: dict[int, builtins.list[dict[str, Any]]] = {}
        functions: dict[int, builtins.list[dict[str, Any]]] = {}
        errors: builtins.list[Breakpoint] = []
        for one in [only] if only is not None else self._all.values():
            if not one.enabled or one.kind == "effect" or (one.hits and one is not only):
                continue
            if one.kind == "error":
                errors.append(one)
                continue
            point: dict[str, Any] = {"id": one.id, "source": one.source}
            if one.condition:
                point["condition"] = one.condition
            if one.log and one is not only:
                point["pieces"] = parse_log(one.log)
            if one.kind == "line":
                lines.setdefault(one.line, []).append(point)
            for line in one.defined:
                functions.setdefault(line, []).append(point)
        order: dict[str, Any] = {}
        if lines:
            order["lines"] = lines
        if functions:
            order["functions"] = functions
        if errors:
            kind = "all" if any(one.caught for one in errors) else "uncaught"
            order["errors"] = {"kind": kind, "ids": [one.id for one in errors]}
        return order

    def next_known(self, after: Position) -> tuple[Position, builtins.list[int]] | None:
        """Return the next position after one at which those stop that a worker can't decide."""
        return self._nearest(lambda all_: next((p for p in all_ if p > after), None), min)

    def last_known(self, before: Position) -> tuple[Position, builtins.list[int]] | None:
        """The same backwards."""
        return self._nearest(
            lambda all_: next((p for p in reversed(all_) if p < before), None), max
        )

    def _nearest(
        self,
        choose: Callable[[builtins.list[Position]], Position | None],
        best: Callable[..., Position],
    ) -> tuple[Position, builtins.list[int]] | None:
        found: dict[Position, builtins.list[int]] = {}
        for one in self._all.values():
            if one.enabled and (one.kind == "effect" or one.hits):
                position = choose(self._positions_of(one))
                if position is not None:
                    found.setdefault(position, []).append(one.id)
        if not found:
            return None
        position = best(found)
        return position, found[position]

    def _positions_of(self, point: Breakpoint) -> builtins.list[Position]:
        """Return every position at which it stops; they never change."""
        key = (point.kind, point.source, point.line, point.name, point.condition, point.hits,
               point.caught, point.failed, point.text, point.where)  # fmt: skip
        if key not in self._positions:
            found = self._events_of(point) if point.kind == "effect" else self._scan(point)
            self._positions[key] = [p for i, p in enumerate(found, 1) if point.counts(i)]
        return self._positions[key]

    def _events_of(self, point: Breakpoint) -> builtins.list[Position]:
        last = self._execution.last_event
        places = (
            self._place_of(event.number)
            for event in events(self._store, self._session.key, 1, last)
            if point.matches(event)
        )
        return sorted({place for place in places if place is not None})

    def _place_of(self, number: int) -> Position | None:
        """Return where the script knows of an event; None if it never does.

        Of one whose answer came after a later event had begun that is found by running.
        """
        history = self._store.history
        records = builtins.list(history.events(self._session.key, number, number))
        last, _ = records[-1]
        begun = records[0][1].part is Part.INTENT
        if not begun or history.event_at(self._session.key, last) <= number:
            return Position(number)
        report = self._execution.scan(arm=number, late=number)
        return None if "end" in report else position_of(report)

    def _scan(self, point: Breakpoint) -> builtins.list[Position]:
        report = self._execution.scan(collect=True, most=_MOST_HITS, arm=1, **self.order(point))
        return [Position(*one) for one in report["hits"] or []]
