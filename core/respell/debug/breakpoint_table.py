"""The breakpoints of one session: set, kept in the store, and put into orders for workers."""

from __future__ import annotations

import bisect
import builtins
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from respell.debug.breakpoints import OF_EVENTS, Breakpoint, parse_hits, parse_log
from respell.debug.defined_functions import defined_at, defined_by_name
from respell.debug.execution import Execution
from respell.debug.expressions import parse_expression, state_key
from respell.debug.inspecting import Frame
from respell.debug.known_positions import Changed, KnownPositions, check_where
from respell.debug.position import Position
from respell.debug.sources import Sources
from respell.errors import NotFound, UsageError
from respell.history.events import Event
from respell.sessions.record import SessionRecord
from respell.store import Store

_KEPT = (
    "kind", "source", "line", "asked_line", "name", "condition", "hits", "log", "caught", "failed",
    "text", "where", "cost_above", "longer_than", "changes", "expression", "scope", "since",
    "enabled", "verified", "temporary", "defined",
)  # fmt: skip

Variable = tuple[dict[str, Any], Position]
"""Whose variable a name is, and where that was asked."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose variable an expression names.

    Attributes:
        scope: As a worker wants to know it.
        since: Where that was asked, which tells an activation of a function from others.
    """

    scope: dict[str, Any]
    since: Position


class BreakpointTable:
    """Breakpoints by their numbers.

    Attributes:
        variable: Returns whose variable a name is at a frame of the place where the debugger
            stands; set by the debugger.
        on_change: Called when there are others than before; set by the debugger.
    """

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
        self._sources = sources
        self._kept = kept and not store.read_only
        self._all: dict[int, Breakpoint] = {}
        self._known = KnownPositions(store, session, execution, self.order)
        self._code: dict[str, builtins.list[int]] = {}
        self._begins: dict[str, builtins.list[tuple[int, int]]] = {}
        self.on_change: Callable[[], None] = lambda: None
        self.variable: Callable[[str, Frame | int], Variable] | None = None
        for number, fields in store.debugging.breakpoints(session.key) if kept else ():
            known = {k: v for k, v in fields.items() if k in _KEPT}
            self._all[number] = Breakpoint(number, **known)
            if not self._all[number].verified:
                self._settle(self._all[number])

    def move_to(
        self, store: Store, session: SessionRecord, execution: Execution, sources: Sources
    ) -> None:
        """Have the same breakpoints in another execution, of the session with edits in it."""
        self._store, self._session, self._execution = store, session, execution
        self._sources = sources
        self._known = KnownPositions(store, session, execution, self.order)
        self._code.clear()
        self._begins.clear()

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
        self.on_change()
        self._remove(number)

    def _remove(self, number: int) -> None:
        if self._kept:
            self._store.debugging.delete_breakpoint(self._session.key, number)
        del self._all[number]

    def spend(self, number: int) -> None:
        """Take one away that stops only once; others stay."""
        point = self._all.get(number)
        if point is not None and point.temporary:
            self._remove(number)

    def enable(self, number: int, on: bool) -> None:
        """Switch one on or off."""
        self.get(number).enabled = on
        self.on_change()
        self._keep(self._all[number])

    def change(
        self, number: int, *, condition: str | None = None, hits: str | None = None
    ) -> Breakpoint:
        """Give one another condition, or other hits that count; None leaves it as it is.

        Raises:
            NotFound: There is none of that number.
            UsageError: Its kind has no condition, or the text is none.
        """
        point = self.get(number)
        if condition is not None and point.kind not in ("line", "function", "data"):
            raise UsageError(f"breakpoint {number} ({point.describe()}) takes no condition")
        if hits is not None and point.kind in ("error", "divergence"):
            raise UsageError(f"the hits of breakpoint {number} ({point.describe()}) don't count")
        if condition:
            check_where(self._execution, condition)
        if hits:
            parse_hits(hits)
        point.condition = point.condition if condition is None else condition
        point.hits = point.hits if hits is None else hits
        self.on_change()
        self._keep(point)
        return point

    def positions(self, number: int, *, every: bool = False) -> builtins.list[Position]:
        """Return all positions at which one stops, in the order of time.

        Args:
            number: Its number.
            every: Each of its hits, also those that don't count.

        Raises:
            NotFound: There is none of that number.
            UsageError: Its kind is not found out beforehand (errors, divergence).
            Cancelled: It was cancelled.
        """
        point = self.get(number)
        if point.kind in ("error", "divergence") or not point.verified:
            raise UsageError(f"where breakpoint {number} ({point.describe()}) stops is not known")
        return self._known.of(replace(point, hits="") if every else point)

    # Setting -----------------------------------------------------------------------------

    def add_line(
        self, source: str, line: int, *, pending: bool | None = None, **options: Any
    ) -> Breakpoint:
        """Stop at a line, or at the next one that has code.

        Args:
            source: Name of the file.
            line: The line, 1-based.
            pending: Wait for a file that the session has not loaded; None for whether it may
                still load one, as it has not ended.
            options: condition, hits, log, temporary.

        Raises:
            UsageError: There is no such file in the session, no code there, or an option is wrong.
        """
        try:
            name, _ = self.lines_of(source)
        except UsageError:
            if pending or (pending is None and not self._execution.ended_by_itself):
                return self._add("line", source=source, asked_line=line, verified=False, **options)
            raise
        at = self.line_with_code(source, line)[1]
        return self._add("line", source=name, line=at, asked_line=line, **options)

    def add_function(self, name: str, **options: Any) -> Breakpoint:
        """Stop at the first line of every function of a name.

        Args:
            name: What it is defined as: `fetch`, `tools.fetch`, `Tool:fetch`; or `FILE:LINE` of
                where its definition begins.
            options: condition, hits, log, temporary.

        Raises:
            UsageError: There is none; says which there are.
        """
        texts = {source: one.text for source, one in self._sources.all().items()}
        place = defined_at(name)
        if place is not None:
            source, line = self._sources.named(place[0]).name, place[1]
            begins = [first for first, _ in self._functions_of(source) if first > 0]
            if line not in begins:
                shown = ", ".join(map(str, sorted(set(begins)))) or "none"
                raise UsageError(
                    f"no function of {source} begins at line {line}; those that do are at {shown}"
                )
            found = source, [line]
        else:
            found = defined_by_name(texts, name)
        source, lines = found
        return self._add(
            "function", source=source, line=lines[0], name=name, defined=lines, **options
        )

    def add_error(self, caught: bool = True, *, temporary: bool = False) -> Breakpoint:
        """Stop before the line that raises an error.

        Args:
            caught: Also where something in the script catches it.
            temporary: Only once.
        """
        return self._add("error", caught=caught, temporary=temporary)

    def add_effect(
        self,
        name: str = "*",
        *,
        failed: bool | None = None,
        text: str = "",
        where: Callable[[Event], bool] | str | None = None,
        cost_above: float | None = None,
        longer_than: float | None = None,
        nth: int | None = None,
        hits: str = "",
        temporary: bool = False,
    ) -> Breakpoint:
        """Stop where the script gets to know of an event.

        Args:
            name: Pattern of its name: `tool.invoke`, `agent.*`.
            failed: Only of those that failed (True), or did not (False).
            text: Only of those whose arguments or outcome contain this.
            where: Only of those of which this is true: a Lua expression over number, name, args,
                outcome, failed, error, cost, tokens, duration, source, line, coroutine, parent and
                attempts (`args.name == 'http_request' and failed`), or a function.
            cost_above: Only of requests that cost more, in US dollars.
            longer_than: Only of those that took longer, in seconds.
            nth: Only of the n-th of all those, from 1.
            hits: Which of them count (see `Breakpoint`).
            temporary: Only once.

        Raises:
            UsageError: The expression is none, or nth and hits are both given.
        """
        if nth is not None:
            if hits or nth < 1:
                raise UsageError("give nth, a number from 1, or hits, not both")
            hits = str(nth)
        return self._add(
            "effect", name=name, failed=failed, text=text, where=where, cost_above=cost_above,
            longer_than=longer_than, hits=hits, temporary=temporary,
        )  # fmt: skip

    def add_artifact(
        self, name: str = "*", *, hits: str = "", temporary: bool = False
    ) -> Breakpoint:
        """Stop where an artifact has been stored whose name matches a pattern (`*.txt`)."""
        return self._add("artifact", name=name, hits=hits, temporary=temporary)

    def add_state(
        self, key: str = "*", *, changes: bool = False, hits: str = "", temporary: bool = False
    ) -> Breakpoint:
        """Stop where a key of the state has been set or deleted.

        Args:
            key: Pattern of the key.
            changes: Only where that gave it another value.
            hits: Which of them count (see `Breakpoint`).
            temporary: Only once.
        """
        return self._add("state", name=key, changes=changes, hits=hits, temporary=temporary)

    def add_divergence(self) -> Breakpoint:
        """Stop where the execution asks for something else than what was recorded.

        It can't go on from there, so every move that comes there ends there; the stop names
        this breakpoint then.
        """
        return self._add("divergence")

    def add_data(
        self,
        expression: str,
        frame: Frame | int = 0,
        *,
        condition: str = "",
        hits: str = "",
        temporary: bool = False,
        whose: Whose | None = None,
    ) -> Breakpoint:
        """Stop where the value of a variable has changed, at the line that runs next.

        A local is that of this call of its function alone. A change by a function that is
        called is seen at once where that function has the variable as an upvalue, and always
        for fields.

        Args:
            expression: A variable, with fields: `total`, `config.retries`, `list[3]`.
            frame: Whose variable it is.
            condition: Lua expression that has to be true where it has changed.
            hits: Which of the changes count (see `Breakpoint`).
            temporary: Only once.
            whose: What `whose` returned for the expression, maybe at another place; instead of a
                frame.

        Raises:
            UsageError: It is no such expression.
        """
        found = whose or self.whose(expression, frame)
        return self._add(
            "data", expression=expression.strip(), condition=condition, hits=hits,
            temporary=temporary, scope=found.scope, since=str(found.since),
        )  # fmt: skip

    def whose(self, expression: str, frame: Frame | int = 0) -> Whose:
        """Return whose variable an expression names at a frame.

        Raises:
            UsageError: It is no such expression.
        """
        if (key := state_key(expression)) is not None:
            raise UsageError(
                f"{expression.strip()} is no variable; stop where that key is set: "
                f"`b state {key}`, or `add_state`"
            )
        name, path = parse_expression(expression)
        assert self.variable is not None
        scope, position = self.variable(name, frame)
        return Whose({**scope, "name": name, "path": path}, position)

    def _add(self, kind: Any, **fields: Any) -> Breakpoint:
        made = Breakpoint(self._free_number(), kind, **fields)
        if kind in OF_EVENTS and not made.name:
            raise UsageError(f"say which {kind}: a name, or a pattern such as *")
        if made.hits:
            parse_hits(made.hits)
        texts = [made.condition, made.where if isinstance(made.where, str) else ""]
        if made.log:
            texts += [piece[0] for piece in parse_log(made.log) if not isinstance(piece, str)]
        for text in texts:
            if text:
                check_where(self._execution, text)
        for one in self._all.values():
            if replace(one, id=made.id, enabled=True) == made:
                made = replace(one, enabled=True)  # it is there already
        self._keep(made)  # first: one that the store refuses is not there either
        self._all[made.id] = made
        self.on_change()
        return made

    def _free_number(self) -> int:
        """Return a number that none has, here or in another debugger of the session."""
        numbers = list(self._all)
        if self._kept:
            numbers += [one for one, _ in self._store.debugging.breakpoints(self._session.key)]
        return max(numbers, default=0) + 1

    def _keep(self, point: Breakpoint) -> None:
        if self._kept and not callable(point.where):  # a Python function can't be kept
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
            said = self._execution.here.ask("lines", source=text)
            self._code[name] = builtins.list(said["lines"] or [])
            self._begins[name] = [(first, last) for first, last in said["functions"] or []]
        return name, self._code[name]

    def line_with_code(self, source: str, line: int) -> tuple[str, int]:
        """Return the chunk name that a file's name means, and the first such line from one on.

        Raises:
            UsageError: The session has no such source, or it has no code there.
        """
        name, lines = self.lines_of(source)
        if line < 1:
            raise UsageError(f"{name} has no line {line}; its first one is 1")
        i = bisect.bisect_left(lines, line)
        if i == len(lines):
            last = f"; its last line with code is {lines[-1]}" if lines else ""
            raise UsageError(f"{name} has no code at or after line {line}{last}")
        return name, lines[i]

    def _functions_of(self, source: str) -> builtins.list[tuple[int, int]]:
        """Return first and last line of every function of a source."""
        return self._begins[self.lines_of(source)[0]]

    def grown(self) -> None:
        """Look for positions anew, and for files that breakpoints wait for: there is more."""
        self._known.grown()
        for one in builtins.list(self._all.values()):
            if not one.verified:
                self._settle(one)

    def _settle(self, point: Breakpoint) -> None:
        """Give a breakpoint that waits its line, if its file is there by now."""
        try:
            name, lines = self.lines_of(self._sources.named(point.source, chunks=False).name)
        except UsageError:
            return
        i = bisect.bisect_left(lines, point.asked_line)
        if i < len(lines):
            point.source, point.line, point.verified = name, lines[i], True
            self._keep(point)

    # Orders ------------------------------------------------------------------------------

    def order(self, only: Breakpoint | None = None, *, logs: bool = True) -> dict[str, Any]:
        """Return what a worker needs to know of those that it decides about by itself.

        Args:
            only: This one alone, to find all its hits.
            logs: With log points.
        """
        lines: dict[int, builtins.list[dict[str, Any]]] = {}
        functions: dict[int, builtins.list[dict[str, Any]]] = {}
        errors: builtins.list[Breakpoint] = []
        for one in [only] if only is not None else self._all.values():
            known = only is None and self._known.has(one)
            if only is None and (not self._counts(one) or (known and not one.log)):
                continue
            if one.kind == "error":
                errors.append(one)
            if one.kind not in ("line", "function") or (one.log and only is None and not logs):
                continue
            point: dict[str, Any] = {"id": one.id, "source": one.source}
            if one.condition:
                point["condition"] = one.condition
            if one.log and one is not only:
                point["pieces"] = parse_log(one.log)
                if known:
                    point["at"] = [[at.event, at.steps] for at in self._known.of(one)]
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

    @staticmethod
    def _counts(point: Breakpoint) -> bool:
        return point.enabled and point.verified

    def divergences(self) -> builtins.list[int]:
        """Return the numbers of the breakpoints on divergence."""
        return [one.id for one in self._all.values() if one.kind == "divergence" and one.enabled]

    def reason_of(self, numbers: builtins.list[int]) -> str:
        """Return the reason of a stop at some of them."""
        reasons = {self._all[number].reason for number in numbers if number in self._all}
        for reason in ("data breakpoint", "function breakpoint", "exception"):
            if reason in reasons:
                return reason
        return "breakpoint"

    def changes_at(
        self, numbers: builtins.list[int], at: Position
    ) -> builtins.list[tuple[Breakpoint, Changed]]:
        """Return what changed at a stop, of those of kind data."""
        found = []
        for number in numbers:
            point = self._all.get(number)
            change = self._known.change(point, at) if point and point.kind == "data" else None
            if point is not None and change is not None:
                found.append((point, change))
        return found

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
            if self._counts(one) and self._known.has(one) and not one.log:
                position = choose(self._known.of(one))
                if position is not None:
                    found.setdefault(position, []).append(one.id)
        if not found:
            return None
        position = best(found)
        return position, found[position]
