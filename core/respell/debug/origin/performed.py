"""Which effect a call of the script was, and what its history says of the value."""

from __future__ import annotations

from typing import Any

from respell.debug.chunks import given_name
from respell.debug.origin.statements import Key, shown_path
from respell.debug.origin.told import OriginArtifact
from respell.debug.worker import as_text
from respell.errors import RespellError
from respell.history.events import Event, events
from respell.sessions.record import SessionRecord
from respell.store import Store

_MOST_EVENTS = 10_000
_MOST_SEARCHED = 1000  # events that are searched for a value
_DURATION = "workflow.duration"
_FAMILIES = {
    "os.time": ("clock.",), "os.clock": ("clock.",), "os.date": ("clock.",),
    "os.getenv": ("env.",), "os.execute": ("process.",), "io.popen": ("process.",),
    "os.tmpname": ("file.",), "os.remove": ("file.",), "os.rename": ("file.",),
    "io.read": ("input.",), "require": ("module.",),
}  # fmt: skip
_FAMILIES_OF_TABLES = {"io": ("file.", "input."), "utils": ("timer.", "clock.")}


class Performed:
    """Reads the history of one session."""

    def __init__(self, store: Store, session: SessionRecord) -> None:
        self.store, self.session = store, session
        self._searched: tuple[tuple[int, int], list[Event]] | None = None

    def between(
        self, first: int, last: int, coroutine: int, source: str, lines: tuple[int, int]
    ) -> list[Event]:
        """Return the effects that lines of a source caused by themselves, in order.

        Args:
            first: Number of the first event that may be one.
            last: Number of the last one.
            coroutine: Number of the coroutine.
            source: Chunk name.
            lines: First and last line.
        """
        first = max(first, last - _MOST_EVENTS)
        source = given_name(source)
        return [
            event
            for event in events(self.store, self.session.key, first, last)
            if event.ordinal
            and event.coroutine == coroutine
            and event.source == source
            and lines[0] <= event.line <= lines[1]
            and event.kind == "effect"
        ]

    def notes(self, name: str) -> list[dict[Any, Any]]:
        """Return the arguments of all events of a name that the host noted by itself."""
        found = events(self.store, self.session.key) if self.session.forked_from else ()
        return [event.args for event in found if event.name == name]

    def number_of(self, ordinal: int) -> int:
        """Return the number of the how-manieth event that the script caused; 1 for the start."""
        for event in events(self.store, self.session.key) if ordinal else ():
            if event.ordinal == ordinal:
                return event.number
        return 1

    def having(self, value: Any, before: int) -> tuple[Event, str] | None:
        """Return the last event before one that has a value in its outcome, and where in it."""
        first = max(1, before - _MOST_SEARCHED)
        if self._searched is None or self._searched[0] != (first, before):
            found = events(self.store, self.session.key, first, before)
            kept = [one for one in found if one.ordinal and one.kind == "effect"]
            self._searched = ((first, before), kept)
        for event in reversed(self._searched[1]):
            place = place_in(event, value, ())
            if place is not None:
                return event, place
        return None

    def event(self, number: int) -> Event | None:
        """Return an event by its number."""
        return next(events(self.store, self.session.key, number, number), None)

    def last_set(self, get: Event) -> Event | None:
        """Return the event of this session that set what a `state.get` got; None for none."""
        asked = self._state_place(get)
        found = None
        for event in events(self.store, self.session.key, 1, get.number - 1):
            if (
                event.name in ("state.set", "state.delete")
                and event.error is None
                and self._state_place(event) == asked
            ):
                found = event
        return found

    def _state_place(self, event: Event) -> tuple[str, str]:
        scope = as_text(event.args.get("scope") or f"session:{self.session.id}")
        if ":" not in scope and scope != "global":
            scope = f"custom:{scope}"
        return scope, as_text(event.args.get("key"))

    def made(self, number: int) -> OriginArtifact | None:
        """Return the artifact that an event made; None for none."""
        for one in self.store.artifacts.of_event(self.session.key, number):
            return OriginArtifact(one.id, one.name, one.version, one.hash)
        return None

    def read(self, event: Event) -> tuple[OriginArtifact, str, int] | None:
        """Return the artifact that an event read, who made it, and by which event (0: unknown)."""
        given = event.args.get("id")
        if isinstance(given, dict):
            given = given.get("id")
        if given is None:
            return None
        try:
            record = self.store.artifacts.get(as_text(given))
        except RespellError:
            return None
        shown = OriginArtifact(record.id, record.name, record.version, record.hash)
        return shown, record.created_by or "", record.event or 0

    def is_own(self, session: str) -> bool:
        """Whether an id is that of this session."""
        return session == self.session.id


_ABOUT = {
    "tool.": "name", "agent.": "agent", "file.": "path", "state.": "key", "env.": "name",
    "module.": "name", "config.": "path", "artifact.": "name", "process.": "command",
}  # fmt: skip


def about(event: Event) -> str:
    """Return what an effect was about: the tool's or agent's name, a path, a key; empty if none."""
    for family, name in _ABOUT.items():
        if event.name.startswith(family):
            given = event.args.get(name)
            return as_text(given) if isinstance(given, str | bytes) else ""
    return ""


def event_of_call(name: str, found: list[Event], value: Any, path: tuple[Key, ...]) -> Event | None:
    """Return which of several events a call was.

    Args:
        name: What the script calls, `Tool.invoke`; empty for a method.
        found: The events of its lines.
        value: The value that the call gave, if it is known; None otherwise.
        path: The keys behind the call's value at which that stands.
    """
    families: tuple[str, ...] | None = _FAMILIES.get(name)
    if families is None and "." in name:
        table = name.partition(".")[0].lower()
        families = _FAMILIES_OF_TABLES.get(table, (f"{table}.",))
    fitting = [
        one for one in found if families is not None and one.name.startswith(families)
    ] or found
    having = [one for one in fitting if value is not None and has(one, value, path)]
    if having:
        return having[-1]
    numbers = {one.number for one in fitting}
    outer = [one for one in fitting if one.parent not in numbers and one.name != _DURATION]
    return next(reversed(outer or fitting), None)


def has(event: Event, value: Any, path: tuple[Key, ...]) -> bool:
    """Whether a value is anywhere in the outcome of an event, or in its error."""
    if event.error is not None:
        return isinstance(value, str) and event.error in value
    return place_in(event, value, path) is not None


def place_in(event: Event, value: Any, path: tuple[Key, ...]) -> str | None:
    """Return where in an outcome a value is: `result.items[3]`; None for nowhere.

    Args:
        event: The event.
        value: A text, number or boolean of the script; None where it is not known.
        path: The keys behind what the script got; looked at first.
    """
    outcome = event.outcome
    before: tuple[tuple[Key, ...], ...] = ((), ("value",), ("content",))
    for first in before:
        there, known = _at(outcome, (*first, *path))
        if there and (value is None or _same(known, value)):
            return shown_path((*first, *path)).removeprefix(".")
    if value is None:
        return None
    elsewhere = _search(outcome, value, (), [0])
    return None if elsewhere is None else shown_path(elsewhere).removeprefix(".")


_MOST_LOOKED_AT = 20_000


def _search(
    inside: Any, value: Any, path: tuple[Key, ...], looked: list[int]
) -> tuple[Key, ...] | None:
    looked[0] += 1
    if looked[0] > _MOST_LOOKED_AT:
        return None
    if _same(inside, value):
        return path
    items = (
        inside.items() if isinstance(inside, dict)
        else enumerate(inside, 1) if isinstance(inside, list) else ()
    )  # fmt: skip
    for key, one in items:
        known = as_text(key) if isinstance(key, bytes | str) else key
        found = _search(one, value, (*path, known), looked)
        if found is not None:
            return found
    return None


def _at(inside: Any, path: tuple[Key, ...]) -> tuple[bool, Any]:
    for key in path:
        if isinstance(inside, list) and isinstance(key, int) and 1 <= key <= len(inside):
            inside = inside[key - 1]
        elif isinstance(inside, dict) and key in inside:
            inside = inside[key]
        else:
            return False, None
    return True, inside


def _same(known: Any, value: Any) -> bool:
    if isinstance(known, bytes):
        known = known.decode(errors="backslashreplace")
    if isinstance(known, bool) or isinstance(value, bool):
        return known is value
    if isinstance(known, int | float) and isinstance(value, int | float):
        return known == value
    return type(known) is type(value) and known == value
