"""What scripts may know of the configuration."""

from __future__ import annotations

from typing import Any

from respell.arguments import Arguments
from respell.effect import Kind
from respell.engine.effects import EffectContext, effect
from respell.errors import UsageError


@effect("config.get", kind=Kind.READ)
def config_get(ctx: EffectContext, args: dict[str, Any]) -> Any:
    """Return the settings at a dotted path: `{path}` -> a value, nil where there is none.

    What looks like a secret is left out, whoever put it there.
    """
    path = Arguments("Config.get", args).text("path")
    if not path:
        raise UsageError("Config.get: path must be a string, e.g. 'session.limits.operations'")
    return ctx.config.for_scripts(path)
