"""Hooks written in Python: functions that run before and after what sessions do.

    import respell

    @respell.hook("BeforeToolExecution", priority="high")
    def only_small(context):
        if len(context.data.get("input", "")) > 1000:
            return respell.hooks.Cancel("too large")

The functions of this module change and show the hooks of this process. A `HookRegistry` of
one's own can be given to `respell.run` and `respell.resume` instead.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

from respell.errors import UsageError
from respell.hooks.breaker import Figures
from respell.hooks.context import About, HookContext
from respell.hooks.points import CUSTOM, NEVER_FIRED, POINTS, Point
from respell.hooks.registry import (
    ENTRY_POINTS,
    PRIORITIES,
    Callback,
    Hook,
    HookRegistry,
    declared,
    hook,
    load_installed,
)
from respell.hooks.results import (
    KINDS,
    Cache,
    Cancel,
    Continue,
    Fork,
    HookResult,
    Modified,
    Redirect,
    Replace,
    Retry,
    Skipped,
    result_of,
)

__all__ = [
    "ENTRY_POINTS", "KINDS", "NEVER_FIRED", "POINTS", "PRIORITIES", "Cache", "Cancel", "Continue",
    "Figures", "Fork", "Hook", "HookContext", "HookRegistry", "HookResult", "Modified", "Point",
    "Redirect", "Replace", "Retry", "Skipped", "declared", "disable", "enable", "get", "hook",
    "list", "load_installed", "metrics", "register", "result_of", "trigger", "unregister",
]  # fmt: skip


def register(
    point: str,
    callback: Callback,
    *,
    name: str | None = None,
    priority: str | float = "normal",
    tags: Sequence[str] = (),
    replayable: bool = False,
    time_limit_s: float | None = None,
    quick: bool = False,
) -> Hook:
    """Add a hook to this process; see `HookRegistry.register`."""
    return declared.register(
        point, callback, name=name, priority=priority, tags=tags, replayable=replayable,
        time_limit_s=time_limit_s, quick=quick,
    )  # fmt: skip


def unregister(name: str | Hook, *, point: str | None = None) -> bool:
    """Take a hook away, at one point or at all; return whether there was one."""
    return declared.unregister(name, point=point)


def enable(name: str | Hook | None = None, *, point: str | None = None) -> None:
    """Let a hook be called again, with its breaker closed; None for all of this process."""
    declared.enable(name, point=point)


def disable(name: str | Hook | None = None, *, point: str | None = None) -> None:
    """Have a hook not called until it is enabled; None for all of this process."""
    declared.disable(name, point=point)


def get(name: str, *, point: str | None = None) -> Hook:
    """Return a hook, also one that is disabled; its `figures()` tell how it does."""
    return declared.get(name, point=point)


def list(point: str | None = None, *, tag: str | None = None) -> builtins.list[Hook]:
    """Return the hooks of this process in the order they run, also those that are disabled."""
    return declared.list(point, tag=tag)


def metrics() -> dict[str, Figures]:
    """Return how often and how fast each hook of this process ran, by `POINT/NAME`."""
    return declared.metrics()


def trigger(point: str, data: Any = None, *, component: str = "") -> builtins.list[dict[str, Any]]:
    """Fire a point of one's own; its hooks are told `data`, and can decide nothing.

    Args:
        point: `custom:NAME`.
        data: What they are told: None, or plain values.
        component: What it is about.

    Returns:
        What each hook that ran did, in their order: hook, point, result, duration_s, error.

    Raises:
        UsageError: The point is none of `custom:…`, or the data has no plain form.
    """
    from respell.hooks.executor import run
    from respell.sessions.current import acting
    from respell.times import now_us

    if not isinstance(point, str) or not point.startswith(CUSTOM) or point == CUSTOM:
        raise UsageError(f"only points custom:NAME can be triggered, not {point!r:.80}")
    load_installed()
    here = acting()
    about = About(
        session_id=here.session_id if here else "", store=here.store if here else None,
        event=(here.event or 0) if here else 0, component=component, kind="custom", effect=point,
        at=now_us(),
    )  # fmt: skip
    return [call.shown() for call in run(declared.at(point), "tell", data, about).calls]
