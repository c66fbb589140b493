"""What has something inside: scopes, tables, functions, and plain data of the session."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from respell.debug.dap.places import Child, Container
from respell.debug.dap.shown import key_of
from respell.debug.debugger import Debugger
from respell.debug.inspecting import Frame, Value, Variable
from respell.debug.inspector import Only

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LITERAL_KEY = re.compile(r"\[(-?[0-9.]+(e[+-]?[0-9]+)?|\"[^…]*\"|true|false)\]")

MOST_AT_ONCE = 10_000
"""Most entries that are listed at once, where a client asks for all of them."""


def expression_of(parent: str, name: str) -> str:
    """Return what evaluates to an entry of a table; empty where nothing does."""
    if not parent:
        return ""
    if _NAME.fullmatch(name):
        return f"{parent}.{name}"
    return f"{parent}{name}" if _LITERAL_KEY.fullmatch(name) else ""


@dataclass(slots=True)
class Listed:
    """Variables of a function that are known already.

    Attributes:
        entries: All of them.
        frame: Whose they are.
        look: Looks them up.
    """

    entries: list[Child]
    frame: Frame | None
    look: Callable[[], list[Child]]
    indexed: int = 0

    @property
    def named(self) -> int:
        """How many have names."""
        return len(self.entries)

    def children(self, only: Only | None, first: int, count: int) -> list[Child]:
        """Return some of them."""
        return [] if only == "indexed" else self.entries[first : first + count]

    def renewed(self) -> Listed:
        """Return them as they are now."""
        return Listed(self.look(), self.frame, self.look)


def variables_in(variables: list[Variable], *, settable: bool = False) -> list[Child]:
    """Return variables of a function; one that a later one hides can't be evaluated or set."""
    entries: list[Child] = []
    seen: set[str] = set()
    for one in reversed(variables):
        hidden = one.name in seen
        seen.add(one.name)
        plain = _NAME.fullmatch(one.name) is not None and not hidden
        name = f"{one.name} (hidden)" if hidden else one.name
        entries.append(Child(name, one.value, one.name if plain else "", settable and plain))
    return entries[::-1]


_NOTHING = Child("(none)", None)


@dataclass(slots=True)
class Later:
    """What is looked up when it is asked for; that there is nothing is said in its place.

    Editors wait for what is inside of something that they may open.
    """

    look: Callable[[], list[Child]]
    frame: Frame | None = None
    named: int = 0
    indexed: int = 0
    _found: list[Child] | None = field(default=None)

    def children(self, only: Only | None, first: int, count: int) -> list[Child]:
        """Return some of what is there."""
        if only == "indexed":
            return []
        if self._found is None:
            self._found = self.look() or [_NOTHING]
        return self._found[first : first + count]

    def renewed(self) -> Later:
        """Return what is to be looked up again."""
        return Later(self.look, self.frame)


@dataclass(slots=True)
class Inside:
    """What is inside of a value of the script.

    Attributes:
        debugger: Who knows.
        value: A table or a function.
        expression: What evaluates to it; empty where nothing does.
        frame: Where it does.
        settable: Whether entries can be set.
    """

    debugger: Debugger
    value: Value
    expression: str
    frame: Frame | None
    settable: bool

    @property
    def indexed(self) -> int:
        """Items of its list."""
        return self.value.length

    @property
    def named(self) -> int:
        """Everything else: other entries, and the metatable."""
        return max(0, self.value.size - self.value.length) + self.value.has_metatable

    def renewed(self) -> Container | None:
        """Return what is inside of the value that the expression has now; None for no such."""
        if not self.expression:
            return None
        value = self.debugger.look(self.expression, self.frame or 0)
        return inside_of(self.debugger, value, self.expression, self.frame, self.settable)

    def children(self, only: Only | None, first: int, count: int) -> list[Child]:
        """Return some of what is inside."""
        if self.value.type != "table":
            found, _, _ = self.debugger.children(self.value, first=first, count=count)
            return [Child(one.name, one.value) for one in found]
        if only is not None:
            return self._part(only, first, count)
        items = self._part("indexed", first, count)
        left = count - len(items)
        return items + self._part("named", max(0, first - self.value.length), left)

    def _part(self, only: Only, first: int, count: int) -> list[Child]:
        if count <= 0:
            return []
        found, total, meta = self.debugger.children(self.value, first=first, count=count, only=only)
        entries = []
        for one in found:
            expression = expression_of(self.expression, one.name)
            entries.append(
                Child(one.name, one.value, expression, self.settable and bool(expression))
            )
        if only == "named" and meta is not None and first <= total < first + count:
            expression = f"getmetatable({self.expression})" if self.expression else ""
            entries.append(Child("(metatable)", meta, expression))
        return entries


@dataclass(slots=True)
class Data:
    """What is inside of plain data: of an event, of the session's state."""

    value: Any
    frame: Frame | None = None

    @property
    def indexed(self) -> int:
        """Items of a list."""
        return 0 if isinstance(self.value, Mapping) else len(self.value)

    @property
    def named(self) -> int:
        """Entries with keys."""
        return len(self.value) if isinstance(self.value, Mapping) else 0

    def children(self, only: Only | None, first: int, count: int) -> list[Child]:
        """Return some of what is inside."""
        if isinstance(self.value, Mapping):
            pairs = [] if only == "indexed" else list(self.value.items())
            return [Child(key_of(key), value) for key, value in pairs[first : first + count]]
        items = [] if only == "named" else self.value[first : first + count]
        return [Child(f"[{i}]", item) for i, item in enumerate(items, first + 1)]

    def renewed(self) -> Data:
        """Return the same: it is of the session, not of a worker."""
        return self


def inside_of(
    debugger: Debugger, value: object, expression: str, frame: Frame | None, settable: bool
) -> Container | None:
    """Return what is inside of a value; None where nothing is."""
    if isinstance(value, Value):
        if not value.ref or value.type == "thread":
            return None
        if not value.size and not value.has_metatable:
            return None
        return Inside(debugger, value, expression, frame, settable)
    if not value or isinstance(value, (str, bytes)):
        return None
    return Data(value) if isinstance(value, (Mapping, Sequence)) else None
