"""What a hook has done so far: its circuit breaker, and how often and how fast it ran."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

FAILURES_THAT_OPEN = 3
HALF_OPEN_AFTER_S = 15.0
KEPT_DURATIONS = 1_000

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"


class Breaker:
    """Keeps a hook that fails from being called for a while.

    Three failures in a row open it. After 15 seconds one call is let through: if that goes
    well it is closed again, otherwise it stays open for as long again. Safe for threads.

    Args:
        clock: Seconds that only rise, as of time.monotonic.

    Attributes:
        failures: How often in a row calls have failed; 0 for a breaker that nobody need ask.
    """

    __slots__ = ("_clock", "_lock", "_opened", "_stuck", "_trying", "failures")

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.failures = 0
        self._opened = 0.0
        self._trying = False
        self._stuck = 0  # calls that were given up and have not come back

    @property
    def state(self) -> str:
        """`closed`, `open` or `half-open`."""
        if self.failures < FAILURES_THAT_OPEN:
            return CLOSED
        waited = self._clock() - self._opened >= HALF_OPEN_AFTER_S and not self._stuck
        return HALF_OPEN if waited or self._trying else OPEN

    def lets_through(self) -> bool:
        """Return whether the hook may be called now; one that may has to tell how it went."""
        if self.failures < FAILURES_THAT_OPEN:
            return True
        with self._lock:
            if self.failures < FAILURES_THAT_OPEN:
                return True
            if self._trying or self._stuck or self._clock() - self._opened < HALF_OPEN_AFTER_S:
                return False
            self._trying = True
            return True

    def succeeded(self) -> None:
        """Note that a call went well."""
        if self.failures:
            with self._lock:
                self.failures, self._trying = 0, False

    def failed(self) -> None:
        """Note that a call failed."""
        with self._lock:
            self._fail(self.failures + 1)

    def stuck_in(self, stuck: bool) -> None:
        """Note that a call was given up, or has come back after all.

        Until it comes back no other is let through: each might take one more thread with it.
        """
        with self._lock:
            self._stuck += 1 if stuck else -1
            if stuck:
                self._fail(FAILURES_THAT_OPEN)

    def _fail(self, failures: int) -> None:
        self.failures, self._trying = failures, False
        if failures >= FAILURES_THAT_OPEN:
            self._opened = self._clock()

    def reset(self) -> None:
        """Close it."""
        with self._lock:
            self.failures, self._trying = 0, False


@dataclass(frozen=True, slots=True)
class Figures:
    """How often and how fast a hook ran; durations in seconds, None before its first call.

    Attributes:
        calls: How often it was called.
        failures: How often that failed, or took too long.
        left_out: How often it was not called, because its breaker was open.
        p50_s: Half of its last 1000 calls took at most this.
        p95_s: 95 % of them.
        p99_s: 99 % of them.
        breaker: `closed`, `open` or `half-open`.
    """

    calls: int
    failures: int
    left_out: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    breaker: str


class Meter:
    """Counts the calls of one hook. Threads may lose one another's count, never their own."""

    __slots__ = ("calls", "durations", "failures", "left_out")

    def __init__(self) -> None:
        self.calls = self.failures = self.left_out = 0
        self.durations: deque[float] = deque(maxlen=KEPT_DURATIONS)

    def figures(self, breaker: str) -> Figures:
        """Return what was counted so far."""
        taken = sorted(self.durations.copy())
        p50, p95, p99 = (percentile(taken, share) for share in (0.50, 0.95, 0.99))
        return Figures(self.calls, self.failures, self.left_out, p50, p95, p99, breaker)


def percentile(ascending: Sequence[float], share: float) -> float | None:
    """Return what a share (0 to 1) of some values are at most; None where there are none."""
    if not ascending:
        return None
    rank = -(-share * len(ascending) // 1)  # rounded up
    return ascending[max(0, min(len(ascending), int(rank)) - 1)]
