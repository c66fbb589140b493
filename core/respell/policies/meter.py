"""The meter: what one run of a session uses, as the built-in policies see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from respell.policies.limits import Reached
from respell.policies.notices import Notice, Told
from respell.policies.resources import ALERTS, Resources
from respell.policies.timeout import WARN_BEFORE, Timeout


class Meter:
    """Counts what one run uses, on top of what its session had used before.

    Args:
        usage: The session's usage so far.
        now: The present time, by time.monotonic().
        alerts: The shares of a limit at which that is told.
        warn_before: Seconds before the end of `max_duration` at which that is told.

    Attributes:
        told: What was told already.
        heard: Notes, given the present time, that the script did something.
        history_bytes: What its history takes up, as far as the caller says.
        memory_bytes: The memory of its Lua runtime, likewise; 0 where that is not known.
    """

    def __init__(
        self,
        usage: Mapping[str, Any],
        now: float,
        *,
        alerts: Sequence[float] = ALERTS,
        warn_before: Sequence[float] = WARN_BEFORE,
    ) -> None:
        self.told = Told()
        self.resources = Resources(usage, self.told, alerts)
        self.timeout = Timeout(float(usage.get("active_s", 0.0)), now, self.told, warn_before)
        self.heard = self.timeout.heard  # called for all that the script does
        self.history_bytes = int(usage.get("history_bytes", 0))
        self.memory_bytes = 0

    def count(self) -> None:
        """Count one operation."""
        self.resources.operations += 1

    def uncount(self) -> None:
        """Take one operation back: it was not performed after all."""
        self.resources.operations -= 1

    def over(self, effect: str, limits: Mapping[str, Any]) -> Reached | None:
        """Return the limit because of which an effect may not be performed any more."""
        return self.resources.over(effect, limits)

    def spend(self, effect: str, outcome: bytes) -> bool:
        """Count what an outcome cost; return whether it cost anything."""
        return self.resources.spend(effect, outcome)

    def leave_out(self, now: float) -> None:
        """Count no time up to now."""
        self.timeout.leave_out(now)

    def over_time(
        self, limits: Mapping[str, Any], now: float, *, busy: bool, paused: bool
    ) -> Reached | None:
        """Count the time that has passed, and return the limit that is reached."""
        self.timeout.count(now, busy=busy, paused=paused)
        return self.timeout.over(limits, now)

    def notices(
        self, limits: Mapping[str, Any], now: float, artifacts: int, artifact_bytes: int
    ) -> list[Notice]:
        """Return what is to be told of limits that are near."""
        resources, timeout = self.resources, self.timeout
        if not resources.could_tell(limits, self.memory_bytes):
            return []
        used = (
            resources.operations, resources.tokens, resources.cost_usd, artifacts, artifact_bytes,
            self.history_bytes, self.memory_bytes,
        )  # fmt: skip
        if timeout.has_nothing_to_tell(limits, now) and resources.has_nothing_to_tell(limits, used):
            return []
        return [*timeout.notices(limits, now), *resources.notices(limits, used)]

    def usage(self) -> dict[str, Any]:
        """Return what the session has used, this run included."""
        return {
            "operations": self.resources.operations,
            "tokens": self.resources.tokens,
            "cost_usd": round(self.resources.cost_usd, 9),
            "active_s": round(self.timeout.active_s, 6),
            "history_bytes": self.history_bytes,
        }
