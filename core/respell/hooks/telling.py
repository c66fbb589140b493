"""Telling the hooks of this process what happened outside of a host's run."""

from __future__ import annotations

from typing import Any

from respell.hooks.registry import declared, load_installed


def tell(point: str, data: Any, *, component: str = "") -> None:
    """Tell the hooks of a point something; they can decide nothing, and break nothing.

    Args:
        point: The point's own name.
        data: What they are told.
        component: What it is about.
    """
    load_installed()
    hooks = declared.at(point)
    if not hooks:
        return
    from respell.hooks.context import About
    from respell.hooks.executor import run
    from respell.times import now_us

    about = About(component=component, kind="system", effect=point, at=now_us())
    run(hooks, "tell", data, about)
