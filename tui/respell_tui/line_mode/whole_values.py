"""Values with what is inside of them, as far as there is room."""

from __future__ import annotations

from respell.debug import Debugger, Value

ROOM = 1_000
"""Characters that a value may take, with all that is inside of its tables."""

_DEEP = 8
_AT_ONCE = 60  # entries of one table


def in_full(debugger: Debugger, value: Value, room: int = ROOM) -> str:
    """Return a value, with what is inside of its tables.

    Args:
        debugger: Where the value is.
        value: One that was shown since the last move.
        room: Characters it may take; what does not fit is left out, which `…` says.
    """
    return _Writer(debugger, room).text(value, ())


class _Writer:
    def __init__(self, debugger: Debugger, room: int) -> None:
        self._debugger, self._room = debugger, room

    def text(self, value: Value, around: tuple[int, ...]) -> str:
        """Return a value that is inside of these tables."""
        if value.type != "table" or not value.ref:
            return self._fitting(value.text)
        if value.ref in around:
            return self._fitting("{… itself}")
        if len(around) == _DEEP or self._room <= 0:
            return "{…}" if value.size else "{}"
        entries, total, meta = self._debugger.children(value, count=_AT_ONCE)
        parts, listed = [], 0
        for one in entries:
            if self._room <= 0:
                break
            name = ""
            if one.name == f"[{listed + 1}]":
                listed += 1
            else:
                name = self._fitting(f"{one.name} = ")
            self._room -= 2
            parts.append(name + self.text(one.value, (*around, value.ref)))
        if len(parts) < total:
            parts.append("…")
        shown = f"{{{', '.join(parts)}}}"
        return f"{shown} with a metatable" if meta is not None else shown

    def _fitting(self, text: str) -> str:
        shown = text if len(text) <= max(self._room, 0) else f"{text[: max(self._room, 8)]}…"
        self._room -= len(shown)
        return shown
