"""`[hooks.security]`: looks at what tools and models are given."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from respell import values
from respell.hooks.builtin import TAG
from respell.hooks.context import HookContext
from respell.hooks.registry import HookRegistry
from respell.hooks.results import Cancel
from respell.settings import SecurityHookSettings

_log = logging.getLogger("respell.hooks.security")


def install(registry: HookRegistry, settings: SecurityHookSettings) -> None:
    """Register it before calls of tools and requests to models."""
    names = {name.lower() for name in settings.sensitive_names}

    def check(context: HookContext) -> Cancel | None:
        found = list(_violations(context.data, settings.max_param_bytes, names))
        if not found:
            return None
        reason = f"{context.component}: {'; '.join(found)}"
        session = context.session
        if session is not None:
            session.store.audit.note(
                "hook.security", session=session.id, actor=session.id, target=context.component,
                allowed=not settings.block, reason=reason,
            )  # fmt: skip
        if settings.block:
            return Cancel(reason)
        _log.warning("%s", reason)
        return None

    for point in ("BeforeToolExecution", "BeforeAgentExecution"):
        registry.register(
            point, check, name="security", priority="highest", tags=(TAG,), quick=True
        )


def _violations(data: Any, most: int, names: set[str]) -> Iterator[str]:
    size = len(values.encode(data))
    if size > most:
        yield f"its parameters have {size} bytes; {most} are allowed"
    for path, name in _names(data, ""):
        if name.lower() in names:
            yield f"the parameter {path} has a name that is for secrets"


def _names(data: Any, above: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the name of every field that has a value."""
    if isinstance(data, dict):
        for key, value in data.items():
            path = f"{above}.{key}" if above else str(key)
            if value not in (None, "", [], {}):
                yield path, str(key)
            yield from _names(value, path)
    elif isinstance(data, list):
        for index, value in enumerate(data, 1):
            yield from _names(value, f"{above}[{index}]")
