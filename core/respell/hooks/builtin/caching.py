"""`[hooks.caching]`: uses the answer of an equal request, or of an equal call, again."""

from __future__ import annotations

from blake3 import blake3

from respell import values
from respell.hooks.builtin import TAG
from respell.hooks.context import HookContext
from respell.hooks.registry import HookRegistry
from respell.hooks.results import Cache
from respell.settings import CachingHookSettings

_NOT_IN_THE_KEY = ("agent",)  # who asks makes no difference to the answer


def install(registry: HookRegistry, settings: CachingHookSettings) -> None:
    """Register it before requests to models, and before calls of the tools that are named."""

    def cached(context: HookContext) -> Cache | None:
        arguments = context.arguments
        if context.effect == "tool.invoke" and arguments.get("name") not in settings.tools:
            return None
        for name in _NOT_IN_THE_KEY:
            arguments.pop(name, None)
        digest = blake3(values.encode(arguments)).hexdigest()
        return Cache(f"{context.effect} {digest}", settings.ttl_seconds)

    if settings.tools:
        registry.register(
            "BeforeToolExecution", cached, name="caching", priority="high", tags=(TAG,), quick=True
        )
    if settings.agents:
        registry.register(
            "BeforeAgentExecution", cached, name="caching", priority="high", tags=(TAG,), quick=True
        )
