"""Tokens of rates that several processes share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from respell.policies.rates import MINUTE, Rate
from respell.store.database import Database
from respell.times import SECOND


@dataclass(frozen=True, slots=True)
class Short:
    """A rate that has no token left.

    Attributes:
        name: Its name.
        wait_s: In how many seconds there is one.
    """

    name: str
    wait_s: float


class Rates:
    """Buckets by name: `store.rates`. One that is full has no row."""

    def __init__(self, database: Database) -> None:
        """Made by `Store`."""
        self._database = database

    def take(self, rates: Mapping[str, Rate], now: int, *, reserve: bool) -> Short | None:
        """Take a token of each rate.

        Args:
            rates: By the names of their buckets.
            now: The present time, µs since 1970 UTC.
            reserve: Where there is none, take the next one; otherwise nothing is taken.

        Returns:
            The rate that has to be waited for longest; None where all had a token.
        """
        with self._database:
            left = {name: self._left(name, rate, now) for name, rate in rates.items()}
            waits = [(rate.wait(left[name] - 1), name) for name, rate in rates.items()]
            longest, name = max(waits)
            if longest > 0 and not reserve:
                return Short(name, longest)
            self._database.write("DELETE FROM rates WHERE full_at < ?", (now,))
            for one, rate in rates.items():
                tokens = left[one] - 1
                full_at = now + int((rate.burst - tokens) * MINUTE / rate.per_minute * SECOND)
                self._database.write(
                    "INSERT OR REPLACE INTO rates (name, tokens, at, full_at) VALUES (?, ?, ?, ?)",
                    (one, tokens, now, full_at),
                )
        return Short(name, longest) if longest > 0 else None

    def _left(self, name: str, rate: Rate, now: int) -> float:
        row = self._database.row("SELECT tokens, at FROM rates WHERE name = ?", (name,))
        if row is None:
            return float(rate.burst)
        return rate.refilled(row[0], (now - row[1]) / SECOND)
