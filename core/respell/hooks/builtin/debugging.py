"""`[hooks.debugging]`: keeps the last effects, with what went in and what came out."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from respell import values
from respell.hooks.builtin import TAG
from respell.hooks.builtin.keeping import keep
from respell.hooks.context import HookContext
from respell.hooks.registry import HookRegistry
from respell.settings import DebuggingHookSettings
from respell.times import now_us, rfc3339

ARTIFACT = "hook-traces.json"
MOST_BYTES = 4_096
"""Larger data is kept by its size only: the history has it."""


def install(registry: HookRegistry, settings: DebuggingHookSettings) -> None:
    """Register it around every effect, and at the end of the run."""
    traces: deque[dict[str, Any]] = deque(maxlen=settings.max_traces)
    lock = threading.Lock()

    def trace(context: HookContext) -> None:
        entry = {
            "at": rfc3339(now_us()), "point": context.point, "effect": context.effect,
            "component": context.component, "event": context.event, "attempt": context.attempt,
            "data": _shown(context.data),
        }  # fmt: skip
        with lock:
            traces.append(entry)

    def store(context: HookContext) -> None:
        with lock:
            kept = list(traces)
        if kept:
            keep(context, ARTIFACT, kept)

    for point in ("BeforeEffect", "AfterEffect", "EffectError"):
        registry.register(
            point, trace, name="debugging", priority="lowest", tags=(TAG,), quick=True
        )
    registry.register(
        "SystemShutdown", store, name="debugging", priority="lowest", tags=(TAG,), quick=True
    )


def _shown(data: Any) -> Any:
    size = len(values.encode(data))
    return data if size <= MOST_BYTES else {"bytes": size}
