"""The breakpoints that a client set, and which of the debugger's they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from respell.debug.breakpoint_table import BreakpointTable, Whose
from respell.debug.breakpoints import Breakpoint
from respell.debug.dap.messages import Arguments, Body
from respell.errors import RespellError, UsageError

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession

_NOT_FUNCTION = re.compile(
    r"(?P<kind>effect|artifact|state)[ :]\s*(?P<name>\S+)(?:\s+(?P<failed>failed))?|divergence"
)

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
        "conditionDescription": "Lua over the effect: name == 'tool.invoke' and duration > 1",
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
        waits: Whether it waits for its file to be loaded.
    """

    id: int
    key: tuple[object, ...]
    made: Breakpoint | None = None
    waits: bool = False


@dataclass(slots=True)
class Marks:
    """All of one client, by what they are set with."""

    session: DapSession
    _groups: dict[str, list[Mark]] = field(default_factory=dict)
    _requests: dict[str, Callable[[], list[Body]]] = field(default_factory=dict)
    _data: dict[str, tuple[str, Whose]] = field(default_factory=dict)
    _count: int = 0

    def data_id(self, expression: str, whose: Whose) -> str:
        """Return a text that means a variable, at whatever place that is asked."""
        number = f"{expression}#{len(self._data) + 1}"
        self._data[number] = (expression, whose)
        return number

    def data(self, number: str) -> tuple[str, Whose]:
        """Return the expression, and whose variable it names.

        Raises:
            UsageError: There is none of that id.
        """
        if number not in self._data:
            raise UsageError(f"there is no dataId {number!r}; ask dataBreakpointInfo for one")
        return self._data[number]

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
                mark.waits = not mark.made.verified
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

    def tell_settled(self) -> None:
        """Tell of breakpoints that have waited for their file, which is loaded now."""
        for marks in self._groups.values():
            for mark in marks:
                if mark.waits and mark.made is not None and mark.made.verified:
                    mark.waits = False
                    source = self.session.sources.source_of(mark.made.source)
                    body: Body = {
                        "id": mark.id, "verified": True,
                        "line": self.session.who.line(mark.made.line),
                    }  # fmt: skip
                    if source is not None:
                        body["source"] = source
                    told = {"reason": "changed", "breakpoint": body}
                    self.session.connection.event("breakpoint", told)

    def _forget_made(self) -> None:
        for marks in self._groups.values():
            for mark in marks:
                mark.made = None


def add_by_name(table: BreakpointTable, name: str, condition: str, hits: str) -> Breakpoint:
    """Set the breakpoint that the name of a function breakpoint means.

    Besides a function's name that may be `effect PATTERN`, `effect PATTERN failed`,
    `artifact PATTERN`, `state KEY` or `divergence`.
    """
    match = _NOT_FUNCTION.fullmatch(name.strip())
    if match is None:
        return table.add_function(name.strip(), condition=condition, hits=hits)
    if match["kind"] == "effect":
        failed = True if match["failed"] else None
        return table.add_effect(match["name"], failed=failed, where=condition or None, hits=hits)
    if condition:
        raise UsageError("this breakpoint has no condition; one on an effect has")
    if match["kind"] == "artifact":
        return table.add_artifact(match["name"], hits=hits)
    if match["kind"] == "state":
        return table.add_state(match["name"], hits=hits)
    return table.add_divergence()


def hits_of(args: Arguments) -> str:
    """Return the hit condition of a breakpoint."""
    return args.text("hitCondition", "").strip()
