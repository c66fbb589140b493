"""Where those breakpoints stop that a worker can't decide about line by line.

What is recorded decides about effects, artifacts and state; hits are counted, and values
followed, by running the whole execution once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from respell import values
from respell.debug.breakpoints import OF_EVENTS, Breakpoint, cost_of, has_failed
from respell.debug.execution import Execution, position_of
from respell.debug.inspecting import Value, value_of
from respell.debug.inspector import EVALUATE_WITHIN_S
from respell.debug.position import Position
from respell.debug.worker import as_text
from respell.errors import UsageError
from respell.history.events import Event, events
from respell.history.record import Part
from respell.sessions.record import SessionRecord
from respell.store import Store

_MOST_HITS = 1_000_000
_AT_ONCE_BYTES = 1 << 20

Changed = tuple[Value, Value]
"""A value before and after a change."""

_MAKES_ARTIFACTS = "artifact.*"


_Key = tuple[Any, ...]


@dataclass(slots=True)
class _Looked:
    """How far one has looked for events, and what for.

    Attributes:
        next: The first event not looked at.
        open: Those before it that had not ended: they are looked at again.
        found: Where those are known that were looked for, by number.
        before: The last values of the state's keys, for those that look for changes.
    """

    next: int = 1
    open: list[int] = field(default_factory=list)
    found: dict[int, Position] = field(default_factory=dict)
    before: dict[tuple[str, str], bytes] = field(default_factory=dict)


class KnownPositions:
    """Positions of breakpoints, each found once.

    Args:
        store: Where the session is.
        session: The session.
        execution: What is re-executed.
        order: Returns what a worker is told of one breakpoint.
    """

    def __init__(
        self,
        store: Store,
        session: SessionRecord,
        execution: Execution,
        order: Callable[[Breakpoint], dict[str, Any]],
    ) -> None:
        self._store, self._session, self._execution = store, session, execution
        self._order = order
        self._positions: dict[_Key, list[Position]] = {}
        self._changes: dict[_Key, dict[Position, Changed]] = {}
        self._looked: dict[_Key, _Looked] = {}

    def grown(self) -> None:
        """Look for more of all of them: more has been recorded."""
        self._positions.clear()
        self._changes.clear()

    @staticmethod
    def has(point: Breakpoint) -> bool:
        """Whether a breakpoint is one of those."""
        return bool(point.kind in (*OF_EVENTS, "data") or point.hits)

    def of(self, point: Breakpoint) -> list[Position]:
        """Return every position at which a breakpoint stops, in the order of time."""
        key = _key(point)
        if key not in self._positions:
            if point.kind in OF_EVENTS:
                found = self._events_of(point)
            elif point.kind == "data":
                found = self._changes_of(point)
            else:
                found = self._scan(point)
            self._positions[key] = [p for i, p in enumerate(found, 1) if point.counts(i)]
        return self._positions[key]

    def change(self, point: Breakpoint, at: Position) -> Changed | None:
        """Return the change that a data breakpoint stops for at a position."""
        self.of(point)
        return self._changes.get(_key(point), {}).get(at)

    def _scan(self, point: Breakpoint) -> list[Position]:
        report = self._execution.scan_on(
            _key(point), collect=True, most=_MOST_HITS, arm=1, **self._order(point)
        )
        return [Position(*one) for one in report["hits"] or []]

    def _changes_of(self, point: Breakpoint) -> list[Position]:
        since = Position.parse(point.since)
        data = {
            "id": point.id, "event": since.event, "steps": since.steps, "name": "", "path": [],
            **point.scope,
        }  # fmt: skip
        if point.condition:
            data["condition"] = point.condition
        report = self._execution.scan_on(_key(point), arm=1, data=data)
        found = {
            Position(event, steps): (value_of(old), value_of(new))
            for event, steps, old, new in report["changes"] or []
        }
        self._changes[_key(point)] = found
        return sorted(found)

    # What is recorded --------------------------------------------------------------------

    def _events_of(self, point: Breakpoint) -> list[Position]:
        looked = self._looked.pop(_key(point), _Looked())
        if point.kind == "state" and looked.open:
            looked = _Looked()  # what came after those has changed something else then
        for number in looked.open:
            looked.found.pop(number, None)
        chosen = {"effect": self._effects, "artifact": self._artifacts, "state": self._states}
        for event in chosen[point.kind](point, looked):
            place = self._place_of(event.number)
            if place is not None:
                looked.found[event.number] = place
        self._looked[_key(point)] = looked
        return sorted(set(looked.found.values()))

    def _recorded(self, looked: _Looked, concerns: Callable[[Event], bool]) -> Iterator[Event]:
        """Yield the events that are to be looked at, of those that can be meant."""
        again, looked.open = looked.open, []
        last = self._execution.last_event
        for first, final in [*((number, number) for number in again), (looked.next, last)]:
            for event in events(self._store, self._session.key, first, final):
                if concerns(event):
                    if not event.ended:
                        looked.open.append(event.number)
                    yield event
        looked.next = last + 1

    def _effects(self, point: Breakpoint, looked: _Looked) -> Iterator[Event]:
        meant = self._recorded(looked, lambda event: fnmatchcase(event.name, point.name))
        found = (event for event in meant if point.matches(event))
        return self.where(point.where, found) if isinstance(point.where, str) else found

    def _artifacts(self, point: Breakpoint, looked: _Looked) -> Iterator[Event]:
        for event in self._recorded(looked, _may_make_artifacts):
            made = self._store.artifacts.of_event(self._session.key, event.number)
            if any(fnmatchcase(one.name, point.name) for one in made):
                yield event

    def _states(self, point: Breakpoint, looked: _Looked) -> Iterator[Event]:
        before = looked.before
        for event in self._recorded(looked, _changes_state):
            key = as_text(event.args.get("key"))
            if event.error is not None or not event.ordinal or not fnmatchcase(key, point.name):
                continue
            place = (as_text(event.args.get("scope") or ""), key)
            value = values.encode(event.args.get("value") if event.name == "state.set" else None)
            if not point.changes or value != before.get(place, values.encode(None)):
                yield event
            before[place] = value

    def where(self, text: str, found: Iterator[Event]) -> Iterator[Event]:
        """Choose events by a Lua expression, computed by a worker that is thrown away."""
        some: list[tuple[Event, dict[str, Any]]] = []
        size = 0
        for event in found:
            data = _as_lua_sees(event)
            size += len(values.encode(data))
            some.append((event, data))
            if size > _AT_ONCE_BYTES:
                yield from self._select(text, some)
                some, size = [], 0
        yield from self._select(text, some)

    def _select(self, text: str, some: list[tuple[Event, dict[str, Any]]]) -> Iterator[Event]:
        if not some:
            return
        assert self._execution.here is not None
        worker = self._execution.throw_away(self._execution.here)
        try:
            said = worker.ask(
                "select", text=text, events=[data for _, data in some], timeout_s=EVALUATE_WITHIN_S
            )
        finally:
            worker.close()
        for (event, _), verdict in zip(some, said["verdicts"], strict=True):
            if verdict:
                yield event

    def _place_of(self, number: int) -> Position | None:
        """Return where the script knows of an event; None if it never does.

        Of one whose answer came after a later event had begun that is found by running.
        """
        history = self._store.history
        records = list(history.events(self._session.key, number, number))
        last, _ = records[-1]
        begun = records[0][1].part is Part.INTENT
        if not begun or history.event_at(self._session.key, last) <= number:
            return Position(number)
        report = self._execution.scan(arm=number, late=number)
        return None if "end" in report else position_of(report)


def _may_make_artifacts(event: Event) -> bool:
    return bool(event.ordinal) and (fnmatchcase(event.name, _MAKES_ARTIFACTS) or not event.parent)


def _changes_state(event: Event) -> bool:
    return event.name in ("state.set", "state.delete")


def check_where(execution: Execution, text: str) -> None:
    """Refuse a text that is no Lua expression.

    Raises:
        UsageError: It is none; says what is wrong with it.
    """
    assert execution.here is not None
    error = execution.here.ask("compiles", text=text).get("error")
    if error is not None:
        raise UsageError(f"{text!r} is no Lua expression: {as_text(error)}")


def _key(point: Breakpoint) -> _Key:
    scope = tuple(sorted((name, str(value)) for name, value in point.scope.items()))
    return (
        point.kind, point.source, point.line, point.name, point.condition, point.hits, point.caught,
        point.failed, point.text, point.where, point.cost_above, point.longer_than, point.changes,
        point.since, scope,
    )  # fmt: skip


def _as_lua_sees(event: Event) -> dict[str, Any]:
    """Return the names that an expression over an event may use."""
    usage = event.outcome.get("usage") if isinstance(event.outcome, dict) else None
    tokens = 0
    if isinstance(usage, dict):
        tokens = sum(usage.get(name) or 0 for name in ("input_tokens", "output_tokens"))
    return {
        "number": event.number, "name": event.name, "kind": event.kind, "args": event.args,
        "outcome": event.outcome, "failed": has_failed(event), "error": event.error or "",
        "cost": cost_of(event), "tokens": tokens, "duration": event.duration_s or 0.0,
        "source": event.source, "line": event.line, "coroutine": event.coroutine,
        "parent": event.parent, "attempts": event.attempts,
    }  # fmt: skip
