"""Breakpoints: where moves stop besides where they were going.

Every breakpoint is a set of positions, the same whichever way it is reached. A line's condition
is Lua, evaluated without a trace; an effect's is Lua or Python, on what was recorded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from respell.errors import UsageError
from respell.history.events import Event

Kind = Literal["line", "function", "error", "effect", "artifact", "state", "divergence", "data"]
KINDS: tuple[Kind, ...] = (
    "line", "function", "error", "effect", "artifact", "state", "divergence", "data",
)  # fmt: skip
OF_EVENTS: tuple[Kind, ...] = ("effect", "artifact", "state")
"""Those that what is recorded decides about, without running anything."""

_HITS = re.compile(r"(==|>=|>|<=|<|=|%)?\s*(\d+)", re.ASCII)


@dataclass(slots=True)
class Breakpoint:
    """One breakpoint.

    Attributes:
        id: Its number, from 1.
        kind: One of `KINDS`.
        source: Chunk name that it is in; empty where it is in none.
        line: Line that it stops at, 1-based; 0 where it is none of a line.
        asked_line: Line that was asked for: the next one with code after it is `line`.
        name: Name of the function, or pattern of the name of the effect (`tool.*`), the artifact
            or the key.
        condition: Lua expression that has to be true; empty for none.
        hits: Which of its hits count, from the session's start: `5`, `>= 5`, `% 3`; empty for all.
        log: Text to write instead of stopping, with {expressions}; empty to stop.
        caught: For error: stop at errors that are caught as well.
        failed: For effect: only those that failed (True) or did not (False), as a tool's result
            may say too; None for both.
        text: For effect: only those whose arguments or outcome contain this text.
        where: For effect: only those of which this is true: a Lua expression over the event, or a
            function. A function is not kept in the store.
        cost_above: For effect: only requests that cost more than this, in US dollars.
        longer_than: For effect: only those that took longer than this, in seconds.
        changes: For state: only where the key gets another value.
        expression: For data: the variable, with fields.
        scope: For data: whose variable it is, as a worker wants to know it.
        since: For data: the position at which it was set, which tells its activation from others.
        enabled: Whether it counts.
        verified: Whether its place is known to have code; False while its source is not loaded.
        temporary: Whether it is taken away once it has stopped a move.
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
    where: Callable[[Event], bool] | str | None = None
    cost_above: float | None = None
    longer_than: float | None = None
    changes: bool = False
    expression: str = ""
    scope: dict[str, Any] = field(default_factory=dict)
    since: str = ""
    enabled: bool = True
    verified: bool = True
    temporary: bool = False
    defined: list[int] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """The reason of a stop at it, as the Debug Adapter Protocol has it."""
        named = {"function": "function breakpoint", "error": "exception", "data": "data breakpoint"}
        return named.get(self.kind, "breakpoint")

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        shown: dict[str, Any] = {"id": self.id, "kind": self.kind, "enabled": self.enabled}
        if self.kind in ("line", "function"):
            shown |= {"source": self.source, "line": self.line}
        if self.kind == "line" and self.asked_line != self.line:
            shown["asked_line"] = self.asked_line
        for name in ("name", "expression", "condition", "hits", "log", "text"):
            if getattr(self, name):
                shown[name] = getattr(self, name)
        if isinstance(self.where, str):
            shown["where"] = self.where
        if self.kind == "error":
            shown["caught"] = self.caught
        for name in ("failed", "cost_above", "longer_than"):
            if getattr(self, name) is not None:
                shown[name] = getattr(self, name)
        for name in ("changes", "temporary"):
            if getattr(self, name):
                shown[name] = True
        if self.scope:
            shown["scope"] = self.scope["scope"]
        if not self.verified:
            shown["pending"] = True
        return shown

    def describe(self) -> str:
        """Return it in a few words."""
        what: str = getattr(self, f"_describe_{self.kind}")()
        if self.condition:
            what += f" if {self.condition}"
        if self.hits:
            what += f", hit {self.hits}"
        if self.log:
            what += f", log {self.log!r}"
        if self.temporary:
            what += ", once"
        return what if self.enabled else what + " (off)"

    def _describe_line(self) -> str:
        if not self.verified:
            return f"{self.source}:{self.asked_line} (waits for this file to be loaded)"
        moved = f" (line {self.asked_line} has no code)" if self.asked_line != self.line else ""
        return f"{self.source}:{self.line}{moved}"

    def _describe_function(self) -> str:
        return f"function {self.name} at {self.source}:{self.line}"

    def _describe_error(self) -> str:
        return "every error" if self.caught else "errors that nothing catches"

    def _describe_effect(self) -> str:
        what = f"effect {self.name}"
        if self.failed is not None:
            what += " that failed" if self.failed else " that did not fail"
        if self.text:
            what += f" with {self.text!r}"
        if self.cost_above is not None:
            what += f" that cost more than {self.cost_above:g} USD"
        if self.longer_than is not None:
            what += f" that took longer than {self.longer_than:g} s"
        if self.where is not None:
            what += (
                f" where {self.where}" if isinstance(self.where, str) else " that a test chooses"
            )
        return what

    def _describe_artifact(self) -> str:
        return f"artifact {self.name} stored"

    def _describe_state(self) -> str:
        return f"state {self.name} " + ("changed" if self.changes else "set")

    def _describe_divergence(self) -> str:
        return "divergence"

    def _describe_data(self) -> str:
        scope = {"local": "this call's local", "upvalue": "upvalue"}
        return f"{scope.get(self.scope['scope'], self.scope['scope'])} {self.expression} changes"

    def matches(self, event: Event) -> bool:
        """Whether an effect is one to stop at, as far as it is known without running Lua."""
        if not event.ordinal or not fnmatchcase(event.name, self.name):
            return False
        if self.failed is not None and has_failed(event) != self.failed:
            return False
        if self.text and self.text not in f"{event.args!r} {event.outcome!r} {event.error or ''}":
            return False
        if self.cost_above is not None and cost_of(event) <= self.cost_above:
            return False
        if self.longer_than is not None and (event.duration_s or 0.0) <= self.longer_than:
            return False
        return not callable(self.where) or bool(self.where(event))

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
    if match is None or int(match[2]) == 0:
        raise UsageError(
            f"{text!r} does not say which hits count, from the first: write 5, >= 5, > 5, < 5, "
            "<= 5 or % 3"
        )
    sign = match[1] or "=="
    return ("==" if sign == "=" else sign), int(match[2])


def has_failed(event: Event) -> bool:
    """Whether an event failed: a tool may say so in its result."""
    said = event.outcome.get("success") if isinstance(event.outcome, dict) else None
    return event.error is not None or (event.name.startswith("tool.") and said is False)


def cost_of(event: Event) -> float:
    """Return what an event cost, in US dollars; 0 for all but requests to models."""
    cost = event.outcome.get("cost_usd") if isinstance(event.outcome, dict) else None
    return float(cost) if isinstance(cost, int | float) else 0.0


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
