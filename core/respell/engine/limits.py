"""The limits of a session, and the meter that says when one is reached."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from respell import values
from respell.errors import UsageError
from respell.sessions.record import SessionRecord
from respell.times import SECOND

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

REQUEST = "agent.request"
"""The effect that takes tokens and costs money."""

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
            near = difflib.get_close_matches(str(name), LIMITS, n=1)
            meant = f"did you mean {near[0]}? There" if near else "there"
            raise UsageError(f"{name!r} is not a limit; {meant} are {', '.join(LIMITS)}")
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
        self._tokens = int(usage.get("tokens", 0))
        self._cost_usd = float(usage.get("cost_usd", 0.0))
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

    def over(self, effect: str, limits: Mapping[str, Any]) -> Reached | None:
        """Return the limit because of which an effect may not be performed any more.

        Args:
            effect: The effect's name.
            limits: The session's.
        """
        if _reached(limits, "operations", self._operations):
            noun = "effect" if self._operations == 1 else "effects"
            return "operations", f"it performed {self._operations} {noun}"
        if effect != REQUEST:
            return None
        if _reached(limits, "tokens", self._tokens):
            return "tokens", f"its agents took {self._tokens} tokens"
        if _reached(limits, "cost_usd", self._cost_usd):
            return "cost_usd", f"its agents cost {self._cost_usd:g} USD"
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
        self._tokens += usage["input_tokens"] + usage["output_tokens"]
        self._cost_usd += answer.get("cost_usd", 0.0)
        return True

    def heard(self, now: float) -> None:
        """Note that the script did something, so it is not idle, and executes nothing again."""
        self._heard = now
        self._again_until = 0.0

    def leave_out(self, now: float) -> None:
        """Count no time up to now: the script waits for a person's permission."""
        self._counted = now

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
        return {
            "operations": self._operations,
            "tokens": self._tokens,
            "cost_usd": round(self._cost_usd, 9),
            "active_s": round(self._active_s, 6),
        }


def over_limits(session: SessionRecord, operations: int, now: int) -> Reached | None:
    """Return the limit because of which a session without program takes no change any more.

    Nothing runs in it, so its time is looked at when something is about to change it.

    Args:
        session: The session as it is now.
        operations: How many changes it has taken.
        now: The present time, µs since 1970 UTC.
    """
    limits = session.limits
    if _reached(limits, "operations", operations):
        return "operations", f"it took {operations} changes"
    age = (now - session.created_at) / SECOND
    if _reached(limits, "max_duration", age):
        return "max_duration", f"it was created {age:.1f} s ago"
    idle = (now - session.updated_at) / SECOND
    if _reached(limits, "max_idle_time", idle):
        return "max_idle_time", f"it was changed {idle:.1f} s ago, and not since"
    return None


def _reached(limits: Mapping[str, Any], name: str, used: float) -> bool:
    most = limits.get(name)
    return most is not None and used >= most
