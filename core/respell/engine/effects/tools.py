"""Tools: calling them, and asking what there is."""

from __future__ import annotations

from typing import Any

from respell.arguments import Arguments
from respell.effect import Kind, Manner
from respell.engine.effects import EffectContext, effect
from respell.engine.effects.confined import permissions_of
from respell.errors import PermissionDenied, RespellError, UsageError
from respell.schema import fitted, validate
from respell.sessions.current import acting_for
from respell.tools.model import READS, ToolContext


def _name(call: str, args: dict[str, Any]) -> str:
    name = Arguments(call, args).text("name", empty=False)
    if name is None:
        raise UsageError(f"{call}: the name of the tool is missing")
    return name


def _is_disabled(ctx: EffectContext, name: str) -> bool:
    return name in ctx.config.tools.disabled


def _invoke_manner(ctx: EffectContext, args: dict[str, Any]) -> Manner:
    name = _name("Tool.invoke", args)
    if _is_disabled(ctx, name):
        return READS
    try:
        manner = ctx.tools.decided(name, args.get("params"))
    except RespellError:
        return READS  # it can only fail
    ctx.checked = args
    return manner


def _check_invoke(ctx: EffectContext, args: dict[str, Any]) -> None:
    if ctx.checked is args:
        return
    _check_enabled(ctx, _name("Tool.invoke", args))
    ctx.tools.check(args["name"], args.get("params"))


def _check_enabled(ctx: EffectContext, name: str) -> None:
    if _is_disabled(ctx, name):
        raise PermissionDenied(
            f"Tool '{name}' is switched off: tools.disabled names it "
            f"({ctx.config.origin('tools.disabled')})"
        )


@effect("tool.invoke", kind=_invoke_manner, check=_check_invoke)
def tool_invoke(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Call a tool: `{name, params}` -> success, result, text, metadata, error, duration_s."""
    name = _name("Tool.invoke", args)
    _check_enabled(ctx, name)
    context = ToolContext(
        session_id=ctx.session.id,
        permissions=permissions_of(ctx),
        script_dir=ctx.script_dir,
        cwd=ctx.cwd,
        cancel=ctx.cancel,
        number=ctx.number,
        config=ctx.config,
    )
    with acting_for(ctx.store, ctx.session.id, ctx.number):
        return ctx.tools.invoke(name, args.get("params"), context)


@effect("tool.list", kind=Kind.READ)
def tool_list(ctx: EffectContext, args: dict[str, Any]) -> list[dict[str, Any]]:
    """Return name, description, category, version and tags of every tool: `{}`."""
    return [tool for tool in ctx.tools.list() if not _is_disabled(ctx, tool["name"])]


@effect("tool.get", kind=Kind.READ)
def tool_get(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any] | None:
    """Return one tool with its schema: `{name}`; nil when there is none."""
    name = _name("Tool.get", args)
    return ctx.tools.describe(name) if _exists(ctx, name) else None


@effect("tool.exists", kind=Kind.READ)
def tool_exists(ctx: EffectContext, args: dict[str, Any]) -> bool:
    """Return whether there is a tool: `{name}`."""
    return _exists(ctx, _name("Tool.exists", args))


def _exists(ctx: EffectContext, name: str) -> bool:
    return not _is_disabled(ctx, name) and ctx.tools.exists(name)


@effect("tool.check", kind=Kind.READ)
def tool_check(ctx: EffectContext, args: dict[str, Any]) -> bool:
    """Check the parameters of a tool written in Lua: `{name, parameters, params}` -> true.

    Raises:
        UsageError: One is wrong (or the JSON Schema is); names it.
    """
    name = _name("Tool.invoke", args)
    schema = args.get("parameters")
    if not isinstance(schema, dict):
        raise UsageError(f"Tool '{name}': its parameters are a JSON Schema, given as a table")
    params = args.get("params")
    try:
        validate(schema, fitted(schema, {} if params is None else params), "parameter")
    except UsageError as error:
        raise UsageError(f"Tool '{name}': {error}") from None
    return True
