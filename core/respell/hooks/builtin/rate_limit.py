"""`[hooks.rate_limit]`: how many calls of tools and requests to models there may be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

from respell.hooks.builtin import TAG
from respell.hooks.context import HookContext
from respell.hooks.registry import HookRegistry
from respell.hooks.results import MOST_ATTEMPTS, Cancel, Retry
from respell.settings import RateLimitHookSettings


def install(registry: HookRegistry, settings: RateLimitHookSettings) -> None:
    """Register it before calls of tools and requests to models."""
    buckets: dict[str, Bucket] = {}
    lock = threading.Lock()

    def limit(context: HookContext) -> Cancel | Retry | None:
        key = context.component if settings.scope == "component" else ""
        with lock:
            bucket = buckets.setdefault(key, Bucket(settings.per_second, settings.burst))
            wait = bucket.take()
        if wait == 0:
            return None
        if settings.action == "wait":
            return Retry(wait, MOST_ATTEMPTS)
        return Cancel(
            f"more than {settings.per_second:g} calls per second; try again in {wait:.2f} s"
        )

    for point in ("BeforeToolExecution", "BeforeAgentExecution"):
        registry.register(
            point, limit, name="rate_limit", priority="highest", tags=(TAG,), quick=True
        )


class Bucket:
    """Tokens that are taken one by one, and come back at a rate.

    Args:
        per_second: How many come back in a second.
        burst: How many there are at most, and at first.
        clock: Seconds that only rise.
    """

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = monotonic
    ) -> None:
        self._rate = per_second
        self._most = float(burst)
        self._clock = clock
        self._left = self._most
        self._at = clock()

    def take(self) -> float:
        """Take one and return 0; where there is none, return seconds until there is one."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / self._rate
