"""Hooks that come with Respell: each is switched on in `respell.toml`, one module each.

A module has `install(registry, settings)`, which registers what its table of settings says.
They are hooks of one run, besides those of the process: what they count begins with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from respell.hooks.registry import HookRegistry
    from respell.settings import HookSettings

TAG = "built-in"


def install(registry: HookRegistry, settings: HookSettings) -> None:
    """Register the built-in hooks that are switched on.

    Args:
        registry: Where; nothing else needs to be in it.
        settings: What `[hooks]` says.
    """
    from importlib import import_module

    for name in (
        "logging", "metrics", "security", "caching", "rate_limit", "retry", "cost_tracking",
        "debugging",
    ):  # fmt: skip
        chosen = getattr(settings, name)
        if chosen.enabled:
            import_module(f"{__name__}.{name}").install(registry, chosen)
