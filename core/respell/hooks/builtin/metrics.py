"""`[hooks.metrics]`: how often effects were performed, failed, and how long they took."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from respell.hooks.breaker import percentile
from respell.hooks.builtin import TAG
from respell.hooks.builtin.keeping import keep
from respell.hooks.context import HookContext
from respell.hooks.registry import HookRegistry
from respell.settings import MetricsHookSettings

ARTIFACT = "hook-metrics.json"
KEPT = 1_000
"""Durations of an effect that percentiles are of: the last ones."""


def install(registry: HookRegistry, settings: MetricsHookSettings) -> None:
    """Register it around every effect, and at the end of the run."""
    gathered = _Gathered()
    for point, callback, priority in (
        ("BeforeEffect", gathered.begin, "lowest"),  # so that other hooks' time is not in it
        ("AfterEffect", gathered.end, "highest"),
        ("EffectError", gathered.fail, "highest"),
        ("SystemShutdown", gathered.keep, "low"),
    ):
        registry.register(
            point, callback, name="metrics", priority=priority, tags=(TAG,), quick=True
        )


@dataclass(slots=True)
class _Counts:
    calls: int = 0
    failures: int = 0
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))


class _Gathered:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: dict[int, float] = {}
        self._counts: dict[str, _Counts] = {}

    def begin(self, context: HookContext) -> None:
        with self._lock:
            self._begun[context.event] = perf_counter()

    def end(self, context: HookContext) -> None:
        self._count(context, failed=False)

    def fail(self, context: HookContext) -> None:
        self._count(context, failed=True)

    def _count(self, context: HookContext, *, failed: bool) -> None:
        now = perf_counter()
        name = context.effect
        if context.component_id["type"] in ("tool", "agent"):
            name += f" {context.component}"
        with self._lock:
            counts = self._counts.setdefault(name, _Counts())
            counts.calls += 1
            counts.failures += failed
            begun = self._begun.pop(context.event, None)
            if begun is not None:
                counts.durations.append(now - begun)

    def keep(self, context: HookContext) -> None:
        with self._lock:
            shown = {name: _shown(counts) for name, counts in sorted(self._counts.items())}
        if shown:
            keep(context, ARTIFACT, shown)


def _shown(counts: _Counts) -> dict[str, Any]:
    taken = sorted(counts.durations)
    figures = {
        f"p{share}_s": percentile(taken, share / 100) for share in (50, 95, 99)
    }  # fmt: skip
    known = {name: round(value, 6) for name, value in figures.items() if value is not None}
    return {"calls": counts.calls, "failures": counts.failures, **known}
