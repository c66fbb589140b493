"""Rates: how often something may be done, as token buckets.

A bucket holds `burst` tokens and is full at first. Each effect takes one; they come back at
the rate's pace. An effect that finds none reserves the next one and waits for it, or is not
performed. Time is the host's: nothing of this is seen by a script, and re-execution, which
performs nothing, takes no tokens.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import total_ordering
from typing import Any, Self

from respell.errors import UsageError

MINUTE = 60.0
_UNITS: Mapping[str, float] = {"s": 60.0, "min": 1.0, "h": 1 / 60}
_FORM = re.compile(
    r"\s*(\d+(?:\.\d+)?|\.\d+)\s*(?:/\s*(s|min|h))?(?:\s+burst\s+(\d+))?\s*", re.ASCII
)
_MOST = 1e9
_TEXTS = 'e.g. 60 or "60/min", "5/s", "100/h", "60/min burst 10"'


@total_ordering
@dataclass(frozen=True, slots=True)
class Rate:
    """So many a minute, and so many at once.

    Attributes:
        per_minute: How many a minute in the long run.
        burst: How many at once after a rest.
    """

    per_minute: float
    burst: int

    @classmethod
    def parse(cls, value: Any, *, what: str = "a rate") -> Self:
        """Return the rate of a number (a minute) or of a text such as `5/s burst 10`.

        Without a burst there may be as many at once as the unit has in one second, at least
        one: `60/min` is one by one, `10/s` up to ten at once.

        Args:
            value: The number or the text.
            what: What it is of; begins the error.

        Raises:
            UsageError: It is none; says what is allowed.
        """
        found = None
        if isinstance(value, int | float) and not isinstance(value, bool):
            found = _FORM.fullmatch(f"{value:.9f}") if 0 < value <= _MOST else None
        elif isinstance(value, str):
            found = _FORM.fullmatch(value)
        if found is None:
            raise UsageError(f"{what} must be a number above 0, {_TEXTS}; not {value!r:.80}")
        per_minute = float(found[1]) * _UNITS[found[2] or "min"]
        burst = int(found[3]) if found[3] else max(1, math.floor(per_minute / 60 + 1e-9))
        if not 0 < per_minute <= _MOST or not 1 <= burst <= _MOST:
            raise UsageError(f"{what} must be a number above 0, {_TEXTS}; not {value!r:.80}")
        return cls(per_minute, burst)

    def __str__(self) -> str:
        """Return it as it is written."""
        usual = max(1, math.floor(self.per_minute / 60 + 1e-9))
        unit = "h" if self.per_minute < 1 else "min"
        number = f"{self.per_minute / _UNITS[unit]:.9f}".rstrip("0").rstrip(".")
        return f"{number}/{unit}" + ("" if self.burst == usual else f" burst {self.burst}")

    def __lt__(self, other: Rate) -> bool:
        """Whether it lets less pass in the long run, or else at once."""
        return (self.per_minute, self.burst) < (other.per_minute, other.burst)

    def refilled(self, tokens: float, passed_s: float) -> float:
        """Return how many tokens there are after a time."""
        if passed_s > 0:
            tokens += passed_s * self.per_minute / MINUTE
        return tokens if tokens < self.burst else float(self.burst)

    def wait(self, tokens: float) -> float:
        """Return for how many seconds one has to wait who has taken the last of `tokens`."""
        return 0.0 if tokens >= 0 else -tokens * MINUTE / self.per_minute


@dataclass(slots=True)
class Bucket:
    """The tokens of one rate.

    Attributes:
        rate: The rate.
        tokens: How many there were at `at`; negative where some are reserved.
        at: When, by the same clock as `take`.
    """

    rate: Rate
    tokens: float
    at: float

    def left(self, now: float) -> float:
        """Return how many tokens there are."""
        return self.rate.refilled(self.tokens, now - self.at)

    def take(self, now: float) -> float:
        """Take a token, or reserve the next one; return for how many seconds to wait for it."""
        tokens = self.tokens = self.left(now) - 1
        self.at = now
        return 0.0 if tokens >= 0 else self.rate.wait(tokens)


@dataclass(slots=True)
class Buckets:
    """The buckets of one running session, by name; full when it begins to run."""

    _kept: dict[str, Bucket] = field(default_factory=dict)
    _rates: dict[str, Any] = field(default_factory=dict)

    def of(
        self, rates: Mapping[str, Any], names: Iterable[str], now: float
    ) -> list[tuple[str, Bucket]]:
        """Return those that an effect has to take a token of, with their names.

        Args:
            rates: The session's, by name.
            names: What the effect is called: `all`, its own name, and its tool's.
            now: The present time, in seconds.
        """
        found = []
        for name in names:
            written = rates.get(name)
            if written is None:
                continue
            if self._rates.get(name) != written:
                self._rates[name] = written
                self._changed(name, Rate.parse(written), now)
            found.append((name, self._kept[name]))
        return found

    def _changed(self, name: str, rate: Rate, now: float) -> None:
        """Give a bucket another rate; what was taken of the old one stays taken."""
        old = self._kept.get(name)
        tokens = float(rate.burst)
        if old is not None:
            tokens = min(tokens, old.left(now) + max(0, rate.burst - old.rate.burst))
        self._kept[name] = Bucket(rate, tokens, now)
