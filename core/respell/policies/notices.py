"""What is told before a limit is reached: alerts, warnings and waits, each once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ALERT, WARNING, WAIT = "limit.alert", "limit.warning", "limit.wait"
"""Names of the events: a share of a limit is used; it is nearly reached; a rate makes wait."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that is told.

    Attributes:
        name: The event that it becomes: `limit.alert`, `limit.warning` or `limit.wait`.
        words: What is the case, in a sentence.
        args: The event's arguments; `limit` is always among them.
    """

    name: str
    words: str
    args: Mapping[str, Any] = field(default_factory=dict)

    @property
    def limit(self) -> str:
        """Name of the limit that it is about."""
        return str(self.args["limit"])


class Told:
    """Which notices a session has had, in this run or an earlier one.

    What was told of a limit is told again when the limit has another value.
    """

    def __init__(self) -> None:
        self._marks: dict[tuple[str, str], tuple[Any, float]] = {}

    def learn(self, name: str, args: Mapping[str, Any]) -> None:
        """Take in a notice of an earlier run."""
        mark = args.get("percent", args.get("left_s"))
        if isinstance(mark, int | float):
            self.first(name, str(args.get("limit")), args.get("value"), float(mark))

    def first(self, name: str, limit: str, value: Any, mark: float) -> bool:
        """Note that a mark is reached; return whether that is new.

        Args:
            name: `limit.alert`, whose marks rise, or `limit.warning`, whose marks fall.
            limit: The limit.
            value: Its value.
            mark: The percent that are used, or the seconds that are left.
        """
        known = self._marks.get((name, limit))
        if known is not None and known[0] == value:
            is_new = mark > known[1] if name == ALERT else mark < known[1]
            if not is_new:
                return False
        self._marks[name, limit] = value, mark
        return True
