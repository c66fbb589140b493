"""`[hooks.retry]`: performs again what failed, after a while that grows."""

from __future__ import annotations

import random

from respell.hooks.builtin import TAG
from respell.hooks.context import HookContext
from respell.hooks.registry import HookRegistry
from respell.hooks.results import Retry
from respell.settings import RetryHookSettings

FINAL = frozenset(("PermissionDenied", "HookCancelled", "UsageError", "NotFound", "LimitReached"))
"""Classes of errors that come again however often it is tried."""


def install(registry: HookRegistry, settings: RetryHookSettings) -> None:
    """Register it where a call of a tool or a request to a model failed."""

    def again(context: HookContext) -> Retry | None:
        if context.data["class"] in FINAL or context.attempt >= settings.max_attempts:
            return None
        named = not settings.tools or context.component in settings.tools
        if context.effect == "tool.invoke" and not named:
            return None
        return Retry(_delay_s(settings, context.attempt), settings.max_attempts)

    for point in ("ToolError", "AgentError"):
        registry.register(point, again, name="retry", priority="high", tags=(TAG,), quick=True)


def _delay_s(settings: RetryHookSettings, attempt: int) -> float:
    delay = min(settings.delay_s * settings.factor ** (attempt - 1), settings.max_delay_s)
    # Many that failed at the same time are not to come again at the same time.
    return delay * random.uniform(0.5, 1.0) if settings.jitter else delay
