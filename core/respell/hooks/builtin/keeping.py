"""Keeping what built-in hooks have gathered, as an artifact of the session they ran for."""

from __future__ import annotations

from typing import Any

from respell.errors import RespellError
from respell.hooks.builtin import TAG
from respell.hooks.context import HookContext


def keep(context: HookContext, name: str, content: dict[str, Any] | list[Any]) -> None:
    """Store a table as an artifact; a session that may have no more goes without.

    Args:
        context: Of the hook.
        name: The artifact's name.
        content: Plain values.

    Raises:
        RespellError: It could not be stored; the hook has failed then.
    """
    session = context.session
    if session is None:
        raise RespellError(f"there is no session that {name} could be kept with")
    session.artifacts.store(name, content, type="SystemGenerated", tags=(TAG, "hooks"))
