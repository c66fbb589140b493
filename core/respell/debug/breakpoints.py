"""Breakpoints: where moves stop besides where they were going.

Every breakpoint is a set of positions, the same whichever way it is reached. A line's condition
is Lua, evaluated without a trace; an effect's is Python, on what was recorded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from respell.errors import UsageError
from respell.history.events import Event

Kind = Literal["line", "function", "error", "effect"]
KINDS: tuple[Kind, ...] = ("line", "function", "error", "effect")

_HITS = re.compile(r"(==|>=|>|<=|<|=|%)?\s*(\d+)")
_DEFINITION = re.compile(
    r"""(?:\bfunction\s+(?P<named>[A-Za-z_][\w.:]*)\s*\()
      | (?:(?P<assigned>[A-Za-z_][\w.]*)\s*=\s*function\b)""",
    re.VERBOSE,
)


@dataclass(slots=True)
class Breakpoint:
    """One breakpoint.

    Attributes:
        id: Its number, from 1.
        kind: line, function, error or effect.
        source: Chunk name that it is in; empty for error and effect.
        line: Line that it stops at, 1-based; 0 where it is none of a line.
        asked_line: Line that was asked for: the next one with code after it is `line`.
        name: Name of the function, or pattern of the effect's name (`tool.*`).
        condition: Lua expression that has to be true; empty for none.
        hits: Which of its hits count, from the session's start: `5`, `>= 5`, `% 3`; empty for all.
        log: Text to write instead of stopping, with {expressions}; empty to stop.
        caught: For error: stop at errors that are caught as well.
        failed: For effect: only those that failed (True) or did not (False); None for both.
        text: For effect: only those whose arguments or outcome contain this text.
        where: For effect: only those of which this returns True. Not kept in the store.
        enabled: Whether it counts.
        verified: Whether its place is known to have code.
    """

    id: int
    kind: Kind
    source: str = ""
    line: int = 0
    asked_line: int = 0
    name: str = ""
    condition: str = ""
    hits: str = ""
    log: str = ""
    caught: bool = True
    failed: bool | None = None
    text: str = ""
    where: Callable[[Event], bool] | None = None
    enabled: bool = True
    verified: bool = True
    defined: list[int] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        shown: dict[str, Any] = {"id": self.id, "kind": self.kind, "enabled": self.enabled}
        if self.kind in ("line", "function"):
            shown |= {"source": self.source, "line": self.line}
        if self.kind == "line" and self.asked_line != self.line:
            shown["asked_line"] = self.asked_line
        for name in ("name", "condition", "hits", "log", "text"):
            if getattr(self, name):
                shown[name] = getattr(self, name)
        if self.kind == "error":
            shown["caught"] = self.caught
        if self.failed is not None:
            shown["failed"] = self.failed
        return shown

    def describe(self) -> str:
        """Return it in a few words."""
        if self.kind == "line":
            what = f"{self.source}:{self.line}"
            if self.asked_line != self.line:
                what += f" (line {self.asked_line} has no code)"
        elif self.kind == "function":
            what = f"function {self.name} at {self.source}:{self.line}"
        elif self.kind == "error":
            what = "every error" if self.caught else "errors that nothing catches"
        else:
            what = f"effect {self.name}"
            if self.failed is not None:
                what += " that failed" if self.failed else " that did not fail"
            if self.text:
                what += f" with {self.text!r}"
        if self.condition:
            what += f" if {self.condition}"
        if self.hits:
            what += f", hit {self.hits}"
        if self.log:
            what += f", log {self.log!r}"
        return what if self.enabled else what + " (off)"

    def matches(self, event: Event) -> bool:
        """Whether an effect is one to stop at; for those of kind effect."""
        if not event.ordinal or not fnmatchcase(event.name, self.name):
            return False
        if self.failed is not None and (event.error is not None) != self.failed:
            return False
        if self.text and self.text not in f"{event.args!r} {event.outcome!r} {event.error or ''}":
            return False
        return self.where is None or bool(self.where(event))

    def counts(self, hit: int) -> bool:
        """Whether its `hit`-th hit, from 1, is one to stop at."""
        if not self.hits:
            return True
        sign, number = parse_hits(self.hits)
        return {
            "==": hit == number, ">=": hit >= number, ">": hit > number, "<": hit < number,
            "<=": hit <= number, "%": hit % number == 0,
        }[sign]  # fmt: skip


def parse_hits(text: str) -> tuple[str, int]:
    """Return sign and number of a hit condition such as `5`, `>= 5` or `% 3`.

    Raises:
        UsageError: It is none.
    """
    match = _HITS.fullmatch(text.strip())
    if match is None or (match[1] == "%" and int(match[2]) == 0):
        raise UsageError(
            f"{text!r} does not say which hits count; write 5, >= 5, > 5, < 5, <= 5 or % 3"
        )
    sign = match[1] or "=="
    return ("==" if sign == "=" else sign), int(match[2])


def parse_log(text: str) -> list[str | list[str]]:
    """Return the pieces of a log point's message: texts, and [expression].

    Raises:
        UsageError: A brace is not closed.
    """
    pieces: list[str | list[str]] = []
    rest = text
    while rest:
        before, brace, behind = rest.partition("{")
        if before:
            pieces.append(before)
        if not brace:
            break
        end = _closing(behind)
        if end < 0:
            raise UsageError(f"the message {text!r} has a {{ without its }}")
        pieces.append([behind[:end]])
        rest = behind[end + 1 :]
    return pieces


def _closing(text: str) -> int:
    """Return where the brace closes that was opened before a text; -1 where it does not."""
    depth = 1
    for place, letter in enumerate(text):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth == 0:
            return place
    return -1


def defined_functions(source: str) -> dict[str, list[int]]:
    """Return the lines at which functions are defined, by the names they are given."""
    found: dict[str, list[int]] = {}
    for match in _DEFINITION.finditer(source):
        name = match["named"] or match["assigned"]
        line = source.count("\n", 0, match.end()) + 1
        found.setdefault(name, []).append(line)
    return found
