"""The limits of a session, and the meter that says when one is reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from respell.errors import UsageError

LIMITS: Mapping[str, type] = {
    "operations": int,
    "memory_bytes": int,
    "max_duration": float,
    "max_idle_time": float,
    "tokens": int,
    "cost_usd": float,
    "artifacts": int,
    "artifact_bytes": int,
}
"""The limits a session can have, and the type of each: sizes in bytes, times in seconds."""

DEFAULT_MEMORY_BYTES = 1024**3
LEAST_MEMORY_BYTES = 2 * 1024**2

Reached = tuple[str, str]
"""Name of a limit, and what was reached, in words."""


def check_limits(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits as numbers.

    Raises:
        UsageError: A name is unknown or a value is no positive number.
    """
    checked = {}
    for name, value in limits.items():
        if name not in LIMITS:
            raise UsageError(f"{name!r} is not a limit; there are {', '.join(LIMITS)}")
        try:
            number = LIMITS[name](value)
        except (TypeError, ValueError, OverflowError):
            number = -1
        if not number > 0:
            raise UsageError(f"the limit {name} must be a number above 0, not {value!r}")
        if name == "memory_bytes" and number < LEAST_MEMORY_BYTES:
            raise UsageError(
                f"the limit memory_bytes must be at least {LEAST_MEMORY_BYTES}, as the base "
                f"library alone needs most of that, not {value!r}"
            )
        checked[name] = number
    return checked


def memory_of(limits: Mapping[str, Any]) -> int:
    """Return how many bytes Lua may allocate."""
    return int(limits.get("memory_bytes", DEFAULT_MEMORY_BYTES))


class Meter:
    """Counts what one run uses, on top of what its session had used before.

    Args:
        usage: The session's usage so far.
        now: The present time, by time.monotonic().
    """

    def __init__(self, usage: Mapping[str, Any], now: float) -> None:
        self._operations = int(usage.get("operations", 0))
        self._active_s = float(usage.get("active_s", 0.0))
        self._counted = now  # up to here active time is counted
        self._heard = now
        # Executing again what was counted before is neither active nor idle; it takes about
        # as long as it took then, and what takes much longer is a new computation.
        self._again_until = now + 2 * self._active_s + 1.0 if usage.get("active_s") else now

    def count(self) -> None:
        """Count one operation."""
        self._operations += 1

    def uncount(self) -> None:
        """Take one operation back: it was not performed after all."""
        self._operations -= 1

    def over_operations(self, limits: Mapping[str, Any]) -> Reached | None:
        """Return the limit that one more operation would exceed."""
        most = limits.get("operations")
        if most is None or self._operations < most:
            return None
        return "operations", f"it performed {self._operations} effects"

    def heard(self, now: float) -> None:
        """Note that the script did something, so it is not idle, and executes nothing again."""
        self._heard = now
        self._again_until = 0.0

    def over_time(
        self, limits: Mapping[str, Any], now: float, *, busy: bool, paused: bool
    ) -> Reached | None:
        """Count the time that has passed, and return the limit that is reached.

        Args:
            limits: The session's.
            now: The present time, by time.monotonic().
            busy: An effect is being performed or a timer runs, so the session is not idle.
            paused: Its answers are withheld, so it is neither idle nor active.
        """
        again = now < self._again_until
        if not paused and not again:
            self._active_s += now - self._counted
        self._counted = now
        if busy or paused or again:
            self._heard = now
        duration = limits.get("max_duration")
        if duration is not None and self._active_s >= duration:
            return "max_duration", f"it was active for {self._active_s:.1f} s"
        idle = limits.get("max_idle_time")
        if idle is not None and now - self._heard >= idle:
            return "max_idle_time", f"it did nothing for {idle} s"
        return None

    def usage(self) -> dict[str, Any]:
        """Return what the session has used, this run included."""
        return {"operations": self._operations, "active_s": round(self._active_s, 6)}
