"""The timeout policy: how long a session may be active, and how long it may do nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from respell.policies.limits import Reached
from respell.policies.notices import WARNING, Notice, Told

WARN_BEFORE = (300.0, 60.0)
"""So many seconds before the end of `max_duration` it is said that it is near."""


class Timeout:
    """The clock of one run, on top of what its session was active before.

    Args:
        active_s: Seconds the session was active before.
        now: The present time, by time.monotonic().
        told: What was told of already.
        warn_before: Seconds before the end at which that is told.
    """

    def __init__(
        self, active_s: float, now: float, told: Told, warn_before: Sequence[float] = WARN_BEFORE
    ) -> None:
        self.active_s = active_s
        self._counted = now  # up to here active time is counted
        self._heard = now
        self._told = told
        self._warn_before = tuple(sorted(warn_before, reverse=True))
        self._first_warning = max(self._warn_before, default=0.0)
        self._idle_told = False
        # Executing again what was counted before is neither active nor idle; it takes about
        # as long as it took then, and what takes much longer is a new computation.
        self._again_until = now + 2 * active_s + 1.0 if active_s else now

    def heard(self, now: float) -> None:
        """Note that the script did something, so it is not idle, and executes nothing again."""
        self._heard = now
        self._again_until = 0.0
        self._idle_told = False

    def leave_out(self, now: float) -> None:
        """Count no time up to now: the script waits for a person's permission."""
        self._counted = now

    def count(self, now: float, *, busy: bool, paused: bool) -> None:
        """Count the time that has passed.

        Args:
            now: The present time, by time.monotonic().
            busy: An effect is being performed or waited for, so the session is not idle.
            paused: Its answers are withheld, so it is neither idle nor active.
        """
        again = now < self._again_until
        if not paused and not again:
            self.active_s += now - self._counted
        self._counted = now
        if busy or paused or again:
            self._heard = now
            self._idle_told = False

    def over(self, limits: Mapping[str, Any], now: float) -> Reached | None:
        """Return the limit that is reached.

        Args:
            limits: The session's.
            now: The present time, by time.monotonic().
        """
        duration = limits.get("max_duration")
        if duration is not None and self.active_s >= duration:
            return Reached("max_duration", f"it was active for {self.active_s:.1f} s")
        idle = limits.get("max_idle_time")
        if idle is None:
            return None
        quiet, grace = now - self._heard, limits.get("idle_grace", 0.0)
        if quiet < idle + grace:
            return None
        extra = f", and for {grace:g} s more after the warning" if grace else ""
        return Reached("max_idle_time", f"it did nothing for {idle} s{extra}")

    def has_nothing_to_tell(self, limits: Mapping[str, Any], now: float) -> bool:
        """Whether neither end is near; for the arguments see `over`."""
        duration = limits.get("max_duration")
        if duration is not None and duration - self.active_s <= self._first_warning:
            return False
        idle = limits.get("max_idle_time")
        return idle is None or now - self._heard < idle

    def notices(self, limits: Mapping[str, Any], now: float) -> Iterator[Notice]:
        """Yield what is to be told before a limit is reached; for the arguments see `over`."""
        if (duration := limits.get("max_duration")) is not None:
            yield from self._ending(duration)
        idle, grace = limits.get("max_idle_time"), limits.get("idle_grace")
        if idle is None or grace is None or self._idle_told:
            return
        if now - self._heard >= idle:
            self._idle_told = True
            yield Notice(
                WARNING,
                f"it did nothing for {idle:g} s and is stopped in {grace:g} s",
                {"limit": "max_idle_time", "value": idle, "grace_s": grace},
            )

    def _ending(self, duration: float) -> Iterator[Notice]:
        left = duration - self.active_s
        crossed = [mark for mark in self._warn_before if left <= mark < duration]
        if not crossed or left <= 0:
            return
        mark = crossed[-1]
        if self._told.first(WARNING, "max_duration", duration, mark):
            yield Notice(
                WARNING,
                f"it is stopped in {left:.0f} s, when it was active for {duration:g} s",
                {"limit": "max_duration", "value": duration, "left_s": mark},
            )
