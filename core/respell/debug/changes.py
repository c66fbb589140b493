"""Changes of a value, and how many of them were looked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from respell.debug.inspecting import Value
from respell.debug.position import Position
from respell.history.events import Event

T = TypeVar("T")

NOTHING = Value("none", "nothing")
"""What a variable was before it was there."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a value.

    Attributes:
        position: The first line at which the new value is there; of a key of the state the
            event that set it.
        source: Chunk name of the line that changed it; empty where that is not known.
        line: That line, 1-based; 0 where it is not known.
        old: The value before; of type none, `NOTHING`, where the variable was not there before.
        new: The value after.
        event: The last event that the script knew of when it changed; None at the start.
        activation: Which one it is of several variables of that name, from 1 in the order in
            which they were seen: of a local the calls of its function are counted, of an upvalue
            the variables. 0 where there is but one, and where only one was looked at.
        holder: What was assigned: 0 for the variable itself, 1 for its first field and so on.
        defined: Line that the function begins at whose line changed it, 0 for a script itself;
            -1 where that is not known.
    """

    position: Position
    source: str
    line: int
    old: Value
    new: Value
    event: Event | None
    activation: int = 0
    holder: int = 0
    defined: int = -1

    @property
    def is_first(self) -> bool:
        """Whether the variable was not there before."""
        return self.old.type == NOTHING.type

    def describe(self, expression: str) -> str:
        """Return it in one line."""
        where = f" by {self.source}:{self.line}" if self.line else ""
        after = ""
        if self.event is not None:
            after = f", after event {self.event.number} ({self.event.name})"
        what = "set" if self.is_first else f"changed from {self.old.text}"
        which = f" (call {self.activation})" if self.activation else ""
        return f"{self.position}  {expression}{which} {what} to {self.new.text}{where}{after}"

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell last --json` shows it."""
        return {
            "position": str(self.position), "source": self.source or None,
            "line": self.line or None, "old": None if self.is_first else self.old.to_json(),
            "new": self.new.to_json(), "event": self.event.number if self.event else None,
            "event_name": self.event.name if self.event else None,
            "activation": self.activation or None,
        }  # fmt: skip


class Listed(list[T]):
    """A list, and whether it has all that there is.

    Attributes:
        more: There is more than was asked for.
    """

    def __init__(self, items: Iterable[T] = (), *, more: bool = False) -> None:
        super().__init__(items)
        self.more = more
