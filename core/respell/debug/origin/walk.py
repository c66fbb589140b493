"""One way back: what is asked for next, the steps so far, and how far it may still go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from respell.debug.inspecting import Value
from respell.debug.lua_source import parse
from respell.debug.lua_source.tree import Constant, Node
from respell.debug.lua_source.writing import text_of
from respell.debug.origin.edited import Edited
from respell.debug.origin.known_changes import Changes
from respell.debug.origin.performed import Performed
from respell.debug.origin.places import Place, Places
from respell.debug.origin.statements import Given, Key, Statement, as_key, shown_path
from respell.debug.origin.told import Origin, OriginStep
from respell.debug.over_time import OverTime
from respell.debug.position import Position
from respell.errors import UsageError

MOST_STEPS = 120
"""How many steps are followed in all, where nothing else is asked for."""

_TELLING = 3  # characters of a value that is hardly in an outcome by chance
_SHOWN = 100  # characters of an expression in a step


@dataclass(frozen=True, slots=True)
class Asked:
    """An expression whose value is asked for.

    Attributes:
        node: The expression.
        place: Where it is computed: its line is about to run.
        until: Where it has been computed; None where it is the place itself.
        path: Keys behind it: what is asked for is in there.
        result: Which of its values, from 0.
        value: What it is in the end, as far as known.
        statement: The statement that it is in; None where that is not known.
        same: Whether it is still the value that was asked about first, not one it was made from.
    """

    node: Node
    place: Place
    until: Position | None = None
    path: tuple[Key, ...] = ()
    result: int = 0
    value: Value | None = None
    statement: Statement | None = None
    same: bool = True

    @property
    def text(self) -> str:
        """The expression as text."""
        return text_of(self.node)


Next = Asked | Origin


class Walk:
    """Follows what is asked for until it is known where it came from, or lost.

    Args:
        places: Goes to the places.
        over_time: Knows when values changed.
        performed: Knows the effects.
        edited: Knows the edits.
        following: Returns what is asked for next, or where it came from.
        most: Steps in all.
    """

    def __init__(
        self,
        places: Places,
        over_time: OverTime,
        performed: Performed,
        edited: Edited,
        following: Callable[[Walk, Asked], Next],
        most: int,
    ) -> None:
        self.places, self.performed = places, performed
        self.changes, self.edited = Changes(over_time), edited
        self._following = following
        self._left = most
        self._known: dict[tuple[Any, ...], Origin | None] = {}
        self._steps: list[OriginStep] = []

    def follow(self, expression: str, asked: Asked) -> Origin:
        """Return where the value of an expression came from."""
        kept, self._steps = self._steps, []
        seen: list[tuple[tuple[Any, ...], int]] = []
        value = asked.value
        unvalued = 0  # steps so far whose value is that of what is asked for
        try:
            while True:
                if asked.same:
                    value = value or asked.value
                    unvalued = len(self._steps)
                key = (id(asked.node), asked.place, asked.until, asked.path, asked.result)
                seen.append((key, len(self._steps)))
                found = self._once(asked, key)
                if isinstance(found, Origin):
                    break
                asked = found
            steps = tuple(
                replace(step, value=value) if step.value is None and n < unvalued else step
                for n, step in enumerate(self._steps)
            )
        finally:
            self._steps = kept
        steps += found.steps
        at = found.position or asked.place.position
        value = value or found.value
        told = replace(found, expression=expression, value=value, steps=steps, position=at)
        if told.kind == "lost" and not told.sources and not told.note:
            told = replace(told, note=self._same_value(told.brought, at))
        for key, before in seen:
            self._known[key] = replace(told, steps=steps[before:])
        return told

    def _same_value(self, value: Value | None, at: Position) -> str:
        """Return where the value of what was lost is found, for people; empty for nowhere."""
        wanted = plain(value)
        if isinstance(wanted, bool) or wanted is None or len(str(wanted)) < _TELLING:
            return ""
        found = self.performed.having(wanted, at.event)
        if found is None:
            return ""
        event, place = found
        where = ", ".join(one for one in (event.name, place) if one)
        return f"the same value is in event {event.number} ({where})"

    def _once(self, asked: Asked, key: tuple[Any, ...]) -> Next:
        if key in self._known:
            return self._known[key] or lost("it depends on itself here")
        if self._left <= 0:
            at = asked.place.position
            return lost(f"no more steps are followed at once; ask for {asked.text} again at {at}")
        self._left -= 1
        self._known[key] = None
        return self._following(self, asked)

    def step(
        self, place: Place, what: str, value: Value | None, *, line: int = 0, source: str = ""
    ) -> None:
        """Add a step: what got a value from what at a place."""
        if not line or not source:
            frame = self.places.frame(place)
            line, source = line or frame.line, source or frame.source
        self._steps.append(OriginStep(place.position, source, line, cut(what), value))

    def taken(self) -> tuple[OriginStep, ...]:
        """Return the steps so far, and begin anew."""
        taken, self._steps = tuple(self._steps), []
        return taken

    def go_on(self, asked: Asked, given: Given, place: Place, until: Position) -> Asked:
        """Return what is asked for where a statement gave it from an expression."""
        assert given.value is not None
        return replace(
            asked, node=given.value, place=place, until=until, result=given.result,
            statement=given.statement,
        )  # fmt: skip

    def at(self, asked: Asked, found: Origin) -> Origin:
        """Return an origin with the line of what is asked for."""
        try:
            frame = self.places.frame(asked.place)
        except UsageError:
            return found
        line = (asked.node.line if asked.statement is not None else 0) or frame.line
        return replace(found, position=asked.place.position, source=frame.source, line=line)

    def lost_at(self, asked: Asked, why: str) -> Origin:
        """Return that what is asked for can't be followed from its line."""
        return self.at(asked, lost(why))

    def key(self, node: Node, place: Place) -> Key | None:
        """Return a key's value at a place; None where it is none that can be followed."""
        if isinstance(node, Constant):
            return as_key(node.value)
        found = self.places.value(text_of(node), place)
        return None if found is None else as_key(plain(found))


def read(expression: str) -> Node:
    """Return the tree of an expression.

    Raises:
        UsageError: It is none.
    """
    try:
        body = parse(b"return " + expression.encode(errors="surrogateescape")).main.body
    except UsageError:
        body = []
    values = getattr(body[0], "values", []) if len(body) == 1 else []
    if len(values) != 1:
        raise UsageError(
            f"{expression!r} is no Lua expression, and no key of the state, as in state:total"
        )
    found: Node = values[0]
    return found


def lost(why: str) -> Origin:
    """Return that a value can't be followed."""
    return Origin("", None, "lost", lost=why)


def constant(note: str = "") -> Origin:
    """Return that a value stands in the script."""
    return Origin("", None, "constant", note=cut(note))


def plain(value: Value | None) -> Any:
    """Return a text, number or boolean of the script; None for others, and where it is cut."""
    if value is None:
        return None
    if value.type == "string":
        if not value.text.endswith('"'):
            return None
        node = read(value.text)
        text = node.value if isinstance(node, Constant) else None
        return text.decode(errors="backslashreplace") if isinstance(text, bytes) else None
    if value.type == "boolean":
        return value.text == "true"
    if value.type == "integer":
        return int(value.text)
    return float(value.text) if value.type == "float" else None


def cut(text: str) -> str:
    """Return a text, shortened where it is long."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def named(name: str, path: tuple[Key, ...]) -> str:
    """Return a variable with the keys behind it, as it is written."""
    return name + shown_path(path)
