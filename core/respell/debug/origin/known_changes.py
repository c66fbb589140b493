"""Changes that were found already: a value that stays the same for long is asked for often."""

from __future__ import annotations

from respell.debug.changes import Change
from respell.debug.inspecting import Frame
from respell.debug.origin.statements import Key
from respell.debug.over_time import OverTime
from respell.debug.position import Position

_Asked = tuple[str, tuple[Key, ...], str, int, int, int]


class Changes:
    """Finds the last change of a variable, or of what is at keys behind it."""

    def __init__(self, over_time: OverTime) -> None:
        self._over_time = over_time
        self._known: dict[_Asked, list[tuple[Position, Change]]] = {}

    def last(
        self, name: str, path: tuple[Key, ...], frame: Frame | int, at: Position
    ) -> Change | None:
        """Return the last change before a position, at which the debugger stands.

        Args:
            name: The variable.
            path: The keys behind it.
            frame: Whose variable it is; of its locals those of this call alone.
            at: The position.
        """
        if isinstance(frame, int):
            return self._over_time.last_of(name, path, frame, renewals=True)
        asked = (name, path, frame.source, frame.defined, frame.coroutine, frame.depth)
        for until, change in self._known.get(asked, ()):
            if change.position <= at <= until:
                return change
        found = self._over_time.last_of(name, path, frame, renewals=True)
        # Of a variable of an outer function there may be several by that name.
        if found is not None and self._over_time.watched_scope != "upvalue":
            self._known.setdefault(asked, []).append((at, found))
        return found
