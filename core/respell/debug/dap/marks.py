"""The breakpoints that a client set, and which of the debugger's they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from respell.debug.breakpoints import Breakpoint
from respell.debug.dap.messages import Arguments, Body
from respell.errors import RespellError

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession

_EFFECT = re.compile(r"effect[ :]\s*(?P<name>\S+)(?:\s+(?P<failed>failed))?\s*")

FILTERS: tuple[Body, ...] = (
    {
        "filter": "caught", "label": "All errors",
        "description": "Stops before each line that raises an error, also where pcall catches it",
        "default": False,
    },
    {
        "filter": "uncaught", "label": "Uncaught errors",
        "description": "Stops before the line that raises an error that nothing catches",
        "default": True,
    },
    {
        "filter": "effect", "label": "Failed effects",
        "description": "Stops where the script gets the error of a call of a tool, an agent, …",
        "default": False, "supportsCondition": True,
        "conditionDescription": "Names of effects to stop at, such as tool.*",
    },
)  # fmt: skip
"""What errors one can stop at."""


@dataclass(slots=True)
class Mark:
    """A breakpoint of the client.

    Attributes:
        id: Its number for the client.
        key: What it was set with.
        made: The debugger's; None where it could not be set.
    """

    id: int
    key: tuple[object, ...]
    made: Breakpoint | None = None


@dataclass(slots=True)
class Marks:
    """All of one client, by what they are set with."""

    session: DapSession
    _groups: dict[str, list[Mark]] = field(default_factory=dict)
    _requests: dict[str, Callable[[], list[Body]]] = field(default_factory=dict)
    _count: int = 0

    def set_group(
        self, group: str, wanted: Iterable[tuple[tuple[object, ...], Callable[[], Breakpoint]]]
    ) -> list[tuple[Mark, str]]:
        """Have a group consist of these breakpoints and no others.

        Args:
            group: A source, or a kind.
            wanted: With what each is set, and what sets it.

        Returns:
            The breakpoints, each with why it could not be set; empty where it was.
        """
        table = self.session.debugger.breakpoints
        before = self._groups.pop(group, [])
        known = {one.id for one in table.list()}
        for mark in before:
            if mark.made is not None and mark.made.id in known:
                known.discard(mark.made.id)
                table.remove(mark.made.id)
        numbers = {mark.key: mark.id for mark in before}
        done: list[tuple[Mark, str]] = []
        for key, make in wanted:
            number = numbers.pop(key, None)
            if number is None:
                self._count += 1
                number = self._count
            mark, problem = Mark(number, key), ""
            try:
                mark.made = make()
            except RespellError as error:
                problem = str(error)
            done.append((mark, problem))
        self._groups[group] = [mark for mark, _ in done]
        return done

    def ids_of(self, numbers: Iterable[int]) -> list[int]:
        """Return the client's numbers of breakpoints of the debugger."""
        wanted = set(numbers)
        return [
            mark.id
            for marks in self._groups.values()
            for mark in marks
            if mark.made is not None and mark.made.id in wanted
        ]

    def remember(self, group: str, set_again: Callable[[], list[Body]]) -> None:
        """Keep how a group is set, for another debugger."""
        self._requests[group] = set_again

    def set_again(self) -> None:
        """Set all groups in the debugger that is there now, and tell what has changed."""
        self._forget_made()
        for set_group in list(self._requests.values()):
            for body in set_group():
                self.session.connection.event(
                    "breakpoint", {"reason": "changed", "breakpoint": body}
                )

    def _forget_made(self) -> None:
        for marks in self._groups.values():
            for mark in marks:
                mark.made = None


def effect_named(name: str) -> tuple[str, bool | None] | None:
    """Return the pattern of effects that a function breakpoint's name means, and if failed ones.

    `effect tool.*` and `effect tool.* failed` do; None for the name of a function.
    """
    match = _EFFECT.fullmatch(name.strip())
    if match is None:
        return None
    return match["name"], True if match["failed"] else None


def hits_of(args: Arguments) -> str:
    """Return the hit condition of a breakpoint."""
    return args.text("hitCondition", "").strip()
