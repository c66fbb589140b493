"""Positions: addresses of moments in a session's execution."""

from __future__ import annotations

import re
from dataclasses import dataclass

from respell.errors import UsageError

SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
"""A share of all events: `50%`."""

_POSITION = re.compile(r"([0-9]{1,18})(?:\+([0-9]{1,18}))?")
_SHOWN = 60  # characters of what is none
_MOST_NAME = 255


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A moment of an execution; positions of one session are in the order of time.

    Attributes:
        event: Number of the last event whose answer the script had got; 1 is the start.
        steps: Line steps since then, counted over all coroutines: with `steps` 3 the third line
            since is about to run. 0 is the moment at which the answer is there.
    """

    event: int
    steps: int = 0

    @classmethod
    def parse(cls, text: str) -> Position:
        """Return the position of a text such as `12` or `12+340`.

        Raises:
            UsageError: It is not a position.
        """
        match = _POSITION.fullmatch(text.strip())
        if match is None or int(match[1]) < 1:
            raise UsageError(
                f"{text[:_SHOWN]!r} is not a position: an event number (1, 2, …), or one and the "
                "line steps after it, as in 12+340"
            )
        return cls(int(match[1]), int(match[2] or 0))

    def __str__(self) -> str:
        return f"{self.event}+{self.steps}"


def check_bookmark(name: str) -> None:
    """Refuse a bookmark's name that nobody could go to.

    Raises:
        UsageError: It is empty, too long, has control characters, or means a position.
    """
    if not name or name != name.strip() or not name.isprintable() or len(name) > _MOST_NAME:
        raise UsageError(f"a bookmark's name is 1 to {_MOST_NAME} characters in one line")
    if name in ("start", "end") or _POSITION.fullmatch(name) or SHARE.fullmatch(name):
        raise UsageError(f"{name} is a position already; give the bookmark another name")
