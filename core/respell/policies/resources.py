"""The resource policy: what a session takes up, and what is told before it has too much."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from operator import lt
from typing import Any

from respell import values
from respell.policies.limits import (
    DEFAULT_MEMORY_BYTES,
    REQUEST,
    Reached,
    memory_of,
    reached,
)
from respell.policies.notices import ALERT, Notice, Told

ALERTS = (0.5, 0.75, 0.9)
"""The shares of a limit at which it is told how much is used."""

COUNTED = (
    "operations", "tokens", "cost_usd", "artifacts", "artifact_bytes", "history_bytes",
    "memory_bytes",
)  # fmt: skip
"""The limits of which shares are told."""


class Resources:
    """Counts what one run takes, on top of what its session had taken before.

    Args:
        usage: The session's usage so far.
        told: What was told of already.
        alerts: The shares of a limit at which that is told.

    Attributes:
        operations: Effects that were performed.
        tokens: Tokens that its agents took.
        cost_usd: What they cost.
    """

    def __init__(
        self, usage: Mapping[str, Any], told: Told, alerts: Sequence[float] = ALERTS
    ) -> None:
        self.operations = int(usage.get("operations", 0))
        self.tokens = int(usage.get("tokens", 0))
        self.cost_usd = float(usage.get("cost_usd", 0.0))
        self._told = told
        self._alerts = tuple(sorted(alerts))
        self._seen: Mapping[str, Any] | None = None
        self._marks: list[tuple[str, float, float]] = []
        self._next = (math.inf,) * len(COUNTED)  # amounts at which there is something to tell
        self._quiet_bytes = min(self._alerts, default=math.inf) * DEFAULT_MEMORY_BYTES

    def over(self, effect: str, limits: Mapping[str, Any]) -> Reached | None:
        """Return the limit because of which an effect may not be performed any more.

        Args:
            effect: The effect's name.
            limits: The session's.
        """
        if reached(limits, "operations", self.operations):
            noun = "effect" if self.operations == 1 else "effects"
            return Reached("operations", f"it performed {self.operations} {noun}")
        if effect != REQUEST:
            return None
        if reached(limits, "tokens", self.tokens):
            return Reached("tokens", f"its agents took {self.tokens} tokens")
        if reached(limits, "cost_usd", self.cost_usd):
            return Reached("cost_usd", f"its agents cost {self.cost_usd:g} USD")
        return None

    def spend(self, effect: str, outcome: bytes) -> bool:
        """Count the tokens and the cost that an outcome tells of.

        Args:
            effect: The effect's name.
            outcome: Canonical bytes of what it came to.

        Returns:
            Whether anything was counted.
        """
        if effect != REQUEST:
            return False
        answer = values.decode(outcome)
        usage = answer["usage"]
        self.tokens += usage["input_tokens"] + usage["output_tokens"]
        self.cost_usd += answer.get("cost_usd", 0.0)
        return True

    def could_tell(self, limits: Mapping[str, Any], memory_bytes: int) -> bool:
        """Whether a share of some limit can be used: most sessions have none."""
        return bool(limits) or memory_bytes >= self._quiet_bytes

    def has_nothing_to_tell(self, limits: Mapping[str, Any], used: Sequence[float]) -> bool:
        """Whether of no limit one more share is used; for the arguments see `notices`."""
        if limits != self._seen:
            self._seen, self._marks = dict(limits), self._marks_of(limits)
            self._next = self._next_amounts()
        return all(map(lt, used, self._next))

    def notices(self, limits: Mapping[str, Any], used: Sequence[float]) -> Iterator[Notice]:
        """Yield an alert for each limit of which one more share is used.

        Args:
            limits: The session's.
            used: What it has used of each, in the order of `COUNTED`.
        """
        if self.has_nothing_to_tell(limits, used):
            return
        amounts = dict(zip(COUNTED, used, strict=True))
        for at, (name, most, mark) in enumerate(self._marks):
            amount = amounts[name]
            if amount < mark * most:
                continue
            share = max(one for one in self._alerts if amount >= one * most)
            higher = [one for one in self._alerts if one > share]
            self._marks[at] = (name, most, higher[0] if higher else math.inf)
            self._next = self._next_amounts()
            percent = round(share * 100, 6)
            if self._told.first(ALERT, name, most, percent):
                yield Notice(
                    ALERT,
                    f"{percent:g} % of the limit {name} is used: {amount:.10g} of {most:.10g}",
                    {"limit": name, "value": most, "used": amount, "percent": percent},
                )

    def _next_amounts(self) -> tuple[float, ...]:
        marks = {name: share * most for name, most, share in self._marks}
        return tuple(marks.get(name, math.inf) for name in COUNTED)

    def _marks_of(self, limits: Mapping[str, Any]) -> list[tuple[str, float, float]]:
        """Return each limit that counts something, its value, and the first share to be told."""
        if not self._alerts:
            return []
        every = {**limits, "memory_bytes": memory_of(limits)}
        return [(name, every[name], self._alerts[0]) for name in COUNTED if name in every]
